//! Shared memory: what is shared, who may write when, and that nothing outlives its users.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use rustix::process::Signal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill_process::workmill::JoinHandle;
use workmill_process::{
    Jobs, LockError, SharedArray, SharedMemory, SharedSlice, SharedValue, pipe,
};

use crate::jobs;
use crate::runner::tests;
use crate::shared_arrays::count_in_array;
use crate::support::{Sign, assert_works, builder, descriptors, error, kill, outcome, pool, until};

tests! {
    bytes_are_copied_in_and_out
    what_is_beyond_the_end_is_an_error
    memory_of_no_bytes_works
    memory_that_is_too_large_is_an_error
    memory_beyond_the_limit_of_files_is_an_error
    two_processes_count_to_two_hundred_thousand_by_a_value
    every_type_of_value_is_shared
    a_slice_of_an_array_that_is_not_frozen_is_an_error
    elements_of_the_wrong_size_are_an_error
    a_value_of_the_wrong_type_is_an_error
    bytes_in_place_of_an_array_are_an_error
    shrinking_and_growing_are_refused
    a_map_is_kept_after_the_end_of_the_pool
    a_map_outlives_the_process_that_created_it
    kills_of_all_users_free_the_memory
    is_user
    a_thousand_objects_leave_nothing
    few_open_files_are_told
}

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("shared::fill", fill)
        .with("shared::count", count)
        .with("shared::set_all", set_all)
        .with("shared::take_other_elements", take_other_elements)
        .with("shared::take_other_value", take_other_value)
        .with("shared::take_bytes_for_array", take_bytes_for_array)
        .with("shared::make_array", make_array)
        .with("shared::touch_all", touch_all)
        .with("shared::use_and_hang", use_and_hang)
}

fn fill(memory: SharedMemory, offset: usize, byte: u8) {
    memory.write_at(&[byte; 100], offset).unwrap();
}

fn bytes_are_copied_in_and_out() {
    let pool = pool(2);
    let memory = SharedMemory::new(1000).unwrap();
    assert_eq!(memory.len(), 1000);
    let handles: Vec<_> = (0..10_u8)
        .map(|n| pool.submit(fill, (memory.clone(), usize::from(n) * 100, n + 1)))
        .collect();
    handles.into_iter().for_each(|it| outcome(it).unwrap());
    let mut all = [0; 1000];
    memory.read_at(&mut all, 0).unwrap();
    for (n, part) in (1..).zip(all.chunks(100)) {
        assert_eq!(part, [n; 100]);
    }
    let mut some = [0; 3];
    memory.read_at(&mut some, 99).unwrap();
    assert_eq!(some, [1, 2, 2]);
}

