//! Sleeps end at their time and not before, in order, whichever tasks sleep; they cost nothing when
//! they are gone.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once, zip};
use workmill::timer::{
    Interval, Sleep, Timeout, interval, sleep, sleep_until, timeout, timeout_at,
};
use workmill::{Elapsed, Event, Latch};

use crate::support::{Counted, Drops, Flag, Hostile, add_one, limited, until};

const SHORT: Duration = Duration::from_millis(5);

const HOUR: Duration = Duration::from_secs(3600);

/// Calls a function when it is woken.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(function: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(function)))
}

/// A waker that counts its calls.
fn counting() -> (Waker, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let woken = Arc::clone(&count);
    (waker(move || add_one(&woken)), count)
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Waits until the timer's thread has woken all sleeps whose time comes before or at `deadline`.
fn all_are_woken(deadline: Instant) {
    loop {
        let latch = Arc::new(Latch::new(1));
        let woken = Arc::clone(&latch);
        let mut last = sleep_until(deadline.max(Instant::now() + SHORT));
        if poll(&mut last, &waker(move || woken.count_down())).is_pending() {
            return latch.wait();
        }
    }
}

/// Returns the order in which sleeps with these deadlines, which begin in this order, are woken.
fn order_of(deadlines: impl Fn(Instant) -> Vec<Instant>) -> Vec<usize> {
    let mut lead = Duration::from_millis(30);
    loop {
        let start = Instant::now() + lead;
        let woken = Arc::<Mutex<Vec<_>>>::default();
        let mut sleeps = Vec::new();
        let mut last = start;
        for (index, deadline) in deadlines(start).into_iter().enumerate() {
            let woken = Arc::clone(&woken);
            let mut sleep = sleep_until(deadline);
            let polled = poll(
                &mut sleep,
                &waker(move || woken.lock().unwrap().push(index)),
            );
            sleeps.push((sleep, polled));
            last = last.max(deadline);
        }
        let in_time = Instant::now() < start;
        all_are_woken(last);
        if in_time {
            assert!(sleeps.iter().all(|(_, polled)| polled.is_pending()));
            let woken = woken.lock().unwrap();
            return woken.clone();
        }
        lead *= 2;
    }
}

#[test]
fn sleeps_are_woken_in_order_of_their_deadlines() {
    limited(|| {
        let order = order_of(|start| {
            let after = [7, 3, 9, 1, 0, 5].map(|n| start + Duration::from_millis(n));
            after.to_vec()
        });
        assert_eq!(order, [4, 3, 1, 5, 0, 2]);
    });
}

#[test]
fn sleeps_with_the_same_deadline_are_woken_in_the_order_in_which_they_began() {
    limited(|| {
        let order = order_of(|start| vec![start; 1000]);
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn a_sleep_takes_its_time_which_begins_when_it_is_made() {
    limited(|| {
        let start = Instant::now();
        let late = sleep(SHORT * 2);
        block_on(sleep(SHORT));
        assert!(start.elapsed() >= SHORT);
        block_on(late);
        assert!(start.elapsed() >= SHORT * 2);
        let deadline = Instant::now() + SHORT;
        let mut until = sleep_until(deadline);
        assert_eq!(until.deadline(), Some(deadline));
        block_on(&mut until);
        assert!(Instant::now() >= deadline && until.is_elapsed());
        // Ready for good.
        block_on(until);
        // A moment in the past.
        let past = Instant::now();
        assert_eq!(block_on(poll_once(sleep_until(past))), Some(()));
    });
}

#[test]
fn a_sleep_of_no_time_is_ready_at_the_first_poll() {
    limited(|| {
        assert_eq!(block_on(poll_once(sleep(Duration::ZERO))), Some(()));
        let ready = timeout(Duration::ZERO, ready(42));
        assert_eq!(block_on(poll_once(ready)), Some(Ok(42)));
        let never = timeout(Duration::ZERO, pending::<()>());
        assert_eq!(block_on(poll_once(never)), Some(Err(Elapsed)));
    });
}

#[test]
fn what_the_clock_cannot_tell_is_never() {
    limited(|| {
        let years = |years: u64| Duration::from_secs(years * 365 * 24 * 3600);
        let durations = [
            Duration::MAX,
            Duration::MAX / 2,
            years(100),
            years(1_000_000),
        ];
        let (waker, woken) = counting();
        let mut all = Vec::new();
        for duration in durations {
            let mut far = sleep(duration);
            assert!(poll(&mut far, &waker).is_pending() && !far.is_elapsed());
            let mut patient = timeout(duration, pending::<()>());
            assert!(poll(&mut patient, &waker).is_pending());
            all.push((far, patient));
        }
        // Others are not held up.
        block_on(sleep(SHORT));
        assert_eq!(woken.load(Ordering::SeqCst), 0);
        for (mut far, _) in all {
            far.reset(Instant::now() + SHORT);
            block_on(far);
        }
        assert_eq!(sleep(Duration::MAX).deadline(), None);
    });
}

#[test]
fn an_earlier_deadline_wakes_a_timer_that_sleeps_for_a_later_one() {
    limited(|| {
        let mut far = Vec::new();
        for round in 0..50 {
            let mut later = sleep(HOUR - SHORT * round);
            assert!(poll(&mut later, Waker::noop()).is_pending());
            far.push(later);
            block_on(sleep(SHORT / 5));
        }
    });
}

#[test]
fn many_threads_that_sleep_for_short_times_all_wake_up() {
    limited(|| {
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for round in 0..200 {
                        let time = Duration::from_micros((round * 37 + thread * 251) % 1500);
                        let start = Instant::now();
                        block_on(sleep(time));
                        assert!(start.elapsed() >= time);
                    }
                });
            }
        });
    });
}

