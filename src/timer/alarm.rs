//! The thread of the timer, and the actions that it runs at their deadlines.
//!
//! There is one thread for the whole process. It starts with the first entry and never ends. The
//! entries are under one lock ([`entries`](super::entries)). They come out by deadline, and entries
//! with equal deadlines in the order in which they were inserted. The thread takes out what is due,
//! a batch at a time, and runs it without the lock. When nothing is due, it sleeps until the first
//! deadline, or forever if there is none. But it sleeps at least [`PAUSE`] from the moment at which
//! it last ran something, so that entries which follow each other closely are run together.
//!
//! # Why no deadline is slept through
//!
//! While the thread holds the lock, it looks at all entries and notes how long it is going to sleep
//! ([`Rest`]); then it parks. The look and the note are one step, since both are under the lock. A
//! thread that inserts an entry later finds the note:
//!
//! - The timer's thread sleeps too long for the entry. It is unparked, and noted as awake. If it
//!   has not parked yet, its park returns at once. Then it looks again, and the entry is there.
//! - The timer's thread wakes by itself before the deadline, and looks again.
//! - The timer's thread is awake. It looks again before it sleeps.
//!
//! User code that is called on the timer's thread may park too, and so use up a wake-up that was
//! meant for the thread. That does no harm: user code is called while the thread is awake, so a
//! look follows.
//!
//! An entry that is removed wakes nobody, so the thread may wake once for a deadline that is gone.
//!
//! # What a sleeper relies on
//!
//! An entry goes in two ways: its owner removes it, or its deadline has come by a clock that never
//! goes back. So a future that waits for a moment needs nothing from the timer but the wake-up. It
//! looks at the clock itself, and if its entry is gone before its time, the entry was in another
//! process.
//!
//! # What is not done on this thread
//!
//! An action that takes long delays all others, and user code that waits for the timer would wait
//! forever. So the only user code that is called here is wakers. A task that is due, or one that a
//! waker pushes, may need another thread in its pool. That thread is started [elsewhere], since it
//! takes the system a while, and since the user is asked for the thread's name. A pool whose last
//! owner is this thread is dropped elsewhere too.
//!
//! # Forks
//!
//! A child process has no timer thread, and the lock may be held forever in it. So a child has
//! another list under another lock, which [`ProcessList`] provides. The entries of an ancestor may
//! still be in that list; they are neither called nor dropped. The numbers of entries go on in a
//! child where they were in its parent, so keys of both processes differ. If the timer's thread
//! itself forks, in user code, it ends in the child and calls nothing more there.
//!
//! Under the model this file uses std as it is: nothing here is modelled, since loom has no clock.
//!
//! [elsewhere]: call_elsewhere

use std::cell::Cell;
use std::io;
use std::mem;
// The standard library's under the model, too: see above.
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::entries::{Entries, Key};
use crate::attributes::Attributes;
use crate::fork::{self, ProcessList, Stamp};
use crate::unwind;

/// The largest number of entries that are taken out at a time. Other threads want the lock too, and
/// may remove the next entries.
const BATCH: usize = 256;

/// How long the thread leaves the processors to other threads after it has run an action.
const PAUSE: Duration = Duration::from_millis(1);

/// The alarms. If there is one of this process, it is the last.
static ALARMS: ProcessList<Alarm> = ProcessList::new();

/// The number of the next entry. Written under the lock.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// A closure that is called at a deadline.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// The action of the thread at a deadline.
pub(super) enum Action {
    Wake(Waker),
    Call(Callback),
}

impl Action {
    /// Runs the action. A panic in it is contained.
    pub(super) fn run(self) {
        match self {
            Self::Wake(waker) => unwind::wake(waker),
            Self::Call(callback) => drop(unwind::catch(callback)),
        }
    }
}

impl From<Waker> for Action {
    fn from(waker: Waker) -> Self {
        Self::Wake(waker)
    }
}

impl From<Callback> for Action {
    fn from(callback: Callback) -> Self {
        Self::Call(callback)
    }
}

