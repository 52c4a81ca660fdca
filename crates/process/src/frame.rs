//! Frames: what goes through the socket between a parent and its worker process.
//!
//! A frame is a header of 16 bytes and a body. The numbers are in little-endian order.
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 3 | the length of the body |
//! | 4 | the kind |
//! | 5 | the number of descriptors that come with it |
//! | 6, 7 | zero |
//! | 8 to 15 | the sequence number of the job; zero in frames that concern none |
//!
//! The decoder trusts nothing. A length is no reason to allocate: a body grows as its bytes arrive,
//! at most to twice what has come. A kind that it does not know, or bytes that are not zero, are an
//! error, after which nothing more is decoded.
//!
//! Small bodies are copied out of a buffer that is read into many frames at a time. The body of a
//! large one is read into its place at once.
//!
//! Descriptors come beside the bytes, with the first byte of their frame, in the order of the
//! frames. A job's arguments and its result that come with some end with a byte for each
//! (`passing.rs`).

use std::fmt;

use crate::buffers::{Body, Buffers};

/// The length of a header.
pub(crate) const HEADER: usize = 16;

/// The version of the protocol.
pub(crate) const VERSION: u32 = 1;

/// The size of the buffer for small frames.
const WINDOW: usize = 64 << 10;

/// The least that a large body grows by.
const STEP: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Parent: the first frame, see [`Hello`].
    Hello = 1,
    /// Parent: a job, see [`JobHead`].
    Job = 2,
    /// Parent: end in order. In place of the number of a job it has the status to end with.
    Bye = 3,
    /// Parent: the answer to a request; in place of the number of a job it has that of the request.
    Answer = 4,
    /// Worker: it serves, see [`Hello`].
    Ready = 16,
    /// Worker: the result of a job.
    Value = 17,
    /// Worker: the job panicked, and the message.
    Panicked = 18,
    /// Worker: the job was not called, and why.
    NotCalled = 19,
    /// Worker: the job's result could not be encoded, and why.
    NotEncoded = 20,
    /// Worker: a request to the hub, and its number in place of that of a job.
    Request = 21,
    /// Worker: a job that came with descriptors has begun, and has them.
    Begun = 24,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Hello,
        Self::Job,
        Self::Bye,
        Self::Answer,
        Self::Ready,
        Self::Value,
        Self::Panicked,
        Self::NotCalled,
        Self::NotEncoded,
        Self::Request,
        Self::Begun,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) kind: Kind,
    pub(crate) descriptors: u8,
    pub(crate) sequence: u64,
}

impl Header {
    pub(crate) fn new(kind: Kind, sequence: u64, length: u32) -> Self {
        Self {
            length,
            kind,
            descriptors: 0,
            sequence,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = self.descriptors;
        bytes[8..].copy_from_slice(&self.sequence.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8; HEADER]) -> Result<Self, FrameError> {
        let number = |at: usize| u32::from_le_bytes(array(&bytes[at..]));
        let kind = Kind::of(bytes[4]).ok_or(FrameError::Kind(bytes[4]))?;
        if bytes[6..8] != [0, 0] {
            return Err(FrameError::NotZero);
        }
        Ok(Self {
            length: number(0),
            kind,
            descriptors: bytes[5],
            sequence: u64::from_le_bytes(array(&bytes[8..])),
        })
    }
}

/// Returns the first bytes of a slice that has at least as many.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes[..N].try_into().expect("the slice is long enough")
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameError {
    Kind(u8),
    NotZero,
    Short,
    Sequence,
    Object,
    Unexpected(Kind),
    Descriptors { announced: usize, came: usize },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "a frame of the unknown kind {kind}"),
            Self::NotZero => f.write_str("a frame whose header is damaged"),
            Self::Short => f.write_str("a frame that is too short"),
            Self::Sequence => f.write_str("a frame that answers no job it has"),
            Self::Object => f.write_str("a request for an object that it was not given"),
            Self::Unexpected(kind) => write!(f, "a frame that does not belong here ({kind:?})"),
            Self::Descriptors { announced, came } => {
                write!(f, "{came} of {announced} descriptors came")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// Makes frames of bytes, which come in pieces of any size.
#[derive(Debug)]
pub(crate) struct Decoder {
    window: Box<[u8]>,
    /// The part of the window that holds bytes which are not decoded yet.
    start: usize,
    end: usize,
    /// A frame that is larger than the window, and the number of bytes of its body that are there.
    large: Option<(Header, Body, usize)>,
    failed: Option<FrameError>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            window: vec![0; WINDOW].into(),
            start: 0,
            end: 0,
            large: None,
            failed: None,
        }
    }

