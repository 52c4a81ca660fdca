//! A pool starts with all its threads or not at all, and says what was wrong.

use std::io::ErrorKind;
use std::thread;

use workmill::{Builder, ThreadPoolExecutor};

use crate::support::{assert_success, in_child, limited};

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

#[cfg(target_os = "linux")]
#[test]
fn when_a_thread_cannot_start_the_others_end_and_the_error_is_the_systems() {
    let name = "starting::when_a_thread_cannot_start_the_others_end_and_the_error_is_the_systems";
    let limit = ["sh", "-c", "ulimit -v 1000000; exec \"$0\" \"$@\""];
    let Some(output) = in_child(name, &limit) else {
        let before = live_threads();
        let builder = Builder::new().threads(64).stack_size(64 << 20);
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        assert_eq!(live_threads(), before);
        // What there is room for still works.
        let pool = ThreadPoolExecutor::new(1).unwrap();
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        return;
    };
    assert_success(&output);
}

#[cfg(target_os = "linux")]
#[test]
fn when_no_thread_can_start_building_fails() {
    let name = "starting::when_no_thread_can_start_building_fails";
    let limit = ["sh", "-c", "ulimit -v 1000000; exec \"$0\" \"$@\""];
    let Some(output) = in_child(name, &limit) else {
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
