//! Callbacks: a callback is registered like a waiter, and the thread that ends the task calls it
//! with the outcome.

use std::sync::Arc;
use std::task::{Wake, Waker};

use super::join::JoinHandle;
use crate::error::JoinError;
use crate::pool::{Ending, Make, Pool, PoolLink, PoolTask};
use crate::primitive::{Mutex, lock};
use crate::task::Token;
use crate::task::cell::HandleRef;
use crate::trampoline;
use crate::unwind;

impl<T> JoinHandle<T> {
    /// Calls `callback` with the outcome, once, as soon as there is one.
    ///
    /// The callback is called on the thread that ends the task: the one that ran it, or the one
    /// that cancelled it. If the task has ended, it is called on this thread before `on_done`
    /// returns. (A pool calls the callbacks of [its promises](crate::promise_in).) The captures of
    /// the task are gone by then. [`wait_idle`](crate::PoolRef::wait_idle) and
    /// [`shutdown`](crate::ThreadPoolExecutor::shutdown) wait until the callback has returned,
    /// unless it is called by `on_done` itself, or by a thread that cancels the task through a
    /// handle. The callback may submit, join and cancel like any task. It should be short, because
    /// its thread does nothing else meanwhile. A panic in it goes to the
    /// [`panic_handler`](crate::Builder::panic_handler). [`inspect`](Self::inspect) adds a callback
    /// and keeps the handle, and a [shared](Self::shared) handle takes any number of callbacks.
    ///
    /// A callback may lead to another callback, by a cancel or because a task is refused at once.
    /// Nested callbacks may use 64 KiB of the stack. The next callback is then put off until the
    /// outermost callback has returned, or until the thread waits in this crate
    /// ([`blocking`](crate::blocking) is such a wait, too) or checks a handle. So no chain of
    /// callbacks overflows the stack.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (sender, receiver) = mpsc::channel();
    /// pool.submit(|| 6 * 7).on_done(move |outcome| sender.send(outcome.unwrap()).unwrap());
    /// assert_eq!(receiver.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("add_done_callback", "whenComplete", "thenAccept"))]
    pub fn on_done<F>(self, callback: F)
    where
        T: Send + 'static,
        F: FnOnce(Result<T, JoinError>) + Send + 'static,
    {
        let (from, call) = (self.link(), self.callback_call());
        attach(self.into_task(), from, call, callback);
    }

    /// Returns when a callback of the user's is called. Panics if the outcome was returned before.
    pub(super) fn callback_call(&self) -> Call {
        match self.unspent().calls_back_in_pool() {
            true => Call::InPool,
            false => Call::InTurn,
        }
    }
}

/// A handle's reference to a task, and the callback for its outcome.
///
/// The cell of the task keeps this as its waiter, and this keeps a reference to the cell; the end
/// of the task breaks the cycle.
struct Callback<T, F> {
    inside: Mutex<Option<(HandleRef<T>, F)>>,
    from: PoolLink,
    call: Call,
}

/// When a callback is called, if other callbacks are running on the thread.
#[derive(Clone, Copy)]
pub(super) enum Call {
    /// At once: the callback is the crate's own, and only keeps the outcome and wakes.
    AtOnce,
    /// In turn, by the [trampoline]: the callback is the user's, and may lead to another.
    InTurn,
    /// By the pool, if there is one: a thread that answers a promise need not be one for the
    /// user's code. In turn if there is none, or it takes no more.
    InPool,
}

/// A callback that becomes a task of the pool. It is called by its drop if it was not run: the
/// outcome is there, whatever becomes of the task.
struct Later<F: FnOnce() + 'static>(Option<F>);

impl<F: FnOnce() + 'static> Later<F> {
    fn call(mut self) {
        self.0.take().into_iter().for_each(|call| call());
    }
}

impl<F: FnOnce() + 'static> Drop for Later<F> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(trampoline::call);
    }
}

impl<F: FnOnce() + Send + 'static> Make for Later<F> {
    type Handle = ();

    fn make<P: Token>(self, _: &Pool, _: Option<usize>, token: P) -> (PoolTask, ()) {
        (PoolTask::detached(token, move || self.call()), ())
    }
}

/// Calls `callback` with the outcome: on this thread if the task has ended, else on the thread that
/// ends it.
pub(super) fn attach<T, F>(end: HandleRef<T>, from: PoolLink, call: Call, callback: F)
where
    T: Send + 'static,
    F: FnOnce(Result<T, JoinError>) + Send + 'static,
{
    attach_to_end(end, from, call, |end: HandleRef<T>| {
        let Ok(outcome) = end.try_take() else {
            unreachable!("only the end of the task wakes a waiter");
        };
        callback(outcome);
    });
}

/// Calls `callback` with the handle's reference, whose outcome is there: on this thread if the task
/// has ended, else on the thread that ends it.
pub(super) fn attach_to_end<T, F>(mut end: HandleRef<T>, from: PoolLink, call: Call, callback: F)
where
    T: Send + 'static,
    F: FnOnce(HandleRef<T>) + Send + 'static,
{
    // The handle is no longer awaited; the waker of a task that awaited it before is dropped
    // outside the lock.
    end.stop_waiting();
    let waiter = Arc::new(Callback {
        inside: Mutex::new(Some((end, callback))),
        from,
        call,
    });
    let done = {
        // A thread that wakes the callback meanwhile waits for this lock, until the waker is
        // registered.
        let mut inside = lock(&waiter.inside);
        let (end, _) = inside
            .as_mut()
            .expect("the callback has not been called yet");
        end.poll(&Waker::from(Arc::clone(&waiter)))
    };
    if let Some((end, callback)) = done.then(|| waiter.take()).flatten() {
        waiter.call(end, callback);
    }
}

impl<T, F> Callback<T, F>
where
    T: Send + 'static,
    F: FnOnce(HandleRef<T>) + Send + 'static,
{
    fn take(&self) -> Option<(HandleRef<T>, F)> {
        lock(&self.inside).take()
    }

    fn call(&self, end: HandleRef<T>, callback: F) {
        let from = self.from;
        let call = move || {
            if let Err(payload) = unwind::catch(|| callback(end)) {
                from.report(payload);
            }
        };
        match self.call {
            Call::AtOnce => call(),
            Call::InTurn => trampoline::call(call),
            Call::InPool => {
                let later = Later(Some(call));
                // If the pool is gone, or takes no more, its drop calls it.
                if let Some(pool) = Pool::of(from) {
                    drop(pool.place(later, ()));
                }
            }
        }
    }
}

impl<T, F> Wake for Callback<T, F>
where
    T: Send + 'static,
    F: FnOnce(HandleRef<T>) + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        if let Some((end, callback)) = self.take() {
            // This thread ends the task.
            let _ending = Ending::begin(&end);
            self.call(end, callback);
        }
    }
}
