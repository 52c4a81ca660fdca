//! The traits of all handles: what `wait`, `as_completed` and the others need of them.

use std::task::Waker;

use super::cancel::CancelOnDrop;
use super::flat::{FlatHandle, TaskError};
use super::join::{self, JoinHandle};
use super::shared::SharedHandle;
use crate::error::JoinError;
use crate::task::cell::Outcome;
use sealed::{Awaited, Take};

/// A handle to a task, of whatever type its result is.
///
/// It is implemented by all handles that wait for an outcome, and by mutable references to them. A
/// slice of `&mut dyn AnyHandle` can have handles of different types; [`wait`](crate::wait()) takes
/// it. The trait is sealed.
///
/// # Examples
///
/// ```
/// use workmill::{AnyHandle, WaitFor, wait};
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (mut number, mut text) = (pool.submit(|| 6), pool.submit(|| "flour"));
/// let mut both: [&mut dyn AnyHandle; 2] = [&mut number, &mut text];
/// assert_eq!(wait(&mut both, WaitFor::All), [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait AnyHandle: Awaited {}

/// A handle to a task, which returns the task's outcome.
///
/// [`as_completed`](crate::as_completed), [`join_all`](crate::join_all) and
/// [`first_ok`](crate::first_ok) take such handles. The trait is sealed.
///
/// # Examples
///
/// ```
/// use workmill::{Handle, JoinHandle, as_completed};
///
/// /// Works with every kind of handle.
/// fn count<H: Handle>(handles: Vec<H>) -> usize {
///     as_completed(handles).filter(|(_, outcome)| outcome.is_ok()).count()
/// }
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let handles: Vec<JoinHandle<i32>> = (0..3).map(|n| pool.submit(move || n)).collect();
/// assert_eq!(count(handles), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Handle: AnyHandle + Take<Output = Result<Self::Value, Self::Error>> {
    /// The result of the task.
    type Value;

    /// The error that the handle returns in place of a result.
    type Error;
}

/// The traits by which the crate uses handles. Nobody outside can name these traits, so nobody can
/// implement or call them.
pub(crate) mod sealed {
    use std::task::Waker;

    pub trait Awaited {
        /// Returns `true` if the task has ended. If not, `waker` is called once, when it has.
        fn poll_end(&mut self, waker: &Waker) -> bool;

        /// Notes that the future which is polled on this thread waits for the task: it lends its
        /// permits, if the task needs some.
        fn note_wanted(&self);

        /// Takes back the waker that [`poll_end`](Self::poll_end) left.
        fn stop_waiting(&mut self);

        /// Returns `true` if the task has ended, after a look at the calls that were put off.
        fn has_ended(&self) -> bool;

        /// Returns `true` if the task has ended without a result.
        fn has_failed(&mut self) -> bool;

        /// Runs the task on this thread, if it is a closure of a pool that the thread is inside,
        /// and has not begun. Then waits, without a time limit. Returns `false` if the task will
        /// never end, as far as this thread is concerned: the join would close a cycle, or this is
        /// a child process.
        fn wait_inline(&mut self) -> bool;

        /// Returns `true` if the task belongs to a process that this one was forked from.
        fn is_forked(&self) -> bool;

        /// Looks for a while whether `done` returns `true`, as a joiner of the task does.
        fn look_for_a_while(&self, done: &mut dyn FnMut() -> bool) -> bool;

        /// Cancels the task unless it has begun.
        fn request_cancel(&self);
    }

    pub trait Take: Awaited {
        type Output;

        /// Returns the outcome if the task has ended.
        fn take(&mut self) -> Option<Self::Output>;

        /// Blocks until the task has ended, and returns the outcome.
        fn wait_and_take(self) -> Self::Output;
    }
}

impl<T> AnyHandle for JoinHandle<T> {}

