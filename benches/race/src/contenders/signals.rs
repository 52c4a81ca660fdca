//! Signals and barriers at which threads wait: those of workmill, tokio, event-listener and std.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_lite::future::block_on;

/// A signal that is kept if nobody waits for it.
pub(crate) trait Signal: Sync {
    fn new() -> Self;

    fn notify(&self);

    /// Blocks until the signal comes, and takes it.
    fn wait(&self);
}

impl Signal for workmill::Notify {
    fn new() -> Self {
        Self::new()
    }

    fn notify(&self) {
        self.notify_one();
    }

    fn wait(&self) {
        self.wait();
    }
}

impl Signal for tokio::sync::Notify {
    fn new() -> Self {
        Self::new()
    }

    fn notify(&self) {
        self.notify_one();
    }

    fn wait(&self) {
        block_on(self.notified());
    }
}

/// An event of event-listener, which keeps nothing, beside a flag that does.
pub(crate) struct FlagAndEvent {
    is_set: AtomicBool,
    event: event_listener::Event,
}

impl Signal for FlagAndEvent {
    fn new() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            event: event_listener::Event::new(),
        }
    }

    fn notify(&self) {
        self.is_set.store(true, Ordering::Release);
        self.event.notify(1);
    }

    fn wait(&self) {
        use event_listener::Listener;
        let take = || self.is_set.swap(false, Ordering::Acquire);
        while !take() {
            let listener = self.event.listen();
            if take() {
                break;
            }
            listener.wait();
        }
    }
}

/// A barrier that can be used again.
pub(crate) trait Rounds: Sync {
    fn new(parties: usize) -> Self;

    /// Blocks until all parties have come. Returns `true` to one of them.
    fn wait(&self) -> bool;
}

impl Rounds for workmill::Barrier {
    fn new(parties: usize) -> Self {
        Self::new(parties)
    }

    fn wait(&self) -> bool {
        self.wait().is_leader()
    }
}

impl Rounds for std::sync::Barrier {
    fn new(parties: usize) -> Self {
        Self::new(parties)
    }

    fn wait(&self) -> bool {
        self.wait().is_leader()
    }
}
