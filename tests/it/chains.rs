//! A callback may lead to the next call, and that to another, without end: the stack does not grow.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use workmill::{
    Builder, CancelHandle, CancelOnDrop, CancelToken, Every, Overflow, PoolRef, ThreadPoolExecutor,
};

use crate::support::{Drops, add_one, limited, occupy};

/// More than fit on a stack of eight megabytes.
const STEPS: usize = 100_000;

/// Calls `body` on a stack of the usual size; those of the tests' own threads are larger.
fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    limited(|| {
        let thread = std::thread::Builder::new().stack_size(512 << 10);
        thread.spawn(body).unwrap().join().unwrap();
    });
}

#[test]
fn a_callback_may_cancel_the_next_task_and_so_on() {
    on_a_small_stack(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, called) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
        let mut next: Option<CancelHandle> = None;
        for _ in 0..STEPS {
            let task = pool.submit(|| ());
            let (this, count) = (task.cancel_handle(), Arc::clone(&called));
            task.on_done(move |outcome| {
                assert!(outcome.unwrap_err().is_cancelled());
                add_one(&count);
                assert!(next.is_none_or(|next| next.cancel()));
            });
            next = Some(this);
        }
        assert!(next.unwrap().cancel());
        assert_eq!(called.load(Ordering::SeqCst), STEPS);
        release.set();
    });
}

#[test]
fn what_a_cancelled_task_captured_may_cancel_the_next_and_so_on() {
    on_a_small_stack(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, drops) = (occupy(&pool), Drops::default());
        let mut next: Option<CancelOnDrop<()>> = None;
        for _ in 0..STEPS {
            let captured = (next.take(), drops.value());
            next = Some(pool.submit(move || drop(captured)).cancel_on_drop());
        }
        drop(next);
        assert_eq!(drops.count(), STEPS);
        release.set();
    });
}

#[test]
fn a_cancelled_task_can_be_joined_at_once_however_deep_the_chain() {
    on_a_small_stack(|| {
        /// Cancels a task and joins it.
        struct Joins(Option<CancelOnDrop<()>>, Arc<AtomicUsize>);

        impl Drop for Joins {
            fn drop(&mut self) {
                if let Some(task) = self.0.take() {
                    assert!(task.cancel());
                    assert!(task.join().unwrap_err().is_cancelled());
                }
                add_one(&self.1);
            }
        }

        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, joined) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
        let mut next = Joins(None, Arc::clone(&joined));
        for _ in 0..40 {
            let task = pool.submit(move || drop(next)).cancel_on_drop();
            next = Joins(Some(task), Arc::clone(&joined));
        }
        drop(next);
        assert_eq!(joined.load(Ordering::SeqCst), 41);
        release.set();
    });
}

#[test]
fn a_token_may_cancel_the_next_token_and_so_on() {
    on_a_small_stack(|| {
        let tokens: Vec<_> = (0..STEPS).map(|_| CancelToken::new()).collect();
        for pair in tokens.windows(2) {
            let next = pair[1].clone();
            pair[0].on_cancel(move || next.cancel()).keep();
        }
        tokens[0].cancel();
        assert!(tokens.iter().all(CancelToken::is_cancelled));
    });
}

#[test]
fn a_callback_that_is_never_called_may_keep_the_next_one_and_so_on() {
    on_a_small_stack(|| {
        let (token, drops) = (CancelToken::new(), Drops::default());
        let mut next = None;
        for _ in 0..STEPS {
            let owned = (next.take(), drops.value());
            next = Some(token.on_cancel(move || drop(owned)));
        }
        drop(next);
        assert_eq!(drops.count(), STEPS);
    });
}

/// Submits until it has been refused `left` times, each time from the callback of the last task.
fn submit_again(pool: &PoolRef, refused: Arc<AtomicUsize>) {
    if refused.load(Ordering::SeqCst) == STEPS {
        return;
    }
    let next = pool.clone();
    pool.submit(|| ()).on_done(move |outcome| {
        if outcome.is_err() {
            add_one(&refused);
        }
        submit_again(&next, refused);
    });
}

