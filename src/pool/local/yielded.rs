//! Futures that gave way, and go on after others.
//!
//! While every slot is taken up with work, nobody could take such a future off this thread's hands. So it
//! stays in a line of the thread's own, which costs neither fence nor exchange, and takes turns with
//! the lane: neither can keep the other waiting. The line goes to the lane, where others find it, as
//! soon as anyone could take from it, before anything else is begun, and before the thread waits.
//!
//! So a future in the line may wait, though another thread has nothing to do by now, for as long as one
//! poll takes of another that gave way as well.

use super::{Local, PoolTask};

impl Local {
    /// Takes a future that gave way.
    #[inline]
    pub(super) fn put_behind(&self, place: &mut Option<PoolTask>) {
        let Some(task) = place.take() else {
            return;
        };
        if self.shared.slots.are_all_busy() && self.has_slot() {
            self.yielded.borrow_mut().push_back(task);
        } else {
            self.shared.push(task);
        }
    }

    /// Takes the next task of the own lane, or of the line.
    #[inline]
    pub(in crate::pool) fn pop(&self) -> Option<PoolTask> {
        if self.yielded.borrow().is_empty() {
            return self.pop_lane();
        }
        if !self.shared.slots.are_all_busy() {
            self.publish_yielded();
            return self.pop_lane();
        }
        self.lanes_turn.set(!self.lanes_turn.get());
        if self.lanes_turn.get() {
            if let Some(task) = self.pop_lane() {
                if task.look().is_some_and(|look| look.waits) {
                    self.publish_yielded();
                }
                return Some(task);
            }
        }
        self.yielded.borrow_mut().pop_front()
    }

    /// Has the line go to the lane.
    pub(super) fn publish_yielded(&self) {
        let line = std::mem::take(&mut *self.yielded.borrow_mut());
        if line.is_empty() {
            return;
        }
        {
            let lane = self.lane.borrow();
            for task in line {
                self.shared.queue.push(task, lane.as_ref());
            }
        }
        self.shared.task_pushed();
    }

    /// Lets go of the line in a forked child, where nothing is run or dropped any more.
    pub(super) fn forget_yielded(&self) {
        self.yielded.take().into_iter().for_each(std::mem::forget);
    }
}
