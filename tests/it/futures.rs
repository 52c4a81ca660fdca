//! Futures on the pool's threads: as good as closures, and as orderly.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use workmill::{
    Builder, CancelReason, DropBehavior, JoinError, JoinHandle, Overflow, PoolRef,
    ThreadPoolExecutor, TrySubmitError, block_on, current, worker_index, yield_now,
};

use crate::support::{
    Bomb, Counted, Door, Drops, Hostile, add_one, in_child, limited, occupy, until,
};

#[test]
fn a_futures_output_comes_by_its_handle() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        assert_eq!(pool.spawn(async { 42 }).join().unwrap(), 42);
        let awaited = pool.spawn(async {
            let pool = current().unwrap();
            let (a, b) = (pool.submit(|| 40), pool.spawn(async { 2 }));
            a.await.unwrap() + b.await.unwrap()
        });
        assert_eq!(awaited.join().unwrap(), 42);
    });
}

#[test]
fn many_futures_that_yield_all_end() {
    limited(|| {
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let handles: Vec<_> = (0..200)
                .map(|n| {
                    pool.spawn(async move {
                        for _ in 0..100 {
                            yield_now().await;
                        }
                        n
                    })
                })
                .collect();
            let sum: usize = handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .sum();
            assert_eq!(sum, 199 * 100);
        }
    });
}

#[test]
fn a_pending_future_can_be_cancelled() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        struct TellName(mpsc::Sender<String>);
        impl Drop for TellName {
            fn drop(&mut self) {
                let name = thread::current().name().unwrap_or("").to_owned();
                self.0.send(name).unwrap();
            }
        }
        let tell = TellName(sender);
        let handle = pool.spawn(async move {
            let _tell = tell;
            pending::<()>().await;
        });
        pool.submit(|| ()).join().unwrap();
        assert!(handle.cancel());
        assert!(handle.cancel());
        let error = handle.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
        assert!(receiver.recv().unwrap().starts_with("workmill"));
        assert!(pool.wait_idle().is_ok());
    });
}

#[test]
fn shutdown_now_drops_what_is_pending() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let handles: Vec<_> = (0..10).map(|_| pool.spawn(pending::<()>())).collect();
        pool.submit(|| ()).join().unwrap();
        assert_eq!(pool.shutdown_now(), 10);
        pool.shutdown();
        for handle in handles {
            let error = handle.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        }
    });
}

#[test]
fn a_future_is_woken_from_anywhere() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (wakers, woken) = mpsc::channel();
        let polls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&polls);
        let handle = pool.spawn(poll_fn(move |cx| {
            wakers.send(cx.waker().clone()).unwrap();
            match count.fetch_add(1, Ordering::SeqCst) {
                100 => Poll::Ready("done"),
                _ => Poll::Pending,
            }
        }));
        let waker = thread::spawn(move || {
            let all: Vec<_> = woken.iter().inspect(|waker| waker.wake_by_ref()).collect();
            all
        });
        assert_eq!(handle.join().unwrap(), "done");
        pool.shutdown();
        let all = waker.join().unwrap();
        all.iter().for_each(|waker| waker.wake_by_ref());
        assert_eq!(polls.load(Ordering::SeqCst), 101);
    });
}

#[test]
fn a_future_that_gives_way_inside_a_blocked_task_lets_queued_tasks_run() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let is_set = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&is_set);
        let waits = pool.submit(move || {
            block_on(async {
                while seen.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
            });
        });
        pool.execute(move || add_one(&is_set));
        waits.join().unwrap();
    });
}

#[test]
fn the_pool_can_be_blocked_on() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let inside = pool.submit(|| block_on(current().unwrap().spawn(async { 1 })).unwrap());
        assert_eq!(inside.join().unwrap(), 1);
        let value = pool.block_on(async { current().unwrap().spawn(async { 2 }).await.unwrap() });
        assert_eq!(value, 2);
        assert!(current().is_none());
        pool.shutdown();
        assert!(pool.block_on(async { current().is_none() }));
    });
}

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

#[test]
fn a_panic_in_a_poll_ends_in_the_handle() {
    limited(|| {
        let pool = one_thread();
        let first: JoinHandle<()> = pool.spawn(async { panic!("out of flour") });
        let error = first.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("out of flour"));
        let second: JoinHandle<()> = pool.spawn(async {
            yield_now().await;
            panic!("out of sugar")
        });
        let error = second.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("out of sugar"));
        drop(pool.spawn(async { panic!("nobody looks") }));
        assert_alive(&pool);
    });
}

#[test]
fn payloads_of_futures_that_panic_in_drop_are_contained_at_any_depth() {
    in_child(&[], || {
        let pool = one_thread();
        for depth in [1, 2, 10] {
            let bomb = || pool.spawn(async move { panic_any(Bomb { depth }) });
            drop(bomb());
            let unread = bomb();
            pool.wait_idle().unwrap();
            drop(unread);
            let error: Result<(), _> = bomb().join();
            drop(error.unwrap_err());
            // Its panic comes too late: it is cancelled by then.
            let (sender, receiver) = mpsc::channel::<workmill::CancelHandle>();
            let cancelled: JoinHandle<()> = pool.spawn(async move {
                assert!(receiver.recv().unwrap().cancel());
                panic_any(Bomb { depth })
            });
            sender.send(cancelled.cancel_handle()).unwrap();
            assert_eq!(reason(cancelled.join()), Some(CancelReason::Cancelled));
        }
        assert_alive(&pool);
    });
}

