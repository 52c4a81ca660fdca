//! What goes through the socket, and what comes of it if that is damaged.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use workmill_process::Bytes;

use crate::jobs::{self, Fruit, Poison, Trouble, jobs};
use crate::runner::tests;
use crate::start::failed_start;
use crate::support::{assert_works, builder, descriptors, error, lost, outcome, pool};

tests! {
    a_megabyte_goes_both_ways_at_once
    every_size_comes_through
    jobs_that_are_sent_together_come_through
    arguments_that_cannot_be_encoded_are_refused
    arguments_that_cannot_be_decoded_are_refused_and_the_process_lives
    results_that_cannot_be_encoded_are_lost_and_the_process_lives
    results_that_cannot_be_decoded_are_lost_and_the_process_lives
    a_panic_in_an_argument_or_a_result_is_one_of_the_job
    a_panic_comes_back_as_text
    damaged_frames_before_it_serves_are_a_failed_start
    damaged_frames_end_the_process_and_lose_its_job
    troubles_leave_no_descriptors
}

fn a_megabyte_goes_both_ways_at_once() {
    let pool = pool(2);
    let bytes = |n: u8| Bytes::from(vec![n; 1 << 20]);
    let handles: Vec<_> = (0..32).map(|n| pool.submit(jobs::echo, bytes(n))).collect();
    for (n, handle) in (0..).zip(handles) {
        assert!(outcome(handle).unwrap() == bytes(n));
    }
}

fn every_size_comes_through() {
    let pool = pool(1);
    let sizes = (0..18)
        .map(|power| 1 << power)
        .chain([(64 << 10) - 40, 8 << 20]);
    for size in sizes.flat_map(|size| [size - 1, size, size + 1]) {
        let bytes: Vec<_> = (0..size).map(|at: usize| (at % 251) as u8).collect();
        let back = outcome(pool.submit(jobs::echo, Bytes::from(bytes.clone()))).unwrap();
        assert!(back.into_vec() == bytes, "{size}");
    }
}

/// Jobs that wait for a process to start are sent at once, and fit into the socket in parts only.
fn jobs_that_are_sent_together_come_through() {
    for size in [1, 1000, 100 << 10, 300 << 10] {
        let pool = builder(1).min_processes(0).build().unwrap();
        let bytes = |n: u8| Bytes::from(vec![n; size + usize::from(n)]);
        let handles: Vec<_> = (0..9).map(|n| pool.submit(jobs::echo, bytes(n))).collect();
        for (n, handle) in (0..).zip(handles) {
            assert!(outcome(handle).unwrap() == bytes(n), "{n} of {size}");
        }
    }
}

fn arguments_that_cannot_be_encoded_are_refused() {
    let pool = pool(1);
    let fruit = |trouble| Fruit {
        trouble,
        at_home: true,
    };
    let error = error(pool.submit(jobs::give, fruit(Trouble::Error)));
    assert!(error.is_cancelled(), "{error}");
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        text.contains("the arguments of the job `give` cannot be encoded"),
        "{text}"
    );
    // A panic is one of the submitter.
    let submit = || drop(pool.submit(jobs::give, fruit(Trouble::Panic)));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(submit)).is_err());
    assert_works(&pool);
}

fn arguments_that_cannot_be_decoded_are_refused_and_the_process_lives() {
    let pool = pool(1);
    let error = error(pool.submit(jobs::take, Poison(Trouble::Error)));
    assert!(error.is_cancelled(), "{error}");
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        text.contains("`take` was not called: the arguments cannot be decoded"),
        "{text}"
    );
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

