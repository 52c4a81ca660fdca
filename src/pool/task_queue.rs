//! The joinable queue of a pool's work: push, find, task done, join, close.
//!
//! Two parts side by side: [`lanes`](super::lanes) holds the tasks and says in which order they
//! are found, [`tally`](super::tally) knows whether all of them are done. Like Python's
//! `queue.Queue` with its `task_done` and `join`, split up so that the threads of a pool
//! share as little as can be.
//!
//! # Protocol
//! Accept, then push; find, end, then `task_done`: each once for each task. An acceptance that
//! is refused pushes nothing.

use super::lanes::{Lane, Lanes};
use super::tally::{Closed, Joiner, Tally};
use crate::primitive::Deadline;

pub(crate) struct TaskQueue<T> {
    lanes: Lanes<T>,
    tally: Tally,
}

impl<T> TaskQueue<T> {
    /// Makes a queue for so many slots, and hands out the lanes that go with them.
    pub(crate) fn new(slots: usize) -> (Self, Vec<Lane<T>>) {
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
    pub(crate) fn accept_inside(&self, lane: Option<&Lane<T>>) {
        match lane {
            Some(lane) => self.tally.accept_inside(lane.index()),
            None => self.tally.accept_beside(),
        }
    }

    /// Pushes a task that was accepted.
    #[inline(always)]
    pub(crate) fn push(&self, task: T, lane: Option<&Lane<T>>) {
        match lane {
            Some(lane) => lane.push(task),
            None => self.lanes.inject(task),
        }
    }

    /// Takes the next task after [`Lane::pop`] gave none: from the injector or the lane.
    pub(crate) fn find_near(&self, lane: &Lane<T>) -> Option<T> {
        self.lanes.take_near(lane)
    }

    /// Takes a task from elsewhere than the lane, one that came from outside most times.
    pub(crate) fn find_outsider(&self, lane: &Lane<T>) -> Option<T> {
        self.lanes.take_outsider(lane)
    }

    /// Takes a task that came from outside or that another slot has to spare; with
    /// `leave_last` not that slot's only one.
    pub(crate) fn find_far(&self, lane: &Lane<T>, leave_last: bool) -> Option<T> {
        self.lanes.take_far(lane, leave_last)
    }

    /// How far the slots other than that of `lane` have come; two answers tell whether they get on.
    pub(crate) fn finished_by_others(&self, lane: &Lane<T>) -> usize {
        self.tally.finished_by_others(lane.index())
    }

    /// Takes a task from anywhere, for someone who holds no lane.
    pub(crate) fn find_any(&self) -> Option<T> {
        self.lanes.take_any()
    }

    /// Takes the task from outside that has waited longest, for someone who holds no lane.
    pub(crate) fn find_oldest(&self) -> Option<T> {
        self.lanes.take_oldest()
    }

    /// Counts the tasks from outside that no thread has taken.
    pub(crate) fn waiting_outside(&self) -> usize {
        self.lanes.injected()
    }

    /// Lets go of the shells in `lane`, keeping the order of the rest.
    ///
    /// What is kept is in no queue for a moment.
    pub(crate) fn sweep_lane(&self, lane: &Lane<T>, is_shell: impl Fn(&T) -> bool) {
        let shells = lane.sweep(&is_shell);
        (0..shells).for_each(|_| self.task_done(Some(lane)));
    }

    /// Lets go of the shells in `lane` and among the tasks from outside, as above.
    pub(crate) fn sweep(&self, lane: &Lane<T>, is_shell: impl Fn(&T) -> bool) {
        self.sweep_lane(lane, &is_shell);
        let shells = self.lanes.sweep_injected(&is_shell);
        (0..shells).for_each(|_| self.task_done(Some(lane)));
    }

    /// Lets go of the shells among the tasks from outside, for someone who holds no lane; and of those in
    /// the lanes, if that were less than `expected`.
    pub(crate) fn sweep_any(&self, expected: usize, is_shell: impl Fn(&T) -> bool) {
        let mut shells = self.lanes.sweep_injected(&is_shell);
        if shells < expected {
            shells += self.lanes.sweep_lanes(&is_shell);
        }
        (0..shells).for_each(|_| self.task_done(None));
    }

    /// Counts a task that was found, and has ended, as finished.
    #[inline]
    pub(crate) fn task_done(&self, lane: Option<&Lane<T>>) {
        match lane {
            Some(lane) => self.tally.finish_inside(lane.index()),
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

    /// Counts what was accepted and is not done, as of a moment ago.
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
        if !self.tally.wants_attention() || !self.tally.is_quiet() {
            return false;
        }
        self.wake_joiners();
        self.is_over()
    }

    /// Tells whether the queue is closed and all is done, which stays so.
    pub(crate) fn is_over(&self) -> bool {
        // In this order: only a look that began after the end of acceptance is final.
        self.tally.is_closed() && self.tally.is_quiet()
    }
}