#[test]
fn a_future_or_an_output_that_panics_in_drop_is_contained() {
    limited(|| {
        let pool = one_thread();
        // The outcome is there before the future is dropped.
        assert_eq!(
            pool.spawn(watched(0, Bomb { depth: 2 }).0).join().unwrap(),
            1
        );
        let cancelled = pool.spawn(watched(1, Bomb { depth: 2 }).0);
        settle(&pool);
        assert!(cancelled.cancel());
        assert!(cancelled.join().unwrap_err().is_cancelled());
        let (sender, receiver) = mpsc::channel::<workmill::CancelHandle>();
        let thrown_away = pool.spawn(async move {
            assert!(receiver.recv().unwrap().cancel());
            Bomb { depth: 2 }
        });
        sender.send(thrown_away.cancel_handle()).unwrap();
        assert!(thrown_away.join().is_err_and(|error| error.is_cancelled()));
        let door = occupy(&pool);
        drop(pool.spawn(async { Bomb { depth: 2 } }));
        door.open();
        let done = pool.spawn(async { Bomb { depth: 2 } });
        pool.wait_idle().unwrap();
        drop(done);
        assert_alive(&pool);
    });
}

#[test]
fn a_future_is_gone_before_its_outcome_is_told() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for round in 0..1000 {
            let drops = Drops::default();
            let handle = pool.spawn(watched(0, drops.value()).0);
            if round % 2 == 0 {
                handle.join().unwrap();
                assert_eq!(drops.count(), 1);
                continue;
            }
            let (sender, receiver) = mpsc::channel();
            let seen = drops.clone();
            handle.on_done(move |outcome| sender.send((outcome.is_ok(), seen.count())).unwrap());
            assert_eq!(receiver.recv().unwrap(), (true, 1));
        }
    });
}

#[test]
fn a_future_that_cancels_itself_in_its_poll_is_cancelled() {
    limited(|| {
        let pool = one_thread();
        for is_ready in [true, false] {
            let (sender, receiver) = mpsc::channel::<workmill::CancelHandle>();
            let (outputs, polls) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            let (output, count) = (outputs.clone(), Arc::clone(&polls));
            let handle: JoinHandle<Counted> = pool.spawn(poll_fn(move |cx| {
                add_one(&count);
                cx.waker().wake_by_ref();
                assert!(receiver.recv().unwrap().cancel());
                match is_ready {
                    true => Poll::Ready(output.value()),
                    false => Poll::Pending,
                }
            }));
            sender.send(handle.cancel_handle()).unwrap();
            let outcome = handle.join().map(drop);
            assert_eq!(reason(outcome), Some(CancelReason::Cancelled));
            assert_eq!(outputs.count(), usize::from(is_ready));
            assert_eq!(polls.load(Ordering::SeqCst), 1);
        }
        assert_alive(&pool);
    });
}

#[test]
fn cancelling_while_a_poll_is_under_way_throws_its_output_away() {
    limited(|| {
        let pool = one_thread();
        let (arrived, door, outputs) = (Door::default(), Door::default(), Drops::default());
        let (knock, wait, output) = (arrived.clone(), door.clone(), outputs.clone());
        let handle = pool.spawn(async move {
            knock.open();
            wait.pass();
            output.value()
        });
        arrived.pass();
        assert!(handle.is_running());
        assert!(handle.cancel() && handle.cancel());
        assert!(!handle.is_finished(), "the poll is finished first");
        door.open();
        let outcome = handle.join().map(drop);
        assert_eq!(reason(outcome), Some(CancelReason::Cancelled));
        assert_eq!(outputs.count(), 1);
        assert_alive(&pool);
    });
}

#[test]
fn it_is_too_late_to_cancel_a_future_that_has_given_its_output() {
    struct Slow(Door, Door);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.open();
            self.1.pass();
        }
    }

    limited(|| {
        let pool = one_thread();
        let (arrived, door) = (Door::default(), Door::default());
        let handle = pool.spawn(watched(0, Slow(arrived.clone(), door.clone())).0);
        arrived.pass();
        // It drops what it had, and its outcome is not told yet.
        assert!(!handle.cancel() && !handle.is_finished());
        assert_eq!(pool.shutdown_now(), 0);
        door.open();
        pool.shutdown();
        assert!(!handle.cancel());
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn cancel_tells_the_truth_about_futures() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (futures, outputs) = (Drops::default(), Drops::default());
        let mut values = 0;
        for round in 0..10_000_u32 {
            let (kept, output) = (futures.value(), outputs.clone());
            let handle = pool.spawn(async move {
                let _kept = kept;
                for _ in 0..round % 3 {
                    yield_now().await;
                }
                output.value()
            });
            (0..round % 500).for_each(|_| std::hint::spin_loop());
            let said = handle.cancel();
            let other = handle.cancel_handle();
            let outcome = handle.join();
            assert_eq!(said, outcome.is_err());
            assert_eq!(futures.count(), round as usize + 1);
            values += usize::from(!said);
            assert_eq!(other.cancel(), said, "also after the outcome was given");
        }
        pool.wait_idle().unwrap();
        assert!(outputs.count() >= values);
    });
}

#[test]
fn a_future_that_is_cancelled_before_its_first_poll_is_never_polled() {
    limited(|| {
        let pool = full(1, Overflow::Reject);
        let (door, (sender, receiver)) = (occupy(&pool), mpsc::channel());
        let (future, seen) = watched(0, Tell(sender));
        let handle = pool.spawn(future);
        assert!(pool.try_submit(|| 1).unwrap_err().is_full());
        assert!(handle.cancel());
        assert!(!handle.is_running() && !handle.is_finished());
        let next = pool.try_submit(|| 2).expect("there is room at once");
        door.open();
        assert_eq!(reason(handle.join()), Some(CancelReason::Cancelled));
        assert_eq!(seen.polls(), 0);
        let there = pool.submit(|| thread::current().id());
        assert_eq!(receiver.recv().unwrap(), there.join().unwrap());
        assert!(receiver.recv().is_err(), "dropped once");
        assert_eq!(next.join().unwrap(), 2);
        assert_eq!(pool.metrics().over_capacity, 0);
    });
}

