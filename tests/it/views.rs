//! Views add a priority, a name, a time limit or a token to each task that is submitted by them, by
//! whatever method, and change nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use workmill::{
    CancelReason, CancelToken, Every, PoolRef, Priority, ThreadPoolExecutor, block_on, timer,
};

use crate::support::{limited, occupy};

fn pool(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(threads).unwrap()
}

/// Submits tasks that note their numbers, in this order of priorities, to a pool of one thread that
/// is occupied, and returns the numbers in the order in which they ran.
fn order(priorities: &[Priority]) -> Vec<usize> {
    let pool = pool(1);
    let release = occupy(&pool);
    let order = Arc::new(Mutex::new(Vec::new()));
    for (n, priority) in priorities.iter().enumerate() {
        let order = Arc::clone(&order);
        let note = move || order.lock().unwrap().push(n);
        pool.priority(*priority).execute(note);
    }
    release.set();
    pool.wait_idle().unwrap();
    Arc::into_inner(order).unwrap().into_inner().unwrap()
}

#[test]
fn the_urgent_begin_first_and_the_idle_last() {
    limited(|| {
        use Priority::{High, Low, Normal};
        let order = order(&[Low, Normal, High, Low, Normal, High]);
        assert_eq!(order, [2, 5, 1, 4, 0, 3]);
    });
}

