//! Futures that gave way, and go on after others.
//!
//! While every slot is taken up with work, nobody could take such a future off this thread's hands. So if
//! the lane is empty it stays in a line of the thread's own, which costs neither fence nor exchange.
//! Whatever is in the line came before whatever is in the lane, so it goes first; and since a future that
//! gives way while the lane is not empty goes there, neither keeps the other waiting. Now and then the
//! thread looks at what came from outside, as it does with its lane.
//!
//! The line goes to the lane, where others find it, as soon as anyone could take from it, before anything
//! is begun, and before the thread waits. So a future in the line may wait, though another thread has
//! nothing to do by now, for as long as one poll takes of another that gave way as well.

use super::{Local, PoolTask};
use crate::pool::lanes::Lane;

/// So often the line has its turn before what came from outside has one.
const OUTSIDERS_TURN: usize = 61;

impl Local {
    /// Takes a future that gave way.
    #[inline]
    pub(super) fn put_behind(&self, place: &mut Option<PoolTask>) {
        let Some(task) = place.take() else {
            return;
        };
        let stays = self.shared.slots.are_all_busy() && self.has_empty_lane();
        if stays {
            self.yielded.borrow_mut().push_back(task);
        } else {
            self.shared.push(task);
        }
    }

    #[inline]
    fn has_empty_lane(&self) -> bool {
        self.lane.borrow().as_ref().is_some_and(Lane::is_empty)
    }

    /// Takes the next task of the line, or of the own lane.
    #[inline]
    pub(in crate::pool) fn pop(&self) -> Option<PoolTask> {
        if self.yielded.borrow().is_empty() {
            return self.pop_lane();
        }
        if !self.shared.slots.are_all_busy() {
            self.publish_yielded();
            return self.pop_lane();
        }
        let turn = self.turn.get() + 1;
        self.turn.set(turn % OUTSIDERS_TURN);
        if turn == OUTSIDERS_TURN {
            if let Some(task) = self.outside(|| self.find_near()) {
                self.publish_yielded();
                return Some(task);
            }
        }
        self.yielded.borrow_mut().pop_front()
    }

    /// Has the line go to the lane.
    pub(super) fn publish_yielded(&self) {
        let line = self.yielded.take();
        if line.is_empty() {
            // It keeps its room for the next.
            return drop(self.yielded.replace(line));
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
