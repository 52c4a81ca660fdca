//! A future can be cancelled at any time before its output, and is dropped by a worker.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;

use workmill::{CancelReason, JoinHandle, Overflow, ThreadPoolExecutor, block_on, yield_now};

use super::{Tell, assert_alive, full, one_thread, reason, settle, watched};
use crate::support::{Counted, Drops, Flag, add_one, limited, occupy};

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
        let (arrived, release, outputs) = (Flag::default(), Flag::default(), Drops::default());
        let (arrives, go, output) = (arrived.clone(), release.clone(), outputs.clone());
        let handle = pool.spawn(async move {
            arrives.set();
            go.wait();
            output.value()
        });
        arrived.wait();
        assert!(handle.is_running());
        assert!(handle.cancel() && handle.cancel());
        assert!(!handle.is_finished(), "the poll is finished first");
        release.set();
        let outcome = handle.join().map(drop);
        assert_eq!(reason(outcome), Some(CancelReason::Cancelled));
        assert_eq!(outputs.count(), 1);
        assert_alive(&pool);
    });
}

#[test]
fn it_is_too_late_to_cancel_a_future_that_has_given_its_output() {
    struct Slow(Flag, Flag);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.set();
            self.1.wait();
        }
    }

    limited(|| {
        let pool = one_thread();
        let (arrived, release) = (Flag::default(), Flag::default());
        let handle = pool.spawn(watched(0, Slow(arrived.clone(), release.clone())).0);
        arrived.wait();
        // It drops its captures, and its outcome is not told yet.
        assert!(!handle.cancel() && !handle.is_finished());
        assert_eq!(pool.shutdown_now(), 0);
        release.set();
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
        let (release, (sender, receiver)) = (occupy(&pool), mpsc::channel());
        let (future, seen) = watched(0, Tell(sender));
        let handle = pool.spawn(future);
        assert!(pool.try_submit(|| 1).unwrap_err().is_full());
        assert!(handle.cancel());
        assert!(!handle.is_running() && !handle.is_finished());
        let next = pool.try_submit(|| 2).expect("there is room at once");
        release.set();
        assert_eq!(reason(handle.join()), Some(CancelReason::Cancelled));
        assert_eq!(seen.polls(), 0);
        assert_eq!(next.join().unwrap(), 2); // which also makes room
        let there = pool.submit(|| thread::current().id());
        assert_eq!(receiver.recv().unwrap(), there.join().unwrap());
        assert!(receiver.recv().is_err(), "dropped once");
        assert_eq!(pool.metrics().over_capacity, 0);
    });
}

#[test]
fn cancelled_futures_are_dropped_once_by_workers() {
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
            let releases = [occupy(&pool), occupy(&pool)];
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
            for release in releases {
                let ids = Arc::clone(&ids);
                let note = move || ids.lock().unwrap().push(thread::current().id());
                drop((pool.submit(note), release.set()));
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
