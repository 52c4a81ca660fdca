//! A handle tells of its task without taking the outcome: how far it has come, its error, its id.
//! Callbacks look at the outcome on its way to whoever joins.

use std::collections::HashSet;
use std::future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use workmill::{
    Builder, CancelReason, JoinError, JoinHandle, Lost, TaskState, ThreadPoolExecutor, promise,
    task_id,
};

use crate::support::{Flag, limited, occupy};

type Log = Arc<Mutex<Vec<&'static str>>>;

fn note(log: &Log, what: &'static str) {
    log.lock().unwrap().push(what);
}

#[test]
fn the_state_says_how_far_a_closure_has_come() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (begun, go) = (Flag::default(), Flag::default());
        let (begins, goes) = (begun.clone(), go.clone());
        let mut runs = pool.submit(move || {
            begins.set();
            goes.wait();
            42
        });
        let panics = pool.submit(|| panic!("no grain"));
        let cancelled = pool.submit(|| ());
        begun.wait();
        assert_eq!(runs.state(), TaskState::Running);
        assert_eq!(panics.state(), TaskState::Waiting);
        assert!(panics.error().is_none());
        assert!(cancelled.cancel());
        go.set();
        pool.wait_idle().unwrap();

        assert_eq!(runs.state(), TaskState::Returned);
        assert!(runs.error().is_none());
        assert_eq!(panics.state(), TaskState::Panicked);
        assert_eq!(panics.error().unwrap().panic_message(), Some("no grain"));
        assert_eq!(cancelled.state(), TaskState::Cancelled);
        let reason = cancelled.error().unwrap().cancel_reason();
        assert_eq!(reason, Some(CancelReason::Cancelled));

        assert_eq!(runs.try_join().unwrap().unwrap(), 42);
        assert_eq!(runs.state(), TaskState::Taken);
        assert!(runs.error().is_none());
        let payload = panics.join().unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref(), Some(&"no grain"));
    });
}

#[test]
fn the_state_says_how_far_a_future_has_come() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let waits = pool.spawn(future::pending::<()>());
        let ready = pool.spawn(async { 42 });
        assert_eq!(waits.state(), TaskState::Waiting);
        release.set();
        while ready.state() != TaskState::Returned {
            std::thread::yield_now();
        }
        // It was polled before the other one was, and rests.
        assert_eq!(waits.state(), TaskState::Running);
        assert!(waits.cancel());
        let shared = waits.shared();
        assert!(shared.join().is_err());
        assert_eq!(shared.state(), TaskState::Cancelled);
        assert!(shared.error().unwrap().is_cancelled());
    });
}

#[test]
fn the_state_of_a_promise_is_that_of_its_answer() {
    limited(|| {
        let (mut answers, handle) = promise::<u32>();
        let handle = handle.map(|n| n + 1);
        assert_eq!(handle.state(), TaskState::Waiting);
        assert!(answers.set_running());
        answers.complete(1).unwrap();
        assert_eq!(handle.state(), TaskState::Returned);
        assert_eq!(handle.join().unwrap(), 2);

        let (loses, handle) = promise::<u32>();
        let lost = JoinError::lost(Lost::new("mill 2", "does not answer"));
        loses.fail(lost).unwrap();
        assert_eq!(handle.state(), TaskState::Lost);
        assert!(handle.map(|n| n + 1).error().unwrap().is_lost());
    });
}

#[test]
fn a_look_at_a_panic_does_not_count_as_having_seen_it() {
    limited(|| {
        let log = Log::default();
        let unseen = Arc::clone(&log);
        let builder = Builder::new().threads(1);
        let builder = builder.panic_handler(move |_| note(&unseen, "unseen"));
        let pool = builder.build().unwrap();
        let looked_at = pool.submit(|| panic!("no grain"));
        pool.wait_idle().unwrap();
        assert!(looked_at.error().unwrap().is_panic());
        assert!(log.lock().unwrap().is_empty());
        drop(looked_at);
        pool.shutdown();
        assert_eq!(*log.lock().unwrap(), ["unseen"]);
    });
}

#[test]
fn callbacks_see_the_outcome_in_turn_before_it_is_returned() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for begins_first in [false, true] {
            let (log, release) = (Log::default(), occupy(&pool));
            let (first, second) = (Arc::clone(&log), Arc::clone(&log));
            let mut task = pool.submit(|| String::from("flour"));
            if begins_first {
                release.set();
                pool.wait_idle().unwrap();
            }
            task = task.inspect(move |outcome| {
                assert_eq!(outcome.as_ref().unwrap(), "flour");
                note(&first, "first");
            });
            task = task.inspect(move |_| note(&second, "second"));
            release.set();
            assert_eq!(task.join().unwrap(), "flour");
            assert_eq!(*log.lock().unwrap(), ["first", "second"]);
        }
    });
}

