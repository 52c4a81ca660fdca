//! The local queue of one slot.

use std::cell::Cell;

use super::deque::{Stealer, Worker as Deque, insist};
use super::stack::Stack;

/// The number of tasks that a holder takes from its local queue before the injector has its turn,
/// so that tasks which submit tasks cannot keep the rest waiting forever.
const LOCAL_BUDGET: usize = 61;

/// Before each batch of this number from the injector the holder steals from another slot, so that
/// what lies in a local queue behind a long task does not wait until the injector runs dry.
const STEAL_INTERVAL: usize = 8;

/// After this number of tasks of high priority in a row it is the turn of others.
const HIGH_IN_A_ROW: usize = 32;

/// After this number of other tasks one of low priority has its turn. Counted in whole budgets, so
/// it may be a budget more.
const UNTIL_LOW: usize = 1000;

/// After a search that found nothing but a task of low priority, the holder takes this number of
/// others before it looks at the local queues of others again.
const LOW_IN_A_ROW: usize = 32;

/// The queue of one slot, first in, first out, and the slot's stack. The thread that holds the slot
/// uses them; other threads steal from both.
pub(in crate::pool) struct LocalQueue<T> {
    index: usize,
    tasks: Deque<T>,
    /// Takes from the queue as other threads do.
    thief: Stealer<T>,
    /// Boxed, since a local queue moves from thread to thread.
    stack: Box<Stack<T>>,
    /// The tasks that may be taken before the injector has its turn.
    budget: Cell<usize>,
    /// The batches that may be taken from the injector before another slot has its turn.
    until_steal: Cell<usize>,
    /// Whether tasks that have begun have the next turn, before those of the injector.
    begun_next: Cell<bool>,
    /// Whether a task in the queue may have begun.
    has_begun: Cell<bool>,
    /// Whether the task that was found last was stolen.
    stolen: Cell<bool>,
    /// Whether the stacks of other slots have the next turn, before their queues.
    stacks_next: Cell<bool>,
    /// Whether what a predecessor has left on the stack has the next turn, before the injector.
    left_next: Cell<bool>,
    /// The tasks of high priority that were taken in a row.
    high: Cell<usize>,
    /// The tasks that were taken since one of low priority had its turn.
    since_low: Cell<usize>,
    /// The tasks of low priority that may be taken before the next search.
    low: Cell<usize>,
}

impl<T> LocalQueue<T> {
    pub(super) fn new(index: usize) -> Self {
        let tasks = Deque::new_fifo();
        Self {
            index,
            thief: tasks.stealer(),
            tasks,
            stack: Box::new(Stack::new()),
            budget: Cell::new(LOCAL_BUDGET),
            until_steal: Cell::new(STEAL_INTERVAL),
            begun_next: Cell::new(false),
            has_begun: Cell::new(false),
            stolen: Cell::new(false),
            stacks_next: Cell::new(false),
            left_next: Cell::new(false),
            high: Cell::new(0),
            since_low: Cell::new(0),
            low: Cell::new(0),
        }
    }

    /// Returns the index of the slot that the queue belongs to.
    #[inline]
    pub(in crate::pool) fn index(&self) -> usize {
        self.index
    }

    #[inline(always)]
    pub(super) fn push(&self, task: T) {
        self.tasks.push(task);
    }

    /// Returns `true` if there is no task in the queue; there may be some on the stack.
    pub(in crate::pool) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Returns the number of tasks in the queue.
    pub(in crate::pool) fn len(&self) -> usize {
        self.tasks.len()
    }

    #[inline]
    pub(in crate::pool) fn stack(&self) -> &Stack<T> {
        &self.stack
    }

    /// Takes the next task, unless it is the injector's turn.
    ///
    /// Tasks are four words. This hands on what the queue gave, unopened, because taking a task out
    /// of its `Option` and putting it back is two copies.
    #[inline]
    pub(in crate::pool) fn pop(&self) -> Option<T> {
        let left = self.budget.get();
        if left == 0 {
            return None;
        }
        self.budget.set(left - 1);
        self.tasks.pop()
    }

    /// Takes the next task, even if it is the injector's turn.
    pub(super) fn pop_regardless(&self) -> Option<T> {
        self.tasks.pop().or_else(|| self.stack.take_oldest())
    }

    /// Takes a task that a predecessor has left on the stack, at every second call.
    pub(super) fn take_left_in_turn(&self) -> Option<T> {
        match self.left_next.replace(!self.left_next.get()) {
            true => self.stack.take_oldest(),
            false => None,
        }
    }

    /// Notes that a task was stolen into the queue.
    pub(super) fn note_stolen(&self) {
        self.stolen.set(true);
    }

