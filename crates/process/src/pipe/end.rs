//! One end of a pipe: items as packets.
//!
//! An item is encoded, and its bytes go as packets of at most [`PACKET`] bytes. A packet begins
//! with a header:
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 3 | its place in the item, from 0, in little-endian order |
//! | 4 | 1 in the last packet of an item, else 0 |
//! | 5 | the number of descriptors that come with it; only the first has some |
//! | 6, 7 | zero |
//! | 8 to 15 | the number of the item, which no other has; zero if it is one packet |
//!
//! The system sends a packet as a whole or not at all. So whatever happens between two packets
//! leaves the pipe in order:
//!
//! - A sender that gives up (its time is over, its future is dropped) sends no more of the item.
//!   The next item begins with a packet of place 0, at which the receiver drops what it has of an
//!   item that is not at its end. So an item that was reported as not sent never arrives.
//! - A sender that is killed leaves the end of the stream behind such a part, which the receiver
//!   reports as an error, and after that the end.
//! - A receiver that gives up keeps the part, and the next call of its goes on with it.
//! - Two processes that send by one end, or receive by one, mix packets of items larger than one
//!   packet. A number that is not that of the item, or a place that is not the next one, then gives
//!   that away. The item to which such a packet belongs is an error, and what is left of it is
//!   skipped. Items of one packet are whole in any case.
//!
//! Within a process the threads that send take turns, for a whole item, and so do those that
//! receive. The turn is a permit, which is waited for in the form of the call.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use workmill::{Permit, Semaphore};

use super::error::{PipeError, PipeErrorKind};
use crate::passing::Batches;
use crate::sys::{Descriptor, Packets, Tried, Until};

const HEADER: usize = 16;

/// The length of a packet, with its header.
const PACKET: usize = 32 << 10;

/// The most that is kept of a buffer for items.
const KEPT: usize = 1 << 20;

/// How long a call waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    Never,
    Until(Instant),
    Forever,
}

/// An item on its way out.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptors: Vec<Arc<Descriptor>>,
    /// The place of the next packet.
    next: u32,
    number: u64,
}

impl Message {
    pub(super) fn new(bytes: Vec<u8>, descriptors: Vec<Arc<Descriptor>>) -> Self {
        let is_one_packet = bytes.len() <= PACKET - HEADER;
        Self {
            number: if is_one_packet { 0 } else { number() },
            bytes,
            descriptors,
            next: 0,
        }
    }
}

/// Returns a number that no other item has, in whatever process: one of 64 bits, at random.
fn number() -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed: only the number counts, and each caller gets another.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // A copy of this process that a `fork` has made has the same keys and the same count.
    KEYS.hash_one((std::process::id(), count))
}

/// An item that has come. The error says that it came without its descriptors.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptors: Result<Vec<Descriptor>, String>,
}

/// The part of an item that has come.
#[derive(Debug)]
struct Parts {
    packet: Box<[u8]>,
    bytes: Vec<u8>,
    descriptors: Result<Vec<Descriptor>, String>,
    /// The place of the packet that is to come: 0 between two items.
    next: u32,
    /// The number of the item of which a part has come.
    number: u64,
    /// The number of the item that was reported last. Its rest is passed over.
    reported: Option<u64>,
}

#[derive(Debug)]
pub(super) struct End {
    packets: Packets,
    parts: Mutex<Option<Parts>>,
    sends: Semaphore,
    receives: Semaphore,
}

impl End {
    pub(super) fn new(packets: Packets) -> Self {
        Self {
            packets,
            parts: Mutex::default(),
            sends: Semaphore::new(1),
            // A thread that waits for its turn waits for what arrives, not for room.
            receives: Semaphore::signals(1),
        }
    }

