//! The spans of tasks; the door to tracing. Without the feature `tracing` all of it is nothing, and
//! takes no room.
//!
//! A span begins when the task is submitted, as a child of the span that is current there. It is
//! entered while the task runs, and closed when the task has ended, or was cancelled and dropped.
//! If nobody listens to it, the span of the submitter is entered in its place, so that the context
//! is not lost.

use crate::name::Name;

#[cfg(feature = "tracing")]
pub(crate) use self::with::{FutureSpan, carried, goes_on, traced, waits};
#[cfg(not(feature = "tracing"))]
pub(crate) use self::without::{FutureSpan, carried, goes_on, traced, waits};

#[cfg(feature = "tracing")]
mod with {
    // The standard library's under the model, too: only the thread that runs the future locks it.
    use std::sync::{Mutex, PoisonError};

    use tracing::Span;

    use super::Name;

    fn or_current(span: Span) -> Span {
        match span.is_disabled() {
            true => Span::current(),
            false => span,
        }
    }

    /// Returns `closure`, which is submitted by this thread now, with its span.
    pub(crate) fn traced<R>(
        name: &'static Name,
        closure: impl FnOnce() -> R + Send,
    ) -> impl FnOnce() -> R + Send {
        let name = name.get();
        let span = tracing::debug_span!(target: "workmill", "closure", task = name);
        let span = or_current(span);
        move || span.in_scope(closure)
    }

    /// The span of a future, until that has ended.
    pub(crate) struct FutureSpan(Mutex<Option<Span>>);

    impl FutureSpan {
        /// Creates the span of a future that is submitted by this thread now.
        pub(crate) fn new(name: &'static Name) -> Self {
            let name = name.get();
            let span = tracing::debug_span!(target: "workmill", "future", task = name);
            Self(Mutex::new(Some(or_current(span))))
        }

        fn take(&self) -> Option<Span> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
        }

        /// Calls `body` within the span, and closes the span if the result says that the future has
        /// ended.
        pub(crate) fn within<R>(&self, body: impl FnOnce() -> Option<R>) -> Option<R> {
            let Some(span) = self.take() else {
                return body();
            };
            let result = span.in_scope(body);
            if result.is_none() {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(span);
            }
            result
        }

        /// Closes the span.
        pub(crate) fn end(&self) {
            drop(self.take());
        }
    }

    /// Reports that the thread waits in a task.
    pub(crate) fn waits() {
        tracing::trace!(target: "workmill", "waits");
    }

    /// Reports that the thread has waited in a task.
    pub(crate) fn goes_on() {
        tracing::trace!(target: "workmill", "goes on");
    }

    /// Returns `body`, which is called within the span that is current now.
    pub(crate) fn carried<R>(body: impl FnOnce() -> R + Send) -> impl FnOnce() -> R + Send {
        let span = Span::current();
        move || span.in_scope(body)
    }
}

#[cfg(not(feature = "tracing"))]
mod without {
    use super::Name;

    #[inline(always)]
    pub(crate) fn traced<R, F: FnOnce() -> R + Send>(_: &'static Name, closure: F) -> F {
        closure
    }

    pub(crate) struct FutureSpan;

    impl FutureSpan {
        #[inline(always)]
        pub(crate) fn new(_: &'static Name) -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn within<R>(&self, body: impl FnOnce() -> Option<R>) -> Option<R> {
            body()
        }

        #[inline(always)]
        pub(crate) fn end(&self) {}
    }

    #[inline(always)]
    pub(crate) fn waits() {}

    #[inline(always)]
    pub(crate) fn goes_on() {}

    #[inline(always)]
    pub(crate) fn carried<R>(body: impl FnOnce() -> R + Send) -> impl FnOnce() -> R + Send {
        body
    }
}
