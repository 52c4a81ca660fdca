//! Blocks of the heap that begin with a cache line.
//!
//! To ask the allocator for that is dear: it cuts off what comes before and after, and joins it again when
//! the block is freed. So a block is asked for that is longer by what may be missing, and what is kept in
//! it begins at the first line. It also notes how far that is, for when it is freed.

#![expect(unsafe_code, reason = "blocks of memory are asked for and given back")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// What a cache line has, in bytes, on most machines.
const LINE: usize = 64;

/// What any allocator gives without effort.
const USUAL: usize = 16;

/// What is kept in a block. `repr(C)` so that a pointer to it is one to the value.
#[repr(C)]
struct Kept<T> {
    value: T,
    /// How many bytes of the block come before.
    before: u8,
}

impl<T> Kept<T> {
    const LAYOUT: Layout = {
        let own = align_of::<Self>();
        let align = if own > USUAL { own } else { USUAL };
        let missing = LINE.saturating_sub(align);
        match Layout::from_size_align(size_of::<Self>() + missing, align) {
            Ok(layout) => layout,
            Err(_) => panic!("the value is too large"),
        }
    };
}

/// Moves a value to a block of its own, to be [freed](free).
#[inline]
pub(super) fn new<T>(value: T) -> NonNull<T> {
    let layout = Kept::<T>::LAYOUT;
    // SAFETY: the layout has room for at least one byte.
    let Some(block) = NonNull::new(unsafe { alloc(layout) }) else {
        handle_alloc_error(layout);
    };
    let before = block.addr().get().next_multiple_of(LINE) - block.addr().get();
    let kept = Kept {
        value,
        before: before.try_into().expect("it is less than a line"),
    };
    // SAFETY: the block begins at a multiple of the layout's alignment. If that is less than a line, no
    // more is missing to the next line than was asked for beside the size; else, nothing is.
    let place = unsafe { block.add(before) }.cast::<Kept<T>>();
    // SAFETY: from there on the block has room for it, and a line's begin is aligned; or else the block's.
    unsafe { place.write(kept) };
    place.cast()
}

/// Frees a value's block; the value must have been dropped or moved out.
///
/// # Safety
/// `value` is what [`new`] gave, and neither it nor its block are used again.
pub(super) unsafe fn free<T>(value: NonNull<T>) {
    let kept = value.cast::<Kept<T>>().as_ptr();
    // SAFETY: by our duty the block is live, and was made by `new`, which has noted this beside the value;
    // the value's drop leaves it alone.
    let before = unsafe { (*kept).before };
    // SAFETY: so many bytes before the value begins the block, which it was derived from.
    let block = unsafe { value.cast::<u8>().sub(before.into()) };
    // SAFETY: `new` had it with this layout, and by our duty nobody uses it again.
    unsafe { dealloc(block.as_ptr(), Kept::<T>::LAYOUT) };
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    fn keeps<T: Copy + PartialEq + std::fmt::Debug>(value: T) {
        let blocks: Vec<_> = (0..100).map(|_| new(value)).collect();
        for block in blocks {
            assert_eq!(block.addr().get() % LINE.max(align_of::<T>()), 0);
            // SAFETY: it was made of a value of that type.
            assert_eq!(unsafe { block.read() }, value);
            // SAFETY: so it was, and the value needs no drop.
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
