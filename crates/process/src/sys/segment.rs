//! Files without a name that hold shared memory: a header, and what is shared.
//!
//! The first [`HEADER`] bytes of the file say what it is. They are written before the file is
//! shared, and never after that, except for the word of its state (`shared.rs`). A process that
//! gets the descriptor of such a file checks the header, the length of the file, and that the file
//! cannot change its length. So what is used as an array of some type was made as one, whatever the
//! code of the user's says that has carried its index.
//!
//! The descriptor is never given out: nobody can write to the file but by this crate.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::memory;

/// The length of the header, and the alignment of what follows.
pub(super) const HEADER: usize = 64;

/// The place of the word of the state. Those before it are not changed.
pub(super) const STATE: usize = 48;

/// The first word: a random number.
const MAGIC: u64 = 0x6f1d_94c7_3b58_e2a1;

/// The kind and size of what is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bytes, a value of a type with that number, or an array.
    pub(super) kind: u64,
    /// The size and the alignment of an element, and how many there are.
    pub(super) size: u64,
    pub(super) align: u64,
    pub(super) length: u64,
}

pub(super) const BYTES: u64 = 1;
pub(super) const ARRAY: u64 = 2;
/// The number that is added to that of a value's type.
pub(super) const VALUE: u64 = 16;

impl Shape {
    /// Returns the length of the file.
    pub(super) fn file_length(&self) -> Option<u64> {
        let bytes = self.size.checked_mul(self.length)?;
        let length = bytes.checked_add(HEADER as u64)?;
        isize::try_from(length).ok()?;
        Some(length)
    }

    fn to_bytes(self) -> [u8; STATE] {
        let mut bytes = [0; STATE];
        let words = [MAGIC, self.kind, self.size, self.align, self.length];
        for (place, word) in bytes.chunks_mut(8).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn of(bytes: &[u8; STATE]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = bytes[at * 8..][..8].try_into();
            u64::from_ne_bytes(bytes.expect("eight bytes"))
        };
        (word(0) == MAGIC).then(|| Self {
            kind: word(1),
            size: word(2),
            align: word(3),
            length: word(4),
        })
    }
}

/// Creates a file of that shape, whose content is zero.
pub(super) fn create(shape: Shape) -> io::Result<File> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "too large to be shared memory");
    let length = shape.file_length().ok_or_else(too_large)?;
    let file = memory::create("workmill-shared", length)?;
    let file = File::from(super::socket::above_standard(file.into())?);
    file.write_all_at(&shape.to_bytes(), 0)?;
    Ok(file)
}

/// Opens a file that another process has created, and returns its shape.
pub(super) fn open(descriptor: OwnedFd) -> Result<(File, Shape), String> {
    let file = File::from(descriptor);
    let mut header = [0; STATE];
    let read =
        memory::check(&file, HEADER as u64).and_then(|()| file.read_exact_at(&mut header, 0));
    read.map_err(|error| format!("shared memory that cannot be used: {error}"))?;
    let shape = Shape::of(&header).ok_or("a file that is no shared memory")?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    if shape.file_length() != Some(length) {
        return Err(format!("shared memory whose file has {length} bytes"));
    }
    Ok((file, shape))
}

/// Bytes that are copied in and out by the system.
#[derive(Debug, Clone)]
pub(crate) struct SharedBytes {
    file: Arc<File>,
    length: usize,
}

impl SharedBytes {
    pub(crate) fn new(length: usize) -> io::Result<Self> {
        let file = create(Shape {
            kind: BYTES,
            size: 1,
            align: 1,
            length: length as u64,
        })?;
        let file = Arc::new(file);
        Ok(Self { file, length })
    }

    pub(crate) fn open(descriptor: OwnedFd) -> Result<Self, String> {
        let (file, shape) = open(descriptor)?;
        if shape.kind != BYTES {
            return Err("a value or an array in place of shared bytes".to_owned());
        }
        Ok(Self {
            file: Arc::new(file),
            length: shape.length as usize,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Copies bytes out. They must be inside.
    pub(crate) fn read(&self, room: &mut [u8], offset: usize) -> io::Result<()> {
        self.file.read_exact_at(room, (HEADER + offset) as u64)
    }

    /// Copies bytes in. They must be inside.
    pub(crate) fn write(&self, bytes: &[u8], offset: usize) -> io::Result<()> {
        self.file.write_all_at(bytes, (HEADER + offset) as u64)
    }

    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        copy(&self.file)
    }
}

/// Returns a descriptor that can be passed on.
pub(super) fn copy(file: &File) -> io::Result<OwnedFd> {
    Ok(file.try_clone()?.into())
}
