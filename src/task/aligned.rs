//! Memory on the heap that begins with a cache line.
//!
//! The allocator can align a block to a cache line, but that is expensive: it cuts off the bytes
//! before and after the block, and merges them again when the block is freed. Instead, a block is
//! requested that is longer by the bytes that may be missing, and the value begins at the first
//! cache line in it. The offset is noted beside the value, and used when the block is freed.

#![expect(
    unsafe_code,
    reason = "blocks are requested from the allocator and given back to it"
)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// The size of a cache line in bytes, on most machines.
const CACHE_LINE: usize = 64;

/// The alignment in bytes that any allocator provides at no cost.
const USUAL_ALIGN: usize = 16;

/// The contents of a block. `repr(C)` so that a pointer to them is a pointer to the value.
#[repr(C)]
struct Kept<T> {
    value: T,
    /// The number of bytes in the block before the value.
    before: u8,
}

impl<T> Kept<T> {
    const LAYOUT: Layout = {
        let own = align_of::<Self>();
        let align = if own > USUAL_ALIGN { own } else { USUAL_ALIGN };
        let missing = CACHE_LINE.saturating_sub(align);
        match Layout::from_size_align(size_of::<Self>() + missing, align) {
            Ok(layout) => layout,
            Err(_) => panic!("the value is too large"),
        }
    };
}

/// Moves a value to a block of its own, to be freed with [`free`].
#[inline]
pub(super) fn new<T>(value: T) -> NonNull<T> {
    let layout = Kept::<T>::LAYOUT;
    // SAFETY: the size of the layout is not zero, because of `before`.
    let Some(block) = NonNull::new(unsafe { alloc(layout) }) else {
        handle_alloc_error(layout);
    };
    let before = block.addr().get().next_multiple_of(CACHE_LINE) - block.addr().get();
    let kept = Kept {
        value,
        before: before.try_into().expect("it is less than a cache line"),
    };
    // SAFETY: the block begins at a multiple of the layout's alignment. If that is less than a
    // line, the next line is no further away than the bytes that were requested beyond the size. If
    // not, the block begins with a line.
    let place = unsafe { block.add(before) }.cast::<Kept<T>>();
    // SAFETY: from `place` on the block has room for the value. The start of a line is aligned for
    // it, and so is the start of the block if the value's alignment is larger than a line.
    unsafe { place.write(kept) };
    place.cast()
}

/// Frees the block of a value that was dropped or moved out.
///
/// # Safety
/// `value` was returned by [`new`], and neither it nor its block is used again.
pub(super) unsafe fn free<T>(value: NonNull<T>) {
    let kept = value.cast::<Kept<T>>().as_ptr();
    // SAFETY: by our duty the block is live and was made by `new`, which wrote this field beside
    // the value. The drop of the value did not touch it.
    let before = unsafe { (*kept).before };
    // SAFETY: the block begins that many bytes before the value, whose pointer was derived from it.
    let block = unsafe { value.cast::<u8>().sub(before.into()) };
    // SAFETY: `new` allocated the block with this layout, and by our duty it is not used again.
    unsafe { dealloc(block.as_ptr(), Kept::<T>::LAYOUT) };
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    fn keeps<T: Copy + PartialEq + std::fmt::Debug>(value: T) {
        let blocks: Vec<_> = (0..100).map(|_| new(value)).collect();
        for block in blocks {
            assert_eq!(block.addr().get() % CACHE_LINE.max(align_of::<T>()), 0);
            // SAFETY: `new` stored a value of this type.
            assert_eq!(unsafe { block.read() }, value);
            // SAFETY: `new` returned the pointer, and the value needs no drop.
            unsafe { free(block) };
        }
    }

    #[test]
    fn a_block_begins_with_a_line_whatever_is_kept_in_it() {
        #[repr(align(32))]
        #[derive(Clone, Copy, PartialEq, Debug)]
        struct Half(u8);
        #[repr(align(128))]
        #[derive(Clone, Copy, PartialEq, Debug)]
        struct Two(u8);
        keeps(());
        keeps(1_u8);
        keeps([2_u64; 11]);
        keeps(Half(3));
        keeps(Two(4));
        keeps([Two(5); 3]);
    }
}
