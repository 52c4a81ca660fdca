//! The rows of futures: no thread waits here, only futures do.
//!
//! Only pools that take futures take part. All of them take the same futures, from outside and
//! without a handle, and have the same channels. Each yields and sleeps in its own way.
//!
//! The floor is one thread that polls these futures in turn, whether or not they were woken. The
//! row of sleeps has no floor.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::future::yield_now;

use crate::contenders::{Contender, Sleep, Spawn};
use crate::measure::{Sample, measured};
use crate::rig::{Countdown, Setup, WARM_UP, with_pool};

/// The number of futures of `yield_many`.
pub(crate) const YIELDING: usize = 200;

pub(crate) fn yield_many<C: Contender<Pool: Spawn>>(setup: &Setup, yields: usize) -> Sample {
    with_pool::<C>(setup, |pool| yielded(setup, yields, pool, || ()))
}

pub(crate) fn yield_many_in_turn(setup: &Setup, yields: usize) -> Sample {
    let futures = InTurn::default();
    yielded(setup, yields, &futures, || futures.poll_to_end())
}

/// Measures futures that yield. The futures that warm the pool up check that each yield leads to
/// another poll.
fn yielded<S: Spawn + 'static>(setup: &Setup, yields: usize, pool: &S, run: impl Fn()) -> Sample {
    /// Yields `times` times.
    async fn yielding<S: Spawn>(times: usize, countdown: &'static Countdown) {
        for _ in 0..times {
            S::yield_now().await;
        }
        countdown.one_done();
    }
    let polls = Arc::new(AtomicUsize::new(0));
    let countdown = Countdown::from(YIELDING);
    for _ in 0..YIELDING {
        let mut future = Box::pin(yielding::<S>(WARM_UP / YIELDING, countdown));
        let polls = Arc::clone(&polls);
        pool.spawn(poll_fn(move |context| {
            polls.fetch_add(1, Ordering::Relaxed);
            future.as_mut().poll(context)
        }));
    }
    run();
    countdown.wait();
    assert!(polls.load(Ordering::Relaxed) >= WARM_UP + YIELDING);

    let countdown = Countdown::from(YIELDING);
    measured(yields, setup.counting, || {
        for _ in 0..YIELDING {
            pool.spawn(yielding::<S>(yields / YIELDING, countdown));
        }
        run();
        countdown.wait();
    })
}

/// The number of pairs of futures of `async_pingpong`.
pub(crate) const TALKING: usize = 100;

pub(crate) fn async_pingpong<C: Contender<Pool: Spawn>>(setup: &Setup, trips: usize) -> Sample {
    with_pool::<C>(setup, |pool| answered(setup, trips, pool, || ()))
}

pub(crate) fn async_pingpong_in_turn(setup: &Setup, trips: usize) -> Sample {
    let futures = InTurn::default();
    answered(setup, trips, &futures, || futures.poll_to_end())
}

/// Measures pairs of futures, of which one asks and the other answers.
fn answered(setup: &Setup, trips: usize, pool: &impl Spawn, run: impl Fn()) -> Sample {
    /// The countdown of both futures of a pair, and the sum of the right answers.
    #[derive(Clone)]
    struct Tally {
        countdown: &'static Countdown,
        right: Arc<AtomicUsize>,
    }

    async fn ask(times: usize, sender: Sender<usize>, receiver: Receiver<usize>, tally: Tally) {
        let mut right = 0;
        for n in 0..times {
            sender.send(n).await.expect("the other future lives");
            let answer = receiver.recv().await.expect("the other future lives");
            right += usize::from(answer == n + 1);
        }
        tally.right.fetch_add(right, Ordering::Relaxed);
        tally.countdown.one_done();
    }

    async fn answer(times: usize, sender: Sender<usize>, receiver: Receiver<usize>, tally: Tally) {
        for _ in 0..times {
            let n = receiver.recv().await.expect("the other future lives");
            sender.send(n + 1).await.expect("the other future lives");
        }
        tally.countdown.one_done();
    }

    let talk = |trips: usize, tally: Tally| {
        let times = trips / TALKING;
        for _ in 0..TALKING {
            let (to_other, from_one) = async_channel::bounded(1);
            let (to_one, from_other) = async_channel::bounded(1);
            pool.spawn(answer(times, to_one, from_one, tally.clone()));
            pool.spawn(ask(times, to_other, from_other, tally.clone()));
        }
        run();
        tally.countdown.wait();
    };
    let tally = || Tally {
        countdown: Countdown::from(2 * TALKING),
        right: Arc::default(),
    };
    talk(WARM_UP, tally());
    let tally = tally();
    let sample = measured(trips, setup.counting, || talk(trips, tally.clone()));
    assert_eq!(tally.right.load(Ordering::Relaxed), trips);
    sample
}

/// The order in which the futures are spawned is not that in which they wake, but a scrambled
/// order, which does not vary.
pub(crate) fn timers<C: Contender<Pool: Sleep>>(setup: &Setup, sleeps: usize) -> Sample {
    /// The time between two wake-ups, if all begin at once: 100,000 are spread over a second.
    const APART: Duration = Duration::from_micros(10);
    /// A prime, so that its multiples leave each remainder once.
    const STRIDE: u64 = 2_654_435_761;
    let sleep = |pool: &C::Pool, sleeps: usize, countdown: &'static Countdown| {
        for n in 0..sleeps as u64 {
            let time = APART * (n * STRIDE % sleeps as u64) as u32;
            pool.spawn(async move {
                C::Pool::sleep(time).await;
                countdown.one_done();
            });
        }
        countdown.wait();
    };
    with_pool::<C>(setup, |pool| {
        sleep(pool, WARM_UP, Countdown::from(WARM_UP));
        let countdown = Countdown::from(sleeps);
        let sample = measured(sleeps, setup.counting, || sleep(pool, sleeps, countdown));
        let longest = APART * (sleeps - 1) as u32;
        assert!(sample.wall_ns >= longest.as_nanos() as f64);
        sample
    })
}

/// No pool at all: futures that are polled in turn where they are spawned.
#[derive(Default)]
struct InTurn(RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>);

impl InTurn {
    /// Polls the futures in turn until all have ended.
    fn poll_to_end(&self) {
        let mut futures = self.0.borrow_mut();
        let mut context = Context::from_waker(Waker::noop());
        while !futures.is_empty() {
            futures.retain_mut(|future| future.as_mut().poll(&mut context).is_pending());
        }
    }
}

impl Spawn for InTurn {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.borrow_mut().push(Box::pin(future));
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        yield_now()
    }
}
