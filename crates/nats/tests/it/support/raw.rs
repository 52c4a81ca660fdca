//! What a test does at the server itself, beside the crate.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use super::NatsServer;

/// A connection of the test's own.
pub(crate) struct Raw {
    runtime: Runtime,
    context: jetstream::Context,
}

impl Raw {
    pub(crate) fn connect(server: &NatsServer) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let url = server.url();
        let context = runtime.block_on(async move {
            let client = async_nats::connect(url).await.unwrap();
            jetstream::new(client)
        });
        Self { runtime, context }
    }

    /// Returns the number of messages in a stream.
    pub(crate) fn count(&self, stream: &str) -> u64 {
        self.runtime.block_on(async {
            let stream = self.context.get_stream(format!("workmill-{stream}")).await;
            stream.unwrap().cached_info().state.messages
        })
    }

    /// Returns the number of bytes in a stream.
    pub(crate) fn bytes(&self, stream: &str) -> u64 {
        self.runtime.block_on(async {
            let stream = self.context.get_stream(stream).await.unwrap();
            stream.cached_info().state.bytes
        })
    }

    /// Returns the last message of a subject.
    pub(crate) fn last(&self, stream: &str, subject: &str) -> bytes::Bytes {
        self.runtime.block_on(async {
            let stream = self.context.get_stream(format!("workmill-{stream}")).await;
            let message = stream
                .unwrap()
                .get_last_raw_message_by_subject(subject)
                .await;
            message.unwrap().payload
        })
    }

    /// Stores a message.
    pub(crate) fn publish(&self, subject: &str, body: bytes::Bytes) {
        self.runtime.block_on(async {
            let sent = self.context.publish(subject.to_owned(), body).await;
            sent.unwrap().await.unwrap();
        });
    }

    /// Takes jobs of a priority, and does nothing about them: as a worker that dies before it does.
    pub(crate) fn take(&self, priority: &str, jobs: usize) -> usize {
        self.runtime.block_on(async {
            let stream = self.context.get_stream("workmill-jobs").await.unwrap();
            let consumer = stream.get_consumer::<pull::Config>(priority).await.unwrap();
            let batch = consumer.batch().max_messages(jobs);
            let batch = batch
                .expires(Duration::from_secs(5))
                .messages()
                .await
                .unwrap();
            batch
                .filter(|it| std::future::ready(it.is_ok()))
                .count()
                .await
        })
    }

    /// Returns the number of jobs of a priority that workers have, and that were handed out again.
    pub(crate) fn redelivered(&self, priority: &str) -> usize {
        self.runtime.block_on(async {
            let stream = self.context.get_stream("workmill-jobs").await.unwrap();
            let consumer = stream.get_consumer::<pull::Config>(priority).await;
            consumer.unwrap().cached_info().num_redelivered
        })
    }

    /// Makes that many requests that wait, and returns the number of those that were refused.
    pub(crate) fn ask(&self, priority: &str, requests: usize) -> usize {
        self.runtime.block_on(async {
            let stream = self.context.get_stream("workmill-jobs").await.unwrap();
            let consumer = stream.get_consumer::<pull::Config>(priority).await.unwrap();
            let client = self.context.client();
            let inbox = client.new_inbox();
            let answers = client.subscribe(inbox.clone()).await.unwrap();
            for _ in 0..requests {
                let request = pull::BatchConfig {
                    batch: 1,
                    expires: Some(Duration::from_secs(1)),
                    ..pull::BatchConfig::default()
                };
                let asked = consumer.request_batch(request, inbox.clone().into()).await;
                asked.unwrap();
            }
            // Each is answered when it is too old: by 408. By 409 it would be refused.
            let answers: Vec<_> = answers.take(requests).collect().await;
            let status = answers.iter().filter_map(|answer| answer.status);
            status.filter(|status| status.as_u16() == 409).count()
        })
    }

    /// Makes a stream like no other.
    pub(crate) fn create_stream(&self, name: &str, subjects: &str) {
        let config = jetstream::stream::Config {
            name: name.to_owned(),
            subjects: vec![subjects.to_owned()],
            ..jetstream::stream::Config::default()
        };
        self.runtime.block_on(async {
            self.context.create_stream(config).await.unwrap();
        });
    }

    pub(crate) fn delete_stream(&self, stream: &str) {
        self.runtime.block_on(async {
            self.context.delete_stream(stream).await.unwrap();
        });
    }

    /// Deletes the bytes of all objects, and leaves their descriptions.
    pub(crate) fn purge_stream(&self, stream: &str) {
        self.runtime.block_on(async {
            let stream = self.context.get_stream(stream).await.unwrap();
            stream.purge().filter("$O.*.C.*").await.unwrap();
        });
    }
}
