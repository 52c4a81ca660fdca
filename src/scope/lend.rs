//! Runs a closure that borrows from the stack of the thread that waits for it.
//!
//! The closure's lifetime is erased here: the closure is handed to the pool as if it borrowed
//! nothing, and its owner waits, whatever happens, until the pool has dropped it.

#![expect(
    unsafe_code,
    reason = "the compiler cannot see that the caller waits for the closure to be gone"
)]

use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::primitive::{AtomicBool, Ordering, current, yield_now};

/// A closure that borrows for `'a`; for `'static`, one whose lifetime has been erased.
type Closure<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Passes `closure` to `submit`, and waits until it has ended where `submit` has put it.
///
/// `submit` either puts the closure behind the handle that it returns, or drops it.
pub(crate) fn run_elsewhere<F, R>(
    closure: F,
    submit: impl FnOnce(Closure<'static>) -> JoinHandle<()>,
) -> Result<R, JoinError>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    let mut result = None;
    let borrowed = StillBorrowed(AtomicBool::new(true));
    let (place, release) = (&mut result, Release(&borrowed));
    let (latch, here) = (StartLatch::new(), current().id());
    let start = &latch;
    let borrowing: Closure<'_> = Box::new(move || {
        let _release = release;
        if current().id() != here {
            start.pass();
        }
        *place = Some(closure());
    });
    // SAFETY: only the lifetime changes, and nothing of the closure outlives this call:
    // `join_anyway` returns after the closure was called or dropped, captures and all, and for no
    // other reason. Should this frame be left before the closure is gone, by a panic or because
    // `submit` has put it elsewhere, then `borrowed` ends the process.
    let closure = unsafe { std::mem::transmute::<Closure<'_>, Closure<'static>>(borrowing) };
    let outcome = submit(closure).join_anyway(|| latch.open());
    drop(borrowed);
    outcome.map(|()| result.expect("a closure that returned has left its result"))
}

/// Holds a closure up until its owner waits for it; for some instructions, if at all.
struct StartLatch(AtomicBool);

impl StartLatch {
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn open(&self) {
        // ORDERING: Release gives what the owner did before to the closure, in `pass`.
        self.0.store(true, Ordering::Release);
    }

    fn pass(&self) {
        while !self.0.load(Ordering::Acquire) {
            yield_now();
        }
    }
}

/// Aborts the process if a frame is left that the closure still borrows from.
struct StillBorrowed(AtomicBool);

impl Drop for StillBorrowed {
    fn drop(&mut self) {
        // ORDERING: pairs with the drop of `Release`.
        if self.0.load(Ordering::Acquire) {
            std::process::abort();
        }
    }
}

/// A capture of the closure, which is dropped with it.
struct Release<'a>(&'a StillBorrowed);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}
