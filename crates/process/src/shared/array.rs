//! An array that processes share.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::give;
use crate::passing::{self, Class};
use crate::sys::shared::{Array, Frozen, Locked, NotLocked};

const WHAT: &str = "a shared array";

/// An array of plain data that processes share, with a lock.
///
/// [`lock`](Self::lock) returns a guard that dereferences to `[T]`, to read and to write: one at a
/// time, in all processes and threads. [`freeze`](Self::freeze) ends all writing; then any number
/// of processes have it as `&[T]` at the same time, without a lock. It is the way for many bytes:
/// they are neither encoded nor sent.
///
/// The elements are *plain data*: [`bytemuck::Pod`], which numbers are, and arrays of them, and
/// structures of your own with `#[derive(Pod)]` of the crate bytemuck 1. Types that are aligned to
/// more than 64 bytes are refused by the compiler. The number of elements does not change.
///
/// It can be an argument or the result of a job. A clone, or what a job gets, is the same array;
/// the system frees it with its last user.
///
/// # When a holder dies
///
/// The system releases the lock of a process that dies. If it had begun to write, the array may be
/// half of the old and half of the new: the next call that locks it returns [`LockError::Torn`],
/// with the guard. So it does after a panic. It is told once: when that guard is dropped, the array
/// counts as whole. A child that the process has made by a bare `fork` has the lock as well, until
/// it ends; worker processes are killed with all their children.
///
/// # Errors
///
/// It can be encoded only in the arguments or the result of a job and in the items of a
/// [`pipe`](crate::pipe()); elsewhere that is an error. Decoding is an error if the elements of the
/// array have another size or alignment.
///
/// On macOS it cannot be created: [`Unsupported`](io::ErrorKind::Unsupported).
///
/// # Happens-before
///
/// All that a holder did before it released the lock happens before all that the next one does, and
/// before all that the readers of the frozen array do.
///
/// # Examples
///
/// ```
/// use workmill_process::{Jobs, ProcessPoolExecutor, SharedArray};
///
/// fn add_one(array: SharedArray<i32>) {
///     for element in &mut *array.lock().unwrap() {
///         *element += 1;
///     }
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("add_one", add_one)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
/// #   if !cfg!(target_os = "linux") { return Ok(()) }
///     let pool = ProcessPoolExecutor::new(2, jobs())?;
///     let array = SharedArray::new(&[1, 2, 3])?;
///     let handles = [(); 2].map(|()| pool.submit(add_one, array.clone()));
///     for handle in handles {
///         handle.join()?;
///     }
///     assert_eq!(*array.lock().unwrap(), [3, 4, 5]);
///     assert_eq!(array.freeze().unwrap().iter().sum::<i32>(), 12);
///     Ok(())
/// }
/// ```
#[doc(alias(
    "Array",
    "multiprocessing.Array",
    "RawArray",
    "SharedMemory",
    "ShareableList"
))]
pub struct SharedArray<T: Pod> {
    array: Array<T>,
}

