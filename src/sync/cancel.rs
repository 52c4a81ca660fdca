//! `CancelToken`: asks work that has begun to stop.
//!
//! A token is an [`Event`] that is never cleared, with callbacks. Its children are among these, as
//! plain data, so that neither cancelling nor dropping a long chain of tokens recurses.
//!
//! A callback is registered under the lock, while the event is not set. The call that sets the
//! event looks at all callbacks under the lock after that. So each callback is either found by that
//! call, or finds the event set and is called at once. The thread that takes a callback out under
//! the lock owns it, to call or to drop it.
//!
//! The cause is decided before the event is set, once, also if it is that there is none. So a token
//! that is cancelled has its cause. Of calls at the same moment, the one that decides the cause
//! need not be the one that sets the event. A child has the cause that was decided for its parent.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Poll;
use std::time::Duration;

use super::event::Event;
use crate::primitive::{Mutex, lock};
use crate::trampoline;
use crate::unwind;

/// The cause of a cancellation.
type Reason = Arc<dyn Error + Send + Sync>;

/// A token by which work is asked to stop. One side cancels it; the other checks it, waits for it,
/// or registers a callback.
///
/// Nothing is stopped by force: a task that is to be cancelled while it runs calls
/// [`is_cancelled`](Self::is_cancelled) from time to time. The token by which a pool that is shut
/// down asks its running tasks is [`cancelled`](crate::cancelled()). Clones are the same token. It
/// is like C#'s `CancellationToken`, and like Java's interrupt with an object to hold on to.
///
/// # Ordering
///
/// Everything before [`cancel`](Self::cancel) happens before everything after a wait that it ends.
///
/// # Dropping
///
/// Dropping a token cancels nothing. Callbacks that were not called are dropped with the last
/// clone.
///
/// # Examples
///
/// ```
/// use workmill::{CancelToken, ThreadPoolExecutor};
///
/// let (pool, stop) = (ThreadPoolExecutor::new(1)?, CancelToken::new());
/// let seen = stop.clone();
/// let rounds = pool.submit(move || {
///     let mut rounds = 0_u64;
///     while !seen.is_cancelled() {
///         rounds += 1;
///     }
///     rounds
/// });
/// stop.cancel();
/// println!("{} rounds", rounds.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[doc(alias("CancellationToken", "Context"))]
pub struct CancelToken(Arc<Inner>);

struct Inner {
    cancelled: Event,
    /// Decided before `cancelled` is set; `None` if the token is cancelled without a cause.
    cause: OnceLock<Option<Reason>>,
    callbacks: Mutex<Callbacks>,
    /// The registration with the parent, which lives at least as long.
    parent: Option<Registration>,
}

/// The callbacks, in the order in which they were registered.
#[derive(Default)]
struct Callbacks {
    /// The key of the next callback.
    next: u64,
    waiting: BTreeMap<u64, Callback>,
}

enum Callback {
    /// Cancels a child.
    Child(Weak<Inner>),
    /// Calls a closure.
    Call(Box<dyn FnOnce() + Send>),
}

/// A callback that is registered with a token.
struct Registration {
    with: Arc<Inner>,
    key: u64,
}

impl CancelToken {
    /// Creates a token that is not cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!workmill::CancelToken::new().is_cancelled());
    /// ```
    pub fn new() -> Self {
        Self(Arc::new(Inner::new(None)))
    }

