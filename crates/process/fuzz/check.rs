//! What holds for any bytes that a decoder of frames may get.

use crate::buffers::Buffers;
use crate::frame::{Decoder, FrameError, HEADER, Header, Hello, JobHead};

type Decoded = (Vec<(Header, Vec<u8>)>, Option<FrameError>);

/// Decodes bytes that come in pieces.
fn decode(bytes: &[u8], mut piece: impl FnMut() -> usize) -> Decoded {
    let (mut decoder, buffers) = (Decoder::new(), Buffers::default());
    let (mut frames, mut rest) = (Vec::new(), bytes);
    loop {
        loop {
            match decoder.next(&buffers) {
                Ok(Some(frame)) => frames.push((frame.header, frame.body.to_vec())),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(&buffers).unwrap_err(), error, "an error stays");
                    return (frames, Some(error));
                }
            }
        }
        if rest.is_empty() {
            return (frames, None);
        }
        let room = decoder.room();
        assert!(!room.is_empty(), "there is always room");
        // What is announced is no reason to allocate: twice what has come, or a fixed amount.
        assert!(
            room.len() <= bytes.len().max(256 << 10),
            "{} bytes",
            room.len()
        );
        let taken = piece().clamp(1, room.len()).min(rest.len());
        room[..taken].copy_from_slice(&rest[..taken]);
        decoder.filled(taken);
        rest = &rest[taken..];
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let whole = decode(bytes, || usize::MAX);
    assert_eq!(decode(bytes, || 1), whole, "byte by byte");
    // Pieces whose sizes the bytes themselves say.
    let mut sizes = bytes.iter().cycle();
    let size = || sizes.next().map_or(1, |&size| usize::from(size) * 7);
    assert_eq!(decode(bytes, size), whole, "in pieces");
    let mut length = 0;
    for (header, body) in &whole.0 {
        assert_eq!(header.length as usize, body.len());
        assert_eq!(
            bytes[length..length + HEADER],
            header.to_bytes(),
            "a frame is encoded as it came"
        );
        length += HEADER + body.len();
        assert!(bytes[..length].ends_with(body));
        if let Ok(hello) = Hello::parse(body) {
            let is_text = std::str::from_utf8(&body[24..]).is_ok();
            assert!(!is_text || hello.to_bytes() == *body);
        }
        if let Ok((head, arguments)) = JobHead::parse(body) {
            let frame = head.frame(header.sequence, arguments.len() as u32, header.descriptors);
            assert_eq!(frame[HEADER..], body[..JobHead::LENGTH]);
        }
    }
}
