//! `join`: both closures are called, wherever it is called from and whatever they do; a thread that
//! waits for one of them runs nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use workmill::{
    Builder, CancelReason, Event, JoinHandle, JoinableQueue, Overflow, PoolRef, ThreadPoolExecutor,
    block_on, blocking, cancelled, current, join,
};

use crate::child::in_child;
use crate::support::{Bomb, Counted, Drops, Flag, limited, occupy, until};

fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (one, other) = join(|| fibonacci(n - 1), || fibonacci(n - 2));
    one + other
}

fn id() -> ThreadId {
    thread::current().id()
}

/// Calls `body` in a task of pools of one, two and four threads.
fn in_pools(body: fn()) {
    for threads in [1, 2, 4] {
        let pool = ThreadPoolExecutor::new(threads).unwrap();
        pool.submit(body).join().unwrap();
    }
}

/// Calls `join` in a task, with a second closure that another worker has begun before the first
/// returns. `first` is called by then.
fn with_stolen<R: Send>(
    first: impl FnOnce() -> R + Send,
    second: impl FnOnce() -> R + Send,
) -> (R, R) {
    let (begun, mine) = (Event::new(), id());
    join(
        || {
            begun.wait();
            first()
        },
        || {
            assert_ne!(id(), mine, "it is stolen");
            begun.set();
            second()
        },
    )
}

#[test]
fn both_closures_are_called_at_any_depth() {
    limited(|| {
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            for _ in 0..20 {
                assert_eq!(pool.install(|| fibonacci(20)).unwrap(), 6765);
            }
        }
    });
}

#[test]
fn the_closures_may_borrow_and_their_results_may_too() {
    limited(|| {
        let words = ["rye".to_owned(), "oat".to_owned()];
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (first, second) = pool.join(|| &words[0], || words[1].as_str());
        assert_eq!((first.as_str(), second), ("rye", "oat"));
    });
}

#[test]
fn outside_of_pools_one_is_called_after_the_other() {
    let order = Mutex::new(Vec::new());
    let note = |n| {
        order.lock().unwrap().push((n, id()));
        n
    };
    assert_eq!(join(|| note(1), || note(2)), (1, 2));
    assert_eq!(*order.lock().unwrap(), [(1, id()), (2, id())]);
    let outcome = catch_unwind(AssertUnwindSafe(|| join(|| panic_any(3), || note(4))));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&3));
    assert_eq!(
        order.lock().unwrap().len(),
        3,
        "the second is called all the same"
    );
}

#[test]
fn another_thread_takes_the_second_while_the_first_runs() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let ids = pool.submit(|| with_stolen(id, id)).join().unwrap();
        assert_ne!(ids.0, ids.1);
    });
}

fn left(levels: u32) -> u32 {
    match levels {
        0 => 0,
        _ => join(|| left(levels - 1), || ()).0 + 1,
    }
}

fn right(levels: u32) -> u32 {
    match levels {
        0 => 0,
        _ => join(|| (), || right(levels - 1)).1 + 1,
    }
}

#[test]
fn ten_thousand_levels_need_no_larger_stack() {
    in_child(&[], || {
        for threads in [1, 2] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            for levels in [left, right] {
                assert_eq!(pool.install(|| levels(10_000)).unwrap(), 10_000);
            }
            assert_eq!(pool.metrics().uncovered_waits, 0);
        }
    });
}

#[test]
fn two_thousand_levels_fit_small_stacks() {
    in_child(&[], || {
        let builder = Builder::new().threads(1).stack_size(64 << 10);
        let pool = builder.build().unwrap();
        for levels in [left, right] {
            assert_eq!(pool.install(|| levels(2000)).unwrap(), 2000);
        }
    });
}

/// Returns the payload of the panic of a `join` in a task.
fn payload<R: Send + 'static>(joins: impl FnOnce() -> R + Send + 'static) -> &'static str {
    let pool = ThreadPoolExecutor::new(2).unwrap();
    let error = pool.submit(joins).join().err().expect("it panics");
    let text = error.into_panic();
    assert_eq!(
        pool.install(|| fibonacci(10)).unwrap(),
        55,
        "the pool goes on"
    );
    text.downcast_ref::<&str>().copied().expect("it is text")
}

