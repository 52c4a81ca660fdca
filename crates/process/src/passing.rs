//! Descriptors that travel beside encoded bytes: in the arguments and results of jobs, and in the
//! items of pipes.
//!
//! An object with a descriptor (the end of a pipe, shared memory) cannot be encoded as bytes alone.
//! Its `Serialize` writes an index, and leaves the descriptor in a place of the thread; the code
//! that has it encoded takes all of them from there and sends them beside the bytes. At the other
//! end those that came lie in such a place while the bytes are decoded, and a `Deserialize` takes
//! the one of its index.
//!
//! - The place exists only while arguments, a result or an item are encoded or decoded. Elsewhere
//!   the object is an error, for bytes alone are not enough.
//! - Each descriptor is taken once. An index that is used twice, or that no descriptor has, is an
//!   error.
//! - Each has a class, in a byte for each at the end of the bytes, written here. So code of the
//!   user's, which writes and reads what it likes, cannot take the memory of an array for a file of
//!   its own.
//! - What nobody has taken when the decoding ends is closed then, whether it failed or not.
//! - The place is left as it was found, also by a panic, and the places of nested encodings do not
//!   meet.
//! - postcard drops the text of an error. So it is left in the place, too.
//!
//! The descriptors of one message are sent with its first byte and come as one [`Batch`]. The
//! header of a message has their number. The messages that announce some take the batches in order;
//! a batch that the system has cut short, for the process has too many open files, thus spoils one
//! message only.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use workmill_jobs::executors as codec;

use crate::frame::FrameError;
use crate::sys::Descriptor;

/// The number of descriptors that the system takes with one message.
pub(crate) const MOST: usize = 253;

/// The kind of object that a descriptor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// A file, a socket, or what the user likes.
    Any = 1,
    Connection = 2,
    Memory = 3,
}

impl Class {
    /// Returns what an object of this class is called.
    fn name(byte: u8) -> &'static str {
        match byte {
            _ if byte == Self::Any as u8 => "a descriptor",
            _ if byte == Self::Connection as u8 => "a connection",
            _ if byte == Self::Memory as u8 => "shared memory",
            _ => "an unknown object",
        }
    }
}

/// The value that a thread encodes or decodes, and the descriptors beside it.
#[derive(Debug, Default)]
enum Place {
    #[default]
    Nowhere,
    /// Something that no descriptor goes with, and why it failed.
    Closed(Option<String>),
    Encoding(Outgoing),
    Decoding(Incoming),
}

#[derive(Debug, Default)]
struct Outgoing {
    descriptors: Vec<Arc<Descriptor>>,
    classes: Vec<u8>,
    message: Option<String>,
}

#[derive(Debug, Default)]
struct Incoming {
    descriptors: Vec<Option<Descriptor>>,
    classes: Vec<u8>,
    message: Option<String>,
}

thread_local! {
    static PLACE: RefCell<Place> = const { RefCell::new(Place::Nowhere) };
}

/// Calls a function with the place of this thread. A thread that is ending has none.
fn with_place<R>(call: impl FnOnce(&mut Place) -> R) -> R {
    let mut call = Some(call);
    let called = PLACE.try_with(|place| {
        let call = call.take().expect("it is called once");
        call(&mut place.borrow_mut())
    });
    called.unwrap_or_else(|_| {
        let call = call.take().expect("it was not called");
        call(&mut Place::Nowhere)
    })
}

/// A place of this thread that is there until this is dropped. Then the one before is there again.
#[derive(Debug)]
struct Visit {
    before: Option<Place>,
}

impl Visit {
    fn begin(place: Place) -> Self {
        let before = with_place(|here| std::mem::replace(here, place));
        let before = Some(before);
        Self { before }
    }

    /// Returns what was left in the place.
    fn end(mut self) -> Place {
        self.leave()
    }

    fn leave(&mut self) -> Place {
        match self.before.take() {
            Some(before) => with_place(|here| std::mem::replace(here, before)),
            None => Place::Nowhere,
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        // Descriptors are closed while the place is not borrowed.
        drop(self.leave());
    }
}

/// Something that is being encoded on this thread.
#[derive(Debug)]
pub(crate) struct Encoding(Visit);

impl Encoding {
    pub(crate) fn begin() -> Self {
        Self(Visit::begin(Place::Encoding(Outgoing::default())))
    }