    /// Creates a child of this token, which is cancelled when this token is. Cancelling the child
    /// does not cancel this token.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::CancelToken;
    ///
    /// let all = CancelToken::new();
    /// let (one, other) = (all.child(), all.child());
    /// one.cancel();
    /// assert!(!all.is_cancelled() && !other.is_cancelled());
    /// all.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    pub fn child(&self) -> Self {
        self.register(|with| {
            let child = Arc::new(Inner::new(with));
            let callback = Callback::Child(Arc::downgrade(&child));
            (Self(child), callback)
        })
        .unwrap_or_else(|_| {
            let child = Self::new();
            child.cancel_as(self.cause());
            child
        })
    }

    /// Cancels the token and its children. Wakes all waiters, and calls all callbacks on this
    /// thread: the callbacks of a token in the order in which they were registered, and before
    /// those of its children.
    ///
    /// Cancelling a cancelled token has no effect, and does not wait for callbacks that another
    /// call of `cancel` is calling. Callbacks may cancel other tokens, and so on: in a long chain
    /// they are put off, like those of [`JoinHandle::on_done`](crate::JoinHandle::on_done). A
    /// callback that is put off can still be removed by dropping its [`CancelCallback`].
    ///
    /// # Examples
    ///
    /// ```
    /// let token = workmill::CancelToken::new();
    /// let seen = token.clone();
    /// token.cancel();
    /// assert!(seen.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.cancel_as(None);
    }

    /// Cancels the token and its children, like [`cancel`](Self::cancel), and tells the reason:
    /// an error or a text, which [`cause`](Self::cause) returns.
    ///
    /// The first call decides. If the token is cancelled already, its cause stays as it is, also if
    /// there is none, and the given one is dropped. Children that are not cancelled yet have the
    /// cause of their parent. The token keeps its cause, so a cause that owns the token keeps both
    /// forever.
    ///
    /// # Examples
    ///
    /// ```
    /// let all = workmill::CancelToken::new();
    /// let one = all.child();
    /// all.cancel_with_cause("the mill is on fire");
    /// all.cancel_with_cause("it is late");
    /// assert_eq!(one.cause().unwrap().to_string(), "the mill is on fire");
    /// ```
    pub fn cancel_with_cause(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.cancel_as(Some(Arc::from(cause.into())));
    }

    /// Cancels the token and its children for a cause.
    fn cancel_as(&self, cause: Option<Reason>) {
        let mut open = vec![(Arc::clone(&self.0), cause)];
        while let Some((token, cause)) = open.pop() {
            let cause = token.decide(cause);
            if !token.cancelled.set_first() {
                continue;
            }
            // No callback is added from now on, since the token is cancelled.
            let keys: Vec<_> = lock(&token.callbacks).waiting.keys().copied().collect();
            for key in keys {
                let child = {
                    match lock(&token.callbacks).waiting.get(&key) {
                        Some(Callback::Child(child)) => Some(child.upgrade()),
                        _ => None,
                    }
                };
                match child {
                    Some(child) => open.extend(child.map(|child| (child, cause.clone()))),
                    None => {
                        // The call may be put off. The callback is taken out only when it is
                        // called, so it can be removed until then.
                        let token = Arc::clone(&token);
                        trampoline::call(move || token.call(key));
                    }
                }
            }
        }
    }

    /// Returns `true` if the token was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let stop = workmill::CancelToken::new();
    /// let mut rounds = 0;
    /// while !stop.is_cancelled() {
    ///     rounds += 1;
    ///     if rounds == 10 {
    ///         stop.cancel();
    ///     }
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_set()
    }

    /// Returns the cause for which the token was cancelled. Returns `None` if it is not cancelled,
    /// or was cancelled without a cause.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    ///
    /// let stop = workmill::CancelToken::new();
    /// assert!(stop.cause().is_none());
    /// stop.cancel_with_cause(io::Error::from(io::ErrorKind::StorageFull));
    /// let cause = stop.cause().unwrap();
    /// let error: &io::Error = cause.downcast_ref().unwrap();
    /// assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    /// ```
    pub fn cause(&self) -> Option<Arc<dyn Error + Send + Sync>> {
        // It may be decided although the token is not cancelled yet.
        let cause = self.is_cancelled().then(|| self.0.cause.get());
        cause.flatten().cloned().flatten()
    }

    /// Returns a guard that cancels the token when it is dropped, also during unwinding.
    ///
    /// # Examples
    ///
    /// A task that looks after others stops them, no matter how it ends:
    ///
    /// ```
    /// use workmill::{CancelToken, ThreadPoolExecutor};
    ///
    /// let (pool, stop) = (ThreadPoolExecutor::new(1)?, CancelToken::new());
    /// let seen = stop.child();
    /// let miller = pool.submit(move || {
    ///     let _stops_others = stop.drop_guard();
    ///     panic!("no grain");
    /// });
    /// seen.wait();
    /// assert!(miller.join().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "DropGuard")]
    pub fn drop_guard(self) -> CancelGuard {
        CancelGuard(Some(self))
    }

    /// Blocks until the token is cancelled.
    ///
    /// # Blocking
    ///
    /// Blocks until [`cancel`](Self::cancel) is called on this token or on a token that it descends
    /// from.
    ///
    /// # Examples
    ///
    /// ```
    /// let stop = workmill::CancelToken::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| stop.wait());
    ///     stop.cancel();
    /// });
    /// ```
    pub fn wait(&self) {
        self.0.cancelled.wait();
    }

    /// Blocks until the token is cancelled, but no longer than `timeout`. Returns `false` if the
    /// time was over first. This is a sleep that can be ended early.
    ///
    /// [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the token is cancelled or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let stop = workmill::CancelToken::new();
    /// assert!(!stop.wait_timeout(Duration::from_millis(1))); // a sleep that can be ended
    /// stop.cancel();
    /// assert!(stop.wait_timeout(Duration::from_secs(3600)));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.0.cancelled.wait_timeout(timeout)
    }

    /// Waits until the token is cancelled, without blocking the thread. Dropping the future ends
    /// the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let stop = workmill::CancelToken::new();
    /// stop.cancel();
    /// workmill::block_on(stop.wait_async());
    /// ```
    pub async fn wait_async(&self) {
        self.0.cancelled.wait_async().await;
    }

    /// Awaits `future` until the token is cancelled. Resolves to `None` if the token is cancelled
    /// first; `future` is dropped then.
    ///
    /// If both come at the same time, the output of `future` counts. `future` is polled at least
    /// once. In [`block_on`](crate::block_on()) inside a task only `future` decides what becomes of
    /// the slot: it is lent while `future` waits for room.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{CancelToken, block_on};
    ///
    /// let stop = CancelToken::new();
    /// assert_eq!(block_on(stop.run_until_cancelled(async { 42 })), Some(42));
    /// stop.cancel();
    /// assert_eq!(block_on(stop.run_until_cancelled(std::future::pending::<u32>())), None);
    /// ```
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let (mut future, mut cancelled) = (pin!(future), self.0.cancelled.watch());
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => cancelled(cx.waker()).map(|()| None),
        })
        .await
    }

    /// Registers a callback that is called when the token is cancelled, on the thread that cancels
    /// it. If the token is cancelled already, calls `callback` at once on this thread. In a long
    /// chain of callbacks the call is put off, as described at [`cancel`](Self::cancel).
    ///
    /// The callback is registered until the returned [`CancelCallback`] is dropped, unless that is
    /// [kept](CancelCallback::keep). No lock is held while the callback is called, so it may do
    /// anything with this token and with others. A panic in it is contained, and the other
    /// callbacks are called all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (stop, (send, receive)) = (workmill::CancelToken::new(), mpsc::channel());
    /// let registered = stop.on_cancel(move || send.send("stop").unwrap());
    /// stop.cancel();
    /// assert_eq!(receive.recv()?, "stop");
    /// # drop(registered);
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) -> CancelCallback {
        let mut callback: Option<Box<dyn FnOnce() + Send>> = Some(Box::new(callback));
        let registered = self.register(|with| {
            let call = callback.take().expect("a callback is registered once");
            (with, Callback::Call(call))
        });
        let registered = registered.unwrap_or_else(|_| {
            callback.take().into_iter().for_each(trampoline::call);
            None
        });
        CancelCallback(registered)
    }

    /// Registers the callback that `make` returns, unless the token is cancelled.
    fn register<R>(
        &self,
        make: impl FnOnce(Option<Registration>) -> (R, Callback),
    ) -> Result<R, Cancelled> {
        let mut callbacks = lock(&self.0.callbacks);
        if self.is_cancelled() {
            return Err(Cancelled);
        }
        let key = callbacks.next;
        callbacks.next += 1;
        let with = Arc::clone(&self.0);
        let (made, callback) = make(Some(Registration { with, key }));
        callbacks.waiting.insert(key, callback);
        Ok(made)
    }
}

