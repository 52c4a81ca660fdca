//! The work of the pool's threads: read a file and hash it, until told to stop.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// The number of bytes that are read, hashed and shown on the bar at a time.
const CHUNK: usize = 128 << 10;

/// The reason why a file has no hash.
pub(crate) enum Failure {
    Io(io::Error),
    Stopped,
}

/// Hashes files, reports progress to a bar, and can be stopped.
#[derive(Clone)]
pub(crate) struct Hasher {
    bar: ProgressBar,
    stopped: Arc<AtomicBool>,
}

impl Hasher {
    pub(crate) fn new(bar: ProgressBar) -> Self {
        Self {
            bar,
            stopped: Arc::default(),
        }
    }

    /// Makes all hashing end after the chunk at hand.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn hash(&self, path: &Path) -> Result<Hash, Failure> {
        thread_local!(static CHUNK_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]));
        let mut file = File::open(path).map_err(Failure::Io)?;
        let mut hash = Sha256::new();
        CHUNK_BUFFER.with_borrow_mut(|buffer| {
            loop {
                if self.is_stopped() {
                    return Err(Failure::Stopped);
                }
                match file.read(buffer) {
                    Ok(0) => return Ok(hash.finalize().into()),
                    Ok(bytes) => {
                        hash.update(&buffer[..bytes]);
                        self.bar.inc(bytes as u64);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Failure::Io(error)),
                }
            }
        })
    }
}
