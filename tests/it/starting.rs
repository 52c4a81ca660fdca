//! A pool starts its threads when there is work for them, and says what was wrong if it cannot.

use std::io::ErrorKind;
use std::sync::{Arc, Barrier};
use std::thread;

use workmill::{Builder, ThreadPoolExecutor};

use crate::support::{Door, assert_success, in_child, limited};

#[test]
fn a_pool_without_threads_is_refused() {
    let error = ThreadPoolExecutor::new(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "a pool has 1 to 65535 threads, not 0");
    let error = ThreadPoolExecutor::new(65_536).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_queue_with_more_capacity_than_can_be_counted_is_refused() {
    for capacity in [usize::MAX, (isize::MAX as usize >> 2) + 1] {
        let builder = Builder::new().threads(1).queue_capacity(capacity);
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_thread_name_with_a_nul_byte_is_refused() {
    let builder = Builder::new().threads(1).thread_name(|_| "a\0b".into());
    assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_pool_of_one_works() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let nested = pool.submit(|| workmill::current().unwrap().submit(|| 42).join());
        assert_eq!(nested.join().unwrap().unwrap(), 42);
        assert_eq!(pool.threads(), 1);
    });
}

#[test]
fn the_default_pool_has_a_thread_at_least() {
    limited(|| {
        let pool = ThreadPoolExecutor::default();
        assert!(pool.threads() >= 1);
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    });
}

#[test]
fn threads_have_their_names_and_indices() {
    limited(|| {
        let builder = Builder::new()
            .threads(1)
            .thread_name(|i| format!("mill-{i}"));
        let pool = builder.build().unwrap();
        let name = pool.submit(|| thread::current().name().map(str::to_owned));
        assert_eq!(name.join().unwrap().as_deref(), Some("mill-0"));
        assert_eq!(pool.submit(workmill::worker_index).join().unwrap(), Some(0));
        assert_eq!(workmill::worker_index(), None);
        assert!(workmill::current().is_none());
    });
}

/// How many threads this process has.
#[cfg(target_os = "linux")]
fn live_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Has so many tasks wait until all of them run.
fn meet(pool: &ThreadPoolExecutor, tasks: usize) {
    let barrier = Arc::new(Barrier::new(tasks));
    let handles: Vec<_> = (0..tasks)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            pool.submit(move || barrier.wait().is_leader())
        })
        .collect();
    let leaders = handles.into_iter().map(|handle| handle.join().unwrap());
    assert_eq!(leaders.filter(|leads| *leads).count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn threads_start_when_there_is_work_for_them() {
    let name = "starting::threads_start_when_there_is_work_for_them";
    let Some(output) = in_child(name, &[]) else {
        let before = live_threads();
        let pool = ThreadPoolExecutor::new(64).unwrap();
        assert_eq!(pool.threads(), 64);
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        assert_eq!(live_threads(), before + 1);
        meet(&pool, 64);
        assert_eq!(live_threads(), before + 64);
        pool.shutdown();
        assert_eq!(live_threads(), before);
        return;
    };
    assert_success(&output);
}

/// A gigabyte of address space: room for a dozen threads with stacks of 64 MiB, if the allocator does
/// not reserve as much again for each of them.
#[cfg(target_os = "linux")]
const LIMIT: [&str; 3] = [
    "sh",
    "-c",
    "ulimit -v 1000000; MALLOC_ARENA_MAX=1 exec \"$0\" \"$@\"",
];

#[cfg(target_os = "linux")]
#[test]
fn when_a_thread_cannot_start_later_the_pool_runs_on_fewer_and_tries_again() {
    let name = "starting::when_a_thread_cannot_start_later_the_pool_runs_on_fewer_and_tries_again";
    let Some(output) = in_child(name, &LIMIT) else {
        let before = live_threads();
        let in_the_way = std::hint::black_box(Vec::<u8>::with_capacity(400 << 20));
        let builder = Builder::new().threads(64).stack_size(64 << 20);
        let pool = builder.build().unwrap();
        let door = Door::default();
        let handles: Vec<_> = (0..64)
            .map(|n| {
                let door = door.clone();
                pool.submit(move || {
                    door.pass();
                    n
                })
            })
            .collect();
        while pool.metrics().failed_starts == 0 {
            thread::yield_now();
        }
        let fewer = live_threads() - before;
        assert!((1..64).contains(&fewer), "{fewer}");
        door.open();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        meet(&pool, fewer);
        drop(in_the_way);
        meet(&pool, fewer + 1);
        pool.shutdown();
        assert_eq!(live_threads(), before);
        return;
    };
    assert_success(&output);
}

#[cfg(target_os = "linux")]
#[test]
fn when_a_thread_that_has_a_say_cannot_start_the_others_end_and_the_error_is_the_systems() {
    let name = "starting::when_a_thread_that_has_a_say_cannot_start_the_others_end_and_the_error_is_the_systems";
    let Some(output) = in_child(name, &LIMIT) else {
        let before = live_threads();
        let builder = Builder::new().threads(64).stack_size(64 << 20);
        let error = builder.on_thread_start(|_| Ok(())).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        assert_eq!(live_threads(), before);
        // What there is room for still works.
        let pool = ThreadPoolExecutor::new(1).unwrap();
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        return;
    };
    assert_success(&output);
}

#[test]
fn when_no_thread_wants_to_start_building_fails_in_the_end() {
    limited(|| {
        for _ in 0..20 {
            let builder = Builder::new().threads(64);
            let refuse = |_| Err(std::io::Error::other("not today"));
            let error = builder.on_thread_start(refuse).build().unwrap_err();
            assert_eq!(error.to_string(), "not today");
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn when_no_thread_can_start_building_fails() {
    let name = "starting::when_no_thread_can_start_building_fails";
    let Some(output) = in_child(name, &LIMIT) else {
        let before = live_threads();
        let error = Builder::new()
            .threads(1)
            .stack_size(2 << 30)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        assert_eq!(live_threads(), before);
        return;
    };
    assert_success(&output);
}
