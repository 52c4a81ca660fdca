//! The front door: the README is short, the examples are listed, links lead somewhere, the names of
//! other worlds are found, and public items have examples.

use std::collections::HashSet;
use std::path::Path;

use crate::source::{File, Line, Tree, tree};
use crate::{Violation, expect_none, listed};

const README: &str = "README.md";
const EXAMPLES: &str = "examples/README.md";

/// The number of lines of the README.
const README_LINES: usize = 150;

/// What people look for who come from elsewhere. Each is an alias in the documentation of an item,
/// or the name of one.
const FOREIGN_NAMES: &[(&str, &str)] = &[
    (
        "Python",
        "ThreadPoolExecutor ProcessPoolExecutor submit map result exception done cancel \
         add_done_callback wait as_completed ALL_COMPLETED FIRST_COMPLETED FIRST_EXCEPTION \
         set_result set_exception set_running_or_notify_cancel shutdown max_workers initializer \
         thread_name_prefix chunksize buffersize BrokenProcessPool max_tasks_per_child Pool \
         apply_async imap imap_unordered starmap terminate maxtasksperchild Timer Semaphore \
         BoundedSemaphore Event Barrier Condition RLock local threading multiprocessing Process \
         Queue JoinableQueue LifoQueue PriorityQueue SimpleQueue put_nowait get_nowait task_done \
         join qsize empty full asyncio create_task run_in_executor to_thread gather wait_for \
         TaskGroup greenlet joinall",
    ),
    (
        "Java",
        "ExecutorService newFixedThreadPool newSingleThreadExecutor ForkJoinPool RecursiveTask \
         fork invokeAll invokeAny ExecutorCompletionService Future FutureTask CompletableFuture \
         supplyAsync runAsync thenApply thenAccept whenComplete allOf anyOf orTimeout \
         completeExceptionally ExecutionException CancellationException corePoolSize \
         maximumPoolSize keepAliveTime ThreadFactory RejectedExecutionHandler AbortPolicy \
         CallerRunsPolicy DiscardPolicy DiscardOldestPolicy shutdownNow awaitTermination \
         isShutdown isTerminated awaitQuiescence getActiveCount getCompletedTaskCount \
         ScheduledExecutorService schedule scheduleAtFixedRate scheduleWithFixedDelay \
         StructuredTaskScope ManagedBlocker CountDownLatch CyclicBarrier Phaser drainPermits \
         BlockingQueue LinkedBlockingQueue ArrayBlockingQueue SynchronousQueue Exchanger \
         PriorityBlockingQueue DelayQueue offer take poll drainTo ReentrantLock ReadWriteLock \
         ThreadLocal commonPool",
    ),
    (
        "rayon",
        "ThreadPoolBuilder num_threads join scope in_place_scope install par_iter par_bridge \
         broadcast start_handler exit_handler current_thread_index rayon",
    ),
    (
        "tokio",
        "Runtime Handle spawn spawn_blocking block_in_place block_on abort AbortHandle JoinSet \
         JoinMap TaskTracker CancellationToken DropGuard Notify notify_waiters oneshot mpsc \
         timeout sleep interval yield_now LocalSet spawn_local max_blocking_threads ctrl_c tokio",
    ),
    ("Go", "WaitGroup errgroup Context Weighted channel"),
    ("std", "sync_channel Condvar catch_unwind flatten"),
    ("all", "sigint retry rate_limit fail_fast return_when"),
];

