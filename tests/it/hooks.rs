//! The user's own functions are called when they should be, and their panics do no harm.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use workmill::timer::sleep;
use workmill::{
    Builder, Event, JoinHandle, PoolRef, ThreadPoolExecutor, Warning, WouldDeadlock, block_on,
};

use crate::child::{assert_success, in_child_then};
use crate::support::{Bomb, Flag, add_one, limited, occupy};

type Seen = Arc<Mutex<Vec<usize>>>;

fn noting(seen: &Seen) -> impl Fn(usize) + Send + Sync + 'static {
    let seen = Arc::clone(seen);
    move |index| {
        let name = format!("workmill-{index}");
        assert_eq!(thread::current().name(), Some(&*name));
        seen.lock().unwrap().push(index);
    }
}

fn sorted(seen: &Seen) -> Vec<usize> {
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    seen
}

#[test]
fn every_thread_starts_and_stops_once() {
    limited(|| {
        let (started, stopped) = (Seen::default(), Seen::default());
        let (start, stop) = (noting(&started), noting(&stopped));
        let builder = Builder::new().threads(3).on_thread_stop(stop);
        let pool = builder
            .on_thread_start(move |index| {
                start(index);
                Ok(())
            })
            .build()
            .unwrap();
        assert_eq!(sorted(&started), [0, 1, 2], "before the pool is there");
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        assert_eq!(sorted(&stopped), []);
        pool.shutdown();
        assert_eq!(sorted(&stopped), [0, 1, 2]);
    });
}

#[test]
fn when_a_start_fails_building_says_so_and_nothing_is_left() {
    limited(|| {
        for failing in 0..3 {
            let (started, stopped) = (Seen::default(), Seen::default());
            let (start, stop) = (noting(&started), noting(&stopped));
            let builder = Builder::new().threads(3).on_thread_stop(stop);
            let error = builder
                .on_thread_start(move |index| {
                    if index == failing {
                        return Err(io::Error::new(ErrorKind::AddrInUse, "no such core"));
                    }
                    start(index);
                    Ok(())
                })
                .build()
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert_eq!(error.to_string(), "no such core");
            // The threads that had started have stopped, and no others.
            assert_eq!(sorted(&started), sorted(&stopped));
            assert!(!sorted(&started).contains(&failing));
        }
    });
}

#[test]
fn a_start_that_panics_is_a_start_that_fails() {
    limited(|| {
        let builder = Builder::new().threads(2);
        let error = builder
            .on_thread_start(|index| panic!("thread {index} will not"))
            .build()
            .unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("on_thread_start panicked: thread "),
            "{message}"
        );
    });
}

#[test]
fn panics_without_a_handle_go_to_the_handler_and_the_thread_lives() {
    limited(|| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reports = Arc::clone(&seen);
        let builder = Builder::new().threads(1).panic_handler(move |payload| {
            assert_eq!(thread::current().name(), Some("workmill-0"));
            let number = payload.downcast::<u32>().map_or(0, |number| *number);
            reports.lock().unwrap().push(number);
            // Its own panic ends here, whatever it carries.
            std::panic::panic_any(Bomb { depth: 2 });
        });
        let pool = builder
            .on_thread_stop(|_| std::panic::panic_any(4_u32))
            .build()
            .unwrap();
        pool.execute(|| std::panic::panic_any(1_u32));
        pool.execute(|| std::panic::panic_any(2_u32));
        let shown = pool.submit(|| std::panic::panic_any(3_u32));
        assert!(shown.join().unwrap_err().is_panic(), "its handle shows it");
        assert_eq!(*seen.lock().unwrap(), [1, 2]);
        pool.shutdown();
        assert_eq!(*seen.lock().unwrap(), [1, 2, 4]);
    });
}

#[test]
fn a_rejection_hook_that_panics_is_reported() {
    limited(|| {
        let panics = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&panics);
        let pool = Builder::new()
            .threads(1)
            .panic_handler(move |_| add_one(&seen))
            .on_rejected(|rejected| panic!("{rejected:?}"))
            .build()
            .unwrap();
        pool.shutdown();
        pool.execute(|| ());
        assert_eq!(panics.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn by_default_a_panic_is_one_line_on_stderr() {
    let body = || {
        let pool = Builder::new().threads(1).build().unwrap();
        pool.execute(|| panic!("out of flour"));
        pool.shutdown();
    };
    in_child_then(&["env", "RUST_BACKTRACE=0"], body, |output| {
        assert_success(&output);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.matches("out of flour").count(), 1, "{stderr}");
        assert!(stderr.contains("thread 'workmill-0'"), "{stderr}");
    });
}

/// An error that panics when it is dropped.
#[derive(Debug)]
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("dropped");
        }
    }
}

