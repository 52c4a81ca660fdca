//! How jobs come to a server.
//!
//! There is one consumer for each priority, and at most one request to each at a time. A request
//! either *asks*, and is answered at once, or it *waits*, and the server answers when there is a
//! job. While slots are free, the first priority that has no request is asked; if it has no job, a
//! request waits there, and the next is asked. So a lower priority is asked only after all higher
//! ones have been found empty, and while requests wait at all three nothing is sent at all (each is
//! repeated every 30 s).
//!
//! A waiting request may bring a job when the slots have been taken by others meanwhile. It is
//! given back at once.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::{Message, StatusCode, Subject, Subscriber};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep_until, timeout};

use super::run::run;
use super::{Ack, Taken, Worker};
use crate::error::NatsError;
use crate::metrics::ServerCounts;
use crate::streams::Consumer;

/// The time after which the server forgets a request that waits.
const WAITS: Duration = Duration::from_secs(30);

/// The time after which an answer is no longer expected.
const LATE: Duration = Duration::from_secs(2);

/// The time after which something that was refused is tried again.
const REFUSED: Duration = Duration::from_millis(250);

/// The requests to one consumer.
struct Line {
    consumer: Consumer,
    inbox: Subject,
    messages: Subscriber,
    request: Option<Request>,
    /// The server has refused a request.
    not_before: Option<Instant>,
}

struct Request {
    /// The number of jobs that it may still bring.
    left: usize,
    waits: bool,
    late: Instant,
}

impl Line {
    async fn request(&mut self, jobs: usize, waits: bool) {
        let now = Instant::now();
        let config = BatchConfig {
            batch: jobs,
            no_wait: !waits,
            expires: waits.then_some(WAITS),
            ..BatchConfig::default()
        };
        self.not_before = None;
        match self
            .consumer
            .request_batch(config, self.inbox.clone())
            .await
        {
            Ok(()) => {
                let late = now + if waits { WAITS + LATE } else { LATE };
                self.request = Some(Request {
                    left: jobs,
                    waits,
                    late,
                });
            }
            Err(_) => self.not_before = Some(now + REFUSED),
        }
    }

    /// Takes note of a job that has come.
    fn brought(&mut self) {
        if let Some(request) = &mut self.request {
            request.left = request.left.saturating_sub(1);
            if request.left == 0 {
                self.request = None;
            }
        }
    }

    /// Returns when something is to be done here though nothing comes.
    fn due(&self) -> Option<Instant> {
        match &self.request {
            Some(request) => Some(request.late),
            None => self.not_before,
        }
    }
}

/// Takes jobs until the server stops, and gives back those that come after that.
pub(crate) async fn fetch(worker: Arc<Worker>, consumers: Vec<Consumer>) -> Result<(), NatsError> {
    let mut lines = Vec::new();
    for consumer in consumers {
        let inbox = Subject::from(worker.link.client.new_inbox());
        let messages = worker.link.subscribe(inbox.to_string()).await?;
        lines.push(Line {
            consumer,
            inbox,
            messages,
            request: None,
            not_before: None,
        });
    }
    let stop = worker.stop.clone();
    let mut generation = worker.link.generation();
    generation.mark_unchanged();
    while !worker.is_stopping() {
        ask(&worker, &mut lines).await;
        let due = lines.iter().filter_map(Line::due).min();
        let wakes = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let [high, normal, low] = &mut lines[..] else {
            unreachable!("there are three priorities");
        };
        // In their order: of jobs that have come, the more urgent begins first.
        let came = tokio::select! {
            biased;
            message = high.messages.next() => Some((0, message)),
            message = normal.messages.next() => Some((1, message)),
            message = low.messages.next() => Some((2, message)),
            () = worker.freed.notified() => None,
            _ = generation.changed() => {
                // The server has forgotten the requests.
                lines.iter_mut().for_each(|line| line.request = None);
                None
            }
            () = wakes => {
                late(&mut lines);
                None
            }
            () = stop.wait_async() => break,
        };
        match came {
            Some((priority, Some(message))) => {
                came_in(&worker, &mut lines[priority], priority, message).await;
            }
            Some((_, None)) => break,
            None => {}
        }
    }
    end(&worker, lines).await;
    Ok(())
}