/// Public items without an example, and why.
const WITHOUT_EXAMPLE: &[(&str, &str, &str)] = &[
    ("src/handle/any.rs", "Awaited", "nobody outside can name it"),
    ("src/handle/any.rs", "Take", "nobody outside can name it"),
    (
        "src/many/stream.rs",
        "PollNext",
        "nobody outside can name it",
    ),
    (
        "src/sync/queue/order.rs",
        "Store",
        "nobody outside can name it",
    ),
    (
        "src/sync/queue/order.rs",
        "Look",
        "nobody outside can name it",
    ),
    (
        "src/sync/queue/order.rs",
        "Order",
        "the parameter of `Queue`, which the aliases fill in",
    ),
    (
        "src/sync/queue/order.rs",
        "Fifo",
        "the parameter of `JoinableQueue`",
    ),
    (
        "src/sync/queue/order.rs",
        "Lifo",
        "the parameter of `LifoQueue`",
    ),
    (
        "src/sync/queue/smallest.rs",
        "SmallestFirst",
        "the parameter of `PriorityQueue`",
    ),
    (
        "crates/jobs/src/job.rs",
        "Sealed",
        "nobody outside can name it",
    ),
    (
        "crates/process/src/hub/held.rs",
        "Order",
        "the parameter of `Queue`, which the aliases fill in",
    ),
    (
        "crates/process/src/hub/held.rs",
        "Fifo",
        "the parameter of `JoinableQueue`",
    ),
    (
        "crates/process/src/hub/held.rs",
        "Lifo",
        "the parameter of `LifoQueue`",
    ),
    (
        "crates/process/src/hub/held.rs",
        "SmallestFirst",
        "the parameter of `PriorityQueue`",
    ),
    (
        "crates/process/src/hub/held.rs",
        "Keep",
        "nobody outside can name it",
    ),
    (
        "crates/process/src/hub/held.rs",
        "Item",
        "nobody outside can name it",
    ),
    (
        "crates/process/src/hub/passing.rs",
        "Side",
        "nobody outside can name it",
    ),
    (
        "crates/process/src/hub/passing.rs",
        "Encoded",
        "nobody outside can name it",
    ),
    (
        "crates/process/src/primitive.rs",
        "Sealed",
        "nobody outside can name it",
    ),
];

/// The README is read in a minute.
fn long_readme(tree: &Tree) -> Vec<Violation> {
    let lines = tree.file(README).map_or(0, |file| file.lines.len());
    let what = format!("{lines} lines, {README_LINES} at most: move what is not for all");
    let is_long = lines > README_LINES;
    is_long
        .then(|| Violation::new(README, README_LINES, what))
        .into_iter()
        .collect()
}

/// Returns the name of the example that the path belongs to, and `true` if it is its first file.
fn example(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once("examples/")?;
    let name = rest
        .strip_suffix("/main.rs")
        .or(rest.strip_suffix("/src/main.rs"));
    let name = name.or(rest.strip_suffix(".rs"))?;
    (!name.contains('/')).then_some(name)
}

/// Each example is in the list, and each that the list names is there.
fn unlisted_examples(tree: &Tree) -> Vec<Violation> {
    let Some(list) = tree.file(EXAMPLES) else {
        return vec![Violation::new(EXAMPLES, 1, "is not there")];
    };
    let rows = (1..)
        .zip(&list.lines)
        .filter(|(_, line)| line.raw.starts_with('|'));
    let answers = rows.filter_map(|(number, line)| {
        let cells: Vec<_> = line.raw.trim_matches('|').split('|').collect();
        Some((number, (*cells.get(1)?).to_owned()))
    });
    let answers: Vec<_> = answers.collect();
    let is_in = |answer: &str, name: &str| {
        let words = answer.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        words.into_iter().any(|word| word == name)
    };
    let is_example = |file: &&File| {
        let path = file.path.as_str();
        path.starts_with("examples/") || path.starts_with("crates/") && path.contains("/examples/")
    };
    let examples: Vec<_> = tree.files.iter().filter(is_example).collect();
    let mut violations = Vec::new();
    for file in &examples {
        let Some(name) = example(&file.path) else {
            continue;
        };
        if !answers.iter().any(|(_, answer)| is_in(answer, name)) {
            let what = format!("is not in {EXAMPLES}: say there which question it answers");
            violations.push(Violation::new(&file.path, 1, what));
        }
    }
    let names: HashSet<_> = examples
        .iter()
        .filter_map(|file| example(&file.path))
        .collect();
    for (number, answer) in &answers {
        for name in answer
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.contains(' '))
        {
            if !names.contains(name) {
                let what = format!("there is no example `{name}`");
                violations.push(Violation::new(EXAMPLES, *number, what));
            }
        }
    }
    violations
}

