//! Shared by the tests: hang limits, child processes, hostile values and flags.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::task::Wake;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The time after which a test hangs. It is many times what any takes, also while others want the
/// processors: it does not measure how fast the crate is.
pub(crate) const HANG: Duration = Duration::from_secs(300);

/// Runs a test's body, which fails when it hangs.
pub(crate) fn limited<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    within(HANG, body)
}

/// Runs a part of a test, which fails by this name when it hangs.
pub(crate) fn limited_part<R: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    run_within(HANG, name, body)
}

/// Runs `body` on a thread of its own and panics when it takes longer than `limit`.
pub(crate) fn within<R: Send + 'static>(
    limit: Duration,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    run_within(limit, "the test", body)
}

fn run_within<R: Send + 'static>(
    limit: Duration,
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (done, ended) = mpsc::channel();
    let thread = thread::Builder::new().stack_size(64 << 20);
    let body = move || drop(done.send(catch_unwind(AssertUnwindSafe(body))));
    thread.spawn(body).expect("the test's thread starts");
    match ended.recv_timeout(limit) {
        Ok(Ok(value)) => value,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(_) => panic!("{name} hangs: {limit:?} were not enough"),
    }
}

const CHILD: &str = "WORKMILL_TEST_CHILD";

/// The time after which a child hangs. If its body has a limit as well, that one fails first: it
/// knows more.
const LIMIT_OF_CHILD: Duration = HANG.saturating_add(Duration::from_secs(30));

/// Runs the test that this is called from again in a process of its own, where it calls `body`, and
/// asserts that the process ends well.
///
/// `wrapper` is a command that takes the test program and its arguments as its last words. When the
/// process has ended, or hangs, every process that it has started ends with it.
pub(crate) fn in_child(wrapper: &[&str], body: impl FnOnce()) {
    in_child_then(wrapper, body, |output| assert_success(&output));
}

/// Runs the test that this is called from again in a process of its own, where it calls `body`, and
/// calls `check` with the outcome here.
pub(crate) fn in_child_then(wrapper: &[&str], body: impl FnOnce(), check: impl FnOnce(Output)) {
    let test = test_of(&body);
    in_child_within(LIMIT_OF_CHILD, &test, wrapper, body, check);
}

/// Runs the test that this is called from again in a process of its own, with a hang limit.
pub(crate) fn alone(body: impl FnOnce() + Send + 'static) {
    let test = test_of(&body);
    let check = |output| assert_success(&output);
    in_child_within(LIMIT_OF_CHILD, &test, &[], || limited(body), check);
}

/// Returns the path of the test function that a closure is written in, as the test program takes
/// it.
///
/// std does not guarantee the name of a closure, so [`in_child_within`] asserts that there is a
/// test of that path.
fn test_of<F: FnOnce()>(_body: &F) -> String {
    let path = std::any::type_name::<F>().split("::{{closure}}").next();
    let test = path.and_then(|path| path.split_once("::"));
    test.expect("a path begins with the crate").1.to_owned()
}

/// Runs the test of the path `test` again in a child, where it calls `body`, and calls `check` with
/// the outcome here. A child that takes longer than `limit` is killed, and this panics with the
/// output of the child.
fn in_child_within(
    limit: Duration,
    test: &str,
    wrapper: &[&str],
    body: impl FnOnce(),
    check: impl FnOnce(Output),
) {
    if std::env::var_os(CHILD).is_some() {
        end_with_the_parent();
        return body();
    }
    let program = std::env::current_exe().expect("the test program has a path");
    let program = program.to_str().expect("which is text");
    let arguments = [program, test, "--exact", "--nocapture", "--test-threads=1"];
    let words: Vec<_> = wrapper.iter().chain(&arguments).copied().collect();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env(CHILD, test)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().expect("the child starts");
    let stdout = read_to_the_end(child.stdout.take().expect("it is a pipe"));
    let stderr = read_to_the_end(child.stderr.take().expect("it is a pipe"));
    let began = Instant::now();
    let in_time = loop {
        if has_ended(&mut child) {
            break true;
        }
        if began.elapsed() >= limit {
            break false;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let output = Output {
        status: end_all(child),
        stdout: stdout.join().expect("the pipe can be read"),
        stderr: stderr.join().expect("the pipe can be read"),
    };
    assert!(
        in_time,
        "the child hangs: {limit:?} were not enough\n{}",
        printed(&output)
    );
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("running 1 test\n"),
        "the child knows no test {test}\n{}",
        printed(&output)
    );
    check(output);
}

fn read_to_the_end(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).expect("the pipe can be read");
        all
    })
}

