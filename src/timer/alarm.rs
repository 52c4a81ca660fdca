//! What is to be called at which time, and the thread that calls it.
//!
//! There is one thread for the whole process. It starts with the first entry and never ends. The entries
//! are under one lock ([`entries`](super::entries)); they come out by deadline, and those of one deadline in
//! the order in which they came. The thread takes out what is due, a batch at a time, and calls it
//! without the lock. When nothing is due it sleeps until the first deadline, but
//! no shorter than [`PAUSE`] from when it last called something, so that entries which follow each other
//! closely are called together; without a deadline, for ever.
//!
//! # No deadline is slept through
//!
//! While the thread holds the lock it looks at all entries and notes how long it is going to sleep
//! ([`Rest`]); then it parks. Look and note are one step, since both are under the lock. An entry that comes later finds that note:
//!
//! - The thread sleeps too long for it. It is unparked, and noted as awake. If it has not parked yet, its
//!   park returns at once. Then it looks again, and the entry is there.
//! - The thread wakes by itself before the deadline, and looks again.
//! - The thread is awake. It looks again before it sleeps.
//!
//! User code that is called on this thread may park too, and so take a wake-up that was meant for the
//! thread. That does no harm: it is called while the thread is awake, so a look follows.
//!
//! An entry that is forgotten wakes nobody, so the thread may wake once for a deadline that is gone.
//!
//! # What a sleeper relies on
//!
//! An entry goes in two ways: its owner takes it out, or its deadline has come by a clock that
//! never goes back. So who waits for a moment needs no word from here but the wake-up: it looks at the
//! clock, and if its entry is gone before its time, it was another process's.
//!
//! # What is not done on this thread
//!
//! What takes long here makes everyone late, and user code that waits for the time would wait for ever.
//! So only wakers are called here. A due task, or one that a waker pushes, may need another thread in
//! its pool: that is started [elsewhere], since the system takes its time over it, and the user is asked for
//! the thread's name. So is a pool dropped that has nobody else left.
//!
//! # Forks
//!
//! A child has no timer thread, and the lock may be held for ever there. So it has another list, under
//! another lock, as [`ProcessList`] gives it. An ancestor's entries may still be in that one; they are
//! neither called nor dropped. Numbers go on in a child where they were in its parent, so the keys of both
//! differ. If it is this thread that forks, in user code, it ends in the child and calls nothing more.
//!
//! Plain std under the model too: nothing is modelled here, since loom has no clock.
//!
//! [elsewhere]: call_elsewhere

use std::cell::Cell;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::entries::{Entries, Key};
use crate::attributes::Attributes;
use crate::fork::{self, ProcessList, Stamp};
use crate::unwind;

/// How many entries are taken out at a time: others want the lock too, and may forget the next ones.
const BATCH: usize = 256;

/// How long the thread leaves the processors to others after it has called something.
const PAUSE: Duration = Duration::from_millis(1);

/// Holds this process's alarm in the last place, if there is one.
static ALARMS: ProcessList<Alarm> = ProcessList::new();

/// The number of the next entry. Counted under the lock.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// What is called at a deadline.
pub(super) enum Action {
    Wake(Waker),
    Call(Callback),
}

impl Action {
    /// Does it; a panic in it ends here.
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
enum Rest {
    /// It looks at the entries before it sleeps again.
    Awake,
    Until(Instant),
    ForEver,
}

impl Rest {
    fn is_longer_than(self, end: Instant) -> bool {
        match self {
            Self::Awake => false,
            Self::Until(later) => end < later,
            Self::ForEver => true,
        }
    }
}

/// The entries of one process. There are none without a thread.
struct Alarm {
    /// How often the process had forked when the thread was started.
    process: Stamp,
    entries: Entries<Action>,
    rest: Rest,
    /// Before this it looks at nothing.
    paused: Instant,
    thread: Thread,
}

impl Alarm {
    fn start() -> io::Result<Self> {
        let builder = thread::Builder::new().name("workmill-timer".to_owned());
        // It serves all who wait, whoever was first.
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

/// The alarm of this process.
fn own(alarms: &mut [Alarm]) -> Option<&mut Alarm> {
    alarms.last_mut().filter(|alarm| alarm.process.is_here())
}

/// Has something called at `deadline`, after all that came before with the same deadline.
///
/// Gives it back if the thread cannot be started. The next call tries again.
pub(super) fn insert<A: Into<Action>>(deadline: Instant, action: A) -> Result<Key, A> {
    fork::watch();
    let mut alarms = ALARMS.lock();
    if own(&mut alarms).is_none() {
        // It waits for the lock first.
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

/// Takes an entry out; `None` if it was taken already.
fn remove(key: Key) -> Option<Action> {
    own(&mut ALARMS.lock())?.entries.remove(key)
}

/// Takes out an entry that was inserted with a waker; `None` if it was taken already.
pub(super) fn take_waker(key: Key) -> Option<Waker> {
    match remove(key)? {
        Action::Wake(waker) => Some(waker),
        Action::Call(_) => unreachable!("the key is of an entry with a waker"),
    }
}

/// Tells whether the entry is there and wakes what `waker` does.
pub(super) fn will_wake(key: Key, waker: &Waker) -> bool {
    let mut alarms = ALARMS.lock();
    let entry = own(&mut alarms).and_then(|alarm| alarm.entries.get_mut(key));
    matches!(entry, Some(Action::Wake(other)) if other.will_wake(waker))
}

/// Calls `callback` on the timer's thread at `deadline`, once, unless it is forgotten before.
///
/// Gives it back if there is no such thread and none can be started.
pub(crate) fn call_at(deadline: Instant, callback: Callback) -> Result<Key, Callback> {
    insert(deadline, callback)
}

/// Drops what the entry would have called, here, unless the thread has taken it already.
pub(crate) fn forget(key: Key) {
    unwind::discard(remove(key));
}

/// Takes out what is due, a batch at most, and tells how long there is nothing to do.
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
        None => Rest::ForEver,
    };
    alarm.rest
}

std::thread_local! {
    static IS_TIMER: Cell<bool> = const { Cell::new(false) };
}

/// Returns `true` if this is the thread that calls what is due.
pub(crate) fn is_this_thread() -> bool {
    IS_TIMER.with(Cell::get)
}

/// Calls `body`, which may take its time or call user code, on a thread of its own.
pub(crate) fn call_elsewhere(body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name("workmill-starter".to_owned());
    builder.spawn(|| unwind::contain(body)).map(drop)
}

/// The life of the thread.
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
                        // The rest is the parent's.
                        return mem::forget(due);
                    }
                }
            }
            Rest::Until(end) => {
                thread::park_timeout(end.saturating_duration_since(Instant::now()));
            }
            Rest::ForEver => thread::park(),
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn callbacks_are_called_in_order_but_for_those_that_are_forgotten() {
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
        // What was forgotten was dropped at once.
        drop(tell);
        assert_eq!(told.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn a_callback_may_ask_for_others_and_forget_them() {
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
