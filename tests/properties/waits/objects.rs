//! The things that the tasks of a program wait for.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use workmill::{
    BoundedSemaphore, CancelToken, Event, JoinableQueue, Latch, OwnedPermit, Permit, Semaphore,
    blocking,
};

use super::program::{Channel, Flag, How, Lock, Tokens};

/// The time limit of a step that is tried again and again.
pub(super) const RETRY: Duration = Duration::from_micros(500);

/// Waits in one of the forms: with a call that blocks, with a call that blocks for some time and
/// returns an option, or with a future.
macro_rules! wait {
    ($how:expr, $plain:expr, |$limit:ident| $timed:expr, $future:expr $(,)?) => {
        match $how {
            How::Plain => $plain,
            How::Timed => {
                let $limit = Duration::MAX;
                $timed.expect("this time never passes")
            }
            How::Retried => loop {
                let $limit = RETRY;
                if let Some(done) = $timed {
                    break done;
                }
            },
            How::Nested => blocking(|| $plain),
            How::Awaited => $future.await,
            How::BlockedOn => workmill::block_on($future),
            How::Foreign => blocking(|| futures_lite::future::block_on($future)),
        }
    };
}

pub(super) use wait;

pub(super) struct LockInUse {
    lock: AnyLock,
    permits: usize,
    /// The number of permits that are held.
    held: AtomicUsize,
    takings: AtomicUsize,
}

enum AnyLock {
    Mutex(ForeignMutex),
    Semaphore(Arc<Semaphore>),
    Bounded(BoundedSemaphore),
}

/// Keeps others from a lock.
pub(super) enum Guard<'a> {
    Mutex(#[expect(dead_code, reason = "it is dropped")] ForeignGuard<'a>),
    Permit(Permit<'a>),
    Owned(OwnedPermit),
}

impl Guard<'_> {
    fn permits(&self) -> usize {
        match self {
            Self::Mutex(_) => 1,
            Self::Permit(permit) => permit.permits(),
            Self::Owned(permit) => permit.permits(),
        }
    }
}

/// A mutex of which this crate knows nothing, as std's. A future may hold it.
#[derive(Default)]
struct ForeignMutex(Mutex<bool>, Condvar);

/// Keeps others from a foreign mutex.
pub(super) struct ForeignGuard<'a>(&'a ForeignMutex);

impl ForeignMutex {
    fn lock(&self) -> ForeignGuard<'_> {
        let is_held = self.0.lock().unwrap();
        *self.1.wait_while(is_held, |is_held| *is_held).unwrap() = true;
        ForeignGuard(self)
    }
}

impl Drop for ForeignGuard<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = false;
        self.0.1.notify_one();
    }
}

pub(super) enum FlagInUse {
    Event(Event),
    Token(CancelToken),
    Condvar(Mutex<bool>, Condvar),
}

pub(super) enum ChannelInUse {
    Queue {
        queue: Box<JoinableQueue<u64>>,
        got: AtomicUsize,
        /// The sum of the items that were taken out.
        sum: AtomicU64,
    },
    Tokens(Semaphore),
}

impl LockInUse {
    pub(super) fn new(lock: Lock) -> Self {
        let semaphore = |semaphore| AnyLock::Semaphore(Arc::new(semaphore));
        Self {
            lock: match lock {
                Lock::Mutex => AnyLock::Mutex(ForeignMutex::default()),
                Lock::Semaphore(permits) => semaphore(Semaphore::new(permits)),
                Lock::Signals(permits) => semaphore(Semaphore::signals(permits)),
                Lock::Unfair(permits) => semaphore(Semaphore::unfair(permits)),
                Lock::Bounded(permits) => AnyLock::Bounded(BoundedSemaphore::new(permits)),
            },
            permits: lock.permits(),
            held: AtomicUsize::new(0),
            takings: AtomicUsize::new(0),
        }
    }

    pub(super) async fn take(&self, permits: usize, how: How) -> Guard<'_> {
        let guard = match &self.lock {
            AnyLock::Mutex(mutex) => Guard::Mutex(blocking(|| mutex.lock())),
            AnyLock::Semaphore(semaphore) => Guard::Permit(
                wait!(
                    how,
                    semaphore.acquire_many(permits),
                    |limit| semaphore.acquire_many_timeout(permits, limit).ok().map(Ok),
                    semaphore.acquire_many_async(permits),
                )
                .unwrap(),
            ),
            AnyLock::Bounded(semaphore) => Guard::Owned(
                wait!(
                    how,
                    semaphore.acquire_many_owned(permits),
                    |limit| {
                        let taken = semaphore.acquire_many_owned_timeout(permits, limit);
                        taken.ok().map(Ok)
                    },
                    semaphore.acquire_many_owned_async(permits),
                )
                .unwrap(),
            ),
        };
        let held = permits + self.held.fetch_add(permits, Ordering::SeqCst);
        assert!(held <= self.permits, "{held} permits of {}", self.permits);
        self.takings.fetch_add(1, Ordering::SeqCst);
        guard
    }

    pub(super) fn let_go(&self, guard: Guard<'_>) {
        self.held.fetch_sub(guard.permits(), Ordering::SeqCst);
        drop(guard);
    }

    /// Returns how often the lock was taken. All permits are back by now.
    pub(super) fn takings(&self) -> usize {
        match &self.lock {
            AnyLock::Mutex(mutex) => assert!(!*mutex.0.lock().unwrap()),
            AnyLock::Semaphore(semaphore) => {
                assert_eq!(semaphore.available_permits(), self.permits);
            }
            AnyLock::Bounded(semaphore) => {
                assert_eq!(semaphore.available_permits(), self.permits);
            }
        }
        self.takings.load(Ordering::SeqCst)
    }
}

