//! What the examples print. `cargo test` builds them first; for these tests alone, they are to be
//! built before: `cargo build -p workmill-process --examples`.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The time after which an example hangs.
const HANG: Duration = Duration::from_secs(60);

fn program(name: &str) -> Command {
    let test = std::env::current_exe().expect("this program has a path");
    let folder = test.ancestors().nth(2).expect("it lies in `deps`");
    Command::new(folder.join("examples").join(name))
}

/// Runs an example to its end. `meanwhile` gets the number of its process.
fn run(mut command: Command, meanwhile: impl FnOnce(Pid)) -> (String, Option<i32>) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().expect("`cargo test` builds the examples");
    let id = Pid::from_child(&child);
    let (send, receive) = mpsc::channel::<std::io::Result<Output>>();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    meanwhile(id);
    let Ok(output) = receive.recv_timeout(HANG) else {
        let _ = kill_process(id, Signal::KILL);
        panic!("not at its end after {HANG:?}");
    };
    let output = output.expect("its end can be awaited");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    (text, output.status.code())
}

/// A folder that is removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("workmill-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        Self(folder)
    }

    fn samples(&self) -> PathBuf {
        let pictures = self.0.join("pictures");
        let mut command = program("thumbnails");
        command.arg("--samples").arg(&pictures);
        assert_eq!(run(command, |_| ()).1, Some(0));
        pictures
    }

    fn thumbnails(&self, pictures: &Path) -> Command {
        let mut command = program("thumbnails");
        command
            .arg(pictures)
            .arg("--into")
            .arg(self.0.join("small"));
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_that_kills_its_worker_costs_its_own_thumbnail_only() {
    let folder = Folder::new("bomb");
    let pictures = folder.samples();
    let (text, status) = run(folder.thumbnails(&pictures), |_| ());
    assert_eq!(status, Some(1));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[0], "1.png: 100 x 80, 50 x 40");
    assert_eq!(lines[7], "8.png: 800 x 640, 61 x 49");
    let bomb = "bomb.png: the task thumbnail was lost: the process ";
    assert!(
        lines[8].starts_with(bomb) && lines[8].ends_with("was ended by signal 6"),
        "{text}"
    );
    assert!(lines[9].starts_with("text.png: "), "{text}");
    assert_eq!(lines[10], "8 thumbnails, 2 failed");
    let small = std::fs::read_dir(folder.0.join("small")).expect("it was made");
    assert_eq!(small.count(), 8);
}

#[test]
fn an_interrupt_ends_the_thumbnails_in_order() {
    let folder = Folder::new("interrupt");
    let pictures = folder.samples();
    // A picture that nobody ever writes: its job waits in its process.
    let never = pictures.join("0.png");
    let mut mkfifo = Command::new("mkfifo");
    assert!(
        mkfifo
            .arg(&never)
            .status()
            .expect("mkfifo can be run")
            .success()
    );
    let (text, status) = run(folder.thumbnails(&pictures), |id| {
        // When the others are done, the handler of the interrupt has long been there.
        let eighth = folder.0.join("small").join("8.png");
        let began = std::time::Instant::now();
        while !eighth.exists() {
            assert!(began.elapsed() < HANG);
            std::thread::yield_now();
        }
        kill_process(id, Signal::INT).expect("it runs");
    });
    assert_eq!(status, Some(130));
    assert!(text.ends_with("stopped\n"), "{text}");
}

#[test]
fn one_program_runs_on_threads_or_on_processes() {
    for place in ["threads", "processes"] {
        let mut command = program("threads_or_processes");
        command.arg(place);
        assert_eq!(
            run(command, |_| ()),
            ("17984 primes below 200000\n".to_owned(), Some(0))
        );
    }
    assert_eq!(run(program("threads_or_processes"), |_| ()).1, Some(1));
}

#[test]
fn what_one_process_sends_another_prints() {
    for (name, printed) in [
        ("process_pipe", "Hello, receiver!\n"),
        ("process_named_pipe", "Hello, receiver!\n"),
        ("process_value", "1\n"),
        ("process_array", "[1, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n"),
        ("process_memory", "Hello, receiver!\n"),
        ("process_stream", "Hello, receiver!\n"),
        ("process_datagram", "Hello, receiver!\n"),
    ] {
        let outcome = run(program(name), |_| ());
        assert_eq!(outcome, (printed.to_owned(), Some(0)), "{name}");
    }
}
