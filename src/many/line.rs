//! The tasks of a map that are in flight, and in which order they are waited for.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::outcomes::{Outcomes, Returned};
use super::unordered::Unordered;
use crate::handle::{Awaited, CancelOnDrop};
use crate::pool::Local;
use crate::wait::{Cause, Deadline, block_until};

/// The longest time for which results are held back so that one wake-up is for several.
const LINGER: Duration = Duration::from_micros(500);

/// How often the window is doubled at most.
const DOUBLINGS: u32 = 4;

/// The handle of a task.
pub(super) enum InFlight<T> {
    One(CancelOnDrop<T>),
    /// With the number of items.
    Several(CancelOnDrop<Outcomes<T>>, usize),
}

impl<T> InFlight<T> {
    fn handle(&self) -> &dyn Awaited {
        match self {
            Self::One(handle) => handle,
            Self::Several(handle, _) => handle,
        }
    }

    fn handle_mut(&mut self) -> &mut dyn Awaited {
        match self {
            Self::One(handle) => handle,
            Self::Several(handle, _) => handle,
        }
    }

    /// Returns the number of items.
    fn items(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(_, count) => *count,
        }
    }

    /// Blocks until the task has ended.
    fn join(self) -> Returned<T> {
        match self {
            Self::One(handle) => Returned::One(handle.join()),
            Self::Several(handle, count) => Returned::of_several(handle.join(), count),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Returned<T>> {
        match self {
            Self::One(handle) => Pin::new(handle).poll(cx).map(Returned::One),
            Self::Several(handle, count) => {
                let outcome = Pin::new(handle).poll(cx);
                outcome.map(|outcome| Returned::of_several(outcome, *count))
            }
        }
    }
}

impl<T> Awaited for InFlight<T> {
    fn poll_end(&mut self, waker: &Waker) -> bool {
        self.handle_mut().poll_end(waker)
    }

    fn note_wanted(&self) {
        self.handle().note_wanted();
    }

    fn stop_waiting(&mut self) {
        self.handle_mut().stop_waiting();
    }

    fn has_ended(&self) -> bool {
        self.handle().has_ended()
    }

    fn has_failed(&mut self) -> bool {
        self.handle_mut().has_failed()
    }

    fn wait_inline(&mut self) -> bool {
        self.handle_mut().wait_inline()
    }

    fn is_forked(&self) -> bool {
        self.handle().is_forked()
    }

    fn look_for_a_while(&self, done: &mut dyn FnMut() -> bool) -> bool {
        self.handle().look_for_a_while(done)
    }

    fn request_cancel(&self) {
        self.handle().request_cancel();
    }
}

/// The tasks of a map that are in flight, in the order in which they are waited for.
pub(super) trait Line<T> {
    fn len(&self) -> usize;

    fn push(&mut self, task: InFlight<T>);

    /// Blocks until the next task has ended. Returns `None` if there is none.
    fn next(&mut self) -> Option<Returned<T>>;

    /// Returns the outcomes of the next task if it has ended, or `None` if there is none.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Returned<T>>>;

    /// Returns the number of items in all tasks.
    fn items(&self) -> usize;

    /// Returns how often the window should be doubled, unless it is given.
    fn doublings(&self) -> u32 {
        0
    }
}

/// Tasks in the order of the items.
pub(super) struct Ordered<T> {
    tasks: VecDeque<InFlight<T>>,
    /// How many tasks behind the first the last wait was for.
    ahead: usize,
    /// How often the window is doubled.
    doublings: u32,
    /// The moment of the last wait.
    waited: Option<Instant>,
}

impl<T> Ordered<T> {
    pub(super) fn new() -> Self {
        Self {
            tasks: VecDeque::new(),
            ahead: 0,
            doublings: 0,
            waited: None,
        }
    }

    /// Blocks until the outcomes of several tasks are there, but no longer than [`LINGER`], if
    /// tasks end so quickly that this thread would be woken for each.
    ///
    /// A wake-up costs some microseconds of processor time, here and on the thread that wakes. So
    /// if the last wait was not long ago, this one is for a task that is further behind, and more
    /// tasks are in flight.
    fn linger(&mut self) {
        let now = Instant::now();
        let waited = self.waited.replace(now);
        let passed = waited.map_or(Duration::MAX, |waited| now.duration_since(waited));
        let most = self.tasks.len() / 2;
        if passed < LINGER / 2 {
            if self.ahead >= most {
                self.doublings = (self.doublings + 1).min(DOUBLINGS);
            }
            self.ahead = 2 * self.ahead + 1;
        } else if passed > 2 * LINGER {
            self.doublings = self.doublings.saturating_sub(1);
            self.ahead /= 2;
        }
        self.ahead = self.ahead.min(most);
        if self.ahead == 0 {
            return;
        }
        let task = &mut self.tasks[self.ahead];
        let deadline = Deadline::after(LINGER);
        block_until(Cause::Arrival, deadline, |waker| {
            task.poll_end(waker).then_some(())
        });
        task.stop_waiting();
    }
}

impl<T> Line<T> for Ordered<T> {
    fn len(&self) -> usize {
        self.tasks.len()
    }

    fn push(&mut self, task: InFlight<T>) {
        self.tasks.push_back(task);
    }

    fn next(&mut self) -> Option<Returned<T>> {
        let first = self.tasks.front()?;
        // A task that waits runs the first one inline, if it can.
        if !first.has_ended() && !first.is_forked() && !Local::runs_tasks() {
            self.linger();
        }
        self.tasks.pop_front().map(InFlight::join)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Returned<T>>> {
        let Some(first) = self.tasks.front_mut() else {
            return Poll::Ready(None);
        };
        first.poll(cx).map(|returned| {
            self.tasks.pop_front();
            Some(returned)
        })
    }

    fn items(&self) -> usize {
        self.tasks.iter().map(InFlight::items).sum()
    }

    fn doublings(&self) -> u32 {
        self.doublings
    }
}

/// In the order in which they end.
impl<T> Line<T> for Unordered<(), InFlight<T>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn push(&mut self, task: InFlight<T>) {
        self.insert((), task);
    }

    fn next(&mut self) -> Option<Returned<T>> {
        let ((), task) = self.next(Deadline::NEVER)?;
        Some(task.join())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Returned<T>>> {
        match self.poll_next(Some(cx.waker())) {
            Some(((), task)) => Poll::Ready(Some(task.join())),
            None if self.len() == 0 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn items(&self) -> usize {
        self.iter().map(|((), task)| task.items()).sum()
    }
}
