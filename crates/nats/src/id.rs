//! The names of jobs.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The owner in the id of a job that was submitted under a key.
const KEYED: &str = "key";

/// The number of bytes that a key has at most.
const LONGEST_KEY: usize = 256;

/// The name of one submission, which is valid on every machine and after a restart. Returned by
/// [`NatsRef::submit_keyed`](crate::NatsRef::submit_keyed), and given to
/// [`resume`](crate::NatsRef::resume). It can be printed, parsed and serialized. Clones are cheap.
///
/// # Examples
///
/// ```
/// use workmill_nats::JobId;
///
/// let id: JobId = "key.invoice-4711".parse()?;
/// assert_eq!(id.to_string(), "key.invoice-4711");
/// assert!("key.*".parse::<JobId>().is_err());
/// # Ok::<(), workmill_nats::InvalidJobId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(Arc<str>);

impl JobId {
    /// Returns the id of a submission without a key.
    pub(crate) fn of_number(owner: &str, number: u64) -> Self {
        Self(format!("{owner}.{number}").into())
    }

    /// Returns the id of each submission under a key. Bytes that subjects cannot have are escaped.
    pub(crate) fn of_key(key: &str) -> Result<Self, InvalidJobId> {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(InvalidJobId(format!(
                "a key has 1 to {LONGEST_KEY} bytes, not {}",
                key.len()
            )));
        }
        let mut text = format!("{KEYED}.");
        for byte in key.bytes() {
            match byte {
                b'-' | b'_' => text.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
                _ => text += &format!("={byte:02X}"),
            }
        }
        Ok(Self(text.into()))
    }

    /// Returns the id as text.
    ///
    /// # Examples
    ///
    /// ```
    /// let id: workmill_nats::JobId = "key.invoice-4711".parse()?;
    /// assert_eq!(id.as_str(), "key.invoice-4711");
    /// # Ok::<(), workmill_nats::InvalidJobId>(())
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id as text that can be kept without a copy.
    pub(crate) fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Returns the executor that submitted the job, or `key`.
    pub(crate) fn owner(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({})", self.0)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        let is_meant = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
        let is_token = |token: &str| !token.is_empty() && token.bytes().all(is_meant);
        // An escaped byte takes three.
        let longest = KEYED.len() + 1 + 3 * LONGEST_KEY;
        match text.split_once('.') {
            Some((owner, rest)) if is_token(owner) && is_token(rest) && text.len() <= longest => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidJobId(format!("`{text}` is not the id of a job"))),
        }
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, InvalidJobId> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0.to_string()
    }
}

/// An error returned for a text that is not the id of a job, and for a key that cannot be one.
///
/// # Examples
///
/// ```
/// use workmill_nats::{InvalidJobId, JobId};
///
/// let error: InvalidJobId = "no dot".parse::<JobId>().unwrap_err();
/// assert_eq!(error.to_string(), "`no dot` is not the id of a job");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidJobId(String);

impl fmt::Display for InvalidJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidJobId {}