impl FlagInUse {
    pub(super) fn new(flag: Flag) -> Self {
        match flag {
            Flag::Event => Self::Event(Event::new()),
            Flag::Token => Self::Token(CancelToken::new()),
            Flag::Condvar => Self::Condvar(Mutex::new(false), Condvar::new()),
        }
    }

    pub(super) fn set(&self) {
        match self {
            Self::Event(event) => event.set(),
            Self::Token(token) => token.cancel(),
            Self::Condvar(is_set, was_set) => {
                *is_set.lock().unwrap() = true;
                was_set.notify_all();
            }
        }
    }

    pub(super) async fn wait(&self, how: How) {
        match self {
            Self::Event(event) => wait_for_event(event, how).await,
            Self::Token(token) => wait!(
                how,
                token.wait(),
                |limit| token.wait_timeout(limit).then_some(()),
                token.wait_async(),
            ),
            Self::Condvar(is_set, was_set) => blocking(|| {
                let is_set = is_set.lock().unwrap();
                drop(was_set.wait_while(is_set, |is_set| !*is_set).unwrap());
            }),
        }
    }
}

pub(super) async fn wait_for_event(event: &Event, how: How) {
    wait!(
        how,
        event.wait(),
        |limit| event.wait_timeout(limit).then_some(()),
        event.wait_async(),
    );
}

pub(super) async fn wait_for_latch(latch: &Latch, how: How) {
    wait!(
        how,
        latch.wait(),
        |limit| latch.wait_timeout(limit).then_some(()),
        latch.wait_async(),
    );
}

impl ChannelInUse {
    pub(super) fn new(channel: Channel) -> Self {
        let queue = match channel {
            Channel::Tokens(tokens) => {
                return Self::Tokens(match tokens {
                    Tokens::New => Semaphore::new(0),
                    Tokens::Signals => Semaphore::signals(0),
                    Tokens::Limit => Semaphore::limit(0),
                    Tokens::Unfair => Semaphore::unfair(0),
                });
            }
            Channel::Queue(None) => JoinableQueue::unbounded(),
            Channel::Queue(Some(capacity)) => JoinableQueue::bounded(capacity),
        };
        Self::Queue {
            queue: Box::new(queue),
            got: AtomicUsize::new(0),
            sum: AtomicU64::new(0),
        }
    }

    pub(super) async fn put(&self, item: u64, how: How) {
        match self {
            Self::Tokens(permits) => permits.add_permits(1).unwrap(),
            Self::Queue { queue, .. } => wait!(
                how,
                queue.put(item),
                |limit| queue.put_timeout(item, limit).ok().map(Ok),
                queue.put_async(item),
            )
            .unwrap(),
        }
    }

    pub(super) async fn get(&self, how: How) {
        let (queue, got, sum) = match self {
            Self::Tokens(permits) => {
                let permit = wait!(
                    how,
                    permits.acquire(),
                    |limit| permits.acquire_timeout(limit).ok().map(Ok),
                    permits.acquire_async(),
                );
                return permit.unwrap().forget();
            }
            Self::Queue { queue, got, sum } => (queue, got, sum),
        };
        let item = match how {
            How::Plain => queue.get().inspect(|_| queue.task_done().unwrap()),
            how => wait!(
                how,
                queue.get_task(),
                |limit| queue.get_task_timeout(limit).ok().map(Ok),
                queue.get_task_async(),
            )
            .map(|item| *item),
        };
        got.fetch_add(1, Ordering::SeqCst);
        sum.fetch_add(item.unwrap(), Ordering::SeqCst);
    }

    pub(super) async fn finish(&self, how: How) {
        let Self::Queue { queue, .. } = self else {
            unreachable!("nothing can be done with a token but to have it");
        };
        wait!(
            how,
            queue.join(),
            |limit| match queue.join_timeout(limit) {
                Ok(true) => Some(Ok(())),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            },
            queue.join_async(),
        )
        .unwrap();
    }

    pub(super) fn items(&self) -> (usize, usize, u64) {
        match self {
            Self::Tokens(permits) => (0, permits.available_permits(), 0),
            Self::Queue { queue, got, sum } => {
                let got = got.load(Ordering::SeqCst);
                let left: Vec<_> = std::iter::from_fn(|| queue.try_get().ok()).collect();
                let sum = sum.load(Ordering::SeqCst) + left.iter().sum::<u64>();
                assert_eq!(queue.unfinished(), left.len());
                (got, left.len(), sum)
            }
        }
    }
}
