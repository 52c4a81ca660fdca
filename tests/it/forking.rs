//! A process that was forked from a pool's has no part of the pool: each call of it returns at once
//! and says so, and no task begins there. The pool itself does not notice.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use workmill::timer::{Sleep, sleep, sleep_until};
use workmill::{
    Builder, CancelReason, DropBehavior, Event, JoinError, JoinHandle, JoinSet, Overflow, PoolRef,
    ThreadPoolExecutor, WaitFor, WouldDeadlock, as_completed, blocking, current, promise, wait,
    wait_async,
};

use crate::child::alone;
use crate::support::{Flag, occupy};

/// The time after which a child hangs: many times what any takes.
const HANG: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3600);

/// A child of this process. If it is not waited for, it stays a zombie.
#[must_use]
#[derive(Debug)]
pub(crate) struct Child(Pid);

/// Forks, and calls `body` in the child, which then ends: well unless `body` panics.
pub(crate) fn fork(body: impl FnOnce()) -> Child {
    fork_and_go_on().unwrap_or_else(|| {
        or_else_end_badly(body);
        exit(0)
    })
}

/// Calls `body`, and ends the process if that panics: a child has nobody to tell.
fn or_else_end_badly<R>(body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| exit(1))
}

/// Forks; returns `None` in the child, which ends after some minutes if its parent is not there to
/// kill it.
#[expect(unsafe_code, reason = "std does not fork")]
pub(crate) fn fork_and_go_on() -> Option<Child> {
    // SAFETY: it has no duties. That the child goes on as if it had threads is what is tested.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: it has no duties.
            unsafe { libc::alarm(5 * HANG.as_secs() as libc::c_uint) };
            None
        }
        -1 => panic!("the process cannot fork"),
        child => Pid::from_raw(child).map(Child),
    }
}

/// Ends this process without running anything on the way.
#[expect(unsafe_code, reason = "std ends processes with ceremony only")]
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: it has no duties.
    unsafe { libc::_exit(status) }
}