impl std::fmt::Display for Explosive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a bomb of an error")
    }
}

impl std::error::Error for Explosive {}

#[test]
fn errors_of_starts_that_panic_in_drop_are_contained_except_the_one_that_is_returned() {
    limited(|| {
        let builder = Builder::new().threads(4);
        let error = builder
            .on_thread_start(|_| Err(io::Error::other(Explosive)))
            .build()
            .unwrap_err();
        assert_eq!(error.to_string(), "a bomb of an error");
        std::mem::forget(error);
    });
}

/// A pool, for a function of the user's that is part of the pool. It is taken out in the end;
/// otherwise the pool would keep itself alive.
type Built = Arc<Mutex<Option<ThreadPoolExecutor>>>;

/// Makes the only thread of `pool` wait until the returned event is set, so that others start.
fn wait_in(pool: &PoolRef) -> (Arc<Event>, JoinHandle<()>) {
    let (begun, event) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&event));
    let waits = pool.submit(move || {
        tell.set();
        wait.wait();
    });
    begun.wait();
    (event, waits)
}

#[test]
fn a_start_hook_may_shut_the_pool_down() {
    limited(|| {
        let built = Built::default();
        let pool = Arc::clone(&built);
        let builder = Builder::new().threads(1).on_thread_start(move |number| {
            if number > 0 {
                let pool = pool.lock().unwrap().clone().unwrap();
                pool.shutdown();
                assert!(pool.shutdown_timeout(Duration::MAX).is_err());
            }
            Ok(())
        });
        let pool = builder.build().unwrap();
        *built.lock().unwrap() = Some(pool.clone());
        let (event, waits) = wait_in(&pool);
        // A thread is started for this, with the number 1.
        let late = pool.submit(move || event.set());
        late.join().unwrap();
        waits.join().unwrap();
        pool.shutdown();
        built.lock().unwrap().take();
    });
}

#[test]
fn a_function_that_names_threads_may_shut_the_pool_down() {
    limited(|| {
        let built = Built::default();
        let pool = Arc::clone(&built);
        let builder = Builder::new().threads(1).thread_name(move |number| {
            let pool = pool.lock().unwrap().clone();
            pool.into_iter().for_each(|pool| pool.shutdown());
            format!("miller-{number}")
        });
        let pool = builder.build().unwrap();
        *built.lock().unwrap() = Some(pool.clone());
        let (event, waits) = wait_in(&pool);
        let late = pool.submit(move || event.set());
        late.join().unwrap();
        waits.join().unwrap();
        assert!(pool.is_shutdown());
        pool.shutdown();
        built.lock().unwrap().take();
    });
}

#[test]
fn the_hooks_know_numbers_beyond_those_that_run_at_a_time() {
    limited(|| {
        let started = Seen::default();
        let start = noting(&started);
        let builder = Builder::new().threads(1).on_thread_start(move |number| {
            start(number);
            Ok(())
        });
        let pool = builder.build().unwrap();
        let (event, waits) = wait_in(&pool);
        pool.submit(move || event.set()).join().unwrap();
        waits.join().unwrap();
        assert_eq!(sorted(&started), [0, 1]);
    });
}

#[test]
fn nothing_of_the_users_is_called_on_the_timers_thread_but_wakers() {
    limited(|| {
        let called_on = Arc::new(Mutex::new(Vec::new()));
        let (names, warnings) = (Arc::clone(&called_on), Arc::clone(&called_on));
        let note = |calls: &Mutex<Vec<Option<String>>>| {
            let name = thread::current().name().map(str::to_owned);
            calls.lock().unwrap().push(name);
        };
        let builder = Builder::new()
            .threads(1)
            .thread_name(move |number| {
                if number > 0 {
                    note(&names);
                    // A wait for the time here would last forever on the timer's thread.
                    block_on(sleep(Duration::from_millis(1)));
                }
                format!("miller-{number}")
            })
            .on_warning(move |_| note(&warnings));
        let pool = builder.build().unwrap();
        let (event, waits) = wait_in(&pool);
        // Due, or woken, while the only thread waits: another is started.
        let set = Arc::clone(&event);
        pool.submit_after(Duration::from_millis(1), || ())
            .join()
            .unwrap();
        let slept = pool.spawn(async move {
            sleep(Duration::from_millis(1)).await;
            set.set();
        });
        slept.join().unwrap();
        waits.join().unwrap();
        let called_on = called_on.lock().unwrap();
        let is_timer = |name: &Option<String>| name.as_deref() == Some("workmill-timer");
        assert!(
            !called_on.is_empty() && !called_on.iter().any(is_timer),
            "{called_on:?}"
        );
    });
}