impl<T: Pod> SharedArray<T> {
    /// Creates an array of these elements.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if there are too many open files, or no memory is left;
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge) if the limit of this process for the length of
    /// files forbids it. On systems other than Linux, an error of the kind
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let array = workmill_process::SharedArray::new(&[1.5, 2.5])?;
    /// assert_eq!(*array.lock().unwrap(), [1.5, 2.5]);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(elements: &[T]) -> io::Result<Self> {
        Array::new(elements).map(|array| Self { array })
    }

    /// Creates an array of that many elements, all of whose bits are zero.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), and one of the kind
    /// [`OutOfMemory`](io::ErrorKind::OutOfMemory) if that is more than the system has in all. If
    /// it is more than is *free*, the system may end processes to make room, as for any memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let array = workmill_process::SharedArray::<u64>::zeroed(1000)?;
    /// assert_eq!(array.len(), 1000);
    /// array.lock().unwrap()[999] = 1;
    /// assert_eq!(array.freeze().unwrap().iter().sum::<u64>(), 1);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zeroed(length: usize) -> io::Result<Self> {
        Array::zeroed(length).map(|array| Self { array })
    }

    /// Returns the number of elements.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let array = workmill_process::SharedArray::new(&[1, 2, 3])?;
    /// assert_eq!(array.len(), 3);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.array.len()
    }

    /// Returns `true` if there are no elements.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// assert!(workmill_process::SharedArray::<u8>::new(&[])?.is_empty());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Locks the array, and returns the guard by which its elements are reached.
    ///
    /// # Blocking
    ///
    /// Blocks until no other process or thread has the lock. A task of a pool gives its slot to
    /// another thread meanwhile. Waiters are not served in order of arrival. There is no form with
    /// a time limit, and none to await, since the system's lock has none.
    ///
    /// # Errors
    ///
    /// [`LockError::Torn`] with the guard, if the last holder died or panicked while it wrote;
    /// [`LockError::WouldDeadlock`] if this thread has the lock already; [`LockError::Frozen`];
    /// [`LockError::Io`] if there are too many open files, since the lock is one, or if `/proc` is
    /// not there.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use workmill_process::{LockError, SharedArray};
    ///
    /// let array = SharedArray::new(&[1.5, 2.5])?;
    /// let mut guard = match array.lock() {
    ///     Err(LockError::Torn(mut guard)) => {
    ///         guard.fill(0.0); // its last holder died: begin anew
    ///         guard
    ///     }
    ///     guard => guard.map_err(std::io::Error::from)?,
    /// };
    /// guard[0] += 1.0;
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lock(&self) -> Result<SharedArrayGuard<'_, T>, LockError<SharedArrayGuard<'_, T>>> {
        SharedArrayGuard::of(self.array.lock())
    }

    /// Locks the array if nobody else has locked it.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Self::lock), and [`LockError::WouldBlock`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use workmill_process::{LockError, SharedArray};
    ///
    /// let array = SharedArray::new(&[1, 2])?;
    /// let guard = array.lock().unwrap();
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| matches!(array.try_lock(), Err(LockError::WouldBlock)));
    ///     assert!(other.join().unwrap());
    /// });
    /// drop(guard);
    /// assert_eq!(*array.try_lock().unwrap(), [1, 2]);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock(&self) -> Result<SharedArrayGuard<'_, T>, LockError<SharedArrayGuard<'_, T>>> {
        SharedArrayGuard::of(self.array.try_lock())
    }

    /// Ends all writing, for good, and returns the elements. If the array is frozen already, that
    /// is all right.
    ///
    /// # Blocking
    ///
    /// Blocks until no other process or thread has the lock.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Self::lock). An array that is torn is not frozen by this; its guard has
    /// [`freeze`](SharedArrayGuard::freeze), too.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use workmill_process::{LockError, SharedArray};
    ///
    /// let array = SharedArray::new(&[1, 2, 3])?;
    /// let elements = array.freeze().unwrap(); // needs no lock, and can be passed on
    /// assert_eq!(elements.iter().sum::<i32>(), 6);
    /// assert!(matches!(array.lock(), Err(LockError::Frozen)));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn freeze(&self) -> Result<SharedSlice<T>, LockError<SharedArrayGuard<'_, T>>> {
        if let Some(frozen) = self.array.frozen() {
            return Ok(SharedSlice { frozen });
        }
        match self.lock() {
            Ok(guard) => Ok(guard.freeze()),
            // Somebody was faster.
            Err(LockError::Frozen) => match self.array.frozen() {
                Some(frozen) => Ok(SharedSlice { frozen }),
                None => Err(LockError::Frozen),
            },
            Err(error) => Err(error),
        }
    }
}

impl<T: Pod> Clone for SharedArray<T> {
    fn clone(&self) -> Self {
        let array = self.array.clone();
        Self { array }
    }
}

impl<T: Pod> Serialize for SharedArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        give(serializer, WHAT, || self.array.copy())
    }
}

impl<'de, T: Pod> Deserialize<'de> for SharedArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let array = passing::take(deserializer, WHAT, Class::Memory, Array::open)?;
        Ok(Self { array })
    }
}

impl<T: Pod> fmt::Debug for SharedArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedArray({} elements)", self.len())
    }
}

/// The lock of a [`SharedArray`]. It dereferences to the elements; its drop releases the lock.
///
/// It stays with the thread that has locked the array. If a panic drops it after it was used to
/// write, the next holder is told that the array is [torn](LockError::Torn). If it is forgotten
/// ([`std::mem::forget`]), the array stays locked until the process ends.
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// let array = workmill_process::SharedArray::new(&[3, 1, 2])?;
/// let mut elements = array.lock().unwrap();
/// elements.sort(); // it is a slice
/// assert_eq!(*elements, [1, 2, 3]);
/// drop(elements); // releases the lock
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the lock is released at once"]
pub struct SharedArrayGuard<'a, T: Pod> {
    locked: Locked<'a, T>,
}

impl<'a, T: Pod> SharedArrayGuard<'a, T> {
    fn of(locked: Result<Locked<'a, T>, NotLocked>) -> Result<Self, LockError<Self>> {
        match locked {
            Ok(locked) if locked.is_torn() => Err(LockError::Torn(Self { locked })),
            Ok(locked) => Ok(Self { locked }),
            Err(NotLocked::Held) => Err(LockError::WouldBlock),
            Err(NotLocked::HeldHere) => Err(LockError::WouldDeadlock),
            Err(NotLocked::Frozen) => Err(LockError::Frozen),
            Err(NotLocked::Io(error)) => Err(LockError::Io(error)),
        }
    }

    /// Ends all writing, for good, and returns the elements.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let array = workmill_process::SharedArray::zeroed(3)?;
    /// let mut guard = array.lock().unwrap();
    /// guard.fill(7_u8);
    /// let elements = guard.freeze();
    /// assert_eq!(*elements, [7, 7, 7]);
    /// assert!(array.lock().is_err());
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn freeze(self) -> SharedSlice<T> {
        let frozen = self.locked.freeze();
        SharedSlice { frozen }
    }
}

