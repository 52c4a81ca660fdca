//! A signal that interrupts a wait does not end it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use workmill::{
    Builder, CancelToken, Event, JoinableQueue, Latch, PoolRef, Semaphore, ThreadPoolExecutor,
    current,
};

use crate::child::in_child;
use crate::support::{add_one, limited, occupy, until};

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_signals(_: libc::c_int) {
    add_one(&SIGNALS);
}

/// Makes SIGALRM interrupt every wait in the kernel, none of which goes on by itself.
#[expect(unsafe_code, reason = "std handles no signals")]
fn handle_signals() {
    // SAFETY: zeroes are an action without flags, SA_RESTART among them, and without a mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count_signals as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the action is one, and its handler does nothing except count.
    let done = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

/// Threads that are interrupted each millisecond.
#[derive(Clone, Default)]
struct Victims(Arc<Mutex<Vec<usize>>>);

impl Victims {
    #[expect(unsafe_code, reason = "std has no names for threads that signals know")]
    fn this_thread() -> usize {
        // SAFETY: it has no duties.
        let this = unsafe { libc::pthread_self() };
        this as usize
    }

    fn come(&self) {
        self.0.lock().unwrap().push(Self::this_thread());
    }

    fn go(&self) {
        let this = Self::this_thread();
        self.0.lock().unwrap().retain(|victim| *victim != this);
    }

    #[expect(unsafe_code, reason = "std sends no signals")]
    fn interrupt(&self) {
        for victim in &*self.0.lock().unwrap() {
            // SAFETY: the thread lives, since it takes itself off the list, which is locked.
            let sent = unsafe { libc::pthread_kill(*victim as libc::pthread_t, libc::SIGALRM) };
            assert_eq!(sent, 0);
        }
    }

    /// Creates a pool of the given number of threads, all of which are victims.
    fn pool(&self, threads: usize, capacity: usize) -> ThreadPoolExecutor {
        let (come, go) = (self.clone(), self.clone());
        let builder = Builder::new().threads(threads).queue_capacity(capacity);
        let builder = builder.on_thread_stop(move |_| go.go());
        builder
            .on_thread_start(move |_| {
                come.come();
                Ok(())
            })
            .build()
            .unwrap()
    }
}

/// Checks that a wait which nothing ends takes at least its time.
fn takes(time: Duration, wait: impl FnOnce(Duration) -> bool) {
    let before = Instant::now();
    assert!(!wait(time), "it ended well");
    assert!(before.elapsed() >= time, "{:?}", before.elapsed());
}

/// Waits in every way for something that does not come.
fn wait_in_vain(busy: &PoolRef, full: &PoolRef) {
    let time = Duration::from_millis(3);
    let (event, token, latch) = (Event::new(), CancelToken::new(), Latch::new(1));
    takes(time, |time| event.wait_timeout(time));
    takes(time, |time| token.wait_timeout(time));
    takes(time, |time| latch.wait_timeout(time));
    let semaphore = Semaphore::new(0);
    takes(time, |time| semaphore.acquire_timeout(time).is_ok());
    let queue = JoinableQueue::bounded(1);
    takes(time, |time| queue.get_timeout(time).is_ok());
    queue.put(1).unwrap();
    takes(time, |time| queue.put_timeout(2, time).is_ok());
    takes(time, |time| queue.join_timeout(time).unwrap());
    let mut handle = busy.submit(|| 42);
    takes(time, |time| handle.join_timeout(time).is_some());
    let shared = handle.shared();
    takes(time, |time| shared.join_timeout(time).is_some());
    takes(time, |time| busy.wait_idle_timeout(time).unwrap());
    takes(time, |time| full.submit_timeout(|| (), time).is_ok());
}

/// Waits in every way for something that comes a little later, from a thread of its own.
fn wait_for_good(busy: &PoolRef) {
    let (event, semaphore) = (Event::new(), Semaphore::new(0));
    let queue = JoinableQueue::bounded(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Not synchronisation: the sleep is the time in which signals come.
            let later = || thread::sleep(Duration::from_millis(3));
            later();
            event.set();
            later();
            semaphore.add_permits(1).unwrap();
            later();
            queue.put(1).unwrap();
            later();
            // It fails until the item has been taken.
            until(|| queue.task_done().is_ok());
        });
        event.wait();
        assert!(event.is_set());
        semaphore.acquire().unwrap().forget();
        assert_eq!(queue.get(), Ok(1));
        queue.join().unwrap();
        assert_eq!(queue.unfinished(), 0);
    });
    let slow = busy.submit(|| {
        // Not synchronisation: the sleep is the time in which signals come.
        thread::sleep(Duration::from_millis(3));
        current().unwrap().submit(|| 42).join().unwrap()
    });
    assert_eq!(slow.join().unwrap(), 42);
}

#[test]
fn waits_that_are_interrupted_again_and_again_end_as_they_should() {
    in_child(&[], || {
        limited(|| {
            handle_signals();
            let (victims, over) = (Victims::default(), AtomicBool::new(false));
            let pool = victims.pool(2, 100);
            let (busy, full) = (victims.pool(1, 100), victims.pool(1, 0));
            let (busy_release, full_release) = (occupy(&busy), occupy(&full));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        victims.interrupt();
                        // Not synchronisation: the sleep is the time between two signals.
                        thread::sleep(Duration::from_millis(1));
                    }
                });
                let blocked = scope.spawn(|| {
                    victims.come();
                    let behind = full.submit(|| 42);
                    assert!(over.load(Ordering::Relaxed), "it waited for room");
                    victims.go();
                    behind
                });
                let waits = scope.spawn(|| {
                    victims.come();
                    while SIGNALS.load(Ordering::SeqCst) < 2000 {
                        let (one, two) = (busy.handle(), full.handle());
                        let in_vain = pool.submit(move || wait_in_vain(&one, &two));
                        let this = pool.handle();
                        let for_good = pool.submit(move || wait_for_good(&this));
                        wait_in_vain(&busy, &full);
                        wait_for_good(&pool);
                        in_vain.join().unwrap();
                        for_good.join().unwrap();
                    }
                    takes(Duration::from_millis(3), |time| {
                        busy.shutdown_timeout(time).is_ok()
                    });
                    victims.go();
                });
                let waited = waits.join();
                over.store(true, Ordering::Relaxed);
                full_release.set();
                let behind = blocked.join().unwrap();
                assert_eq!(behind.join().unwrap(), 42);
                waited.unwrap();
            });
            busy_release.set();
            until(|| busy.is_terminated());
        });
    });
}