#[test]
fn cancelled_futures_are_dropped_once_by_threads_of_the_pool() {
    limited(|| {
        for by_shutdown in [false, true] {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let ids = Arc::<Mutex<Vec<_>>>::default();
            let (sender, receiver) = mpsc::channel();
            let pending: Vec<_> = (0..5)
                .map(|_| watched(1, Tell(sender.clone())))
                .map(|(future, seen)| (pool.spawn(future), seen))
                .collect();
            let wakers: Vec<_> = pending
                .iter()
                .map(|(_, seen)| seen.wakers.recv().unwrap())
                .collect();
            let doors = [occupy(&pool), occupy(&pool)];
            // Some are pending, some have been woken, some were never polled.
            wakers[0].wake_by_ref();
            let queued: Vec<_> = (0..5)
                .map(|_| watched(0, Tell(sender.clone())))
                .map(|(future, seen)| (pool.spawn(future), seen))
                .collect();
            drop(sender);
            let handles = || pending.iter().chain(&queued);
            match by_shutdown {
                true => assert_eq!(pool.shutdown_now(), 10),
                false => assert!(handles().all(|(handle, _)| handle.cancel())),
            }
            assert!(receiver.try_recv().is_err(), "nothing is dropped here");
            for door in doors {
                let ids = Arc::clone(&ids);
                let note = move || ids.lock().unwrap().push(thread::current().id());
                drop((pool.submit(note), door.open()));
            }
            let dropped: Vec<_> = receiver.iter().collect();
            assert_eq!(dropped.len(), 10);
            assert!(!dropped.contains(&thread::current().id()));
            pool.shutdown();
            let polls = [handles().map(|(_, seen)| seen.polls()).sum::<usize>(), 5];
            assert_eq!(polls[0], polls[1], "none was polled again");
        }
    });
}

#[test]
fn shutdown_now_counts_the_futures_that_it_cancels() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (arrived, door) = (Door::default(), Door::default());
        let (knock, wait) = (arrived.clone(), door.clone());
        let polled = pool.spawn(async move {
            knock.open();
            wait.pass();
        });
        arrived.pass();
        let pending: Vec<_> = (0..4).map(|_| pool.spawn(pending::<()>())).collect();
        settle(&pool);
        let busy = occupy(&pool);
        let futures: Vec<_> = (0..2).map(|_| pool.spawn(async {})).collect();
        let closures: Vec<_> = (0..3).map(|_| pool.submit(|| ())).collect();
        let before = pool.spawn(async {});
        assert!(before.cancel() && pending[0].cancel());
        assert_eq!(pool.shutdown_now(), 1 + 3 + 2 + 3);
        assert_eq!(pool.shutdown_now(), 0);
        busy.open();
        door.open();
        pool.shutdown();
        assert_eq!(reason(polled.join()), Some(CancelReason::Shutdown));
        assert_eq!(reason(before.join()), Some(CancelReason::Cancelled));
        for handle in futures.into_iter().chain(closures) {
            assert_eq!(reason(handle.join()), Some(CancelReason::Shutdown));
        }
        assert_eq!(
            reason(pool.spawn(async {}).join()),
            Some(CancelReason::Shutdown)
        );
    });
}

#[test]
fn what_shutdown_now_drops_may_wait_for_futures() {
    struct Joins(Option<JoinHandle<()>>);

    impl Drop for Joins {
        fn drop(&mut self) {
            assert!(self.0.take().unwrap().join().is_err());
        }
    }

    limited(|| {
        let pool = one_thread();
        let door = occupy(&pool);
        let queued = Joins(Some(pool.spawn(pending())));
        pool.execute(move || drop(queued));
        let opener = {
            let pool = pool.handle();
            thread::spawn(move || {
                until(|| pool.is_shutdown());
                door.open();
            })
        };
        pool.shutdown_now();
        pool.shutdown();
        opener.join().unwrap();
    });
}

#[test]
fn what_is_dropped_for_a_newer_task_may_wait_for_a_future_that_was_woken_before() {
    struct Joins(Option<JoinHandle<usize>>, Door);

    impl Drop for Joins {
        fn drop(&mut self) {
            self.1.open();
            assert_eq!(self.0.take().unwrap().join().unwrap(), 2);
        }
    }

    limited(|| {
        let pool = full(1, Overflow::DropOldest);
        let (future, seen) = watched(1, ());
        let handle = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        let door = occupy(&pool);
        waker.wake();
        let joins = Joins(Some(handle), door);
        let oldest = pool.submit(move || drop(joins));
        assert_eq!(pool.submit(|| 3).join().unwrap(), 3);
        assert_eq!(reason(oldest.join()), Some(CancelReason::Rejected));
    });
}

#[test]
fn futures_are_cancelled_from_elsewhere_and_when_their_handle_goes() {
    limited(|| {
        let pool = one_thread();
        let handle = pool.spawn(pending::<()>());
        let stop = handle.cancel_handle();
        let canceller = thread::spawn(move || stop.cancel() && stop.cancel());
        assert_eq!(reason(handle.join()), Some(CancelReason::Cancelled));
        assert!(canceller.join().unwrap());

        let drops = Drops::default();
        let unwanted = pool.spawn(watched(1, drops.value()).0).cancel_on_drop();
        settle(&pool);
        drop(unwanted);
        pool.wait_idle().unwrap();
        assert_eq!(drops.count(), 1);
        let wanted = pool.spawn(async { 1 }).cancel_on_drop();
        assert_eq!(block_on(wanted).unwrap(), 1);
        let kept = pool.spawn(async { 2 }).cancel_on_drop().detach();
        assert_eq!(kept.join().unwrap(), 2);
    });
}

