//! Memory for the results of a map, which is filled by several threads, part by part.
//!
//! A [`Room`] is a part in which nothing is yet, and a [`Filled`] one in which everything is. Both
//! are that part's only owner, so parts may go to different threads. A `Filled` drops what it
//! holds; two neighbours become one; and the whole becomes the vector whose memory it is.

#![expect(
    unsafe_code,
    reason = "results are written to memory that is not initialized"
)]

use std::marker::PhantomData;

use crate::unwind;

/// A part of a vector's memory that nobody has filled.
pub(super) struct Room<'a, R> {
    start: *mut R,
    len: usize,
    vector: PhantomData<&'a mut Vec<R>>,
}

/// A part of a vector's memory that is filled. Its drop drops the results in there, and does not
/// panic: the thread may unwind, because the function of the map has panicked.
pub(super) struct Filled<'a, R>(Room<'a, R>);

// SAFETY: it is the only way to a part of the memory, in which there is nothing but `R`s.
unsafe impl<R: Send> Send for Room<'_, R> {}

impl<'a, R> Room<'a, R> {
    /// The memory of an empty vector, as far as its capacity goes.
    pub(super) fn of(vector: &'a mut Vec<R>) -> Self {
        debug_assert!(vector.is_empty(), "what is there would be overwritten");
        Self {
            start: vector.as_mut_ptr(),
            len: vector.capacity(),
            vector: PhantomData,
        }
    }

    /// Splits the first `len` places from the rest. Panics if there are fewer.
    pub(super) fn split_at(self, len: usize) -> (Self, Self) {
        assert!(len <= self.len, "there is not that much room");
        let rest = Self {
            // SAFETY: it leads into the memory of the vector, or to its end.
            start: unsafe { self.start.add(len) },
            len: self.len - len,
            vector: PhantomData,
        };
        (Self { len, ..self }, rest)
    }

    /// Fills the room with the results of `f` for the items. Panics if it is too small, or if `f`
    /// does; the results that are there are dropped then.
    pub(super) fn fill<T>(self, items: &[T], f: impl Fn(&T) -> R) -> Filled<'a, R> {
        let mut filled = Filled(Self { len: 0, ..self });
        for item in items.iter().take(self.len) {
            let result = f(item);
            // SAFETY: there are fewer than `self.len` results in there, so this place belongs to
            // the room.
            let place = unsafe { self.start.add(filled.0.len) };
            // SAFETY: the place is in the vector's memory, and nothing is there.
            unsafe { place.write(result) };
            filled.0.len += 1;
        }
        assert!(filled.0.len == items.len(), "there is not that much room");
        filled
    }
}

impl<'a, R> Filled<'a, R> {
    /// Returns this part and the next as one. Panics if they are not neighbours.
    pub(super) fn and(mut self, next: Self) -> Self {
        let end = self.0.start.wrapping_add(self.0.len);
        assert!(end == next.0.start, "the parts are neighbours");
        self.0.len += next.0.len;
        std::mem::forget(next);
        self
    }

    /// Hands the results over, to the vector that [takes them](take_over).
    pub(super) fn give_up(self) -> GivenUp<R> {
        let (start, len) = (self.0.start, self.0.len);
        std::mem::forget(self);
        GivenUp { start, len }
    }
}

impl<R> Drop for Filled<'_, R> {
    fn drop(&mut self) {
        for index in 0..self.0.len {
            // SAFETY: that many results lie there, one behind the other.
            let place = unsafe { self.0.start.add(index) };
            // SAFETY: there is a result, which belongs to this alone, and is dropped once.
            unwind::contain(|| unsafe { std::ptr::drop_in_place(place) });
        }
    }
}

/// Results that belong to their vector from now on.
pub(super) struct GivenUp<R> {
    start: *mut R,
    len: usize,
}

/// Makes results the contents of the vector in whose memory they are. Panics if it is another's.
pub(super) fn take_over<R>(mut vector: Vec<R>, filled: GivenUp<R>) -> Vec<R> {
    let is_own = vector.is_empty() && vector.as_mut_ptr() == filled.start;
    assert!(is_own && filled.len <= vector.capacity(), "its own memory");
    // SAFETY: the vector is empty, and that many results lie at the beginning of its memory, within
    // its capacity.
    unsafe { vector.set_len(filled.len) };
    vector
}