    /// Completes encoded bytes, and returns the descriptors that belong to them.
    pub(crate) fn end(self, bytes: &mut Vec<u8>) -> Vec<Arc<Descriptor>> {
        match self.0.end() {
            Place::Encoding(outgoing) => {
                bytes.extend(outgoing.classes);
                outgoing.descriptors
            }
            _ => Vec::new(),
        }
    }

    /// Returns why the encoding failed, if it was one of our objects that did.
    pub(crate) fn fail(self) -> Option<String> {
        match self.0.end() {
            Place::Encoding(outgoing) => outgoing.message,
            _ => None,
        }
    }
}

/// Appends an encoded value to a buffer, and returns the descriptors that belong to it.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<Vec<Arc<Descriptor>>, String> {
    let encode = |buffer: &mut Vec<u8>| codec::encode(value, buffer);
    let encoded = encode_by(buffer, |buffer| {
        encode(buffer).map_err(|error| error.to_string())
    });
    encoded.map(|((), descriptors)| descriptors)
}

/// Calls a function that appends an encoded value to a buffer. Returns its result, and the
/// descriptors that belong to the value.
pub(crate) fn encode_by<R>(
    buffer: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<R, String>,
) -> Result<(R, Vec<Arc<Descriptor>>), String> {
    let encoding = Encoding::begin();
    match encode(buffer) {
        Ok(result) => Ok((result, encoding.end(buffer))),
        Err(error) => Err(encoding.fail().unwrap_or(error)),
    }
}

/// Something that is being decoded on this thread. The drop closes what was not taken.
#[derive(Debug)]
pub(crate) struct Decoding(Visit);

impl Decoding {
    /// Returns the bytes that are to be decoded as well.
    pub(crate) fn begin(
        bytes: &[u8],
        descriptors: Vec<Descriptor>,
    ) -> Result<(Self, &[u8]), FrameError> {
        let end = bytes.len().checked_sub(descriptors.len());
        let (bytes, classes) = bytes.split_at(end.ok_or(FrameError::Short)?);
        let place = Place::Decoding(Incoming {
            descriptors: descriptors.into_iter().map(Some).collect(),
            classes: classes.to_vec(),
            message: None,
        });
        Ok((Self(Visit::begin(place)), bytes))
    }

    /// Returns why the decoding failed, if it was one of our objects that did.
    pub(crate) fn fail(self) -> Option<String> {
        match self.0.end() {
            Place::Decoding(incoming) => incoming.message,
            _ => None,
        }
    }
}

/// Decodes a value that takes up all of the bytes. The error is a text.
pub(crate) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    descriptors: Vec<Descriptor>,
) -> Result<T, String> {
    decode_by(bytes, descriptors, |bytes| {
        codec::decode(bytes).map_err(|error| error.to_string())
    })
}

/// Calls a function that decodes a value.
pub(crate) fn decode_by<T>(
    bytes: &[u8],
    descriptors: Vec<Descriptor>,
    decode: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, String> {
    let (decoding, bytes) =
        Decoding::begin(bytes, descriptors).map_err(|error| error.to_string())?;
    decode(bytes).map_err(|error| decoding.fail().unwrap_or(error))
}

/// Calls a function that encodes or decodes where no descriptor can go. Returns its result, and why
/// it failed, if it was one of our objects that did.
pub(crate) fn without_descriptors<R>(call: impl FnOnce() -> R) -> (R, Option<String>) {
    let visit = Visit::begin(Place::Closed(None));
    let result = call();
    let message = match visit.end() {
        Place::Closed(message) => message,
        _ => None,
    };
    (result, message)
}

/// Notes why something failed that was being encoded or decoded.
pub(crate) fn note(text: &str) {
    with_place(|place| drop(left(place, text.to_owned())));
}

/// Leaves the text of an error in the place of this thread, and returns it.
fn left(place: &mut Place, text: String) -> String {
    match place {
        Place::Nowhere => {}
        Place::Closed(message) => *message = Some(text.clone()),
        Place::Encoding(Outgoing { message, .. }) | Place::Decoding(Incoming { message, .. }) => {
            *message = Some(text.clone());
        }
    }
    text
}

/// Serializes an object with a descriptor. `what` is its name in errors, such as "a connection".
pub(crate) fn give<S: Serializer>(
    serializer: S,
    what: &str,
    class: Class,
    descriptor: impl FnOnce() -> Result<Arc<Descriptor>, String>,
) -> Result<S::Ok, S::Error> {
    let is_possible = with_place(|place| matches!(place, Place::Encoding(_)));
    let descriptor = match is_possible {
        true => descriptor(),
        false => Err(format!(
            "{what} can only be encoded in the arguments or the result of a job, or in an item of \
             a pipe"
        )),
    };
    let index = with_place(|place| {
        let added = descriptor.and_then(|descriptor| place.add(class, descriptor));
        added.map_err(|text| left(place, text))
    });
    serializer.serialize_u8(index.map_err(S::Error::custom)?)
}

/// Deserializes an object with a descriptor.
pub(crate) fn take<'de, D, T>(
    deserializer: D,
    what: &str,
    class: Class,
    make: impl FnOnce(Descriptor) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let index = u8::deserialize(deserializer)?;
    let taken = with_place(|place| place.take(what, class, usize::from(index)));
    taken
        .and_then(make)
        .map_err(|text| D::Error::custom(with_place(|place| left(place, text))))
}