#[test]
fn the_callback_of_a_refused_task_may_submit_again_and_so_on() {
    on_a_small_stack(|| {
        let refused = Arc::new(AtomicUsize::new(0));
        let pool = ThreadPoolExecutor::new(1).unwrap();
        submit_again(&pool, Arc::clone(&refused));
        pool.shutdown_now();
        pool.shutdown();
        assert_eq!(refused.load(Ordering::SeqCst), STEPS);

        refused.store(0, Ordering::SeqCst);
        let builder = Builder::new().threads(1).queue_capacity(1);
        let full = builder.overflow(Overflow::Reject).build().unwrap();
        let release = occupy(&full);
        drop(full.submit(|| ()));
        submit_again(&full, Arc::clone(&refused));
        assert_eq!(refused.load(Ordering::SeqCst), STEPS);
        release.set();
    });
}

#[test]
fn a_rejected_closure_may_be_executed_again_and_so_on() {
    on_a_small_stack(|| {
        let refused = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&refused);
        let again = Arc::new(Mutex::new(None::<PoolRef>));
        let pool = Arc::clone(&again);
        let builder = Builder::new().threads(1).on_rejected(move |rejected| {
            add_one(&count);
            if count.load(Ordering::SeqCst) < STEPS {
                let pool = pool.lock().unwrap().clone().unwrap();
                pool.execute(rejected.into_inner());
            }
        });
        let pool = builder.build().unwrap();
        *again.lock().unwrap() = Some(pool.handle());
        pool.shutdown();
        pool.execute(|| ());
        assert_eq!(refused.load(Ordering::SeqCst), STEPS);
        // Otherwise the pool would keep itself alive.
        again.lock().unwrap().take();
    });
}

#[test]
fn the_drop_of_a_refused_closure_may_submit_another_and_so_on() {
    on_a_small_stack(|| {
        struct Again(PoolRef, Arc<AtomicUsize>);

        impl Drop for Again {
            fn drop(&mut self) {
                add_one(&self.1);
                if self.1.load(Ordering::SeqCst) < STEPS {
                    let next = Self(self.0.clone(), Arc::clone(&self.1));
                    drop(self.0.submit(move || drop(next)));
                }
            }
        }

        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.shutdown();
        let dropped = Arc::new(AtomicUsize::new(0));
        drop(Again(pool.handle(), Arc::clone(&dropped)));
        assert_eq!(dropped.load(Ordering::SeqCst), STEPS);
    });
}

#[test]
fn a_series_may_cancel_the_next_series_and_so_on() {
    on_a_small_stack(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (drops, hour) = (Drops::default(), Duration::from_secs(3600));
        let mut next: Option<CancelOnDrop<()>> = None;
        for _ in 0..STEPS {
            let captured = (next.take(), drops.value());
            let every = Every::delay(hour).first_after(hour);
            let series = pool.submit_every(every, move || {
                let _captured = &captured;
            });
            next = Some(series.cancel_on_drop());
        }
        drop(next);
        assert_eq!(drops.count(), STEPS);
    });
}

#[test]
fn what_is_refused_may_be_submitted_for_later_again_and_so_on() {
    on_a_small_stack(|| {
        struct Again(PoolRef, Arc<AtomicUsize>);

        impl Drop for Again {
            fn drop(&mut self) {
                let step = self.1.fetch_add(1, Ordering::SeqCst);
                if step < STEPS {
                    let next = Self(self.0.clone(), Arc::clone(&self.1));
                    if step % 2 == 0 {
                        self.0.submit_after(Duration::ZERO, move || drop(next));
                    } else {
                        self.0.submit_every(Every::delay(Duration::ZERO), move || {
                            let _next = &next;
                        });
                    }
                }
            }
        }

        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.shutdown();
        let dropped = Arc::new(AtomicUsize::new(0));
        drop(Again(pool.handle(), Arc::clone(&dropped)));
        assert_eq!(dropped.load(Ordering::SeqCst), STEPS + 1);
    });
}

