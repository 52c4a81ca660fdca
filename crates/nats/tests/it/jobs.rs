//! The jobs of the tests.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use workmill_nats::{Bytes, Jobs, current_job, workmill};

pub(crate) fn jobs() -> Jobs {
    few()
        .with("write", write)
        .with("write_and_wait", write_and_wait)
        .with("write_and_wait_apart", write_and_wait_apart)
        .with("write_and_wait_untold", write_and_wait_untold)
        .with("write_and_stop", write_and_stop)
        .with("sleep", sleep)
        .with("panics", panics)
        .with("kills", kills)
        .with("echo", echo)
        .with("make", make)
        .with("who", who)
        .with("shifted", shifted)
}

/// The jobs of a worker that is older.
fn few() -> Jobs {
    Jobs::new().with("square", square)
}

/// The jobs of a worker that was built from other types.
fn stale() -> Jobs {
    few().with("shifted", shifted_before)
}

pub(crate) fn list(name: &str) -> Jobs {
    match name {
        "all" => jobs(),
        "few" => few(),
        "stale" => stale(),
        other => panic!("there is no list {other}"),
    }
}

pub(crate) fn square(n: u64) -> u64 {
    n * n
}

/// Is registered nowhere.
pub(crate) fn cube(n: u64) -> u64 {
    n * n * n
}

/// Writes a line into a file.
pub(crate) fn write(file: String, line: String) {
    append(&file, &line);
}

fn append(file: &str, line: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Writes a line into a file, waits until there is another one, and returns the attempt. Another
/// process makes that file, and tells nobody.
pub(crate) fn write_and_wait(file: String, other: String) -> u32 {
    let attempt = current_job().unwrap().attempt();
    append(&file, &attempt.to_string());
    while !Path::new(&other).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    attempt
}

/// The same, but each attempt waits for a file of its own.
pub(crate) fn write_and_wait_apart(file: String, other: String) -> u32 {
    let attempt = current_job().unwrap().attempt();
    write_and_wait(file, format!("{other}-{attempt}"))
}

/// The same, and returns `true` if it was not told to end.
pub(crate) fn write_and_wait_untold(file: String, other: String) -> bool {
    write_and_wait(file, other);
    !current_job().unwrap().cancelled().is_cancelled()
}

/// Writes a line into a file, and waits until it is told to end.
pub(crate) fn write_and_stop(file: String) -> String {
    let stop = current_job().unwrap().cancelled();
    append(&file, "begun");
    stop.wait();
    "stopped".to_owned()
}

pub(crate) fn sleep(milliseconds: u64) {
    workmill::blocking(|| std::thread::sleep(Duration::from_millis(milliseconds)));
}

pub(crate) fn panics(message: String) {
    panic!("{message}");
}

/// Writes its attempt into a file, and ends its process.
pub(crate) fn kills(file: String) {
    append(&file, &current_job().unwrap().attempt().to_string());
    let own = rustix::process::getpid();
    let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
}

pub(crate) fn echo(bytes: Bytes) -> Bytes {
    bytes
}

/// Makes that many bytes.
pub(crate) fn make(bytes: usize) -> Bytes {
    vec![7; bytes].into()
}

/// Returns what the job knows of itself.
pub(crate) fn who() -> (String, String, u32) {
    let job = current_job().unwrap();
    (job.name().to_owned(), job.key(), job.attempt())
}

pub(crate) fn shifted(text: String, number: u64) -> String {
    format!("{text} {number}")
}

/// As it was before it had another argument.
fn shifted_before(number: u64) -> String {
    number.to_string()
}
