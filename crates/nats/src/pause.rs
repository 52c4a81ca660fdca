//! The pauses between the tries of something that has to succeed at last.

use std::time::Duration;

use tokio::sync::watch;

/// The longest pause between two tries.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Longer and longer pauses between tries, which end when the connection is made anew.
pub(crate) struct Pause {
    generation: watch::Receiver<u64>,
    next: Duration,
}

impl Pause {
    /// Makes pauses that end when `generation` changes.
    pub(crate) fn new(mut generation: watch::Receiver<u64>) -> Self {
        generation.mark_unchanged();
        let next = Duration::from_millis(2);
        Self { generation, next }
    }

    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(self.next) => {}
            _ = self.generation.changed() => {}
        }
        self.next = (self.next * 2).min(LONGEST_PAUSE);
    }
}
