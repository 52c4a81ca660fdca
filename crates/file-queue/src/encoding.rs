//! How items become bytes: MessagePack, in which the fields of a struct have their names. So a
//! program whose struct has got a field more, with a default, reads the items that an older program
//! has put, and a tool that knows nothing of the type can show them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ErrorKind, FileQueueError};

/// Returns the item as bytes.
pub(crate) fn encode<T: Serialize>(item: &T) -> Result<Vec<u8>, FileQueueError> {
    rmp_serde::to_vec_named(item).map_err(|error| FileQueueError::new(ErrorKind::Encode, error))
}

/// Returns the item that the bytes stand for.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FileQueueError> {
    rmp_serde::from_slice(body).map_err(|error| FileQueueError::new(ErrorKind::Decode, error))
}
