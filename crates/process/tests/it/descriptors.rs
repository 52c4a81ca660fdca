//! Descriptors in arguments and results: each arrives, in order, or is an error; and none is left
//! behind.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill_process::workmill::{Every, JoinError, JoinHandle, ThreadPoolExecutor};
use workmill_process::{Builder, Connection, Descriptor, Jobs, SharedMemory, pipe};

use crate::jobs::{self, jobs};
use crate::runner::tests;
use crate::support::{
    HANG, Sign, assert_works, builder, descriptors, error, lost, outcome, pool, until,
};

tests! {
    descriptors_arrive_in_order_and_come_back
    the_descriptors_of_jobs_in_a_row_are_not_mixed_up
    large_arguments_and_results_bring_descriptors
    objects_of_std_are_passed
    as_many_as_the_system_takes_are_passed
    a_thousand_jobs_leave_no_descriptor
    descriptors_that_nobody_takes_are_closed
    a_job_that_begins_again_has_its_descriptors
    our_copies_are_closed_when_the_job_has_begun
    no_descriptor_lies_in_the_socket_of_a_busy_process
    a_cancelled_job_gives_its_descriptors_back
    the_descriptors_of_a_lost_job_are_closed
    jobs_in_a_pool_in_a_worker_have_descriptors
    jobs_that_are_due_later_have_descriptors
    descriptors_pass_the_pools_of_threads_as_they_are
}

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("numbers", numbers)
        .with("hand_back", hand_back)
        .with("hand_back_some", hand_back_some)
        .with("hand_back_large", hand_back_large)
        .with("accept", accept)
        .with("open", open)
        .with("leave", leave)
        .with("write_at_second", write_at_second)
        .with("close_and_hang", close_and_hang)
        .with("nest_descriptor", nest_descriptor)
        .with("append_to", append_to)
        .with("receive_all", receive_all)
        .with("send_when_told", send_when_told)
        .with("wait_for_file", wait_for_file)
}

pub(crate) type Files = Vec<Descriptor<File>>;

pub(crate) fn number(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

/// Returns the numbers of files.
pub(crate) fn numbers(files: Files) -> Vec<u64> {
    files.iter().map(|file| number(file)).collect()
}

pub(crate) fn hand_back(mut files: Files) -> Files {
    files.reverse();
    files
}

/// Returns that many of a file, each opened anew.
pub(crate) fn hand_back_some(many: usize) -> Files {
    (0..many).map(|_| Descriptor::new(null())).collect()
}

fn hand_back_large(bytes: Vec<u8>, file: Descriptor<File>) -> (Descriptor<File>, Vec<u8>) {
    (file, bytes)
}

pub(crate) fn null() -> File {
    File::open("/dev/null").unwrap()
}

/// Returns a file without a name.
pub(crate) fn file() -> File {
    let path = crate::support::path();
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).open(&path);
    fs::remove_file(path).unwrap();
    file.unwrap()
}

pub(crate) fn files(many: usize) -> Files {
    (0..many).map(|_| Descriptor::new(file())).collect()
}

pub(crate) fn nulls(many: usize) -> Files {
    (0..many).map(|_| Descriptor::new(null())).collect()
}

/// Returns the text of the reason for which a job was refused.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(handle: JoinHandle<T>) -> String {
    let error: JoinError = error(handle);
    assert!(error.is_cancelled(), "{error}");
    std::error::Error::source(&error).unwrap().to_string()
}

fn descriptors_arrive_in_order_and_come_back() {
    let pool = pool(1);
    let sent = files(20);
    let mut there: Vec<_> = sent.iter().map(|file| number(file)).collect();
    let copies = || {
        sent.iter()
            .map(|file| Descriptor::new(file.try_clone().unwrap()))
    };
    let came = outcome(pool.submit(numbers, copies().collect())).unwrap();
    assert_eq!(came, there);
    let back = outcome(pool.submit(hand_back, copies().collect())).unwrap();
    there.reverse();
    let back: Vec<_> = back.iter().map(|file| number(file)).collect();
    assert_eq!(back, there);
}

fn the_descriptors_of_jobs_in_a_row_are_not_mixed_up() {
    let pool = pool(2);
    let handles: Vec<_> = (0..300)
        .map(|round| {
            let sent = files(round % 4);
            let expected: Vec<_> = sent.iter().map(|file| number(file)).collect();
            // The files are kept, so that their numbers are not given again.
            let kept: Files = sent
                .iter()
                .map(|it| it.try_clone().unwrap().into())
                .collect();
            let plain = pool.submit(jobs::square, round as u64);
            (pool.submit(hand_back, sent), expected, kept, plain)
        })
        .collect();
    for (round, (handle, mut expected, _kept, plain)) in (0..).zip(handles) {
        expected.reverse();
        let came = outcome(handle).unwrap();
        let came: Vec<_> = came.iter().map(|file| number(file)).collect();
        assert_eq!(came, expected);
        assert_eq!(outcome(plain).unwrap(), round * round);
    }
}

