//! Jobs: functions that are known by a name, so that they can run on a thread, in another process
//! or on another machine.
//!
//! A closure cannot be sent to another process: it is code, and the addresses that it holds. A
//! *job* can. It is a function without captures that both sides know by a name, with arguments and
//! a result that [serde](https://serde.rs) can encode. This is what Python's `multiprocessing` does
//! when it pickles a function as `module.name`.
//!
//! [`Jobs`] is the list of the jobs of a program. Each side makes its own from the same code.
//!
//! ```
//! use workmill_jobs::{JobExecutor, Jobs};
//!
//! fn square(n: u64) -> u64 {
//!     n * n
//! }
//!
//! fn resize(image: Vec<u8>, width: u32) -> Result<Vec<u8>, String> {
//!     image.get(..width as usize).map(<[u8]>::to_vec).ok_or("too small".to_owned())
//! }
//!
//! fn jobs() -> Jobs {
//!     Jobs::new().with("square", square).with("resize", resize)
//! }
//!
//! // A function that does not care where its jobs run:
//! fn nine(executor: &impl JobExecutor) -> Result<u64, workmill::JoinError> {
//!     executor.submit_job(square, 3).join()
//! }
//!
//! let threads = workmill::ThreadPoolExecutor::new(2)?;
//! assert_eq!(nine(&threads)?, 9);
//! assert_eq!(jobs().names().collect::<Vec<_>>(), ["square", "resize"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate `workmill-process` has an executor whose jobs run in processes, the crate
//! `workmill-nats` one whose jobs run on other machines.
//!
//! # What can be a job
//!
//! - A function `fn name(a: A, b: B) -> R` of up to eight arguments. It is submitted with its
//!   argument, `submit_job(square, 3)`, or a tuple of them, `submit_job(resize, (image, 80))`, or
//!   `()` if it has none.
//! - An associated function, such as `Image::decode`, and each instance of a generic one, such as
//!   `sum::<u64>`, under a name of its own.
//! - A closure without captures, if the same value is registered and submitted: written twice, it
//!   has two types. A closure with captures, or a pointer to a function, is an error when the
//!   program is compiled.
//!
//! Arguments and result are owned: `fn length(text: String)`, not `text: &str`, since what a
//! reference leads to stays where it is. In place of bytes, `Vec<u8>`, [`Bytes`] is encoded and
//! decoded as one piece, several times as fast.
//!
//! # What the compiler says
//!
//! | message | what to write |
//! |---|---|
//! | "cannot be a job …" | a function whose arguments and result are [`Serialize`](serde::Serialize) and [`DeserializeOwned`](serde::de::DeserializeOwned): no `async fn`, no `Box<dyn Error>`, but a type of your own with `#[derive(Serialize, Deserialize)]`, or a `String` |
//! | "implementation of `Deserialize` is not general enough" | owned arguments: `String` for `&str`, `Vec<T>` for `&[T]` |
//! | "a job must have no captures" | an argument for what is captured, and the function itself for a pointer to it |
//!
//! The last comes with `cargo build`; `cargo check` does not compile so far.
//!
//! # Encoding
//!
//! Arguments and results are encoded by [postcard](https://docs.rs/postcard), which does not
//! describe itself: both sides must be built from the same types. So attributes of serde that need
//! a format which does, such as `untagged` and `flatten`, fail when they are decoded.

#![forbid(unsafe_code)]

mod bytes;
mod context;
mod encoding;
mod executor;
mod job;
mod registry;

pub use bytes::Bytes;
pub use context::{JobContext, current_job};
pub use encoding::CodecError;
pub use executor::JobExecutor;
pub use job::{Job, Sendable};
pub use registry::{CallError, Jobs, NotRegistered};

/// What executors of jobs need of this crate, and their users do not.
#[doc(hidden)]
pub mod executors {
    pub use crate::context::{Attempt, within, within_keyed};
    pub use crate::encoding::{decode, encode};
    pub use crate::executor::{Sealed, next_submission};
    pub use crate::registry::Phase;
}
