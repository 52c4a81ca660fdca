//! The messages between a worker and the hub: what the bodies of their frames hold.
//!
//! A request of a worker has 25 bytes, and an item for some kinds: the kind, the number of the
//! object, and two numbers. Its frame has the number of the request, by which the worker knows the
//! answer, and both know the lease that it grants. An answer has 9 bytes, and an item for some: a
//! status, and a number.

use std::time::Duration;

use crate::frame::{FrameError, HEADER, Header, Kind};

/// What a worker wants. Those that are marked "told" get no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verb {
    /// Acquire `second` permits within the time `first`.
    Acquire = 1,
    /// Told: the permits of the lease `first` are released.
    Release,
    /// Told: the permits of the lease `first` are forgotten.
    Forget,
    /// Add `first` permits.
    Add,
    /// Take `first` permits away for good.
    TakeAway,
    /// Acquire all free permits.
    Drain,
    Available,
    /// Told: close the semaphore or the queue.
    Close,
    IsClosed,
    /// Told.
    Set,
    /// Told.
    Clear,
    IsSet,
    /// Wait for the event or the latch, within the time `first`.
    Wait,
    /// Told.
    CountDown,
    Count,
    /// Put the item within the time `first`.
    Put,
    /// Told: put the item, for which there was credit.
    PutAhead,
    /// Take an item within the time `first`.
    Get,
    /// Told: the item of the lease `first` has arrived, and is the worker's.
    Taken,
    /// Told: the item of the lease `first` is done. If `second` is 1, the item that was sent ahead
    /// under that number.
    Done,
    /// Told: the item goes back; if there is another with it, that in place of it. The numbers are
    /// those of `Done`.
    GiveBack,
    TaskDone,
    /// Wait until nothing is unfinished, within the time `first`.
    Join,
    Unfinished,
    Length,
    /// Told: nobody waits for the answer to the request `first` any more.
    Abandon,
    /// Told: nothing is left of the handles of the object, of which `first` have come.
    Gone,
    /// Told: the result that follows names the objects of this item, which has no value.
    Returns,
}

impl Verb {
    const ALL: [Self; 28] = [
        Self::Acquire,
        Self::Release,
        Self::Forget,
        Self::Add,
        Self::TakeAway,
        Self::Drain,
        Self::Available,
        Self::Close,
        Self::IsClosed,
        Self::Set,
        Self::Clear,
        Self::IsSet,
        Self::Wait,
        Self::CountDown,
        Self::Count,
        Self::Put,
        Self::PutAhead,
        Self::Get,
        Self::Taken,
        Self::Done,
        Self::GiveBack,
        Self::TaskDone,
        Self::Join,
        Self::Unfinished,
        Self::Length,
        Self::Abandon,
        Self::Gone,
        Self::Returns,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte).checked_sub(1)?).copied()
    }
}

/// A request of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) object: u64,
    pub(crate) first: u64,
    pub(crate) second: u64,
}

impl Request {
    pub(crate) const LENGTH: usize = 25;

    pub(crate) fn new(verb: Verb, object: u64, first: u64, second: u64) -> Self {
        Self {
            verb,
            object,
            first,
            second,
        }
    }

    /// Returns the frame, without the item that follows.
    pub(crate) fn frame(self, number: u64, item: usize) -> [u8; HEADER + Self::LENGTH] {
        let length = (Self::LENGTH + item) as u32;
        let header = Header::new(Kind::Request, number, length);
        let mut bytes = [0; HEADER + Self::LENGTH];
        bytes[..HEADER].copy_from_slice(&header.to_bytes());
        let body = &mut bytes[HEADER..];
        body[0] = self.verb as u8;
        body[1..9].copy_from_slice(&self.object.to_le_bytes());
        body[9..17].copy_from_slice(&self.first.to_le_bytes());
        body[17..].copy_from_slice(&self.second.to_le_bytes());
        bytes
    }

    /// Returns the request, and the bytes of its item.
    pub(crate) fn parse(body: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        let (head, item) = body
            .split_at_checked(Self::LENGTH)
            .ok_or(FrameError::Short)?;
        let verb = Verb::of(head[0]).ok_or(FrameError::Kind(head[0]))?;
        let request = Self::new(verb, number(head, 1), number(head, 9), number(head, 17));
        Ok((request, item))
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    Yes = 0,
    /// Not now, or not in time.
    No = 1,
    Closed = 2,
    TooMany = 3,
    /// With a text that says why.
    Refused = 4,
}

/// An answer, as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    pub(crate) number: u64,
}

impl Answer {
    pub(crate) const LENGTH: usize = 9;

    pub(crate) fn parse(body: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        let (head, rest) = body
            .split_at_checked(Self::LENGTH)
            .ok_or(FrameError::Short)?;
        let status = match head[0] {
            0 => Status::Yes,
            1 => Status::No,
            2 => Status::Closed,
            3 => Status::TooMany,
            4 => Status::Refused,
            byte => return Err(FrameError::Kind(byte)),
        };
        let number = number(head, 1);
        Ok((Self { status, number }, rest))
    }

