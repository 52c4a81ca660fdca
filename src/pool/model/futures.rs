//! Futures of a pool against its end.

use super::*;

/// A future that has been polled, with its waker, on a pool with this thread.
fn pending_future(shared: &Arc<Pool>) -> (HandleRef<()>, Arc<AtomicUsize>, Waker) {
    let (over, waker) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(loom::sync::Mutex::new(None)),
    );
    let (is_over, tell) = (Arc::clone(&over), Arc::clone(&waker));
    let future = poll_fn(move |cx| {
        let before = tell.lock().unwrap().replace(cx.waker().clone());
        drop(before);
        match is_over.load(Ordering::Relaxed) {
            0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    });
    shared.accept().unwrap();
    let (task, handle) = shared.make_future(None, (), future);
    shared.run_here(task);
    let waker = waker.lock().unwrap().take();
    (handle, over, waker.expect("it was polled"))
}

/// Pending that many times, and each time wakes itself.
async fn give_way(times: usize) {
    let mut left = times;
    poll_fn(move |cx| match left {
        0 => Poll::Ready(()),
        _ => {
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// One future gives way to another, which then waits for it: a second thread takes it up.
///
/// Bug: a future that gave way stays in the yield queue of the thread that waits. Bug: it is never
/// looked at again.
#[test]
fn a_future_that_gave_way_is_run_by_another_while_its_thread_waits() {
    model(1, || {
        let shared = pool_that_starts(1);
        let event = Arc::new(Event::new());
        let wait = Arc::clone(&event);
        let sets = async move {
            give_way(2).await;
            event.set();
        };
        let waits = async move {
            give_way(1).await;
            wait.wait();
        };
        shared.accept().unwrap();
        let (first, handle) = shared.make_future(None, (), sets);
        shared.accept().unwrap();
        let (second, waited) = shared.make_future(None, (), waits);
        shared.push(first);
        shared.push(second);
        shared.close();
        shared.staff.roster.join();
        assert!(handle.is_done() && waited.is_done() && shared.slots.have_ended());
    });
}

/// Woken from another thread, which wakes once more when the pool may be gone.
///
/// Bug: a poll that is pending counts as finished. Bug: the push of a future that is woken from
/// another thread wakes nobody.
#[test]
fn a_pool_that_is_closed_while_a_future_is_woken_ends_after_it() {
    model(2, || {
        let shared = pool(1, start_none);
        let (handle, over, waker) = pending_future(&shared);
        let worker = start_worker(&shared);
        let waking = thread::spawn(move || {
            over.fetch_add(1, Ordering::Relaxed);
            waker.wake_by_ref();
            waker.wake();
        });
        shared.close();
        worker.join().unwrap();
        assert!(handle.is_done() && shared.slots.have_ended());
        drop(shared);
        waking.join().unwrap();
    });
}

/// Nobody wakes the future, so if the end of the pool misses it the worker never ends.
///
/// Bug: the end does not look at pending futures. Bug: it looks before the phase has changed.
#[test]
fn a_future_spawned_while_the_pool_stops_is_cancelled_or_refused() {
    model(2, || {
        let shared = pool(1, start_none);
        let worker = start_worker(&shared);
        let stopper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.stop())
        };
        let mut handle = None;
        if shared.accept().is_ok() {
            let (task, end) = shared.make_future(None, (), pending::<()>());
            shared.push(task);
            handle = Some(end);
        }
        stopper.join().unwrap();
        worker.join().unwrap();
        assert!(shared.slots.have_ended());
        if let Some(end) = handle {
            let outcome = end.try_take();
            assert!(outcome.is_ok_and(|outcome| outcome.is_err()));
        }
        assert!(shared.spawned.all().is_empty());
    });
}

/// Two stop a future that is pending: it is dropped by the thread, and counted once.
///
/// Bug: a thread that is told that the future was cancelled before counts it, too.
#[test]
fn a_pending_future_is_stopped_once() {
    model(2, || {
        let shared = pool(1, start_none);
        let (handle, over, waker) = pending_future(&shared);
        let worker = start_worker(&shared);
        let waking = thread::spawn(move || {
            over.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        });
        shared.stop();
        worker.join().unwrap();
        waking.join().unwrap();
        let outcome = handle.try_take().unwrap_or_else(|_| panic!("it has ended"));
        assert_eq!(
            shared.incidents.stopped.get(),
            usize::from(outcome.is_err())
        );
    });
}