#[test]
fn a_panic_goes_on_when_both_have_ended_and_the_first_wins() {
    limited(|| {
        static ENDED: AtomicUsize = AtomicUsize::new(0);
        fn ends() {
            assert!(!thread::panicking());
            ENDED.fetch_add(1, SeqCst);
        }
        fn one() {
            panic_any("one");
        }
        fn other() {
            panic_any("other");
        }
        let ended = || ENDED.swap(0, SeqCst);
        assert_eq!(payload(|| join(one, ends)), "one");
        assert_eq!(ended(), 1);
        assert_eq!(payload(|| join(ends, other)), "other");
        assert_eq!(ended(), 1);
        assert_eq!(payload(|| join(one, other)), "one");
        assert_eq!(payload(|| with_stolen(one, ends)), "one");
        assert_eq!(ended(), 1);
        assert_eq!(payload(|| with_stolen(ends, other)), "other");
        assert_eq!(ended(), 1);
        assert_eq!(payload(|| with_stolen(one, other)), "one");
    });
}

#[test]
fn without_spare_threads_the_second_is_called_all_the_same_when_the_first_panics() {
    limited(|| {
        let builder = Builder::new().threads(1).max_spare_threads(0);
        let (pool, called) = (builder.build().unwrap(), AtomicUsize::new(0));
        let second = || called.fetch_add(1, SeqCst);
        let joined = catch_unwind(AssertUnwindSafe(|| {
            pool.join(|| panic_any("one"), || join(second, second))
        }));
        let payload = joined.map(|_: ((), _)| ()).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"one"));
        assert_eq!(called.load(SeqCst), 2);
    });
}

#[test]
fn with_all_spare_threads_away_the_second_is_called_all_the_same_when_the_first_panics() {
    limited(|| {
        let builder = Builder::new().threads(1).max_spare_threads(1);
        let (pool, called) = (builder.build().unwrap(), AtomicUsize::new(0));
        let event = Arc::new(Event::new());
        let wait = Arc::clone(&event);
        // The only spare thread runs in its place.
        let away = pool.submit(move || wait.wait());
        let second = || called.fetch_add(1, SeqCst);
        let joined = pool.install(|| {
            let first = || panic_any("one");
            let joined = || join(first, || join(second, second));
            let joined = catch_unwind(AssertUnwindSafe(joined)).map(|_: ((), _)| ());
            event.set();
            joined
        });
        let payload = joined.unwrap().unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"one"));
        assert_eq!(called.load(SeqCst), 2);
        away.join().unwrap();
    });
}

/// Calls `join` with a first closure that panics, and returns whether the second was called.
fn calls_the_second_beside_a_panic() -> bool {
    let called = AtomicUsize::new(0);
    let second = || called.fetch_add(1, SeqCst);
    let joined = catch_unwind(AssertUnwindSafe(|| join(|| panic_any("one"), second)));
    let payload = joined.map(|_: ((), _)| ()).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"one"));
    called.into_inner() == 1
}

/// The thread that joins has no slot, and the one that has it waits for that thread.
#[test]
fn without_a_slot_and_with_all_spare_threads_away_the_second_is_called_when_the_first_panics() {
    limited(|| {
        let builder = Builder::new().threads(1).max_spare_threads(1);
        let pool = builder.build().unwrap();
        let (begun, ended) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (begins, ends) = (Arc::clone(&begun), Arc::clone(&ended));
        let task = pool.submit(move || {
            blocking(|| {
                begun.wait();
                let called = calls_the_second_beside_a_panic();
                ended.set();
                called
            })
        });
        let waits = pool.submit(move || {
            begins.set();
            ends.wait();
        });
        assert!(task.join().unwrap());
        waits.join().unwrap();
    });
}

/// All threads that might take the second closure wait for the lock.
#[test]
fn a_lock_held_across_a_join_does_not_keep_the_second_from_being_called_when_the_first_panics() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let lock = Arc::new(Mutex::new(0));
        let locked = Arc::clone(&lock);
        let task = pool.submit(move || {
            let _held = lock.lock().unwrap();
            for _ in 0..10 {
                let lock = Arc::clone(&lock);
                current()
                    .unwrap()
                    .execute(move || *lock.lock().unwrap() += 1);
            }
            calls_the_second_beside_a_panic()
        });
        assert!(task.join().unwrap());
        pool.wait_idle().unwrap();
        assert_eq!(*locked.lock().unwrap(), 10);
    });
}

