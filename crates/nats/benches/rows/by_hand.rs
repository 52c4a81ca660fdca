//! The same protocol in bare futures: a stored job, a begun mark and an outcome by compare-and-set,
//! which is republished. There are no retries, cancels or leases, and nothing is looked up after a
//! gap.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, Republish, RetentionPolicy};
use async_nats::jetstream::{self, Context};
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
        republish: Some(Republish {
            source: "hand.state.>".to_owned(),
            destination: "hand.done.>".to_owned(),
            headers_only: false,
        }),
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

async fn mark(context: &Context, subject: &str, expected: u64, body: &'static str) -> u64 {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
    let sent = context.publish_with_headers(subject.to_owned(), headers, body.into());
    let stored = sent.await.expect("a server").await.expect("it is stored");
    stored.sequence
}

pub(crate) fn serve(url: &str) {
    runtime().block_on(async {
        let context = open(url).await;
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
            let begun = mark(&context, &subject, 0, "begun").await;
            mark(&context, &subject, begun, "done").await;
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
        let subject = format!("hand.done.{name}.*");
        let ends = context.client().subscribe(subject).await;
        let mut ends = ends.expect("a subscription");
        type Waiting = HashMap<String, oneshot::Sender<()>>;
        let waiting = Rc::new(RefCell::new(Waiting::new()));
        let answered = Rc::clone(&waiting);
        tokio::task::spawn_local(async move {
            while let Some(end) = ends.next().await {
                if end.payload == "done" {
                    let number = end.subject.rsplit('.').next().expect("a number");
                    let waits = answered.borrow_mut().remove(number);
                    waits.expect("it was submitted").send(()).expect("it waits");
                }
            }
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
