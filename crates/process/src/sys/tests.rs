//! The first message, which comes with descriptors.

use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::serve::first_message;
use super::socket::{pair, receive, send};
use crate::frame::{FrameError, Header, Hello, Kind, VERSION};
use crate::passing::{Batches, MOST};

fn hello(descriptors: u8) -> Vec<u8> {
    let hello = Hello {
        version: VERSION,
        fingerprint: 1,
        process: 2,
        memory: 3,
        names: String::new(),
    };
    let body = hello.to_bytes();
    let mut header = Header::new(Kind::Hello, 0, body.len() as u32);
    header.descriptors = descriptors;
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend(body);
    bytes
}

fn some() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

fn send_with(socket: &OwnedFd, bytes: &[u8], count: usize) {
    let descriptors: Vec<_> = (0..count).map(|_| some()).collect();
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let sent = sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent.unwrap(), bytes.len());
}

#[test]
fn a_first_message_comes_with_its_descriptors_in_pieces_of_any_size() {
    for piece in [1, 7, 16, 40] {
        let (ours, theirs) = pair().unwrap();
        let bytes = hello(2);
        let mut pieces = bytes.chunks(piece);
        // They come with the first byte.
        send_with(&ours, pieces.next().unwrap(), 2);
        let mut ours = UnixStream::from(ours);
        pieces.for_each(|piece| ours.write_all(piece).unwrap());
        let (hello, descriptors) = first_message(&theirs).unwrap();
        assert_eq!((hello.process, hello.memory), (2, 3));
        assert_eq!(descriptors.count(), 2);
    }
}

#[test]
fn descriptors_that_are_missing_or_too_many_are_an_error() {
    for (announced, came) in [(2, 0), (2, 1), (1, 2), (0, 1)] {
        let (ours, theirs) = pair().unwrap();
        match came {
            0 => drop(send(ours.as_fd(), &[IoSlice::new(&hello(announced))], &[])),
            came => send_with(&ours, &hello(announced), came),
        }
        let Err(error) = first_message(&theirs) else {
            panic!("{announced} were announced, and {came} came");
        };
        let expected = format!("{came} of {announced} descriptors came");
        assert_eq!(error.to_string(), expected);
    }
}

/// Reads bytes of two messages at once. The second has descriptors.
#[test]
fn messages_that_come_as_one_read_have_their_own_descriptors() {
    let (ours, theirs) = pair().unwrap();
    send(ours.as_fd(), &[IoSlice::new(b"aa")], &[]).unwrap();
    send_with(&ours, b"bb", 1);
    send_with(&ours, b"cc", 2);
    let mut batches = Batches::default();
    let mut room = [0; 100];
    let mut read = 0;
    while read < 6 {
        read += receive(theirs.as_fd(), &mut room[read..], &mut batches).unwrap();
    }
    assert_eq!(room[..6], *b"aabbcc");
    assert_eq!(batches.take(0).unwrap().unwrap().len(), 0);
    assert_eq!(batches.take(1).unwrap().unwrap().len(), 1);
    assert_eq!(batches.take(2).unwrap().unwrap().len(), 2);
    batches.expect_at_most(0).unwrap();
    let error = batches.take(3).unwrap_err();
    let expected = FrameError::Descriptors {
        announced: 3,
        came: 0,
    };
    assert_eq!(error, expected);
}

#[test]
fn a_first_message_that_is_another_or_none_is_an_error() {
    let (ours, theirs) = pair().unwrap();
    let bye = Header::new(Kind::Bye, 0, 0).to_bytes();
    send(ours.as_fd(), &[IoSlice::new(&bye)], &[]).unwrap();
    assert!(first_message(&theirs).is_err());
    let (ours, theirs) = pair().unwrap();
    send(ours.as_fd(), &[IoSlice::new(&hello(0)[..20])], &[]).unwrap();
    drop(ours);
    let Err(error) = first_message(&theirs) else {
        panic!("it is not whole");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_message_takes_as_many_descriptors_as_the_system_allows() {
    let (ours, theirs) = pair().unwrap();
    let some = std::sync::Arc::new(some());
    let many = vec![some; MOST + 1];
    assert!(send(ours.as_fd(), &[IoSlice::new(b"a")], &many).is_err());
    send(ours.as_fd(), &[IoSlice::new(b"a")], &many[1..]).unwrap();
    let mut batches = Batches::default();
    receive(theirs.as_fd(), &mut [0; 10], &mut batches).unwrap();
    assert_eq!(batches.take(MOST as u8).unwrap().unwrap().len(), MOST);
}
