//! What tests have in common.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use workmill::{JoinError, JoinHandle};
use workmill_process::{Builder, ProcessPoolExecutor, workmill};

use crate::jobs::jobs;

/// The time after which a part of a test hangs.
pub(crate) const HANG: Duration = Duration::from_secs(20);

pub(crate) fn builder(processes: usize) -> Builder {
    Builder::new(jobs()).processes(processes)
}

pub(crate) fn pool(processes: usize) -> ProcessPoolExecutor {
    builder(processes).build().unwrap()
}

/// Waits until something is so. It is for what another process does, which tells nobody.
#[track_caller]
pub(crate) fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < HANG, "it never happened");
        thread::yield_now();
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

/// Returns how a job was lost.
#[track_caller]
pub(crate) fn lost<T: std::fmt::Debug>(handle: JoinHandle<T>) -> String {
    let error = error(handle);
    let lost = error
        .as_lost()
        .unwrap_or_else(|| panic!("not lost: {error}"));
    lost.end().to_owned()
}

/// Asserts that the pool works.
#[track_caller]
pub(crate) fn assert_works(pool: &ProcessPoolExecutor) {
    assert_eq!(outcome(pool.submit(crate::jobs::square, 7)).unwrap(), 49);
}

/// Returns a path at which there is no file.
pub(crate) fn path() -> PathBuf {
    static PATHS: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = PATHS.fetch_add(1, Ordering::SeqCst);
        let name = format!("workmill-process-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // An earlier process of this number may have been killed before it removed its own.
        if fs::symlink_metadata(&path).is_err() {
            return path;
        }
    }
}

/// A file that a job writes when it has begun, removed with this.
pub(crate) struct Sign(pub(crate) PathBuf);

impl Sign {
    pub(crate) fn new() -> Self {
        Self(path())
    }

    pub(crate) fn text(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }

    /// Waits for the file, and returns what is in it.
    #[track_caller]
    pub(crate) fn wait(&self) -> String {
        until(|| fs::read_to_string(&self.0).is_ok_and(|text| text.ends_with('\n')));
        fs::read_to_string(&self.0).unwrap().trim().to_owned()
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.exists()
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns `true` if a process is there, and no zombie.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .trim_start()
        .chars()
        .next();
    state.is_some_and(|state| !"ZX".contains(state))
}

/// Returns `true` if all threads of a process are stopped.
pub(crate) fn is_stopped(process: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap_or_default();
        rest.trim_start().starts_with('T')
    })
}

/// Returns the number of children of this process, with zombies.
pub(crate) fn children() -> usize {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let is_child = |stat: String| {
        let rest = stat.rsplit(')').next().unwrap_or_default().to_owned();
        rest.split_whitespace().nth(1) == Some(&*own.to_string())
    };
    processes
        .filter_map(|it| fs::read_to_string(it.path().join("stat")).ok())
        .filter(|stat| is_child(stat.clone()))
        .count()
}

/// Returns the number of descriptors of this process, and that of its shared segments.
pub(crate) fn descriptors() -> (usize, usize) {
    let all = || fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = || all().filter_map(|it| fs::read_link(it.path()).ok());
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let segments = maps.lines().filter(|line| line.contains("memfd:")).count();
    let memfds = targets()
        .filter(|it| it.to_string_lossy().contains("memfd:"))
        .count();
    (all().count(), segments + memfds)
}

pub(crate) fn kill(process: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(process as i32).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}
