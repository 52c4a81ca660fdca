//! Futures run on the pool's threads as well as closures, and in as good an order.

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

/// The pool has one thread, so the next task shows that the thread lives.
fn assert_alive(pool: &PoolRef) {
    assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    assert_eq!(pool.spawn(async { 43 }).join().unwrap(), 43);
    assert!(pool.wait_idle().is_ok());
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, JoinError>) -> Option<CancelReason> {
    outcome.unwrap_err().cancel_reason()
}

/// Returns when the only worker has run everything that is queued now.
fn settle(pool: &PoolRef) {
    pool.submit(|| ()).join().unwrap();
}

/// Sends the thread that it is dropped on.
struct Tell(mpsc::Sender<ThreadId>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.send(thread::current().id()).unwrap();
    }
}

/// A future that notes how often it is polled and where, and keeps a value until it is dropped.
struct Watched {
    polls: Arc<Mutex<Vec<ThreadId>>>,
    wakers: mpsc::Sender<Waker>,
    /// The number of polls that return pending.
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
        // The receiver may be gone.
        let _ = self.wakers.send(cx.waker().clone());
        Poll::Pending
    }
}

/// The view of a [`Watched`] future from outside.
struct Seen {
    polls: Arc<Mutex<Vec<ThreadId>>>,
    wakers: mpsc::Receiver<Waker>,
}

impl Seen {
    fn polls(&self) -> usize {
        self.polls.lock().unwrap().len()
    }

    /// Waits until the future is pending, and wakes it.
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