fn late(lines: &mut [Line]) {
    let now = Instant::now();
    for line in lines {
        if line.request.as_ref().is_some_and(|it| it.late <= now) {
            line.request = None;
        }
        if line.not_before.is_some_and(|it| it <= now) {
            line.not_before = None;
        }
    }
}

async fn ask(worker: &Worker, lines: &mut [Line]) {
    let free = worker.free();
    if free == 0 {
        return;
    }
    for line in lines {
        match &line.request {
            Some(request) if request.waits => {}
            Some(_) => return,
            None if line.not_before.is_some() => return,
            None => return line.request(free, false).await,
        }
    }
}

async fn came_in(worker: &Arc<Worker>, line: &mut Line, priority: usize, message: Message) {
    if let Some(status) = message.status
        && status != StatusCode::OK
    {
        return told(worker, line, status).await;
    }
    line.brought();
    let Some(taken) = taken(worker, priority, message) else {
        return;
    };
    match worker.slot() {
        Some(slot) => {
            tokio::spawn(run(Arc::clone(worker), taken, slot));
        }
        None => {
            worker
                .ack(&taken.reply, Ack::GiveBack(Duration::ZERO))
                .await;
        }
    }
}

/// Takes note of what the server says of a request.
async fn told(worker: &Worker, line: &mut Line, status: StatusCode) {
    match status.as_u16() {
        100 => {}
        // There are no more jobs, or the request that waits is too old.
        404 | 408 => {
            let asked = line.request.take().is_some_and(|it| !it.waits);
            let free = worker.free();
            if asked && free > 0 {
                // A quarter, since requests wait at the other priorities as well.
                line.request((free / 4).max(1), true).await;
            }
        }
        // The consumer has as many requests as it takes, or is away for the moment.
        _ => {
            line.request = None;
            line.not_before = Some(Instant::now() + REFUSED);
        }
    }
}

fn taken(worker: &Worker, priority: usize, message: Message) -> Option<Taken> {
    let id = worker.link.names.id(&message.subject)?;
    let reply = message.reply.clone()?;
    let message = jetstream::Message {
        message,
        context: worker.link.context.clone(),
    };
    let delivered = message.info().ok()?.delivered;
    Some(Taken {
        id,
        priority,
        reply,
        delivered,
        payload: message.message.payload,
    })
}

/// Gives back what was on its way.
async fn end(worker: &Arc<Worker>, lines: Vec<Line>) {
    let ends = lines.into_iter().map(|line| end_one(worker, line));
    futures_util::future::join_all(ends).await;
}

async fn end_one(worker: &Arc<Worker>, mut line: Line) {
    // The answer to what was asked comes at once. If nobody listened when it comes, its jobs would
    // be held by nobody until the lease is over.
    while line.request.as_ref().is_some_and(|request| !request.waits) {
        match timeout(LATE, line.messages.next()).await {
            Ok(Some(message)) => give_back(worker, &mut line, message).await,
            _ => break,
        }
    }
    // What the server has sent before it hears of this still comes.
    if line.messages.drain().await.is_ok() {
        let rest = async {
            while let Some(message) = line.messages.next().await {
                give_back(worker, &mut line, message).await;
            }
        };
        // Without a server nothing comes.
        let _ = timeout(LATE, rest).await;
    }
}

async fn give_back(worker: &Arc<Worker>, line: &mut Line, message: Message) {
    match (message.status, message.reply) {
        (None | Some(StatusCode::OK), Some(reply)) => {
            line.brought();
            worker.ack(&reply, Ack::GiveBack(Duration::ZERO)).await;
            ServerCounts::add(&worker.counts.given_back);
        }
        (Some(StatusCode::IDLE_HEARTBEAT), _) => {}
        _ => line.request = None,
    }
}
