//! The one place that catches panics and drops hostile values.
//!
//! Every call into user code passes here: closures, the drops of what they captured, of what they
//! returned and of what they panicked with, and the waking and dropping of wakers. Nothing above
//! this room names [`std::panic::catch_unwind`]. Only the cloning of a waker is not caught: it
//! happens on the poller's own stack, before anything has changed.
//!
//! A value that panics while it is dropped leaves a second panic's payload behind, which
//! may panic in its drop in turn. That second payload is forgotten, never dropped: a leak of
//! one value is the price of a bomb, and the chain ends whatever its depth.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// What a panic was called with; dropping it never panics.
pub(crate) struct Payload(Option<Box<dyn Any + Send>>);

impl Payload {
    /// The value given to `panic!`, to be dropped by whoever takes it.
    pub(crate) fn into_inner(mut self) -> Box<dyn Any + Send> {
        self.0.take().expect("a payload is whole until it is taken")
    }

    /// The text given to `panic!`, when it was one.
    pub(crate) fn message(&self) -> Option<&str> {
        let value = self.0.as_deref()?;
        let literal = value.downcast_ref::<&'static str>().copied();
        literal.or_else(|| value.downcast_ref::<String>().map(String::as_str))
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            discard(value);
        }
    }
}

/// Calls `body` and gives back what it returned or what it panicked with.
///
/// The caller answers for it that nothing half-changed is looked at after a panic; the
/// crate hands over only what the closure owns.
pub(crate) fn catch<R>(body: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|value| Payload(Some(value)))
}

/// Calls `body`, which only drops things; a panic in it ends here.
pub(crate) fn contain(body: impl FnOnce()) {
    if let Err(bomb) = catch_unwind(AssertUnwindSafe(body)) {
        std::mem::forget(bomb);
    }
}

/// Drops `value`; a panic in its drop ends here.
pub(crate) fn discard<T>(value: T) {
    contain(|| drop(value));
}

/// Wakes; a panic in the waker ends here.
pub(crate) fn wake(waker: Waker) {
    drop(catch(|| waker.wake()));
}

/// Calls a function when it is dropped, while unwinding too.
pub(crate) struct OnDrop<F: Fn()>(pub(crate) F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