/// Makes sure that this process, which has a group of its own, does not outlive its parent,
/// whatever ends that.
fn end_with_the_parent() {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .expect("the system knows this");
}

/// Returns `true` if a child has ended, and leaves it a zombie, so that its number stays that of
/// its group.
#[cfg(unix)]
fn has_ended(child: &mut Child) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let ended = waitid(WaitId::Pid(Pid::from_child(child)), options);
    ended.expect("it is a child").is_some()
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> bool {
    let ended = child.try_wait();
    ended.expect("the child can be waited for").is_some()
}

/// Ends a child, unless it has ended, and all processes that it has started.
fn end_all(mut child: Child) -> ExitStatus {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};

        // Some systems refuse to kill a process that has ended.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let _ = child.kill();
    child.wait().expect("the child can be waited for")
}

fn printed(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Both processes hold the ends of the pipes, and only a process that has ended lets go of them.
#[cfg(unix)]
#[test]
fn a_child_that_hangs_is_ended_with_its_own_and_what_it_printed_is_told() {
    let body = || {
        let mut own = Command::new("sleep").arg("600").spawn().unwrap();
        println!("begun");
        own.wait().unwrap();
    };
    let test = test_of(&body);
    let hangs = move |limit| in_child_within(limit, &test, &[], body, drop);
    limited(move || {
        let mut limit = Duration::from_millis(500);
        loop {
            let hung = catch_unwind(|| hangs(limit)).unwrap_err();
            let message = hung.downcast_ref::<String>().unwrap();
            assert!(message.starts_with("the child hangs: "), "{message}");
            if message.contains("begun") {
                return;
            }
            // It had no time to begin.
            limit *= 2;
        }
    });
}

/// A wrapper that leaves a child a gigabyte of address space: room for a dozen threads with stacks
/// of 64 MiB, if the allocator does not reserve as much again for each of them.
#[cfg(target_os = "linux")]
pub(crate) const LIMIT: [&str; 3] = [
    "sh",
    "-c",
    "ulimit -v 1000000; MALLOC_ARENA_MAX=1 exec \"$0\" \"$@\"",
];

/// Asserts that a child ended well.
pub(crate) fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", printed(output));
}

/// Unset at first; blocks the threads that wait for it until it is set.
///
/// Unlike [`Event`](workmill::Event) it knows nothing of pools: a worker that waits for it stays
/// busy.
#[derive(Clone, Default)]
pub(crate) struct Flag(Arc<(Mutex<bool>, Condvar)>);

impl Flag {
    pub(crate) fn set(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let is_set = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(is_set, |is_set| !*is_set).unwrap());
    }
}

/// Occupies a worker of `pool` until the returned flag is set.
///
/// Returns when the worker waits for it.
pub(crate) fn occupy(pool: &workmill::PoolRef) -> Flag {
    let (arrived, release) = (Flag::default(), Flag::default());
    let (arrives, go) = (arrived.clone(), release.clone());
    pool.execute(move || {
        arrives.set();
        go.wait();
    });
    arrived.wait();
    release
}

/// Runs the given number of tasks, each of which waits until all of them run.
pub(crate) fn meet(pool: &workmill::PoolRef, tasks: usize) {
    let barrier = Arc::new(Barrier::new(tasks));
    let handles: Vec<_> = (0..tasks)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            pool.submit(move || barrier.wait().is_leader())
        })
        .collect();
    let leaders = handles.into_iter().map(|handle| handle.join().unwrap());
    assert_eq!(leaders.filter(|leads| *leads).count(), 1);
}

/// Panics when it is dropped, with another bomb inside as the payload.
pub(crate) struct Bomb {
    pub(crate) depth: usize,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.depth > 0 {
            let depth = self.depth - 1;
            std::panic::panic_any(Self { depth });
        }
    }
}

/// A waker that panics when it is woken or dropped.
pub(crate) struct Hostile;

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("dropped");
        }
    }
}

/// Counts how often a value was dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

/// A value whose drop is counted.
pub(crate) struct Counted(Drops);

impl Drops {
    pub(crate) fn value(&self) -> Counted {
        Counted(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Yields until `done` returns `true`, where there is nothing to wait for.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

/// Counts a task that runs.
pub(crate) fn add_one(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::SeqCst);
}

/// Counts the tasks that run at a time.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<(AtomicUsize, AtomicUsize)>);

impl Crowd {
    /// Counts the caller for a moment.
    pub(crate) fn join_in(&self) {
        let (busy, most) = &*self.0;
        most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns the most callers that were counted at a time.
    pub(crate) fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}
