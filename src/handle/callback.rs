//! A callback in the place of a waiter: called with the outcome by whoever ends the task.

use std::sync::Arc;
use std::task::{Wake, Waker};

use super::join::JoinHandle;
use crate::error::JoinError;
use crate::pool::PoolLink;
use crate::primitive::{Mutex, lock};
use crate::task::cell::{HandleRef, Outcome};
use crate::trampoline;
use crate::unwind;

impl<T> JoinHandle<T> {
    /// Calls `callback` with the outcome, once, as soon as there is one.
    ///
    /// It is called on the thread that ends the task: the one that ran it, or the one that cancelled
    /// it; or here and now if the task has ended. By then the captures of the task are gone.
    /// [`wait_idle`](crate::PoolRef::wait_idle) and [`shutdown`](crate::ThreadPoolExecutor::shutdown) wait
    /// until the callback has returned, unless it is called here or by who cancels the task by a
    /// handle. It may submit, join and cancel like any task; it should be short, because the thread
    /// does nothing else meanwhile. A panic in it goes to the
    /// [`panic_handler`](crate::Builder::panic_handler).
    ///
    /// Callbacks may lead to other callbacks, by a cancel or because a task is refused at once. One inside
    /// another they may use 64 KiB of the stack. The next is then put off until the outermost has returned;
    /// or until the thread waits in this crate ([`blocking`](crate::blocking) is such a wait, too), or looks
    /// at a handle. So no chain of them uses up the stack.
    ///
    /// # Panics
    ///
    /// If the outcome was given before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (sender, receiver) = mpsc::channel();
    /// pool.submit(|| 6 * 7).on_done(move |outcome| sender.send(outcome.unwrap()).unwrap());
    /// assert_eq!(receiver.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_done<F>(self, callback: F)
    where
        T: Send + 'static,
        F: FnOnce(Result<T, JoinError>) + Send + 'static,
    {
        let from = self.link();
        attach(self.into_end(), from, Call::InTurn, callback);
    }
}

/// The handle's end of a task, and what to call once the outcome is there.
///
/// The end that it holds keeps it in turn, as its waiter; the end of the task undoes the knot.
struct Callback<T, F> {
    inside: Mutex<Option<(HandleRef<T>, F)>>,
    from: PoolLink,
    call: Call,
}

/// When a callback is called, if others are under way on the thread.
#[derive(Clone, Copy)]
pub(super) enum Call {
    /// At once: it is the crate's own, and only keeps the outcome and wakes.
    AtOnce,
    /// As the [trampoline] says: it is the user's, and may lead to another.
    InTurn,
}

/// Calls `callback` with the outcome: here if it is there, else where the task ends.
pub(super) fn attach<T, F>(mut end: HandleRef<T>, from: PoolLink, call: Call, callback: F)
where
    T: Send + 'static,
    F: FnOnce(Result<T, JoinError>) + Send + 'static,
{
    // Whoever awaited the handle before does so no longer; its waker is dropped outside the lock.
    end.stop_waiting();
    let waiter = Arc::new(Callback {
        inside: Mutex::new(Some((end, callback))),
        from,
        call,
    });
    let done = {
        // Who wakes us meanwhile waits here until the end is in its place.
        let mut inside = lock(&waiter.inside);
        let (end, _) = inside.as_mut().expect("nobody has taken it yet");
        end.poll(&Waker::from(Arc::clone(&waiter)))
    };
    if done {
        waiter.call();
    }
}

impl<T, F> Callback<T, F>
where
    T: Send + 'static,
    F: FnOnce(Outcome<T>) + Send + 'static,
{
    fn call(&self) {
        let Some((end, callback)) = lock(&self.inside).take() else {
            return;
        };
        let Ok(outcome) = end.try_take() else {
            unreachable!("only the end of the task wakes a waiter");
        };
        let from = self.from;
        let call = move || {
            if let Err(payload) = unwind::catch(|| callback(outcome)) {
                from.report(payload);
            }
        };
        match self.call {
            Call::AtOnce => call(),
            Call::InTurn => trampoline::call(call),
        }
    }
}

impl<T, F> Wake for Callback<T, F>
where
    T: Send + 'static,
    F: FnOnce(Outcome<T>) + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        self.call();
    }
}