impl Child {
    /// Waits for its end; kills it and fails if it hangs.
    ///
    /// No other thread waits for it, so no thread starts or ends here while others fork.
    fn wait(self) -> WaitStatus {
        let began = Instant::now();
        loop {
            let waited = waitpid(Some(self.0), WaitOptions::NOHANG);
            if let Some((_, status)) = waited.expect("it is a child") {
                return status;
            }
            if began.elapsed() >= HANG {
                kill_process(self.0, Signal::KILL).expect("it has not been waited for");
                waitpid(Some(self.0), WaitOptions::empty()).expect("it is a child");
                panic!("the forked child hangs: {HANG:?} were not enough");
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    pub(crate) fn aborts(self) {
        let status = self.wait();
        assert_eq!(
            status.terminating_signal(),
            Some(libc::SIGABRT),
            "{status:?}"
        );
    }

    pub(crate) fn ends_well(self) {
        let status = self.wait();
        assert_eq!(status.exit_status(), Some(0), "{status:?}");
    }
}

/// The exit status of the child says that it has begun a task of its parent's.
fn only_in(process: u32) {
    if process::id() != process {
        exit(13);
    }
}

pub(crate) fn assert_forked<T>(outcome: Result<T, JoinError>) {
    let reason = outcome.err().and_then(|error| error.cancel_reason());
    assert_eq!(reason, Some(CancelReason::Forked));
}

/// Joins handles that have not resolved, in every way.
fn all_resolve(mut handle: impl FnMut() -> JoinHandle<i32>) {
    assert_forked(handle().join());
    for timeout in [Duration::ZERO, Duration::MAX] {
        assert_forked(handle().join_timeout(timeout).unwrap());
        assert_forked(handle().shared().join_timeout(timeout).unwrap());
    }
    assert_forked(block_on(handle()));
    let shared = handle().shared();
    let other = shared.clone();
    assert_forked(shared.join());
    assert_forked(block_on(shared));
    assert_forked(other.join());
}

/// Submits in every way; each submission is refused.
fn all_is_refused(pool: &PoolRef) {
    all_resolve(|| pool.submit(|| unreachable!()));
    assert_forked(pool.submit(|| unreachable!()).try_join().unwrap());
    assert!(pool.submit(|| unreachable!()).is_finished());
    assert_forked(pool.install(|| unreachable!()));
    let refused = pool.try_submit(|| 42).unwrap_err();
    assert_eq!(refused.reason(), CancelReason::Forked);
    assert_eq!(refused.into_inner()(), 42);
    for timeout in [Duration::ZERO, Duration::MAX] {
        let refused = pool.submit_timeout(|| 42, timeout).unwrap_err();
        assert_eq!(refused.reason(), CancelReason::Forked);
    }
    let refused = pool.try_execute(|| unreachable!()).unwrap_err();
    assert_eq!(refused.reason(), CancelReason::Forked);
    assert!(!refused.is_full() && !refused.is_shutdown());
    pool.execute(|| unreachable!());
}

/// Waits for the pool and ends it in every way; nothing waits.
fn nothing_waits(pool: &ThreadPoolExecutor) {
    assert_eq!(pool.wait_idle(), Err(WouldDeadlock));
    for timeout in [Duration::ZERO, Duration::MAX] {
        assert_eq!(pool.wait_idle_timeout(timeout), Err(WouldDeadlock));
        assert_eq!(pool.shutdown_timeout(timeout), Ok(()));
    }
    assert_eq!(block_on(pool.wait_idle_async()), Err(WouldDeadlock));
    assert_eq!(pool.wait_terminated(), Ok(()));
    assert_eq!(pool.wait_terminated_timeout(Duration::MAX), Ok(true));
    assert_eq!(block_on(pool.wait_terminated_async()), Ok(()));
    pool.set_threads(1).unwrap();
    pool.shutdown();
    assert_eq!(pool.shutdown_now(), 0);
    block_on(pool.shutdown_async());
    pool.shutdown_background();
    assert!(pool.is_shutdown() && pool.is_terminated());
    assert!(format!("{pool:?}").contains("is_terminated: true"));
}

/// Makes a pool and uses it.
///
/// Only in the child of a process none of whose threads was just starting or ending: std takes a
/// lock for both, which stays locked in the child, and the next thread that starts or ends asks for
/// it.
fn a_new_pool_works() {
    let pool = Builder::new().threads(2).queue_capacity(100);
    let pool = pool.build().unwrap();
    let event = Arc::new(Event::new());
    let wait = Arc::clone(&event);
    let waits = pool.submit(move || wait.wait());
    let inside = pool.submit(|| {
        let children: Vec<_> = (0..10)
            .map(|n| current().unwrap().submit(move || n))
            .collect();
        let values = children.into_iter().map(|child| child.join().unwrap());
        values.sum::<i32>()
    });
    assert_eq!(inside.join().unwrap(), 45);
    event.set();
    waits.join().unwrap();
    pool.wait_idle().unwrap();
    pool.shutdown();
    assert!(pool.is_terminated());
}

/// Returns a pool of the given number of threads, two of which have started.
fn started(threads: usize) -> ThreadPoolExecutor {
    let pool = ThreadPoolExecutor::new(threads).unwrap();
    let barrier = Arc::new(Barrier::new(2));
    let meet = || {
        let barrier = Arc::clone(&barrier);
        pool.submit(move || blocking(|| barrier.wait()))
    };
    for handle in [meet(), meet()] {
        handle.join().unwrap();
    }
    pool
}

/// Pools of two threads, without bounds and with each policy, each with a list of the closures
/// without a handle that it turned away.
fn pools() -> Vec<(ThreadPoolExecutor, Arc<Mutex<Vec<CancelReason>>>)> {
    let policies = [
        Overflow::Block,
        Overflow::Reject,
        Overflow::CallerRuns,
        Overflow::DropOldest,
        Overflow::DropNewest,
    ];
    let bounded = policies.map(|policy| [0, 2].map(|capacity| Some((policy, capacity))));
    let all = bounded.into_iter().flatten().chain([None]);
    all.map(|bound| {
        let turned_away = Arc::<Mutex<Vec<_>>>::default();
        let list = Arc::clone(&turned_away);
        let mut builder = Builder::new().threads(2);
        if let Some((policy, capacity)) = bound {
            builder = builder.overflow(policy).queue_capacity(capacity);
        }
        let builder = builder.on_rejected(move |closure| {
            list.lock().unwrap().push(closure.reason());
        });
        (builder.build().unwrap(), turned_away)
    })
    .collect()
}

#[test]
fn a_forked_child_is_refused_at_once_by_a_pool_that_is_busy_full_idle_or_ended() {
    alone(|| {
        for (pool, turned_away) in pools() {
            let check = || {
                all_is_refused(&pool);
                assert_eq!(*turned_away.lock().unwrap(), [CancelReason::Forked]);
                nothing_waits(&pool);
            };
            fork(check).ends_well();
            assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
            let releases = [occupy(&pool), occupy(&pool)];
            let waiting: Vec<_> = std::iter::from_fn(|| pool.try_submit(|| 42).ok())
                .take(2)
                .collect();
            fork(check).ends_well();
            fork(|| nothing_waits(&pool)).ends_well();
            releases.iter().for_each(Flag::set);
            for handle in waiting {
                assert_eq!(handle.join().unwrap(), 42);
            }
            pool.wait_idle().unwrap();
            assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
            pool.shutdown();
            fork(check).ends_well();
            assert!(turned_away.lock().unwrap().is_empty());
        }
    });
}

#[test]
fn handles_from_before_the_fork_resolve_in_the_child_and_go_on_in_the_parent() {
    alone(|| {
        for (pool, _) in pools() {
            let process = process::id();
            let ended = pool.submit(|| 42);
            pool.wait_idle().unwrap();
            let release = Flag::default();
            // Two run; two more wait where the capacity allows.
            let task = || {
                let release = release.clone();
                pool.try_submit(move || {
                    release.wait();
                    only_in(process);
                    42
                })
            };
            let mut handles = Vec::new();
            while handles.len() < 10 {
                match task() {
                    Ok(handle) => handles.push(handle),
                    Err(refused) if refused.is_full() => break,
                    Err(refused) => panic!("{refused}"),
                }
            }
            let shared = task().ok().map(JoinHandle::shared);
            for way in 0..7 {
                let child = fork(|| {
                    for mut handle in handles.drain(..) {
                        assert!(!handle.is_finished() && handle.try_join().is_none());
                        match way {
                            0 => assert_forked(handle.join()),
                            1 => assert_forked(handle.join_timeout(Duration::MAX).unwrap()),
                            2 => assert_forked(handle.join_timeout(Duration::ZERO).unwrap()),
                            3 => assert_forked(block_on(handle)),
                            4 => assert_forked(handle.shared().join()),
                            5 => assert_forked(block_on(handle.shared())),
                            _ => {
                                handle.cancel();
                                drop(handle);
                            }
                        }
                    }
                    if let Some(shared) = shared.clone() {
                        assert_forked(shared.join());
                        assert_forked(shared.join_timeout(Duration::MAX).unwrap());
                        assert_forked(block_on(shared));
                    }
                });
                child.ends_well();
            }
            let child = fork(|| assert_eq!(ended.join().unwrap(), 42));
            child.ends_well();
            release.set();
            for handle in handles {
                assert_eq!(handle.join().unwrap(), 42);
            }
            if let Some(shared) = shared {
                assert_eq!(shared.join().unwrap(), 42);
            }
        }
    });
}

#[test]
fn futures_that_were_polled_before_the_fork_resolve_in_the_child() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let (mut handle, mut shared) = (pool.submit(|| 42), pool.submit(|| 42).shared());
        let (mut idle, mut end) = (
            Box::pin(pool.wait_idle_async()),
            Box::pin(pool.shutdown_async()),
        );
        assert!(block_on(poll_once(&mut handle)).is_none());
        assert!(block_on(poll_once(&mut shared)).is_none());
        assert!(block_on(poll_once(&mut idle)).is_none());
        assert!(block_on(poll_once(&mut end)).is_none());
        let child = fork(|| {
            assert_forked(block_on(&mut handle));
            assert_forked(block_on(&mut shared));
            assert_eq!(block_on(&mut idle), Err(WouldDeadlock));
            block_on(&mut end);
        });
        child.ends_well();
        release.set();
        assert_eq!(block_on(handle).unwrap(), 42);
        assert_eq!(block_on(shared).unwrap(), 42);
        assert_eq!(block_on(idle), Ok(()));
        block_on(end);
    });
}

