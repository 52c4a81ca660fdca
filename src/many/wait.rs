//! Waits for several handles at once, which leave the outcomes with the handles.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::ended::Ended;
use crate::handle::AnyHandle;
use crate::trampoline;
use crate::wait::{Cause, Deadline, block_until, pending};

/// How many of several tasks [`wait`](wait()) and its other forms wait for.
///
/// # Examples
///
/// ```
/// use workmill::{WaitFor, wait};
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut handles = [pool.submit(|| 6), pool.submit(|| panic!("out of flour"))];
/// wait(&mut handles, WaitFor::FirstFailure);
/// assert!(handles[1].is_finished());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias(
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "return_when",
    "fail_fast"
))]
pub enum WaitFor {
    /// Waits until all tasks have ended.
    All,
    /// Waits until one task has ended, if there is any.
    Any,
    /// Waits until a task has failed, or all have ended.
    ///
    /// A failure is a panic, a cancel or a loss, and with a [`FlatHandle`](crate::FlatHandle) also
    /// an error that the task has returned. A [mapped](crate::JoinHandle::map) handle has failed if
    /// its task has; whether its function fails is not known before the result is taken.
    FirstFailure,
}

/// Blocks until as many tasks have ended as `until` says, and returns the indices of the handles
/// whose tasks have ended, in ascending order.
///
/// The outcomes stay with the handles. For handles of different types, `handles` is a slice of
/// `&mut dyn AnyHandle`. They may come from different pools, and from promises. A handle that is
/// spent counts as ended. It is like Python's `concurrent.futures.wait`; a cancelled task has ended
/// here at once.
///
/// # Blocking
///
/// Blocks until as many tasks have ended as `until` says. A task that waits for all runs those that
/// are closures of its own pool and have not begun inline. In any other wait it gives its slot to
/// another thread; see the [guide](crate::guide::waiting).
///
/// # Errors
///
/// There is no error. If a join would be refused, because tasks wait for each other in a cycle, or
/// in a child process of the one that submitted, the wait for all ends early: the index of such a
/// task is missing. The other waits do not look for cycles.
///
/// # Ordering
///
/// Everything that the tasks did which have ended happens before the return.
///
/// # Examples
///
/// ```
/// use workmill::{WaitFor, wait};
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut handles: Vec<_> = (0..10).map(|n| pool.submit(move || n)).collect();
/// let ended = wait(&mut handles, WaitFor::Any);
/// assert!(!ended.is_empty() && handles[ended[0]].is_finished());
/// assert_eq!(wait(&mut handles, WaitFor::All).len(), 10);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Handles of different types:
///
/// ```
/// use workmill::{AnyHandle, WaitFor, wait};
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let (mut grain, mut price) = (pool.submit(|| "rye"), pool.submit(|| 3.5));
/// let both: &mut [&mut dyn AnyHandle] = &mut [&mut grain, &mut price];
/// assert_eq!(wait(both, WaitFor::All), [0, 1]);
/// println!("{} for {}", grain.join()?, price.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias(
    "invokeAll",
    "select",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "ALL_COMPLETED"
))]
#[doc(alias("allOf", "anyOf", "select_all"))]
pub fn wait<H: AnyHandle>(handles: &mut [H], until: WaitFor) -> Vec<usize> {
    if until != WaitFor::All {
        return wait_until(handles, until, Deadline::NEVER);
    }
    for handle in &mut *handles {
        if !handle.wait_inline() {
            break;
        }
    }
    indices(handles)
}

/// Blocks until as many tasks have ended as `until` says, but no longer than `timeout`, and returns
/// the indices of the handles whose tasks have ended, in ascending order.
///
/// [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever. In all else it is like
/// [`wait`](wait()).
///
/// # Blocking
///
/// Blocks until as many tasks have ended as `until` says, or the time is over. Never runs a task
/// inline.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workmill::{WaitFor, wait_timeout};
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (never, handle) = workmill::promise::<u32>();
/// let mut handles = [pool.submit(|| 42), handle];
/// pool.wait_idle()?;
/// assert_eq!(wait_timeout(&mut handles, WaitFor::All, Duration::from_millis(1)), [0]);
/// # drop(never);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_timeout<H: AnyHandle>(
    handles: &mut [H],
    until: WaitFor,
    timeout: Duration,
) -> Vec<usize> {
    let deadline = Deadline::after(timeout);
    if deadline.is_never() {
        return wait(handles, until);
    }
    wait_until(handles, until, deadline)
}

/// Returns the indices of the handles whose tasks have ended, in ascending order. Never waits.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let mut handles = [pool.submit(|| 6), pool.submit(|| 7)];
/// pool.wait_idle()?;
/// assert_eq!(workmill::try_wait(&mut handles), [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it does nothing except to tell"]
pub fn try_wait<H: AnyHandle>(handles: &mut [H]) -> Vec<usize> {
    indices(handles)
}

