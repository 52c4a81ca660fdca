//! Tests that run in a process of their own: what they do to it, and how it ends, is theirs alone.

use std::io::Read;
#[cfg(unix)]
use std::panic::catch_unwind;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::HANG;
#[cfg(unix)]
use crate::support::limited;

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
#[cfg(unix)]
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