/// An error: the token is cancelled already.
struct Cancelled;

// A cause is set once, whole, and is shared by reference from then on; what its type does with a
// panic inside of it is between the type and the user, as with any value in an `Arc` that the user
// shares. Nothing else of a token is seen half changed.
impl UnwindSafe for CancelToken {}
impl RefUnwindSafe for CancelToken {}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Decides the cause, unless it is decided. Returns the one that counts.
    fn decide(&self, cause: Option<Reason>) -> Option<Reason> {
        let mut given = Some(cause);
        let decided = self.cause.get_or_init(|| given.take().flatten()).clone();
        // Another was first.
        drop_cause(given.flatten());
        decided
    }

    /// Calls a callback, unless it was removed.
    fn call(&self, key: u64) {
        let callback = lock(&self.callbacks).waiting.remove(&key);
        if let Some(Callback::Call(call)) = callback {
            call();
        }
    }

    fn new(parent: Option<Registration>) -> Self {
        Self {
            cancelled: Event::new(),
            cause: OnceLock::new(),
            callbacks: Mutex::new(Callbacks::default()),
            parent,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let callbacks = mem::take(&mut lock(&self.callbacks).waiting);
        drop_all(callbacks.into_values());
        drop_cause(self.cause.take().flatten());
        // One parent after the other and not recursively, since a chain of children may be long.
        let mut next = self.parent.take();
        while let Some(registration) = next {
            registration.end();
            next = Arc::into_inner(registration.with).and_then(|mut parent| parent.parent.take());
        }
    }
}

