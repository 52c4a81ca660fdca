//! Processes that play a role in a test. They are this program again, and talk by lines.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::HANG;

const ROLE: &str = "WORKMILL_FILE_QUEUE_ROLE";
const PATH: &str = "WORKMILL_FILE_QUEUE_PATH";

/// A role: gets the path of the queue, and the lines that the test says to it.
pub(crate) type Role = fn(&Path, &Receiver<String>);

/// All roles by their names, in the modules that use them.
const ROLES: &[&[(&str, Role)]] = &[
    crate::closing::ROLES,
    crate::dying::ROLES,
    crate::forking::ROLES,
    crate::full_disk::ROLES,
    crate::room::ROLES,
    crate::sharing::ROLES,
    crate::soak::ROLES,
    crate::waiting::ROLES,
];

/// A process that plays a role. It is killed when this is dropped.
pub(crate) struct Child {
    process: process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// Where a child begins. In a normal run of the tests it does nothing.
#[test]
fn plays_its_role() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let path = env::var_os(PATH).expect("a path");
    let (say, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
        // The test has ended, by whatever means.
        process::exit(0);
    });
    let play = ROLES.iter().flat_map(|them| them.iter());
    let (_, play) = { play }.find(|(name, _)| *name == role).expect("a role");
    play(Path::new(&path), &lines);
}

/// Says a line to the test.
pub(crate) fn say(text: impl std::fmt::Display) {
    // libtest may have begun a line.
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "\n> {text}\n").expect("the test listens");
    stdout.flush().expect("the test listens");
}

impl Child {
    /// Starts a process that plays a role.
    pub(crate) fn new(role: &str, path: &Path) -> Self {
        Self::wrapped(&[], role, path)
    }

    /// Starts a process that plays a role, by a command that takes a program as its last words.
    pub(crate) fn wrapped(wrapper: &[&str], role: &str, path: &Path) -> Self {
        let program = env::current_exe().expect("a path");
        let program = program.to_str().expect("which is text");
        let test = "child::plays_its_role";
        let arguments = [program, test, "--exact", "--nocapture", "--test-threads=1"];
        let words: Vec<_> = wrapper.iter().chain(&arguments).copied().collect();
        let mut process = Command::new(words[0])
            .args(&words[1..])
            .env(ROLE, role)
            .env(PATH, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let (send, lines) = mpsc::channel();
        let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(text) = line.strip_prefix("> ") {
                    let _ = send.send(text.to_owned());
                }
            }
        });
        Self {
            stdin: process.stdin.take(),
            process,
            lines,
        }
    }

    /// Says a line to the process.
    pub(crate) fn say(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{text}").expect("the process listens");
    }

    /// Returns the next line that the process says.
    #[track_caller]
    pub(crate) fn hear(&self) -> String {
        self.lines
            .recv_timeout(HANG)
            .expect("the process says a line")
    }

    /// Returns the next line, if the process says one in that time.
    pub(crate) fn hear_within(&self, time: Duration) -> Option<String> {
        self.lines.recv_timeout(time).ok()
    }

    /// Waits until the process says that.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) {
        assert_eq!(self.hear(), text);
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.process);
        kill_process(id, signal).expect("the process is there");
    }

    /// Kills the process, and returns all lines that it has said and nobody has heard.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().expect("the process is there");
        self.process.wait().expect("the process ends");
        self.lines.iter().collect()
    }

    /// Waits until the process has ended by itself, and returns all lines that it has said and
    /// nobody has heard.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<String> {
        let lines = self.lines.iter().collect();
        let status = self.process.wait().expect("the process ends");
        assert!(status.success(), "{status}: {lines:?}");
        lines
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended, or is to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
