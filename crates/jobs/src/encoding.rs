//! The encoding of arguments and results, and the only user of postcard.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An error returned when arguments or a result cannot be encoded or decoded.
///
/// The text of an error that a [`Serialize`] of your own returns does not survive: postcard keeps
/// none.
///
/// # Examples
///
/// ```
/// use workmill_jobs::{CallError, Jobs};
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// let jobs = Jobs::new().with("square", square);
/// match jobs.call("square", &[3, 3], &mut Vec::new()) {
///     Err(CallError::Arguments(error)) => assert_eq!(error.to_string(), "1 bytes are left over"),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecError(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Postcard(postcard::Error),
    Trailing(usize),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Postcard(error) => write!(f, "{error}"),
            Kind::Trailing(bytes) => write!(f, "{bytes} bytes are left over"),
        }
    }
}

impl std::error::Error for CodecError {}

/// Appends an encoded value to a buffer. If that fails, the buffer is as before.
#[doc(hidden)]
pub fn encode<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    /// Appends to a vector that is not its own, so that the buffer survives an error.
    struct Append<'a>(&'a mut Vec<u8>);

    impl postcard::ser_flavors::Flavor for Append<'_> {
        type Output = ();

        fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
            self.0.extend_from_slice(data);
            Ok(())
        }

        fn try_push(&mut self, data: u8) -> postcard::Result<()> {
            self.0.push(data);
            Ok(())
        }

        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }

    let before = buffer.len();
    postcard::serialize_with_flavor(value, Append(buffer)).map_err(|error| {
        buffer.truncate(before);
        CodecError(Kind::Postcard(error))
    })
}

/// Decodes a value that takes up all of the bytes.
#[doc(hidden)]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let decoded = postcard::take_from_bytes(bytes);
    let (value, rest) = decoded.map_err(|error| CodecError(Kind::Postcard(error)))?;
    match rest.len() {
        0 => Ok(value),
        bytes => Err(CodecError(Kind::Trailing(bytes))),
    }
}