#[test]
fn a_futures_handle_can_be_shared_and_called_back() {
    limited(|| {
        let pool = one_thread();
        let (future, seen) = watched(1, ());
        let shared = pool.spawn(future).shared();
        let other = shared.clone();
        let awaits = pool.spawn(async move { other.await.unwrap() });
        assert!(shared.join_timeout(Duration::ZERO).is_none());
        seen.wake();
        assert_eq!((shared.join().unwrap(), awaits.join().unwrap()), (2, 2));

        let shared = pool.spawn(pending::<()>()).shared();
        let stop = shared.cancel_handle();
        settle(&pool);
        assert!(stop.cancel());
        assert!(shared.join().unwrap_err().is_cancelled());

        let (sender, receiver) = mpsc::channel();
        let cancelled = pool.spawn(pending::<()>());
        let stop = cancelled.cancel_handle();
        cancelled.on_done(move |outcome| {
            sender.send((worker_index(), reason(outcome))).unwrap();
        });
        assert!(stop.cancel());
        let told = receiver.recv().unwrap();
        assert_eq!(told, (Some(0), Some(CancelReason::Cancelled)));
    });
}

#[test]
fn joining_a_future_for_a_time_leaves_the_handle_good() {
    limited(|| {
        let pool = one_thread();
        let (future, seen) = watched(1, ());
        let mut handle = pool.spawn(future);
        assert!(handle.join_timeout(Duration::ZERO).is_none());
        assert!(handle.join_timeout(Duration::from_millis(5)).is_none());
        assert!(handle.try_join().is_none());
        seen.wake();
        assert_eq!(handle.join_timeout(Duration::MAX).unwrap().unwrap(), 2);
    });
}

#[test]
fn shutdown_and_wait_idle_wait_for_futures_that_are_woken_later() {
    limited(|| {
        for ends in [false, true] {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let (sender, receiver) = async_channel::bounded(1);
            let ended = Arc::new(AtomicUsize::new(0));
            let handles: Vec<_> = (0..10)
                .map(|_| {
                    let (receiver, ended) = (receiver.clone(), Arc::clone(&ended));
                    pool.spawn(async move {
                        receiver.recv().await.unwrap();
                        current().unwrap().submit(|| ()).await.unwrap();
                        add_one(&ended);
                    })
                })
                .collect();
            assert!(!pool.wait_idle_timeout(Duration::from_millis(5)).unwrap());
            thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    match ends {
                        true => pool.shutdown(),
                        false => pool.wait_idle().unwrap(),
                    }
                    assert_eq!(ended.load(Ordering::SeqCst), 10);
                    assert!(handles.iter().all(JoinHandle::is_finished));
                });
                if ends {
                    until(|| pool.is_shutdown());
                }
                (0..10).for_each(|n| sender.send_blocking(n).unwrap());
                waiter.join().unwrap();
            });
        }
    });
}

#[test]
fn a_pool_that_cancels_when_it_is_dropped_drops_its_futures() {
    limited(|| {
        for _ in 0..100 {
            let builder = Builder::new().threads(2);
            let pool = builder.on_drop(DropBehavior::Cancel).build().unwrap();
            let drops = Drops::default();
            let handles: Vec<_> = (0..10)
                .map(|n| pool.spawn(watched(n % 2, drops.value()).0))
                .collect();
            drop(pool);
            assert_eq!(drops.count(), 10);
            for handle in handles {
                assert!(handle.is_finished());
                if let Err(error) = handle.join() {
                    assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
                }
            }
        }
    });
}

#[test]
fn the_last_owner_may_be_dropped_with_a_future() {
    limited(|| {
        for cancels in [false, true] {
            let pool = one_thread();
            let weak = pool.handle();
            let (future, seen) = watched(1, pool.clone());
            let handle = weak.spawn(future);
            let waker = seen.wakers.recv().unwrap();
            drop(pool);
            match cancels {
                true => assert!(handle.cancel()),
                false => waker.wake(),
            }
            assert_eq!(handle.join().is_err(), cancels);
            until(|| weak.is_terminated());
        }
    });
}

#[test]
fn a_waker_may_be_used_after_the_end_of_the_pool() {
    limited(|| {
        let drops = Drops::default();
        let (future, seen) = watched(1, drops.value());
        let pool = one_thread();
        let handle = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        waker.wake_by_ref();
        drop(pool);
        assert_eq!(drops.count(), 1, "no waker keeps the future");
        assert_eq!(handle.join().unwrap(), 2);
        waker.wake_by_ref();
        let clone = waker.clone();
        assert!(clone.will_wake(&waker));
        drop(waker);
        // Another pool in the place of the first.
        let other = one_thread();
        clone.wake_by_ref();
        thread::spawn(move || clone.wake()).join().unwrap();
        assert_alive(&other);
        assert_eq!(seen.polls(), 2);
    });
}

#[test]
fn wakers_are_used_while_the_pool_is_dropped() {
    limited(|| {
        let drops = Drops::default();
        for round in 0..500_u32 {
            let builder = Builder::new().threads(1 + round as usize % 2);
            let behavior = match round % 3 {
                0 => DropBehavior::Join,
                1 => DropBehavior::Cancel,
                _ => DropBehavior::Detach,
            };
            let pool = builder.on_drop(behavior).build().unwrap();
            let (future, seen) = watched(2, drops.value());
            let handle = pool.spawn(future);
            let waker = seen.wakers.recv().unwrap();
            thread::scope(|scope| {
                for _ in 0..2 {
                    let waker = waker.clone();
                    scope.spawn(move || {
                        for _ in 0..round % 20 {
                            let clone = waker.clone();
                            waker.wake_by_ref();
                            drop(clone);
                        }
                        waker.wake();
                    });
                }
                scope.spawn(|| {
                    // Enough of them that a pool which joins its tasks ends.
                    while !handle.is_finished() {
                        waker.wake_by_ref();
                        thread::yield_now();
                    }
                });
                (0..round % 200).for_each(|_| std::hint::spin_loop());
                drop(pool);
            });
            drop((handle, waker));
            assert_eq!(drops.count(), round as usize + 1);
        }
    });
}

