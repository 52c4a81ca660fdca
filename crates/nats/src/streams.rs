//! The streams and consumers on the server: made by whoever comes first, and compared by all.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::{Context, CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Stream};

use crate::error::{NatsError, NatsErrorKind};
use crate::protocol::{Names, PRIORITIES};
use crate::settings::{KEEP_DEAD, KEEP_RESULTS, LEASE, Settings};

/// The numbers of jobs that workers hold, and of their requests that wait, are not to be limited by
/// the server's defaults of 1,000 and 512.
const MANY: i64 = 1_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub(crate) jobs: Stream,
    pub(crate) state: Stream,
    pub(crate) dead: Stream,
    /// The time for which outcomes are kept.
    pub(crate) keep_results: Duration,
}

/// Opens the streams.
pub(crate) async fn open(
    context: &Context,
    names: &Names,
    settings: &Settings,
) -> Result<Streams, NatsError> {
    let replicas = settings.replicas.unwrap_or(1);
    let jobs = Config {
        name: names.stream("jobs"),
        subjects: vec![names.all("jobs")],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_messages: limit(settings.queue_capacity).unwrap_or(-1),
        max_bytes: limit(settings.queue_bytes).unwrap_or(-1),
        num_replicas: replicas,
        ..Config::default()
    };
    let state = Config {
        name: names.stream("state"),
        subjects: vec![names.all("state")],
        max_messages_per_subject: 1,
        max_age: settings.keep_results.unwrap_or(KEEP_RESULTS),
        num_replicas: replicas,
        ..Config::default()
    };
    let dead = Config {
        name: names.stream("dead"),
        subjects: vec![names.all("dead")],
        max_messages_per_subject: 1,
        max_age: KEEP_DEAD,
        num_replicas: replicas,
        ..Config::default()
    };
    let jobs = open_one(context, jobs, settings).await?;
    let state = open_one(context, state, settings).await?;
    let dead = open_one(context, dead, settings).await?;
    let keep_results = state.cached_info().config.max_age;
    Ok(Streams {
        jobs,
        state,
        dead,
        keep_results,
    })
}

/// Returns `true` for the stream of the marks.
fn keeps_outcomes(wanted: &Config) -> bool {
    wanted.name.ends_with("-state")
}

fn limit(limit: Option<u64>) -> Option<i64> {
    Some(i64::try_from(limit?).unwrap_or(i64::MAX))
}

async fn open_one(
    context: &Context,
    wanted: Config,
    settings: &Settings,
) -> Result<Stream, NatsError> {
    let mut stream = match context.get_or_create_stream(wanted.clone()).await {
        Ok(stream) => stream,
        // Another program has just made it, with other settings.
        Err(error) if has_code(&error, ErrorCode::STREAM_NAME_EXIST) => context
            .get_stream(&wanted.name)
            .await
            .map_err(|error| NatsError::new(NatsErrorKind::Refused, error.to_string()))?,
        Err(error) => return Err(of_create(&wanted.name, &error)),
    };
    let mut there = stream.cached_info().config.clone();
    if there == wanted {
        return Ok(stream);
    }
    // What nobody has set so far is set now.
    let mut changed = false;
    if wanted.retention == RetentionPolicy::WorkQueue {
        for (there, wanted) in [
            (&mut there.max_messages, limit(settings.queue_capacity)),
            (&mut there.max_bytes, limit(settings.queue_bytes)),
        ] {
            if let (-1, Some(wanted)) = (*there, wanted) {
                *there = wanted;
                changed = true;
            }
        }
    }
    if let Some(time) = settings.keep_results
        && keeps_outcomes(&wanted)
        && there.max_age == KEEP_RESULTS
        && time != KEEP_RESULTS
    {
        there.max_age = time;
        // The server wants the window for duplicates, which is not used, to be no longer.
        there.duplicate_window = there.duplicate_window.min(time);
        changed = true;
    }
    let differences = differences(&wanted, &there, settings);
    if !differences.is_empty() {
        return Err(NatsError::new(
            NatsErrorKind::OtherSettings,
            format!(
                "the stream `{}` on the server has other settings than this program asks for: {}; \
                 ask for the same, delete the stream, or use another namespace",
                wanted.name,
                differences.join(", ")
            ),
        ));
    }
    if changed {
        let refused =
            |error: CreateStreamError| NatsError::new(NatsErrorKind::Refused, error.to_string());
        context
            .update_stream(&there)
            .await
            .map_err(|error| NatsError::new(NatsErrorKind::Refused, error.to_string()))?;
        stream = context.get_or_create_stream(there).await.map_err(refused)?;
    }
    Ok(stream)
}

