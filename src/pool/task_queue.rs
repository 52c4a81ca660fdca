//! The joinable queue of a pool's work: push, find, task done, join, close.
//!
//! Two parts side by side: [`local queues`](super::local queues) holds the tasks and says in which order they
//! are found, [`tally`](super::tally) knows whether all of them are done. Like Python's
//! `queue.Queue` with its `task_done` and `join`, split up so that the threads of a pool
//! share as little as can be.
//!
//! # Protocol
//! Accept, then push; find, end, then `task_done`: each once for each task. An acceptance that
//! is refused pushes nothing.

use super::lanes::{Lanes, LocalQueue};
use super::tally::{Closed, Joiner, Tally};
use crate::wait::Deadline;

pub(crate) struct TaskQueue<T> {
    lanes: Lanes<T>,
    tally: Tally,
}

impl<T> TaskQueue<T> {
    /// Makes a queue for so many slots, and hands out the local queues that go with them.
    pub(crate) fn new(slots: usize) -> (Self, Vec<LocalQueue<T>>) {
        let (lanes, own) = Lanes::new(slots);
        let tally = Tally::new(slots);
        (Self { lanes, tally }, own)
    }

    /// Lets the first so many slots be used from now on; there is no way back.
    pub(crate) fn use_slots(&self, slots: usize) {
        self.lanes.use_lanes(slots);
        self.tally.use_slots(slots);
    }

    /// Counts a task that will be pushed by nobody's task.
    #[inline]
    pub(crate) fn accept_outside(&self) -> Result<(), Closed> {
        self.tally.accept_outside()
    }

    /// Counts a task that will be pushed by one that has not finished, closed or not.
    #[inline]
    pub(crate) fn accept_inside(&self, local_queue: Option<&LocalQueue<T>>) {
        match local_queue {
            Some(local_queue) => self.tally.accept_inside(local_queue.index()),
            None => self.tally.accept_beside(),
        }
    }

    /// Pushes a task that was accepted.
    #[inline(always)]
    pub(crate) fn push(&self, task: T, local_queue: Option<&LocalQueue<T>>) {
        match local_queue {
            Some(local_queue) => local_queue.push(task),
            None => self.lanes.inject(task),
        }
    }

    /// Takes the next task after [`LocalQueue::pop`] gave none: from the injector or the local queue.
    pub(crate) fn find_near(&self, local_queue: &LocalQueue<T>) -> Option<T> {
        self.lanes.take_near(local_queue)
    }

    /// Takes a task from elsewhere than the local queue, one that came from outside most times.
    pub(crate) fn find_outsider(&self, local_queue: &LocalQueue<T>) -> Option<T> {
        self.lanes.take_outsider(local_queue)
    }

    /// Takes a task that came from outside or that another slot has to spare; with
    /// `leave_last` not that slot's only one.
    pub(crate) fn find_far(&self, local_queue: &LocalQueue<T>, leave_last: bool) -> Option<T> {
        self.lanes.take_far(local_queue, leave_last)
    }

    /// How far the slots other than that of `local_queue` have come; two answers tell whether they get on.
    pub(crate) fn finished_by_others(&self, local_queue: &LocalQueue<T>) -> usize {
        self.tally.finished_by_others(local_queue.index())
    }

    /// Takes a task from anywhere, for someone who holds no local queue.
    pub(crate) fn find_any(&self) -> Option<T> {
        self.lanes.take_any()
    }

    /// Takes the task from outside that has waited longest, for someone who holds no local queue.
    pub(crate) fn find_oldest(&self) -> Option<T> {
        self.lanes.take_oldest()
    }

    /// Counts the tasks from outside that no thread has taken.
    pub(crate) fn waiting_outside(&self) -> usize {
        self.lanes.injected()
    }

    /// Lets go of the tombstones in `local_queue`, keeping the order of the rest.
    ///
    /// What is kept is in no queue for a moment.
    pub(crate) fn sweep_lane(
        &self,
        local_queue: &LocalQueue<T>,
        is_tombstone: impl Fn(&T) -> bool,
    ) {
        let tombstones = local_queue.sweep(&is_tombstone);
        (0..tombstones).for_each(|_| self.task_done(Some(local_queue)));
    }

    /// Lets go of the tombstones in `local_queue` and among the tasks from outside, as above.
    pub(crate) fn sweep(&self, local_queue: &LocalQueue<T>, is_tombstone: impl Fn(&T) -> bool) {
        self.sweep_lane(local_queue, &is_tombstone);
        let tombstones = self.lanes.sweep_injected(&is_tombstone);
        (0..tombstones).for_each(|_| self.task_done(Some(local_queue)));
    }

    /// Lets go of the tombstones among the tasks from outside, for someone who holds no local queue; and of those in
    /// the local queues, if that were less than `expected`.
    pub(crate) fn sweep_any(&self, expected: usize, is_tombstone: impl Fn(&T) -> bool) {
        let mut tombstones = self.lanes.sweep_injected(&is_tombstone);
        if tombstones < expected {
            tombstones += self.lanes.sweep_lanes(&is_tombstone);
        }
        (0..tombstones).for_each(|_| self.task_done(None));
    }

    /// Counts a task that was found, and has ended, as finished.
    #[inline]
    pub(crate) fn task_done(&self, local_queue: Option<&LocalQueue<T>>) {
        match local_queue {
            Some(local_queue) => self.tally.finish_inside(local_queue.index()),
            None => self.tally.finish_outside(),
        }
    }

    /// Tells whether a task may be found.
    pub(crate) fn has_tasks(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Refuses outsiders from now on.
    pub(crate) fn close(&self) {
        self.tally.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.tally.is_closed()
    }

    /// Tells whether anyone waits until all is done, or the queue is closed.
    pub(crate) fn wants_attention(&self) -> bool {
        self.tally.wants_attention()
    }

    /// One who waits until all that was accepted is done.
    pub(crate) fn joiner(&self) -> Joiner<'_> {
        self.tally.joiner()
    }

    /// Counts what was accepted and is not done, a snapshot, may be stale.
    pub(crate) fn unfinished(&self) -> usize {
        self.tally.unfinished()
    }

    /// Tells whether someone has to [check](Self::check_done).
    ///
    /// The caller has made a full fence since it last called [`task_done`](Self::task_done).
    pub(crate) fn wants_a_look(&self) -> bool {
        self.tally.wants_a_look()
    }

    /// Wakes the joiners, for another look.
    pub(crate) fn wake_joiners(&self) {
        self.tally.wake_joiners();
    }

    /// Waits until all that was accepted is done; `false` if the time was over first.
    pub(crate) fn join(&self, deadline: Deadline) -> bool {
        self.tally.join(deadline)
    }

    /// Wakes the joiners if all is done, and says whether the queue is then over for good.
    ///
    /// The caller has made a full fence since it last called [`task_done`](Self::task_done).
    pub(crate) fn check_done(&self) -> bool {
        if !self.tally.wants_attention() || !self.tally.is_quiescent() {
            return false;
        }
        self.wake_joiners();
        self.is_over()
    }

    /// Tells whether the queue is closed and all is done, which stays so.
    pub(crate) fn is_over(&self) -> bool {
        // In this order: only a look that began after the end of acceptance is final.
        self.tally.is_closed() && self.tally.is_quiescent()
    }
}