fn large_arguments_and_results_bring_descriptors() {
    let pool = pool(1);
    for size in [0, 1, (64 << 10) - 60, 64 << 10, 3 << 20] {
        let file = file();
        let expected = number(&file);
        let handle = pool.submit(hand_back_large, (vec![7; size], Descriptor::new(file)));
        let (file, bytes) = outcome(handle).unwrap();
        assert_eq!((number(&file), bytes.len()), (expected, size));
    }
}

/// Accepts a connection, and returns it.
fn accept(listener: Descriptor<TcpListener>) -> Descriptor<TcpStream> {
    listener.accept().unwrap().0.into()
}

fn objects_of_std_are_passed() {
    let pool = pool(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = pool.submit(accept, listener.into());
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"over the counter").unwrap();
    drop(client);
    let mut text = String::new();
    let mut server = outcome(accepted).unwrap().into_inner();
    server.read_to_string(&mut text).unwrap();
    assert_eq!(text, "over the counter");
}

fn as_many_as_the_system_takes_are_passed() {
    let pool = pool(1);
    for many in [64, 65, 253] {
        assert_eq!(
            outcome(pool.submit(hand_back, nulls(many))).unwrap().len(),
            many
        );
    }
    let before = descriptors();
    assert_eq!(
        outcome(pool.submit(hand_back_some, 253)).unwrap().len(),
        253
    );
    assert_eq!(descriptors(), before);
}

/// Returns the number of descriptors of the process that runs it.
pub(crate) fn open() -> usize {
    descriptors().0
}

fn a_thousand_jobs_leave_no_descriptor() {
    let pool = pool(1);
    let round = || {
        let memory = SharedMemory::new(10).unwrap();
        let (_here, there) = pipe::<u8, u8>().unwrap();
        let handle = pool.submit(leave, (Descriptor::new(null()), memory, there));
        outcome(handle).unwrap();
    };
    round();
    let before = (descriptors(), outcome(pool.submit(open, ())).unwrap());
    (0..1000).for_each(|_| round());
    until(|| (descriptors(), outcome(pool.submit(open, ())).unwrap()) == before);
}

/// An argument whose descriptors are not taken.
#[derive(Debug)]
struct Left(Files);

impl Serialize for Left {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Left {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Their indices.
        Vec::<u8>::deserialize(deserializer).map(|_| Self(Vec::new()))
    }
}

type Objects = (Descriptor<File>, SharedMemory, Connection<u8, u8>);

fn leave(_file: Descriptor<File>, memory: SharedMemory, _connection: Connection<u8, u8>) -> Left {
    assert_eq!(memory.len(), 10);
    Left(nulls(3))
}

fn descriptors_that_nobody_takes_are_closed() {
    let pool = pool(1);
    assert_works(&pool);
    let at_first = outcome(pool.submit(open, ())).unwrap();
    let before = descriptors();
    for _ in 0..20 {
        // Results: the handle is dropped, or joined and not taken apart.
        drop(pool.submit(hand_back_some, 5));
        let memory = SharedMemory::new(10).unwrap();
        let (_here, there) = pipe::<u8, u8>().unwrap();
        let objects: Objects = (null().into(), memory, there);
        outcome(pool.submit(leave, objects)).unwrap();
    }
    pool.wait_idle().unwrap();
    until(|| descriptors() == before);
    assert_eq!(outcome(pool.submit(open, ())).unwrap(), at_first);
}

/// Writes to a file in its second attempt, and dies in the first.
fn write_at_second(mut file: Descriptor<File>) -> u32 {
    let attempt = jobs::die_at_first(1);
    file.write_all(b"twice").unwrap();
    attempt
}

fn a_job_that_begins_again_has_its_descriptors() {
    let pool = builder(1).retries(1).build().unwrap();
    let mut file = file();
    let copy = file.try_clone().unwrap();
    assert_eq!(
        outcome(pool.submit(write_at_second, copy.into())).unwrap(),
        2
    );
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "twice");
}

fn close_and_hang(end: Connection<u8, ()>) {
    end.send(&7).unwrap();
    drop(end);
    jobs::hang();
}

fn our_copies_are_closed_when_the_job_has_begun() {
    let pool = pool(1);
    let (here, there) = pipe().unwrap();
    let hangs = pool.submit(close_and_hang, there);
    assert_eq!(here.recv_timeout(HANG).unwrap(), 7);
    assert!(here.recv_timeout(HANG).unwrap_err().is_closed());
    assert!(hangs.cancel());
}

