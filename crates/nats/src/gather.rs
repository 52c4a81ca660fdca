//! What other threads hand to the thread of the connection, many at a time.
//!
//! A future that is spawned or woken from outside is put into a queue of the runtime, from which
//! one is taken whenever nothing else is ready: each of them would send its message alone, and
//! each costs a system call that wakes the thread, awake or not. So they are gathered here. What
//! has come meanwhile is taken by one task at once, and what it spawns and wakes is ready together.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::Notify;

/// A queue, of which all is taken at once, until it is closed.
#[derive(Debug)]
pub(crate) struct Gather<T> {
    /// None: closed.
    all: Mutex<Option<Vec<T>>>,
    came: Notify,
}

impl<T> Default for Gather<T> {
    fn default() -> Self {
        let all = Mutex::new(Some(Vec::new()));
        let came = Notify::new();
        Self { all, came }
    }
}

impl<T> Gather<T> {
    fn all(&self) -> MutexGuard<'_, Option<Vec<T>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something. If the queue is closed, drops it.
    pub(crate) fn push(&self, item: T) {
        let mut all = self.all();
        let Some(queue) = &mut *all else {
            drop(all);
            return drop(item);
        };
        queue.push(item);
        let is_first = queue.len() == 1;
        drop(all);
        if is_first {
            self.came.notify_one();
        }
    }

    /// Drops what is in the queue, and all that will be.
    pub(crate) fn close(&self) {
        let all = self.all().take();
        drop(all);
    }

    /// Waits until there is something, and takes all. Called by one task only.
    pub(crate) async fn take(&self) -> Vec<T> {
        loop {
            let all = self.all().as_mut().map(std::mem::take).unwrap_or_default();
            if !all.is_empty() {
                return all;
            }
            self.came.notified().await;
        }
    }
}

/// Wakers that other threads have called.
pub(crate) type Wakers = Gather<Waker>;

impl Wakers {
    /// Wakes what has been woken. Never ends.
    pub(crate) async fn wake(self: Arc<Self>) {
        loop {
            self.take().await.into_iter().for_each(Waker::wake);
        }
    }

    /// Returns a future that is woken by these wakers.
    pub(crate) fn gathered<F>(self: &Arc<Self>, future: F) -> Gathered<F> {
        let wakers = Arc::clone(self);
        Gathered { future, wakers }
    }
}

/// A future that other threads wake.
#[derive(Debug)]
pub(crate) struct Gathered<F> {
    pub(crate) future: F,
    wakers: Arc<Wakers>,
}

/// A waker that goes the long way.
struct Detour {
    wakers: Arc<Wakers>,
    waker: Waker,
}

impl Wake for Detour {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakers.push(self.waker.clone());
    }
}

impl<F: Future + Unpin> Future for Gathered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let detour = Detour {
            wakers: Arc::clone(&self.wakers),
            waker: context.waker().clone(),
        };
        let waker = Waker::from(Arc::new(detour));
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_came_is_taken_at_once_until_it_is_closed() {
        let gather = Gather::default();
        (0..3).for_each(|n| gather.push(n));
        assert_eq!(workmill::block_on(gather.take()), [0, 1, 2]);
        let dropped = Arc::new(());
        let held = Gather::default();
        held.push(Arc::clone(&dropped));
        held.close();
        held.push(Arc::clone(&dropped));
        assert_eq!(Arc::strong_count(&dropped), 1);
    }

    #[test]
    fn what_comes_from_elsewhere_ends_the_wait() {
        let gather = Arc::new(Gather::default());
        let pushes = Arc::clone(&gather);
        let thread = std::thread::spawn(move || (0..1000).for_each(|n| pushes.push(n)));
        let mut all = Vec::new();
        while all.len() < 1000 {
            all.extend(workmill::block_on(gather.take()));
        }
        thread.join().unwrap();
        assert!(all.into_iter().eq(0..1000));
    }
}
