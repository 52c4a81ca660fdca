//! A connection to the server, on a thread of its own, and what is asked of the server.
//!
//! This is the only room that runs tokio. Its runtime has one thread, which only reads, writes and
//! decides; functions of the user's are called elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::{Client, Event, HeaderMap, PublishErrorKind, Request, Subscriber, header};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::watch;

use crate::answered::{Answered, NO_NUMBER};
use crate::error::{NatsError, NatsErrorKind};
use crate::id::JobId;
use crate::objects::{Objects, Of};
use crate::pause::{LONGEST_PAUSE, Pause};
use crate::protocol::{
    Envelope, Mark, Names, PRIORITIES, Payload, State, from_bytes, mark_of, to_bytes,
};
use crate::settings::Settings;
use crate::streams::{self, Streams};

/// An idle connection is asked each so long whether the server is there, and given up after two
/// questions without an answer.
const PING: Duration = Duration::from_secs(5);

/// Runs the futures of a connection on a thread of its own. Dropping it ends them where they wait.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: tokio::runtime::Handle,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Runtime {
    pub(crate) fn start(name: &str) -> Result<Self, NatsError> {
        let refused = |error: std::io::Error| {
            NatsError::new(NatsErrorKind::Refused, format!("no thread: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(refused)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
                // Names are looked up by threads for which nobody waits.
                runtime.shutdown_background();
            })
            .map_err(refused)?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> &tokio::runtime::Handle {
        &self.handle
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// A connection.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) context: Context,
    pub(crate) names: Names,
    pub(crate) streams: Streams,
    pub(crate) objects: Objects,
    /// The word by which the server's answers to what this connection stores come to it.
    writer: String,
    answered: Arc<Answered>,
    /// The number of times that the connection was made. What was under way is lost with each.
    generation: watch::Receiver<u64>,
    nonces: Nonces,
}

/// Numbers that nobody else has, as far as chance goes.
#[derive(Debug)]
struct Nonces {
    base: u64,
    next: AtomicU64,
}

/// What the server answers to a message for a stream. If it has refused it there is an error, and
/// a sequence number as well, which is 0.
#[derive(Deserialize)]
struct Stored {
    seq: Option<u64>,
    error: Option<async_nats::jetstream::Error>,
}

/// Why something was not stored.
#[derive(Debug)]
pub(crate) enum NotStored {
    /// The last message of the subject is another one.
    Conflict,
    /// There is no room.
    Full(String),
    /// The message is larger than the server takes.
    TooLarge,
    /// It may have been stored.
    Unclear,
}

/// What became of a mark.
#[derive(Debug)]
pub(crate) enum Decision {
    /// It is the state, with that sequence number.
    Won(u64),
    /// The state is another one.
    Lost(Option<(u64, Mark)>),
}

impl Link {
    pub(crate) async fn open(settings: &Settings) -> Result<Self, NatsError> {
        let (connections, generation) = watch::channel(0);
        let connections = Arc::new(connections);
        let mut options = async_nats::ConnectOptions::new()
            .ping_interval(PING)
            // Names and ids are valid where they are made.
            .skip_subject_validation(true)
            .connection_timeout(Duration::from_secs(5))
            .request_timeout(Some(settings.request_timeout))
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| {
                let doubled = Duration::from_millis(5) * (1 << attempts.min(8)) as u32;
                doubled.min(LONGEST_PAUSE)
            })
            .event_callback(move |event| {
                // A subscriber that was too slow has missed messages, as in a gap.
                if matches!(event, Event::Connected | Event::SlowConsumer(_)) {
                    connections.send_modify(|count| *count += 1);
                }
                std::future::ready(())
            });
        if let Some(name) = &settings.name {
            options = options.name(name);
        }
        let addresses: Vec<_> = settings.url.split(',').map(str::trim).collect();
        let connected = options.connect(&addresses[..]).await;
        let client = connected.map_err(|error| {
            let shown: Vec<_> = addresses.iter().map(|it| without_secret(it)).collect();
            let message = format!("no connection to {}: {error}", shown.join(", "));
            NatsError::new(NatsErrorKind::Connect, message)
        })?;
        let context = ContextBuilder::new()
            .timeout(settings.request_timeout)
            .build(client.clone());
        let names = Names::new(&settings.namespace);
        let streams = streams::open(&context, &names, settings).await?;
        let objects = Objects::new(
            &context,
            &names,
            streams.keep_results,
            settings.replicas.unwrap_or(1),
        );
        let writer = random();
        let answers = client.subscribe(names.answers_to(&writer)).await;
        let answers =
            answers.map_err(|error| NatsError::new(NatsErrorKind::Refused, error.to_string()))?;
        let answered = Arc::new(Answered::default());
        let hears = Arc::clone(&answered).hear(
            answers,
            names.clone(),
            generation.clone(),
            settings.request_timeout,
        );
        tokio::spawn(hears);
        let nonces = Nonces {
            base: u64::from_str_radix(&random(), 36).unwrap_or_default(),
            next: AtomicU64::new(0),
        };
        Ok(Self {
            client,
            context,
            names,
            streams,
            objects,
            writer,
            answered,
            generation,
            nonces,
        })
    }

    /// Returns a number for a mark.
    pub(crate) fn nonce(&self) -> u64 {
        // ORDERING: Relaxed: only the number counts.
        let count = self.nonces.next.fetch_add(1, Ordering::Relaxed);
        self.nonces.base.wrapping_add(count)
    }

    /// Returns a watch of the connection: its value changes whenever something may have been lost.
    pub(crate) fn generation(&self) -> watch::Receiver<u64> {
        self.generation.clone()
    }

    /// Returns the pauses between the tries of something.
    pub(crate) fn pause(&self) -> Pause {
        Pause::new(self.generation.clone())
    }

    /// Returns the number of bytes that a message may have, beside its headers.
    pub(crate) fn largest(&self) -> usize {
        const HEADERS: usize = 4096;
        self.client.max_payload().saturating_sub(HEADERS)
    }

    /// Subscribes. That fails only if the connection has been closed for good.
    pub(crate) async fn subscribe(&self, subject: String) -> Result<Subscriber, NatsError> {
        let subscribed = self.client.subscribe(subject).await;
        subscribed.map_err(|error| NatsError::new(NatsErrorKind::Refused, error.to_string()))
    }

    /// Stores a message, if the last one of its subject has that sequence number. Tries once.
    pub(crate) async fn store(
        &self,
        subject: String,
        expected: Option<u64>,
        body: Bytes,
    ) -> Result<u64, NotStored> {
        let reply = |number| self.names.answer(&self.writer, number);
        self.store_and_tell(subject, reply, expected, body).await
    }

    /// Stores a mark, if the last one of the job has that sequence number. Tries once. The server's
    /// answer goes to those who wait for the job as well, unless the mark is a begin.
    async fn store_mark(
        &self,
        id: &JobId,
        expected: u64,
        mark: &Mark,
        body: Bytes,
    ) -> Result<u64, NotStored> {
        let subject = self.names.one("state", id);
        let reply = |number| match mark.state {
            State::Begun { .. } => self.names.answer(&self.writer, number),
            _ => self.names.answer_to_mark(&self.writer, number, id, &body),
        };
        let stored = self.store_and_tell(subject, reply, Some(expected), body.clone());
        stored.await
    }

    /// Tells those who wait for a job of a mark that is stored. They may miss it.
    pub(crate) async fn tell(&self, id: &JobId, sequence: u64, mark: &Mark) {
        let subject = self
            .names
            .answer_to_mark(&self.writer, NO_NUMBER, id, &to_bytes(mark));
        // As the server would answer.
        let body = format!("{{\"seq\":{sequence}}}");
        let _ = self.client.publish(subject, body.into()).await;
    }

    async fn store_and_tell(
        &self,
        subject: String,
        reply: impl FnOnce(u64) -> String,
        expected: Option<u64>,
        body: Bytes,
    ) -> Result<u64, NotStored> {
        let (number, answer) = self.answered.expect();
        let reply = reply(number);
        let sent = match expected {
            Some(expected) => {
                let mut headers = HeaderMap::new();
                headers.insert(
                    header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
                    expected.to_string(),
                );
                let client = &self.client;
                client
                    .publish_with_reply_and_headers(subject, reply, headers, body)
                    .await
            }
            None => self.client.publish_with_reply(subject, reply, body).await,
        };
        match sent {
            Ok(()) => {}
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                return Err(NotStored::TooLarge);
            }
            Err(_) => return Err(NotStored::Unclear),
        }
        match answer.await {
            Ok(answer) => read_answer(&answer),
            // None has come, and it may have been stored.
            Err(_) => Err(NotStored::Unclear),
        }
    }

    /// Reads the last message of a subject. Tries until there is an answer.
    pub(crate) async fn last(&self, stream: &Stream, subject: &str) -> Option<StreamMessage> {
        let mut pause = self.pause();
        loop {
            let mut generation = self.generation.clone();
            generation.mark_unchanged();
            let read = tokio::select! {
                read = stream.get_last_raw_message_by_subject(subject) => Some(read),
                _ = generation.changed() => None,
            };
            match read {
                Some(Ok(message)) => return Some(message),
                Some(Err(error)) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                    return None;
                }
                _ => pause.wait().await,
            }
        }
    }

    /// Reads the state of a job. Tries until there is an answer.
    pub(crate) async fn state(&self, id: &JobId) -> Option<(u64, Mark)> {
        let subject = self.names.one("state", id);
        let message = self.last(&self.streams.state, &subject).await?;
        Some((message.sequence, mark_of(&message.payload)))
    }

    /// Reads a job that has not ended from the queue. Tries until there is an answer.
    pub(crate) async fn queued(&self, id: &JobId) -> Option<StreamMessage> {
        // Of whatever priority it is. The server finds no last message of several subjects.
        for priority in PRIORITIES {
            let subject = self.names.queued(priority, id);
            if let Some(message) = self.last(&self.streams.jobs, &subject).await {
                return Some(message);
            }
        }
        None
    }

    /// Replaces the state of a job that has that sequence number, by compare-and-set. Tries until
    /// it is known what has become of it.
    pub(crate) async fn decide(
        &self,
        id: &JobId,
        expected: u64,
        mark: &Mark,
    ) -> Result<Decision, NotStored> {
        let body = to_bytes(mark);
        match self.store_mark(id, expected, mark, body.clone()).await {
            Ok(sequence) => Ok(Decision::Won(sequence)),
            Err(NotStored::TooLarge) => Err(NotStored::TooLarge),
            // In a box, since it is rare, and so large that each job would be.
            Err(NotStored::Conflict | NotStored::Unclear | NotStored::Full(_)) => {
                Box::pin(self.decide_again(id, expected, mark, body)).await
            }
        }
    }

    /// Looks what has become of a mark, and writes it again until that is known.
    async fn decide_again(
        &self,
        id: &JobId,
        mut expected: u64,
        mark: &Mark,
        body: Bytes,
    ) -> Result<Decision, NotStored> {
        let mut pause = self.pause();
        loop {
            match self.state(id).await {
                Some((sequence, there)) if there.nonce == mark.nonce => {
                    // The server may have stopped before it could tell.
                    if !matches!(mark.state, State::Begun { .. }) {
                        self.tell(id, sequence, mark).await;
                    }
                    return Ok(Decision::Won(sequence));
                }
                Some((sequence, _)) if sequence == expected => {}
                // The mark that was to be replaced is no longer kept.
                None => expected = 0,
                there => {
                    // Its writer may have died before anybody was told: the leader among replicas
                    // does not answer if it has changed meanwhile. The mark without a nonce is one
                    // that this version cannot read.
                    if let Some((sequence, mark)) = &there
                        && mark.state.is_final()
                        && mark.nonce != 0
                    {
                        self.tell(id, *sequence, mark).await;
                    }
                    return Ok(Decision::Lost(there));
                }
            }
            pause.wait().await;
            match self.store_mark(id, expected, mark, body.clone()).await {
                Ok(sequence) => return Ok(Decision::Won(sequence)),
                Err(NotStored::TooLarge) => return Err(NotStored::TooLarge),
                Err(NotStored::Conflict | NotStored::Unclear | NotStored::Full(_)) => {}
            }
        }
    }

    /// Deletes a job from the queue, with its large arguments. Tries until it is not there.
    pub(crate) async fn unqueue(&self, id: &JobId) {
        let mut pause = self.pause();
        while let Some(message) = self.queued(id).await {
            if let Ok(Envelope {
                arguments: Payload::Object { name },
                ..
            }) = from_bytes(&message.payload)
            {
                self.objects.delete(Of::Arguments, &name).await;
            }
            match self.streams.jobs.delete_message(message.sequence).await {
                Ok(_) => {}
                Err(_) => pause.wait().await,
            }
        }
    }

    /// Asks the worker of a job. `None`: nobody has answered in time.
    pub(crate) async fn ask(
        &self,
        id: &JobId,
        question: &'static str,
        patience: Duration,
    ) -> Option<Bytes> {
        let request = Request::new()
            .payload(question.into())
            .timeout(Some(patience));
        let answer = self.client.send_request(self.names.one("ask", id), request);
        answer.await.ok().map(|message| message.payload)
    }
}