/// Returns the targets of the links of a line of Markdown.
fn links(line: &Line) -> impl Iterator<Item = &str> {
    let targets = line.raw.split("](").skip(1);
    targets.filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// Links between files lead to files that are there.
fn dead_links(tree: &Tree, is_there: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in (1..).zip(&file.lines) {
            for link in links(line) {
                let path = link.split('#').next().unwrap_or_default();
                if path.is_empty() || path.contains("::") || path.contains(':') {
                    continue;
                }
                if !is_there(&format!("{folder}/{path}")) {
                    let what = format!("`{link}` leads nowhere");
                    violations.push(Violation::new(&file.path, number, what));
                }
            }
        }
    }
    violations
}

/// Returns what stands in quotes in `#[doc(alias…)]`, and the names of public items.
fn names(tree: &Tree) -> HashSet<&str> {
    let mut names = HashSet::new();
    for file in tree.files.iter().filter(|file| is_documented(&file.path)) {
        let mut in_alias = false;
        for line in &file.lines {
            in_alias |= line.raw.trim_start().starts_with("#[doc(alias");
            if in_alias {
                names.extend(line.raw.split('"').skip(1).step_by(2));
                in_alias = !line.raw.trim_end().ends_with(']');
            }
            names.extend(public_item(line).map(|(_, name)| name));
        }
    }
    names
}

fn is_documented(path: &str) -> bool {
    let is_source =
        path.starts_with("src/") || path.starts_with("crates/") && path.contains("/src/");
    is_source && path.ends_with(".rs")
}

/// Returns the kind and the name of the public item that the line begins.
fn public_item(line: &Line) -> Option<(&str, &str)> {
    let mut words = line.raw.trim_start().strip_prefix("pub ")?.split(' ');
    let is_modifier = |word: &&str| ["const", "async", "unsafe"].contains(word);
    let kind = words.find(|word| !is_modifier(word))?;
    if !["fn", "struct", "enum", "trait", "type"].contains(&kind) {
        return None;
    }
    let is_end = |it: char| !it.is_alphanumeric() && it != '_';
    Some((kind, words.next()?.split(is_end).next()?))
}

/// The names that people know from elsewhere lead to an item.
fn unknown_names(tree: &Tree) -> Vec<Violation> {
    let known = names(tree);
    let mut violations = Vec::new();
    for (world, list) in FOREIGN_NAMES {
        for name in list.split_whitespace().filter(|name| !known.contains(name)) {
            let what = format!(
                "`{name}` of {world} leads nowhere: add `#[doc(alias = \"{name}\")]` to the item \
                 to take instead"
            );
            violations.push(Violation::new("tests/tidy/front_door.rs", 1, what));
        }
    }
    violations
}

/// Returns the public items of a file whose documentation has no example, with their lines. Those
/// that are hidden need none.
fn without_example(file: &File) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut is_fine, mut in_attribute) = (false, false);
    for (number, line) in (1..).zip(&file.lines) {
        let text = line.raw.trim();
        in_attribute |= text.starts_with("#[");
        if in_attribute {
            is_fine |= text == "#[doc(hidden)]";
            in_attribute = !text.ends_with(']');
        } else if let Some(docs) = text.strip_prefix("///") {
            is_fine |= docs.contains("```");
        } else {
            let name = public_item(line).map(|(_, name)| name);
            found.extend(name.filter(|_| !is_fine).map(|name| (number, name)));
            is_fine = false;
        }
    }
    found
}

