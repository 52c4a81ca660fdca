//! Counts the bytes on the heap: an allocator that asks the system's and remembers how much.
//!
//! The stacks of threads are not on the heap, and what the system's allocator needs for itself is not
//! counted.

#![allow(unsafe_code)] // An allocator is unsafe to write.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static COUNTING: Counting = Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Tells how many bytes are on the heap.
pub(crate) fn now() -> usize {
    NOW.load(Relaxed)
}

/// Tells how many there were at most, since the program began.
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

// SAFETY: Everything is passed on to `System` unchanged, and so are the caller's duties. What the
// trait does by default to grow a block or to fill it with zeros is done by these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: As above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        less(layout.size());
        // SAFETY: As above.
        unsafe { System.dealloc(block, layout) }
    }
}
