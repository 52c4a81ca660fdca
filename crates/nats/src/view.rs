//! What a reference adds to each job.

use std::time::Duration;

use workmill::CancelToken;

#[derive(Debug, Clone)]
pub(crate) struct View {
    /// An index of the priorities.
    pub(crate) priority: usize,
    pub(crate) retries: u32,
    pub(crate) start_within: Option<Duration>,
    pub(crate) token: Option<CancelToken>,
}

impl View {
    pub(crate) fn with_retries(retries: u32) -> Self {
        Self {
            retries,
            ..Self::default()
        }
    }
}

impl Default for View {
    fn default() -> Self {
        Self {
            priority: 1,
            retries: 0,
            start_within: None,
            token: None,
        }
    }
}
