//! Borrowed work: what a closure borrows from a waiting caller's stack.
//!
//! Lifetimes end here: a closure that borrows is handed to the pool as if it did not, and its owner
//! waits until the pool has let go of it, whatever happens.

#![expect(
    unsafe_code,
    reason = "the compiler cannot see that the caller waits for the closure to be gone"
)]

use crate::error::JoinError;
use crate::handle::JoinHandle;

/// A closure that has been made to look as if it borrowed nothing.
pub(crate) type Borrowed = Box<dyn FnOnce() + Send + 'static>;

/// Lets `submit` place `closure` somewhere and waits until it has ended there.
///
/// `submit` must either place the closure behind the handle that it returns or drop it.
pub(crate) fn run_elsewhere<F, R>(
    closure: F,
    submit: impl FnOnce(Borrowed) -> JoinHandle<()>,
) -> Result<R, JoinError>
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    let mut result = None;
    let place = &mut result;
    let borrowing: Box<dyn FnOnce() + Send + '_> = Box::new(move || *place = Some(closure()));
    // SAFETY: only the lifetime changes, and nothing of the closure outlives this call. A handle
    // resolves after its closure was called or dropped, captures and all; `submit` has dropped a
    // closure for which it unwinds or returns a handle that is not its own; and from there on
    // `Waited` sees to it that this frame is not left before the handle has resolved.
    let closure =
        unsafe { std::mem::transmute::<Box<dyn FnOnce() + Send + '_>, Borrowed>(borrowing) };
    let waited = Waited;
    let outcome = submit(closure).join();
    std::mem::forget(waited);
    outcome.map(|()| result.expect("a closure that returned has left its result"))
}

/// Ends the process rather than to leave a frame that is borrowed.
struct Waited;

impl Drop for Waited {
    fn drop(&mut self) {
        std::process::abort();
    }
}