#[test]
fn a_future_that_always_wakes_itself_starves_nobody() {
    limited(|| {
        let pool = one_thread();
        let (polls, is_over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, over) = (Arc::clone(&polls), Arc::clone(&is_over));
        let (sender, go) = mpsc::channel::<()>();
        let (tell, arrived) = mpsc::channel();
        let stubborn = pool.spawn(poll_fn(move |cx| {
            if count.fetch_add(1, Ordering::SeqCst) == 100 {
                // Between two polls something comes from outside.
                tell.send(()).unwrap();
                go.recv().unwrap();
            }
            cx.waker().wake_by_ref();
            match over.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        let (pending, seen) = watched(1, ());
        let woken = pool.spawn(async move {
            pending.await;
            0
        });
        arrived.recv().unwrap();
        let count = |polls: &Arc<AtomicUsize>| {
            let polls = Arc::clone(polls);
            move || polls.load(Ordering::SeqCst)
        };
        seen.wake();
        let (closure, future) = (count(&polls), count(&polls));
        let late = [pool.submit(closure), pool.spawn(async move { future() })];
        sender.send(()).unwrap();
        for handle in late {
            let polled = handle.join().unwrap();
            assert!(polled < 100 + 200, "{polled} polls");
        }
        woken.join().unwrap();
        let polled = polls.load(Ordering::SeqCst);
        is_over.store(true, Ordering::SeqCst);
        stubborn.join().unwrap();
        assert!(polled >= 101);
    });
}

#[test]
fn closures_that_submit_themselves_for_ever_do_not_starve_a_future() {
    fn again(
        runs: Arc<AtomicUsize>,
        is_over: Arc<AtomicBool>,
        at_100: Arc<dyn Fn() + Send + Sync>,
    ) {
        if runs.fetch_add(1, Ordering::SeqCst) == 100 {
            at_100();
        }
        if !is_over.load(Ordering::SeqCst) {
            let next = move || again(runs, is_over, at_100);
            current().unwrap().execute(next);
        }
    }

    limited(|| {
        let pool = one_thread();
        let (runs, is_over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (future, seen) = watched(1, ());
        let count = Arc::clone(&runs);
        let woken = pool.spawn(async move {
            future.await;
            count.load(Ordering::SeqCst)
        });
        let waker = seen.wakers.recv().unwrap();
        let at_100 = move || {
            // Woken from outside.
            let waker = waker.clone();
            thread::spawn(|| waker.wake()).join().unwrap();
        };
        let (count, over) = (Arc::clone(&runs), Arc::clone(&is_over));
        pool.execute(move || again(count, over, Arc::new(at_100)));
        let ran = woken.join().unwrap();
        is_over.store(true, Ordering::SeqCst);
        assert!(ran < 100 + 200, "{ran} closures");
    });
}

#[test]
fn futures_that_are_polled_after_their_end_panic_in_their_own_task() {
    struct Twice<F>(Pin<Box<F>>);

    impl<F: Future> Future for Twice<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            match self.0.as_mut().poll(cx) {
                Poll::Ready(_) => self.0.as_mut().poll(cx),
                Poll::Pending => Poll::Pending,
            }
        }
    }

    limited(|| {
        let pool = one_thread();
        let error = pool.spawn(Twice(Box::pin(async { 1 }))).join().unwrap_err();
        assert!(
            error
                .panic_message()
                .unwrap()
                .contains("resumed after completion")
        );
        let handle = pool.spawn(async { 1 });
        let error = pool.spawn(Twice(Box::pin(handle))).join().unwrap_err();
        let message = "the outcome of this JoinHandle was given before";
        assert_eq!(error.panic_message(), Some(message));
        // The pool itself polls none that has ended, however often it is woken.
        let (future, seen) = watched(1, ());
        let handle = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        (0..10).for_each(|_| waker.wake_by_ref());
        assert!(handle.join().unwrap() == 2 || seen.polls() == 2);
        (0..10).for_each(|_| waker.wake_by_ref());
        assert_alive(&pool);
        assert_eq!(seen.polls(), 2);
    });
}

#[test]
fn a_future_goes_on_on_another_thread() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        // Another thread may take the closure, and this one go on with the future.
        let mut has_moved = false;
        while !has_moved {
            let mut first = None;
            let door = Door::default();
            let moved = pool.spawn(poll_fn(move |cx| {
                let here = thread::current().id();
                let Some(first) = first else {
                    first = Some(here);
                    // This thread is busy until another has taken the future from it.
                    let wait = door.clone();
                    current().unwrap().execute(move || wait.pass());
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                };
                door.open();
                Poll::Ready(first != here)
            }));
            has_moved = moved.join().unwrap();
        }
    });
}

#[test]
fn a_future_takes_room_until_it_is_polled_first() {
    limited(|| {
        let pool = full(1, Overflow::Block);
        let (future, seen) = watched(1, ());
        let door = occupy(&pool);
        let pending = pool.spawn(future);
        assert!(pool.try_submit(|| 1).unwrap_err().is_full());
        let waiter = {
            let pool = pool.handle();
            thread::spawn(move || pool.spawn(async { 2 }))
        };
        door.open();
        assert_eq!(waiter.join().unwrap().join().unwrap(), 2);
        let waker = seen.wakers.recv().unwrap();
        let door = occupy(&pool);
        // Neither while it is pending nor when it is woken.
        waker.wake();
        let last = pool.try_submit(|| 3).unwrap();
        door.open();
        assert_eq!((pending.join().unwrap(), last.join().unwrap()), (2, 3));
    });
}

#[test]
fn a_future_that_finds_the_pool_full_is_dropped_where_the_policy_says() {
    limited(|| {
        for overflow in [Overflow::Reject, Overflow::DropNewest] {
            let pool = full(1, overflow);
            let (door, drops) = (occupy(&pool), Drops::default());
            let queued = pool.spawn(async { 1 });
            let (future, seen) = watched(0, drops.value());
            let refused = pool.spawn(future);
            assert_eq!(drops.count(), 1);
            assert_eq!(reason(refused.join()), Some(CancelReason::Rejected));
            assert_eq!((pool.metrics().rejected, seen.polls()), (1, 0));
            door.open();
            assert_eq!(queued.join().unwrap(), 1);
            assert_alive(&pool);
        }
    });
}