#[test]
fn a_result_that_panics_in_its_drop_leaves_the_panic_of_the_other_closure_alone() {
    limited(|| {
        let bomb = || Some(Bomb { depth: 3 });
        let one = || -> Option<Bomb> { panic_any("one") };
        let other = || -> Option<Bomb> { panic_any("other") };
        assert_eq!(payload(move || drop(join(bomb, other))), "other");
        assert_eq!(payload(move || drop(join(one, bomb))), "one");
        assert_eq!(payload(move || drop(with_stolen(bomb, other))), "other");
        assert_eq!(payload(move || drop(with_stolen(one, bomb))), "one");
        // Outside of pools.
        let joined = catch_unwind(|| drop(join(bomb, other)));
        assert_eq!(joined.unwrap_err().downcast_ref(), Some(&"other"));
    });
}

#[test]
fn results_and_payloads_are_dropped_once_whatever_panics() {
    limited(|| {
        let drops = Drops::default();
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for stolen in [false, true] {
            let (one, other) = (drops.value(), drops.value());
            let task = pool.submit(move || {
                let first = || panic_any(Bomb { depth: 3 });
                match stolen {
                    true => drop(with_stolen(first, move || (one, other))),
                    false => drop(join::<_, _, (Counted, Counted), _>(first, || (one, other))),
                }
            });
            let error = task.join().unwrap_err();
            assert!(error.is_panic());
            assert_eq!(drops.count(), 2);
            drops.reset();
        }
    });
}

/// The second closure is private, or public, when the first waits for it.
#[test]
fn the_first_may_wait_for_the_second() {
    limited(|| {
        in_pools(|| {
            let event = Event::new();
            join(|| event.wait(), || event.set());
            // With private halves below, and above.
            let (outer, inner) = (Event::new(), Event::new());
            let waits = || {
                inner.wait();
                outer.wait();
            };
            join(
                || join(|| join(waits, || ()), || inner.set()),
                || outer.set(),
            );
        });
    });
}

#[test]
fn the_first_may_wait_for_the_second_in_ways_that_the_crate_does_not_see() {
    limited(|| {
        in_pools(|| {
            let flag = Flag::default();
            // The half is there before the wait begins.
            join(|| blocking(|| flag.wait()), || flag.set());
            let flag = Flag::default();
            // And after.
            blocking(|| join(|| flag.wait(), || flag.set()));
        });
    });
}

/// With all spare threads used up, the wait keeps the slot; another worker takes the half.
#[test]
fn a_half_in_a_wait_that_keeps_its_slot_is_found() {
    limited(|| {
        let builder = Builder::new().threads(2).max_spare_threads(0);
        let pool = builder.build().unwrap();
        let waits = pool.submit(|| {
            let flag = Flag::default();
            blocking(|| join(|| flag.wait(), || flag.set()));
        });
        waits.join().unwrap();
    });
}

/// The task lends its slot while it waits for room, and what it has begun goes on there.
#[test]
fn a_half_runs_in_the_slot_that_the_other_lends() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let task = pool.submit(|| {
            let queue = JoinableQueue::bounded(1);
            queue.put(1).unwrap();
            join(|| queue.put(2).unwrap(), || queue.get().unwrap()).1
        });
        assert_eq!(task.join().unwrap(), 1);
        assert_eq!(pool.metrics().given_slots, 0);
    });
}

/// The first of an outer pair holds a lock and waits for a half that was stolen. The outer second
/// takes the lock, too, and so do other tasks.
#[test]
fn a_lock_held_across_a_join_meets_nothing_but_its_halves() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let lock = Arc::new(Mutex::new(0));
        let task = pool.submit(move || {
            let (pool, mine, outer_begun) = (current().unwrap(), id(), Flag::default());
            let take = || blocking(|| lock.lock().unwrap());
            let queue_tasks = || {
                for _ in 0..10 {
                    let lock = Arc::clone(&lock);
                    pool.execute(move || *blocking(|| lock.lock().unwrap()) += 1);
                }
                outer_begun.wait();
            };
            let holds = || {
                let _held = take();
                with_stolen(|| (), queue_tasks);
            };
            let takes = || {
                assert_ne!(id(), mine, "the thread that waits runs it");
                outer_begun.set();
                *take() += 1;
            };
            // A third half, so that the pair above is not the oldest.
            join(|| join(holds, takes), || *take() += 1);
        });
        task.join().unwrap();
    });
}

