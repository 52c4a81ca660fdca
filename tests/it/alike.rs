//! Promises that hold for everything that can be waited for.

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use workmill::{CancelToken, Event, JoinableQueue, Latch, Notify, Semaphore};

use crate::support::{Hostile, limited};

/// Something to wait for, which lets nobody through at first.
trait Waited: Send + Sync + 'static {
    /// Waits for no longer than `timeout`; returns `true` if the wait ended well.
    fn wait_timeout(&self, timeout: Duration) -> bool;
    fn wait(&self);
    fn wait_async(&self) -> impl Future<Output = ()>;
    /// Releases a few waiters.
    fn open(&self);
}

/// For types that have waits of these names themselves.
macro_rules! waited {
    ($kind:ident, $open:ident) => {
        impl Waited for $kind {
            fn wait_timeout(&self, timeout: Duration) -> bool {
                self.wait_timeout(timeout)
            }

            fn wait(&self) {
                self.wait();
            }

            async fn wait_async(&self) {
                self.wait_async().await;
            }

            fn open(&self) {
                self.$open();
            }
        }
    };
}

waited!(Event, set);
waited!(Latch, count_down);
waited!(CancelToken, cancel);

impl Waited for Notify {
    fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_timeout(timeout)
    }

    fn wait(&self) {
        self.wait();
    }

    async fn wait_async(&self) {
        self.wait_async().await;
    }

    fn open(&self) {
        (0..5).for_each(|_| self.notify_one());
    }
}

impl Waited for Semaphore {
    fn wait_timeout(&self, timeout: Duration) -> bool {
        let permit = self.acquire_timeout(timeout);
        permit.map(|permit| permit.forget()).is_ok()
    }

    fn wait(&self) {
        self.acquire().unwrap().forget();
    }

    async fn wait_async(&self) {
        self.acquire_async().await.unwrap().forget();
    }

    fn open(&self) {
        self.add_permits(5).unwrap();
    }
}

/// Waits for an item.
struct Get(JoinableQueue<()>);

impl Waited for Get {
    fn wait_timeout(&self, timeout: Duration) -> bool {
        self.0.get_timeout(timeout).is_ok()
    }

    fn wait(&self) {
        self.0.get().unwrap();
    }

    async fn wait_async(&self) {
        self.0.get_async().await.unwrap();
    }

    fn open(&self) {
        (0..5).for_each(|_| self.0.put(()).unwrap());
    }
}

/// Waits for room, or for a getter that takes the item.
struct Put(JoinableQueue<()>);

impl Put {
    fn full(capacity: usize) -> Self {
        let queue = JoinableQueue::bounded(capacity);
        (0..capacity).for_each(|_| queue.put(()).unwrap());
        Self(queue)
    }
}

impl Waited for Put {
    fn wait_timeout(&self, timeout: Duration) -> bool {
        self.0.put_timeout((), timeout).is_ok()
    }

    fn wait(&self) {
        self.0.put(()).unwrap();
    }

    async fn wait_async(&self) {
        self.0.put_async(()).await.unwrap();
    }

    fn open(&self) {
        (0..3).for_each(|_| self.0.get().unwrap());
    }
}

/// Waits until no item is unfinished.
struct Join(JoinableQueue<()>);

impl Waited for Join {
    fn wait_timeout(&self, timeout: Duration) -> bool {
        self.0.join_timeout(timeout).unwrap()
    }

    fn wait(&self) {
        self.0.join().unwrap();
    }

    async fn wait_async(&self) {
        self.0.join_async().await.unwrap();
    }

    fn open(&self) {
        drop(self.0.get_task().unwrap());
    }
}

/// Calls a test for one of each kind.
macro_rules! for_each_kind {
    ($test:ident) => {
        limited(|| {
            $test(Event::new());
            $test(Latch::new(1));
            $test(CancelToken::new());
            $test(Notify::new());
            $test(Semaphore::new(0));
            $test(Semaphore::unfair(0));
            $test(Get(JoinableQueue::unbounded()));
            $test(Get(JoinableQueue::bounded(0)));
            $test(Put::full(2));
            $test(Put::full(0));
            let unfinished = JoinableQueue::unbounded();
            unfinished.put(()).unwrap();
            $test(Join(unfinished));
        });
    };
}

/// Opens from another thread while `body` runs.
fn while_opened<W: Waited>(waited: &W, body: impl FnOnce()) {
    thread::scope(|scope| {
        let opener = scope.spawn(|| waited.open());
        body();
        // A hand-over needs a thread that takes the item.
        while !opener.is_finished() {
            waited.wait_timeout(Duration::from_millis(1));
        }
    });
}

fn takes_zero_and_forever<W: Waited>(waited: W) {
    assert!(!waited.wait_timeout(Duration::ZERO));
    let (began, limit) = (Instant::now(), Duration::from_millis(5));
    assert!(!waited.wait_timeout(limit));
    assert!(began.elapsed() >= limit);
    while_opened(&waited, || assert!(waited.wait_timeout(Duration::MAX)));
}

#[test]
fn every_timed_wait_takes_zero_and_forever() {
    for_each_kind!(takes_zero_and_forever);
}

fn is_not_ended_by_strays<W: Waited>(waited: W) {
    let (waited, is_over) = (Arc::new(waited), Arc::new(AtomicBool::new(false)));
    let waiter = {
        let (waited, is_over) = (Arc::clone(&waited), Arc::clone(&is_over));
        thread::spawn(move || {
            waited.wait();
            is_over.store(true, Ordering::SeqCst);
        })
    };
    for n in 0..1000 {
        waiter.thread().unpark();
        // Not each time: a busy machine may take milliseconds to come back.
        if n % 20 == 0 {
            thread::yield_now();
        }
    }
    assert!(!is_over.load(Ordering::SeqCst));
    while_opened(&*waited, || waiter.join().unwrap());
}

#[test]
fn stray_wake_ups_end_no_wait() {
    for_each_kind!(is_not_ended_by_strays);
}

fn contains_what_wakers_do<W: Waited>(waited: W) {
    let wakers = [(); 4].map(|()| Waker::from(Arc::new(Hostile)));
    let mut hostile = Box::pin(waited.wait_async());
    let mut given_up = Box::pin(waited.wait_async());
    for waker in &wakers[..2] {
        let mut cx = Context::from_waker(waker);
        assert!(hostile.as_mut().poll(&mut cx).is_pending());
        assert!(given_up.as_mut().poll(&mut cx).is_pending());
    }
    drop(given_up);
    let other = pin!(waited.wait_async());
    while_opened(&waited, || future::block_on(other));
    let mut cx = Context::from_waker(&wakers[2]);
    // Woken or not, it is in the queue, and may have what it waited for.
    let _ = hostile.as_mut().poll(&mut cx);
    drop(hostile);
    wakers.into_iter().for_each(std::mem::forget);
}

#[test]
fn wakers_that_panic_are_contained_and_others_woken() {
    for_each_kind!(contains_what_wakers_do);
}

#[test]
fn nothing_asks_for_the_time_of_day() {
    fn read(dir: &Path, text: &mut String) {
        for entry in fs::read_dir(dir).expect("the sources are here") {
            let path = entry.expect("they can be listed").path();
            match path.is_dir() {
                true => read(&path, text),
                false => *text += &fs::read_to_string(path).expect("they can be read"),
            }
        }
    }
    let mut text = String::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    assert!(text.contains("Instant::now"));
    assert!(!text.contains("SystemTime"));
}
