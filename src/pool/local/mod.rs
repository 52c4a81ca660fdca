//! The part that one thread has of a pool.
//!
//! Through its thread's [`Local`], a task that submits finds the local queue of the slot that the
//! thread holds, and every entry point knows whether it was called from inside. A thread-local
//! pointer leads to the innermost `Local` ([`here`]). The pointer is put aside while a worker runs
//! code of the pool between two tasks, so that what is called there (the wakers of threads that
//! wait until the pool is quiescent, and the user's hooks) is outside the pool.
//!
//! # Workers and foreign threads
//! A *worker* is one of the pool's threads. A *foreign thread* runs code of the pool: a task that
//! it submitted itself to a full pool, a future in `PoolRef::block_on`, or the drop of a task that
//! it cancels. It counts as inside for that time. Until it has gone the task is unfinished, so the
//! pool's end must not be waited for on that thread. A foreign thread of one pool may be a worker
//! of another, or foreign there, too: the `Local`s of a thread form a chain, from the innermost
//! outwards. A task that is run inline finds its own pool innermost, so there may be a `Local` as a
//! foreign thread above that of a worker of the same pool.
//!
//! # In this folder
//! `Local` has a group of fields for each of these: [`held`] is the slot that the thread holds,
//! [`running`] what it runs, [`yield_queue`] keeps the futures that gave way on it, and
//! [`own_halves`] the halves of its joins. The other modules add the verbs: [`entry`] how a thread
//! comes inside, and what a pool does for the thread that calls; [`find`] how a worker looks for
//! tasks; [`run`] how it runs them; [`inline`] how it runs a task that it waits for; [`halves`] how
//! it joins two halves; [`stacked`] where the tasks of its scopes lie; [`borrow`] how it runs what
//! has begun in a lent slot; [`slot`] how it gives its slot up and takes one; [`wake_future`] where
//! a future goes when it is woken; [`yielded`] when those run that gave way; [`ending`] how a pool
//! is closed and stopped; [`oldest`] how a task is dropped in favour of another; [`tombstones`] how
//! tombstones are removed. A task that was
//! submitted by a view has [`extras`], which [`tokens`] tie to it, unless it is [`bare`];
//! [`arriving`] says how it comes to its group, and [`start`] where it goes from there;
//! [`current`] knows the task whose code runs; a [`roll`] has the tasks that a token cancels, and
//! [`expiry`] cancels one that has not begun in time; [`permits`] says how a task lends its
//! permits, and [`standing`] how the user is warned of a group whose tasks all wait.

mod arriving;
mod bare;
mod borrow;
mod current;
mod ending;
mod entry;
mod expiry;
mod extras;
mod find;
mod halves;
mod held;
mod here;
mod inline;
mod oldest;
mod own_halves;
mod permits;
mod roll;
mod run;
mod running;
mod slot;
mod stacked;
mod standing;
mod start;
mod tokens;
mod tombstones;
mod wake_future;
mod yield_queue;
mod yielded;

pub(crate) use self::current::{Ending, holds_up, runs_task_near, runs_task_of};
pub(crate) use self::entry::{Make, MakeWith, Maker};
pub(crate) use self::extras::{Bound, Extras};
pub(crate) use self::here::{Local, Pool, PoolTask, TaskGroup};
pub(crate) use self::inline::Inline;
pub(crate) use self::roll::Roll;
pub(crate) use self::stacked::{Level, Newest};
pub(crate) use self::tokens::{ClosureToken, FutureToken, in_group};