#[test]
fn a_caller_polls_a_future_once() {
    limited(|| {
        let pool = full(1, Overflow::CallerRuns);
        let (door, here) = (occupy(&pool), thread::current().id());
        let queued = pool.submit(|| thread::current().id());
        let (future, seen) = watched(2, ());
        let handle = pool.spawn(future);
        assert_eq!(*seen.polls.lock().unwrap(), [here]);
        assert_eq!(pool.spawn(ready(1)).join().unwrap(), 1);
        let panics = pool.spawn(async { panic!("on the caller") });
        assert!(panics.join().unwrap_err().is_panic());
        // As one of the pool's, so it may not wait for the pool.
        let inside = pool.spawn(async { current().unwrap().wait_idle().is_err() });
        assert!(inside.join().unwrap());
        seen.wake();
        door.open();
        let there = queued.join().unwrap();
        seen.wake();
        assert_eq!(handle.join().unwrap(), 3);
        assert_eq!(*seen.polls.lock().unwrap(), [here, there, there]);
        pool.shutdown();
    });
}

#[test]
fn the_oldest_that_goes_for_a_newer_task_is_never_a_future_that_has_begun() {
    limited(|| {
        let pool = full(2, Overflow::DropOldest);
        let (begun, seen) = watched(1, ());
        let begun = pool.spawn(begun);
        let waker = seen.wakers.recv().unwrap();
        let (door, (sender, receiver)) = (occupy(&pool), mpsc::channel());
        waker.wake();
        let (future, unbegun) = watched(0, Tell(sender));
        let oldest = pool.spawn(future);
        let kept = pool.submit(|| 2);
        let newest = pool.spawn(async { 3 });
        assert!(receiver.try_recv().is_err(), "not dropped here");
        assert_eq!(pool.metrics().rejected, 1);
        door.open();
        assert_eq!(begun.join().unwrap(), 2);
        assert_eq!(reason(oldest.join()), Some(CancelReason::Rejected));
        assert_ne!(receiver.recv().unwrap(), thread::current().id());
        assert_eq!((kept.join().unwrap(), newest.join().unwrap()), (2, 3));
        assert_eq!(unbegun.polls(), 0);
        pool.wait_idle().unwrap();
        let (door, permits) = (occupy(&pool), [(); 2].map(|()| pool.try_submit(|| ())));
        assert!(permits.iter().all(Result::is_ok) && pool.try_submit(|| ()).is_err());
        door.open();
    });
}

#[test]
fn without_capacity_a_future_is_accepted_only_if_a_thread_is_free() {
    limited(|| {
        let pool = full(0, Overflow::Reject);
        let door = occupy(&pool);
        let refused = pool.spawn(async { 1 });
        assert_eq!(reason(refused.join()), Some(CancelReason::Rejected));
        door.open();
        pool.wait_idle().unwrap();
        let (future, seen) = watched(1, ());
        let pending = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        // A pending future keeps no thread, so there comes a moment when it is free.
        until(|| pool.try_submit(|| 2).is_ok());
        waker.wake();
        assert_eq!(pending.join().unwrap(), 2);
        pool.wait_idle().unwrap();
        assert!(pool.try_submit(|| ()).is_ok());
    });
}

#[test]
fn those_who_await_room_are_served_in_order_of_arrival() {
    limited(|| {
        let pool = full(1, Overflow::Reject);
        let (door, queued) = (occupy(&pool), pool.submit(|| 0));
        let mut first = pin!(pool.submit_async(|| 1));
        let mut second = pin!(pool.submit_async(|| 2));
        block_on(async {
            assert!(poll_once(&mut first).await.is_none());
            assert!(poll_once(&mut second).await.is_none());
            assert!(queued.cancel());
            assert!(poll_once(&mut second).await.is_none(), "it is not its turn");
            assert!(pool.try_submit(|| 3).is_err(), "nobody overtakes");
            let handle = poll_once(&mut first).await.unwrap().unwrap();
            door.open();
            assert_eq!(second.await.unwrap().await.unwrap(), 2);
            assert_eq!(handle.await.unwrap(), 1);
        });
    });
}

#[test]
fn who_leaves_the_line_for_room_passes_the_turn_on() {
    limited(|| {
        let pool = full(1, Overflow::Reject);
        let drops = Drops::default();
        for is_granted in [false, true] {
            drops.reset();
            let (door, queued) = (occupy(&pool), pool.submit(|| 0));
            let kept = drops.value();
            let mut first = Box::pin(pool.submit_async(move || drop(kept)));
            let mut second = pin!(pool.submit_async(|| 2));
            block_on(async {
                assert!(poll_once(&mut first).await.is_none());
                assert!(poll_once(&mut second).await.is_none());
                if is_granted {
                    assert!(queued.cancel());
                    drop(first);
                } else {
                    drop(first);
                    assert!(queued.cancel());
                }
                assert_eq!(drops.count(), 1);
                let handle = poll_once(&mut second).await.unwrap().unwrap();
                door.open();
                assert_eq!(handle.await.unwrap(), 2);
            });
            pool.wait_idle().unwrap();
        }
        // What was granted to somebody who left is there again.
        let (door, queued) = (occupy(&pool), pool.submit(|| 0));
        let mut last = Box::pin(pool.submit_async(|| 1));
        assert!(block_on(poll_once(&mut last)).is_none());
        assert!(queued.cancel());
        drop(last);
        assert!(pool.try_submit(|| 2).is_ok() && pool.try_submit(|| 3).is_err());
        door.open();
    });
}

