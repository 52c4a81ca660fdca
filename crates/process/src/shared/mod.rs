//! Memory that processes share, without a name: bytes, a value, an array.
//!
//! It is freed by the system with the last process that uses it, however that ends: nothing can be
//! left behind. The objects here are handles: a clone, or what a job gets that one is passed to, is
//! for the same memory.

mod array;
mod value;

use std::fmt;
use std::io;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::passing::{self, Class};
use crate::sys::SharedBytes;
pub use array::{LockError, SharedArray, SharedArrayGuard, SharedSlice};
pub use value::SharedValue;

/// Serializes an object of shared memory.
fn give<S: Serializer>(
    serializer: S,
    what: &str,
    copy: impl FnOnce() -> io::Result<crate::sys::Descriptor>,
) -> Result<S::Ok, S::Error> {
    passing::give(serializer, what, Class::Memory, || match copy() {
        Ok(descriptor) => Ok(Arc::new(descriptor)),
        Err(error) => Err(format!(
            "the descriptor of {what} cannot be copied: {error}"
        )),
    })
}

const WHAT: &str = "shared memory";

/// Bytes in memory that processes share. They are copied in and out.
///
/// It begins as zeros, and its length does not change. It can be an argument or the result of a
/// job. A clone, or what a job gets, is the same memory; the system frees it with its last user.
///
/// Reads and writes are calls of the system that copy. No reference to the bytes is handed out, so
/// whatever other processes do at the same time, nothing is undefined: a read that is not ordered
/// after a write, by an item of a pipe, a lock or a job, may see a part of it. For references there
/// are [`SharedArray`] and [`SharedValue`].
///
/// # Errors
///
/// It can be encoded only in the arguments or the result of a job and in the items of a
/// [`pipe`](crate::pipe()); elsewhere that is an error.
///
/// # Examples
///
/// ```
/// use workmill_process::{Jobs, ProcessPoolExecutor, SharedMemory};
///
/// fn write(memory: SharedMemory) {
///     memory.write_at(b"Hello", 0).unwrap();
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("write", write)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let pool = ProcessPoolExecutor::new(1, jobs())?;
///     let memory = SharedMemory::new(16)?;
///     pool.submit(write, memory.clone()).join()?;
///     let mut text = [0; 5];
///     memory.read_at(&mut text, 0)?;
///     assert_eq!(text, *b"Hello");
///     assert!(memory.read_at(&mut text, 12).is_err()); // beyond the end
///     Ok(())
/// }
/// ```
#[doc(alias("shared_memory", "memfd", "shm_open", "mmap"))]
#[derive(Clone)]
pub struct SharedMemory {
    bytes: SharedBytes,
}

impl SharedMemory {
    /// Creates memory of that many bytes, which are zero.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if there are too many open files;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is larger than memory can be;
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge) if the limit of this process for the length of
    /// files forbids it. On systems that are not supported, an error of the kind
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// The system takes memory for it when it is written to, not before.
    ///
    /// # Examples
    ///
    /// ```
    /// let memory = workmill_process::SharedMemory::new(2)?;
    /// let mut bytes = [1, 1];
    /// memory.read_at(&mut bytes, 0)?;
    /// assert_eq!(bytes, [0, 0]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(bytes: usize) -> io::Result<Self> {
        SharedBytes::new(bytes).map(|bytes| Self { bytes })
    }

    /// Returns the number of bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let memory = workmill_process::SharedMemory::new(16)?;
    /// assert_eq!(memory.len(), 16);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns `true` if there are no bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let memory = workmill_process::SharedMemory::new(16)?;
    /// assert!(!memory.is_empty()); // though nothing was written to it
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes from `offset` on into `buffer`, and fills it.
    ///
    /// # Errors
    ///
    /// An error of the kind [`InvalidInput`](io::ErrorKind::InvalidInput) if there are not that
    /// many.
    ///
    /// # Examples
    ///
    /// ```
    /// let memory = workmill_process::SharedMemory::new(16)?;
    /// memory.write_at(b"flour", 4)?;
    /// let mut text = [0; 3];
    /// memory.read_at(&mut text, 6)?;
    /// assert_eq!(text, *b"our");
    /// assert!(memory.read_at(&mut text, 14).is_err()); // there are only two more
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_at(&self, buffer: &mut [u8], offset: usize) -> io::Result<()> {
        self.expect_inside(buffer.len(), offset)?;
        self.bytes.read(buffer, offset)
    }

    /// Copies `bytes` into the memory, from `offset` on.
    ///
    /// # Errors
    ///
    /// An error of the kind [`InvalidInput`](io::ErrorKind::InvalidInput) if there is no room for
    /// all of them; then none is copied. Another if the system has no memory left.
    ///
    /// # Examples
    ///
    /// ```
    /// let memory = workmill_process::SharedMemory::new(16)?;
    /// memory.write_at(b"flour", 11)?; // the last five bytes
    /// assert!(memory.write_at(b"flour", 12).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_at(&self, bytes: &[u8], offset: usize) -> io::Result<()> {
        self.expect_inside(bytes.len(), offset)?;
        self.bytes.write(bytes, offset)
    }

    fn expect_inside(&self, length: usize, offset: usize) -> io::Result<()> {
        let all = self.len();
        match offset.checked_add(length) {
            Some(end) if end <= all => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{length} bytes from {offset} on, in shared memory of {all} bytes"),
            )),
        }
    }
}

impl Serialize for SharedMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        give(serializer, WHAT, || self.bytes.copy())
    }
}

impl<'de> Deserialize<'de> for SharedMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = passing::take(deserializer, WHAT, Class::Memory, SharedBytes::open)?;
        Ok(Self { bytes })
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedMemory({} bytes)", self.len())
    }
}
