//! The bare tasks of one group that are ready, and how many wait.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Weak};

use super::answers::Taken;
use super::counts::BareCounts;

/// The bare tasks of a group, and the share of it that is kept for them.
pub(super) struct BareTasks<T, G> {
    group: Weak<G>,
    /// The number of those that wait.
    waiting: usize,
    /// Keeps the group for as long as some wait.
    keeps: Option<Arc<G>>,
    /// Those that are ready.
    pub(super) ready: VecDeque<T>,
    pub(super) counts: BareCounts,
}

impl<T, G> BareTasks<T, G> {
    pub(super) fn new(group: &Weak<G>) -> Self {
        Self {
            group: Weak::clone(group),
            waiting: 0,
            keeps: None,
            ready: VecDeque::new(),
            counts: BareCounts::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0 && self.ready.is_empty()
    }

    /// A task begins to wait.
    pub(super) fn waits(&mut self, group: &Arc<G>) {
        self.waiting += 1;
        self.keeps.get_or_insert_with(|| Arc::clone(group));
    }

    /// Tasks from the inbox begin to wait.
    pub(super) fn take_in(&mut self, tasks: usize) {
        self.counts.accepted += tasks as u64;
        self.waiting += tasks;
        if self.keeps.is_none() {
            self.keeps = self.group.upgrade();
        }
        debug_assert!(self.keeps.is_some(), "those with permits have shares");
    }

    /// A task has waited. Returns the share of its group that was kept for those that wait, if that
    /// was the last.
    pub(super) fn has_waited(&mut self) -> Option<Arc<G>> {
        self.waiting -= 1;
        match self.waiting {
            0 => self.keeps.take(),
            _ => None,
        }
    }

    /// A task has waited. Returns a share of its group.
    pub(super) fn taken(&mut self) -> Arc<G> {
        let last = self.has_waited();
        let share = last.or_else(|| self.keeps.clone());
        share.expect("a share of the group is kept for those that wait")
    }

    /// A task that has waited is ready. Returns a share of its group, for its call.
    pub(super) fn begin(&mut self, task: T) -> Arc<G> {
        self.ready.push_back(task);
        self.taken()
    }

    /// Takes those that are ready.
    pub(super) fn take_ready(&mut self) -> Vec<Taken<T, G>> {
        let ready = mem::take(&mut self.ready).into_iter();
        let group = || self.group.upgrade().expect("each call has a share");
        let taken = |task| Taken {
            task,
            bare: Some(group()),
        };
        ready.map(taken).collect()
    }
}
