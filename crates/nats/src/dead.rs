//! Dead letters.

use std::fmt;
use std::sync::Arc;

use workmill::JoinError;

use crate::error::{NatsError, NatsErrorKind};
use crate::id::JobId;
use crate::link::NotStored;
use crate::objects::Of;
use crate::protocol::{DeadBody, Payload, from_bytes, to_bytes};
use crate::shared::Shared;

/// The dead letters on the server, from the oldest. Returned by
/// [`NatsRef::dead_letters`](crate::NatsRef::dead_letters). Each step blocks until the server has
/// answered. Letters that come meanwhile are returned as well.
///
/// # Examples
///
/// ```no_run
/// use workmill_nats::{Jobs, NatsExecutor};
///
/// let executor = NatsExecutor::connect("localhost", Jobs::new())?;
/// for letter in executor.dead_letters() {
///     let letter = letter?;
///     println!("{}: {} {}", letter.id(), letter.name(), letter.why());
///     if letter.attempts() == 0 {
///         letter.resend()?; // by now there are workers that know it
///     } else {
///         letter.discard()?;
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct DeadLetters {
    shared: Arc<Shared>,
    /// The first sequence number that has not been looked at. 0: there is nothing more.
    next: u64,
}

/// A job that was lost, or that no worker could call. Dropping it leaves it on the server.
///
/// # Examples
///
/// ```no_run
/// # use workmill_nats::{Jobs, NatsExecutor};
/// # fn square(n: u64) -> u64 { n * n }
/// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
/// for letter in executor.dead_letters() {
///     println!("{:?}", letter?); // stays on the server
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DeadLetter {
    shared: Arc<Shared>,
    sequence: u64,
    id: JobId,
    body: DeadBody,
}

impl DeadLetters {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            next: 1,
        }
    }
}

impl Iterator for DeadLetters {
    type Item = Result<DeadLetter, NatsError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next > 0 {
            let (shared, from) = (Arc::clone(&self.shared), self.next);
            let read = self.shared.call(async move {
                let subjects = shared.link.names.all("dead");
                let builder = shared.link.streams.dead.raw_message_builder();
                builder
                    .sequence(from)
                    .next_by_subject(subjects)
                    .send()
                    .await
            });
            let message = match read.join() {
                Ok(Ok(message)) => message,
                Ok(Err(error)) => {
                    use async_nats::jetstream::stream::LastRawMessageErrorKind as Kind;
                    self.next = 0;
                    return match error.kind() {
                        Kind::NoMessageFound => None,
                        _ => Some(Err(refused(&error))),
                    };
                }
                Err(error) => {
                    self.next = 0;
                    return Some(Err(closed(&error)));
                }
            };
            self.next = message.sequence + 1;
            let id = self.shared.link.names.id(&message.subject);
            let body = from_bytes::<DeadBody>(&message.payload);
            return Some(match (id, body) {
                (Some(id), Ok(body)) => Ok(DeadLetter {
                    shared: Arc::clone(&self.shared),
                    sequence: message.sequence,
                    id,
                    body,
                }),
                (_, Err(why)) => Err(refused(&format!(
                    "the dead letter {} cannot be read: {why}",
                    message.subject
                ))),
                // Somebody else has put it there.
                (None, _) => continue,
            });
        }
        None
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}

impl DeadLetter {
    /// Returns the id of the job. [`resume`](crate::NatsRef::resume) gets its outcome, an error, as
    /// long as that is kept.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// # let letter = executor.dead_letters().next().expect("there is one")?;
    /// assert!(executor.resume(square, letter.id()).join().is_err()); // as its handle was told
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Returns the name under which the function is registered.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// # let letter = executor.dead_letters().next().expect("there is one")?;
    /// let name = letter.name();
    /// println!("{name} is {}", if name == "square" { "ours" } else { "another program's" });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.body.envelope.job
    }

    /// Returns the number of attempts that have begun.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// # let letter = executor.dead_letters().next().expect("there is one")?;
    /// if letter.attempts() == 0 {
    ///     println!("no worker could call it, so it can be sent again without harm");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attempts(&self) -> u32 {
        self.body.attempts
    }

    /// Returns why nobody has the result of the job.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// # let letter = executor.dead_letters().next().expect("there is one")?;
    /// eprintln!("{}: {}", letter.name(), letter.why());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn why(&self) -> &str {
        &self.body.why
    }

    /// Submits the job again, with the same arguments, priority and retries, and removes the
    /// letter. Returns the new id, by which [`resume`](crate::NatsRef::resume) gets the outcome.
    ///
    /// The job needs a new id, because the old one has an outcome. If this program dies at the
    /// wrong moment the job was submitted and the letter is still there.
    ///
    /// # Blocking
    ///
    /// Blocks until the server has answered.
    ///
    /// # Errors
    ///
    /// [`NatsError`], if the queue is full or the executor was shut down. The letter is still
    /// there.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// # let letter = executor.dead_letters().next().expect("there is one")?;
    /// let id = letter.resend()?;
    /// assert_eq!(executor.resume(square, &id).join()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resend(self) -> Result<JobId, NatsError> {
        let id = self.shared.next_id();
        let sent = {
            let (shared, id) = (Arc::clone(&self.shared), id.clone());
            let subject = shared.link.names.queued(&self.body.priority, &id);
            let body = to_bytes(&self.body.envelope);
            self.shared.call(async move {
                let mut pause = shared.link.pause();
                loop {
                    match shared
                        .link
                        .store(subject.clone(), Some(0), body.clone())
                        .await
                    {
                        Ok(_) | Err(NotStored::Conflict) => return Ok(()),
                        Err(NotStored::Full(why)) => return Err(refused(&why)),
                        Err(NotStored::TooLarge) => {
                            return Err(refused(&"the job is larger than a message may be"));
                        }
                        Err(NotStored::Unclear) => pause.wait().await,
                    }
                }
            })
        };
        sent.join().map_err(|error| closed(&error))??;
        self.remove(false)?;
        Ok(id)
    }

    /// Removes the letter.
    ///
    /// # Blocking
    ///
    /// Blocks until the server has answered.
    ///
    /// # Errors
    ///
    /// [`NatsError`], if the server refuses or the executor was shut down. The letter may still be
    /// there.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// # let letter = executor.dead_letters().next().expect("there is one")?;
    /// letter.discard()?;
    /// assert_eq!(executor.dead_letters().count(), 0); // it was the only one
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(self) -> Result<(), NatsError> {
        self.remove(true)
    }

    fn remove(self, with_arguments: bool) -> Result<(), NatsError> {
        let Self {
            shared,
            sequence,
            body,
            ..
        } = self;
        let link = Arc::clone(&shared);
        let removed = shared.call(async move {
            let link = &link.link;
            if let (true, Payload::Object { name }) = (with_arguments, &body.envelope.arguments) {
                link.objects.delete(Of::Arguments, name).await;
            }
            link.streams.dead.delete_message(sequence).await
        });
        match removed.join() {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refused(&error)),
            Err(error) => Err(closed(&error)),
        }
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("name", &self.name())
            .field("attempts", &self.attempts())
            .field("why", &self.why())
            .finish()
    }
}

fn refused(why: &dyn fmt::Display) -> NatsError {
    NatsError::new(NatsErrorKind::Refused, why.to_string())
}

fn closed(_abandoned: &JoinError) -> NatsError {
    NatsError::new(
        NatsErrorKind::Refused,
        "the executor was shut down, and its connection is closed",
    )
}
