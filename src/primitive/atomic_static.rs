//! A reference to something static that several threads set and read.

#![expect(unsafe_code, reason = "std has no atomic reference")]

use crate::primitive::{AtomicPtr, Ordering};

/// An atomic `Option<&'static T>`.
///
/// It orders nothing: the value that it refers to was there from the beginning.
pub(crate) struct AtomicStatic<T: 'static>(AtomicPtr<T>);

impl<T: Sync> AtomicStatic<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    #[inline]
    pub(crate) fn set(&self, value: Option<&'static T>) {
        let value = value.map_or(std::ptr::null(), std::ptr::from_ref);
        self.0.store(value.cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<&'static T> {
        let value = self.0.load(Ordering::Relaxed).cast_const();
        // SAFETY: the pointer is null, or `set` made it from a reference that is `'static`.
        unsafe { value.as_ref() }
    }
}