#[test]
fn in_the_child_the_drop_of_the_last_owner_does_nothing() {
    alone(|| {
        let behaviors = [
            DropBehavior::Join,
            DropBehavior::Cancel,
            DropBehavior::Detach,
        ];
        for behavior in behaviors {
            let pool = Builder::new().threads(1).on_drop(behavior);
            let mut pool = Some(pool.build().unwrap());
            let release = occupy(pool.as_ref().unwrap());
            let process = process::id();
            let waits = pool.as_ref().unwrap().submit(move || only_in(process));
            fork(|| drop(pool.take())).ends_well();
            fork(|| {
                let pool = pool.take();
                let unwinding = catch_unwind(AssertUnwindSafe(move || {
                    let _pool = pool;
                    panic!("as it may");
                }));
                assert!(unwinding.is_err());
            })
            .ends_well();
            release.set();
            waits.join().unwrap();
        }
    });
}

#[test]
fn a_child_makes_pools_of_its_own_and_has_children_too() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        pool.submit(|| ()).join().unwrap();
        // The only thread that has started is on its way to sleep.
        fork(a_new_pool_works).ends_well();
        let pool = started(2);
        drop(ThreadPoolExecutor::new(1).unwrap());
        let child = fork(|| {
            a_new_pool_works();
            let own = started(2);
            let release = occupy(&own);
            let grandchild = fork(|| {
                for pool in [&pool, &own] {
                    all_is_refused(pool);
                    nothing_waits(pool);
                }
                a_new_pool_works();
            });
            grandchild.ends_well();
            release.set();
            assert_eq!(own.submit(|| 42).join().unwrap(), 42);
            all_is_refused(&pool);
        });
        child.ends_well();
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    });
}