#[test]
fn who_awaits_room_of_a_pool_that_is_shut_down_has_the_closure_back() {
    limited(|| {
        for is_granted in [false, true] {
            let pool = full(1, Overflow::Block);
            let (door, queued) = (occupy(&pool), pool.submit(|| 0));
            let mut waits = pin!(pool.submit_async(|| 7));
            assert!(block_on(poll_once(&mut waits)).is_none());
            if is_granted {
                assert!(queued.cancel());
            }
            assert!(pool.shutdown_timeout(Duration::ZERO).is_err());
            let refused = block_on(waits).unwrap_err();
            let TrySubmitError::Shutdown(closure) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(closure(), 7);
            door.open();
        }
    });
}

#[test]
fn a_task_never_awaits_room_in_its_own_pool() {
    limited(|| {
        let pool = full(1, Overflow::Block);
        let sum = pool.spawn(async {
            let pool = current().unwrap();
            let mut handles = Vec::new();
            for n in 0..100 {
                let mut submission = pin!(pool.submit_async(move || n));
                let submitted = poll_once(&mut submission).await;
                handles.push(submitted.expect("it does not wait").unwrap());
            }
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum.join().unwrap(), 4950);
        assert_eq!(pool.metrics().over_capacity, 99);
        // From another pool it waits, and keeps no thread there meanwhile.
        let other = one_thread();
        let (door, queued) = (occupy(&pool), pool.submit(|| 0));
        let inner = pool.handle();
        let waits = other.spawn(async move { inner.submit_async(|| 1).await.unwrap().await });
        settle(&other);
        door.open();
        assert_eq!(waits.join().unwrap().unwrap(), 1);
        assert_eq!(queued.join().unwrap(), 0);
    });
}

#[test]
fn a_task_that_blocks_on_a_future_gives_its_place_up() {
    limited(|| {
        let pool = one_thread();
        let outer = pool.submit(|| {
            let pool = current().unwrap();
            let (sender, receiver) = async_channel::bounded(1);
            let inner = pool.spawn(async move { receiver.recv().await.unwrap() });
            pool.execute(move || sender.send_blocking(1).unwrap());
            let nested = pool.spawn(async {
                // A poll that blocks, in which another future is blocked on.
                block_on(async { block_on(current().unwrap().spawn(async { 2 })).unwrap() })
            });
            block_on(zip(inner, nested))
        });
        let (inner, nested) = outer.join().unwrap();
        assert_eq!((inner.unwrap(), nested.unwrap()), (1, 2));
        let here = pool.block_on(async { pool.block_on(async { pool.submit(|| 3).await }) });
        assert_eq!(here.unwrap(), 3);
        assert_alive(&pool);
    });
}

#[test]
fn a_panic_of_a_future_that_is_blocked_on_goes_through() {
    limited(|| {
        let pool = one_thread();
        let panics = || -> () { panic!("out of flour") };
        let outside = AssertUnwindSafe(|| pool.block_on(async { panics() }));
        assert!(catch_unwind(outside).is_err());
        assert!(catch_unwind(|| block_on(async { panics() })).is_err());
        assert!(current().is_none());
        let inside = pool.submit(move || block_on(async { panics() }));
        let error = inside.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("out of flour"));
        assert_alive(&pool);
        pool.shutdown();
    });
}

#[test]
fn the_pool_does_not_end_before_it_has_been_blocked_on() {
    limited(|| {
        let pool = one_thread();
        let (sender, receiver) = async_channel::bounded::<()>(1);
        thread::scope(|scope| {
            let (arrived, knock) = (Door::default(), Door::default());
            let begun = arrived.clone();
            let (blocked, pool) = (knock.clone(), &pool);
            let blocks = scope.spawn(move || {
                pool.block_on(async {
                    begun.open();
                    receiver.recv().await.unwrap();
                    blocked.open();
                    // Though the pool is closed: this is a task of it.
                    current().unwrap().spawn(async { 1 }).await.unwrap()
                })
            });
            arrived.pass();
            assert!(pool.shutdown_timeout(Duration::from_millis(5)).is_err());
            sender.send_blocking(()).unwrap();
            pool.shutdown();
            knock.pass();
            assert_eq!(blocks.join().unwrap(), 1);
        });
    });
}

#[test]
fn a_task_joins_a_future_of_its_own_pool() {
    limited(|| {
        let pool = one_thread();
        let outer = pool.submit(|| {
            let pool = current().unwrap();
            let inner = pool.spawn(async {
                yield_now().await;
                // In a poll too.
                current().unwrap().spawn(async { 1 }).join().unwrap()
            });
            inner.join().unwrap()
        });
        assert_eq!(outer.join().unwrap(), 1);
        // One that joins itself is told.
        let (sender, receiver) = mpsc::channel::<JoinHandle<()>>();
        let (tell, told) = mpsc::channel();
        let itself = pool.spawn(async move {
            let joined = receiver.recv().unwrap().join();
            tell.send(reason(joined)).unwrap();
        });
        sender.send(itself).unwrap();
        assert_eq!(told.recv().unwrap(), Some(CancelReason::Deadlock));
        assert_alive(&pool);
    });
}

#[test]
fn futures_and_outputs_of_any_size_and_alignment_come_through() {
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);

    async fn holds<const SIZE: usize>(fill: u8) -> usize {
        let bytes = [fill; SIZE];
        yield_now().await;
        bytes.iter().map(|&byte| usize::from(byte)).sum()
    }

    limited(|| {
        let pool = one_thread();
        for _ in 0..10 {
            let (small, large) = (holds::<{ 1 << 12 }>(1), Box::pin(holds::<{ 1 << 20 }>(1)));
            assert!(size_of_val(&small) >= 1 << 12);
            let (small, large) = (pool.spawn(small), pool.spawn(large));
            assert_eq!(small.join().unwrap(), 1 << 12);
            assert_eq!(large.join().unwrap(), 1 << 20);
            pool.spawn(async {}).join().unwrap();
            let aligned = pool.spawn(async {
                let kept = Aligned(7);
                yield_now().await;
                assert_eq!(std::ptr::from_ref(&kept).addr() % 256, 0);
                kept
            });
            let aligned = aligned.join().unwrap();
            assert_eq!(
                (std::ptr::from_ref(&aligned).addr() % 256, aligned.0),
                (0, 7)
            );
            let both = pool.spawn(async { ([3_u8; 5000], Aligned(8)) });
            let (bytes, aligned) = both.join().unwrap();
            assert_eq!((bytes, aligned), ([3; 5000], Aligned(8)));
        }
    });
}

