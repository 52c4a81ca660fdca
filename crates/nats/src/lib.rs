//! Jobs on many machines.

#![forbid(unsafe_code)]

mod answers;
mod dead;
mod error;
mod executor;
mod id;
mod link;
mod metrics;
mod objects;
mod protocol;
mod reference;
mod room;
mod server;
mod settings;
mod shared;
mod streams;
mod views;
mod worker;

pub use dead::{DeadLetter, DeadLetters};
pub use error::{NatsError, NatsErrorKind, StillBusy};
pub use executor::{Builder, NatsExecutor};
pub use id::{InvalidJobId, JobId};
pub use metrics::{NatsMetrics, ServerMetrics};
pub use reference::NatsRef;
pub use server::{Server, ServerBuilder, serve};
pub use workmill;
pub use workmill_jobs::{Bytes, Job, JobContext, JobExecutor, Jobs, NotRegistered, current_job};
