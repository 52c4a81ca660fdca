//! Which file imports from which: the paths of the crate's own code, resolved.
//!
//! An import is a `use`, or a path in the code, that begins with `crate`, `super`, `self`, a module
//! declared here, or a module that was imported. It leads to the file that defines the last module
//! on the path, or, if that module only imports the item in its turn, to where that import leads.
//! The imports of tests and models do not count. Calls of methods are not seen: a parent that calls
//! an inherent method which a child defines for the parent's type depends on the child unnoticed.

use std::collections::{HashMap, HashSet};

use crate::source::{File, Token, Tree, closing, is_word};

/// A path from the root of the crate to a module.
type Module = Vec<String>;

/// One file's use of another.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The number of the line, from 1.
    pub(crate) line: usize,
    /// The path as it is written, without what is beside it in braces.
    pub(crate) path: String,
    /// The import only hands on what a module below defines.
    pub(crate) is_reexport_of_child: bool,
}

/// The modules of the crate, with the file of each and what it imports.
#[derive(Debug, Default)]
struct Modules {
    files: HashMap<Module, String>,
    uses: HashMap<Module, Vec<Use>>,
    paths: Vec<(Module, Use)>,
    /// The words in the code of each file, apart from those in `use`.
    words: HashMap<String, HashSet<String>>,
}

/// One leaf of a `use`, or a path in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// The name that it has here: `*` for a glob, and nothing for a path in the code.
    pub(crate) name: String,
    pub(crate) is_public: bool,
    pub(crate) line: usize,
}

/// Returns all imports of files of `src` from others.
pub(crate) fn imports(tree: &Tree) -> Vec<Import> {
    let modules = Modules::read(tree);
    let mut imports = Vec::new();
    let uses = modules.uses.iter();
    let uses = uses.flat_map(|(at, uses)| uses.iter().map(move |it| (at, it)));
    for (at, it) in uses.chain(modules.paths.iter().map(|(at, it)| (at, it))) {
        let from = &modules.files[at];
        let Some(target) = modules.resolve(at, &it.path, 0) else {
            continue;
        };
        let to = &modules.files[&target];
        if from != to {
            let is_below = target.starts_with(at);
            let is_used = modules.words[from].contains(&it.name);
            imports.push(Import {
                from: from.clone(),
                to: to.clone(),
                line: it.line,
                path: it.path.join("::"),
                is_reexport_of_child: it.is_public && is_below && !is_used,
            });
        }
    }
    imports.sort_by(|a, b| (&a.from, a.line, &a.to).cmp(&(&b.from, b.line, &b.to)));
    imports
}

impl Modules {
    fn read(tree: &Tree) -> Self {
        let mut modules = Self::default();
        for file in tree.src() {
            let module = module_of(file);
            modules.files.insert(module, file.path.clone());
        }
        for file in tree.src() {
            modules.words.insert(file.path.clone(), HashSet::new());
            let shipped: Vec<_> = file.shipped().cloned().collect();
            modules.read_module(file, module_of(file), &shipped);
        }
        modules
    }

    /// Notes what the code of a module imports, and that of the modules that stand within.
    fn read_module(&mut self, file: &File, module: Module, tokens: &[Token]) {
        self.files.insert(module.clone(), file.path.clone());
        let text = |at: usize| tokens.get(at).map_or("", |it| &*it.text);
        let (mut at, mut is_public) = (0, false);
        while at < tokens.len() {
            let (from, was_public) = (at, std::mem::take(&mut is_public));
            match (text(at), text(at + 1)) {
                ("pub", next) => {
                    is_public = true;
                    if next == "(" {
                        at = closing(tokens, at + 1);
                    }
                }
                ("use", next) if next != "<" => {
                    let mut tree = UseTree { tokens, at: at + 1 };
                    let uses = self.uses.entry(module.clone()).or_default();
                    tree.read(&[], was_public, uses);
                    at = tree.at;
                }
                ("mod", name) if text(at + 2) == "{" => {
                    let inner = [&module[..], &[name.to_owned()]].concat();
                    at = closing(tokens, at + 2);
                    self.read_module(file, inner, &tokens[from + 3..at]);
                }
                (word, next) => {
                    let words = self.words.get_mut(&file.path).expect("read before");
                    words.insert(word.to_owned());
                    if next == "::" && (from == 0 || text(from - 1) != "::") {
                        let path = path_at(tokens, at);
                        at += 2 * path.len() - 2;
                        let path = inline(path, tokens[from].line);
                        self.paths.push((module.clone(), path));
                    }
                }
            }
            at += 1;
        }
    }

