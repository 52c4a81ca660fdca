//! Pipes whose ends give up, die, or are shared: no item is half of one and half of another.

use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use rustix::process::Signal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill_process::{
    Bytes, Connection, Jobs, PipeError, PipeErrorKind, ProcessPoolExecutor, SharedValue, pipe,
};

use crate::jobs;
use crate::pipe::{bytes, echo_all, squares};
use crate::runner::tests;
use crate::support::{
    HANG, Sign, assert_works, descriptors, is_alive, kill, lost, outcome, pool, until,
};

tests! {
    a_sender_whose_time_is_over_has_sent_nothing
    a_future_that_is_dropped_has_sent_nothing
    a_receiver_whose_time_is_over_loses_nothing
    a_future_that_is_dropped_has_received_nothing
    a_peer_killed_in_the_middle_of_a_frame_is_an_error_and_no_item
    a_peer_killed_at_any_time_leaves_whole_items_alone
    processes_that_share_an_end_notice_a_mixed_item
    parts_of_two_items_are_never_one_item
    all_forms_at_random_lose_nothing_and_invent_nothing
    an_item_that_cannot_be_encoded_is_told_why_and_nothing_is_sent
    an_item_that_cannot_be_decoded_is_lost_and_the_next_is_not
    an_end_with_a_part_of_an_item_is_not_passed_on
    a_program_that_a_process_has_started_does_not_hold_an_end
    a_pipe_leaves_no_descriptor
    the_errors_of_pipes_say_what_they_are
}

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("pipe_faults::send_endless", send_endless)
        .with("pipe_faults::start_program", start_program)
        .with("pipe_faults::send_half", send_half)
}

/// Sends bytes of a size until it is killed, each in its beginning a number.
fn send_endless(end: Connection<Bytes, ()>, size: usize) {
    for number in 0_u64.. {
        let mut item = bytes(size);
        item[..8].copy_from_slice(&number.to_le_bytes());
        end.send(&item).unwrap();
    }
}

fn a_sender_whose_time_is_over_has_sent_nothing() {
    let (here, there) = pipe::<Bytes, ()>().unwrap();
    for round in 0..3 {
        let time = Duration::from_millis(5);
        assert!(
            here.send_timeout(&bytes(2 << 20), time)
                .unwrap_err()
                .is_full()
        );
        // Half of it is in the pipe, and is dropped.
        thread::scope(|scope| {
            scope.spawn(|| here.send(&bytes(10 + round)).unwrap());
            assert!(there.recv().unwrap() == bytes(10 + round));
        });
        assert!(there.try_recv().unwrap_err().is_empty());
    }
}

fn a_future_that_is_dropped_has_sent_nothing() {
    let (here, there) = pipe::<Bytes, ()>().unwrap();
    let item = bytes(2 << 20);
    let mut sends = Box::pin(here.send_async(&item));
    assert!(block_on(poll_once(&mut sends)).is_none());
    drop(sends);
    thread::scope(|scope| {
        scope.spawn(|| here.send(&bytes(10)).unwrap());
        assert!(there.recv().unwrap() == bytes(10));
    });
    drop(here);
    assert!(there.recv().unwrap_err().is_closed());
}

fn a_receiver_whose_time_is_over_loses_nothing() {
    let (here, there) = pipe::<Bytes, ()>().unwrap();
    let item = bytes(2 << 20);
    let mut sends = Box::pin(here.send_async(&item));
    assert!(block_on(poll_once(&mut sends)).is_none());
    // A part of it has come.
    assert!(there.recv_timeout(Duration::ZERO).unwrap_err().is_empty());
    assert!(there.try_recv().unwrap_err().is_empty());
    thread::scope(|scope| {
        scope.spawn(|| block_on(sends).unwrap());
        assert!(there.recv().unwrap() == item);
    });
}