impl Registration {
    /// Removes the callback, unless it was called, and drops it, which is user code.
    fn end(&self) {
        let callback = lock(&self.with.callbacks).waiting.remove(&self.key);
        drop_all(callback);
    }
}

/// Drops a cause, which is user code. A cause may own a token, whose cause owns another, and so on.
fn drop_cause(cause: Option<Reason>) {
    if let Some(cause) = cause {
        trampoline::call(move || unwind::discard(cause));
    }
}

/// Drops callbacks that were not called. A callback may own the registration of another, which may
/// own the registration of a third, and so on.
fn drop_all(callbacks: impl IntoIterator<Item = Callback>) {
    for callback in callbacks {
        trampoline::call(move || drop(callback));
    }
}

/// A callback that is registered with a [`CancelToken`]. It is returned by
/// [`CancelToken::on_cancel`].
///
/// Dropping it removes the callback, unless it was called. It does not wait for a callback that is
/// being called on another thread at that moment.
///
/// # Examples
///
/// ```
/// let stop = workmill::CancelToken::new();
/// let callback = stop.on_cancel(|| unreachable!());
/// drop(callback); // removes it
/// stop.cancel();
/// ```
#[must_use = "the callback is removed when this is dropped: keep it by `let _callback = …`, or \
              call `keep`, since `let _ = …` drops it at once"]
pub struct CancelCallback(Option<Registration>);

impl CancelCallback {
    /// Keeps the callback registered for as long as the token lives. A callback that owns a clone
    /// of its token keeps the token alive until the token is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (send, called) = std::sync::mpsc::channel();
    /// let stop = workmill::CancelToken::new();
    /// stop.on_cancel(move || send.send(()).unwrap()).keep();
    /// stop.cancel();
    /// called.recv()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelCallback {
    fn drop(&mut self) {
        if let Some(registration) = self.0.take() {
            registration.end();
        }
    }
}

impl fmt::Debug for CancelCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelCallback").finish_non_exhaustive()
    }
}

/// A guard that cancels its [`CancelToken`] when it is dropped. It is returned by
/// [`CancelToken::drop_guard`].
///
/// Bind it to a name: `let _guard = …` cancels the token at the end of the block, while `let _ = …`
/// cancels it at once.
///
/// # Examples
///
/// ```
/// let stop = workmill::CancelToken::new();
/// {
///     let _guard = stop.clone().drop_guard();
/// } // also if a panic or an error leaves the block
/// assert!(stop.is_cancelled());
/// ```
#[must_use = "the token is cancelled at once if this is not bound to a named variable: write \
              `let _guard = …`"]
pub struct CancelGuard(Option<CancelToken>);

impl CancelGuard {
    /// Returns the token, which is not cancelled by this guard any more.
    ///
    /// # Examples
    ///
    /// ```
    /// let stop = workmill::CancelToken::new();
    /// let guard = stop.clone().drop_guard();
    /// drop(guard.disarm());
    /// assert!(!stop.is_cancelled());
    /// drop(stop.clone().drop_guard());
    /// assert!(stop.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancelToken {
        self.0.take().expect("a guard has its token until it ends")
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.iter().for_each(CancelToken::cancel);
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelGuard").finish_non_exhaustive()
    }
}