/// Waits until as many tasks have ended as `until` says, without blocking the thread, and returns
/// the indices of the handles whose tasks have ended, in ascending order. In all else it is like
/// [`wait`](wait()).
///
/// # Cancellation
///
/// Dropping the future ends the wait, and has no effect on the tasks.
///
/// # Examples
///
/// ```
/// use workmill::{WaitFor, wait_async};
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut handles = [pool.submit(|| 6), pool.submit(|| 7)];
/// let ended = workmill::block_on(wait_async(&mut handles, WaitFor::All));
/// assert_eq!(ended, [0, 1]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait_async<H: AnyHandle>(handles: &mut [H], until: WaitFor) -> Wait<'_, H> {
    Wait::new(handles, until)
}

fn wait_until<H: AnyHandle>(handles: &mut [H], until: WaitFor, deadline: Deadline) -> Vec<usize> {
    let mut wait = Wait::new(handles, until);
    block_until(Cause::Arrival, deadline, |waker| {
        wait.poll_end(waker).then_some(())
    });
    wait.stop();
    indices(wait.handles)
}

fn indices<H: AnyHandle>(handles: &[H]) -> Vec<usize> {
    let ended = |(index, handle): (usize, &H)| handle.has_ended().then_some(index);
    handles.iter().enumerate().filter_map(ended).collect()
}

/// A wait for several tasks, without blocking the thread. Created by [`wait_async`].
///
/// # Dropping
///
/// Ends the wait, and has no effect on the tasks.
///
/// # Examples
///
/// ```
/// use workmill::{WaitFor, wait_async};
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut handles = [pool.submit(|| 6), pool.submit(|| 7)];
/// let ended = workmill::block_on(wait_async(&mut handles, WaitFor::All));
/// assert_eq!(ended, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "futures do nothing unless they are awaited or polled"]
pub struct Wait<'a, H: AnyHandle> {
    handles: &'a mut [H],
    until: WaitFor,
    /// `None` until the first poll.
    ended: Option<Ended>,
    /// The number of handles that have ended, or with [`WaitFor::All`] that of the first ones.
    count: usize,
    failed: bool,
    keys: Vec<usize>,
}

impl<'a, H: AnyHandle> Wait<'a, H> {
    fn new(handles: &'a mut [H], until: WaitFor) -> Self {
        Self {
            handles,
            until,
            ended: None,
            count: 0,
            failed: false,
            keys: Vec::new(),
        }
    }

    /// Returns `true` if enough tasks have ended. If not, `waker` is called when that may have
    /// changed.
    fn poll_end(&mut self, waker: &Waker) -> bool {
        if self.until == WaitFor::All {
            return self.poll_all(waker);
        }
        let begins = self.ended.is_none();
        let ended = self.ended.get_or_insert_with(Ended::new).clone();
        if ended.is_forked() || self.handles.iter().any(|handle| handle.is_forked()) {
            // The locks may be held forever, and what has not ended never will.
            return true;
        }
        if begins {
            for index in 0..self.handles.len() {
                if self.handles[index].poll_end(&ended.waker(index)) {
                    self.note(index);
                }
            }
        }
        trampoline::catch_up();
        loop {
            if self.is_enough() {
                return true;
            }
            let mut keys = std::mem::take(&mut self.keys);
            ended.take(&mut keys, Some(waker));
            let none = keys.is_empty();
            keys.drain(..).for_each(|key| self.note(key));
            self.keys = keys;
            if none {
                return false;
            }
        }
    }

    /// Waits for one after the other.
    fn poll_all(&mut self, waker: &Waker) -> bool {
        while let Some(handle) = self.handles.get_mut(self.count) {
            if !handle.poll_end(waker) && !handle.is_forked() {
                handle.note_wanted();
                return false;
            }
            self.count += 1;
        }
        true
    }

    fn note(&mut self, index: usize) {
        self.count += 1;
        self.failed |= self.until == WaitFor::FirstFailure && self.handles[index].has_failed();
    }

    fn is_enough(&self) -> bool {
        self.failed
            || self.count >= self.handles.len()
            || self.until == WaitFor::Any && self.count > 0
    }

    /// Takes back all wakers.
    fn stop(&mut self) {
        self.handles.iter_mut().for_each(H::stop_waiting);
    }
}

impl<H: AnyHandle> Unpin for Wait<'_, H> {}

/// Resolves to the indices of the handles whose tasks have ended, in ascending order.
impl<H: AnyHandle> Future for Wait<'_, H> {
    type Output = Vec<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<usize>> {
        if !self.poll_end(cx.waker()) {
            return pending(Cause::Arrival);
        }
        self.stop();
        Poll::Ready(indices(self.handles))
    }
}

impl<H: AnyHandle> Drop for Wait<'_, H> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<H: AnyHandle> fmt::Debug for Wait<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("handles", &self.handles.len())
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