fn a_future_that_is_dropped_has_received_nothing() {
    let (here, there) = pipe::<u8, ()>().unwrap();
    let mut receives = Box::pin(there.recv_async());
    assert!(block_on(poll_once(&mut receives)).is_none());
    drop(receives);
    here.send(&1).unwrap();
    assert_eq!(there.recv().unwrap(), 1);
}

/// Sends a part of an item, writes so, and waits to be killed.
fn send_half(end: Connection<Bytes, ()>, path: String) {
    end.send(&bytes(10)).unwrap();
    let item = bytes(10 << 20);
    let mut sends = Box::pin(end.send_async(&item));
    assert!(block_on(poll_once(&mut sends)).is_none());
    jobs::begin_and_hang(path);
}

fn a_peer_killed_in_the_middle_of_a_frame_is_an_error_and_no_item() {
    let pool = pool(1);
    for take_some in [false, true] {
        let (here, there) = pipe().unwrap();
        let sign = Sign::new();
        let sends = pool.submit(send_half, (there, sign.text()));
        assert!(here.recv_timeout(HANG).unwrap() == bytes(10));
        let process = sign.wait().parse().unwrap();
        if take_some {
            assert!(has_a_part(&here));
        }
        kill(process, Signal::KILL);
        lost(sends);
        let error = here.recv_timeout(HANG).unwrap_err();
        assert_eq!(error.kind(), PipeErrorKind::Incomplete);
        assert!(here.recv_timeout(HANG).unwrap_err().is_closed());
    }
}

fn a_peer_killed_at_any_time_leaves_whole_items_alone() {
    let pool = pool(1);
    let mut halves = 0;
    for round in 0..60_u64 {
        let size = if round % 2 == 0 { 100_000 } else { 1_000 };
        let (here, there) = pipe().unwrap();
        let sends = pool.submit(send_endless, (there, size));
        let mut received = 0;
        let error = loop {
            if received == round {
                assert!(sends.cancel(), "it runs until it is killed");
            }
            match here.recv_timeout(HANG) {
                Ok(item) => {
                    assert!(item[..8] == received.to_le_bytes() && item[8..] == bytes(size)[8..]);
                    received += 1;
                }
                Err(error) => break error,
            }
        };
        if error.kind() == PipeErrorKind::Incomplete {
            halves += 1;
            assert_eq!(size, 100_000, "small ones are whole");
            assert!(here.recv_timeout(HANG).unwrap_err().is_closed());
        } else {
            assert!(error.is_closed(), "{error}");
        }
    }
    println!("{halves} were killed amid an item");
    assert_works(&pool);
}

/// Returns another connection of the same end, as another process would have.
fn twin<A, B>(end: &Connection<A, B>) -> Connection<A, B> {
    cast(end)
}

/// A connection that takes its items for others at the other end of a pipe.
enum Cast<'a, A, B, C, D> {
    Sent(&'a Connection<A, B>),
    Taken(Box<Connection<C, D>>),
}

impl<A, B, C, D> Serialize for Cast<'_, A, B, C, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sent(end) => end.serialize(serializer),
            Self::Taken(end) => end.serialize(serializer),
        }
    }
}

impl<'de, A, B, C, D> Deserialize<'de> for Cast<'_, A, B, C, D> {
    fn deserialize<E: Deserializer<'de>>(deserializer: E) -> Result<Self, E::Error> {
        Box::deserialize(deserializer).map(Self::Taken)
    }
}

/// Returns another connection of the same end that takes its items for others.
fn cast<A, B, C, D>(end: &Connection<A, B>) -> Connection<C, D> {
    let (here, there) = pipe::<Cast<'_, A, B, C, D>, ()>().unwrap();
    here.send(&Cast::Sent(end)).unwrap();
    match there.recv().unwrap() {
        Cast::Taken(end) => *end,
        Cast::Sent(_) => unreachable!("it was decoded"),
    }
}