    /// Returns the socket, if no part of an item is here.
    pub(super) fn descriptor(&self) -> Option<Arc<Descriptor>> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_between = parts.as_ref().is_none_or(|parts| parts.next == 0);
        is_between.then(|| Arc::clone(self.packets.descriptor()))
    }

    pub(super) fn send(&self, mut message: Message, patience: Patience) -> Result<(), PipeError> {
        let _turn = turn(&self.sends, patience, PipeErrorKind::Full)?;
        while !self.try_send(&mut message)? {
            self.wait(Until::Writable, patience, PipeErrorKind::Full)?;
        }
        Ok(())
    }

    pub(super) async fn send_async(&self, mut message: Message) -> Result<(), PipeError> {
        let _turn = turn_async(&self.sends).await?;
        while !self.try_send(&mut message)? {
            self.wait_async(Until::Writable).await?;
        }
        Ok(())
    }

    pub(super) fn receive(&self, patience: Patience) -> Result<Arrived, PipeError> {
        let _turn = turn(&self.receives, patience, PipeErrorKind::Empty)?;
        loop {
            match self.try_receive()? {
                Some(arrived) => return Ok(arrived),
                None => self.wait(Until::Readable, patience, PipeErrorKind::Empty)?,
            }
        }
    }

    pub(super) async fn receive_async(&self) -> Result<Arrived, PipeError> {
        let _turn = turn_async(&self.receives).await?;
        loop {
            match self.try_receive()? {
                Some(arrived) => return Ok(arrived),
                None => self.wait_async(Until::Readable).await?,
            }
        }
    }

    /// Keeps a buffer for the next item that comes.
    pub(super) fn give_back(&self, bytes: Vec<u8>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parts) = &mut *parts {
            if parts.bytes.capacity() == 0 && bytes.capacity() <= KEPT {
                parts.bytes = bytes;
                parts.bytes.clear();
            }
        }
    }

    fn wait(&self, until: Until, patience: Patience, over: PipeErrorKind) -> Result<(), PipeError> {
        let deadline = match patience {
            Patience::Never => return Err(PipeError::new(over)),
            Patience::Until(deadline) => Some(deadline),
            Patience::Forever => None,
        };
        match self.packets.waitable().wait(until, deadline)? {
            true => Ok(()),
            false => Err(PipeError::new(over)),
        }
    }

    fn wait_async(&self, until: Until) -> impl Future<Output = std::io::Result<()>> + Send + use<> {
        self.packets.waitable().wait_async(until)
    }

    /// Sends what fits. Returns `true` if that was all.
    fn try_send(&self, message: &mut Message) -> Result<bool, PipeError> {
        loop {
            let most = PACKET - HEADER;
            let begin = message.next as usize * most;
            let rest = &message.bytes[begin..];
            let part = &rest[..rest.len().min(most)];
            let is_last = part.len() == rest.len();
            let descriptors = match message.next {
                0 => &*message.descriptors,
                _ => &[],
            };
            let mut header = [0; HEADER];
            header[..4].copy_from_slice(&message.next.to_le_bytes());
            header[4] = u8::from(is_last);
            header[5] = descriptors.len() as u8;
            header[8..].copy_from_slice(&message.number.to_le_bytes());
            let parts = [IoSlice::new(&header), IoSlice::new(part)];
            match self.packets.send(&parts, descriptors)? {
                Tried::Done(()) if is_last => return Ok(true),
                Tried::Done(()) => message.next += 1,
                Tried::NotNow => return Ok(false),
                Tried::Closed => return Err(PipeError::new(PipeErrorKind::Closed)),
            }
        }
    }

    /// Receives what is there, up to the end of an item.
    fn try_receive(&self) -> Result<Option<Arrived>, PipeError> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = parts.get_or_insert_with(|| Parts {
            packet: vec![0; PACKET].into(),
            bytes: Vec::new(),
            descriptors: Ok(Vec::new()),
            next: 0,
            number: 0,
            reported: None,
        });
        loop {
            let mut batches = Batches::default();
            match self.packets.receive(&mut parts.packet, &mut batches)? {
                Tried::Done(length) => {
                    if let Some(arrived) = parts.take(length, &mut batches)? {
                        return Ok(Some(arrived));
                    }
                }
                Tried::NotNow => return Ok(None),
                Tried::Closed => return Err(PipeError::new(parts.end())),
            }
        }
    }
}

impl Parts {
    /// Takes a packet. Returns the item if it was the last one of it.
    fn take(&mut self, length: usize, batches: &mut Batches) -> Result<Option<Arrived>, PipeError> {
        let incomplete = || PipeError::new(PipeErrorKind::Incomplete);
        let packet = &self.packet[..length];
        let (header, part) = packet.split_at_checked(HEADER).ok_or_else(incomplete)?;
        let place = u32::from_le_bytes(header[..4].try_into().expect("four bytes"));
        let number = u64::from_le_bytes(header[8..].try_into().expect("eight bytes"));
        let descriptors = batches.take(header[5]);
        let descriptors = descriptors
            .map_err(|error| PipeError::with_text(PipeErrorKind::Decode, error.to_string()))?;
        if place == 0 {
            // The item before was never sent to its end.
            self.bytes.clear();
            self.number = number;
            self.descriptors = descriptors.map_err(|missing| missing.to_string());
        } else if (place, number) != (self.next, self.number) {
            if number == self.number {
                self.end();
            }
            // Another item goes on, if a part of one is here.
            return match self.reported.replace(number) {
                Some(reported) if reported == number => Ok(None),
                _ => Err(incomplete()),
            };
        }
        self.bytes.extend_from_slice(part);
        self.next = place + 1;
        if header[4] == 0 {
            return Ok(None);
        }
        self.next = 0;
        Ok(Some(Arrived {
            bytes: std::mem::take(&mut self.bytes),
            descriptors: std::mem::replace(&mut self.descriptors, Ok(Vec::new())),
        }))
    }

    /// Drops what has come of an item. Returns what its missing rest is to be called.
    fn end(&mut self) -> PipeErrorKind {
        self.bytes.clear();
        self.descriptors = Ok(Vec::new());
        match std::mem::take(&mut self.next) {
            0 => PipeErrorKind::Closed,
            _ => PipeErrorKind::Incomplete,
        }
    }
}

fn turn(
    turns: &Semaphore,
    patience: Patience,
    over: PipeErrorKind,
) -> Result<Permit<'_>, PipeError> {
    let turn = match patience {
        Patience::Never => turns.try_acquire().ok(),
        Patience::Until(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            turns.acquire_timeout(left).ok()
        }
        Patience::Forever => return turns.acquire().map_err(no_turn),
    };
    turn.ok_or_else(|| PipeError::new(over))
}

