//! Counts the bytes on the heap: an allocator that uses the system's and remembers the sum.
//!
//! The stacks of threads are not on the heap, and the bytes that the system's allocator needs for
//! itself are not counted.

#![allow(unsafe_code)] // An allocator is unsafe to write.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static COUNTING: Counting = Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of bytes on the heap.
pub(crate) fn now() -> usize {
    NOW.load(Relaxed)
}

/// Returns the most bytes that there were, since the program began.
pub(crate) fn most() -> usize {
    MOST.load(Relaxed)
}

struct Counting;

fn more(bytes: usize) {
    let now = NOW.fetch_add(bytes, Relaxed) + bytes;
    MOST.fetch_max(now, Relaxed);
}

fn less(bytes: usize) {
    NOW.fetch_sub(bytes, Relaxed);
}

// SAFETY: Everything is passed on to `System` unchanged, and so are the caller's duties. The
// trait's default ways to grow a block or to fill it with zeros use these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: The caller's duties are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        less(layout.size());
        // SAFETY: The caller's duties are those of `System`.
        unsafe { System.dealloc(block, layout) }
    }
}