#[test]
fn a_thread_that_waits_for_a_half_takes_back_a_descendant_of_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let task = pool.submit(|| {
            let (nested, done) = (Flag::default(), Flag::default());
            let first = || nested.wait();
            let second = || {
                let runs = || {
                    nested.set();
                    done.wait();
                    id()
                };
                let (one, other) = join(runs, || {
                    done.set();
                    id()
                });
                assert_ne!(one, other);
                other
            };
            let mine = id();
            let begun = Flag::default();
            let second = || {
                begun.set();
                second()
            };
            let first = || {
                begun.wait();
                first();
            };
            (mine, join(first, second).1)
        });
        let (waiter, descendant) = task.join().unwrap();
        assert_eq!(waiter, descendant);
        assert_eq!(pool.metrics().live_threads, 2);
    });
}

#[test]
fn a_foreign_thread_may_call_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        assert_eq!(pool.join(|| fibonacci(15), || fibonacci(14)), (610, 377));
        let here = || current().is_some();
        assert_eq!(pool.join(here, here), (true, true));
        // As a foreign thread that is inside.
        assert_eq!(
            pool.block_on(async { join(|| fibonacci(15), || 1) }),
            (610, 1)
        );
        let event = Event::new();
        pool.block_on(async { join(|| event.wait(), || event.set()) });
    });
}

#[test]
fn a_submitter_that_runs_its_task_itself_may_call_it() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder.overflow(Overflow::CallerRuns).build().unwrap();
        let release = occupy(&pool);
        pool.execute(|| ());
        let mine = id();
        let task = pool.submit(move || {
            assert_eq!(id(), mine);
            fibonacci(15)
        });
        assert_eq!(task.join().unwrap(), 610);
        release.set();
    });
}

#[test]
fn a_worker_of_another_pool_may_call_it() {
    limited(|| {
        let (one, other) = (
            ThreadPoolExecutor::new(1).unwrap(),
            ThreadPoolExecutor::new(1).unwrap(),
        );
        let (inner, threads) = (other.handle(), [1, 1]);
        let task = one.submit(move || {
            let event = Event::new();
            inner.join(|| event.wait(), || event.set());
            let back = current().unwrap();
            inner.join(
                || fibonacci(10),
                || back.join(|| fibonacci(11), || threads[0]),
            )
        });
        assert_eq!(task.join().unwrap(), (55, (89, 1)));
    });
}

#[test]
fn a_future_may_call_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let future = pool.spawn(async {
            workmill::yield_now().await;
            let event = Event::new();
            join(|| event.wait(), || event.set());
            join(|| fibonacci(12), || block_on(async { fibonacci(11) }))
        });
        assert_eq!(future.join().unwrap(), (144, 89));
    });
}

#[test]
fn a_task_that_is_run_inline_by_a_half_may_call_it() {
    limited(|| {
        in_pools(|| {
            let inline = || {
                let task = current().unwrap().submit(|| fibonacci(12));
                task.join().unwrap()
            };
            assert_eq!(join(inline, inline), (144, 144));
        });
    });
}

#[test]
fn after_the_end_of_the_pool_both_are_called_here() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let reference = pool.handle();
        pool.shutdown();
        assert_eq!(reference.join(id, id), (id(), id()));
    });
}

/// Its task is dropped from the queue in favour of others.
#[test]
fn if_its_task_is_cancelled_both_are_called_here() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder.overflow(Overflow::DropOldest).build().unwrap();
        let release = occupy(&pool);
        let reference = pool.handle();
        let joins = thread::spawn(move || (id(), reference.join(id, id)));
        until(|| {
            pool.execute(|| ());
            joins.is_finished()
        });
        let (mine, ids) = joins.join().unwrap();
        assert_eq!(ids, (mine, mine));
        release.set();
    });
}

#[test]
fn a_pool_that_stops_runs_the_halves_of_its_running_tasks() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let begun = Flag::default();
        let begins = begun.clone();
        let task = pool.submit(move || {
            let token = cancelled();
            begins.set();
            join(|| token.wait(), || ());
            with_stolen(|| fibonacci(10), || fibonacci(9))
        });
        begun.wait();
        assert_eq!(pool.shutdown_now(), 0);
        assert_eq!(task.join().unwrap(), (55, 34));
    });
}