#[test]
fn a_handle_with_callbacks_cancels_the_task_and_runs_it_inline() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let log = Log::default();
        let seen = Arc::clone(&log);
        let task = pool.submit(|| unreachable!("it was cancelled"));
        let task: JoinHandle<()> = task.inspect(move |outcome| {
            assert!(outcome.as_ref().unwrap_err().is_cancelled());
            note(&seen, "cancelled");
        });
        assert!(task.cancel());
        assert!(task.join().unwrap_err().is_cancelled());
        assert_eq!(*log.lock().unwrap(), ["cancelled"]);

        // The only thread runs the task that it waits for: no other could.
        let joins = pool.submit(move || {
            let pool = workmill::current().unwrap();
            let ran_on = pool.submit(|| std::thread::current().id());
            ran_on.inspect(|_| ()).join().unwrap() == std::thread::current().id()
        });
        release.set();
        assert!(joins.join().unwrap());
    });
}

#[test]
fn a_panic_in_a_callback_changes_nothing_in_the_outcome() {
    limited(|| {
        let log = Log::default();
        let unseen = Arc::clone(&log);
        let builder = Builder::new().threads(1);
        let builder = builder.panic_handler(move |payload| {
            note(&unseen, payload.downcast_ref::<&str>().unwrap());
        });
        let pool = builder.build().unwrap();
        let task = pool.submit(|| 42).inspect(|_| panic!("callback"));
        assert_eq!(task.join().unwrap(), 42);
        let task = pool.submit(|| panic!("task"));
        drop(task.inspect(|outcome| assert!(outcome.is_err())));
        pool.shutdown();
        assert_eq!(*log.lock().unwrap(), ["callback", "task"]);
    });
}

#[test]
fn tasks_that_are_there_at_one_time_have_different_ids() {
    limited(|| {
        assert_eq!(task_id(), None);
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let closures = (0..500).map(|_| pool.submit(task_id));
        let futures = (0..500).map(|_| pool.spawn(async { task_id() }));
        let tasks: Vec<_> = closures.chain(futures).collect();
        let ids: HashSet<_> = tasks.iter().map(JoinHandle::id).collect();
        assert_eq!(ids.len(), tasks.len());
        for task in tasks {
            let (id, shared) = (task.id(), task.shared());
            assert_eq!(shared.join().unwrap(), Some(id));
            assert_eq!(shared.clone().id(), id);
        }
        let task = pool.submit(task_id);
        let id = task.id();
        let task = task.inspect(|_| ()).map(|own| own).inspect(|_| ());
        assert_eq!(task.id(), id);
        assert_eq!(task.join().unwrap(), Some(id));
        let nested = pool.submit(|| {
            let inner = workmill::current().unwrap().submit(task_id);
            let (id, own) = (inner.id(), task_id());
            assert_eq!(inner.join().unwrap(), Some(id));
            assert_eq!(task_id(), own);
            assert_ne!(own, Some(id));
        });
        nested.join().unwrap();
    });
}

#[test]
fn a_task_runs_as_long_as_its_outcome_is_on_its_way() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (begun, go) = (Flag::default(), Flag::default());
        let (begins, goes) = (begun.clone(), go.clone());
        let task = pool.submit(|| 42).inspect(move |_| {
            begins.set();
            goes.wait();
        });
        begun.wait();
        let state = task.state();
        let shared = task.shared();
        let states = [state, shared.state()];
        go.set();
        assert_eq!(states, [TaskState::Running; 2]);
        assert_eq!(shared.join().unwrap(), 42);
        assert_eq!(shared.state(), TaskState::Returned);
    });
}

#[test]
fn thousands_of_callbacks_use_up_no_stack() {
    const MANY: usize = 50_000;
    type End = fn(JoinHandle<u32>, &Flag);
    let ends: [End; 4] = [
        |task, go| {
            assert!(!task.is_running());
            go.set();
            assert_eq!(task.join().unwrap(), 42);
        },
        |task, _| {
            assert!(task.cancel());
            assert!(task.join().unwrap_err().is_cancelled());
        },
        |task, go| {
            drop(task);
            go.set();
        },
        |task, go| {
            go.set();
            while !task.is_finished() {
                std::thread::yield_now();
            }
        },
    ];
    let check = move || {
        for end in ends {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let (release, called) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
            let mut task = pool.submit(|| 42);
            for number in 0..MANY {
                let called = Arc::clone(&called);
                task = task.inspect(move |_| {
                    assert_eq!(called.fetch_add(1, Ordering::SeqCst), number);
                });
            }
            end(task, &release);
            release.set();
            pool.shutdown();
            assert_eq!(called.load(Ordering::SeqCst), MANY);
        }
    };
    // On a thread with a stack of the usual size.
    limited(move || std::thread::spawn(check).join().unwrap());
}
