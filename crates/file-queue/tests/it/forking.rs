//! Children that are made by a fork, without a new program.

use std::future::Future;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::task::{Context, Wake};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use workmill_file_queue::{ErrorKind, FileQueue, inspect};

use crate::child::{Child, Role, say};
use crate::support::{HANG, Place, kind, limited, quick, rest};

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("opens a queue after a fork", opens_after_a_fork),
    ("takes one and forks", takes_one_and_forks),
    ("uses an open queue in a child", uses_it_in_a_child),
    (
        "opens in two threads of each child",
        opens_in_two_threads_of_each_child,
    ),
    (
        "forks while a queue is closed",
        forks_while_a_queue_is_closed,
    ),
    ("drops a future in a child", drops_a_future_in_a_child),
];

/// Forks. Returns `None` in the child, which ends after some minutes, whatever happens.
#[expect(unsafe_code, reason = "std does not fork")]
fn fork() -> Option<Pid> {
    // SAFETY: it has no duties. That the child goes on as if it had threads is what is tested.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: it has no duties.
            unsafe { libc::alarm(HANG.as_secs() as libc::c_uint) };
            None
        }
        id => Some(Pid::from_raw(id).expect("the process can fork")),
    }
}

/// Ends the process without any of its drops.
#[expect(unsafe_code, reason = "std runs what is to run at an exit")]
fn exit(code: i32) -> ! {
    // SAFETY: it has no duties.
    unsafe { libc::_exit(code) }
}

fn takes_one_and_forks(path: &Path, lines: &Receiver<String>) {
    let queue = quick::<u32>(path);
    let task = queue.get_task().unwrap();
    match fork() {
        Some(child) => {
            say(child.as_raw_nonzero());
            lines.recv().unwrap();
            drop(task);
        }
        None => {
            thread::sleep(HANG);
            exit(0);
        }
    }
}

/// Every call of the child fails at once, and none does anything to the parent's queue.
fn uses_it_in_a_child(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u32>(path);
    queue.put_all(&[1, 2, 3]).unwrap();
    let task = queue.get_task().unwrap();
    let other = queue.get_task().unwrap();
    // A thread waits, so there is one that the child does not have.
    let waiting = quick::<u32>(&path.with_extension("other"));
    let waits = waiting.clone();
    thread::spawn(move || waits.get());
    thread::sleep(Duration::from_millis(20));
    let Some(child) = fork() else {
        let all = [
            kind(queue.put(&4)),
            kind(queue.try_put(&4)),
            kind(queue.get()),
            kind(queue.get_task()),
            kind(queue.len()),
            kind(queue.join()),
            kind(queue.close()),
            kind(task.done()),
            kind(waiting.get()),
        ];
        drop(other);
        drop(queue);
        drop(waiting);
        // Nor does it open one, since SQLite takes the locks of the parent for its own.
        let own = [
            kind(FileQueue::<u32>::open(path)),
            kind(FileQueue::<u32>::open(path.with_extension("new"))),
            kind(inspect(path, 1)),
        ];
        let is_refused = all == [ErrorKind::Forked; 9] && own == [ErrorKind::Forked; 3];
        exit(i32::from(!is_refused));
    };
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    // Nothing of that has happened here.
    assert_eq!((*task, *other), (1, 2));
    task.done().unwrap();
    other.give_back().unwrap();
    assert_eq!(rest(&queue), [2, 3]);
    waiting.put(&1).unwrap();
    say("nothing has happened");
    process::exit(0);
}

#[test]
fn an_item_stays_taken_until_the_forked_child_of_its_taker_has_ended_too() {
    limited(|| {
        let place = Place::new();
        let queue = place.open::<u32>();
        queue.put(&1).unwrap();
        let taker = Child::new("takes one and forks", &place.path);
        let child: i32 = taker.hear().parse().unwrap();
        taker_ends(&taker, &queue);
        kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
        let task = queue.get_task().unwrap();
        assert_eq!((*task, task.attempt()), (1, 2));
    });
}

/// Kills the taker, whose child lives on, and still has its standard output.
fn taker_ends(taker: &Child, queue: &FileQueue<u32>) {
    taker.signal(Signal::KILL);
    let gone = queue.get_timeout(Duration::from_millis(100));
    assert_eq!(kind(gone), ErrorKind::Empty);
}

