//! Models of a thread that waits for a future, against the threads that wake it.
//!
//! The futures here read by a plain load, which orders nothing. So the wait itself must order what
//! they read after a wake-up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::block_on;

/// A future that is ready when all its flags are set. Its first poll starts a thread for each flag,
/// which sets the flag and then wakes the future. With `in_vain` the thread also wakes it once
/// before.
struct Flags {
    flags: Vec<Arc<AtomicBool>>,
    has_begun: bool,
    in_vain: bool,
    /// The second poll waits for another future.
    nested: bool,
}

impl Flags {
    fn new(flags: usize) -> Self {
        let flag = |_| Arc::new(AtomicBool::new(false));
        Self {
            flags: (0..flags).map(flag).collect(),
            has_begun: false,
            in_vain: false,
            nested: false,
        }
    }
}

impl Future for Flags {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            for flag in &self.flags {
                let (flag, waker, in_vain) = (Arc::clone(flag), cx.waker().clone(), self.in_vain);
                thread::spawn(move || {
                    if in_vain {
                        waker.wake_by_ref();
                    }
                    flag.store(true, Ordering::Release);
                    waker.wake();
                });
            }
            return Poll::Pending;
        }
        if std::mem::take(&mut self.nested) {
            block_on(std::future::ready(()));
            return Poll::Pending;
        }
        match self.flags.iter().all(|flag| flag.load(Ordering::Acquire)) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// Explores schedules with at most two preemptions. More would take minutes.
fn bounded_model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(body);
}

/// Bug: a wait begins with a plain store.
#[test]
fn a_wake_up_in_vain_hides_no_later_one() {
    loom::model(|| {
        block_on(Flags {
            in_vain: true,
            ..Flags::new(1)
        });
    });
}

/// Bug: a waker notes the wake-up by a plain store.
#[test]
fn of_two_who_wake_neither_hides_the_other() {
    bounded_model(|| block_on(Flags::new(2)));
}

/// Bug: the end of an inner wait notifies the outer wait by a plain store.
#[test]
fn a_wait_in_a_poll_hides_no_wake_up() {
    bounded_model(|| {
        block_on(Flags {
            in_vain: true,
            nested: true,
            ..Flags::new(1)
        });
    });
}