/// A half belongs to its task, which waits for it.
#[test]
fn a_half_that_joins_its_own_task_is_told_of_the_deadlock() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (sender, receiver) = mpsc::channel::<JoinHandle<()>>();
        let (tell, told) = mpsc::channel();
        let task = pool.submit(move || {
            let join_itself = move || {
                let error = receiver.recv().unwrap().join().unwrap_err();
                tell.send(error.cancel_reason()).unwrap();
            };
            with_stolen(|| (), join_itself);
        });
        sender.send(task).unwrap();
        assert_eq!(told.recv().unwrap(), Some(CancelReason::Deadlock));
    });
}

/// Each half joins a task, and the task of the second joins theirs.
#[test]
fn a_cycle_through_one_of_two_halves_that_join_is_found() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(4).unwrap();
        let end = Arc::new(Event::new());
        let (ends, waiting) = (Arc::clone(&end), pool.clone());
        let long = pool.submit(move || ends.wait());
        let wait_for = move |threads| until(|| waiting.metrics().waiting_threads >= threads);
        wait_for(1);
        let (sender, receiver) = mpsc::channel::<JoinHandle<()>>();
        let waiting = wait_for.clone();
        let back = pool.submit(move || {
            let task = receiver.recv().unwrap();
            waiting(3);
            task.join().map_err(|error| error.cancel_reason())
        });
        until(|| back.is_running());
        let (tell, told) = mpsc::channel();
        let task = pool.submit(move || {
            let second = move || {
                wait_for(2);
                tell.send(back.join()).unwrap();
            };
            with_stolen(|| long.join().unwrap(), second);
        });
        sender.send(task).unwrap();
        let deadlock = Some(CancelReason::Deadlock);
        match told.recv().unwrap() {
            Ok(gave_up) => assert_eq!(gave_up.unwrap_err(), deadlock),
            Err(gave_up) => assert_eq!(gave_up.cancel_reason(), deadlock),
        }
        end.set();
    });
}

#[test]
fn halves_count_neither_as_tasks_nor_in_the_capacity() {
    limited(|| {
        let pool = Builder::new().threads(2).queue_capacity(1).build().unwrap();
        let task = pool.submit(|| with_stolen(|| fibonacci(12), || fibonacci(12)));
        assert_eq!(task.join().unwrap(), (144, 144));
        assert_eq!(pool.metrics().over_capacity, 0);
        pool.wait_idle().unwrap();
    });
}

fn sums(pool: &PoolRef) -> usize {
    let sum = AtomicUsize::new(0);
    let add = |n| {
        sum.fetch_add(n, SeqCst);
    };
    pool.join(|| add(1), || add(2));
    sum.load(SeqCst)
}

#[test]
fn many_threads_may_enter_a_pool_at_once() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let entering = || (0..200).for_each(|_| assert_eq!(sums(&pool), 3));
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(entering))));
    });
}

#[test]
fn halves_of_one_task_are_not_taken_for_parts_of_another_that_runs_inline() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let joined = pool.install(|| {
            let pool = current().unwrap();
            // It runs inline in the first join, and waits for as long as a join is not listed.
            let inline = pool.submit(|| {
                workmill::CancelToken::new().wait_timeout(Duration::from_millis(100));
                7
            });
            let (one, other) = (inline.shared(), ());
            let two = one.clone();
            join(|| join(|| one.join(), || two.join()), || other).0
        });
        let (one, two) = joined.unwrap();
        assert_eq!((one.unwrap(), two.unwrap()), (7, 7), "no cycle");
    });
}

#[test]
fn nothing_is_run_on_a_thread_that_unwinds() {
    fn tree(levels: u32, unwinding: &AtomicUsize) {
        if thread::panicking() {
            unwinding.fetch_add(1, SeqCst);
        }
        // The half lasts, so that the thread that waits for it has the time to look for work.
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(20) {}
        if let Some(levels) = levels.checked_sub(1) {
            join(|| tree(levels, unwinding), || tree(levels, unwinding));
        }
    }
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let unwinding = AtomicUsize::new(0);
        let outcome = pool.install(|| {
            let begun = Event::new();
            let first = || {
                begun.wait();
                panic!("while the other half runs");
            };
            let second = || {
                begun.set();
                tree(13, &unwinding);
            };
            join(first, second);
        });
        assert!(outcome.is_err());
        assert_eq!(unwinding.load(SeqCst), 0);
    });
}