    /// Appends the frame, without what follows the answer.
    pub(crate) fn write(self, request: u64, rest: usize, out: &mut Vec<u8>) {
        let length = (Self::LENGTH + rest) as u32;
        out.extend(Header::new(Kind::Answer, request, length).to_bytes());
        out.push(self.status as u8);
        out.extend(self.number.to_le_bytes());
    }
}

/// A time that never ends.
const FOREVER: u64 = u64::MAX;

/// Returns a time limit as a number; `None` is without limit.
pub(crate) fn limit(time: Option<Duration>) -> u64 {
    let nanoseconds = time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(FOREVER));
    nanoseconds.unwrap_or(FOREVER)
}

/// Returns a number as a time limit.
pub(crate) fn time(limit: u64) -> Option<Duration> {
    (limit != FOREVER).then(|| Duration::from_nanos(limit))
}

/// The bytes of an item in a message: the number of the objects that it names, their numbers, and
/// the encoded value.
pub(crate) mod item {
    use super::number;
    use crate::frame::FrameError;

    pub(crate) fn head(objects: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
        let mut head = Vec::with_capacity(4 + 8 * objects.len());
        head.extend((objects.len() as u32).to_le_bytes());
        objects.for_each(|object| head.extend(object.to_le_bytes()));
        head
    }

    /// Returns the numbers of the objects, and the encoded value.
    pub(crate) fn parse(
        bytes: &[u8],
    ) -> Result<(impl Iterator<Item = u64> + '_, &[u8]), FrameError> {
        let (count, rest) = bytes.split_first_chunk().ok_or(FrameError::Short)?;
        let length = u32::from_le_bytes(*count) as usize * 8;
        let (objects, value) = rest.split_at_checked(length).ok_or(FrameError::Short)?;
        Ok((objects.chunks_exact(8).map(|it| number(it, 0)), value))
    }

    /// Appends an item to those of an answer, with its number, if it is sent ahead, and its length.
    pub(crate) fn append(sequence: u64, head: &[u8], value: &[u8], out: &mut Vec<u8>) {
        out.extend(sequence.to_le_bytes());
        out.extend(((head.len() + value.len()) as u32).to_le_bytes());
        out.extend(head);
        out.extend(value);
    }

    /// Takes the next item of an answer. Returns its number, and its bytes.
    pub(crate) fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(12)?;
        let length = u32::from_le_bytes(head[8..].try_into().expect("4 bytes")) as usize;
        let (item, rest) = rest.split_at_checked(length)?;
        *bytes = rest;
        Some((number(head, 0), item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were() {
        for (byte, verb) in (1..).zip(Verb::ALL) {
            assert_eq!(verb as u8, byte);
            let request = Request::new(verb, 2, 3, u64::MAX);
            let frame = request.frame(7, 0);
            assert_eq!(Request::parse(&frame[HEADER..]), Ok((request, &[][..])));
        }
        assert!(Request::parse(&[29; 25]).is_err() && Request::parse(&[0; 25]).is_err());
        assert!(Request::parse(&[1; 24]).is_err());
        for status in [
            Status::Yes,
            Status::No,
            Status::Closed,
            Status::TooMany,
            Status::Refused,
        ] {
            let (answer, mut out) = (Answer { status, number: 9 }, Vec::new());
            answer.write(7, 0, &mut out);
            assert_eq!(Answer::parse(&out[HEADER..]), Ok((answer, &[][..])));
        }
        assert!(Answer::parse(&[5; 9]).is_err());
    }

    #[test]
    fn an_item_names_its_objects() {
        let mut bytes = item::head([5, 6].into_iter());
        bytes.push(1);
        let (objects, value) = item::parse(&bytes).unwrap();
        assert_eq!((objects.collect::<Vec<_>>(), value), (vec![5, 6], &[1][..]));
        assert!(item::parse(&bytes[..12]).is_err());
        assert!(item::parse(&[255; 12]).is_err());
        let mut out = Vec::new();
        item::append(0, &[1], &[2, 3], &mut out);
        item::append(7, &[], &[4], &mut out);
        let mut rest = &out[..];
        assert_eq!(item::next(&mut rest), Some((0, &[1, 2, 3][..])));
        assert_eq!(item::next(&mut rest), Some((7, &[4][..])));
        assert_eq!(item::next(&mut rest), None);
    }

    #[test]
    fn times_beyond_all_bounds_never_end() {
        assert_eq!(time(limit(None)), None);
        assert_eq!(time(limit(Some(Duration::MAX))), None);
        assert_eq!(time(limit(Some(Duration::ZERO))), Some(Duration::ZERO));
    }
}