/// How long the thread sleeps.
#[derive(Clone, Copy)]
#[must_use]
enum Rest {
    /// The thread is awake, and looks at the entries before it sleeps again.
    Awake,
    Until(Instant),
    Forever,
}

impl Rest {
    /// Returns `true` if the thread sleeps longer than until `end`.
    fn is_longer_than(self, end: Instant) -> bool {
        match self {
            Self::Awake => false,
            Self::Until(later) => end < later,
            Self::Forever => true,
        }
    }
}

/// The entries of one process, and the thread that runs them. There are no entries without the
/// thread.
struct Alarm {
    /// The process in which the thread was started.
    process: Stamp,
    entries: Entries<Action>,
    rest: Rest,
    /// The moment before which the thread looks at nothing.
    paused: Instant,
    thread: Thread,
}

impl Alarm {
    /// Starts the thread. It waits for the lock of the alarms first.
    fn start() -> io::Result<Self> {
        let builder = thread::Builder::new().name("workmill-timer".to_owned());
        // The thread serves the whole process, so its attributes are the process's.
        let attributes = Attributes::of_the_process();
        let body = move || {
            attributes.take_on();
            run();
        };
        let handle = Attributes::start(|| builder.spawn(body))?;
        Ok(Self {
            process: Stamp::now(),
            entries: Entries::new(Instant::now()),
            rest: Rest::Awake,
            paused: Instant::now(),
            thread: handle.thread().clone(),
        })
    }
}

/// Returns the alarm of this process, if there is one.
fn own(alarms: &mut [Alarm]) -> Option<&mut Alarm> {
    alarms.last_mut().filter(|alarm| alarm.process.is_here())
}

/// Inserts an action that is run at `deadline`, after all actions that were inserted before it with
/// an equal deadline.
///
/// # Errors
///
/// The action, if the thread cannot be started. The next call tries again.
pub(super) fn insert<A: Into<Action>>(deadline: Instant, action: A) -> Result<Key, A> {
    fork::watch();
    let mut alarms = ALARMS.lock();
    if own(&mut alarms).is_none() {
        // The new thread waits for the lock, which this one holds.
        match Alarm::start() {
            Ok(alarm) => alarms.push(alarm),
            Err(_) => return Err(action),
        }
    }
    let alarm = own(&mut alarms).expect("the alarm was just made");
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let key = Key { deadline, number };
    alarm.entries.insert(key, action.into());
    let end = deadline.max(alarm.paused);
    let sleeper = alarm.rest.is_longer_than(end).then(|| {
        alarm.rest = Rest::Awake;
        alarm.thread.clone()
    });
    drop(alarms);
    if let Some(thread) = sleeper {
        thread.unpark();
    }
    Ok(key)
}

/// Removes an entry and returns its action, or `None` if it was taken out already.
#[must_use = "the action is user code, to be dropped with care"]
fn remove(key: Key) -> Option<Action> {
    own(&mut ALARMS.lock())?.entries.remove(key)
}

/// Removes an entry that was inserted with a waker, and returns the waker, or `None` if the entry
/// was taken out already.
#[must_use = "the waker must be dropped by `unwind::discard`, or kept"]
pub(super) fn take_waker(key: Key) -> Option<Waker> {
    match remove(key)? {
        Action::Wake(waker) => Some(waker),
        Action::Call(_) => unreachable!("the key is of an entry with a waker"),
    }
}

/// Returns `true` if the entry is there and wakes the task that `waker` wakes.
#[must_use]
pub(super) fn will_wake(key: Key, waker: &Waker) -> bool {
    let mut alarms = ALARMS.lock();
    let entry = own(&mut alarms).and_then(|alarm| alarm.entries.get_mut(key));
    matches!(entry, Some(Action::Wake(other)) if other.will_wake(waker))
}

