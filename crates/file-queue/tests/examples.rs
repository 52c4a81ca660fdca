//! Tests of what the examples print. They are built by `cargo test` beside this program, or else by
//! `cargo build --examples`.

use std::path::Path;
use std::process::Command;

/// Runs an example, and returns the lines that it prints.
fn lines(example: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_BIN_EXE_file_queue")).with_file_name("examples");
    let program = folder.join(example);
    let output = Command::new(&program)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; cargo build --examples", program.display()));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

/// Returns the lines that begin with the word, in their order.
fn those<'a>(lines: &'a [String], word: &str) -> Vec<&'a str> {
    let lines = lines.iter().map(|line| &**line);
    lines.filter(|line| line.starts_with(word)).collect()
}

fn numbered(word: &str) -> Vec<String> {
    (0..5).map(|n| format!("{word} {n}")).collect()
}

#[test]
fn five_numbers_go_from_one_thread_or_process_to_another() {
    for example in ["threads", "processes"] {
        let lines = lines(example);
        assert_eq!(those(&lines, "Produced"), numbered("Produced"), "{example}");
        assert_eq!(those(&lines, "Consumed"), numbered("Consumed"), "{example}");
        assert_eq!(lines.len(), 10);
    }
}

#[test]
fn what_a_killed_process_had_begun_is_begun_again_and_nothing_else() {
    let expected = "Begun 0 (attempt 1)\nConsumed 0\nBegun 1 (attempt 1)\nConsumed 1\n\
                    Begun 2 (attempt 1)\nKilled\n\
                    Begun 2 (attempt 2)\nConsumed 2\nBegun 3 (attempt 1)\nConsumed 3\n\
                    Begun 4 (attempt 1)\nConsumed 4\n0 left";
    assert_eq!(lines("killed").join("\n"), expected);
}