impl Place {
    /// Adds a descriptor, and returns its index.
    fn add(&mut self, class: Class, descriptor: Arc<Descriptor>) -> Result<u8, String> {
        let Self::Encoding(outgoing) = self else {
            return Err("its place has gone".to_owned());
        };
        let index = outgoing.descriptors.len();
        if index == MOST {
            return Err(format!(
                "a message has {MOST} descriptors at most: connections, shared memory and the like"
            ));
        }
        outgoing.descriptors.push(descriptor);
        outgoing.classes.push(class as u8);
        Ok(index as u8)
    }

    fn take(&mut self, what: &str, class: Class, index: usize) -> Result<Descriptor, String> {
        let Self::Decoding(incoming) = self else {
            return Err(format!(
                "{what} can only be decoded where the arguments or the result of a job are, or an \
                 item of a pipe"
            ));
        };
        let there = incoming.descriptors.get_mut(index);
        let there = there.ok_or_else(|| format!("{what} whose descriptor {index} did not come"))?;
        let other = incoming.classes[index];
        if other != class as u8 {
            let other = Class::name(other);
            return Err(format!(
                "{what} whose descriptor {index} is that of {other}"
            ));
        }
        let taken = there.take();
        taken.ok_or_else(|| format!("{what} whose descriptor {index} is that of another as well"))
    }
}

/// The descriptors that came with one message.
#[derive(Debug)]
struct Batch {
    descriptors: Vec<Descriptor>,
    /// Whether the system has closed some of them.
    is_short: bool,
}

/// The descriptors that came, and whose messages have not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Batches(VecDeque<Batch>);

impl Batches {
    /// Notes what has come with some bytes.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "macos")),
        expect(dead_code, reason = "nothing comes")
    )]
    pub(crate) fn add(&mut self, descriptors: Vec<Descriptor>, is_short: bool) {
        if is_short || !descriptors.is_empty() {
            self.0.push_back(Batch {
                descriptors,
                is_short,
            });
        }
    }

    /// Takes the descriptors of the next message. The inner error is about this message alone.
    pub(crate) fn take(
        &mut self,
        announced: u8,
    ) -> Result<Result<Vec<Descriptor>, Missing>, FrameError> {
        let announced = usize::from(announced);
        if announced == 0 {
            return Ok(Ok(Vec::new()));
        }
        let batch = self.0.pop_front();
        let came = batch.as_ref().map_or(0, |batch| batch.descriptors.len());
        match batch {
            Some(batch) if came == announced => Ok(Ok(batch.descriptors)),
            Some(batch) if batch.is_short => Ok(Err(Missing { announced, came })),
            _ => Err(FrameError::Descriptors { announced, came }),
        }
    }

    /// Checks that no more batches are here. A message that has begun may have one, others none.
    pub(crate) fn expect_at_most(&self, most: usize) -> Result<(), FrameError> {
        match self.0.get(most) {
            None => Ok(()),
            Some(batch) => Err(FrameError::Descriptors {
                announced: 0,
                came: batch.descriptors.len(),
            }),
        }
    }
}

/// Not all descriptors of a message came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Missing {
    announced: usize,
    came: usize,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { announced, came } = self;
        write!(
            f,
            "{came} of {announced} descriptors came: the receiving process has too many files open"
        )
    }
}