    /// Returns the place into which the next bytes are to be read. It is not empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if let Some((header, body, filled)) = &mut self.large {
            let length = header.length as usize;
            if body.len() == *filled {
                body.grow(length.min(*filled + STEP.max(*filled)));
            }
            return &mut body[*filled..];
        }
        if self.start > 0 {
            self.window.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.window[self.end..]
    }

    /// Returns `true` if no frame has begun that is not at its end.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.large.is_none() && self.start == self.end
    }

    /// Notes that that many bytes were read into the room.
    pub(crate) fn filled(&mut self, bytes: usize) {
        match &mut self.large {
            Some((_, _, filled)) => *filled += bytes,
            None => self.end += bytes,
        }
    }

    /// Returns the next frame, or `None` if more bytes are needed.
    pub(crate) fn next(&mut self, buffers: &Buffers) -> Result<Option<Frame>, FrameError> {
        match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => self.try_next(buffers).inspect_err(|error| {
                self.failed = Some(error.clone());
            }),
        }
    }

    fn try_next(&mut self, buffers: &Buffers) -> Result<Option<Frame>, FrameError> {
        if let Some((header, body, filled)) = self.large.take() {
            if filled == header.length as usize {
                return Ok(Some(Frame { header, body }));
            }
            self.large = Some((header, body, filled));
            return Ok(None);
        }
        let there = &self.window[self.start..self.end];
        let Some((bytes, rest)) = there.split_first_chunk() else {
            return Ok(None);
        };
        let header = Header::parse(bytes)?;
        let length = header.length as usize;
        if let Some(bytes) = rest.get(..length) {
            let body = buffers.body_of(bytes);
            self.start += HEADER + length;
            return Ok(Some(Frame { header, body }));
        }
        if HEADER + length > self.window.len() {
            let body = buffers.body_of(rest);
            let filled = rest.len();
            (self.start, self.end) = (0, 0);
            self.large = Some((header, body, filled));
        }
        Ok(None)
    }
}

/// The body of the first frame of each side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    pub(crate) fingerprint: u64,
    /// Parent: its process. Worker: its own.
    pub(crate) process: u32,
    /// Parent: the address space that the worker may have; the greatest number: as much as it
    /// likes.
    pub(crate) memory: u64,
    /// Parent: the name of the new process. Worker: the names of its jobs.
    pub(crate) names: String,
}

impl Hello {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.fingerprint.to_le_bytes());
        bytes.extend(self.process.to_le_bytes());
        bytes.extend(self.memory.to_le_bytes());
        bytes.extend(self.names.bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let (fixed, names) = bytes.split_at_checked(24).ok_or(FrameError::Short)?;
        Ok(Self {
            version: u32::from_le_bytes(array(fixed)),
            fingerprint: u64::from_le_bytes(array(&fixed[4..])),
            process: u32::from_le_bytes(array(&fixed[12..])),
            memory: u64::from_le_bytes(array(&fixed[16..])),
            names: String::from_utf8_lossy(names).into_owned(),
        })
    }
}

/// The first bytes of the body of a job. Its arguments follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobHead {
    /// The place of the function in the list of jobs, which is the same on both sides.
    pub(crate) function: u32,
    pub(crate) attempt: u32,
    pub(crate) submission: u64,
}

impl JobHead {
    pub(crate) const LENGTH: usize = 16;

    /// Returns the header of the frame, and the first bytes of its body.
    pub(crate) fn frame(
        self,
        sequence: u64,
        arguments: u32,
        descriptors: u8,
    ) -> [u8; HEADER + Self::LENGTH] {
        let mut header = Header::new(Kind::Job, sequence, arguments + Self::LENGTH as u32);
        header.descriptors = descriptors;
        let mut bytes = [0; HEADER + Self::LENGTH];
        bytes[..HEADER].copy_from_slice(&header.to_bytes());
        bytes[16..20].copy_from_slice(&self.function.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.attempt.to_le_bytes());
        bytes[24..].copy_from_slice(&self.submission.to_le_bytes());
        bytes
    }

    /// Returns the head, and the arguments.
    pub(crate) fn parse(body: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        let (head, arguments) = body
            .split_at_checked(Self::LENGTH)
            .ok_or(FrameError::Short)?;
        let head = Self {
            function: u32::from_le_bytes(array(head)),
            attempt: u32::from_le_bytes(array(&head[4..])),
            submission: u64::from_le_bytes(array(&head[8..])),
        };
        Ok((head, arguments))
    }
}