fn what_is_beyond_the_end_is_an_error() {
    let memory = SharedMemory::new(10).unwrap();
    memory.write_at(&[1; 10], 0).unwrap();
    for (length, offset) in [(1, 10), (11, 0), (2, 9), (1, usize::MAX), (0, 11)] {
        let error = memory.write_at(&vec![9; length], offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{length} {offset}");
        let mut room = vec![7; length];
        let error = memory.read_at(&mut room, offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{length} {offset}");
        assert_eq!(room, vec![7; length]);
    }
    let mut all = [0; 10];
    memory.read_at(&mut all, 0).unwrap();
    assert_eq!(all, [1; 10]);
    memory.read_at(&mut [], 10).unwrap();
}

fn memory_of_no_bytes_works() {
    let memory = SharedMemory::new(0).unwrap();
    assert!(memory.is_empty());
    memory.write_at(&[], 0).unwrap();
    assert!(memory.write_at(&[1], 0).is_err());
}

fn memory_that_is_too_large_is_an_error() {
    for bytes in [usize::MAX, isize::MAX as usize] {
        let error = SharedMemory::new(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert!(SharedArray::<u64>::zeroed(usize::MAX / 2).is_err());
    // If that were tried, this process should be the one that the system ends for it.
    fs::write("/proc/self/oom_score_adj", "1000").unwrap();
    let error = SharedArray::<u64>::zeroed(1 << 50).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
}

fn memory_beyond_the_limit_of_files_is_an_error() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let ours = getrlimit(Resource::Fsize);
    let limit = Rlimit {
        current: Some(1000),
        ..ours
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    let errors = [
        SharedMemory::new(1000).unwrap_err(),
        SharedArray::<u8>::zeroed(1000).unwrap_err(),
        SharedArray::new(&[0_u8; 1000]).unwrap_err(),
    ];
    assert!(errors.iter().all(|it| it.kind() == ErrorKind::FileTooLarge));
    SharedMemory::new(900).unwrap().write_at(&[1], 899).unwrap();
}

fn count(value: SharedValue<u64>, times: u64) {
    (0..times).for_each(|_| {
        value.fetch_add(1, Relaxed);
    });
}

fn two_processes_count_to_two_hundred_thousand_by_a_value() {
    let pool = pool(2);
    let value = SharedValue::new(0_u64).unwrap();
    let handles = [(); 2].map(|()| pool.submit(count, (value.clone(), 100_000)));
    handles.into_iter().for_each(|it| outcome(it).unwrap());
    assert_eq!(value.load(Relaxed), 200_000);
}

type All = (
    (SharedValue<bool>, SharedValue<i8>, SharedValue<i16>),
    (SharedValue<i32>, SharedValue<i64>, SharedValue<isize>),
    (SharedValue<u8>, SharedValue<u16>, SharedValue<u32>),
    (SharedValue<u64>, SharedValue<usize>),
);

fn set_all(((a, b, c), (d, e, f), (g, h, i), (j, k)): All) {
    assert!(!a.swap(true, SeqCst));
    assert_eq!(b.swap(i8::MIN, SeqCst), -1);
    assert_eq!(c.swap(i16::MIN, SeqCst), -2);
    assert_eq!(d.swap(i32::MIN, SeqCst), -3);
    assert_eq!(e.swap(i64::MIN, SeqCst), -4);
    assert_eq!(f.swap(isize::MIN, SeqCst), -5);
    assert_eq!(g.swap(u8::MAX, SeqCst), 6);
    assert_eq!(h.swap(u16::MAX, SeqCst), 7);
    assert_eq!(i.swap(u32::MAX, SeqCst), 8);
    assert_eq!(j.swap(u64::MAX, SeqCst), 9);
    assert_eq!(k.swap(usize::MAX, SeqCst), 10);
}

fn every_type_of_value_is_shared() {
    let pool = pool(1);
    let a = SharedValue::new(false).unwrap();
    let b = SharedValue::new(-1_i8).unwrap();
    let c = SharedValue::new(-2_i16).unwrap();
    let d = SharedValue::new(-3_i32).unwrap();
    let e = SharedValue::new(-4_i64).unwrap();
    let f = SharedValue::new(-5_isize).unwrap();
    let g = SharedValue::new(6_u8).unwrap();
    let h = SharedValue::new(7_u16).unwrap();
    let i = SharedValue::new(8_u32).unwrap();
    let j = SharedValue::new(9_u64).unwrap();
    let k = SharedValue::new(10_usize).unwrap();
    let all = (
        (a.clone(), b.clone(), c.clone()),
        (d.clone(), e.clone(), f.clone()),
        (g.clone(), h.clone(), i.clone()),
        (j.clone(), k.clone()),
    );
    outcome(pool.submit(set_all, all)).unwrap();
    assert!(a.load(SeqCst));
    assert_eq!((b.load(SeqCst), c.load(SeqCst)), (i8::MIN, i16::MIN));
    assert_eq!((d.load(SeqCst), e.load(SeqCst)), (i32::MIN, i64::MIN));
    assert_eq!((f.load(SeqCst), g.load(SeqCst)), (isize::MIN, u8::MAX));
    assert_eq!((h.load(SeqCst), i.load(SeqCst)), (u16::MAX, u32::MAX));
    assert_eq!((j.load(SeqCst), k.load(SeqCst)), (u64::MAX, usize::MAX));
    assert_eq!(format!("{b:?}"), "SharedValue(-128)");
}

/// Is one thing at one end, and another at the other.
#[derive(Debug)]
enum Other<A, B> {
    Sent(A),
    Taken(B),
}

impl<A: Serialize, B> Serialize for Other<A, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sent(sent) => sent.serialize(serializer),
            Self::Taken(_) => Err(serde::ser::Error::custom("not sent again")),
        }
    }
}

impl<'de, A, B: Deserialize<'de>> Deserialize<'de> for Other<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        B::deserialize(deserializer).map(Self::Taken)
    }
}