/// Each public item of this crate and of those below `crates/` has an example, except those in the
/// table.
fn items_without_example(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut used = HashSet::new();
    let is_meant = |file: &&File| is_documented(&file.path) && !file.is_test;
    for file in tree.files.iter().filter(is_meant) {
        for (number, name) in without_example(file) {
            let row = WITHOUT_EXAMPLE
                .iter()
                .position(|(path, it, _)| *path == file.path && *it == name);
            match row {
                Some(row) => {
                    used.insert(row);
                }
                None => {
                    let what = format!("`{name}` has no example: write one, or say why not");
                    violations.push(Violation::new(&file.path, number, what));
                }
            }
        }
    }
    for (row, (path, name, _)) in WITHOUT_EXAMPLE.iter().enumerate() {
        if tree.file("src/lib.rs").is_some() && !used.contains(&row) {
            let what = format!("`{name}` of {path} has an example: take it out of the table");
            violations.push(Violation::new("tests/tidy/front_door.rs", 1, what));
        }
    }
    violations
}

#[test]
fn the_readme_is_read_in_a_minute() {
    expect_none(long_readme(tree()));
}

#[test]
fn every_example_is_listed_by_its_question() {
    expect_none(unlisted_examples(tree()));
}

#[test]
fn links_between_files_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_there = |path: &str| root.join(path.trim_start_matches('/')).exists();
    expect_none(dead_links(tree(), is_there));
}

#[test]
fn names_of_other_worlds_lead_to_ours() {
    expect_none(unknown_names(tree()));
}

#[test]
fn every_public_item_has_an_example() {
    expect_none(items_without_example(tree()));
}

#[test]
fn a_long_readme_is_found() {
    let lines = "\n".repeat(README_LINES);
    assert_eq!(long_readme(&Tree::of([(README, &*lines)])), []);
    assert_eq!(
        long_readme(&Tree::of([(README, &*format!("{lines}\n"))])).len(),
        1
    );
}

#[test]
fn examples_that_are_not_listed_or_not_there_are_found() {
    let list = "| how | what |\n| a | `b`, `c` |\n| d | `cargo run -p workmill-e` |";
    let files = [
        (EXAMPLES, list),
        ("examples/b.rs", ""),
        ("examples/e/src/main.rs", ""),
        ("examples/f/main.rs", ""),
        ("examples/f/part.rs", ""),
        ("crates/g/examples/h.rs", ""),
    ];
    let found = listed(unlisted_examples(&Tree::of(files)));
    assert_eq!(found.len(), 3, "{found:?}");
    for (found, place) in
        found
            .iter()
            .zip(["examples/f/main.rs", "crates/g/examples/h.rs", EXAMPLES])
    {
        assert!(found.starts_with(place), "{found}");
    }
}

#[test]
fn dead_links_are_found() {
    let text = "[a](b.md) [c](#d) [e](https://f)\n[g](crate::H) and ![i](../j.svg#k)";
    let tree = Tree::of([("l/m.md", text)]);
    let found = dead_links(&tree, |path| path == "l/b.md");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].line, found[0].what.contains("../j.svg#k")),
        (2, true)
    );
}

#[test]
fn aliases_and_items_are_names() {
    let text = "#[doc(alias = \"a\")]\n#[doc(alias(\n\"b\",\n\"c\"\n))]\npub async fn d<T>() {}\n\
                pub(crate) fn e() {}\n#[must_use = \"f\"]";
    let tree = Tree::of([("src/g.rs", text)]);
    let mut names: Vec<_> = names(&tree).into_iter().collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[test]
fn items_without_an_example_are_found() {
    let text = "/// One.\npub fn a() {}\n/// ```\n/// a();\n/// ```\n#[must_use = \"b \\\n\
                c\"]\npub fn d() {}\npub(super) fn e() {}\npub struct F;\n/// Two.\n\
                #[doc(hidden)]\n#[derive(Debug)]\npub struct H;\npub enum I {}\n\
                /// ```\n/// l();\n/// ```\n#[diagnostic::m(\nn = \"o\",\np = \"q\"\n)]\n\
                pub trait R {}";
    let tree = Tree::of([("src/g.rs", text)]);
    let expected = [(2, "a"), (10, "F"), (15, "I")];
    assert_eq!(without_example(&tree.files[0]), expected);
    let tree = Tree::of([
        ("crates/j/src/g.rs", text),
        ("crates/j/tests/it/k.rs", text),
    ]);
    assert_eq!(items_without_example(&tree).len(), expected.len());
}
