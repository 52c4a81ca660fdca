//! A pool starts its threads when there is work for them, and says what was wrong if it cannot.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use workmill::{Builder, Event, JoinHandle, PoolRef, ThreadPoolExecutor, Warning};

#[cfg(target_os = "linux")]
use crate::child::{LIMIT, in_child};
#[cfg(target_os = "linux")]
use crate::support::{Flag, meet};
use crate::support::{limited, until, within};

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

/// Returns the number of threads of this process.
#[cfg(target_os = "linux")]
fn live_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Waits until the process has no more threads than that: a joined thread has ended for its
/// process, and the system counts it for a moment longer.
#[cfg(target_os = "linux")]
fn are_gone_but(threads: usize) {
    until(|| live_threads() <= threads);
    assert_eq!(live_threads(), threads);
}

#[cfg(target_os = "linux")]
#[test]
fn threads_start_when_there_is_work_for_them() {
    in_child(&[], || {
        let before = live_threads();
        let pool = ThreadPoolExecutor::new(64).unwrap();
        assert_eq!(pool.threads(), 64);
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        assert_eq!(live_threads(), before + 1);
        meet(&pool, 64);
        assert_eq!(live_threads(), before + 64);
        pool.shutdown();
        are_gone_but(before);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn when_a_thread_cannot_start_later_the_pool_runs_on_fewer_and_tries_again() {
    in_child(&LIMIT, || {
        let before = live_threads();
        let in_the_way = std::hint::black_box(Vec::<u8>::with_capacity(400 << 20));
        let builder = Builder::new().threads(64).stack_size(64 << 20);
        let pool = builder.build().unwrap();
        let release = Flag::default();
        let handles: Vec<_> = (0..64)
            .map(|n| {
                let release = release.clone();
                pool.submit(move || {
                    release.wait();
                    n
                })
            })
            .collect();
        while pool.metrics().failed_starts == 0 {
            thread::yield_now();
        }
        let fewer = live_threads() - before;
        assert!((1..64).contains(&fewer), "{fewer}");
        release.set();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        meet(&pool, fewer);
        drop(in_the_way);
        meet(&pool, fewer + 1);
        pool.shutdown();
        are_gone_but(before);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn when_a_thread_that_has_a_say_cannot_start_the_others_end_and_the_error_is_the_systems() {
    in_child(&LIMIT, || {
        let before = live_threads();
        let builder = Builder::new().threads(64).stack_size(64 << 20);
        let error = builder.on_thread_start(|_| Ok(())).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        are_gone_but(before);
        // A pool for which there is room still works.
        let pool = ThreadPoolExecutor::new(1).unwrap();
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    });
}

#[test]
fn when_no_thread_wants_to_start_building_fails_in_the_end() {
    limited(|| {
        for _ in 0..20 {
            let builder = Builder::new().threads(64);
            let refuse = |_| Err(io::Error::other("not today"));
            let error = builder.on_thread_start(refuse).build().unwrap_err();
            assert_eq!(error.to_string(), "not today");
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn when_no_thread_can_start_building_fails() {
    in_child(&LIMIT, || {
        let before = live_threads();
        let error = Builder::new()
            .threads(1)
            .stack_size(2 << 30)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        are_gone_but(before);
    });
}

/// A task that waits for an event of its own.
struct Waiter {
    end: Arc<Event>,
    waits: JoinHandle<()>,
}

impl Waiter {
    fn submit(pool: &PoolRef) -> Self {
        let end = Arc::new(Event::new());
        let wait = Arc::clone(&end);
        let waits = pool.submit(move || wait.wait());
        Self { end, waits }
    }

    fn end(self) {
        self.end.set();
        self.waits.join().unwrap();
    }
}

/// Creates a warning handler, and a receiver of the failed starts that it hears of.
fn failed_starts() -> (impl Fn(Warning) + Send + Sync, mpsc::Receiver<io::Error>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let hear = move |warning| match warning {
        Warning::ThreadNotStarted(error) => tell.lock().unwrap().send(error).unwrap(),
        other => panic!("{other}"),
    };
    (hear, told)
}

/// Submits tasks that wait, each of which needs a thread, until no thread can be started for one.
fn wait_until_a_start_fails(pool: &PoolRef) -> Vec<Waiter> {
    let failed = pool.metrics().failed_starts;
    let mut waiters = Vec::new();
    while pool.metrics().failed_starts == failed {
        let waiter = Waiter::submit(pool);
        until(|| waiter.waits.is_running() || pool.metrics().failed_starts > failed);
        waiters.push(waiter);
    }
    waiters
}

#[cfg(target_os = "linux")]
#[test]
fn when_a_spare_thread_cannot_start_its_task_runs_as_soon_as_a_wait_ends() {
    in_child(&LIMIT, || {
        let before = live_threads();
        let in_the_way = std::hint::black_box(Vec::<u8>::with_capacity(400 << 20));
        let (hear, told) = failed_starts();
        let builder = Builder::new().threads(2).stack_size(64 << 20);
        let pool = builder.on_warning(hear).build().unwrap();
        let mut waiters = wait_until_a_start_fails(&pool);
        assert!(told.recv().is_ok());
        // The last one waits for a thread, and these are behind it.
        let behind: Vec<_> = (0..10).map(|n| pool.submit(move || n)).collect();
        until(|| pool.metrics().live_threads == waiters.len() - 1);
        assert!(waiters.len() > 3, "{} are too few", waiters.len());
        waiters.remove(0).end();
        until(|| waiters.last().unwrap().waits.is_running());
        assert!(behind.iter().all(|task| !task.is_finished()));
        waiters.remove(0).end();
        for (n, task) in behind.into_iter().enumerate() {
            assert_eq!(task.join().unwrap(), n);
        }
        assert!(told.try_recv().is_err(), "it is reported once");
        // Until another thread could be started, and one more could not.
        drop(in_the_way);
        let live = pool.metrics().live_threads;
        waiters.extend(wait_until_a_start_fails(&pool));
        assert!(pool.metrics().live_threads > live);
        assert!(told.recv().is_ok() && told.try_recv().is_err());
        waiters.into_iter().for_each(Waiter::end);
        pool.shutdown();
        are_gone_but(before);
    });
}

#[test]
fn when_a_spare_thread_does_not_want_to_start_its_task_runs_on_the_next_that_does() {
    limited(|| {
        let (hear, told) = failed_starts();
        let wants = Arc::new(AtomicBool::new(false));
        let (is_wanted, numbers) = (Arc::clone(&wants), Arc::<Mutex<Vec<_>>>::default());
        let list = Arc::clone(&numbers);
        let builder = Builder::new().threads(2).on_thread_start(move |number| {
            list.lock().unwrap().push(number);
            match number < 2 || is_wanted.load(Ordering::SeqCst) {
                true => Ok(()),
                false => Err(io::Error::other("it does not want to")),
            }
        });
        let pool = builder.on_warning(hear).build().unwrap();
        let mut waiters = wait_until_a_start_fails(&pool);
        while waiters.len() < 3 {
            // The second thread was still on its way to sleep when a task came for it.
            until(|| waiters[1].waits.is_running());
            waiters.extend(wait_until_a_start_fails(&pool));
        }
        assert_eq!(waiters.len(), 3);
        assert_eq!(told.recv().unwrap().to_string(), "it does not want to");
        let failed = pool.metrics().failed_starts;
        for failed in failed + 1..failed + 4 {
            pool.execute(|| ());
            until(|| pool.metrics().failed_starts == failed);
        }
        until(|| pool.metrics().live_threads == 2);
        assert!(told.try_recv().is_err(), "it is reported once");
        assert!(!waiters[2].waits.is_running());
        wants.store(true, Ordering::SeqCst);
        pool.execute(|| ());
        until(|| waiters[2].waits.is_running());
        wants.store(false, Ordering::SeqCst);
        waiters.extend(wait_until_a_start_fails(&pool));
        assert!(told.recv().is_ok() && told.try_recv().is_err());
        assert!(numbers.lock().unwrap().iter().all(|number| *number < 6));
        waiters.into_iter().for_each(Waiter::end);
        pool.shutdown();
    });
}

/// With a thousand slots and more, a search that looks at each of them again and again takes longer
/// than the start of a thread: 2,000 threads took 24 s, and now take half a second.
#[test]
fn two_thousand_tasks_that_block_unseen_all_begin_soon() {
    within(Duration::from_secs(20), || {
        const TASKS: usize = 2000;
        let pool = ThreadPoolExecutor::new(TASKS).unwrap();
        let all = Arc::new(Barrier::new(TASKS));
        for _ in 0..TASKS {
            let all = Arc::clone(&all);
            pool.execute(move || {
                all.wait();
            });
        }
        pool.shutdown();
    });
}