/// Returns `true` if a part of an item has come. Such an end is not passed on.
fn has_a_part<A, B: serde::de::DeserializeOwned>(end: &Connection<A, B>) -> bool {
    assert!(end.try_recv().is_err_and(|error| error.is_empty()));
    let (here, _there) = pipe::<Cast<'_, A, B, (), ()>, ()>().unwrap();
    here.send(&Cast::Sent(end)).is_err()
}

fn processes_that_share_an_end_notice_a_mixed_item() {
    let item = bytes(5 << 20);
    // Two that send.
    let (here, there) = pipe::<Bytes, ()>().unwrap();
    let other = twin(&here);
    let mut sends = Box::pin(here.send_async(&item));
    assert!(block_on(poll_once(&mut sends)).is_none());
    assert!(there.try_recv().unwrap_err().is_empty());
    other.send(&bytes(5)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| block_on(sends).unwrap());
        assert!(there.recv_timeout(HANG).unwrap() == bytes(5));
        let error = there.recv_timeout(HANG).unwrap_err();
        assert_eq!(error.kind(), PipeErrorKind::Incomplete, "{error}");
        // It is told once.
        assert!(
            there
                .recv_timeout(Duration::from_millis(50))
                .unwrap_err()
                .is_empty()
        );
    });
    other.send(&bytes(6)).unwrap();
    assert!(there.recv_timeout(HANG).unwrap() == bytes(6));
    // Two that receive.
    let other = twin(&there);
    let mut sends = Box::pin(here.send_async(&item));
    assert!(block_on(poll_once(&mut sends)).is_none());
    assert!(there.try_recv().unwrap_err().is_empty());
    let sends = std::cell::RefCell::new(sends);
    until(|| {
        assert!(block_on(poll_once(&mut *sends.borrow_mut())).is_none());
        other
            .try_recv()
            .is_err_and(|error| error.kind() == PipeErrorKind::Incomplete)
    });
    assert!(other.try_recv().unwrap_err().is_empty());
    let sends = sends.into_inner();
    thread::scope(|scope| {
        scope.spawn(|| block_on(sends).unwrap());
        let error = there.recv_timeout(HANG).unwrap_err();
        assert_eq!(error.kind(), PipeErrorKind::Incomplete, "{error}");
        assert!(
            there
                .recv_timeout(Duration::from_millis(50))
                .unwrap_err()
                .is_empty()
        );
    });
    // Small items are whole.
    for n in 0..50 {
        here.send(&bytes(n)).unwrap();
        let end = if n % 2 == 0 { &there } else { &other };
        assert!(end.recv_timeout(HANG).unwrap() == bytes(n));
    }
}

/// Sends what fits of an item, and has the other end receive that.
fn send_part<'a>(
    from: &'a Connection<Bytes, ()>,
    item: &Bytes,
    to: &Connection<(), Bytes>,
) -> std::pin::Pin<Box<dyn Future<Output = Result<(), PipeError>> + Send + 'a>> {
    let mut sends: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(from.send_async(item));
    assert!(block_on(poll_once(&mut sends)).is_none());
    assert!(to.try_recv().unwrap_err().is_empty());
    sends
}

fn parts_of_two_items_are_never_one_item() {
    let items = [1, 2].map(|byte| Bytes::from(vec![byte; 2 << 20]));
    let (here, there) = pipe::<Bytes, ()>().unwrap();
    // Two that send: as much of the one as of the other, and then the rest of the first.
    let other = twin(&here);
    let first = send_part(&here, &items[0], &there);
    let second = send_part(&other, &items[1], &there);
    thread::scope(|scope| {
        let first = scope.spawn(|| block_on(first).unwrap());
        let error = there.recv_timeout(HANG).unwrap_err();
        assert_eq!(error.kind(), PipeErrorKind::Incomplete, "{error}");
        // The other is not lost.
        scope.spawn(|| block_on(second).unwrap());
        assert!(there.recv_timeout(HANG).unwrap() == items[1]);
        until(|| there.try_recv().unwrap_err().is_empty() && first.is_finished());
    });
    // Two that receive: the beginning of the one, and the rest of the other.
    let other = twin(&there);
    drop(send_part(&here, &items[0], &there));
    let second = send_part(&here, &items[1], &other);
    thread::scope(|scope| {
        scope.spawn(|| {
            block_on(second).unwrap();
            here.send(&bytes(3)).unwrap();
        });
        let error = there.recv_timeout(HANG).unwrap_err();
        assert_eq!(error.kind(), PipeErrorKind::Incomplete, "{error}");
        assert!(there.recv_timeout(HANG).unwrap() == bytes(3));
    });
}

