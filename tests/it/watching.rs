//! The user is told which tasks run for long, and what a pool that does not end is doing.

use std::sync::mpsc;
use std::time::Duration;

use workmill::{Builder, BusyThread, ThreadPoolExecutor, yield_now};

use crate::support::{Flag, limited, until};

const AFTER: Duration = Duration::from_millis(20);

fn watched(threads: usize) -> (ThreadPoolExecutor, mpsc::Receiver<BusyThread>) {
    let (send, told) = mpsc::channel();
    let builder = Builder::new().threads(threads);
    let builder = builder.on_long_task(AFTER, move |busy| {
        let _ = send.send(busy);
    });
    (builder.build().unwrap(), told)
}

/// Occupies a worker through a view until the flag is set.
fn occupy(pool: &workmill::PoolRef) -> Flag {
    let release = Flag::default();
    let go = release.clone();
    pool.execute(move || go.wait());
    release
}

#[test]
fn a_long_task_is_told_once_with_its_name_its_place_its_group_and_its_time() {
    limited(|| {
        let (pool, told) = watched(1);
        let group = pool.limited(1);
        let (line, release) = (line!(), occupy(&group.named("grind")));
        let busy = told.recv().unwrap();
        assert_eq!((busy.thread(), busy.task()), ("workmill-0", "grind"));
        let place = busy.place().unwrap();
        assert!(place.file().ends_with("watching.rs") && place.line() == line);
        assert_eq!(busy.group(), Some(group.metrics().number));
        assert!(busy.running_for() >= AFTER && !busy.waits(), "{busy}");
        assert!(busy.to_string().contains("runs grind ("), "{busy}");
        std::thread::sleep(AFTER * 3);
        release.set();
        pool.shutdown();
        assert!(told.try_recv().is_err(), "told once");
    });
}

#[test]
fn a_task_behind_many_short_ones_is_told_and_they_are_not() {
    limited(|| {
        let (pool, told) = watched(1);
        let release = Flag::default();
        let go = release.clone();
        pool.execute(|| {
            let pool = workmill::current().unwrap();
            (0..1000).for_each(|_| pool.named("short").execute(|| ()));
        });
        pool.named("long").execute(move || go.wait());
        let busy = told.recv().unwrap();
        assert_eq!(busy.task(), "long");
        assert!(busy.running_for() >= AFTER);
        release.set();
        pool.shutdown();
        assert!(told.try_recv().is_err());
    });
}

#[test]
fn a_task_that_waits_for_long_is_told_as_one_that_waits() {
    limited(|| {
        let (pool, told) = watched(1);
        let (send, event) = (pool.handle(), std::sync::Arc::new(workmill::Event::new()));
        let waits = event.clone();
        send.execute(move || waits.wait());
        let busy = told.recv().unwrap();
        assert!(
            busy.waits() && busy.to_string().contains(" waits in "),
            "{busy}"
        );
        event.set();
        pool.shutdown();
    });
}

#[test]
fn a_future_that_yields_is_not_one_long_task() {
    limited(|| {
        let (pool, told) = watched(1);
        let began = std::time::Instant::now();
        pool.spawn(async move {
            while began.elapsed() < AFTER * 4 {
                yield_now().await;
            }
        })
        .join()
        .unwrap();
        pool.shutdown();
        assert!(told.try_recv().is_err(), "each poll was short");
    });
}

#[test]
fn a_long_task_after_an_idle_time_is_told_too() {
    limited(|| {
        let (pool, told) = watched(2);
        for _ in 0..3 {
            let release = occupy(&pool);
            told.recv().unwrap();
            release.set();
            pool.wait_idle().unwrap();
            until(|| pool.metrics().running_threads == 0);
            std::thread::sleep(AFTER);
        }
        pool.shutdown();
        assert!(told.try_recv().is_err());
    });
}

#[test]
fn the_hook_may_use_the_pool_and_panic() {
    limited(|| {
        let (send, told) = mpsc::channel();
        let (panics, seen) = mpsc::channel();
        let builder = Builder::new()
            .threads(2)
            .panic_handler(move |_| panics.send(()).unwrap());
        let pool = builder
            .on_long_task(AFTER, move |_| {
                let release = send.clone();
                release.send(()).unwrap();
                panic!("on purpose");
            })
            .build()
            .unwrap();
        let release = occupy(&pool);
        told.recv().unwrap();
        seen.recv().unwrap();
        release.set();
        let release = occupy(&pool);
        told.recv().unwrap();
        release.set();
        pool.shutdown();
    });
}

#[test]
fn the_hook_may_shut_the_pool_down() {
    limited(|| {
        let (send, told) = mpsc::channel();
        let slot = std::sync::Arc::new(std::sync::OnceLock::<ThreadPoolExecutor>::new());
        let owner = slot.clone();
        let builder = Builder::new().threads(1).on_long_task(AFTER, move |_| {
            owner.get().unwrap().shutdown_now();
            send.send(()).unwrap();
        });
        let pool = builder.build().unwrap();
        slot.set(pool.clone()).unwrap();
        pool.execute(|| workmill::cancelled().wait());
        told.recv().unwrap();
        pool.shutdown();
        assert!(pool.is_terminated());
    });
}

#[test]
fn a_shutdown_that_gives_up_says_what_runs_where_and_for_how_long() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let group = pool.limited(1);
        let begun = Flag::default();
        let (tells, release) = (begun.clone(), Flag::default());
        let go = release.clone();
        group.named("grind").execute(move || {
            tells.set();
            go.wait();
        });
        begun.wait();
        let timeout = Duration::from_millis(30);
        let error = pool.shutdown_timeout(timeout).unwrap_err();
        let busy = &error.busy()[0];
        assert_eq!((busy.task(), busy.group()), ("grind", Some(0)));
        assert!(
            busy.place().is_some() && busy.running_for() >= timeout,
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("runs grind (") && text.contains("of group 0 for "),
            "{text}"
        );
        release.set();
        pool.shutdown();
    });
}
