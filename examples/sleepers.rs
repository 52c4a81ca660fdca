//! 50,000 futures that sleep for a second, all at the same time, on five threads.
//!
//! A tutorial about Python's coroutines asks: with 50,000 tasks, are we to start 50,000 threads? A
//! future that sleeps has no thread. It takes some hundred bytes, which are counted here.

#![allow(unsafe_code)] // An allocator is unsafe to write.

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use workmill::timer::sleep;
use workmill::{Latch, ThreadPoolExecutor};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(5)?;
    let all_in_bed = Arc::new(Latch::new(50_000));
    let (began, before) = (Instant::now(), BYTES.load(Relaxed));
    for _ in 0..50_000 {
        let all_in_bed = Arc::clone(&all_in_bed);
        pool.spawn(async move {
            let nap = sleep(Duration::from_secs(1));
            all_in_bed.count_down();
            nap.await;
        });
    }
    all_in_bed.wait();
    println!(
        "50000 tasks sleep on {} threads",
        pool.metrics().live_threads
    );
    println!(
        "each takes {} bytes",
        (BYTES.load(Relaxed) - before) / 50_000
    );
    pool.wait_idle()?;
    println!("all take {} bytes at most", MOST.load(Relaxed) - before);
    println!(
        "they have slept after {:.2} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The number of bytes on the heap now, and the most that there were.
static BYTES: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator, and a count of the bytes that it has given.
struct Counting;

// SAFETY: Everything is passed on to `System` unchanged, and so are the caller's duties. The
// trait's default ways to grow a block or to fill it with zeros use these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: The caller's duties are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: The caller's duties are those of `System`.
        unsafe { System.dealloc(block, layout) }
    }
}
