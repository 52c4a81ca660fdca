//! Files, sockets and other objects with a descriptor, as arguments and results of jobs.

use std::fmt;
use std::ops::{Deref, DerefMut};
#[cfg(unix)]
use std::os::fd::{AsFd, OwnedFd};

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::passing::{self, Class};

const WHAT: &str = "a descriptor";

/// Stands for the type of descriptors, which this system does not have.
#[cfg(not(unix))]
type OwnedFd = std::convert::Infallible;

/// A file, a socket, or another object with a file descriptor, for the arguments and results of
/// jobs: `Descriptor<File>`, `Descriptor<TcpListener>`, `Descriptor<OwnedFd>`.
///
/// It dereferences to the object. The process that receives it has a descriptor of its own for what
/// the sender's leads to. So both share the position in a file, and a connection ends when both
/// have closed it. The sender keeps its object.
///
/// # Errors
///
/// It can be encoded only in the arguments or the result of a job and in the items of a
/// [`pipe`](crate::pipe()), elsewhere that is an error. A message has at most 253 descriptors. If
/// the receiving process may not open as many files, the job, or its result, fails with an error
/// that says so. Such errors cost no process.
///
/// # Sending
///
/// A job whose arguments have descriptors is sent to a process that has nothing to do, never ahead
/// to a busy one. When it has begun, the copies that its submission has made are closed, unless the
/// job may [begin again](crate::Builder::retries).
///
/// # Examples
///
/// ```
/// use std::io::{Read, Seek, Write};
///
/// use workmill_process::{Descriptor, Jobs, ProcessPoolExecutor};
///
/// fn write(mut file: Descriptor<std::fs::File>) -> Result<(), String> {
///     file.write_all(b"from another process").map_err(|error| error.to_string())
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("write", write)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let pool = ProcessPoolExecutor::new(1, jobs())?;
///     let path = std::env::temp_dir().join(format!("workmill-{}", std::process::id()));
///     let mut options = std::fs::File::options();
///     let mut file = options.read(true).write(true).create_new(true).open(&path)?;
///     std::fs::remove_file(&path)?; // it has no name any more
///     pool.submit(write, Descriptor::new(file.try_clone()?)).join()??;
///     let mut text = String::new();
///     file.rewind()?;
///     file.read_to_string(&mut text)?;
///     assert_eq!(text, "from another process");
///     Ok(())
/// }
/// ```
#[doc(alias("OwnedFd", "SCM_RIGHTS", "send_handle"))]
pub struct Descriptor<T = OwnedFd>(T);

impl<T> Descriptor<T> {
    /// Wraps an object.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::Descriptor;
    ///
    /// let (here, _there) = std::os::unix::net::UnixStream::pair()?;
    /// let descriptor = Descriptor::new(here); // goes into the arguments of a job
    /// std::io::Write::write_all(&mut &*descriptor, b"flour")?; // and can be used as before
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(object: T) -> Self {
        Self(object)
    }

    /// Returns the object.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    /// use workmill_process::Descriptor;
    ///
    /// /// A job.
    /// fn write(to: Descriptor<UnixStream>) -> Result<(), String> {
    ///     to.into_inner().write_all(b"flour").map_err(|error| error.to_string())
    /// }
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// write(Descriptor::new(there))?;
    /// assert_eq!(std::io::read_to_string(here)?, "flour"); // the job has dropped its end
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Descriptor<T> {
    fn from(object: T) -> Self {
        Self(object)
    }
}

impl<T> Deref for Descriptor<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Descriptor<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Descriptor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Descriptor").field(&self.0).finish()
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
impl<T: AsFd> Serialize for Descriptor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        passing::give(serializer, WHAT, Class::Any, || {
            let copy = self.0.as_fd().try_clone_to_owned();
            let copy = copy.map_err(|error| format!("a descriptor cannot be copied: {error}"))?;
            Ok(std::sync::Arc::new(copy))
        })
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
impl<'de, T: From<OwnedFd>> Deserialize<'de> for Descriptor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        passing::take(deserializer, WHAT, Class::Any, |descriptor| {
            Ok(Self(descriptor.into()))
        })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
impl<T> Serialize for Descriptor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        passing::give(serializer, WHAT, Class::Any, || {
            Err("descriptors are passed on Linux and macOS only".to_owned())
        })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
impl<'de, T> Deserialize<'de> for Descriptor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        passing::take(deserializer, WHAT, Class::Any, |never| match never {})
    }
}