/// A closure that runs below a task, and may fork.
type Below = Box<dyn FnOnce(&ThreadPoolExecutor) -> Option<Child> + Send>;

/// Calls `below` everywhere a task of a pool may be, and returns the results.
fn in_all_places(below: impl Fn() -> Below) -> Vec<Option<Child>> {
    let one = || ThreadPoolExecutor::new(1).unwrap();
    let mut all = Vec::new();
    // In a task that a worker has taken from the queue.
    let (pool, body) = (one(), below());
    let owner = pool.clone();
    all.push(pool.submit(move || body(&owner)).join().unwrap());
    // In a task that another joins.
    let (pool, body) = (one(), below());
    let owner = pool.clone();
    let joins = pool.submit(move || {
        let next = owner.clone().submit(move || body(&owner));
        next.join().unwrap()
    });
    all.push(joins.join().unwrap());
    // In a task that has given its slot up, to a thread that has started before.
    let (pool, body) = (started(1), below());
    let owner = pool.clone();
    let waits = pool.submit(move || blocking(|| body(&owner)));
    all.push(waits.join().unwrap());
    // In a callback.
    let (pool, body) = (one(), below());
    let (owner, release, (tell, told)) = (pool.clone(), occupy(&pool), mpsc::channel());
    pool.submit(|| ())
        .on_done(move |_| tell.send(body(&owner)).unwrap());
    release.set();
    all.push(told.recv().unwrap());
    // In a closure that a task installs.
    let (pool, body) = (one(), below());
    let owner = pool.clone();
    let calls = pool.submit(move || owner.install(|| body(&owner)).unwrap());
    all.push(calls.join().unwrap());
    // In a future that has yielded before.
    let (pool, body) = (one(), below());
    let owner = pool.clone();
    let future = pool.spawn(async move {
        workmill::yield_now().await;
        workmill::yield_now().await;
        body(&owner)
    });
    all.push(future.join().unwrap());
    all
}

/// Queues tasks that must not be run or dropped in a child.
fn queue_behind(pool: &PoolRef) -> Vec<JoinHandle<()>> {
    struct OnlyIn(u32);
    impl Drop for OnlyIn {
        fn drop(&mut self) {
            only_in(self.0);
        }
    }
    let task = |_| {
        let process = OnlyIn(process::id());
        pool.submit(move || drop(process))
    };
    (0..3).map(task).collect()
}

/// Checks what a task finds when it goes on in a child.
fn outside_of(pool: &ThreadPoolExecutor) {
    assert!(current().is_none() && workmill::worker_index().is_none());
    all_is_refused(pool);
    nothing_waits(pool);
    let event = Event::new();
    assert!(!event.wait_timeout(Duration::from_millis(1)));
    blocking(|| ());
}

#[test]
fn a_task_that_forks_is_outside_of_its_pool_in_the_child() {
    alone(|| {
        let children = in_all_places(|| {
            Box::new(|pool| {
                let behind = queue_behind(pool);
                Some(fork(|| {
                    // Where the task has given its slot up they may have run before the fork.
                    let behind = behind.into_iter().filter(|task| !task.is_finished());
                    behind.for_each(|task| assert_forked(task.join()));
                    outside_of(pool);
                }))
            })
        });
        children.into_iter().flatten().for_each(Child::ends_well);
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let child = pool.submit(|| fork(a_new_pool_works)).join().unwrap();
        child.ends_well();
    });
}

