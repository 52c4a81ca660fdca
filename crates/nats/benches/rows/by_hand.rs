//! The same protocol in bare futures: a stored job, a begun mark and an outcome by compare-and-set,
//! whose answer by the server goes to the submitter as well. There are no retries, cancels or
//! leases, and nothing is looked up after a gap.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Subscriber};
use futures_util::StreamExt;
use tokio::sync::oneshot;

use crate::raw::runtime;
use crate::{ALONE, IN_FLIGHT, MANY, worker};

async fn open(url: &str) -> Context {
    let client = async_nats::connect(url).await.expect("a connection");
    let context = jetstream::new(client);
    let jobs = Config {
        name: "hand-jobs".to_owned(),
        subjects: vec!["hand.jobs.>".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        ..Config::default()
    };
    let state = Config {
        name: "hand-state".to_owned(),
        subjects: vec!["hand.state.>".to_owned()],
        max_messages_per_subject: 1,
        ..Config::default()
    };
    for config in [jobs, state] {
        context
            .get_or_create_stream(config)
            .await
            .expect("a stream");
    }
    context
}

type Waiting<T> = Rc<RefCell<HashMap<String, oneshot::Sender<T>>>>;

/// Gives what comes to a subscription to those who wait, by the last word of its subject.
fn give<T: 'static>(
    mut ends: Subscriber,
    waiting: &Waiting<T>,
    read: impl Fn(&[u8]) -> T + 'static,
) {
    let waiting = Rc::clone(waiting);
    tokio::task::spawn_local(async move {
        while let Some(end) = ends.next().await {
            let number = end.subject.rsplit('.').next().expect("a number");
            let waits = waiting.borrow_mut().remove(number);
            let waits = waits.expect("somebody has asked");
            assert!(waits.send(read(&end.payload)).is_ok(), "it waits");
        }
    });
}

/// Returns the sequence number under which the server has stored a message.
fn stored(answer: &[u8]) -> u64 {
    let answer = std::str::from_utf8(answer).expect("text");
    assert!(!answer.contains("error"), "{answer}");
    let (_, rest) = answer.split_once("\"seq\":").expect("it is stored");
    let digits = rest.split(|it: char| !it.is_ascii_digit()).next();
    digits.and_then(|it| it.parse().ok()).expect("a number")
}

struct Marks {
    client: Client,
    waiting: Waiting<u64>,
}

impl Marks {
    async fn new(client: Client) -> Self {
        let answers = client.subscribe("hand.answer.>").await;
        let waiting = Waiting::default();
        give(answers.expect("a subscription"), &waiting, stored);
        Self { client, waiting }
    }

    async fn mark(&self, subject: &str, reply: String, expected: u64, body: &'static str) -> u64 {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        let (send, stored) = oneshot::channel();
        let number = reply.rsplit('.').next().expect("a number").to_owned();
        self.waiting.borrow_mut().insert(number, send);
        let subject = subject.to_owned();
        let sent = self
            .client
            .publish_with_reply_and_headers(subject, reply, headers, body.into());
        sent.await.expect("a server");
        stored.await.expect("it is stored")
    }
}

pub(crate) fn serve(url: &str) {
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime(), async {
        let context = open(url).await;
        let marks = Marks::new(context.client()).await;
        let stream = context.get_stream("hand-jobs").await.expect("a stream");
        let config = pull::Config {
            durable_name: Some("workers".to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: 100_000,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let jobs = consumer.messages().await.expect("messages");
        println!("ready");
        jobs.for_each_concurrent(256, async |job| {
            let job = job.expect("a job");
            let subject = job.subject.replace("jobs", "state");
            let id = subject.strip_prefix("hand.state.").expect("the id");
            let number = id.rsplit('.').next().expect("a number");
            let reply = format!("hand.answer.begun.b{number}");
            let begun = marks.mark(&subject, reply, 0, "begun").await;
            let reply = format!("hand.answer.{id}");
            marks.mark(&subject, reply, begun, "done").await;
            job.ack().await.expect("a server");
        })
        .await;
    });
}

/// Removes what an earlier round has left: a worker that was killed has not acknowledged all.
async fn forget(url: &str) {
    let client = async_nats::connect(url).await.expect("a connection");
    let context = jetstream::new(client);
    for stream in ["hand-jobs", "hand-state"] {
        let _ = context.delete_stream(stream).await;
    }
}

pub(crate) fn run(url: &str) -> [f64; 2] {
    let runtime = runtime();
    runtime.block_on(forget(url));
    let _worker = worker("by hand", url);
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let context = open(url).await;
        let name = context.client().new_inbox().replace('.', "-");
        let subject = format!("hand.answer.{name}.*");
        let ends = context.client().subscribe(subject).await;
        let waiting = Waiting::default();
        give(ends.expect("a subscription"), &waiting, |answer| {
            stored(answer);
        });
        let next = std::cell::Cell::new(0_u64);
        let job = || async {
            let number = next.replace(next.get() + 1).to_string();
            let (send, ended) = oneshot::channel();
            waiting.borrow_mut().insert(number.clone(), send);
            let subject = format!("hand.jobs.{name}.{number}");
            let sent = context.publish(subject, "".into()).await;
            sent.expect("a server").await.expect("it is stored");
            ended.await.expect("its end");
        };
        let began = std::time::Instant::now();
        for _ in 0..ALONE {
            job().await;
        }
        let alone = began.elapsed().as_nanos() as f64 / f64::from(ALONE);
        let began = std::time::Instant::now();
        let jobs = futures_util::stream::iter((0..MANY).map(|_| job()));
        jobs.buffer_unordered(IN_FLIGHT).count().await;
        let many = began.elapsed().as_nanos() as f64 / f64::from(MANY);
        [alone, many]
    })
}
