//! The types of values that processes can share.

use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16,
    AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

mod sealed {
    pub trait Sealed {}
}

/// A type of which [`SharedValue`](crate::SharedValue) can hold a value: an integer or `bool`.
///
/// It cannot be implemented elsewhere.
///
/// # Examples
///
/// ```
/// use workmill_process::{SharedPrimitive, SharedValue};
///
/// fn shared<T: SharedPrimitive>(values: Vec<T>) -> std::io::Result<Vec<SharedValue<T>>> {
///     values.into_iter().map(SharedValue::new).collect()
/// }
///
/// assert_eq!(shared(vec![true, false])?.len(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be a shared value",
    label = "not an integer or `bool`",
    note = "a float can be shared by its bits, `SharedValue::<u64>::new(number.to_bits())`",
    note = "plain structures can be the elements of a `SharedArray`"
)]
pub trait SharedPrimitive: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The atomic type whose value it is.
    type Atomic: Send + Sync;

    /// A number for each type.
    #[doc(hidden)]
    const NUMBER: u64;

    #[doc(hidden)]
    fn store(self, to: &Self::Atomic);
}

macro_rules! primitives {
    ($($number:literal $value:ty, $atomic:ty;)+) => {$(
        impl sealed::Sealed for $value {}

        impl SharedPrimitive for $value {
            type Atomic = $atomic;
            const NUMBER: u64 = $number;

            fn store(self, to: &$atomic) {
                // ORDERING: Relaxed: no other thread has it yet.
                to.store(self, Ordering::Relaxed);
            }
        }
    )+};
}

primitives! {
    1 bool, AtomicBool;
    2 i8, AtomicI8;
    3 i16, AtomicI16;
    4 i32, AtomicI32;
    5 i64, AtomicI64;
    6 isize, AtomicIsize;
    7 u8, AtomicU8;
    8 u16, AtomicU16;
    9 u32, AtomicU32;
    10 u64, AtomicU64;
    11 usize, AtomicUsize;
}
