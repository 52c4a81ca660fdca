//! The measurements: the clock, processor time, context switches and the heap.

#![expect(
    unsafe_code,
    reason = "the system's clocks, and an allocator that counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The measurements of one turn of one contender, in totals.
#[derive(Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) ops: usize,
    pub(crate) wall_ns: f64,
    /// User and system time of the whole process.
    pub(crate) cpu_ns: f64,
    pub(crate) voluntary_switches: i64,
    pub(crate) involuntary_switches: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heap: Option<Heap>,
}

/// The heap, while it was counted.
#[derive(Clone, Serialize)]
pub(crate) struct Heap {
    pub(crate) allocations: u64,
    /// Bytes that were allocated and not freed, as the allocator rounds them, with its own word for
    /// each block.
    pub(crate) live_bytes: i64,
}

impl Sample {
    pub(crate) fn per_op(&self, total: f64) -> f64 {
        total / self.ops as f64
    }
}

/// Measures `work`, which does `ops` operations; the heap too, if `counting`.
pub(crate) fn measured(ops: usize, counting: bool, work: impl FnOnce()) -> Sample {
    let clocks = thread_clocks();
    if counting {
        ALLOCATIONS.store(0, Ordering::Relaxed);
        LIVE_BYTES.store(0, Ordering::Relaxed);
        COUNTING.store(true, Ordering::Relaxed);
    }
    let before = Usage::now(&clocks);
    let start = Instant::now();
    work();
    let wall = start.elapsed();
    let after = Usage::now(&clocks);
    COUNTING.store(false, Ordering::Relaxed);
    Sample {
        ops,
        wall_ns: wall.as_nanos() as f64,
        cpu_ns: (after.cpu - before.cpu).as_nanos() as f64,
        voluntary_switches: after.voluntary_switches - before.voluntary_switches,
        involuntary_switches: after.involuntary_switches - before.involuntary_switches,
        heap: counting.then(|| Heap {
            allocations: ALLOCATIONS.load(Ordering::Relaxed),
            live_bytes: LIVE_BYTES.load(Ordering::Relaxed),
        }),
    }
}

/// The usage of the process since it began.
struct Usage {
    cpu: Duration,
    voluntary_switches: i64,
    involuntary_switches: i64,
}

impl Usage {
    /// Reads the kernel's counts, once they are up to date for the threads of these clocks.
    ///
    /// For a thread that runs on another processor the kernel updates them only now and then, some
    /// milliseconds apart, but also when it is asked for that thread's clock.
    fn now(clocks: &[libc::clockid_t]) -> Self {
        for clock in clocks {
            let mut time = MaybeUninit::uninit();
            // SAFETY: The pointer is to a `timespec` that may be written. It is not read, so that
            // the thread may have ended does not matter.
            unsafe { libc::clock_gettime(*clock, time.as_mut_ptr()) };
        }
        let mut usage = MaybeUninit::uninit();
        // SAFETY: The pointer is to a `rusage` that may be written.
        let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
        assert_eq!(status, 0, "getrusage knows RUSAGE_SELF");
        // SAFETY: It was filled in, as the status says.
        let usage: libc::rusage = unsafe { usage.assume_init() };
        Self {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            voluntary_switches: usage.ru_nvcsw,
            involuntary_switches: usage.ru_nivcsw,
        }
    }
}

/// The clocks of the processor time of all threads; none where they cannot be listed.
fn thread_clocks() -> Vec<libc::clockid_t> {
    // As pthread_getcpuclockid(3) makes it on Linux: the thread's id, the bit for a thread's clock,
    // the number of the scheduler's clock.
    let clock = |id: libc::clockid_t| (!id << 3) | 0b100 | 2;
    let id = |name: OsString| name.to_str()?.parse().ok();
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    let ids = threads.filter_map(|thread| id(thread.ok()?.file_name()));
    ids.map(clock).collect()
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

/// The names of the timers' threads, as far as the system keeps them.
const TIMERS: [&str; 2] = ["async-io", "workmill-timer"];

/// Waits until this is the only thread of the process, so that no thread that is about to end runs
/// into the next turn. Some pools cannot wait for their threads. The threads of our timers and
/// async-io's never end, and sleep while there are none.
pub(crate) fn await_end_of_threads() {
    let limit = Instant::now() + Duration::from_secs(10);
    let name = |thread: &DirEntry| fs::read_to_string(thread.path().join("comm"));
    let ends =
        |thread: &DirEntry| name(thread).is_ok_and(|name| !TIMERS.contains(&name.trim_end()));
    // Where there is no such directory, nothing is waited for.
    while fs::read_dir("/proc/self/task")
        .is_ok_and(|threads| threads.flatten().filter(ends).count() > 1)
    {
        assert!(Instant::now() < limit, "a dropped pool's threads live on");
        thread::sleep(Duration::from_micros(200));
    }
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, which counts while it is told to. A reallocation counts as an
/// allocation.
pub(crate) struct CountingAllocator;

/// Counts a block that was allocated (`sign` 1) or is about to be freed (-1).
fn count(pointer: *mut u8, layout: Layout, sign: i64) {
    if COUNTING.load(Ordering::Relaxed) && !pointer.is_null() {
        if sign > 0 {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        LIVE_BYTES.fetch_add(sign * footprint(pointer, layout) as i64, Ordering::Relaxed);
    }
}

/// The share of a live block in the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn footprint(pointer: *mut u8, _: Layout) -> usize {
    // SAFETY: The block is live, and `System` has it from malloc.
    let usable = unsafe { libc::malloc_usable_size(pointer.cast()) };
    usable + size_of::<usize>()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn footprint(_: *mut u8, layout: Layout) -> usize {
    layout.size()
}

// SAFETY: Everything is passed on to `System` unchanged, and so are the caller's duties.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's duties are those of `System`.
        let block = unsafe { System.alloc(layout) };
        count(block, layout, 1);
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's duties are those of `System`.
        let block = unsafe { System.alloc_zeroed(layout) };
        count(block, layout, 1);
        block
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(pointer, layout, -1);
        // SAFETY: The caller's duties are those of `System`.
        let block = unsafe { System.realloc(pointer, layout, size) };
        count(block, layout, 1);
        block
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(pointer, layout, -1);
        // SAFETY: The caller's duties are those of `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Returns the median of the values, or NaN if there are none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}
