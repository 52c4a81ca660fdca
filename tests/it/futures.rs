//! Futures on the pool's threads: as good as closures, and as orderly.

mod blocking;
mod cancelling;
mod capacity;
mod ending;
mod fairness;
mod outcomes;
mod waking;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use workmill::{Builder, CancelReason, JoinError, Overflow, PoolRef, ThreadPoolExecutor};

fn one_thread() -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(1).unwrap()
}

fn full(capacity: usize, overflow: Overflow) -> ThreadPoolExecutor {
    let builder = Builder::new().threads(1).queue_capacity(capacity);
    builder.overflow(overflow).build().unwrap()
}

/// The pool has one thread, so whatever runs afterwards shows that this one lives.
fn assert_alive(pool: &PoolRef) {
    assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    assert_eq!(pool.spawn(async { 43 }).join().unwrap(), 43);
    assert!(pool.wait_idle().is_ok());
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, JoinError>) -> Option<CancelReason> {
    outcome.unwrap_err().cancel_reason()
}

/// Returns when the thread of a pool of one has run everything that is queued now.
fn settle(pool: &PoolRef) {
    pool.submit(|| ()).join().unwrap();
}

/// Tells on which thread it is dropped.
struct Tell(mpsc::Sender<ThreadId>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.send(thread::current().id()).unwrap();
    }
}

/// A future that notes how often it is polled and where, and keeps something until it is dropped.
struct Watched {
    polls: Arc<Mutex<Vec<ThreadId>>>,
    wakers: mpsc::Sender<Waker>,
    /// So often it is pending.
    pending: usize,
    _kept: Box<dyn Send>,
}

impl Future for Watched {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let mut polls = self.polls.lock().unwrap();
        polls.push(thread::current().id());
        if polls.len() > self.pending {
            return Poll::Ready(polls.len());
        }
        // Not everybody looks.
        let _ = self.wakers.send(cx.waker().clone());
        Poll::Pending
    }
}

/// What is seen of one from outside.
struct Seen {
    polls: Arc<Mutex<Vec<ThreadId>>>,
    wakers: mpsc::Receiver<Waker>,
}

impl Seen {
    fn polls(&self) -> usize {
        self.polls.lock().unwrap().len()
    }

    /// Waits until it is pending, and wakes it.
    fn wake(&self) {
        self.wakers.recv().unwrap().wake();
    }
}

fn watched(pending: usize, kept: impl Send + 'static) -> (Watched, Seen) {
    let polls = Arc::<Mutex<Vec<_>>>::default();
    let (sender, wakers) = mpsc::channel();
    let future = Watched {
        polls: Arc::clone(&polls),
        wakers: sender,
        pending,
        _kept: Box::new(kept),
    };
    (future, Seen { polls, wakers })
}