fn results_that_cannot_be_encoded_are_lost_and_the_process_lives() {
    let pool = pool(1);
    let told = lost(pool.submit(jobs::make, (Trouble::Error, false)));
    assert!(told.starts_with("could not be encoded"), "{told}");
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

fn results_that_cannot_be_decoded_are_lost_and_the_process_lives() {
    let pool = pool(1);
    let told = lost(pool.submit(jobs::make, (Trouble::Error, true)));
    assert!(told.starts_with("cannot be decoded"), "{told}");
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

fn a_panic_in_an_argument_or_a_result_is_one_of_the_job() {
    let pool = pool(1);
    let message = |error: workmill::JoinError| error.panic_message().map(str::to_owned);
    let on_purpose = Some("on purpose".to_owned());
    assert_eq!(
        message(error(pool.submit(jobs::take, Poison(Trouble::Panic)))),
        on_purpose
    );
    for at_home in [false, true] {
        let handle = pool.submit(jobs::make, (Trouble::Panic, at_home));
        assert_eq!(message(error(handle)), on_purpose);
    }
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

fn a_panic_comes_back_as_text() {
    let pool = pool(1);
    for text in ["out of flour", "", "ä\n\0", &"long ".repeat(100_000)] {
        let error = error(pool.submit(jobs::boom, text.to_owned()));
        assert_eq!(error.panic_message(), Some(text));
        assert_eq!(*error.into_panic().downcast::<String>().unwrap(), text);
    }
    assert_eq!(pool.metrics().died, 0);
}

/// A worker that does not keep to the protocol. Its socket is its standard input.
pub(crate) fn rogue(how: &str) {
    let socket: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut socket = File::from(socket);
    let frame = |kind: u8, descriptors: u8, sequence: u64, body: &[u8]| {
        let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
        bytes.extend([kind, descriptors, 0, 0]);
        bytes.extend(sequence.to_le_bytes());
        bytes.extend(body);
        bytes
    };
    let ready = |version: u32| {
        let mut body = version.to_le_bytes().to_vec();
        body.extend(jobs().fingerprint().to_le_bytes());
        body.extend([0; 12]);
        frame(16, 0, 0, &body)
    };
    let (begin, damage) = how.split_once(' ').unwrap_or((how, ""));
    match begin {
        "version" => socket.write_all(&ready(99)).unwrap(),
        "ready" => {
            socket.write_all(&ready(1)).unwrap();
            // The first message, and the job.
            let mut sink = [0; 4096];
            let mut read = 0;
            while read < 40 + 32 {
                read += socket.read(&mut sink).unwrap();
            }
        }
        _ => {}
    }
    let bytes = match damage {
        "garbage" => vec![0xA5; 100],
        "kind" => frame(99, 0, 0, &[]),
        "not zero" => {
            let mut bytes = frame(17, 0, 0, &[]);
            bytes[6] = 1;
            bytes
        }
        "4 GiB" => {
            let mut bytes = frame(17, 0, 0, &[]);
            bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
            bytes
        }
        "half a header" => frame(17, 0, 0, &[])[..7].to_vec(),
        "half a body" => frame(17, 0, 0, &[1; 100])[..50].to_vec(),
        "descriptors" => frame(17, 3, 0, &[]),
        "another's answer" => frame(17, 0, 5, &[1]),
        "parent's" => frame(2, 0, 0, &[]),
        "short hello" => frame(16, 0, 0, &[1]),
        "surplus amid" => return send_with_descriptors(&socket, &frame(17, 0, 0, &[1; 100_000])),
        "surplus" => return send_with_descriptor(&socket, &frame(24, 0, 0, &[])),
        "too few" => return send_with_descriptor(&socket, &frame(17, 2, 0, &[1, 1, 1])),
        _ => return hang(&socket),
    };
    socket.write_all(&bytes).unwrap();
    match damage {
        "4 GiB" | "half a header" | "half a body" => std::process::exit(9),
        _ => hang(&socket),
    }
}

fn send_with_descriptor(socket: &File, bytes: &[u8]) {
    send_some(socket, bytes);
    hang(socket);
}

/// Sends the beginning of a frame, with a descriptor for each byte.
fn send_with_descriptors(socket: &File, bytes: &[u8]) {
    bytes[..50]
        .chunks(1)
        .for_each(|byte| send_some(socket, byte));
    hang(socket);
}

fn send_some(socket: &File, bytes: &[u8]) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [socket.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = [std::io::IoSlice::new(bytes)];
    sendmsg(socket, &bytes, &mut control, SendFlags::empty()).unwrap();
}

fn hang(mut socket: &File) {
    let mut sink = [0; 4096];
    while socket.read(&mut sink).is_ok_and(|bytes| bytes > 0) {}
    std::process::exit(0);
}

const DAMAGES: &[(&str, &str)] = &[
    ("garbage", "sent a frame of the unknown kind 165"),
    ("kind", "sent a frame of the unknown kind 99"),
    ("not zero", "sent a frame whose header is damaged"),
    ("4 GiB", "exited with status 9"),
    ("half a header", "exited with status 9"),
    ("half a body", "exited with status 9"),
    ("descriptors", "sent 0 of 3 descriptors came"),
    (
        "another's answer",
        "sent a frame that answers no job it has",
    ),
    ("parent's", "sent a frame that does not belong here (Job)"),
    ("short hello", "sent a frame that is too short"),
];

fn damaged_frames_before_it_serves_are_a_failed_start() {
    for (damage, told) in DAMAGES {
        let how = format!("begin {damage}");
        let text = failed_start(builder(1).worker_arguments(["--rogue", &*how]));
        assert!(text.contains(told), "{damage}: {text}");
    }
}

fn damaged_frames_end_the_process_and_lose_its_job() {
    for (damage, told) in DAMAGES {
        let how = format!("ready {damage}");
        let pool = builder(1)
            .worker_arguments(["--rogue", &*how])
            .build()
            .unwrap();
        let text = lost(pool.submit(jobs::square, 3));
        assert_eq!(text, *told, "{damage}");
    }
}

fn troubles_leave_no_descriptors() {
    let pool = pool(1);
    let round = || {
        for trouble in [Trouble::Error, Trouble::Panic] {
            error(pool.submit(jobs::take, Poison(trouble)));
            error(pool.submit(jobs::make, (trouble, false)));
            error(pool.submit(jobs::make, (trouble, true)));
        }
        assert_works(&pool);
    };
    round();
    let before = descriptors();
    (0..20).for_each(|_| round());
    assert_eq!(descriptors(), before);
}
