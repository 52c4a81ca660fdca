//! A number that processes share.

use std::fmt;
use std::io;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::give;
use crate::passing::{self, Class};
use crate::primitive::SharedPrimitive;
use crate::sys::shared::Value;

const WHAT: &str = "a shared value";

/// A number or a `bool` that processes share.
///
/// It dereferences to the atomic type of its value: `SharedValue<i32>` to
/// [`AtomicI32`](std::sync::atomic::AtomicI32), with all that this can do. It can be an argument or
/// the result of a job. A clone, or what a job gets, is the same value; the system frees it with
/// its last user.
///
/// The operations order memory between processes as they do between threads.
///
/// A float is shared by its bits, as a `u64`. For several numbers that change together there is
/// [`SharedArray`](crate::SharedArray).
///
/// # Errors
///
/// It can be encoded only in the arguments or the result of a job and in the items of a
/// [`pipe`](crate::pipe()); elsewhere that is an error.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::Relaxed;
///
/// use workmill_process::{Jobs, ProcessPoolExecutor, SharedValue};
///
/// fn count(counter: SharedValue<u64>) {
///     for _ in 0..1000 {
///         counter.fetch_add(1, Relaxed);
///     }
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("count", count)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let pool = ProcessPoolExecutor::new(2, jobs())?;
///     let counter = SharedValue::new(0_u64)?;
///     let handles = [(); 2].map(|()| pool.submit(count, counter.clone()));
///     for handle in handles {
///         handle.join()?;
///     }
///     assert_eq!(counter.load(Relaxed), 2000);
///     Ok(())
/// }
/// ```
#[doc(alias("Value", "multiprocessing.Value", "sharedctypes"))]
pub struct SharedValue<T: SharedPrimitive> {
    value: Value<T>,
}

impl<T: SharedPrimitive> SharedValue<T> {
    /// Creates a shared value.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if there are too many open files, or no memory is left. On systems that are
    /// not supported, an error of the kind [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let count = workmill_process::SharedValue::new(7_u64)?;
    /// count.fetch_add(1, Ordering::Relaxed); // it is an `AtomicU64`
    /// assert_eq!(count.load(Ordering::Relaxed), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(value: T) -> io::Result<Self> {
        let new = Value::new()?;
        value.store(new.get());
        Ok(Self { value: new })
    }
}

impl<T: SharedPrimitive> Deref for SharedValue<T> {
    type Target = T::Atomic;

    fn deref(&self) -> &T::Atomic {
        self.value.get()
    }
}

impl<T: SharedPrimitive> Clone for SharedValue<T> {
    fn clone(&self) -> Self {
        let value = self.value.clone();
        Self { value }
    }
}

impl<T: SharedPrimitive> Serialize for SharedValue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        give(serializer, WHAT, || self.value.copy())
    }
}

impl<'de, T: SharedPrimitive> Deserialize<'de> for SharedValue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = passing::take(deserializer, WHAT, Class::Memory, Value::open)?;
        Ok(Self { value })
    }
}

impl<T> fmt::Debug for SharedValue<T>
where
    T: SharedPrimitive,
    T::Atomic: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedValue").field(&**self).finish()
    }
}
