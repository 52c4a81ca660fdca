//! What the examples print.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::runner::tests;
use crate::support::{NatsServer, output_of};

tests! {
    one_program_runs_on_threads_processes_and_machines
    all_answers_are_right_though_a_worker_is_killed
}

/// Returns a command for an example. `cargo test` builds them beside this program.
fn example(name: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().with_file_name("examples");
    let program = folder.join(name);
    let missing = "cargo build -p workmill-nats --examples";
    assert!(program.exists(), "{}: {missing}", program.display());
    Command::new(program)
}

fn one_program_runs_on_threads_processes_and_machines() {
    let nats = NatsServer::start();
    let mut serves = example("anywhere");
    serves.args(["serve", &nats.url()]).stdout(Stdio::piped());
    let mut server = serves.spawn().unwrap();
    let mut line = String::new();
    let output = server.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert!(line.ends_with(" serves\n"), "{line}");
    for place in ["threads", "processes", "machines"] {
        let mut command = example("anywhere");
        let text = output_of(command.args([place, &nats.url()]));
        assert_eq!(text, "17984 primes below 200000\n", "{place}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

fn all_answers_are_right_though_a_worker_is_killed() {
    let nats = NatsServer::start();
    let text = output_of(example("fleet").arg(nats.url()));
    let lines: Vec<_> = text.lines().collect();
    let [answers, best] = lines[..] else {
        panic!("{text}");
    };
    // The killed worker may have been between two jobs.
    let again = answers.strip_prefix("120 answers, ").unwrap();
    let again = again.strip_suffix(" of them at the second try").unwrap();
    assert!(again.parse::<u32>().unwrap() <= 2, "{answers}");
    assert_eq!(best, "511935 takes 469 steps");
}
