//! Buffers that are kept from one message to the next: a fresh one of a megabyte costs more, in
//! page faults, than to send it.

use std::any::Any;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of buffers that are kept.
const BUFFERS: usize = 64;

/// The number of bytes that are kept in all of them.
const BYTES: usize = 32 << 20;

/// Buffers that nobody uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// All of their bytes are initialised: what a vector holds is of no interest, and its length
    /// is its size.
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Buffers {
    /// Returns a vector whose content is of no interest.
    fn take(&self) -> Vec<u8> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = kept.buffers.pop().unwrap_or_default();
        kept.bytes -= buffer.capacity();
        buffer
    }

    /// Returns an empty vector.
    pub(crate) fn take_empty(&self) -> Vec<u8> {
        let mut buffer = self.take();
        buffer.clear();
        buffer
    }

    /// Takes a vector back.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes > 0 && kept.buffers.len() < BUFFERS && kept.bytes + bytes <= BYTES {
            kept.bytes += bytes;
            kept.buffers.push(buffer);
        }
    }

    /// Returns a body that begins with `bytes`.
    pub(crate) fn body_of(&self, bytes: &[u8]) -> Body {
        let mut body = Body {
            bytes: self.take(),
            length: 0,
            home: self.clone(),
            kept: None,
        };
        body.grow(bytes.len());
        body.copy_from_slice(bytes);
        body
    }
}

/// The body of a frame that was received. Its drop gives the buffer back.
#[derive(Debug)]
pub(crate) struct Body {
    /// At least as long as the body, and initialised.
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
    /// What has to live as long as the body.
    kept: Option<Box<dyn Any + Send + Sync>>,
}

impl Body {
    /// Makes the body longer. The content of the new part is of no interest.
    pub(crate) fn grow(&mut self, length: usize) {
        self.length = length;
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
    }

    /// Keeps something for as long as the body lives.
    pub(crate) fn keep(&mut self, what: impl Any + Send + Sync) {
        self.kept = Some(Box::new(what));
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self).into_owned()
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl DerefMut for Body {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.bytes));
    }
}
