//! How long a call may wait: for items, for room, and for others that write.

use std::thread;
use std::time::{Duration, Instant};

/// The time after which a call without a limit of its own gives up waiting for others that write.
/// They write for milliseconds, so one that writes for longer is stopped, or has forgotten to end
/// its transaction.
const WRITERS: Duration = Duration::from_secs(30);

/// The shortest pause between two tries to write while another process does. A commit takes from
/// some 20 microseconds to some milliseconds, and the file is free only for a moment before the
/// next: the more often a writer tries, the sooner it meets such a moment.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);

/// The longest such pause. A writer that has waited for a second may have to wait for long.
const LONGEST_PAUSE: Duration = Duration::from_millis(4);

/// How long a call may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    Now,
    /// Until then.
    Until(Instant),
    /// Forever.
    Forever,
}

impl Patience {
    /// Returns the patience of a call with that time limit.
    pub(crate) fn within(timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            _ if timeout.is_zero() => Self::Now,
            Some(end) => Self::Until(end),
            None => Self::Forever,
        }
    }

    /// Returns the time that is left, or `None` if it is over. `MAX` is forever.
    pub(crate) fn left(self) -> Option<Duration> {
        match self {
            Self::Now => None,
            Self::Forever => Some(Duration::MAX),
            Self::Until(end) => {
                Some(end.saturating_duration_since(Instant::now())).filter(|it| !it.is_zero())
            }
        }
    }
}

/// Pauses between the tries to write while another process does: each a small part of what was
/// waited already.
#[derive(Debug)]
pub(crate) struct Pauses {
    begin: Instant,
    end: Option<Instant>,
}

impl Pauses {
    pub(crate) fn new(patience: Patience) -> Self {
        let begin = Instant::now();
        let longest = begin + WRITERS;
        let end = match patience {
            Patience::Now => None,
            Patience::Forever => Some(longest),
            Patience::Until(end) => Some(end.min(longest)),
        };
        Self { begin, end }
    }

    /// Waits a while, and returns `false` if the time was over before.
    pub(crate) fn pause(&mut self) -> bool {
        let now = Instant::now();
        let Some(end) = self.end.filter(|end| *end > now) else {
            return false;
        };
        let part = (now - self.begin) / 256;
        let pause = part.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        thread::sleep(pause.min(end - now));
        true
    }
}
