//! The first message, which comes with descriptors.

use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::serve::{first_message, receive};
use super::socket::{pair, send};
use crate::frame::{Header, Hello, Kind, VERSION};

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

#[test]
fn descriptors_that_do_not_fit_are_an_error_and_are_closed() {
    let (ours, theirs) = pair().unwrap();
    send_with(&ours, &hello(64), 64);
    let mut came = Vec::new();
    let error = receive(theirs.as_fd(), &mut [0; 100], &mut came).unwrap_err();
    assert!(
        error.to_string().contains("descriptors were lost"),
        "{error}"
    );
    assert!(came.len() < 64, "{}", came.len());
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
fn too_many_descriptors_for_a_message_are_an_error() {
    let (ours, _theirs) = pair().unwrap();
    let some = some();
    let many = [some.as_fd(); 64];
    assert!(send(ours.as_fd(), &[IoSlice::new(b"a")], &many).is_err());
}