impl<T: Pod> Deref for SharedArrayGuard<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.locked.elements()
    }
}

impl<T: Pod> DerefMut for SharedArrayGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.locked.elements_mut()
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for SharedArrayGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

/// The elements of a frozen [`SharedArray`], to which nobody writes any more. It dereferences to
/// `[T]`.
///
/// It can be an argument or the result of a job, and an item of a pipe; elsewhere it cannot be
/// encoded. A clone, or what a job gets, is the same memory, which the system frees with its last
/// user.
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// let slice = workmill_process::SharedArray::new(&[1, 2, 3])?.freeze().unwrap();
/// let same = slice.clone();
/// drop(slice);
/// assert_eq!(*same, [1, 2, 3]);
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SharedSlice<T: Pod> {
    frozen: Frozen<T>,
}

impl<T: Pod> Deref for SharedSlice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.frozen.elements()
    }
}

impl<T: Pod> Clone for SharedSlice<T> {
    fn clone(&self) -> Self {
        let frozen = self.frozen.clone();
        Self { frozen }
    }
}

impl<T: Pod> Serialize for SharedSlice<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        give(serializer, WHAT, || self.frozen.copy())
    }
}

impl<'de, T: Pod> Deserialize<'de> for SharedSlice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let frozen = passing::take(deserializer, WHAT, Class::Memory, |descriptor| {
            let frozen = Array::open(descriptor)?.frozen();
            frozen.ok_or_else(|| format!("{WHAT} that is not frozen"))
        })?;
        Ok(Self { frozen })
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for SharedSlice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

/// An error returned when a [`SharedArray`] is locked. `G` is the guard.
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use workmill_process::{LockError, SharedArray};
///
/// let array = SharedArray::new(&[1, 2, 3])?;
/// let _guard = array.lock().unwrap();
/// assert!(matches!(array.lock(), Err(LockError::WouldDeadlock))); // this thread has it
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
pub enum LockError<G> {
    /// The last holder died or panicked while it wrote: some elements may be new and others old.
    /// The array is locked nevertheless, and here is the guard.
    Torn(G),
    /// Another process or thread has the lock.
    WouldBlock,
    /// This thread has the lock itself, by this handle or another.
    WouldDeadlock,
    /// The array is frozen: [`SharedArray::freeze`] returns its elements.
    Frozen,
    /// The system reported an error, such as too many open files.
    Io(io::Error),
}

impl<G> LockError<G> {
    /// Returns the guard of an array that is torn.
    ///
    /// # Errors
    ///
    /// This error, if it is another.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use workmill_process::SharedArray;
    ///
    /// let array = SharedArray::new(&[1, 2])?;
    /// std::thread::scope(|scope| {
    ///     let writer = scope.spawn(|| {
    ///         let mut elements = array.lock().unwrap();
    ///         elements[0] = 8;
    ///         panic!("before the second element was written");
    ///     });
    ///     writer.join().unwrap_err();
    /// });
    /// let mut elements = array.lock().unwrap_err().into_torn().unwrap();
    /// elements.copy_from_slice(&[8, 9]); // mended
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_torn(self) -> Result<G, Self> {
        match self {
            Self::Torn(guard) => Ok(guard),
            other => Err(other),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn(_) => {
                f.write_str("the last holder of the shared array died while it wrote to it")
            }
            Self::WouldBlock => f.write_str("another has locked the shared array"),
            Self::WouldDeadlock => f.write_str("this thread has locked the shared array itself"),
            Self::Frozen => f.write_str("the shared array is frozen"),
            Self::Io(error) => write!(f, "the shared array cannot be locked: {error}"),
        }
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn(_) => f.write_str("Torn(..)"),
            Self::WouldBlock => f.write_str("WouldBlock"),
            Self::WouldDeadlock => f.write_str("WouldDeadlock"),
            Self::Frozen => f.write_str("Frozen"),
            Self::Io(error) => f.debug_tuple("Io").field(error).finish(),
        }
    }
}

impl<G> std::error::Error for LockError<G> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl<G> From<LockError<G>> for io::Error {
    /// Makes an error of the kind that fits. A guard is dropped.
    fn from(error: LockError<G>) -> Self {
        let kind = match &error {
            LockError::Torn(_) => io::ErrorKind::InvalidData,
            LockError::WouldBlock => io::ErrorKind::WouldBlock,
            LockError::WouldDeadlock => io::ErrorKind::Deadlock,
            LockError::Frozen => io::ErrorKind::PermissionDenied,
            LockError::Io(_) => {
                return match error {
                    LockError::Io(error) => error,
                    _ => unreachable!("it is one of the system"),
                };
            }
        };
        Self::new(kind, error.to_string())
    }
}