async fn turn_async(turns: &Semaphore) -> Result<Permit<'_>, PipeError> {
    turns.acquire_async().await.map_err(no_turn)
}

fn no_turn(error: workmill::AcquireError) -> PipeError {
    PipeError::from(std::io::Error::other(error))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Returns an end, and the socket to which anything can be written.
    fn end() -> (End, Packets) {
        let (ours, theirs) = Packets::pair().unwrap();
        (End::new(ours), theirs)
    }

    fn send(socket: &Packets, packet: &[u8]) {
        let sent = socket.send(&[IoSlice::new(packet)], &[]).unwrap();
        assert!(matches!(sent, Tried::Done(())));
    }

    fn packet(place: u32, is_last: bool, descriptors: u8, bytes: &[u8]) -> Vec<u8> {
        packet_of(7, place, is_last, descriptors, bytes)
    }

    fn packet_of(number: u64, place: u32, is_last: bool, descriptors: u8, bytes: &[u8]) -> Vec<u8> {
        let mut packet = place.to_le_bytes().to_vec();
        packet.extend([u8::from(is_last), descriptors, 0, 0]);
        packet.extend(number.to_le_bytes());
        packet.extend(bytes);
        packet
    }

    fn kind(end: &End) -> PipeErrorKind {
        end.receive(Patience::Never).unwrap_err().kind()
    }

    fn bytes(end: &End) -> Vec<u8> {
        end.receive(Patience::Never).unwrap().bytes
    }

    #[test]
    fn packets_in_order_are_items() {
        let (end, socket) = end();
        send(&socket, &packet(0, true, 0, b"a"));
        send(&socket, &packet(0, false, 0, b"b"));
        send(&socket, &packet(1, false, 0, b""));
        send(&socket, &packet(2, true, 0, b"c"));
        assert_eq!(bytes(&end), b"a");
        assert_eq!(bytes(&end), b"bc");
        assert_eq!(kind(&end), PipeErrorKind::Empty);
    }

    #[test]
    fn a_packet_that_is_too_short_is_an_error_and_no_more() {
        let (end, socket) = end();
        for length in 1..HEADER {
            send(&socket, &[1; HEADER][..length]);
            assert_eq!(kind(&end), PipeErrorKind::Incomplete);
        }
        send(&socket, &packet(0, true, 0, b"a"));
        assert_eq!(bytes(&end), b"a");
    }

    #[test]
    fn a_place_that_is_missing_is_told_once_and_the_rest_is_passed_over() {
        let (end, socket) = end();
        let places = [&[0, 2, 3][..], &[1, 2, 3], &[0, 1, 1, 2], &[0, u32::MAX, 1]];
        for (number, first) in (1..).zip(places) {
            let last = first.len() - 1;
            for (at, place) in first.iter().enumerate() {
                send(&socket, &packet_of(number, *place, at == last, 0, b"x"));
            }
            send(&socket, &packet(0, true, 0, b"a"));
            assert_eq!(kind(&end), PipeErrorKind::Incomplete, "{first:?}");
            assert_eq!(bytes(&end), b"a", "{first:?}");
        }
    }

    #[test]
    fn a_part_of_another_item_is_told_even_if_its_place_is_the_next() {
        let (end, socket) = end();
        send(&socket, &packet_of(1, 0, false, 0, b"a"));
        send(&socket, &packet_of(2, 0, false, 0, b"b"));
        send(&socket, &packet_of(1, 1, false, 0, b"a"));
        send(&socket, &packet_of(2, 1, false, 0, b"b"));
        send(&socket, &packet_of(1, 2, true, 0, b"a"));
        send(&socket, &packet_of(2, 2, true, 0, b"b"));
        assert_eq!(kind(&end), PipeErrorKind::Incomplete);
        assert_eq!(bytes(&end), b"bbb");
        assert_eq!(kind(&end), PipeErrorKind::Empty);
    }

    #[test]
    fn descriptors_that_were_announced_and_did_not_come_are_an_error() {
        let (end, socket) = end();
        send(&socket, &packet(0, true, 2, b"a\x01\x01"));
        assert_eq!(kind(&end), PipeErrorKind::Decode);
        send(&socket, &packet(0, true, 0, b"a"));
        assert_eq!(bytes(&end), b"a");
    }

    #[test]
    fn an_item_that_is_begun_anew_replaces_the_one_before() {
        let (end, socket) = end();
        send(&socket, &packet(0, false, 0, b"old"));
        send(&socket, &packet(1, false, 0, b"old"));
        send(&socket, &packet(0, false, 0, b"n"));
        send(&socket, &packet(1, true, 0, b"ew"));
        assert_eq!(bytes(&end), b"new");
        send(&socket, &packet(0, false, 0, b"half"));
        drop(socket);
        assert_eq!(kind(&end), PipeErrorKind::Incomplete);
        assert_eq!(kind(&end), PipeErrorKind::Closed);
    }
}