/// Receives until the other end has gone.
fn receive_all(end: Connection<(), u8>) -> Vec<u8> {
    end.iter().map(Result::unwrap).collect()
}

fn send_when_told(items: Connection<u8, ()>, told: Connection<(), ()>) {
    told.recv().unwrap();
    (1..=3).for_each(|item| items.send(&item).unwrap());
}

fn wait_for_file(path: String) {
    until(|| fs::exists(&path).unwrap());
}

/// One process waits for the end of a pipe, whose other end goes to a job that is submitted while
/// all processes are busy. If that end lay in the socket of the first, it would wait forever.
fn no_descriptor_lies_in_the_socket_of_a_busy_process() {
    let pool = pool(2);
    let (sender, receiver) = pipe().unwrap();
    let received = pool.submit(receive_all, receiver);
    let sign = Sign::new();
    let waits = pool.submit(wait_for_file, sign.text());
    // Both are busy, also with jobs that were sent ahead.
    until(|| pool.metrics().sent_jobs == 2 && pool.metrics().idle_processes == 0);
    let (go, wait) = pipe().unwrap();
    let sends = pool.submit(send_when_told, (sender, wait));
    let ahead: Vec<_> = (0..4).map(|n| pool.submit(jobs::square, n)).collect();
    go.send(&()).unwrap();
    fs::write(&sign.0, "").unwrap();
    outcome(waits).unwrap();
    outcome(sends).unwrap();
    assert_eq!(outcome(received).unwrap(), [1, 2, 3]);
    (0..)
        .zip(ahead)
        .for_each(|(n, it)| assert_eq!(outcome(it).unwrap(), n * n));
}

fn a_cancelled_job_gives_its_descriptors_back() {
    let pool = pool(1);
    assert_works(&pool);
    let before = descriptors();
    for _ in 0..10 {
        let sign = Sign::new();
        let runs = pool.submit(jobs::begin_and_hang, sign.text());
        let waits = pool.submit(numbers, nulls(5));
        sign.wait();
        assert!(waits.cancel());
        assert!(runs.cancel());
        error(runs);
        error(waits);
    }
    assert_works(&pool);
    until(|| descriptors() == before);
}

fn the_descriptors_of_a_lost_job_are_closed() {
    let pool = builder(1).retries(2).build().unwrap();
    assert_works(&pool);
    let before = descriptors();
    let (here, there) = pipe().unwrap();
    let dies = pool.submit(jobs::die_with, there);
    lost(dies);
    assert!(here.recv_timeout(HANG).unwrap_err().is_closed());
    drop::<Connection<(), u8>>(here);
    assert_works(&pool);
    until(|| descriptors() == before);
}

/// Passes a descriptor on to a pool of its own.
fn nest_descriptor(file: Descriptor<File>) -> (u64, Descriptor<File>) {
    let pool = Builder::new(jobs()).processes(1).build().unwrap();
    let mut back = pool.submit(hand_back, vec![file]).join().unwrap();
    let file = back.pop().unwrap();
    (number(&file), file)
}

fn jobs_in_a_pool_in_a_worker_have_descriptors() {
    let pool = pool(1);
    let file = file();
    let there = number(&file);
    let (came, back) = outcome(pool.submit(nest_descriptor, file.into())).unwrap();
    assert_eq!((came, number(&back)), (there, there));
}

fn append_to(mut file: Descriptor<File>) {
    file.write_all(b".").unwrap();
}

fn jobs_that_are_due_later_have_descriptors() {
    let pool = pool(1);
    assert_works(&pool);
    let mut file = file();
    let copy = || Descriptor::new(file.try_clone().unwrap());
    let before = descriptors();
    let every = Every::rate(std::time::Duration::from_millis(1));
    let series = pool.submit_every(every, append_to, copy());
    until(|| file.metadata().unwrap().len() >= 3);
    series.cancel();
    let _ = outcome(series);
    let later = std::time::Duration::from_millis(1);
    outcome(pool.submit_after(later, append_to, copy())).unwrap();
    pool.wait_idle().unwrap();
    until(|| descriptors() == before);
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(
        text.len() >= 4 && text.bytes().all(|it| it == b'.'),
        "{text}"
    );
}

/// On threads nothing is encoded.
fn descriptors_pass_the_pools_of_threads_as_they_are() {
    use workmill_process::JobExecutor;

    let pool = ThreadPoolExecutor::new(1).unwrap();
    let file = file();
    let there = number(&file);
    let came = pool.submit_job(numbers, vec![file.into()]).join().unwrap();
    assert_eq!(came, [there]);
}