#[test]
fn the_child_of_a_task_ends_when_the_task_returns_and_runs_no_other() {
    alone(|| {
        let children = in_all_places(|| {
            Box::new(|pool| {
                drop(queue_behind(pool));
                fork_and_go_on()
            })
        });
        children.into_iter().flatten().for_each(Child::ends_well);
        let children = in_all_places(|| {
            Box::new(|pool| {
                drop(queue_behind(pool));
                let child = fork_and_go_on();
                assert!(child.is_some(), "it panics in the child");
                child
            })
        });
        children.into_iter().flatten().for_each(Child::ends_well);
    });
}

#[test]
fn a_submitter_that_runs_a_task_itself_goes_on_in_the_child() {
    alone(|| {
        for capacity in [0, 1] {
            let builder = Builder::new().threads(1).queue_capacity(capacity);
            let pool = builder.overflow(Overflow::CallerRuns).build().unwrap();
            let release = occupy(&pool);
            let full = std::iter::from_fn(|| pool.try_submit(|| ()).ok());
            let behind: Vec<_> = full.collect();
            let this = pool.clone();
            let child = pool.submit(move || {
                drop(queue_behind(&this));
                let child = fork_and_go_on();
                if child.is_none() {
                    or_else_end_badly(|| outside_of(&this));
                }
                child
            });
            match child.join() {
                Ok(Some(child)) => child.ends_well(),
                // It is this thread that goes on in the child.
                other => or_else_end_badly(|| {
                    assert!(matches!(other, Ok(None)));
                    outside_of(&pool);
                    behind.iter().for_each(|task| assert!(!task.is_finished()));
                    a_new_pool_works();
                    exit(0);
                }),
            }
            release.set();
            behind.into_iter().for_each(|task| task.join().unwrap());
        }
    });
}

#[test]
fn a_worker_that_was_a_foreign_thread_in_another_pool_when_it_forked_runs_nothing_in_the_child() {
    alone(|| {
        let home = ThreadPoolExecutor::new(1).unwrap();
        let builder = Builder::new().threads(1).queue_capacity(1);
        let other = builder.overflow(Overflow::CallerRuns).build().unwrap();
        let release = occupy(&other);
        other.execute(|| ());
        let this = home.clone();
        let child = home.submit(move || {
            let behind = queue_behind(&this);
            let child = other.submit(fork_and_go_on).join().unwrap();
            if child.is_none() {
                or_else_end_badly(|| {
                    outside_of(&other);
                    behind
                        .into_iter()
                        .for_each(|task| assert_forked(task.join()));
                    outside_of(&this);
                    a_new_pool_works();
                    exit(0);
                });
            }
            release.set();
            child
        });
        let child = child.join().unwrap();
        child.expect("the child has ended").ends_well();
    });
}

/// Forks once, at the first call, and sends the child to the receiver.
fn forks_once() -> (impl Fn() + Send + Sync, mpsc::Receiver<Child>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(Some(tell));
    let forks = move || {
        let tell = tell.lock().unwrap().take();
        if let Some((tell, child)) = tell.and_then(|tell| Some((tell, fork_and_go_on()?))) {
            tell.send(child).unwrap();
        }
    };
    (forks, told)
}

#[test]
fn a_thread_that_forks_in_a_function_of_the_users_runs_nothing_in_the_child() {
    alone(|| {
        let process = process::id();
        // As the thread starts.
        let (forks, told) = forks_once();
        let builder = Builder::new().threads(1).on_thread_start(move |_| {
            forks();
            Ok(())
        });
        let pool = builder.build().unwrap();
        pool.submit(move || only_in(process)).join().unwrap();
        told.recv().unwrap().ends_well();
        // As the thread stops.
        let (forks, told) = forks_once();
        let builder = Builder::new().threads(1).on_thread_stop(move |_| forks());
        drop(builder.build().unwrap());
        told.recv().unwrap().ends_well();
        // As the panic handler is called.
        let (forks, told) = forks_once();
        let builder = Builder::new().threads(1).panic_handler(move |_| forks());
        let pool = builder.build().unwrap();
        pool.execute(|| panic!("as it may"));
        drop(queue_behind(&pool));
        told.recv().unwrap().ends_well();
        // As the thread wakes a waiter for idleness.
        let (forks, told) = forks_once();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let _idle = calls_when_idle(&pool, forks);
        release.set();
        told.recv().unwrap().ends_well();
        // On a thread without a slot, since a sleeping thread has it.
        let (forks, told) = forks_once();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (event, goes_on, release) = (Arc::new(Event::new()), Flag::default(), Flag::default());
        let (wait, arrives, pass) = (Arc::clone(&event), goes_on.clone(), release.clone());
        pool.execute(move || {
            wait.wait();
            arrives.set();
            pass.wait();
        });
        let takes_its_slot = pool.submit(move || {
            event.set();
            goes_on.wait();
        });
        takes_its_slot.join().unwrap();
        let _idle = calls_when_idle(&pool, forks);
        release.set();
        told.recv().unwrap().ends_well();
    });
}