/// Calls `callback` on the timer's thread at `deadline`, once, unless [`forget`] is called before.
///
/// # Errors
///
/// The callback, if the timer's thread cannot be started.
pub(crate) fn call_at(deadline: Instant, callback: Callback) -> Result<Key, Callback> {
    insert(deadline, callback)
}

/// Removes an entry, and drops its action on the calling thread, unless the timer's thread has
/// taken it already.
pub(crate) fn forget(key: Key) {
    unwind::discard(remove(key));
}

/// Takes out what is due, at most [`BATCH`] entries, into `due`. Returns how long there is nothing
/// to do.
fn look(due: &mut Vec<Action>) -> Rest {
    let mut alarms = ALARMS.lock();
    let alarm = own(&mut alarms).expect("the thread has ended in a child");
    let now = Instant::now();
    while due.len() < BATCH {
        match alarm.entries.pop_due(now) {
            Some(action) => due.push(action),
            None => break,
        }
    }
    if !due.is_empty() {
        alarm.paused = now + PAUSE;
    }
    alarm.rest = match alarm.entries.next_deadline() {
        _ if !due.is_empty() => Rest::Awake,
        Some(first) => Rest::Until(first.max(alarm.paused)),
        None => Rest::Forever,
    };
    alarm.rest
}

std::thread_local! {
    static IS_TIMER: Cell<bool> = const { Cell::new(false) };
}

/// Returns `true` if the calling thread is the timer's.
pub(crate) fn is_this_thread() -> bool {
    IS_TIMER.with(Cell::get)
}

/// Calls `body`, which may take long or call user code, on a new thread.
pub(crate) fn call_elsewhere(body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name("workmill-starter".to_owned());
    builder.spawn(|| unwind::contain(body)).map(drop)
}

/// Runs what is due, and sleeps in between: the life of the thread.
fn run() {
    IS_TIMER.with(|is_timer| is_timer.set(true));
    let process = Stamp::now();
    let mut due = Vec::with_capacity(BATCH);
    loop {
        match look(&mut due) {
            Rest::Awake => {
                let mut due = due.drain(..);
                while let Some(action) = due.next() {
                    action.run();
                    if !process.is_here() {
                        // The actions that are left are the parent's.
                        return mem::forget(due);
                    }
                }
            }
            Rest::Until(end) => {
                thread::park_timeout(end.saturating_duration_since(Instant::now()));
            }
            Rest::Forever => thread::park(),
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn callbacks_are_called_in_order_except_forgotten_ones() {
        let (tell, told) = mpsc::channel();
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        let note = |after: Duration, what: i32| {
            let tell = tell.clone();
            let callback = Box::new(move || tell.send((what, thread::current().id())).unwrap());
            call_at(start + after, callback).unwrap_or_else(|_| panic!("there is no thread"))
        };
        let later = [note(hour, 1), note(hour, 2)];
        note(Duration::ZERO, 3);
        let (what, timer) = told.recv().unwrap();
        assert_eq!(what, 3);
        assert_ne!(timer, thread::current().id());
        let soon = Duration::from_millis(50);
        let forgotten = note(soon, 4);
        let panics = call_at(start + soon, Box::new(|| panic!("contained")));
        assert!(panics.is_ok());
        note(soon * 2, 5);
        forget(forgotten);
        later.into_iter().for_each(forget);
        assert_eq!(told.recv().unwrap(), (5, timer));
        forget(forgotten);
        // Forgotten callbacks were dropped at once.
        drop(tell);
        assert_eq!(told.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn a_callback_may_insert_others_and_forget_them() {
        let (tell, told) = mpsc::channel();
        let again = Box::new(move || {
            let never = Instant::now() + Duration::from_secs(3600);
            forget(call_at(never, Box::new(|| ())).unwrap_or_else(|_| panic!("the thread runs")));
            let told = call_at(Instant::now(), Box::new(move || tell.send(()).unwrap()));
            assert!(told.is_ok());
        });
        assert!(call_at(Instant::now(), again).is_ok());
        told.recv().unwrap();
    }
}
