//! What goes over the wire, and why no job is told two outcomes.
//!
//! # What there is on the server
//!
//! Names begin with the namespace, here `w`. A job has an id of two words, such as `key.invoice`.
//!
//! | stream | subject | what it holds |
//! |---|---|---|
//! | `w-jobs` | `w.jobs.PRIORITY.ID` | an [`Envelope`] for each job that has not ended; a work queue |
//! | `w-state` | `w.state.ID` | the last [`Mark`] of each job, for `keep_results` |
//! | `w-dead` | `w.dead.ID` | a [`DeadBody`] for each dead letter |
//!
//! The state stream keeps one message for each subject, and republishes what it has *stored* to
//! `w.done.ID`. A plain subscriber of `w.state.ID` would see refused marks as well. Object stores
//! hold arguments and results that are too large for a message. On `w.ask.ID` a job's worker is
//! asked something; nothing of that is stored.
//!
//! # The state of a job
//!
//! ```text
//! (no mark) ──> begun 1 ──> done, panicked, refused, lost
//!     │          │   ^
//!     │          v   │
//!     │       waiting 0      begun k ──> begun k+1, lost     by another worker
//!     v          v
//!   cancelled
//! ```
//!
//! A mark is written by *compare-and-set*: its message names the sequence number of the mark that
//! it replaces (0: there must be none), and the server stores it only if that is the last one of
//! its subject. The server handles the messages of a stream one after another. So:
//!
//! 1. **The marks of a job are a chain.** Each stored mark replaces the one that its writer had
//!    seen. Nobody replaces a final mark (done, panicked, refused, lost, cancelled): writers first
//!    look at what they have read. So a job has at most one outcome, and all that read it read the
//!    same, while it is kept.
//! 2. **A worker calls the function only after its own `begun k` was stored**, and `begun k`
//!    replaces nothing but no mark, `waiting k-1` or `begun k-1`. A canceller stores `cancelled`
//!    only in place of no mark or of `waiting`. Of a worker and a canceller that both saw *x*, one
//!    replaces *x*, and the other is refused, reads, and sees what has happened: never both, and
//!    never neither, as one of them replaces *x*.
//! 3. **A job begins at most `retries + 1` times**: `begun k` is stored at most once for each *k*,
//!    since its replaced mark is gone afterwards, and a worker that reads `begun k` with *k* >
//!    `retries` writes `lost`. `waiting k` says that *k* attempts have begun: the worker that was
//!    about to make the next one has given it back before it called the function.
//! 4. **A worker that has lost its lease is refused**: its outcome names its own `begun k`, which
//!    another worker has replaced by `begun k+1` or `lost`.
//! 5. **No outcome is forgotten**: the outcome is stored before the message of the queue is
//!    acknowledged. Between the two the message comes again, to a worker that reads the outcome and
//!    acknowledges without a call. The other way round a stale worker's acknowledgement, which the
//!    server accepts, would remove a job that another one runs.
//!
//! # Did it arrive?
//!
//! An answer of the server may be lost: the mark is stored, and its writer does not know. So each
//! mark has a *nonce*. A writer that gets no answer, or a refusal, reads the last mark: its own
//! nonce means that it was stored; the mark that it wanted to replace means that it was not, or is
//! still on its way, and it writes the same again; anything else means that it has lost. If two
//! copies of one mark are on their way the first is stored, and the second is refused.
//!
//! A job is put into the queue again until there is an answer. What repeats a try, and a job under
//! a key, is stored only if its subject is empty there. The first try of a job without a key is
//! stored in any case: nobody else has its id. A job may be in the queue twice all the same, if the
//! first has ended meanwhile, or if a try by a connection that is gone is handled after the next
//! one. Its state says so: the second is acknowledged without a call. The server's window for
//! duplicates plays no part.
//!
//! # Who waits is told
//!
//! A client subscribes to `w.done.ID` before it looks at the state, or submits. A mark that is
//! stored after the look is republished after the subscription, so it is seen by one of them. After
//! each gap in its connection, the client looks again. Looks are answered by the stream's leader:
//! a replica may lag.
//!
//! # Leases
//!
//! A message that a worker holds comes to another one after the lease (the consumer's `ack_wait`),
//! unless its holder says that it is at work, which it does each third of the lease. So the job of
//! a worker that is killed comes again after the lease. It also comes again when the server was
//! away for longer, though the worker lives: so whoever gets a job that has begun first asks its
//! worker, and leaves the job alone if it answers. This is for politeness only: by 3 and 4 nothing
//! goes wrong if the answer is lost.
//!
//! # Why not otherwise
//!
//! - Deleting the message from the queue is no cancel: the server deletes what a worker holds.
//! - The server's count of deliveries is no count of attempts: it rises with each delivery, also to
//!   a worker that never sees it.
//! - Age limits in the queue are no deadlines: the server deletes what a worker holds, and tells
//!   nobody.