/// A pool whose only thread is taken, with what it warns of.
fn taken() -> (ThreadPoolExecutor, Flag, mpsc::Receiver<Warning>) {
    let built: Arc<Mutex<Option<PoolRef>>> = Arc::default();
    let ((sender, told), part) = (mpsc::channel(), Arc::clone(&built));
    let sender = Mutex::new(sender);
    let builder = Builder::new().threads(1).on_warning(move |warning| {
        let pool = part.lock().unwrap().take().unwrap();
        let waits = pool.wait_idle();
        assert_eq!(waits, Err(WouldDeadlock), "nothing waits in there");
        sender.lock().unwrap().send(warning).unwrap();
        panic!("told");
    });
    let pool = builder.build().unwrap();
    *built.lock().unwrap() = Some(pool.handle());
    let release = occupy(&pool);
    (pool, release, told)
}

/// It takes five seconds.
#[test]
fn a_shutdown_and_a_drop_that_wait_for_seconds_tell_so_once_and_wait_on() {
    limited(|| {
        let ends: [fn(ThreadPoolExecutor); 2] = [|pool| pool.shutdown(), drop];
        let began = Instant::now();
        let waits = ends.map(|end| {
            let (pool, release, told) = taken();
            (thread::spawn(move || end(pool)), release, told)
        });
        for (waits, release, told) in waits {
            let warning = told.recv().unwrap();
            assert!(began.elapsed() >= Duration::from_secs(5));
            assert!(!waits.is_finished(), "it waits on");
            release.set();
            waits.join().unwrap();
            assert!(told.recv().is_err(), "told once");
            let line = warning.to_string();
            assert!(line.contains("has waited"), "{line}");
            let Warning::StillWaiting(warning) = warning else {
                panic!("{warning:?}")
            };
            assert!(warning.waited >= Duration::from_secs(5));
            let busy = warning.still_running.busy();
            assert_eq!((busy.len(), busy[0].thread()), (1, "workmill-0"));
            assert!(busy[0].task().contains("occupy"));
        }
    });
}

#[test]
fn the_end_is_told_once_by_the_last_thread_before_anybody_sees_it() {
    limited(|| {
        for round in 0..100 {
            let (told, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let built: Arc<Mutex<Option<PoolRef>>> = Arc::default();
            let (part, tell, stops) = (built.clone(), told.clone(), stopped.clone());
            let builder = Builder::new().threads(3).on_thread_start(|_| Ok(()));
            let builder = builder.on_thread_stop(move |_| add_one(&stops));
            let builder = builder.on_terminated(move || {
                assert_eq!(stopped.load(Ordering::SeqCst), 3);
                let pool = part.lock().unwrap().take().unwrap();
                assert!(pool.is_shutdown() && !pool.is_terminated());
                assert_eq!(pool.wait_terminated(), Err(WouldDeadlock));
                assert!(pool.submit(|| 42).join().unwrap_err().is_cancelled());
                add_one(&tell);
                panic!("contained");
            });
            let panics = Arc::new(AtomicUsize::new(0));
            let panicked = Arc::clone(&panics);
            let builder = builder.panic_handler(move |_| add_one(&panicked));
            let pool = builder.build().unwrap();
            *built.lock().unwrap() = Some(pool.handle());
            pool.execute(|| ());
            match round % 4 {
                0 => pool.shutdown(),
                1 => pool.shutdown_timeout(Duration::MAX).unwrap(),
                2 => block_on(pool.shutdown_async()),
                _ => {
                    pool.shutdown_background();
                    pool.wait_terminated().unwrap();
                }
            }
            assert_eq!(told.load(Ordering::SeqCst), 1);
            drop(pool);
            assert_eq!(told.load(Ordering::SeqCst), 1);
            assert_eq!(panics.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn a_pool_that_is_not_built_has_no_end_to_tell() {
    limited(|| {
        let told = Arc::new(AtomicUsize::new(0));
        let tell = Arc::clone(&told);
        let builder = Builder::new()
            .threads(3)
            .on_terminated(move || add_one(&tell));
        let starts = |number| match number {
            2 => Err(io::Error::other("no such core")),
            _ => Ok(()),
        };
        builder.on_thread_start(starts).build().unwrap_err();
        assert_eq!(Arc::strong_count(&told), 1, "the pool is gone");
        assert_eq!(told.load(Ordering::SeqCst), 0);
    });
}
