//! The server's answers to what is stored, matched by a number.
//!
//! Requests of async-nats have replies to subjects of its own choice. Here the subject says more:
//! the answer to a mark goes to its writer, and to all who wait for the job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::protocol::Names;

/// The number of what nobody waits for.
pub(crate) const NO_NUMBER: u64 = 0;

/// The number of parts of the patience, after each of which it is seen who has waited for too long.
const PARTS: u32 = 16;

/// Those who wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The number of messages so far.
    last: u64,
    /// The number of parts that have passed.
    now: u32,
    /// With the number of parts that had passed when they began to wait.
    all: HashMap<u64, (u32, oneshot::Sender<Bytes>)>,
}

impl Answered {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a number for a message, and what brings the answer. It brings none if the connection
    /// is gone, or the time is over.
    pub(crate) fn expect(&self) -> (u64, oneshot::Receiver<Bytes>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.last += 1;
        let (number, now) = (waiting.last, waiting.now);
        waiting.all.insert(number, (now, sender));
        (number, receiver)
    }

    /// Gives the answers to those who wait. Ends when the connection is closed.
    pub(crate) async fn hear(
        self: Arc<Self>,
        mut answers: Subscriber,
        names: Names,
        mut generation: watch::Receiver<u64>,
        patience: Duration,
    ) {
        generation.mark_unchanged();
        let mut late = tokio::time::interval(patience / PARTS);
        // After a pause of this process the answers that are there come first.
        late.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                answer = answers.next() => {
                    let Some(answer) = answer else {
                        return;
                    };
                    let number = names.number(&answer.subject);
                    let waits = number.and_then(|number| self.waiting().all.remove(&number));
                    if let Some((_, sender)) = waits {
                        // Whoever has asked may be gone.
                        let _ = sender.send(answer.payload);
                    }
                }
                // The answers would have come by the connection that is gone.
                _ = generation.changed() => self.waiting().all.clear(),
                _ = late.tick() => {
                    let mut waiting = self.waiting();
                    waiting.now = waiting.now.wrapping_add(1);
                    let now = waiting.now;
                    waiting.all.retain(|_, (since, _)| now.wrapping_sub(*since) <= PARTS);
                }
            }
        }
    }
}
