//! The answers of a group: the tasks that begin, that wait, and that were taken. `G` is the group.

use std::sync::Arc;
use std::task::Waker;

/// The things that a ticket leaves behind. The caller drops it, calls the waker and pushes the
/// tasks, without a lock.
#[must_use = "tasks that can begin have to be pushed"]
pub(crate) struct Left<T, R, G> {
    /// The ticket's own task, if it waited.
    pub(crate) own: Option<T>,
    /// The lender, to be woken.
    pub(crate) lender: Option<Waker>,
    /// The tasks that begin.
    pub(crate) begins: Begins<T, G>,
    /// The reference to the ticket's own task.
    pub(crate) task: Option<R>,
}

/// Something that begins, since it has its permits now. The caller pushes it.
pub(crate) enum Begin<T, G> {
    /// A task with a ticket.
    Task(T),
    /// The call of a bare task of the group, which is ready there.
    Call(Arc<G>),
}

/// The tasks that begin: one, in most cases.
pub(crate) struct Begins<T, G> {
    pub(super) first: Option<Begin<T, G>>,
    pub(super) others: Vec<Begin<T, G>>,
}

impl<T, G> Begins<T, G> {
    pub(crate) fn for_each(self, mut each: impl FnMut(Begin<T, G>)) {
        if let Some(first) = self.first {
            each(first);
        }
        if !self.others.is_empty() {
            self.others.into_iter().for_each(each);
        }
    }
}

/// A group all of whose permits stand, to be watched.
pub(crate) struct Standing(pub(super) usize);

/// The answer to a task that has arrived.
#[must_use]
pub(crate) enum Arrived<T> {
    /// It has its permits: the caller pushes this, the task, or for a bare one a call of its group.
    Begins(T),
    /// The task waits.
    Waits,
    /// The task waits, and all permits of a group stand, which the caller watches.
    AllStand(Standing),
}

/// The answer to a ticket that is to lend its permits.
#[must_use]
pub(crate) enum Loan<T> {
    /// Nothing was lent.
    No,
    /// The permits are lent, and the task begins when the others that it needs are free.
    Waits,
    /// The permits are lent, and the task begins: the caller runs it, or pushes it.
    Begins(T),
}

/// The unfinished tasks of a group that is stopped, to be cancelled in the order of the fields: so
/// none of them begins with the permits of another that was cancelled.
pub(crate) struct Stopped<T, M, G> {
    /// Those with tickets that wait.
    pub(crate) waiting: Vec<M>,
    /// The bare tasks that have waited.
    pub(crate) bare: Vec<Taken<T, G>>,
    /// The bare tasks that were ready. Their calls find nothing, and give the permits back.
    pub(crate) ready: Vec<Taken<T, G>>,
    /// The others with tickets.
    pub(crate) others: Vec<M>,
}

/// The tasks that were taken out of the queues, and the lenders to wake.
pub(crate) struct Drained<T, G> {
    pub(crate) tasks: Vec<Taken<T, G>>,
    pub(crate) lenders: Vec<Waker>,
}

impl<T, G> Default for Begins<T, G> {
    fn default() -> Self {
        Self {
            first: None,
            others: Vec::new(),
        }
    }
}

/// A task that was taken before it began.
pub(crate) struct Taken<T, G> {
    pub(crate) task: T,
    /// Its group, if it is bare.
    pub(crate) bare: Option<Arc<G>>,
}

/// The answer to a call that has run its task, or has found none.
#[must_use = "tasks that can begin have to be pushed"]
pub(crate) enum Next<T, G> {
    /// The call goes on with this task.
    Runs(T),
    /// The call has given its permits back, and this begins.
    Begins(Begins<T, G>),
}
