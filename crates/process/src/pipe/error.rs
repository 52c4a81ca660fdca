//! The error of pipes.

use std::fmt;
use std::io;

/// The reason why a call of a [`Connection`](crate::Connection) failed.
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use workmill_process::PipeErrorKind;
///
/// let (here, there) = workmill_process::pipe::<u32, u32>()?;
/// drop(there);
/// assert_eq!(here.recv().unwrap_err().kind(), PipeErrorKind::Closed);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PipeErrorKind {
    /// The other end has gone: no item can be sent to it, and none of its items is left.
    Closed,
    /// No item was there without waiting, or in time.
    Empty,
    /// There was no room without waiting, or in time. The other end gets nothing of the item.
    Full,
    /// A part of an item came, and its rest never will: its sender was killed, or gave up and went.
    /// Or several processes received by one end, or sent by one. The item is lost; others are not.
    Incomplete,
    /// The item cannot be encoded. Nothing was sent.
    Encode,
    /// The item that was received cannot be decoded, or its descriptors did not come. It is lost.
    Decode,
    /// The system reported another error.
    Io,
}

impl PipeErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::Closed => "the other end of the pipe has gone",
            Self::Empty => "no item has come",
            Self::Full => "there was no room in the pipe",
            Self::Incomplete => "a part of an item is missing",
            Self::Encode => "the item cannot be encoded, so nothing was sent",
            Self::Decode => "the item cannot be decoded, and is lost",
            Self::Io => "the pipe failed",
        }
    }
}

/// An error returned by calls of a [`Connection`](crate::Connection).
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use workmill_process::{PipeErrorKind, pipe};
///
/// let (here, there) = pipe::<String, String>()?;
/// assert_eq!(there.try_recv().unwrap_err().kind(), PipeErrorKind::Empty);
/// drop(here);
/// assert!(there.recv().unwrap_err().is_closed());
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PipeError {
    kind: PipeErrorKind,
    text: Option<String>,
    source: Option<io::Error>,
}

impl PipeError {
    pub(super) fn new(kind: PipeErrorKind) -> Self {
        Self {
            kind,
            text: None,
            source: None,
        }
    }

    pub(super) fn with_text(kind: PipeErrorKind, text: String) -> Self {
        Self {
            text: Some(text),
            ..Self::new(kind)
        }
    }

    /// Returns the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use workmill_process::PipeErrorKind;
    ///
    /// let (here, _there) = workmill_process::pipe::<u32, u32>()?;
    /// assert_eq!(here.try_recv().unwrap_err().kind(), PipeErrorKind::Empty);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kind(&self) -> PipeErrorKind {
        self.kind
    }

    /// Returns `true` if the other end has gone, and none of its items is left.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, there) = workmill_process::pipe::<u32, u32>()?;
    /// drop(there);
    /// assert!(here.send(&1).unwrap_err().is_closed());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.kind == PipeErrorKind::Closed
    }

    /// Returns `true` if no item was there without waiting, or in time.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, _there) = workmill_process::pipe::<u32, u32>()?;
    /// assert!(here.try_recv().unwrap_err().is_empty());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.kind == PipeErrorKind::Empty
    }

    /// Returns `true` if there was no room without waiting, or in time.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, _there) = workmill_process::pipe::<Vec<u8>, ()>()?;
    /// assert!(here.try_send(&vec![0; 1 << 20]).unwrap_err().is_full()); // nobody receives
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.kind == PipeErrorKind::Full
    }
}

impl From<io::Error> for PipeError {
    fn from(error: io::Error) -> Self {
        Self {
            source: Some(error),
            ..Self::new(PipeErrorKind::Io)
        }
    }
}

impl fmt::Display for PipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        match (&self.text, &self.source) {
            (Some(text), _) => write!(f, ": {text}"),
            (None, Some(error)) => write!(f, ": {error}"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for PipeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_ref()?;
        Some(source)
    }
}

impl From<PipeError> for io::Error {
    /// Makes an error of the kind that fits: `BrokenPipe`, `WouldBlock`, `UnexpectedEof`,
    /// `InvalidData`.
    fn from(error: PipeError) -> Self {
        let kind = match (error.kind, &error.source) {
            (_, Some(source)) => source.kind(),
            (PipeErrorKind::Closed, _) => io::ErrorKind::BrokenPipe,
            (PipeErrorKind::Empty | PipeErrorKind::Full, _) => io::ErrorKind::WouldBlock,
            (PipeErrorKind::Incomplete, _) => io::ErrorKind::UnexpectedEof,
            (PipeErrorKind::Encode | PipeErrorKind::Decode, _) => io::ErrorKind::InvalidData,
            (PipeErrorKind::Io, _) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