#[test]
fn a_hundred_thousand_sleeps_all_end() {
    limited(|| {
        const SLEEPS: usize = 100_000;
        let latch = Arc::new(Latch::new(SLEEPS));
        let woken = Arc::clone(&latch);
        let waker = waker(move || woken.count_down());
        let start = Instant::now() + HOUR;
        let spread = |n: usize| Duration::from_micros(n as u64 * 7919 % 300_000);
        let mut sleeps: Vec<_> = (0..SLEEPS)
            .map(|n| sleep_until(start + spread(n)))
            .collect();
        for sleep in &mut sleeps {
            assert!(poll(sleep, &waker).is_pending());
        }
        // None has ended while they began, however long that took.
        assert_eq!(latch.count(), SLEEPS);
        let start = Instant::now();
        for (n, sleep) in sleeps.iter_mut().enumerate() {
            sleep.reset(start + spread(n));
        }
        latch.wait();
        for sleep in &mut sleeps {
            assert!(sleep.is_elapsed() && poll(sleep, &waker).is_ready());
        }
    });
}

#[test]
fn a_hundred_thousand_sleeps_that_are_dropped_leave_nothing_and_wake_nobody() {
    limited(|| {
        let (drops, deadline) = (Drops::default(), Instant::now() + HOUR);
        let kept = drops.value();
        let waker = waker(move || unreachable!("{}", size_of_val(&kept)));
        let mut sleeps: Vec<_> = (0..100_000).map(|_| sleep_until(deadline)).collect();
        for sleep in &mut sleeps {
            assert!(poll(sleep, &waker).is_pending());
        }
        // From both sides and from the middle.
        drop(sleeps.drain(40_000..60_000));
        drop(sleeps.drain(..10_000));
        drop(waker);
        assert_eq!(drops.count(), 0);
        drop(sleeps);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_sleep_that_is_dropped_wakes_nobody() {
    limited(|| {
        let (waker, woken) = counting();
        let deadline = Instant::now() + SHORT * 10;
        let mut dropped = sleep_until(deadline);
        if poll(&mut dropped, &waker).is_pending() {
            drop(dropped);
            let in_time = Instant::now() < deadline;
            all_are_woken(deadline);
            assert!(!in_time || woken.load(Ordering::SeqCst) == 0);
        }
    });
}

#[test]
fn only_the_waker_of_the_last_poll_is_woken() {
    limited(|| {
        let (first, first_woken) = counting();
        let (last, last_woken) = counting();
        let mut sleep = sleep(HOUR);
        for waker in [&first, &first, &last, &first, &last, &last] {
            assert!(poll(&mut sleep, waker).is_pending());
        }
        // The waker stays when the deadline is moved.
        let deadline = Instant::now() + SHORT;
        sleep.reset(deadline);
        all_are_woken(deadline);
        assert_eq!(first_woken.load(Ordering::SeqCst), 0);
        assert_eq!(last_woken.load(Ordering::SeqCst), 1);
        assert!(poll(&mut sleep, &first).is_ready());
    });
}

#[test]
fn a_waker_that_is_no_longer_wanted_is_dropped() {
    limited(|| {
        let drops = Drops::default();
        let holding = |value: Counted| waker(move || unreachable!("{}", size_of_val(&value)));
        let mut sleep = sleep(HOUR);
        assert!(poll(&mut sleep, &holding(drops.value())).is_pending());
        assert_eq!(drops.count(), 0);
        assert!(poll(&mut sleep, &holding(drops.value())).is_pending());
        assert_eq!(drops.count(), 1);
        drop(sleep);
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_sleep_is_moved_while_somebody_waits_for_it() {
    limited(|| {
        let mut moved = sleep(HOUR);
        let earlier = || {
            let mut once = Some(());
            poll_fn(move |cx| {
                let polled = Pin::new(&mut moved).poll(cx);
                if once.take().is_some() {
                    moved.reset(Instant::now() + SHORT);
                }
                polled
            })
        };
        block_on(earlier());
        // To a later time, after it was ready.
        let mut again = sleep(Duration::ZERO);
        block_on(&mut again);
        let deadline = Instant::now() + SHORT;
        again.reset(deadline);
        assert_eq!(again.deadline(), Some(deadline));
        block_on(again);
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_hostile_waker_does_not_stop_the_timer() {
    limited(|| {
        let hostile = Waker::from(Arc::new(Hostile));
        let deadline = Instant::now() + SHORT * 4;
        let mut sleeps = [(); 3].map(|()| sleep_until(deadline));
        let mut dropped = sleep(HOUR);
        for sleep in sleeps.iter_mut().chain([&mut dropped]) {
            let _ = poll(sleep, &hostile);
        }
        // Neither does one that is dropped in vain.
        let gone = catch_unwind(AssertUnwindSafe(|| drop(hostile)));
        assert!(gone.is_ok());
        drop(dropped);
        all_are_woken(deadline);
        block_on(zip(sleep(SHORT), sleep(SHORT / 2)));
    });
}

#[test]
fn a_waker_may_use_the_timer_itself() {
    limited(|| {
        let latch = Arc::new(Latch::new(1));
        let (woken, inner) = (Arc::clone(&latch), Mutex::new(Some(sleep(HOUR))));
        let busy = waker(move || {
            drop(inner.lock().unwrap().take());
            // The timer's own thread would end this sleep; so it may not wait for it.
            assert!(block_on(poll_once(sleep(HOUR))).is_none());
            let mut next = sleep(SHORT);
            let told = Arc::clone(&woken);
            let last = waker(move || told.count_down());
            if poll(&mut next, &last).is_ready() {
                woken.count_down();
            }
            std::mem::forget(next);
        });
        let mut first = sleep(SHORT);
        if poll(&mut first, &busy).is_ready() {
            busy.wake();
        }
        latch.wait();
    });
}

#[test]
fn a_future_that_is_ready_in_time_gives_its_value() {
    limited(|| {
        let value = block_on(timeout(HOUR, async {
            sleep(SHORT).await;
            42
        }));
        assert_eq!(value, Ok(42));
        assert_eq!(block_on(timeout(Duration::MAX, ready(42))), Ok(42));
        let event = Arc::new(Event::new());
        let set = Arc::clone(&event);
        let setter = thread::spawn(move || set.set());
        assert_eq!(block_on(timeout(HOUR, event.wait_async())), Ok(()));
        setter.join().unwrap();
    });
}

#[test]
fn a_future_that_is_not_ready_in_time_is_given_up() {
    limited(|| {
        let (drops, start) = (Drops::default(), Instant::now());
        let kept = drops.value();
        let never = async move {
            let _kept = kept;
            pending::<()>().await;
        };
        let outcome = block_on(timeout(SHORT, never));
        assert_eq!(outcome, Err(Elapsed));
        assert!(start.elapsed() >= SHORT && drops.count() == 1);
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "the time was over before the future was ready; allow more, or try again"
        );
        let deadline = Instant::now() + SHORT;
        let outcome = block_on(timeout_at(deadline, sleep(HOUR)));
        assert!(outcome == Err(Elapsed) && Instant::now() >= deadline);
        // It can be taken out, too.
        let future = timeout(Duration::ZERO, ready(42)).into_inner();
        assert_eq!(block_on(future), 42);
    });
}

#[test]
fn a_future_that_is_ready_when_the_time_is_over_wins() {
    limited(|| {
        let deadline = Instant::now() + SHORT;
        let same = timeout_at(deadline, sleep_until(deadline));
        assert_eq!(block_on(same), Ok(()));
        // However late it is looked at.
        let late = timeout(Duration::ZERO, async { 42 });
        block_on(sleep(SHORT));
        assert_eq!(block_on(late), Ok(42));
    });
}

#[test]
fn an_interval_ticks_at_once_and_then_in_phase() {
    limited(|| {
        let (start, mut ticks) = (Instant::now(), interval(SHORT));
        assert_eq!(ticks.period(), SHORT);
        let first = block_on(poll_once(ticks.tick())).expect("the first comes at once");
        assert!(first >= start);
        let mut before = first;
        for _ in 0..10 {
            let tick = block_on(ticks.tick());
            assert!(tick > before && tick <= Instant::now());
            assert_eq!((tick - first).as_nanos() % SHORT.as_nanos(), 0);
            before = tick;
        }
    });
}

#[test]
fn ticks_that_are_missed_are_skipped_except_one() {
    limited(|| {
        let mut ticks = interval(SHORT);
        let first = block_on(ticks.tick());
        let in_phase = |tick: Instant| (tick - first).as_nanos() % SHORT.as_nanos() == 0;
        let begin = Instant::now();
        block_on(sleep_until(begin + SHORT * 7 / 2));
        // The oldest, late.
        let tick = block_on(poll_once(ticks.tick())).expect("one is late");
        assert!(tick > first && tick <= begin + SHORT && in_phase(tick));
        let late = Instant::now();
        let next = block_on(ticks.tick());
        assert!(next >= begin + SHORT * 7 / 2 && next <= late + SHORT && in_phase(next));
    });
}

#[test]
fn a_first_tick_that_comes_late_sets_the_phase_all_the_same() {
    limited(|| {
        let (before, mut ticks, after) = (Instant::now(), interval(SHORT), Instant::now());
        block_on(sleep_until(after + SHORT * 3));
        let first = block_on(poll_once(ticks.tick())).expect("it is late");
        assert!(first >= before && first <= after);
        let next = block_on(ticks.tick());
        assert!(next >= after + SHORT * 3);
        assert_eq!((next - first).as_nanos() % SHORT.as_nanos(), 0);
    });
}

#[test]
fn an_interval_begins_anew_with_a_period_of_waiting() {
    limited(|| {
        let mut ticks = interval(SHORT);
        let start = Instant::now();
        ticks.reset();
        let first = block_on(ticks.tick());
        assert!(first >= start + SHORT);
        // While a receiver waits, too.
        let (waker, woken) = counting();
        let mut ticks = interval(HOUR);
        block_on(ticks.tick());
        assert!(
            ticks
                .poll_tick(&mut Context::from_waker(&waker))
                .is_pending()
        );
        ticks.reset();
        assert_eq!(woken.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn no_tick_is_lost_when_the_wait_for_it_is_dropped() {
    limited(|| {
        let mut ticks = interval(SHORT);
        block_on(ticks.tick());
        let begin = Instant::now();
        // It has come by the time that the future is dropped, though nobody was told.
        let latch = Arc::new(Latch::new(1));
        let woken = Arc::clone(&latch);
        let told = waker(move || woken.count_down());
        let waits = pin!(ticks.tick()).poll(&mut Context::from_waker(&told));
        let tick = match waits {
            Poll::Ready(tick) => tick,
            Poll::Pending => {
                latch.wait();
                block_on(poll_once(ticks.tick())).expect("it has come")
            }
        };
        assert!(tick <= begin + SHORT);
        // It has not come yet.
        let mut ticks = interval(SHORT * 4);
        block_on(ticks.tick());
        let begin = Instant::now();
        let given_up = block_on(poll_once(ticks.tick()));
        let tick = given_up.unwrap_or_else(|| block_on(ticks.tick()));
        assert!(tick <= begin + SHORT * 4);
    });
}

#[test]
fn an_interval_without_an_end_of_its_period_ticks_once() {
    limited(|| {
        let mut ticks = interval(Duration::MAX);
        assert!(block_on(poll_once(ticks.tick())).is_some());
        assert!(block_on(timeout(SHORT, ticks.tick())).is_err());
        ticks.reset();
        assert!(block_on(timeout(SHORT, ticks.tick())).is_err());
    });
}

#[test]
fn a_period_of_zero_is_refused_with_a_word() {
    let refused = catch_unwind(|| drop(interval(Duration::ZERO))).unwrap_err();
    let message = refused.downcast_ref::<&str>();
    assert_eq!(message, Some(&"the period of an interval is zero"));
}

#[test]
fn timers_may_be_sent_shared_moved_and_shown() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Sleep>();
    check::<Interval>();
    check::<Timeout<Sleep>>();
    let deadline = format!("{:?}", sleep(Duration::MAX));
    assert_eq!(deadline, "Sleep { deadline: None, .. }");
    let never = format!("{:?}", timeout(Duration::MAX, pending::<()>()));
    assert_eq!(never, "Timeout { deadline: None, .. }");
    assert!(format!("{:?}", interval(SHORT)).starts_with("Interval { period: 5ms, next: Some("));
}

#[test]
fn a_sleep_forever_that_gets_a_deadline_wakes_its_waiter() {
    limited(|| {
        let (waker, count) = counting();
        for mut never in [
            sleep(Duration::MAX),
            sleep(Duration::from_secs(1) * u32::MAX),
        ] {
            let before = count.load(Ordering::SeqCst);
            assert!(poll(&mut never, &waker).is_pending());
            never.reset(Instant::now() + SHORT);
            until(|| count.load(Ordering::SeqCst) > before);
            assert!(poll(&mut never, &waker).is_ready());
        }
        // The ticks of an interval that has none after the first are sleeps like that.
        let mut ticks = interval(Duration::MAX);
        let mut cx = Context::from_waker(&waker);
        assert!(ticks.poll_tick(&mut cx).is_ready() && ticks.poll_tick(&mut cx).is_pending());
    });
}

#[test]
fn a_sleep_that_is_ready_gives_its_waker_back_though_the_timer_is_late() {
    limited(|| {
        // The timer's thread is kept in a waker.
        let (begun, release) = (Flag::default(), Flag::default());
        let (arrives, go) = (begun.clone(), release.clone());
        let mut holds_up = sleep(SHORT);
        let slow = waker(move || {
            arrives.set();
            go.wait();
        });
        assert!(poll(&mut holds_up, &slow).is_pending());
        begun.wait();
        let woken = Arc::new(OnWake(|| ()));
        let waker = Waker::from(Arc::clone(&woken));
        let mut nap = sleep(SHORT);
        assert!(poll(&mut nap, &waker).is_pending());
        until(|| nap.is_elapsed());
        assert!(poll(&mut nap, &waker).is_ready());
        drop((nap, waker));
        assert_eq!(Arc::strong_count(&woken), 1);
        release.set();
    });
}
