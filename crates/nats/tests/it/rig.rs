//! The tests leave nothing behind.

use std::process::{Command, Stdio};

use crate::runner::tests;
use crate::support::{NatsServer, Sign, is_alive, until};

tests! {
    a_killed_test_leaves_no_server
    a_test_that_waits_to_be_killed
}

/// The entry of the environment that names the file in which the other test writes.
const FILE: &str = "WORKMILL_NATS_RIG";

fn a_killed_test_leaves_no_server() {
    let file = Sign::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(crate::runner::ALONE, "rig::a_test_that_waits_to_be_killed");
    command.env(FILE, file.text()).stdin(Stdio::null());
    let mut test = command.spawn().unwrap();
    let line = file.wait(1).remove(0);
    let words: Vec<_> = line.split(' ').collect();
    let [server, shell, dir] = words[..] else {
        panic!("{line}");
    };
    let processes = [server, shell].map(|id| id.parse().unwrap());
    assert!(processes.iter().all(|id| is_alive(*id)));
    test.kill().unwrap();
    test.wait().unwrap();
    until(|| !processes.iter().any(|id| is_alive(*id)) && !std::path::Path::new(dir).exists());
}

/// Nothing, if nobody kills it.
fn a_test_that_waits_to_be_killed() {
    if let Ok(file) = std::env::var(FILE) {
        let nats = NatsServer::start();
        let dir = nats.dir().display();
        let line = format!("{} {} {dir}\n", nats.id(), nats.shell_id());
        std::fs::write(file, line).unwrap();
        loop {
            std::thread::park();
        }
    }
}
