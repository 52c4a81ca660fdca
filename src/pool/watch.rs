//! How the thread sleeps that tells of tasks which run for long (`pool/watcher.rs`).
//!
//! A worker that goes from idle to busy rings for it.
//!
//! # Why no ring is missed
//! *Watcher:* (W1) note that it is asleep; (W2) full fence; (W3) look at the phase of every worker,
//! and sleep if all are idle. *Worker:* (B1) note that it is busy; (B2) full fence; (B3) ring if
//! the watcher is asleep. One of the fences comes first: if W2, B3 sees the note; if B2, W3 sees
//! the phase.

// The standard library's under the model, too: no model has a watcher.
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId, current};
use std::time::Duration;

/// The number of looks at each worker in the time after which a task is long.
const LOOKS: u32 = 4;

/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) struct Watch {
    after: Duration,
    is_asleep: AtomicBool,
    inside: Mutex<Inside>,
    bell: Condvar,
}

#[derive(Default)]
struct Inside {
    has_ended: bool,
    thread: Option<JoinHandle<()>>,
    id: Option<ThreadId>,
}

impl Watch {
    /// A watch of tasks that run for longer than `after`.
    pub(super) fn new(after: Duration) -> Arc<Self> {
        Arc::new(Self {
            after,
            is_asleep: AtomicBool::new(false),
            inside: Mutex::new(Inside::default()),
            bell: Condvar::new(),
        })
    }

    /// Returns the time after which a task is long.
    pub(super) fn after(&self) -> Duration {
        self.after
    }

    /// Keeps the thread.
    pub(super) fn keep(&self, thread: JoinHandle<()>) {
        let mut inside = self.lock();
        inside.id = Some(thread.thread().id());
        inside.thread = Some(thread);
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// B2 and B3: a worker has become busy.
    pub(super) fn ring(&self) {
        // ORDERING: pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
        if self.is_asleep.load(Ordering::Relaxed) {
            self.wake(|_| ());
        }
    }

    fn wake(&self, change: impl FnOnce(&mut Inside)) {
        let mut inside = self.lock();
        change(&mut inside);
        self.is_asleep.store(false, Ordering::Relaxed);
        self.bell.notify_all();
    }

    /// Ends the watch: the pool has ended. Does not wait.
    pub(super) fn end(&self) {
        self.wake(|inside| inside.has_ended = true);
    }

    /// Blocks until the thread has ended, unless this is that thread.
    pub(super) fn join(&self) {
        self.end();
        let thread = {
            let mut inside = self.lock();
            match inside.id == Some(current().id()) {
                true => None,
                false => inside.thread.take(),
            }
        };
        // It does not panic: the user's function is called through `unwind`.
        thread.into_iter().for_each(|thread| drop(thread.join()));
    }

    /// Waits until a worker may be busy. Returns `false` if the watch has ended.
    pub(super) fn sleep(&self, is_busy: impl Fn() -> bool) -> bool {
        let mut inside = self.lock();
        self.is_asleep.store(true, Ordering::Relaxed);
        // ORDERING: W2, pairs with the fence in `ring`.
        fence(Ordering::SeqCst);
        if is_busy() {
            self.is_asleep.store(false, Ordering::Relaxed);
            let tick = (self.after / LOOKS).max(SHORTEST);
            let waited = self
                .bell
                .wait_timeout_while(inside, tick, |inside| !inside.has_ended);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            let asleep =
                |inside: &mut Inside| !inside.has_ended && self.is_asleep.load(Ordering::Relaxed);
            let woken = self.bell.wait_while(inside, asleep);
            inside = woken.unwrap_or_else(PoisonError::into_inner);
        }
        !inside.has_ended
    }
}