#[test]
fn a_futures_handle_may_outlive_the_pool() {
    limited(|| {
        let drops = Drops::default();
        let pool = one_thread();
        let output = drops.value();
        let handle = pool.spawn(async move {
            yield_now().await;
            output
        });
        let (stop, unread) = (handle.cancel_handle(), pool.spawn(async { 1 }));
        drop(pool);
        assert!(handle.is_finished() && !stop.cancel());
        assert_eq!(drops.count(), 0);
        drop(handle.join().unwrap());
        assert_eq!(drops.count(), 1);
        assert!(stop.is_finished());
        drop((stop, unread));
    });
}

#[test]
fn who_waits_in_vain_for_the_end_is_told_the_type_of_a_future() {
    struct Baking(Door, Door);

    impl Future for Baking {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            self.0.open();
            self.1.pass();
            Poll::Ready(())
        }
    }

    limited(|| {
        let pool = one_thread();
        let (arrived, door) = (Door::default(), Door::default());
        let handle = pool.spawn(Baking(arrived.clone(), door.clone()));
        let pending = pool.spawn(pending::<()>());
        arrived.pass();
        let error = pool.shutdown_timeout(Duration::ZERO).unwrap_err();
        assert_eq!((error.unfinished(), error.busy().len()), (2, 1));
        assert!(error.busy()[0].task().ends_with("Baking"), "{error}");
        door.open();
        handle.join().unwrap();
        assert!(pending.cancel());
        pool.shutdown();
    });
}

#[test]
fn wakers_that_panic_do_not_hinder_the_future_that_wakes_them() {
    limited(|| {
        let pool = one_thread();
        for cancels in [false, true] {
            let (future, seen) = watched(1, ());
            let mut handle = pool.spawn(future);
            let wakers = [(); 2].map(|()| Waker::from(Arc::new(Hostile)));
            for waker in &wakers {
                // The second takes the place of the first.
                let mut cx = Context::from_waker(waker);
                assert!(Pin::new(&mut handle).poll(&mut cx).is_pending());
            }
            let waker = seen.wakers.recv().unwrap();
            // Of the first this is the last share, of the second the handle has one.
            let dropped =
                wakers.map(|waker| catch_unwind(AssertUnwindSafe(|| drop(waker))).is_ok());
            assert_eq!(dropped, [false, true]);
            match cancels {
                true => assert!(handle.cancel()),
                false => waker.wake(),
            }
            until(|| handle.is_finished());
            assert_eq!(handle.join().is_err(), cancels);
            assert_alive(&pool);
        }
    });
}

#[test]
fn what_comes_from_outside_gets_its_turn_while_all_threads_run_futures_that_give_way() {
    limited(|| {
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let (stop, yields) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
            let yields = Arc::new(yields);
            let busy: Vec<_> = (0..2 * threads)
                .map(|_| {
                    let (stop, yields) = (Arc::clone(&stop), Arc::clone(&yields));
                    pool.spawn(async move {
                        while !stop.load(Ordering::SeqCst) {
                            yields.fetch_add(1, Ordering::SeqCst);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            until(|| yields.load(Ordering::SeqCst) > 1000);
            for n in 0..10 {
                assert_eq!(pool.submit(move || n).join().unwrap(), n);
                assert_eq!(pool.spawn(async move { n }).join().unwrap(), n);
            }
            stop.store(true, Ordering::SeqCst);
            busy.into_iter().for_each(|handle| handle.join().unwrap());
        }
    });
}

#[test]
fn futures_on_one_thread_that_give_way_take_turns_in_order() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let turns = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&turns);
        let all = pool.spawn(async move {
            let pool = current().unwrap();
            let tasks = [0, 1, 2].map(|n| {
                let seen = Arc::clone(&seen);
                pool.spawn(async move {
                    for round in 0..5 {
                        seen.lock().unwrap().push((round, n));
                        yield_now().await;
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
        });
        all.join().unwrap();
        let expected = (0..5).flat_map(|round| [0, 1, 2].map(|n| (round, n)));
        assert_eq!(*turns.lock().unwrap(), expected.collect::<Vec<_>>());
    });
}

#[test]
fn a_thread_with_futures_that_give_way_runs_what_another_has_no_time_for() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (go, wait) = mpsc::channel();
        let goes = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&goes);
        let busy = pool.submit(move || {
            // To the queue of this thread, which has no time for it.
            current()
                .unwrap()
                .execute(move || flag.store(false, Ordering::SeqCst));
            wait.recv().unwrap();
        });
        let future = pool.spawn(async move {
            while goes.load(Ordering::SeqCst) {
                yield_now().await;
            }
        });
        future.join().unwrap();
        go.send(()).unwrap();
        busy.join().unwrap();
    });
}

#[test]
fn a_thread_that_is_too_many_begins_nothing_after_a_future_has_given_way() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let door = occupy(&pool);
        let (tell, begun) = mpsc::channel();
        let owner = pool.clone();
        let future = pool.spawn(async move {
            for _ in 0..100 {
                yield_now().await;
            }
            current().unwrap().execute(move || tell.send(()).unwrap());
            owner.set_threads(1).unwrap();
            yield_now().await;
        });
        // Time in which it would begin.
        let moment = Duration::from_millis(50);
        assert_eq!(begun.recv_timeout(moment), Err(RecvTimeoutError::Timeout));
        door.open();
        begun.recv().unwrap();
        future.join().unwrap();
    });
}
