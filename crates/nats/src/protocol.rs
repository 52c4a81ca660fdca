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
//! The state stream keeps one message for each subject. Object stores hold arguments and results
//! that are too large for a message. On `w.ask.ID` a job's worker is asked something; nothing of
//! that is stored. On `w.answer.WRITER.NUMBER` the server answers to what a connection has put into
//! a stream, and on `w.answer.WRITER.NUMBER.ID.MARK` to a mark.
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
//! The subject on which the server answers to a mark is chosen by its writer, and says all: the
//! job, and the mark itself, if that is small. The writer subscribes to `w.answer.WRITER.>`, and a
//! client to `w.answer.*.*.ID.*`. So the server, when it has stored a mark, tells its writer and
//! those who wait by one message, without another one from the writer: there is no moment at which
//! a mark is stored, and whether somebody hears of it depends on a worker that may die. The answer
//! to a mark that was refused comes to the same subscribers, and clients pass over it, since it
//! says so. Of a mark that is too large for a subject they learn that there is one, and read it.
//!
//! A client subscribes before it looks at the state, or submits. A mark that is stored after the
//! look is answered after the subscription, so it is seen by one of them. An answer is lost only
//! with a connection or with the server itself, which is a gap in the client's own connection.
//! After each gap, the client looks again. Looks are answered by the stream's leader: a replica may
//! lag. A leader among replicas may stop after it has stored a mark, and before it answers, with
//! the client connected to another one. Then the writer has no answer either. It reads its mark,
//! and tells the others by a message of its own, on the subject of the answer; and if it dies
//! meanwhile, so does the next one that finds the mark in place of its own. In a cluster an answer
//! may also be lost on its way from server to server, of which the client hears nothing: it looks
//! after the next gap in its own connection.
//!
//! The answer to a begun mark is for its writer only. Most jobs end soon after, so nobody needs to
//! know. Of those that still run after some milliseconds the worker tells by a message of its own.
//! If that is lost with the worker's connection it is told again by the next one, and if it is lost
//! with the client's the client looks. Nothing depends on it but what a handle says of its state,
//! and when a worker is asked again to end a job.
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

use std::fmt::Write;

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
    // Most marks fit.
    let mut buffer = Vec::with_capacity(96);
    buffer.push(VERSION);
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

/// Decodes a mark. One that cannot be read is an outcome: nobody may replace it.
pub(crate) fn mark_of(payload: &[u8]) -> Mark {
    from_bytes(payload).unwrap_or_else(|why| Mark {
        nonce: 0,
        job: String::new(),
        state: State::Refused(format!("its outcome cannot be read: {why}")),
    })
}

/// The number of bytes that a mark may have to be told in a subject. A line of the protocol of NATS
/// has 4096 bytes at most, and ids and namespaces take some of them.
const LONGEST_TOLD: usize = 256;

/// The word in place of a mark that is too large to be told in a subject.
const NOT_TOLD: &str = "look";

