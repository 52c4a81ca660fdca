//! What tests have in common.

mod proxy;
mod raw;
mod server;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use workmill_nats::workmill::{JoinError, JoinHandle};
use workmill_nats::{Builder, NatsExecutor, Server, ServerBuilder};

pub(crate) use self::proxy::Proxy;
pub(crate) use self::raw::Raw;
pub(crate) use self::server::NatsServer;
use crate::jobs::jobs;

/// The time after which a part of a test hangs.
pub(crate) const HANG: Duration = Duration::from_secs(30);

/// The lease of workers here.
pub(crate) const LEASE: Duration = Duration::from_millis(600);

/// The entry of the environment that makes a process a worker: the address, the number of threads
/// and the list of jobs.
const WORKER: &str = "WORKMILL_NATS_WORKER";

pub(crate) fn connect(server: &NatsServer) -> NatsExecutor {
    builder(server).connect().unwrap()
}

pub(crate) fn builder(server: &NatsServer) -> Builder {
    Builder::new(&server.url(), jobs())
}

/// Serves in this process.
pub(crate) fn serve(server: &NatsServer, threads: usize) -> Server {
    serving(threads).serve(&server.url()).unwrap()
}

pub(crate) fn serving(threads: usize) -> ServerBuilder {
    ServerBuilder::new(jobs()).threads(threads).lease(LEASE)
}

/// A process that serves. It ends with the test, however that ends.
pub(crate) struct Worker(Child);

impl Worker {
    pub(crate) fn start(server: &NatsServer, threads: usize) -> Self {
        Self::with(server, threads, "all")
    }

    /// Starts a worker that has another list of jobs.
    pub(crate) fn with(server: &NatsServer, threads: usize, list: &str) -> Self {
        Self::at(&server.url(), threads, list)
    }

    /// Starts a worker that connects to that address.
    pub(crate) fn at(url: &str, threads: usize, list: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(WORKER, format!("{url} {threads} {list}"));
        command.env_remove(crate::runner::ALONE);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn freeze(&self) {
        freeze(self.id());
    }

    pub(crate) fn thaw(&self) {
        kill(self.id(), Signal::CONT);
    }

    /// Kills the process.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn serve_if_worker() {
    let Ok(text) = std::env::var(WORKER) else {
        return;
    };
    let words: Vec<_> = text.split(' ').collect();
    let [url, threads, list] = words[..] else {
        panic!("not a worker: {text}");
    };
    let threads = threads.parse().unwrap();
    let serving = ServerBuilder::new(crate::jobs::list(list))
        .threads(threads)
        .lease(LEASE);
    let server = serving.serve(url).unwrap();
    println!("ready");
    // Until the test has ended.
    let _ = std::io::stdin().read(&mut [0]);
    std::mem::forget(server);
    std::process::exit(0);
}

/// Waits until something is so. It is for what another process does, which tells nobody.
#[track_caller]
pub(crate) fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < HANG, "it never happened");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Returns the outcome of a job that ends.
#[track_caller]
pub(crate) fn outcome<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    handle.join_timeout(HANG).expect("the job ends")
}

#[track_caller]
pub(crate) fn error<T: std::fmt::Debug>(handle: JoinHandle<T>) -> JoinError {
    outcome(handle).expect_err("the job fails")
}

/// Returns what a command prints, which ends well.
#[track_caller]
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns what an HTTP server answers.
pub(crate) fn http_get(address: &str) -> String {
    let (host, path) = address.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns a path at which there is no file.
pub(crate) fn path() -> PathBuf {
    static PATHS: AtomicU32 = AtomicU32::new(0);
    let number = PATHS.fetch_add(1, Ordering::SeqCst);
    let process = std::process::id();
    // An earlier process of this number may have been killed.
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let time = time.unwrap().as_nanos();
    let name = format!("{PREFIX}{process}-{number}-{time}");
    std::env::temp_dir().join(name)
}

/// The beginning of the names of files and directories in the directory for temporary ones.
const PREFIX: &str = "workmill-nats-";

/// Removes what tests have left that were killed with all their processes.
pub(crate) fn sweep() {
    let all = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    for entry in all.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name
            .strip_prefix(PREFIX)
            .and_then(|it| it.split('-').next());
        let owner = number.and_then(|it| it.parse().ok());
        if owner.is_some_and(|owner| !is_alive(owner)) {
            let _ = fs::remove_dir_all(entry.path());
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A file in which jobs write a line each, removed with this.
pub(crate) struct Sign(pub(crate) PathBuf);

impl Sign {
    pub(crate) fn new() -> Self {
        Self(path())
    }

    pub(crate) fn text(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until there are that many lines.
    #[track_caller]
    pub(crate) fn wait(&self, lines: usize) -> Vec<String> {
        until(|| self.lines().len() >= lines);
        self.lines()
    }

    /// Makes the file, for jobs that wait for it.
    pub(crate) fn set(&self) {
        fs::write(&self.0, "set\n").unwrap();
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns `true` if a process is there, and no zombie.
pub(crate) fn is_alive(process: u32) -> bool {
    state_of(process).is_some_and(|state| !"ZX".contains(state))
}

fn state_of(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Stops a process, and waits until it has stopped.
pub(crate) fn freeze(process: u32) {
    kill(process, Signal::STOP);
    until(|| state_of(process) == Some('T'));
}

pub(crate) fn kill(process: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(process as i32).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}