#[test]
fn an_open_queue_cannot_be_used_in_a_forked_child() {
    limited(|| {
        let place = Place::new();
        let child = Child::new("uses an open queue in a child", &place.path);
        child.expect("nothing has happened");
        child.finish();
    });
}

/// A child may open a queue if its parent had none open: it had, but has closed it.
fn opens_after_a_fork(path: &Path, _: &Receiver<String>) {
    quick(path).put(&1).unwrap();
    let Some(child) = fork() else {
        let queue = quick::<u32>(path);
        exit(i32::from(queue.get().ok() != Some(1)));
    };
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    assert!(quick::<u32>(path).is_empty().unwrap());
    say("all is well");
}

#[test]
fn a_child_opens_a_queue_if_its_parent_had_none_open() {
    limited(|| {
        let place = Place::new();
        Child::new("opens a queue after a fork", &place.path).expect("all is well");
    });
}

/// Returns the exit status of a child.
fn status_of(child: Pid) -> Option<i32> {
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    status.exit_status()
}

/// Returns `true` if this process is taken for a child whose parent had a queue open. It asks
/// nothing of SQLite.
fn is_refused() -> bool {
    kind(FileQueue::<u32>::open("")) == ErrorKind::Forked
}

/// The first two calls of a process may come at the same time.
fn opens_in_two_threads_of_each_child(_: &Path, _: &Receiver<String>) {
    for _ in 0..2_000 {
        let Some(child) = fork() else {
            let ready = AtomicUsize::new(0);
            let call = || {
                ready.fetch_add(1, Ordering::SeqCst);
                while ready.load(Ordering::SeqCst) < 2 {
                    thread::yield_now();
                }
                is_refused()
            };
            let any = thread::scope(|scope| {
                let other = scope.spawn(call);
                call() | other.join().unwrap()
            });
            exit(i32::from(any));
        };
        assert_eq!(status_of(child), Some(0), "a child was refused");
    }
    say("all is well");
}

#[test]
fn the_first_two_calls_of_a_process_may_come_at_the_same_time() {
    limited(|| {
        let place = Place::new();
        Child::new("opens in two threads of each child", &place.path).expect("all is well");
    });
}

/// A child that is forked while another thread closes the queue has its files still open, or may
/// use queues.
fn forks_while_a_queue_is_closed(path: &Path, _: &Receiver<String>) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                quick(path).put(&1).unwrap();
            }
        });
        let is_well = (0..300).all(|_| {
            let Some(child) = fork() else {
                let files = std::fs::read_dir("/proc/self/fd").unwrap();
                let mut files = files.filter_map(|it| std::fs::read_link(it.unwrap().path()).ok());
                let is_open = files.any(|it| it == path);
                exit(i32::from(is_open && !is_refused()));
            };
            status_of(child) == Some(0)
        });
        is_over.store(true, Ordering::SeqCst);
        assert!(is_well, "a child has its parent's connection");
    });
    say("all is well");
}

#[test]
fn a_child_that_is_made_while_a_queue_is_closed_cannot_use_it() {
    limited(|| {
        let place = Place::new();
        Child::new("forks while a queue is closed", &place.path).expect("all is well");
    });
}

struct Tells(mpsc::Sender<()>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

/// A future that waits for room in the parent is woken also after a child has dropped its copy.
fn drops_a_future_in_a_child(path: &Path, _: &Receiver<String>) {
    let builder = workmill_file_queue::Builder::new();
    let full: FileQueue<u32> = builder.capacity(1).open(path).unwrap();
    full.put(&1).unwrap();
    let (told, woken) = mpsc::channel();
    let waker = Arc::new(Tells(told)).into();
    let mut context = Context::from_waker(&waker);
    let mut put = Box::pin(full.put_async(&2));
    assert!(put.as_mut().poll(&mut context).is_pending());
    let Some(child) = fork() else {
        drop(put);
        exit(0);
    };
    assert_eq!(status_of(child), Some(0));
    let other = quick::<u32>(path); // stays open: its end would wake all, too
    assert_eq!(other.get().unwrap(), 1);
    woken.recv_timeout(HANG / 10).expect("the future is woken");
    assert!(put.as_mut().poll(&mut context).is_ready());
    say("all is well");
}

#[test]
fn a_child_that_drops_a_future_does_not_put_its_parent_to_sleep() {
    limited(|| {
        let place = Place::new();
        Child::new("drops a future in a child", &place.path).expect("all is well");
    });
}