/// Calls `body` deep enough in nested callbacks that the next one is put off.
fn at_the_bottom(body: impl FnOnce() + Send + 'static) {
    fn go_down(token: CancelToken, body: Box<dyn FnOnce() + Send>) {
        let was_called = Arc::new(AtomicBool::new(false));
        let called = Arc::clone(&was_called);
        token
            .on_cancel(move || called.store(true, Ordering::SeqCst))
            .keep();
        match was_called.load(Ordering::SeqCst) {
            true => {
                let next = token.clone();
                token.on_cancel(move || go_down(next, body)).keep();
            }
            false => body(),
        }
    }
    let token = CancelToken::new();
    token.cancel();
    let (next, reached) = (token.clone(), Arc::new(AtomicBool::new(false)));
    let reaches = Arc::clone(&reached);
    let body = Box::new(move || {
        body();
        reaches.store(true, Ordering::SeqCst);
    });
    token.on_cancel(move || go_down(next, body)).keep();
    assert!(reached.load(Ordering::SeqCst));
}

#[test]
fn a_closure_that_borrows_is_refused_at_once_however_deep_the_chain() {
    on_a_small_stack(|| {
        at_the_bottom(|| {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            pool.shutdown();
            let flour = String::from("flour");
            assert!(pool.install(|| flour.len()).unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn what_is_put_off_is_done_before_a_handle_is_looked_at() {
    on_a_small_stack(|| {
        at_the_bottom(|| {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let (release, drops) = (occupy(&pool), Drops::default());
            let cancelled = || {
                let held = drops.value();
                let task = pool.submit(move || drop(held));
                assert!(task.cancel());
                task
            };
            assert!(futures_lite::future::block_on(cancelled()).is_err());
            assert!(cancelled().try_join().unwrap().is_err());
            assert!(cancelled().is_finished());
            assert!(cancelled().cancel_handle().is_finished());
            let shared = cancelled().shared();
            assert!(shared.is_finished() && shared.try_join().unwrap().is_err());
            assert!(futures_lite::future::block_on(cancelled().shared()).is_err());
            assert_eq!(drops.count(), 6);
            release.set();
            // A refused task has ended when its captures are gone, like any other.
            pool.shutdown();
            let held = drops.value();
            assert!(pool.submit(move || drop(held)).join().is_err());
            assert_eq!(drops.count(), 7);
        });
    });
}

#[test]
fn a_callback_that_is_put_off_can_be_taken_back() {
    on_a_small_stack(|| {
        let called = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&called);
        at_the_bottom(move || {
            let token = CancelToken::new();
            let kept = Arc::clone(&count);
            token.on_cancel(move || add_one(&kept)).keep();
            let taken_back = token.on_cancel(move || add_one(&count));
            token.cancel();
            drop(taken_back);
        });
        assert_eq!(called.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_callback_that_is_put_off_is_called_where_it_was_put_off() {
    on_a_small_stack(|| {
        let inside = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&inside);
        at_the_bottom(move || {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let token = CancelToken::new();
            token.cancel();
            let note = |count: &Arc<AtomicUsize>| {
                let count = Arc::clone(count);
                let callback = move || {
                    if workmill::current().is_some() {
                        add_one(&count);
                    }
                };
                token.on_cancel(callback).keep();
            };
            note(&count);
            pool.block_on(async {
                workmill::yield_now().await;
                assert_eq!(count.load(Ordering::SeqCst), 0);
                note(&count);
            });
            assert_eq!(count.load(Ordering::SeqCst), 1);
        });
        assert_eq!(inside.load(Ordering::SeqCst), 1);
    });
}

/// Uses up stack, and calls `last`.
#[inline(never)]
fn far_down(bytes: usize, last: &mut dyn FnMut()) {
    let room = std::hint::black_box([0_u8; 4096]);
    match bytes.checked_sub(room.len()) {
        Some(bytes) => far_down(bytes, last),
        None => last(),
    }
    std::hint::black_box(&room);
}

#[test]
fn a_wait_far_down_in_a_callback_makes_the_calls_that_it_waits_for() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let closed = ThreadPoolExecutor::new(1).unwrap();
        closed.shutdown();
        let release = occupy(&pool);
        let (inside, refusing) = (pool.handle(), closed.handle());
        let (send, receive) = mpsc::channel();
        pool.submit(|| ()).on_done(move |_| {
            far_down(200 << 10, &mut || {
                inside.scope(|scope| {
                    scope.submit(|| ()).cancel();
                });
                assert!(refusing.submit(|| ()).join().is_err());
            });
            send.send(()).unwrap();
        });
        release.set();
        receive.recv().unwrap();
    });
}
