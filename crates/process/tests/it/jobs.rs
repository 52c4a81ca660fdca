//! The jobs of the tests: what a job can do to its process.

#![expect(unsafe_code, reason = "jobs that harm their process")]

use std::fs;
use std::io::Write;
use std::process::{Command, exit};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Signal, getpid, getrlimit, kill_process};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill_process::{Builder, Bytes, Connection, Descriptor, Jobs, current_job};

pub(crate) fn jobs() -> Jobs {
    let jobs = Jobs::new()
        .with("square", square)
        .with("echo", echo)
        .with("id", id)
        .with("nap", nap)
        .with("hang", hang)
        .with("begin_and_hang", begin_and_hang)
        .with("leave_and_hang", leave_and_hang)
        .with("begin_and_spawn", begin_and_spawn)
        .with("die", die)
        .with("die_with", die_with)
        .with("die_later", die_later)
        .with("die_at_first", die_at_first)
        .with("big_and_die", big_and_die)
        .with("boom", boom)
        .with("take", take)
        .with("give", give)
        .with("give_with", give_with)
        .with("make", make)
        .with("close_standard", close_standard)
        .with("close_others", close_others)
        .with("flood", flood)
        .with("count_and_die", count_and_die)
        .with("print", print)
        .with("limits", limits)
        .with("nest", nest)
        .with("environment", environment)
        .with("attempt", attempt)
        .with("standard", standard)
        .with("append", append);
    let jobs = crate::descriptors::with_jobs(jobs);
    let jobs = crate::descriptors_faults::with_jobs(jobs);
    let jobs = crate::pipe::with_jobs(jobs);
    let jobs = crate::pipe_faults::with_jobs(jobs);
    let jobs = crate::pipe_named::with_jobs(jobs);
    let jobs = crate::shared::with_jobs(jobs);
    let jobs = crate::shared_arrays::with_jobs(jobs);
    crate::hub_jobs::with_jobs(jobs)
}

pub(crate) fn square(n: u64) -> u64 {
    n * n
}

pub(crate) fn echo(bytes: Bytes) -> Bytes {
    bytes
}

pub(crate) fn id() -> u32 {
    std::process::id()
}

pub(crate) fn nap(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

pub(crate) fn hang() {
    loop {
        thread::park();
    }
}

/// Leaves the process's group for that of the parent.
pub(crate) fn leave_and_hang(path: String) {
    let parent = rustix::process::getppid();
    let group = rustix::process::getpgid(parent).unwrap();
    // SAFETY: it takes numbers alone.
    let left = unsafe { libc::setpgid(0, group.as_raw_nonzero().get()) };
    assert_eq!(left, 0, "{}", std::io::Error::last_os_error());
    begin_and_hang(path);
}

fn sign(path: &str, text: &str) {
    fs::write(path, format!("{text}\n")).unwrap();
}

pub(crate) fn begin_and_hang(path: String) {
    sign(&path, &id().to_string());
    hang();
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Child {
    Forked,
    Executed,
    Away,
}

/// Starts a process, writes its own number and that of the process, and hangs.
pub(crate) fn begin_and_spawn(child: Child, path: String, and_die: bool) {
    let child = match child {
        // SAFETY: the child calls nothing but `pause`.
        Child::Forked => match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: it has no duties.
                unsafe { libc::pause() };
            },
            child => child as u32,
        },
        Child::Executed => Command::new("sleep").arg("1000").spawn().unwrap().id(),
        Child::Away => Command::new("setsid")
            .args(["sleep", "1000"])
            .spawn()
            .unwrap()
            .id(),
    };
    sign(&path, &format!("{} {child}", id()));
    match and_die {
        true => die(Death::Signal(9)),
        false => hang(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Death {
    Signal(i32),
    Abort,
    Null,
    Overflow,
    Exit(i32),
    Memory,
}

pub(crate) fn die(death: Death) {
    match death {
        Death::Signal(number) => {
            let signal = Signal::from_named_raw(number).unwrap();
            kill_process(getpid(), signal).unwrap();
            hang();
        }
        Death::Abort => std::process::abort(),
        Death::Null => {
            let null = std::hint::black_box(std::ptr::null::<u8>());
            // SAFETY: none: it is to end the process.
            unsafe { null.read_volatile() };
        }
        Death::Overflow => {
            overflow(0);
        }
        Death::Exit(status) => exit(status),
        Death::Memory => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 64 << 20]);
            }
        }
    }
}

#[expect(unconditional_recursion, reason = "it is to overflow the stack")]
fn overflow(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + room[0]
}

/// Has the process die soon after the job has ended.
pub(crate) fn die_later(microseconds: u64) {
    thread::spawn(move || {
        thread::sleep(Duration::from_micros(microseconds));
        die(Death::Signal(9));
    });
}

/// Dies in as many attempts, and returns the number of the next.
pub(crate) fn die_at_first(attempts: u32) -> u32 {
    let attempt = current_job().unwrap().attempt();
    if attempt <= attempts {
        die(Death::Abort);
    }
    attempt
}

/// Dies while it writes its result, or about then.
pub(crate) fn big_and_die(microseconds: u64) -> Bytes {
    die_later(microseconds);
    Bytes::from(vec![7; 8 << 20])
}

pub(crate) fn boom(text: String) {
    panic!("{text}");
}

/// What happens when a value is encoded or decoded in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Trouble {
    None,
    Error,
    Panic,
    Death,
}