/// Numbers that look random, the same ones in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

type Numbered = (u64, Bytes);

/// Sends items in a form at random. Returns the numbers of those that were sent.
fn send_at_random(end: &Connection<Numbered, ()>, thread: u64) -> Vec<u64> {
    let mut random = Random(thread);
    let mut sent = Vec::new();
    for number in (thread << 32..).take(150) {
        let size = [3, 1000, 40_000, 500_000][random.below(4) as usize];
        let item = (number, Bytes::from(vec![number as u8; size]));
        let done = match random.below(4) {
            0 => end.send(&item),
            1 => end.try_send(&item),
            2 => end.send_timeout(&item, Duration::from_micros(random.below(2000))),
            _ => {
                let mut sends = Box::pin(end.send_async(&item));
                let mut polls = (0..random.below(4)).map(|_| block_on(poll_once(&mut sends)));
                match polls.find_map(|done| done) {
                    Some(done) => done,
                    None => continue,
                }
            }
        };
        match done {
            Ok(()) => sent.push(number),
            Err(error) => assert!(error.is_full(), "{error}"),
        }
    }
    sent
}

/// Receives items in a form at random until the other end has gone. Returns their numbers.
fn receive_at_random(end: &Connection<(), Numbered>, thread: u64) -> Vec<u64> {
    let mut random = Random(thread);
    let mut received = Vec::new();
    loop {
        let item = match random.below(4) {
            0 => end.recv(),
            1 => end.try_recv(),
            2 => end.recv_timeout(Duration::from_micros(random.below(2000))),
            _ => match block_on(poll_once(Box::pin(end.recv_async()))) {
                Some(item) => item,
                None => continue,
            },
        };
        match item {
            Ok((number, bytes)) => {
                let bytes = bytes.into_vec();
                assert!(bytes.iter().all(|byte| *byte == number as u8));
                received.push(number);
            }
            Err(error) if error.is_empty() => {}
            // The last item may be one that was given up.
            Err(error) if error.kind() == PipeErrorKind::Incomplete => {
                assert!(end.recv().unwrap_err().is_closed());
            }
            Err(error) => {
                assert!(error.is_closed(), "{error}");
                return received;
            }
        }
    }
}

fn all_forms_at_random_lose_nothing_and_invent_nothing() {
    let (here, there) = pipe::<Numbered, ()>().unwrap();
    let here = std::sync::Arc::new(here);
    let (mut sent, mut received) = thread::scope(|scope| {
        let sends = [1, 2, 3].map(|thread| {
            let here = std::sync::Arc::clone(&here);
            scope.spawn(move || send_at_random(&here, thread))
        });
        let receives = [4, 5].map(|thread| {
            let there = &there;
            scope.spawn(move || receive_at_random(there, thread))
        });
        let sent = sends.map(|it| it.join().unwrap()).concat();
        drop(here);
        (sent, receives.map(|it| it.join().unwrap()).concat())
    });
    sent.sort_unstable();
    received.sort_unstable();
    assert!(!sent.is_empty());
    assert_eq!(sent, received);
}

fn an_item_that_cannot_be_encoded_is_told_why_and_nothing_is_sent() {
    let (here, there) = pipe::<Vec<SharedValue<u8>>, ()>().unwrap();
    let value = SharedValue::new(1_u8).unwrap();
    let error = here.send(&vec![value.clone(); 254]).unwrap_err();
    assert_eq!(error.kind(), PipeErrorKind::Encode);
    assert!(
        error.to_string().contains("253 descriptors at most"),
        "{error}"
    );
    assert!(there.try_recv().unwrap_err().is_empty());
    here.send(&vec![value; 253]).unwrap();
    assert_eq!(there.recv().unwrap().len(), 253);
}

