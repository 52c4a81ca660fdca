//! Many tasks at once: maps, sets of tasks, and waits for several handles.
//!
//! # Rooms
//! [`ended`] is how tasks tell one waiter that they have ended, and is the only protocol here.
//! [`unordered`] keeps handles, and returns them in the order in which they end. On these two stand
//! [`mod@wait`] (which of these have ended?), [`mod@as_completed`] (outcomes in the order in which
//! they come), [`map`] (one function, many items; its tasks are submitted by [`flow`], are waited
//! for in a [`line`](mod@line) and return [`outcomes`]; [`scoped`] if they borrow) and [`join_set`]
//! (tasks under keys, with a limit). [`flat`] makes one `Result` of two, and [`stream`] is how all
//! of it is awaited.
//!
//! All use handles as the user has them: nothing here knows how a task runs.

mod as_completed;
mod ended;
mod flat;
mod flow;
mod join_set;
mod line;
mod map;
#[cfg(all(test, workmill_loom))]
mod model;
mod outcomes;
mod scoped;
mod stream;
mod unordered;
mod wait;

pub use as_completed::{AsCompleted, as_completed, first_ok, join_all};
pub use flat::Flat;
pub use join_set::{JoinSet, Progress};
pub use map::{Map, MapUnordered};
pub use scoped::ScopedMap;
#[cfg(feature = "futures-core")]
pub(crate) use stream::PollNext;
pub use stream::TaskStream;
pub use wait::{Wait, WaitFor, try_wait, wait, wait_async, wait_timeout};
