//! `CancelToken`: asks work that has begun to stop.
//!
//! A token is an [`Event`] that is never cleared, and what is to be called then. Its children are among
//! that, as plain data, so that neither a long chain of them nor its drop recurses.
//!
//! A callback is registered under the lock while the event is not set; the call that sets the event
//! looks at all callbacks under the lock after that. So each of them is either called by that call, or
//! finds the event set and is called at once. Whoever takes a callback out under the lock has it: to call
//! it, or to drop it.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::event::Event;
use crate::primitive::{Mutex, lock};
use crate::trampoline;

/// Tells work to stop: one side cancels, the other looks, waits, or is called back.
///
/// Nothing is stopped by force: a task that is to be cancelled while it runs looks at
/// [`is_cancelled`](Self::is_cancelled) from time to time. Clones are the same token. Like C#'s
/// `CancellationToken`, and Java's interrupt with an object to hold on to.
///
/// # Ordering
///
/// What was done before [`cancel`](Self::cancel) has happened before any wait that it ends goes on.
///
/// # Dropping
///
/// Cancels nothing. Callbacks that were not called are dropped with the last clone.
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
pub struct CancelToken(Arc<Inner>);

struct Inner {
    cancelled: Event,
    callbacks: Mutex<Callbacks>,
    /// How it is registered with its parent, which lives as long.
    parent: Option<Registration>,
}

/// What is to be called, in the order in which it was registered.
#[derive(Default)]
struct Callbacks {
    next: u64,
    waiting: BTreeMap<u64, Callback>,
}

enum Callback {
    Child(Weak<Inner>),
    Call(Box<dyn FnOnce() + Send>),
}

struct Registration {
    with: Arc<Inner>,
    key: u64,
}

impl CancelToken {
    /// Makes a token that is not cancelled.
    pub fn new() -> Self {
        Self(Arc::new(Inner::new(None)))
    }

    /// Makes a token that is cancelled when this one is; cancelling it leaves this one alone.
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
            child.cancel();
            child
        })
    }

    /// Cancels the token and its children: wakes everyone who waits, and calls every callback on this
    /// thread, those of a token in the order in which they were registered, and before its children's.
    ///
    /// Cancelling twice does nothing more; a second call at the same time does not wait for the
    /// callbacks of the first. Callbacks may cancel other tokens, and so on: in a long chain they are put off,
    /// as with [`JoinHandle::on_done`](crate::JoinHandle::on_done). One that is put off can still be taken
    /// back.
    pub fn cancel(&self) {
        let mut open = vec![Arc::clone(&self.0)];
        while let Some(token) = open.pop() {
            if !token.cancelled.set_first() {
                continue;
            }
            // Nothing is added any more, since the token is cancelled.
            let keys: Vec<_> = lock(&token.callbacks).waiting.keys().copied().collect();
            for key in keys {
                let child = {
                    match lock(&token.callbacks).waiting.get(&key) {
                        Some(Callback::Child(child)) => Some(child.upgrade()),
                        _ => None,
                    }
                };
                match child {
                    Some(child) => open.extend(child),
                    None => {
                        // It is taken out when it is called, which may be put off: until then it can be
                        // taken back.
                        let token = Arc::clone(&token);
                        trampoline::call(move || token.call(key));
                    }
                }
            }
        }
    }

    /// Tells whether the token was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_set()
    }

    /// Waits until the token is cancelled.
    ///
    /// # Blocking
    ///
    /// Until [`cancel`](Self::cancel) is called on this token or on one that it descends from.
    pub fn wait(&self) {
        self.0.cancelled.wait();
    }

    /// Waits until the token is cancelled, but no longer than `timeout`; `false` if the time was over
    /// first. A sleep that can be ended early.
    ///
    /// [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until the token is cancelled or the time is over.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.0.cancelled.wait_timeout(timeout)
    }

    /// Waits until the token is cancelled, without blocking the thread. Dropping the future ends the
    /// wait.
    pub async fn wait_async(&self) {
        self.0.cancelled.wait_async().await;
    }

    /// Has `callback` called when the token is cancelled, on the thread that cancels it; at once, on
    /// this thread, if it is. In a long chain of callbacks it is put off, as [`cancel`](Self::cancel) says.
    ///
    /// The callback is registered until what comes back is dropped, unless that is
    /// [kept](CancelCallback::keep). No lock is held while it is called, so it may do anything with this
    /// token and with others. A panic in it ends there: the others are called all the same.
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

    /// Registers what `make` makes, unless the token is cancelled.
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

/// The token is cancelled already.
struct Cancelled;

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
    /// Calls a callback, unless it was taken back.
    fn call(&self, key: u64) {
        let callback = lock(&self.callbacks).waiting.remove(&key);
        if let Some(Callback::Call(call)) = callback {
            call();
        }
    }

    fn new(parent: Option<Registration>) -> Self {
        Self {
            cancelled: Event::new(),
            callbacks: Mutex::new(Callbacks::default()),
            parent,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let callbacks = mem::take(&mut lock(&self.callbacks).waiting);
        drop_all(callbacks.into_values());
        // One after the other, not one inside the other: a chain of children may be long.
        let mut next = self.parent.take();
        while let Some(registration) = next {
            registration.end();
            next = Arc::into_inner(registration.with).and_then(|mut parent| parent.parent.take());
        }
    }
}

impl Registration {
    /// Takes the callback out, if it was not called; its drop is user code.
    fn end(&self) {
        let callback = lock(&self.with.callbacks).waiting.remove(&self.key);
        drop_all(callback);
    }
}

/// Drops what was not called. It may own what keeps others registered, and these others likewise.
fn drop_all(callbacks: impl IntoIterator<Item = Callback>) {
    for callback in callbacks {
        trampoline::call(move || drop(callback));
    }
}

/// A callback that waits for a [`CancelToken`]; made by [`CancelToken::on_cancel`].
///
/// Dropping it takes the callback back, unless it was called. It does not wait for one that is being
/// called on another thread at that moment.
#[must_use = "dropped, the callback is never called"]
pub struct CancelCallback(Option<Registration>);

impl CancelCallback {
    /// Leaves the callback registered for as long as the token lives. One that owns a clone of its token
    /// keeps that alive until it is cancelled.
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
