//! What executors and servers have in common: where the server is, and what its streams are like.

use std::time::Duration;

use crate::error::{NatsError, NatsErrorKind};

/// The time for which outcomes are kept, unless somebody says otherwise.
pub(crate) const KEEP_RESULTS: Duration = Duration::from_secs(60 * 60);

/// The time for which dead letters and large arguments are kept.
pub(crate) const KEEP_DEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The time after which a job is handed on if its worker gives no sign.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) name: Option<String>,
    pub(crate) namespace: String,
    pub(crate) queue_capacity: Option<u64>,
    pub(crate) queue_bytes: Option<u64>,
    pub(crate) keep_results: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) replicas: Option<usize>,
    /// The time after which a request is repeated.
    pub(crate) request_timeout: Duration,
}

impl Settings {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            name: None,
            namespace: "workmill".to_owned(),
            queue_capacity: None,
            queue_bytes: None,
            keep_results: None,
            lease: None,
            replicas: None,
            request_timeout: Duration::from_secs(5),
        }
    }

    pub(crate) fn check(&self) -> Result<(), NatsError> {
        let invalid = |message: &str| Err(NatsError::new(NatsErrorKind::Settings, message));
        let is_meant = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if self.namespace.is_empty() || !self.namespace.chars().all(is_meant) {
            return invalid("a namespace is made of ASCII letters, digits, `-` and `_`");
        }
        if self.queue_capacity == Some(0) || self.queue_bytes == Some(0) {
            return invalid("a queue in which no job may wait");
        }
        let shortest = Duration::from_millis(100);
        if self.keep_results.is_some_and(|time| time < shortest) {
            return invalid("outcomes are kept for 100 ms at least");
        }
        if self.lease.is_some_and(|time| time < shortest) {
            return invalid("a lease is 100 ms at least");
        }
        if self.replicas == Some(0) {
            return invalid("streams with no replica");
        }
        Ok(())
    }
}