/// Returns why the arguments could not be decoded.
#[track_caller]
fn undecoded<T: std::fmt::Debug>(handle: JoinHandle<T>) -> String {
    let error = error(handle);
    let text = std::error::Error::source(&error).unwrap().to_string();
    let (_, text) = text
        .split_once("cannot be decoded: ")
        .unwrap_or_else(|| panic!("{text}"));
    text.to_owned()
}

fn a_slice_of_an_array_that_is_not_frozen_is_an_error() {
    let (here, there) = pipe::<Other<SharedArray<u32>, SharedSlice<u32>>, ()>().unwrap();
    let array = SharedArray::new(&[1, 2]).unwrap();
    here.send(&Other::Sent(array.clone())).unwrap();
    let error = there.recv().unwrap_err().to_string();
    assert!(
        error.ends_with("a shared array that is not frozen"),
        "{error}"
    );
    array.freeze().unwrap();
    here.send(&Other::Sent(array)).unwrap();
    assert!(matches!(there.recv(), Ok(Other::Taken(slice)) if *slice == [1, 2]));
}

fn take_other_elements(other: Other<SharedArray<u32>, SharedArray<u64>>) -> usize {
    matches!(other, Other::Taken(_)).into()
}

fn elements_of_the_wrong_size_are_an_error() {
    let pool = pool(1);
    let array = SharedArray::new(&[1, 2]).unwrap();
    let text = undecoded(pool.submit(take_other_elements, Other::Sent(array)));
    assert!(
        text.contains("elements have 4 bytes") && text.ends_with("array of u64"),
        "{text}"
    );
    assert_works(&pool);
}

fn take_other_value(other: Other<SharedValue<u8>, SharedValue<bool>>) -> bool {
    matches!(other, Other::Taken(value) if value.load(SeqCst))
}

/// Not all bits of a byte are a `bool`.
fn a_value_of_the_wrong_type_is_an_error() {
    let pool = pool(1);
    let value = SharedValue::new(7).unwrap();
    let text = undecoded(pool.submit(take_other_value, Other::Sent(value)));
    assert_eq!(text, "shared memory of another type than this value");
}

fn take_bytes_for_array(other: Other<SharedMemory, SharedArray<u8>>) -> bool {
    matches!(other, Other::Taken(_))
}

fn bytes_in_place_of_an_array_are_an_error() {
    let pool = pool(1);
    let memory = SharedMemory::new(8).unwrap();
    let text = undecoded(pool.submit(take_bytes_for_array, Other::Sent(memory)));
    assert!(text.contains("or that is no array"), "{text}");
    let (here, there) = pipe::<Other<SharedArray<u8>, SharedMemory>, ()>().unwrap();
    here.send(&Other::Sent(SharedArray::new(&[1]).unwrap()))
        .unwrap();
    let error = there.recv().unwrap_err().to_string();
    assert!(
        error.ends_with("a value or an array in place of shared bytes"),
        "{error}"
    );
}

/// Opens a segment of this process by the back door.
fn segments() -> Vec<File> {
    let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let is_segment = |path: &std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|it| it.to_string_lossy().contains("memfd:workmill-shared"))
    };
    let paths = all.map(|it| it.path()).filter(is_segment);
    let mut options = File::options();
    options.read(true).write(true);
    paths.map(|path| options.open(path).unwrap()).collect()
}

