//! No circle among the files. A parent that only declares its children, or hands on what they
//! define, does not depend on them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::imports::{Import, imports};
use crate::source::{Tree, tree};
use crate::{Violation, expect_none, listed};

/// For each file, one import from each other file.
type Graph = BTreeMap<String, BTreeMap<String, Import>>;

fn graph(tree: &Tree) -> Graph {
    let mut graph = Graph::new();
    for import in imports(tree) {
        if !import.is_reexport_of_child {
            let edges = graph.entry(import.from.clone()).or_default();
            edges.entry(import.to.clone()).or_insert(import);
        }
    }
    graph
}

/// Returns a shortest circle through the file, as a chain of imports.
fn circle<'a>(graph: &'a Graph, file: &str) -> Option<Vec<&'a Import>> {
    let mut before: BTreeMap<&str, &Import> = BTreeMap::new();
    let mut queue = VecDeque::from([file]);
    while let Some(from) = queue.pop_front() {
        for (to, import) in graph.get(from).into_iter().flatten() {
            if before.contains_key(&**to) {
                continue;
            }
            before.insert(to, import);
            if to != file {
                queue.push_back(to);
                continue;
            }
            let mut chain = vec![import];
            while chain[0].from != file {
                chain.insert(0, before[&*chain[0].from]);
            }
            return Some(chain);
        }
    }
    None
}

/// Finds for each file that is in a circle a shortest one; each circle once.
fn circles(tree: &Tree) -> Vec<Violation> {
    let graph = graph(tree);
    let mut known = BTreeSet::new();
    let mut violations = Vec::new();
    for file in graph.keys() {
        let Some(chain) = circle(&graph, file) else {
            continue;
        };
        let files: BTreeSet<_> = chain.iter().map(|import| &import.from).collect();
        if known.insert(files) {
            violations.push(Violation::new(file, chain[0].line, described(&chain)));
        }
    }
    violations
}

/// Writes the chain as `a -> b -> a`, and below it the imports.
fn described(chain: &[&Import]) -> String {
    let short = |path: &str| path.trim_start_matches("src/").to_owned();
    let mut text = format!("circle: {}", short(&chain[0].from));
    for import in chain {
        text.push_str(&format!(" -> {}", short(&import.to)));
    }
    text.push_str(". Move what both use to a file of its own");
    for Import {
        from,
        line,
        path,
        to,
        ..
    } in chain
    {
        text.push_str(&format!("\n      {from}:{line}: `{path}` leads to {to}"));
    }
    text
}

#[test]
fn no_circle_is_among_the_files() {
    expect_none(circles(tree()));
}

#[test]
fn circles_are_found_with_their_chain() {
    let tree = Tree::of([
        ("src/a.rs", "\nuse crate::b::B;"),
        ("src/b.rs", "use crate::c::C;"),
        ("src/c.rs", "fn f() { crate::a::f() }\nuse crate::d;"),
        ("src/d.rs", "use std::fmt;"),
    ]);
    let expected = "src/a.rs:2: circle: a.rs -> b.rs -> c.rs -> a.rs. Move what both use to a \
                    file of its own\n      src/a.rs:2: `crate::b::B` leads to src/b.rs\n      \
                    src/b.rs:1: `crate::c::C` leads to src/c.rs\n      \
                    src/c.rs:1: `crate::a::f` leads to src/a.rs";
    assert_eq!(listed(circles(&tree)), [expected]);
}

#[test]
fn a_parent_may_declare_and_export_children_that_import_from_it() {
    let parent = "mod b; pub(crate) use b::B; pub(super) struct P;";
    let child = ("src/a/b.rs", "use super::P;");
    assert_eq!(circles(&Tree::of([("src/a/mod.rs", parent), child])), []);
    let parent = format!("{parent} fn f() {{ b::g() }}");
    let tree = Tree::of([("src/a/mod.rs", &*parent), child]);
    assert_eq!(circles(&tree).len(), 1);
}