use serde::{Deserialize, Serialize};
use workmill_jobs::Bytes;
use workmill_jobs::executors::{decode, encode};

use crate::id::JobId;

/// The first byte of each message. A change of any type here changes it.
const VERSION: u8 = 1;

/// The name of a job's consumer, and a word of its subject; in the order in which they are asked.
pub(crate) const PRIORITIES: [&str; 3] = ["high", "normal", "low"];

/// What a worker is asked.
pub(crate) const ASK_STOP: &str = "stop";
pub(crate) const ASK_ALIVE: &str = "alive";

/// What is too large for a message is in an object store, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payload {
    Inline(Bytes),
    Object { name: String },
}

/// A job in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// The name under which the function is registered.
    pub(crate) job: String,
    /// A job begins at most once more than this.
    pub(crate) retries: u32,
    pub(crate) arguments: Payload,
}

/// A state of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// By this number its writer knows it again.
    pub(crate) nonce: u64,
    /// The name of the job, so that a result is decoded as what it is.
    pub(crate) job: String,
    pub(crate) state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// It was given back, after that many attempts have begun.
    Waiting {
        begun: u32,
    },
    /// An attempt has begun, from 1, on that worker.
    Begun {
        attempt: u32,
        worker: String,
    },
    Done(Payload),
    Panicked(String),
    /// It was not called, or its result could not be encoded.
    Refused(String),
    /// All attempts have begun, and nobody knows how the last one ended.
    Lost {
        subject: String,
        end: String,
    },
    Cancelled,
    /// It had not begun in time.
    Expired,
}

impl State {
    /// Returns `true` for an outcome.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting { .. } | Self::Begun { .. })
    }

    /// Returns `true` if the job becomes a dead letter.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Lost { .. })
    }
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadBody {
    pub(crate) envelope: Envelope,
    pub(crate) priority: String,
    pub(crate) attempts: u32,
    pub(crate) why: String,
}

/// Encodes a message.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> bytes::Bytes {
    let mut buffer = vec![VERSION];
    // These types are plain data, which postcard can encode.
    encode(value, &mut buffer).expect("plain data can be encoded");
    buffer.into()
}

/// Decodes a message, or says why that cannot be done.
pub(crate) fn from_bytes<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => decode(rest).map_err(|error| error.to_string()),
        Some((other, _)) => Err(format!(
            "it is of version {other} of the protocol, and this program knows version {VERSION}"
        )),
        None => Err("it is empty".to_owned()),
    }
}

/// The names of a namespace.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    namespace: String,
}

impl Names {
    pub(crate) fn new(namespace: &str) -> Self {
        let namespace = namespace.to_owned();
        Self { namespace }
    }

    /// Returns the name of a stream or of an object store.
    pub(crate) fn stream(&self, what: &str) -> String {
        format!("{}-{what}", self.namespace)
    }

    /// Returns the subjects of a kind.
    pub(crate) fn all(&self, kind: &str) -> String {
        format!("{}.{kind}.>", self.namespace)
    }

    /// Returns the subject of a kind for a job.
    pub(crate) fn one(&self, kind: &str, id: &JobId) -> String {
        format!("{}.{kind}.{id}", self.namespace)
    }

    /// Returns the subjects of a kind for all jobs of an executor.
    pub(crate) fn owned(&self, kind: &str, owner: &str) -> String {
        format!("{}.{kind}.{owner}.*", self.namespace)
    }

    pub(crate) fn queued(&self, priority: &str, id: &JobId) -> String {
        format!("{}.jobs.{priority}.{id}", self.namespace)
    }

    pub(crate) fn priority(&self, priority: &str) -> String {
        format!("{}.jobs.{priority}.>", self.namespace)
    }

    /// Returns the id in a subject, whose last two words it is.
    pub(crate) fn id(&self, subject: &str) -> Option<JobId> {
        let mut words = subject.rsplitn(3, '.');
        let (number, owner) = (words.next()?, words.next()?);
        format!("{owner}.{number}").parse().ok()
    }
}
