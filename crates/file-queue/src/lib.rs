#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "workmill-file-queue runs on Linux only: it waits and finds dead processes by what Linux has"
);

mod bell;
mod builder;
mod contents;
mod encoding;
mod error;
mod inspection;
mod lock_file;
mod open;
mod patience;
mod queue;
mod stamp;
mod store;
mod task;
mod whole;

pub use builder::{Builder, SyncMode};
pub use contents::{Contents, ItemState, ListedItem};
pub use error::{ErrorKind, FileQueueError};
pub use inspection::inspect;
pub use queue::{FileQueue, Iter};
pub use task::{FileTaskGuard, IterTasks};