/// Names the settings that the protocol relies on, or that were asked for, and that differ.
fn differences(wanted: &Config, there: &Config, settings: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |what: &str, wanted: String, there: String| {
        if wanted != there {
            all.push(format!("{what} is {there} and not {wanted}"));
        }
    };
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    compare("subjects", text(&wanted.subjects), text(&there.subjects));
    compare("retention", text(&wanted.retention), text(&there.retention));
    compare(
        "max_msgs_per_subject",
        text(&wanted.max_messages_per_subject.max(-1)),
        text(&match there.max_messages_per_subject {
            // Without a limit.
            -1 => 0,
            limit => limit,
        }),
    );
    if wanted.discard == DiscardPolicy::New {
        compare("discard", text(&wanted.discard), text(&there.discard));
    }
    compare("republish", text(&wanted.republish), text(&there.republish));
    if wanted.retention == RetentionPolicy::WorkQueue && settings.queue_capacity.is_some() {
        compare(
            "max_msgs",
            text(&wanted.max_messages),
            text(&there.max_messages),
        );
    }
    if wanted.retention == RetentionPolicy::WorkQueue && settings.queue_bytes.is_some() {
        compare("max_bytes", text(&wanted.max_bytes), text(&there.max_bytes));
    }
    if keeps_outcomes(wanted) && settings.keep_results.is_some() {
        compare("max_age", text(&wanted.max_age), text(&there.max_age));
    }
    if settings.replicas.is_some() {
        compare(
            "num_replicas",
            text(&wanted.num_replicas),
            text(&there.num_replicas),
        );
    }
    all
}

fn has_code(error: &CreateStreamError, code: ErrorCode) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(error) if error.error_code() == code)
}

fn of_create(stream: &str, error: &CreateStreamError) -> NatsError {
    let kind = match error.kind() {
        CreateStreamErrorKind::JetStreamUnavailable => NatsErrorKind::NoJetStream,
        CreateStreamErrorKind::TimedOut => NatsErrorKind::TimedOut,
        CreateStreamErrorKind::JetStream(error) => match error.error_code() {
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                NatsErrorKind::NoJetStream
            }
            ErrorCode::STREAM_SUBJECT_OVERLAP => NatsErrorKind::OtherSettings,
            _ => NatsErrorKind::Refused,
        },
        _ => NatsErrorKind::Refused,
    };
    let hint = match kind {
        NatsErrorKind::NoJetStream => {
            "the server runs without JetStream; start it as `nats-server -js`, or allow it for \
             this account: "
        }
        _ => "",
    };
    NatsError::new(kind, format!("{hint}the stream `{stream}`: {error}"))
}

/// A consumer of jobs, one for each priority.
pub(crate) type Consumer = async_nats::jetstream::consumer::Consumer<pull::Config>;

/// Opens the consumers, in the order of [`PRIORITIES`]. Returns the lease as well.
pub(crate) async fn consumers(
    stream: &Stream,
    names: &Names,
    settings: &Settings,
) -> Result<(Vec<Consumer>, Duration), NatsError> {
    let mut all = Vec::new();
    let mut lease = LEASE;
    for priority in PRIORITIES {
        let wanted = pull::Config {
            durable_name: Some(priority.to_owned()),
            filter_subject: names.priority(priority),
            ack_policy: AckPolicy::Explicit,
            ack_wait: settings.lease.unwrap_or(LEASE),
            max_deliver: -1,
            max_ack_pending: MANY,
            max_waiting: MANY,
            ..pull::Config::default()
        };
        let refused = |error: String| {
            let message = format!("the consumer `{priority}`: {error}");
            NatsError::new(NatsErrorKind::Refused, message)
        };
        let there = stream
            .get_or_create_consumer(priority, wanted.clone())
            .await;
        let mut consumer: Consumer = there.map_err(|error| refused(error.to_string()))?;
        let mut config = consumer.cached_info().config.clone();
        if config.ack_wait != wanted.ack_wait && settings.lease.is_some() {
            if config.ack_wait != LEASE {
                return Err(NatsError::new(
                    NatsErrorKind::OtherSettings,
                    format!(
                        "the lease of the consumer `{priority}` of the stream `{}` is {:?} and not \
                         {:?}; ask for the same, or use another namespace",
                        names.stream("jobs"),
                        config.ack_wait,
                        wanted.ack_wait
                    ),
                ));
            }
            // Nobody has set it so far.
            config.ack_wait = wanted.ack_wait;
            let config = pull::Config {
                ack_wait: wanted.ack_wait,
                ..wanted.clone()
            };
            let updated = stream.create_consumer(config).await;
            consumer = updated.map_err(|error| refused(error.to_string()))?;
        }
        lease = consumer.cached_info().config.ack_wait;
        all.push(consumer);
    }
    Ok((all, lease))
}

/// Opens an object store.
pub(crate) async fn store(
    context: &Context,
    bucket: String,
    max_age: Duration,
    replicas: usize,
) -> Result<ObjectStore, String> {
    if let Ok(store) = context.get_object_store(&bucket).await {
        return Ok(store);
    }
    let config = object_store::Config {
        bucket: bucket.clone(),
        max_age,
        num_replicas: replicas,
        ..object_store::Config::default()
    };
    match context.create_object_store(config).await {
        Ok(store) => Ok(store),
        // Another program may have just made it.
        Err(error) => context
            .get_object_store(&bucket)
            .await
            .map_err(|_| error.to_string()),
    }
}