fn is_parent() -> bool {
    current_job().is_none()
}

fn trouble(trouble: Trouble) -> Result<(), &'static str> {
    match trouble {
        Trouble::None => Ok(()),
        Trouble::Error => Err("on purpose"),
        Trouble::Panic => panic!("on purpose"),
        Trouble::Death => std::process::abort(),
    }
}

/// Makes trouble when it is decoded in a worker.
#[derive(Debug, PartialEq)]
pub(crate) struct Poison(pub(crate) Trouble);

impl Serialize for Poison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Trouble::deserialize(deserializer)?;
        if !is_parent() {
            trouble(value).map_err(serde::de::Error::custom)?;
        }
        Ok(Self(value))
    }
}

pub(crate) fn take(_: Poison) {}

/// Makes trouble when it is encoded in a worker, or (`at_home`) decoded or encoded in the parent.
#[derive(Debug, PartialEq)]
pub(crate) struct Fruit {
    pub(crate) trouble: Trouble,
    pub(crate) at_home: bool,
}

impl Serialize for Fruit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_parent() == self.at_home {
            trouble(self.trouble).map_err(serde::ser::Error::custom)?;
        }
        (self.trouble, self.at_home).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fruit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, at_home) = Deserialize::deserialize(deserializer)?;
        if at_home && is_parent() {
            trouble(value).map_err(serde::de::Error::custom)?;
        }
        let trouble = value;
        Ok(Self { trouble, at_home })
    }
}

pub(crate) fn give(_: Fruit) {}

pub(crate) fn give_with(_: Descriptor<fs::File>, _: Fruit) {}

/// Dies while it has the end of a pipe.
pub(crate) fn die_with(_end: Connection<u8, ()>) {
    die(Death::Abort);
}

/// Gives up the rights of the administrator, if it has them.
pub(crate) fn become_nobody() {
    if rustix::process::geteuid().is_root() {
        let nobody = 65534;
        // SAFETY: it takes a number alone.
        let group = unsafe { libc::setgid(nobody) };
        // SAFETY: it takes a number alone.
        let user = unsafe { libc::setuid(nobody) };
        let error = std::io::Error::last_os_error();
        assert_eq!((group, user), (0, 0), "{error}");
    }
}

pub(crate) fn make(trouble: Trouble, at_home: bool) -> Fruit {
    Fruit { trouble, at_home }
}

pub(crate) fn close_standard() {
    for descriptor in 0..3 {
        // SAFETY: nobody owns these; what uses them gets errors.
        unsafe { libc::close(descriptor) };
    }
}

pub(crate) fn close_standard_output() {
    // SAFETY: nobody owns it; what uses it gets errors.
    unsafe { libc::close(1) };
}

/// Closes all but the standard descriptors, and so the socket, and returns or hangs.
pub(crate) fn close_others(and_hang: bool) {
    for descriptor in 3..100 {
        // SAFETY: none: it is a job that does harm.
        unsafe { libc::close(descriptor) };
    }
    if and_hang {
        hang();
    }
}

/// Writes to standard error, on and on.
pub(crate) fn flood(path: String) {
    sign(&path, "begun");
    let line = [b'.'; 1 << 10];
    while std::io::stderr().write_all(&line).is_ok() {}
}

/// Writes numbered lines to standard error, and dies.
pub(crate) fn count_and_die(lines: u32) {
    for n in 0..lines {
        eprintln!("line {n:06}");
    }
    die(Death::Abort);
}

pub(crate) fn print(text: String) {
    println!("{text}");
    eprintln!("{text}");
    std::io::stdout().flush().unwrap();
}

pub(crate) fn limits() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// Builds a pool in a worker.
pub(crate) fn nest(n: u64) -> u64 {
    let pool = Builder::new(jobs()).processes(1).build().unwrap();
    pool.submit(square, n).join().unwrap()
}

/// Starts this program in a job: it has the marker in its environment, and is no worker.
pub(crate) fn environment() -> String {
    let marker = std::env::var("WORKMILL_PROCESS_WORKER").unwrap();
    assert!(!marker.is_empty());
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    let output = command
        .arg("--list")
        .env_remove(crate::runner::ALONE)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn attempt() -> (String, String, u32) {
    let job = current_job().unwrap();
    (job.name().to_owned(), job.key(), job.attempt())
}

/// Returns what the standard descriptors lead to.
pub(crate) fn standard() -> Vec<String> {
    let target = |at| fs::read_link(format!("/proc/self/fd/{at}"));
    let text = |at| target(at).map_or_else(|_| "closed".to_owned(), |it| it.display().to_string());
    (0..3).map(text).collect()
}

/// Appends a line to a file.
pub(crate) fn append(path: String, text: String) {
    let mut options = fs::File::options();
    let mut file = options.create(true).append(true).open(path).unwrap();
    file.write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Calls a function in a child made by a bare fork, and returns what it returned.
pub(crate) fn in_fork(call: impl FnOnce() -> bool) -> bool {
    // SAFETY: what the child calls is to be able to run there; that is what is tested.
    match unsafe { libc::fork() } {
        0 => {
            let status = i32::from(!call());
            // SAFETY: it has no duties.
            unsafe { libc::_exit(status) };
        }
        child => {
            let mut status = 0;
            // SAFETY: the pointer leads to a number that is ours.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            status == 0
        }
    }
}