    /// Returns the module in which a path ends that is written in the module `at`, or nothing if it
    /// leaves the crate.
    fn resolve(&self, at: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let is_declared = |module: &Module| self.files.contains_key(module);
        let mut module = match &**first {
            "crate" => Vec::new(),
            "self" => at.clone(),
            "super" => at[..at.len().checked_sub(1)?].to_vec(),
            _ if is_declared(&below(at, first)) => below(at, first),
            _ => {
                let path = [&self.used_as(at, first)?.path, rest].concat();
                return (depth < 16).then(|| self.resolve(at, &path, depth + 1))?;
            }
        };
        for (index, part) in rest.iter().enumerate() {
            match &**part {
                "self" => {}
                "super" => drop(module.pop()),
                _ if is_declared(&below(&module, part)) => module.push(part.clone()),
                _ => {
                    // The root's own imports are its face, which is not for the crate itself.
                    let next = self.used_as(&module, part).filter(|_| !module.is_empty());
                    let further = next.filter(|_| depth < 16).and_then(|next| {
                        let path = [&next.path, &rest[index + 1..]].concat();
                        self.resolve(&module, &path, depth + 1)
                    });
                    return Some(further.unwrap_or(module));
                }
            }
        }
        Some(module)
    }

    /// Returns the import that gives the name its meaning in the module.
    fn used_as(&self, module: &Module, name: &str) -> Option<&Use> {
        let uses = self.uses.get(module)?;
        uses.iter().find(|it| it.name == name && it.path != [name])
    }
}

/// The part of a `use` that is still to be read.
struct UseTree<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl UseTree<'_> {
    fn text(&self) -> &str {
        self.tokens.get(self.at).map_or("", |it| &*it.text)
    }

    /// Reads the tree at `at`, whose paths begin with `prefix`, up to what ends it.
    fn read(&mut self, prefix: &[String], is_public: bool, uses: &mut Vec<Use>) {
        let mut path = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |it| it.line);
        let mut name = None;
        loop {
            let word = self.text().to_owned();
            match &*word {
                "{" => return self.read_list(&path, is_public, uses),
                "::" => {}
                "," | "}" | ";" | "" => break,
                "as" => {
                    self.at += 1;
                    name = Some(self.text().to_owned());
                }
                _ => path.push(word),
            }
            self.at += 1;
        }
        if path.len() > 1 && path.ends_with(&["self".to_owned()]) {
            path.pop();
        }
        let name = name.unwrap_or_else(|| path.last().cloned().unwrap_or_default());
        if name == "*" {
            path.pop();
        }
        uses.push(Use {
            path,
            name,
            is_public,
            line,
        });
    }

    /// Reads the trees in the braces that begin at `at`.
    fn read_list(&mut self, prefix: &[String], is_public: bool, uses: &mut Vec<Use>) {
        self.at += 1;
        while !matches!(self.text(), "}" | "") {
            self.read(prefix, is_public, uses);
            self.at += usize::from(self.text() == ",");
        }
        self.at += 1;
    }
}

/// Returns all imports by `use` in the file, without resolving them. Also of tests.
pub(crate) fn uses(file: &File) -> Vec<(Use, bool)> {
    let mut all = Vec::new();
    let tokens = &file.tokens;
    for (at, token) in tokens.iter().enumerate() {
        if token.text == "use" && tokens.get(at + 1).is_some_and(|next| next.text != "<") {
            let mut uses = Vec::new();
            UseTree { tokens, at: at + 1 }.read(&[], false, &mut uses);
            let is_test = token.is_test || file.is_test;
            all.extend(uses.into_iter().map(|it| (it, is_test)));
        }
    }
    all
}

/// Returns the words of the path that begins at `at`.
pub(crate) fn path_at(tokens: &[Token], at: usize) -> Vec<String> {
    let text = |at: usize| tokens.get(at).map_or("", |it| &*it.text);
    let mut path = vec![text(at).to_owned()];
    while text(at + 2 * path.len() - 1) == "::" && text(at + 2 * path.len()).starts_with(is_word) {
        path.push(text(at + 2 * path.len()).to_owned());
    }
    path
}

/// Returns a path in the code, of which the file knows no more than the words.
fn inline(path: Vec<String>, line: usize) -> Use {
    Use {
        path,
        name: String::new(),
        is_public: false,
        line,
    }
}

