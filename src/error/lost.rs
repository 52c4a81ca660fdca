//! How a task was lost with the process or machine that ran it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The way in which a task was lost: which process or machine died, and how.
///
/// It is the [`source`](Error::source) of a [`JoinError`](crate::JoinError) of such a task. Clones
/// are cheap.
///
/// # Examples
///
/// ```
/// use workmill::Lost;
///
/// let lost = Lost::new("the process 4711", "was killed by signal 11")
///     .with_standard_error("out of flour\n");
/// assert_eq!(lost.to_string(), "the process 4711 was killed by signal 11");
/// assert_eq!(lost.standard_error(), Some("out of flour\n"));
/// ```
#[derive(Clone)]
#[doc(alias = "BrokenProcessPool")]
pub struct Lost(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    subject: String,
    end: String,
    standard_error: Option<String>,
}

impl Lost {
    /// Creates a description from the subject that died, and from its end: together they are a
    /// sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// let lost = workmill::Lost::new("mill 2", "does not answer");
    /// assert_eq!(lost.to_string(), "mill 2 does not answer");
    /// ```
    pub fn new(subject: impl Into<String>, end: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            subject: subject.into(),
            end: end.into(),
            standard_error: None,
        }))
    }

    /// Adds the last that was written to standard error.
    ///
    /// # Examples
    ///
    /// ```
    /// let lost = workmill::Lost::new("mill 2", "has burnt down").with_standard_error("fire!\n");
    /// assert_eq!(lost.standard_error(), Some("fire!\n"));
    /// ```
    pub fn with_standard_error(mut self, text: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).standard_error = Some(text.into());
        self
    }

    /// Returns the process or machine that died.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(workmill::Lost::new("mill 2", "has burnt down").subject(), "mill 2");
    /// ```
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns how it died.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(workmill::Lost::new("mill 2", "has burnt down").end(), "has burnt down");
    /// ```
    pub fn end(&self) -> &str {
        &self.0.end
    }

    /// Returns the last that was written to standard error, if it is known.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(workmill::Lost::new("mill 2", "has burnt down").standard_error(), None);
    /// ```
    pub fn standard_error(&self) -> Option<&str> {
        self.0.standard_error.as_deref()
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lost")
            .field("subject", &self.subject())
            .field("end", &self.end())
            .field("standard_error", &self.standard_error())
            .finish()
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject(), self.end())
    }
}

impl Error for Lost {}