fn shrinking_and_growing_are_refused() {
    let array = SharedArray::new(&[7_u8; 5000]).unwrap();
    let memory = SharedMemory::new(5000).unwrap();
    let files = segments();
    assert_eq!(files.len(), 2);
    for file in files {
        let length = file.metadata().unwrap().len();
        for changed in [0, length - 1, length + 1] {
            let error = file.set_len(changed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        }
    }
    assert_eq!(array.lock().unwrap()[4999], 7);
    memory.read_at(&mut [0], 4999).unwrap();
}

/// Creates an array in a worker.
fn make_array(length: usize) -> SharedArray<u32> {
    let array = SharedArray::zeroed(length).unwrap();
    array.lock().unwrap().fill(9);
    array
}

fn a_map_is_kept_after_the_end_of_the_pool() {
    let pool = pool(1);
    let array = SharedArray::new(&[0, 0]).unwrap();
    let value = SharedValue::new(0_u64).unwrap();
    outcome(pool.submit(count_in_array, (array.clone(), 3))).unwrap();
    outcome(pool.submit(count, (value.clone(), 3))).unwrap();
    pool.shutdown();
    drop(pool);
    array.lock().unwrap()[1] += 1;
    assert_eq!(*array.lock().unwrap(), [3, 3]);
    assert_eq!(value.load(SeqCst), 3);
}

fn a_map_outlives_the_process_that_created_it() {
    let pool = pool(1);
    let array = outcome(pool.submit(make_array, 10_000)).unwrap();
    pool.shutdown();
    assert!(array.lock().unwrap().iter().all(|it| *it == 9));
    assert_eq!(array.len(), 10_000);
}

/// The entry of the environment that names the file in which a user lists what it uses.
const FILE: &str = "WORKMILL_PROCESS_USER";

fn touch_all(array: SharedArray<u8>) {
    array.lock().unwrap().fill(1);
}

fn use_and_hang(array: SharedArray<u8>, sign: String) {
    let _guard = array.lock().unwrap();
    jobs::begin_and_hang(sign);
}

/// What the kernel has of shared memory, in kilobytes.
fn shared_kilobytes() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap();
    let line = info
        .lines()
        .find(|line| line.starts_with("Shmem:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A parent and its worker use 200 MB, and hang. Nothing, if this is a test.
fn is_user() {
    if let Ok(file) = std::env::var(FILE) {
        let pool = builder(1).build().unwrap();
        let array = SharedArray::zeroed(200 << 20).unwrap();
        outcome(pool.submit(touch_all, array.clone())).unwrap();
        // The worker says that both have it.
        pool.execute(use_and_hang, (array.clone(), file));
        let _ours = array;
        jobs::hang();
    }
}

/// A process that is killed with this, if a test fails before it has killed it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kills_of_all_users_free_the_memory() {
    let file = Sign::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(crate::runner::ALONE, "shared::is_user")
        .env(FILE, file.text())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut user = Killed(command.spawn().unwrap());
    let worker: u32 = file.wait().parse().unwrap();
    let segment = |process: u32| {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        maps.lines()
            .any(|line| line.contains("memfd:workmill-shared"))
    };
    assert!(segment(user.0.id()) && segment(worker));
    let used = shared_kilobytes();
    kill(worker, Signal::STOP);
    kill(user.0.id(), Signal::KILL);
    kill(worker, Signal::KILL);
    user.0.wait().unwrap();
    // Others use shared memory as well, but not that much.
    until(|| used.saturating_sub(shared_kilobytes()) > 150 << 10);
    until(|| !segment(worker));
}

fn a_thousand_objects_leave_nothing() {
    let pool = pool(1);
    let round = |n: u64| {
        let value = SharedValue::new(n).unwrap();
        outcome(pool.submit(count, (value.clone(), 1))).unwrap();
        assert_eq!(value.load(SeqCst), n + 1);
        let array = SharedArray::new(&[0, 0]).unwrap();
        count_in_array(array.clone(), 1);
        let (here, there) = pipe::<SharedSlice<u32>, ()>().unwrap();
        here.send(&array.freeze().unwrap()).unwrap();
        assert_eq!(*there.recv().unwrap(), [1, 0]);
    };
    round(0);
    let before = descriptors();
    (0..1000).for_each(round);
    until(|| descriptors() == before);
}

fn few_open_files_are_told() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let array = SharedArray::new(&[1_u32]).unwrap();
    let ours = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: Some(3),
        ..ours
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(matches!(array.lock(), Err(LockError::Io(_))));
    assert!(SharedArray::new(&[1_u32]).is_err());
    assert!(SharedValue::new(1).is_err());
    assert!(SharedMemory::new(1).is_err());
    assert!(pipe::<u8, u8>().is_err());
    setrlimit(Resource::Nofile, ours).unwrap();
    assert_eq!(*array.lock().unwrap(), [1]);
}
