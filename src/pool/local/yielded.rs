//! Futures that gave way, and go on after others.
//!
//! While every slot is taken up with work, nobody could take such a future off this thread's hands. So it
//! stays in a line of the thread's own, which costs neither fence nor exchange. Line and lane have their
//! turns: first all that was in the lane when the line's first came there, then all that is in the line,
//! and so on. So whatever comes to the end of either runs after what was there before, and neither
//! keeps the other waiting. Now and then the thread looks at what came from outside, as it does with
//! its lane alone.
//!
//! The line goes to the lane, where others find it, as soon as anyone could take from it, before anything
//! is begun, and before the thread waits. So a future in the line may wait, though another thread has
//! nothing to do by now, for as long as one poll takes of another that gave way as well.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::{Local, PoolTask};
use crate::pool::lanes::Lane;

/// So many of the line have a turn before what came from outside has one.
const OUTSIDERS_TURN: usize = 61;

/// The line, and whose turn it is.
#[derive(Default)]
pub(super) struct Yielded {
    line: RefCell<VecDeque<PoolTask>>,
    /// How many of the lane go before the next of the line.
    lanes_left: Cell<usize>,
    /// How many of the line go before the lane has its turn.
    lines_left: Cell<usize>,
    /// How many of the line have gone since what came from outside had a turn.
    gone: Cell<usize>,
}

impl Local {
    /// Takes a future that gave way.
    #[inline]
    pub(super) fn put_behind(&self, place: &mut Option<PoolTask>) {
        let Some(task) = place.take() else {
            return;
        };
        let in_lane = self.lane.borrow().as_ref().map(Lane::len);
        match in_lane.filter(|_| self.shared.slots.are_all_busy()) {
            Some(in_lane) => {
                let mut line = self.yielded.line.borrow_mut();
                if line.is_empty() {
                    self.yielded.lanes_left.set(in_lane);
                    self.yielded.lines_left.set(0);
                }
                line.push_back(task);
            }
            None => self.shared.push(task),
        }
    }

    /// Takes the next task of the own lane, or of the line.
    #[inline]
    pub(in crate::pool) fn pop(&self) -> Option<PoolTask> {
        if self.yielded.line.borrow().is_empty() {
            return self.pop_lane();
        }
        self.pop_in_turn()
    }

    fn pop_in_turn(&self) -> Option<PoolTask> {
        if !self.shared.slots.are_all_busy() {
            self.publish_yielded();
            return self.pop_lane();
        }
        let Yielded {
            line,
            lanes_left,
            lines_left,
            gone,
        } = &self.yielded;
        if lanes_left.get() > 0 {
            lanes_left.set(lanes_left.get() - 1);
            if let Some(task) = self.pop_lane() {
                return Some(self.before(task));
            }
            // It is empty, or not its turn but that of what came from outside.
            if let Some(task) = self.outside(|| self.find_near()) {
                return Some(self.before(task));
            }
        }
        if gone.get() >= OUTSIDERS_TURN {
            gone.set(0);
            if let Some(task) = self.outside(|| self.find_near()) {
                return Some(self.before(task));
            }
        }
        gone.set(gone.get() + 1);
        if lines_left.get() == 0 {
            lines_left.set(line.borrow().len());
        }
        lines_left.set(lines_left.get() - 1);
        if lines_left.get() == 0 {
            lanes_left.set(self.lane.borrow().as_ref().map_or(0, Lane::len));
        }
        line.borrow_mut().pop_front()
    }

    /// Has the line go to the lane if this task is to begin.
    fn before(&self, task: PoolTask) -> PoolTask {
        if task.look().is_none_or(|look| look.waits) {
            self.publish_yielded();
        }
        task
    }

    /// Has the line go to the lane.
    pub(super) fn publish_yielded(&self) {
        if self.yielded.line.borrow().is_empty() {
            return;
        }
        // Nothing of the user's is called until it is done.
        let mut line = self.yielded.line.borrow_mut();
        let lane = self.lane.borrow();
        for task in line.drain(..) {
            self.shared.queue.push(task, lane.as_ref());
        }
        drop((line, lane));
        self.shared.task_pushed();
    }

    /// Lets go of the line in a forked child, where nothing is run or dropped any more.
    pub(super) fn forget_yielded(&self) {
        let line = self.yielded.line.take();
        line.into_iter().for_each(std::mem::forget);
    }
}