#[test]
fn the_urgent_begin_before_the_tasks_that_a_task_has_submitted() {
    limited(|| {
        let pool = pool(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let (submits, notes) = (pool.handle(), Arc::clone(&order));
        let parent = pool.submit(move || {
            for n in 0..100 {
                let notes = Arc::clone(&notes);
                submits.execute(move || notes.lock().unwrap().push(n));
            }
            let urgent = submits.priority(Priority::High);
            urgent.execute(move || notes.lock().unwrap().push(1000));
        });
        parent.join().unwrap();
        pool.wait_idle().unwrap();
        assert_eq!(order.lock().unwrap()[0], 1000);
    });
}

#[test]
fn a_flood_of_urgent_tasks_lets_others_begin_now_and_then() {
    limited(|| {
        let pool = pool(1);
        let release = occupy(&pool);
        let (urgent, ran) = (pool.priority(Priority::High), Arc::new(AtomicUsize::new(0)));
        for _ in 0..5000 {
            let ran = Arc::clone(&ran);
            urgent.execute(move || {
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        let before = |pool: &PoolRef| {
            let ran = Arc::clone(&ran);
            pool.submit(move || ran.load(Ordering::SeqCst))
        };
        let (normal, low) = (before(&pool), before(&pool.priority(Priority::Low)));
        release.set();
        assert_eq!(normal.join().unwrap(), 32);
        let low = low.join().unwrap();
        assert!((900..1200).contains(&low), "{low}");
    });
}

#[test]
fn a_flood_of_normal_tasks_lets_the_idle_begin_now_and_then() {
    limited(|| {
        let pool = pool(1);
        let release = occupy(&pool);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..5000 {
            let ran = Arc::clone(&ran);
            pool.execute(move || {
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        let seen = Arc::clone(&ran);
        let low = pool.priority(Priority::Low);
        let low = low.submit(move || seen.load(Ordering::SeqCst));
        release.set();
        let before = low.join().unwrap();
        assert!((900..1200).contains(&before), "{before}");
    });
}

#[test]
fn what_has_a_priority_is_finished_or_cancelled_with_the_pool() {
    limited(|| {
        for stops in [false, true] {
            let pool = pool(1);
            let release = occupy(&pool);
            let handles: Vec<_> = [Priority::High, Priority::Low, Priority::Normal]
                .map(|priority| pool.priority(priority).submit(|| ()))
                .into();
            if stops {
                assert_eq!(pool.shutdown_now(), 3);
            }
            release.set();
            pool.shutdown();
            for handle in handles {
                assert_eq!(handle.join().is_err(), stops);
            }
        }
    });
}

#[test]
fn a_name_is_told_by_errors_of_closures_and_futures() {
    limited(|| {
        let pool = pool(1);
        let named = pool.named("grind").named(&String::from("bake"));
        let error = named.submit(|| panic!("on purpose")).join().unwrap_err();
        assert_eq!(error.task_name(), "bake");
        let error = named.spawn(async { panic!("on purpose") }).join();
        assert_eq!(error.unwrap_err().task_name(), "bake");
        let release = occupy(&pool);
        let waits = named.submit(|| ());
        assert!(waits.cancel());
        assert_eq!(waits.join().unwrap_err().task_name(), "bake");
        release.set();
        let (begun, begins) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        named.execute(move || {
            begun.send(()).unwrap();
            let _ = gone.recv();
        });
        begins.recv().unwrap();
        let error = pool.shutdown_timeout(Duration::ZERO).unwrap_err();
        assert_eq!(error.busy()[0].task(), "bake");
        drop(go);
    });
}

#[test]
fn a_task_that_has_not_begun_in_time_expires_whoever_meets_it() {
    limited(|| {
        let pool = pool(1);
        let soon = pool.start_within(Duration::from_millis(1));
        let soon = soon.start_within(Duration::MAX);
        let release = occupy(&pool);
        let captured = Arc::new(());
        let task = |captured: &Arc<()>| {
            let captured = Arc::clone(captured);
            move || drop(captured)
        };
        let [met, joined, cancelled] = [(); 3].map(|()| soon.submit(task(&captured)));
        let dropped = Arc::clone(&captured);
        let future = soon.spawn(async move { drop(dropped) });
        std::thread::sleep(Duration::from_millis(5));
        // A thread that joins settles it, although no worker has time.
        let reason = joined.join().unwrap_err().cancel_reason();
        assert_eq!(reason, Some(CancelReason::Expired));
        assert!(cancelled.cancel());
        release.set();
        for error in [met.join().unwrap_err(), future.join().unwrap_err()] {
            assert_eq!(error.cancel_reason(), Some(CancelReason::Expired));
        }
        pool.wait_idle().unwrap();
        assert_eq!(Arc::strong_count(&captured), 1);
        // What has begun in time goes on.
        let begun = soon.start_within(Duration::from_secs(1000));
        let sleeps = begun.spawn(async { timer::sleep(Duration::from_millis(20)).await });
        drop(sleeps);
    });
}

#[test]
fn a_task_that_waits_for_a_permit_expires_though_nobody_meets_it() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let release = occupy(&group);
        let soon = group.start_within(Duration::from_millis(1));
        let (closure, future) = (soon.submit(|| ()), soon.spawn(async {}));
        for error in [closure.join().unwrap_err(), block_on(future).unwrap_err()] {
            assert_eq!(error.cancel_reason(), Some(CancelReason::Expired));
        }
        release.set();
        group.wait_idle().unwrap();
    });
}

#[test]
fn a_token_cancels_what_has_not_begun_and_futures_and_refuses_the_rest() {
    limited(|| {
        let (pool, stop, other) = (pool(2), CancelToken::new(), CancelToken::new());
        let view = pool.cancel_with(&other).cancel_with(&stop);
        assert_eq!(view.submit(|| 42).join().unwrap(), 42);
        let (begun, begins) = mpsc::channel();
        let sleeps = view.spawn(async move {
            begun.send(()).unwrap();
            timer::sleep(Duration::MAX).await;
        });
        begins.recv().unwrap();
        let release = [occupy(&pool), occupy(&pool)];
        let captured = Arc::new(());
        let held = Arc::clone(&captured);
        let waits = view.submit(move || drop(held));
        let later = view.submit_after(Duration::from_secs(1000), || ());
        let series = view.submit_every(Every::rate(Duration::from_secs(1000)), || ());
        stop.cancel();
        // Closures are dropped by the thread that cancels.
        assert_eq!(Arc::strong_count(&captured), 1);
        assert!(waits.join().unwrap_err().is_cancelled());
        assert!(later.join().unwrap_err().is_cancelled());
        assert!(series.join().unwrap_err().is_cancelled());
        release.iter().for_each(|release| release.set());
        assert!(sleeps.join().unwrap_err().is_cancelled());
        for refused in [view.submit(|| ()), view.spawn(async {})] {
            let reason = refused.join().unwrap_err().cancel_reason();
            assert_eq!(reason, Some(CancelReason::Cancelled));
        }
        let reason = view.try_submit(|| ()).unwrap_err().reason();
        assert_eq!(reason, CancelReason::Cancelled);
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        assert!(!other.is_cancelled());
    });
}

#[test]
fn views_are_chained_and_a_group_within_them_has_all() {
    limited(|| {
        let (pool, stop) = (pool(2), CancelToken::new());
        let view = pool.named("bake").cancel_with(&stop);
        let group = view.priority(Priority::High).limited(1);
        let release = occupy(&group);
        let waits = group.submit(|| ());
        stop.cancel();
        assert_eq!(waits.join().unwrap_err().task_name(), "bake");
        release.set();
        group.wait_idle().unwrap();
    });
}