/// Returns the module that a file of `src` defines.
fn module_of(file: &File) -> Module {
    let parts = file.room_path().trim_end_matches(".rs").split('/');
    let parts = parts.filter(|part| !["mod", "lib"].contains(part));
    parts.map(str::to_owned).collect()
}

fn below(module: &Module, name: &str) -> Module {
    [&module[..], &[name.to_owned()]].concat()
}

mod tests {
    use super::{imports, uses};
    use crate::source::Tree;

    /// Returns the imports of a tree of files below `src`, as `from:line to`.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (format!("src/{path}.rs"), *text))
            .collect();
        let tree = Tree::of(files.iter().map(|(path, text)| (&**path, *text)));
        let short = |path: &str| path["src/".len()..path.len() - ".rs".len()].to_owned();
        let all = imports(&tree).into_iter();
        all.map(|it| {
            let mark = if it.is_reexport_of_child {
                " re-exported"
            } else {
                ""
            };
            format!("{}:{} {}{mark}", short(&it.from), it.line, short(&it.to))
        })
        .collect()
    }

    #[test]
    fn nested_use_trees_have_a_path_for_each_leaf() {
        let text = "pub(crate) use a::{self, b::{c, d as e}, f::*,}; use g as _; fn f() -> impl \
                    Sized + use<'_> {}";
        let tree = Tree::of([("src/a.rs", text)]);
        let uses = uses(&tree.files[0]).into_iter();
        let uses: Vec<_> = uses
            .map(|(it, _)| format!("{}={}", it.name, it.path.join("::")))
            .collect();
        assert_eq!(uses, ["a=a", "c=a::b::c", "e=a::b::d", "*=a::f", "_=g"]);
    }

    #[test]
    fn imports_lead_to_the_files_of_their_modules() {
        let c = "use super::b::{B, inner::{C}};\nuse crate::{a::{self, A}, d};\n\
                 fn f() { d::D::new(); crate::e::f::<a::A>() } // crate::a::Comment\n\
                 const S: &str = \"crate::a::String\"; pub(in crate::m) fn g() {}";
        let files = [
            ("a", ""),
            ("m/b", "mod inner {}"),
            ("m/c", c),
            ("d", ""),
            ("e", ""),
        ];
        let expected = [
            "m/c:1 m/b",
            "m/c:1 m/b",
            "m/c:2 a",
            "m/c:2 a",
            "m/c:2 d",
            "m/c:3 a",
            "m/c:3 d",
            "m/c:3 e",
        ];
        assert_eq!(found(&files), expected);
    }

    #[test]
    fn reexports_lead_to_the_file_that_defines_the_item() {
        let files = [
            ("a", "use crate::m::{B, own};"),
            (
                "m/mod",
                "mod b; pub(crate) use b::B; pub(crate) fn own() {}",
            ),
            ("m/b", ""),
        ];
        assert_eq!(
            found(&files),
            ["a:1 m/b", "a:1 m/mod", "m/mod:1 m/b re-exported"]
        );
    }

    #[test]
    fn a_parent_that_uses_what_it_exports_again_depends_on_it() {
        let m = "pub use self::b::B; fn f(b: B) {}";
        assert_eq!(found(&[("m/mod", m), ("m/b", "")]), ["m/mod:1 m/b"]);
    }

    #[test]
    fn the_root_stands_for_itself() {
        let files = [("lib", "pub use b::B;"), ("a", "use crate::B;"), ("b", "")];
        assert_eq!(found(&files), ["a:1 lib", "lib:1 b re-exported"]);
    }

    #[test]
    fn children_import_from_parents_and_parents_from_children() {
        let m = "mod b; use b::B; mod own { use super::super::a::A; }";
        let files = [("m/mod", m), ("m/b", "use super::M;"), ("a", "")];
        assert_eq!(found(&files), ["m/b:1 m/mod", "m/mod:1 a", "m/mod:1 m/b"]);
    }

    #[test]
    fn tests_and_models_import_what_they_like() {
        let test = "#[cfg(test)] mod tests { use crate::b::B; } #[cfg(test)] mod c;";
        let files = [
            ("a", test),
            ("b", ""),
            ("a/c", "use crate::b;"),
            ("m/model", "use crate::b;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn names_of_other_crates_lead_nowhere() {
        let files = [
            ("cell", ""),
            ("a", "use std::cell; use std::{fmt}; fn f() { cell::g() }"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }
}