/// The server says that a subject's last message is another one in several ways.
fn is_conflict(code: ErrorCode) -> bool {
    // The last has been written at this moment; it is not yet known by which sequence number.
    const WRONG_LAST_SEQUENCE_UNKNOWN: u64 = 10164;
    code.0 == WRONG_LAST_SEQUENCE_UNKNOWN
}

/// Returns an address without the password in it.
fn without_secret(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", &url[..scheme + 3], &url[at..])
        }
        (None, Some(at)) => format!("…{}", &url[at..]),
        _ => url.to_owned(),
    }
}

/// Returns a word that nobody else has, as far as chance goes: twelve digits to the base of 36.
pub(crate) fn random() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut left = RandomState::new().build_hasher().finish();
    let digits = std::iter::repeat_with(|| {
        let digit = char::from_digit((left % 36) as u32, 36);
        left /= 36;
        digit.unwrap_or('0')
    });
    digits.take(12).collect()
}

/// Returns the sequence number under which a message was stored, by what the server has answered.
pub(crate) fn read_answer(answer: &[u8]) -> Result<u64, NotStored> {
    match serde_json::from_slice(answer) {
        Ok(Stored {
            error: Some(error), ..
        }) => Err(match error.error_code() {
            ErrorCode::STREAM_WRONG_LAST_SEQUENCE => NotStored::Conflict,
            ErrorCode::STREAM_STORE_FAILED
            | ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => NotStored::Full(error.to_string()),
            _ if is_conflict(error.error_code()) => NotStored::Conflict,
            _ => NotStored::Unclear,
        }),
        Ok(Stored {
            seq: Some(sequence),
            error: None,
        }) => Ok(sequence),
        _ => Err(NotStored::Unclear),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_refused_is_not_stored_as_number_0() {
        let read = |text: &str| read_answer(text.as_bytes());
        assert!(matches!(read(r#"{"stream":"s","seq":7}"#), Ok(7)));
        assert!(matches!(
            read(r#"{"stream":"s","seq":7,"duplicate":true}"#),
            Ok(7)
        ));
        let refused = |code: u32| {
            let error = format!(r#"{{"code":400,"err_code":{code},"description":"no"}}"#);
            read(&format!(r#"{{"error":{error},"stream":"s","seq":0}}"#))
        };
        assert!(matches!(refused(10071), Err(NotStored::Conflict)));
        assert!(matches!(refused(10077), Err(NotStored::Full(_))));
        assert!(matches!(refused(10000), Err(NotStored::Unclear)));
        for text in [r#"{"stream":"s"}"#, "{}", "", "no"] {
            assert!(matches!(read(text), Err(NotStored::Unclear)), "{text}");
        }
    }
}
