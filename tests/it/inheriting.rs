//! Threads begin with the attributes of the thread that built the pool, whenever they start and
//! whichever thread has work for them; the timer's thread begins with those of the process.

use std::future::{self, Future as _};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::time::Duration;
use std::{fs, iter, thread};

use workmill::{Event, PoolRef, ThreadPoolExecutor, block_on, timer};

use crate::child::alone;
use crate::support::Flag;

/// The attributes that a thread inherits: the number of its processors, its nice value, and whether
/// SIGUSR1 is blocked.
type Attributes = (i32, i32, bool);

#[expect(unsafe_code, reason = "std knows nothing of them")]
fn own() -> Attributes {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: there is room for a set, of the size that is said.
    unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    // SAFETY: all zeros are a set.
    let set = unsafe { set.assume_init() };
    // SAFETY: it reads the set.
    let processors = unsafe { libc::CPU_COUNT(&set) };
    // SAFETY: it reads no memory.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr()) };
    // SAFETY: it was just filled.
    let blocked = unsafe { libc::sigismember(mask.as_ptr(), libc::SIGUSR1) };
    (processors, nice, blocked == 1)
}

/// Pins this thread to one processor, makes it nice, and blocks SIGUSR1.
#[expect(unsafe_code, reason = "std knows nothing of it")]
fn become_another() {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: there is room for a set.
    unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    // SAFETY: it was just filled.
    let all = unsafe { set.assume_init() };
    // SAFETY: it is asked for processors that sets have.
    let is_allowed = |&processor: &usize| unsafe { libc::CPU_ISSET(processor, &all) };
    let first = (0..libc::CPU_SETSIZE as usize).find(is_allowed).unwrap();
    // SAFETY: all zeros are a set.
    let mut one: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the processor is one that sets have.
    unsafe { libc::CPU_SET(first, &mut one) };
    // SAFETY: there is a set, of the size that is said.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one) };
    // SAFETY: it reads no memory.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
    let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::sigemptyset(mask.as_mut_ptr()) };
    // SAFETY: there is a set.
    unsafe { libc::sigaddset(mask.as_mut_ptr(), libc::SIGUSR1) };
    // SAFETY: there is a set.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, mask.as_ptr(), std::ptr::null_mut()) };
}

/// Returns `true` if a nice value can be lowered again here.
fn may_be_less_nice() -> bool {
    let tries = thread::spawn(|| {
        become_another();
        #[expect(unsafe_code, reason = "std knows nothing of it")]
        // SAFETY: it reads no memory.
        unsafe {
            libc::setpriority(libc::PRIO_PROCESS, 0, 0) == 0
        }
    });
    tries.join().unwrap()
}

/// Returns the expectation of a thread that is to be like one with `attributes`.
fn like(attributes: Attributes, nice: bool) -> impl Fn(&Attributes) -> bool {
    move |other| {
        let (processors, value, blocked) = attributes;
        other.0 == processors && other.2 == blocked && (!nice || other.1 == value)
    }
}

/// Returns the attributes of the three threads of a pool, of which this thread starts all but the
/// first.
fn of_three_threads(pool: &PoolRef) -> [Attributes; 3] {
    let barrier = Arc::new(Barrier::new(3));
    let ask = |begun: Option<Flag>| {
        let barrier = Arc::clone(&barrier);
        pool.submit(move || {
            begun.into_iter().for_each(|begun| begun.set());
            barrier.wait();
            own()
        })
    };
    // The first thread is busy with this, so it starts none.
    let begun = Flag::default();
    let first = ask(Some(begun.clone()));
    begun.wait();
    [first, ask(None), ask(None)].map(|answer| answer.join().unwrap())
}

#[test]
fn late_threads_are_like_the_one_that_built_the_pool() {
    alone(|| {
        let nice = may_be_less_nice();
        let (builder, pool) = (own(), ThreadPoolExecutor::new(3).unwrap());
        let submitter = || {
            become_another();
            (of_three_threads(&pool), own())
        };
        let (answers, other) = thread::scope(|scope| scope.spawn(submitter).join().unwrap());
        assert_ne!(other, builder);
        assert!(answers.iter().all(like(builder, nice)), "{answers:?}");
        // The submitter has lost nothing.
        assert!(other.2);
    });
}