fn an_item_that_cannot_be_decoded_is_lost_and_the_next_is_not() {
    let (here, there) = pipe::<(Connection<u8, u8>, bool), ()>().unwrap();
    let there: Connection<(), (SharedValue<u8>, bool)> = cast(&there);
    let (first, second) = pipe::<u8, u8>().unwrap();
    here.send(&(first, true)).unwrap();
    let error = there.recv().unwrap_err();
    assert_eq!(error.kind(), PipeErrorKind::Decode);
    assert!(
        error.to_string().contains("that of a connection"),
        "{error}"
    );
    // Its descriptor is closed.
    assert!(second.recv_timeout(HANG).unwrap_err().is_closed());
    let other: Connection<(SharedValue<u8>, bool), ()> = cast(&here);
    other.send(&(SharedValue::new(1).unwrap(), true)).unwrap();
    assert!(there.recv().unwrap().1);
    other.send(&(SharedValue::new(1).unwrap(), false)).unwrap();
    let trailing: Connection<(), SharedValue<u8>> = cast(&there);
    let error = trailing.recv().unwrap_err();
    assert!(
        error.to_string().contains("1 bytes are left over"),
        "{error}"
    );
}

fn an_end_with_a_part_of_an_item_is_not_passed_on() {
    let pool = pool(1);
    let (here, there) = pipe().unwrap();
    let item = bytes(2 << 20);
    let mut sends = Box::pin(here.send_async(&item));
    assert!(block_on(poll_once(&mut sends)).is_none());
    assert!(there.try_recv().unwrap_err().is_empty());
    let handle = pool.submit(echo_all, there);
    let error = crate::support::error(handle);
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        text.contains("a connection that has received a part of an item"),
        "{text}"
    );
    assert!(block_on(sends).unwrap_err().is_closed());
}

/// Starts a program that outlives the job, and returns its number.
fn start_program(_end: Connection<u8, u8>) -> u32 {
    let program = std::process::Command::new("sleep").arg("1000").spawn();
    program.unwrap().id()
}

fn a_program_that_a_process_has_started_does_not_hold_an_end() {
    let pool = pool(1);
    let (here, there) = pipe().unwrap();
    let program = outcome(pool.submit(start_program, there)).unwrap();
    assert!(here.recv_timeout(HANG).unwrap_err().is_closed());
    assert!(is_alive(program));
    drop::<Connection<u8, u8>>(here);
    kill(program, Signal::KILL);
}

fn a_pipe_leaves_no_descriptor() {
    let pool = pool(1);
    let round = |pool: &ProcessPoolExecutor| {
        let (here, there) = pipe().unwrap();
        let answers = pool.submit(squares, there);
        block_on(here.send_async(&4)).unwrap();
        assert_eq!(block_on(here.recv_async()).unwrap(), 16);
        drop(here);
        outcome(answers).unwrap();
    };
    round(&pool);
    let before = descriptors();
    (0..100).for_each(|_| round(&pool));
    until(|| descriptors() == before);
}

fn the_errors_of_pipes_say_what_they_are() {
    let (here, there) = pipe::<u8, u8>().unwrap();
    let error = there.try_recv().unwrap_err();
    assert_eq!(error.to_string(), "no item has come");
    assert_eq!(
        std::io::Error::from(error).kind(),
        std::io::ErrorKind::WouldBlock
    );
    drop(here);
    let error = there.recv().unwrap_err();
    assert_eq!(error.to_string(), "the other end of the pipe has gone");
    assert_eq!(
        std::io::Error::from(error).kind(),
        std::io::ErrorKind::BrokenPipe
    );
}