/// Calls a function when the pool becomes idle, which it is not yet, as long as the returned future
/// is kept.
fn calls_when_idle(
    pool: &PoolRef,
    function: impl Fn() + Send + Sync + 'static,
) -> Pin<Box<impl Future<Output = Result<(), WouldDeadlock>>>> {
    let mut idle = Box::pin(pool.wait_idle_async());
    let waker = Waker::from(Arc::new(OnWake(function)));
    let polled = idle.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    idle
}

/// Calls a function when it is woken.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn a_child_never_waits_whatever_the_threads_of_its_parent_are_at() {
    alone(|| {
        for capacity in [0, 4] {
            let builder = Builder::new().threads(2).queue_capacity(capacity);
            let pool = builder.build().unwrap();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while !over.load(Ordering::Relaxed) {
                            let inner = || current().unwrap().submit(|| 42).join().unwrap();
                            let handles = [(); 10].map(|()| pool.submit(inner));
                            for handle in handles {
                                assert_eq!(handle.join().unwrap(), 42);
                            }
                        }
                    });
                }
                let tested = catch_unwind(AssertUnwindSafe(|| {
                    for _ in 0..50 {
                        // From outside.
                        let child = fork(|| {
                            all_is_refused(&pool);
                            nothing_waits(&pool);
                        });
                        child.ends_well();
                        // In a task, which the child returns from.
                        let forks = pool.submit(fork_and_go_on).join().unwrap();
                        forks.expect("the child has ended").ends_well();
                    }
                }));
                over.store(true, Ordering::Relaxed);
                tested.unwrap();
            });
        }
    });
}

/// Begins to sleep until a deadline, at which a function is called.
fn calls_at(deadline: Instant, function: impl Fn() + Send + Sync + 'static) -> Option<Sleep> {
    let mut sleep = sleep_until(deadline);
    let waker = Waker::from(Arc::new(OnWake(function)));
    let polled = Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker));
    polled.is_pending().then_some(sleep)
}

/// Sleeps until the timer's thread wakes it; that thread has started by then.
fn sleeps() {
    loop {
        let (tell, woken) = mpsc::channel();
        let deadline = Instant::now() + Duration::from_millis(5);
        let called = calls_at(deadline, move || tell.send(()).unwrap());
        // Otherwise this thread was held up for longer than that.
        if let Some(called) = called {
            woken.recv().unwrap();
            assert!(called.is_elapsed());
            return block_on(called);
        }
    }
}

#[test]
fn a_child_has_a_timer_of_its_own_and_its_children_too() {
    alone(|| {
        fn descend(generations: u32, long: &mut Vec<Sleep>) {
            sleeps();
            let never = Instant::now() + HOUR;
            long.extend(calls_at(never, || exit(13)));
            if generations > 0 {
                fork(|| descend(generations - 1, long)).ends_well();
                sleeps();
            }
            // A wait that an ancestor began goes on here, or is given up, like any other.
            let soon = Instant::now() + Duration::from_millis(5);
            for (index, mut sleep) in long.drain(..).enumerate() {
                if index % 2 == 0 {
                    assert!(block_on(poll_once(&mut sleep)).is_none());
                    sleep.reset(soon);
                    block_on(sleep);
                }
            }
            sleeps();
        }
        // With more generations than there are lists for, a lock may stay held forever.
        descend(10, &mut Vec::new());
    });
}