#[test]
fn threads_of_a_pool_that_another_thread_built_are_like_that_thread() {
    alone(|| {
        let builder = thread::spawn(|| {
            become_another();
            (own(), ThreadPoolExecutor::new(3).unwrap())
        });
        let (builder, pool) = builder.join().unwrap();
        assert_eq!(of_three_threads(&pool), [builder; 3]);
    });
}

#[test]
fn spare_threads_are_like_the_one_that_built_the_pool() {
    alone(|| {
        let nice = may_be_less_nice();
        let (builder, pool) = (own(), ThreadPoolExecutor::new(1).unwrap());
        let (begun, event) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (tell, wait) = (Arc::clone(&begun), Arc::clone(&event));
        let waits = pool.submit(move || {
            become_another();
            tell.set();
            wait.wait();
        });
        begun.wait();
        let answer = pool.submit(own).join().unwrap();
        event.set();
        waits.join().unwrap();
        assert!(like(builder, nice)(&answer), "{answer:?}");
    });
}

/// Returns after the timer's thread has woken this one, so that it has taken on its attributes.
fn be_woken_by_the_timer() {
    let mut sleep = pin!(timer::sleep(Duration::from_millis(20)));
    let mut waits = false;
    block_on(future::poll_fn(|context| {
        if waits {
            return Poll::Ready(());
        }
        // A sleep that is polled too late is over, and has no need of the thread.
        while sleep.as_mut().poll(context).is_ready() {
            sleep.set(timer::sleep(Duration::from_millis(20)));
        }
        waits = true;
        Poll::Pending
    }));
}

/// Returns the directory in which the system tells about the thread called `name`.
fn find_thread(name: &str) -> Option<PathBuf> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let mut threads = threads.map(|entry| entry.unwrap().path());
    threads.find(|path| fs::read_to_string(path.join("comm")).is_ok_and(|it| it.trim() == name))
}

#[test]
fn the_timers_thread_is_like_the_process_and_blocks_every_signal() {
    alone(|| {
        let (nice, process) = (may_be_less_nice(), own());
        thread::spawn(|| {
            become_another();
            be_woken_by_the_timer();
        })
        .join()
        .unwrap();
        // The words of the system about the thread with that name.
        // The list ends too early if a thread in it, such as the sleeper, disappears meanwhile.
        let timer = iter::from_fn(|| Some(find_thread("workmill-timer")));
        let timer = timer.flatten().next().unwrap();
        let status = fs::read_to_string(timer.join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].trim().to_owned()
        };
        let blocked = u64::from_str_radix(&field("SigBlk:"), 16).unwrap();
        assert!(blocked & 1 << (libc::SIGUSR1 - 1) != 0);
        assert!(blocked & 1 << (libc::SIGINT - 1) != 0);
        let processors = field("Cpus_allowed:").replace(',', "");
        let count: u32 = processors
            .chars()
            .map(|digit| digit.to_digit(16).unwrap().count_ones())
            .sum();
        assert_eq!(count as i32, process.0);
        let stat = fs::read_to_string(timer.join("stat")).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        let value: i32 = after_name
            .split_whitespace()
            .nth(16)
            .unwrap()
            .parse()
            .unwrap();
        assert!(!nice || value == process.1);
    });
}

#[test]
fn a_pool_of_the_default_size_asks_each_time_how_many_processors_there_are() {
    alone(|| {
        let pinned = thread::spawn(|| {
            become_another();
            ThreadPoolExecutor::default().threads()
        });
        assert_eq!(pinned.join().unwrap(), 1);
        let here = thread::available_parallelism().unwrap().get();
        assert_eq!(ThreadPoolExecutor::default().threads(), here);
    });
}