/// Adds a mark to a subject, as a word.
fn tell(mark: &[u8], subject: &mut String) {
    if mark.len() > LONGEST_TOLD {
        return subject.push_str(NOT_TOLD);
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in mark {
        for digit in [byte >> 4, byte & 15] {
            subject.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
}

/// Returns the mark that a word of a subject tells. `None`: it does not tell it.
fn untold(word: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = word.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
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

    /// Returns the subjects of all answers of the server to that writer.
    pub(crate) fn answers_to(&self, writer: &str) -> String {
        format!("{}.answer.{writer}.>", self.namespace)
    }

    /// Returns the subject of the server's answer to a message of that number.
    pub(crate) fn answer(&self, writer: &str, number: u64) -> String {
        format!("{}.answer.{writer}.{number}", self.namespace)
    }

    /// Returns the subject of the server's answer to a mark.
    pub(crate) fn answer_to_mark(
        &self,
        writer: &str,
        number: u64,
        id: &JobId,
        mark: &[u8],
    ) -> String {
        const DIGITS: usize = 20;
        let known = [&self.namespace, writer, id.as_str()].map(str::len);
        let length = known.iter().sum::<usize>() + DIGITS + ".answer....".len();
        let mut subject = String::with_capacity(length + 2 * mark.len().min(LONGEST_TOLD));
        // Writing into a string does not fail.
        let _ = write!(subject, "{}.answer.{writer}.{number}.{id}.", self.namespace);
        tell(mark, &mut subject);
        subject
    }

    /// Returns the subjects of the answers to all marks.
    pub(crate) fn answers_to_marks(&self) -> String {
        format!("{}.answer.*.*.*.*.*", self.namespace)
    }

    /// Returns the subjects of the answers to the marks of all jobs of an executor.
    pub(crate) fn answers_to_marks_of(&self, owner: &str) -> String {
        format!("{}.answer.*.*.{owner}.*.*", self.namespace)
    }

    /// Returns the subjects of the answers to the marks of a job.
    pub(crate) fn answers_to_marks_of_one(&self, id: &JobId) -> String {
        format!("{}.answer.*.*.{id}.*", self.namespace)
    }

    /// Returns the number in the subject of an answer.
    pub(crate) fn number(&self, subject: &str) -> Option<u64> {
        subject.split('.').nth(3)?.parse().ok()
    }

    /// Returns the id and the mark in the subject of the answer to a mark. No mark: it is too large
    /// for a subject.
    pub(crate) fn marked(&self, subject: &str) -> Option<(JobId, Option<Mark>)> {
        let (rest, told) = subject.rsplit_once('.')?;
        let mark = untold(told).map(|mark| mark_of(&mark));
        Some((self.id(rest)?, mark))
    }

    pub(crate) fn queued(&self, priority: &str, id: &JobId) -> String {
        format!("{}.jobs.{priority}.{id}", self.namespace)
    }

    pub(crate) fn priority(&self, priority: &str) -> String {
        format!("{}.jobs.{priority}.>", self.namespace)
    }

    /// Returns the id in a subject, whose last two words it is.
    pub(crate) fn id(&self, subject: &str) -> Option<JobId> {
        let (rest, number) = subject.rsplit_once('.')?;
        let owner = rest.rsplit('.').next()?;
        let id = subject.get(subject.len() - owner.len() - 1 - number.len()..)?;
        id.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of bytes that a line of the protocol of NATS may have.
    const LINE: usize = 4096;

    fn done(result: usize) -> Mark {
        Mark {
            nonce: u64::MAX,
            job: "job".to_owned(),
            state: State::Done(Payload::Inline(vec![7; result].into())),
        }
    }

    #[test]
    fn a_subject_tells_a_mark_if_that_is_small() {
        let names = Names::new("w");
        let id: JobId = "key.invoice".parse().unwrap();
        for (result, is_told) in [(0, true), (100, true), (LONGEST_TOLD, false)] {
            let mark = done(result);
            let subject = names.answer_to_mark("writer", 7, &id, &to_bytes(&mark));
            assert_eq!(names.number(&subject), Some(7));
            assert_eq!(
                names.marked(&subject),
                Some((id.clone(), is_told.then_some(mark)))
            );
        }
        let answer = names.answer("writer", 7);
        assert_eq!(names.number(&answer), Some(7));
    }

    #[test]
    fn the_longest_subjects_fit_in_a_line() {
        // The name of a stream has 255 bytes at most.
        let names = Names::new(&"n".repeat(255));
        let id = JobId::of_key(&" ".repeat(256)).unwrap();
        let mark = to_bytes(&done(200));
        assert!(mark.len() <= LONGEST_TOLD);
        let reply = names.answer_to_mark("0123456789ab", u64::MAX, &id, &mark);
        let line = names.one("state", &id).len() + reply.len();
        assert!(line + 64 < LINE, "{line} bytes");
    }
}
