//! The only place that catches panics and drops hostile values.
//!
//! Every call into user code passes here: the calls of closures, the drops of what they captured,
//! of what they returned and of what they panicked with, and the wakes and drops of wakers. No
//! module above this one names [`std::panic::catch_unwind`]. Only the clone of a waker is not
//! caught. It happens on the stack of the thread that polls, before anything has changed.
//!
//! A value that panics while it is dropped leaves the payload of a second panic behind, which may
//! panic in its drop in turn. That second payload is forgotten, never dropped: a leak of one value
//! is the price of a bomb, and the chain ends whatever its depth.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;
use std::task::Waker;

/// The payload of a panic. Its drop never panics.
pub(crate) struct Payload(Option<Box<dyn Any + Send>>);

impl Payload {
    /// Creates the payload of a panic that was caught elsewhere.
    pub(crate) fn new(value: impl Any + Send) -> Self {
        Self(Some(Box::new(value)))
    }

    /// Returns the value that was passed to `panic!`. Its drop may panic.
    pub(crate) fn into_inner(mut self) -> Box<dyn Any + Send> {
        self.0.take().expect("a payload is whole until it is taken")
    }

    /// Returns the text that was passed to `panic!`, if it was text.
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

/// Calls `body`, and returns its result, or the payload if it panicked.
///
/// The caller is responsible for unwind safety: after a panic, nothing that was changed by half may
/// be used. The crate passes only closures that own what they use.
pub(crate) fn catch<R>(body: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|value| Payload(Some(value)))
}

/// Takes the place of the panic that this thread has caught last, if places are noted.
#[cold]
pub(crate) fn take_place() -> Option<Box<str>> {
    PLACE.try_with(Cell::take).ok().flatten()
}

std::thread_local! {
    /// The place of this thread's last panic, while places are noted, until it is taken.
    static PLACE: Cell<Option<Box<str>>> = const { Cell::new(None) };
}

/// Notes the places of panics from now on, by a panic hook that calls the one before it.
pub(crate) fn note_places() {
    static IS_SET: Once = Once::new();
    IS_SET.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let place = info.location().map(|place| place.to_string().into());
            let _ = PLACE.try_with(|last| last.set(place));
            before(info);
        }));
    });
}

/// Calls `body`. If it panics, calls `before` before the panic goes on, which must not panic.
#[inline(always)]
pub(crate) fn call_or<R>(body: impl FnOnce() -> R, before: impl Fn()) -> R {
    let panics = OnDrop(before);
    let result = body();
    std::mem::forget(panics);
    result
}

/// Goes on with a panic that was caught.
pub(crate) fn resume(payload: Payload) -> ! {
    resume_unwind(payload.into_inner())
}

/// Calls `body`, which only drops values. A panic in it ends here.
pub(crate) fn contain(body: impl FnOnce()) {
    if let Err(bomb) = catch_unwind(AssertUnwindSafe(body)) {
        std::mem::forget(bomb);
    }
}

/// Drops `value`. A panic in its drop ends here.
pub(crate) fn discard<T>(value: T) {
    contain(|| drop(value));
}

/// A value of the user's that is kept while code of the user's runs. A panic in its drop ends
/// there, as it must while the thread unwinds.
pub(crate) struct Kept<T>(Option<T>);

impl<T> Kept<T> {
    #[inline(always)]
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    #[inline(always)]
    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("a value is kept until it is taken")
    }
}

impl<T> Drop for Kept<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            discard(value);
        }
    }
}

/// Calls `waker`. A panic in it ends here.
pub(crate) fn wake(waker: Waker) {
    drop(catch(|| waker.wake()));
}

/// Calls a function when it is dropped, also while the thread unwinds.
pub(crate) struct OnDrop<F: Fn()>(pub(crate) F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
