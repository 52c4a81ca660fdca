//! The compiler warns of values that are dropped at once, although they are meant to be kept.
//!
//! Each `expect` is an error if there is no warning.

#![deny(unfulfilled_lint_expectations)]

use std::sync::Arc;
use std::time::Duration;

use workmill::timer::interval;
use workmill::{CancelToken, Every, JoinableQueue, Semaphore, ThreadPoolExecutor};

use crate::support::{limited, occupy};

#[test]
fn the_compiler_warns_of_a_permit_that_is_not_bound() {
    limited(|| {
        let keys = Arc::new(Semaphore::new(1));
        #[expect(unused_must_use)]
        keys.acquire().unwrap();
        #[expect(unused_must_use)]
        keys.acquire_owned().unwrap();
        assert_eq!(keys.available_permits(), 1, "released at once");
        let _permit = keys.acquire().unwrap();
        assert_eq!(keys.available_permits(), 0);
    });
}

#[test]
fn the_compiler_warns_of_a_task_that_is_done_at_once() {
    limited(|| {
        let queue = JoinableQueue::unbounded();
        queue.put("flour").unwrap();
        #[expect(unused_must_use)]
        queue.get_task().unwrap();
        queue.join().unwrap();
        #[expect(unused_must_use)]
        queue.iter();
        #[expect(unused_must_use)]
        queue.iter_tasks();
    });
}

#[test]
fn the_compiler_warns_of_a_callback_that_is_removed_at_once() {
    limited(|| {
        let token = CancelToken::new();
        #[expect(unused_must_use)]
        token.on_cancel(|| unreachable!("it was removed"));
        token.cancel();
    });
}

#[test]
fn the_compiler_warns_of_a_task_that_is_cancelled_at_once() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        #[expect(unused_must_use)]
        pool.submit(|| unreachable!("it was cancelled"))
            .cancel_on_drop();
        release.set();
        pool.shutdown();
    });
}

#[test]
fn the_compiler_warns_of_what_does_nothing_yet() {
    limited(|| {
        #[expect(unused_must_use)]
        ThreadPoolExecutor::new(1).unwrap();
        #[expect(unused_must_use)]
        interval(Duration::from_secs(1));
        #[expect(unused_must_use)]
        Every::rate(Duration::from_secs(1));
    });
}

#[test]
fn the_compiler_warns_of_a_result_that_is_lost_with_its_handle() {
    async fn bake() {
        unreachable!("nothing polls it");
    }

    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        #[expect(unused_must_use)]
        pool.submit(bake);
        pool.shutdown();
    });
}