#[test]
fn a_process_without_a_pool_has_children_with_a_timer() {
    alone(|| {
        fork(sleeps).ends_well();
        sleeps();
        fork(|| {
            sleeps();
            a_new_pool_works();
        })
        .ends_well();
        let pool = started(2);
        fork(sleeps).ends_well();
        sleeps();
        pool.submit(|| fork(sleeps)).join().unwrap().ends_well();
    });
}

#[test]
fn a_child_sleeps_whatever_the_timer_of_its_parent_is_at() {
    alone(|| {
        sleeps();
        let (over, started) = (AtomicBool::new(false), Barrier::new(3));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    started.wait();
                    while !over.load(Ordering::Relaxed) {
                        let sleeps = [(); 10].map(|()| sleep(Duration::from_micros(50)));
                        sleeps.into_iter().for_each(block_on);
                    }
                });
            }
            started.wait();
            let tested = catch_unwind(AssertUnwindSafe(|| {
                for _ in 0..30 {
                    fork(sleeps).ends_well();
                }
            }));
            over.store(true, Ordering::Relaxed);
            tested.unwrap();
        });
    });
}

#[test]
fn the_timer_thread_wakes_nobody_in_a_child_that_a_waker_has_forked() {
    alone(|| {
        sleeps();
        let (forks, told) = forks_once();
        let process = process::id();
        let (tell, woken) = mpsc::channel();
        let far = Instant::now() + HOUR;
        let both = [
            calls_at(far, forks),
            calls_at(far, move || {
                only_in(process);
                tell.send(()).unwrap();
            }),
        ];
        let mut both = both.map(|sleep| sleep.expect("its time is far"));
        // Both are due at the same time, so they are taken together, unless this thread is held up.
        let soon = Instant::now() + Duration::from_millis(200);
        both.iter_mut().for_each(|sleep| sleep.reset(soon));
        told.recv().unwrap().ends_well();
        woken.recv().unwrap();
        drop(both);
        sleeps();
    });
}

#[test]
fn a_callback_of_a_shared_handle_is_called_at_once_in_the_child() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let shared = pool.submit(|| 42).shared();
        let child = fork(|| {
            let (sender, receiver) = mpsc::channel();
            shared.on_done(move |outcome| sender.send(outcome).unwrap());
            assert_forked(receiver.try_recv().unwrap());
        });
        child.ends_well();
        release.set();
        assert_eq!(shared.join().unwrap(), 42);
    });
}

#[test]
fn waits_for_many_end_at_once_in_the_child() {
    alone(|| {
        let pool = started(1);
        let release = occupy(&pool);
        let behind = || pool.submit(|| 42);
        let set = || {
            let mut set = JoinSet::new(&pool).limit(2);
            set.insert("first", behind());
            set.insert("second", behind());
            set
        };
        let (mut handles, mut old, completed) =
            ([behind(), behind()], set(), as_completed([behind()]));
        let mut inherited = set();
        let (promise, promised) = promise();
        let child = fork(|| {
            for until in [WaitFor::Any, WaitFor::All, WaitFor::FirstFailure] {
                assert!(wait(&mut handles, until).is_empty());
                assert!(block_on(wait_async(&mut handles, until)).is_empty());
            }
            completed.for_each(|(_, outcome)| assert_forked(outcome));
            old.submit("third", || 43); // does not wait for room
            for _ in 0..3 {
                let (_, outcome) = old.join_next().unwrap();
                assert_forked(outcome);
            }
            assert!(old.join_next().is_none());
            let mut other = set();
            other.submit("third", || 43);
            assert_eq!(std::iter::from_fn(|| other.try_join_next()).count(), 3);
            assert!(other.is_empty(), "each came once");
            // One of the child's own is waited for.
            let (own, its_handle) = workmill::promise();
            inherited.insert("own", its_handle);
            let answer = thread::spawn(move || own.complete(42).unwrap());
            let keys = std::iter::from_fn(|| inherited.join_next()).map(|(key, _)| key);
            assert_eq!(keys.last(), Some("own"));
            answer.join().unwrap();
            assert_forked(pool.map([1], |n| n).next().unwrap());
            assert!(!promised.cancel());
            assert_forked(promised.join());
            // Its own.
            let (promise, promised) = workmill::promise();
            promise.complete(7).unwrap();
            assert_eq!(promised.join().unwrap(), 7);
        });
        child.ends_well();
        release.set();
        assert_eq!(wait(&mut handles, WaitFor::All), [0, 1]);
        promise.complete(42).unwrap();
        pool.wait_idle().unwrap();
    });
}