    /// Returns `true` if a task was stolen since the last call.
    pub(in crate::pool) fn take_stolen(&self) -> bool {
        self.stolen.take()
    }

    /// Spends the budget for up to `tasks` tasks that lie elsewhere, and returns the number of
    /// those that may run before it is the injector's turn. They count even if they do not run.
    pub(in crate::pool) fn spend(&self, tasks: usize) -> usize {
        let left = self.budget.get();
        self.budget.set(left.saturating_sub(tasks));
        left.min(tasks)
    }

    /// Returns `true` if it is the injector's turn.
    pub(super) fn is_spent(&self) -> bool {
        self.budget.get() == 0
    }

    /// Starts the next budget: the injector has had its turn.
    pub(super) fn renew(&self) {
        let taken = LOCAL_BUDGET - self.budget.replace(LOCAL_BUDGET) + 1;
        self.since_low.set(self.since_low.get() + taken);
    }

    /// Returns `true` if a task of high priority may be taken, and counts it; `false` once after
    /// [`HIGH_IN_A_ROW`] of them.
    pub(super) fn is_turn_of_high(&self) -> bool {
        let high = self.high.get();
        let is_turn = high < HIGH_IN_A_ROW;
        self.high.set(if is_turn { high + 1 } else { 0 });
        self.since_low
            .set(self.since_low.get() + usize::from(is_turn));
        is_turn
    }

    /// Returns `true` if a task of low priority has its turn.
    pub(super) fn is_turn_of_low(&self) -> bool {
        self.since_low.get() >= UNTIL_LOW
    }

    /// A task of low priority was taken.
    pub(super) fn low_had_its_turn(&self) {
        self.since_low.set(0);
    }

    /// A search has found nothing but a task of low priority.
    pub(super) fn found_low(&self) {
        self.low.set(LOW_IN_A_ROW);
    }

    /// Returns `true` if a task of low priority may be taken without a search, and counts it.
    pub(super) fn may_take_low(&self) -> bool {
        let left = self.low.get();
        self.low.set(left.saturating_sub(1));
        left > 0
    }

    /// Returns `true` once every [`STEAL_INTERVAL`] calls: another slot has its turn.
    pub(super) fn is_time_to_steal(&self) -> bool {
        let left = self.until_steal.get().checked_sub(1);
        self.until_steal.set(left.unwrap_or(STEAL_INTERVAL));
        left.is_none()
    }

    /// Returns `true` at every second call: then tasks that have begun have their turn.
    pub(super) fn is_turn_of_begun(&self) -> bool {
        !self.begun_next.replace(!self.begun_next.get())
    }

    /// Returns `true` at every second call: then the stacks of other slots have their turn.
    pub(super) fn is_turn_of_stacks(&self) -> bool {
        self.stacks_next.replace(!self.stacks_next.get())
    }

    /// Notes that a task in the queue may have begun.
    #[inline(always)]
    pub(super) fn note_begun(&self) {
        self.has_begun.set(true);
    }

    /// Where a thread that steals several tasks, or takes a batch, puts all but the first.
    pub(super) fn batch(&self) -> &Deque<T> {
        &self.tasks
    }

    pub(super) fn stealer(&self) -> Stealer<T> {
        self.tasks.stealer()
    }

    /// Hands those that have begun to `with`; the other tasks keep their order.
    pub(super) fn part_begun(&self, has_begun: impl Fn(&T) -> bool, with: impl FnMut(T)) {
        if self.has_begun.take() {
            self.part(has_begun, with);
        }
    }

    /// Drops the tombstones and returns their number; the other tasks keep their order.
    #[must_use = "the tombstones have to be counted as finished"]
    pub(super) fn sweep(&self, is_tombstone: impl Fn(&T) -> bool) -> usize {
        let mut tombstones = 0;
        self.part(is_tombstone, |_| tombstones += 1);
        tombstones
    }

    /// Hands the tasks that are to go to `with`; the others keep their order.
    fn part(&self, goes: impl Fn(&T) -> bool, mut with: impl FnMut(T)) {
        // Not one by one to the other end: a task that is stolen meanwhile would be one too few,
        // and the oldest of the rest would go round twice. And stolen, not popped: a queue that is
        // popped empty gives its memory back, to ask for it again at once.
        let all = std::iter::from_fn(|| insist(|| self.thief.steal()));
        let stays = |task: T| match goes(&task) {
            true => {
                with(task);
                None
            }
            false => Some(task),
        };
        let kept: Vec<_> = all.filter_map(stays).collect();
        kept.into_iter().for_each(|task| self.tasks.push(task));
    }
}