/// The methods of a handle that has its task itself.
macro_rules! own {
    ($handle:ident) => {
        fn poll_end(&mut self, waker: &Waker) -> bool {
            self.poll_task(waker)
        }

        fn note_wanted(&self) {
            $handle::note_wanted(self);
        }

        fn stop_waiting(&mut self) {
            $handle::stop_waiting(self);
        }

        fn has_ended(&self) -> bool {
            self.is_finished()
        }

        fn has_failed(&mut self) -> bool {
            $handle::has_failed(self)
        }

        fn wait_inline(&mut self) -> bool {
            $handle::wait_inline(self).is_ok()
        }

        fn is_forked(&self) -> bool {
            self.link().is_forked()
        }

        fn look_for_a_while(&self, done: &mut dyn FnMut() -> bool) -> bool {
            join::look_for_a_while(self.link(), done)
        }

        fn request_cancel(&self) {
            self.cancel();
        }
    };
}

impl<T> Awaited for JoinHandle<T> {
    own!(JoinHandle);
}

impl<T> Take for JoinHandle<T> {
    type Output = Outcome<T>;

    fn take(&mut self) -> Option<Outcome<T>> {
        self.try_join()
    }

    fn wait_and_take(self) -> Outcome<T> {
        self.join()
    }
}

impl<T> Handle for JoinHandle<T> {
    type Value = T;
    type Error = JoinError;
}

/// Passes everything on to the handle inside.
macro_rules! pass_on {
    ($self:ident => $inner:expr, $inner_mut:expr) => {
        fn poll_end(&mut $self, waker: &Waker) -> bool {
            $inner_mut.poll_end(waker)
        }

        fn note_wanted(&$self) {
            Awaited::note_wanted($inner);
        }

        fn stop_waiting(&mut $self) {
            Awaited::stop_waiting($inner_mut);
        }

        fn has_ended(&$self) -> bool {
            $inner.has_ended()
        }

        fn wait_inline(&mut $self) -> bool {
            Awaited::wait_inline($inner_mut)
        }

        fn is_forked(&$self) -> bool {
            $inner.is_forked()
        }

        fn look_for_a_while(&$self, done: &mut dyn FnMut() -> bool) -> bool {
            $inner.look_for_a_while(done)
        }

        fn request_cancel(&$self) {
            $inner.request_cancel();
        }
    };
}

impl<H: AnyHandle + ?Sized> AnyHandle for &mut H {}

impl<H: AnyHandle + ?Sized> Awaited for &mut H {
    pass_on!(self => &**self, &mut **self);

    fn has_failed(&mut self) -> bool {
        Awaited::has_failed(&mut **self)
    }
}

impl<T> AnyHandle for CancelOnDrop<T> {}

impl<T> Awaited for CancelOnDrop<T> {
    pass_on!(self => &**self, &mut **self);

    fn has_failed(&mut self) -> bool {
        Awaited::has_failed(&mut **self)
    }
}

impl<T> Take for CancelOnDrop<T> {
    type Output = Outcome<T>;

    fn take(&mut self) -> Option<Outcome<T>> {
        self.try_join()
    }

    fn wait_and_take(self) -> Outcome<T> {
        self.join()
    }
}

impl<T> Handle for CancelOnDrop<T> {
    type Value = T;
    type Error = JoinError;
}

impl<T: Clone + Send + Sync + 'static> AnyHandle for SharedHandle<T> {}

impl<T: Clone + Send + Sync + 'static> Awaited for SharedHandle<T> {
    own!(SharedHandle);
}

impl<T: Clone + Send + Sync + 'static> Take for SharedHandle<T> {
    type Output = Outcome<T>;

    fn take(&mut self) -> Option<Outcome<T>> {
        self.try_join()
    }

    fn wait_and_take(self) -> Outcome<T> {
        self.join()
    }
}

impl<T: Clone + Send + Sync + 'static> Handle for SharedHandle<T> {
    type Value = T;
    type Error = JoinError;
}

impl<T, E> AnyHandle for FlatHandle<T, E> {}

impl<T, E> Awaited for FlatHandle<T, E> {
    pass_on!(self => self.inner(), self.inner_mut());

    fn has_failed(&mut self) -> bool {
        FlatHandle::has_failed(self)
    }
}

impl<T, E> Take for FlatHandle<T, E> {
    type Output = Result<T, TaskError<E>>;

    fn take(&mut self) -> Option<Self::Output> {
        self.try_join()
    }

    fn wait_and_take(self) -> Self::Output {
        self.join()
    }
}

impl<T, E> Handle for FlatHandle<T, E> {
    type Value = T;
    type Error = TaskError<E>;
}
