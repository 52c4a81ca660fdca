//! One piece of work, of whatever type. It is run or cancelled, exactly once.
//!
//! A [`Task`] is four words that go through the queues by value. A small closure is stored in
//! these words. A larger one is boxed and called through the box, so that it is never copied to a
//! worker's stack. A task with a result is one word, which points to its [`cell`].
//!
//! The task is generic in the [`context`] that it runs in, so this module knows no pool.
//!
//! A [`future`] becomes a task whenever it is woken. It is polled, and may go on after that, as
//! another task. Cancelling a future only marks it: a worker runs it once more, to drop it.
//!
//! # Files
//! Each file uses only those before it: [`context`] (the vocabulary), [`state`] (the state word and
//! its transitions), [`cell`] (the memory that a task shares with its handle), [`erased`] (the
//! [`Task`] itself), [`promise`] (a cell without a task), [`poll_state`] (the second word, of a
//! future), [`aligned`] (its memory) and [`future`]. There is no unsafe code in `context`, `state`
//! and `poll_state`. [`stack`] stands by itself: the
//! halves of a join are parts of their task, and no tasks.

mod aligned;
pub(crate) mod cell;
mod context;
mod erased;
mod future;
#[cfg(all(test, workmill_loom))]
mod model;
mod poll_state;
pub(crate) mod promise;
pub(crate) mod stack;
mod state;

pub(crate) use context::{Closure, Consent, Context, End, Extra, Gone, Job, Look, Ran, Token};
#[cfg(all(test, workmill_loom))]
pub(crate) use context::{Nowhere, job};
pub(crate) use erased::{LARGE, Task, Word, Work, fits, met};
