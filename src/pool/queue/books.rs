//! The corrections by which the counts of the tally become numbers of tasks.
//!
//! The tally counts more than tasks: what the pool does for itself while its end has to wait, and
//! submissions that met the close and are taken back. The user is not shown these. Each is
//! corrected together with the count that it corrects, between the beginning and the end of a
//! correction. A reader that has seen one under way, or begin, reads again: so the numbers that it
//! returns never fall.

// The standard library's under the model, too: no decision of a thread depends on these.
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::primitive::yield_now;

/// The number of times that a reader reads again at most.
const READS: usize = 1000;

/// No count.
const NONE: usize = usize::MAX;

pub(super) struct Books {
    /// The number of corrections that have begun, and of those that have ended.
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// Acceptances of what is no task.
    accepted_aside: AtomicUsize,
    /// Finishes of what is no task.
    finished_aside: AtomicUsize,
    /// The shared count of acceptances as it was at the close, in the tally's unit.
    at_close: AtomicUsize,
    /// The acceptances in the shared count since then.
    late: AtomicUsize,
}

impl Books {
    pub(super) fn new() -> Self {
        Self {
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            accepted_aside: AtomicUsize::new(0),
            finished_aside: AtomicUsize::new(0),
            at_close: AtomicUsize::new(NONE),
            late: AtomicUsize::new(0),
        }
    }

    fn correct<R>(&self, body: impl FnOnce() -> R) -> R {
        // ORDERING: all of these are sequentially consistent, since they are rare: a reader that
        // has seen something of the body has seen that it began.
        self.begun.fetch_add(1, Ordering::SeqCst);
        let result = body();
        self.ended.fetch_add(1, Ordering::SeqCst);
        result
    }

    /// Calls `accept`, which accepts what is no task if it returns `Ok`.
    pub(super) fn accept_aside<E>(&self, accept: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        self.correct(|| {
            accept()?;
            self.accepted_aside.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }

    /// Calls `finish`, which finishes what is no task.
    pub(super) fn finish_aside(&self, finish: impl FnOnce()) {
        self.correct(|| {
            finish();
            self.finished_aside.fetch_add(1, Ordering::SeqCst);
        });
    }

    /// Calls `close`, which returns the shared count of acceptances if it closes the tally.
    pub(super) fn close(&self, close: impl FnOnce() -> Option<usize>) {
        self.correct(|| {
            if let Some(accepted) = close() {
                self.at_close.store(accepted, Ordering::SeqCst);
            }
        });
    }

    /// Counts an acceptance in the shared count of a closed tally.
    #[cold]
    pub(super) fn note_late(&self) {
        self.late.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the number of finishes of what is no task.
    pub(super) fn finished(&self) -> usize {
        self.finished_aside.load(Ordering::SeqCst)
    }

    /// Returns the number of acceptances of what is no task.
    pub(super) fn accepted(&self) -> usize {
        self.accepted_aside.load(Ordering::SeqCst)
    }

    /// Returns the shared count as it was at the close, and the number of acceptances since then,
    /// if the tally is closed.
    pub(super) fn at_close(&self) -> Option<(usize, usize)> {
        let at_close = self.at_close.load(Ordering::SeqCst);
        (at_close != NONE).then(|| (at_close, self.late.load(Ordering::SeqCst)))
    }

    /// Calls `read`, which reads counts and corrections, until none is made meanwhile, or that many
    /// times that it is not worth more.
    pub(super) fn read<R>(&self, read: impl Fn() -> R) -> R {
        for _ in 0..READS {
            let ended = self.ended.load(Ordering::SeqCst);
            let result = read();
            if self.begun.load(Ordering::SeqCst) == ended {
                return result;
            }
            yield_now();
        }
        read()
    }
}
