//! Descriptors that do not arrive, or are not what they should be: an error, and nothing left.

use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, U8Deserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill_process::hub::{JoinableQueue, Semaphore};
use workmill_process::{
    Connection, Descriptor, Jobs, PipeErrorKind, SharedArray, SharedMemory, SharedValue, pipe,
};

use crate::descriptors::{
    Files, files, hand_back_some, null, nulls, number, numbers, open, refused,
};
use crate::jobs::{self, Fruit, Poison, Trouble};
use crate::runner::tests;
use crate::support::{assert_works, builder, descriptors, error, lost, outcome, pool, until};

tests! {
    more_than_that_are_an_error_before_anything_is_sent
    an_index_that_is_used_twice_is_an_error
    an_index_that_does_not_exist_is_an_error
    an_object_of_another_class_is_an_error
    errors_and_panics_in_arguments_leave_no_descriptor
    errors_and_panics_in_results_leave_no_descriptor
    a_process_with_too_many_open_files_fails_the_job
    too_many_open_files_here_lose_the_result
    too_many_descriptors_on_their_way_fail_the_job
    too_many_descriptors_on_their_way_back_lose_the_result
    an_object_that_is_encoded_elsewhere_is_an_error_that_says_so
    an_object_that_is_decoded_elsewhere_is_an_error_that_says_so
    an_object_that_is_encoded_while_a_job_runs_is_an_error
    unannounced_descriptors_end_the_process
    no_descriptor_takes_the_place_of_a_closed_standard_one
    handles_of_a_hub_and_descriptors_go_together
    a_handle_of_a_hub_in_an_item_of_a_pipe_is_an_error_that_says_so
    a_descriptor_in_an_item_of_a_queue_is_an_error_that_says_so
}

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("take_twice", take_twice)
        .with("take_missing", take_missing)
        .with("take_wrong", take_wrong)
        .with("take_with_poison", take_with_poison)
        .with("make_with_fruit", make_with_fruit)
        .with("limit_files", limit_files)
        .with("stuff_and_return", stuff_and_return)
        .with("encode_here", encode_here)
        .with("places", places)
        .with("answer_by_both", answer_by_both)
        .with("put_descriptor", put_descriptor)
}

fn more_than_that_are_an_error_before_anything_is_sent() {
    let pool = pool(1);
    assert_works(&pool);
    let before = descriptors();
    let text = refused(pool.submit(numbers, nulls(254)));
    assert!(text.contains("253 descriptors at most"), "{text}");
    let text = lost(pool.submit(hand_back_some, 254));
    assert!(text.contains("253 descriptors at most"), "{text}");
    assert_eq!(descriptors(), before);
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

/// Decodes two files of one index.
#[derive(Debug)]
struct Twice(Descriptor<File>);

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

fn of_index<T: for<'de> Deserialize<'de>, E: serde::de::Error>(index: u8) -> Result<T, E> {
    let index: U8Deserializer<ValueError> = index.into_deserializer();
    T::deserialize(index).map_err(E::custom)
}

impl<'de> Deserialize<'de> for Twice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let index = u8::deserialize(deserializer)?;
        let first: Descriptor<File> = of_index::<_, D::Error>(index)?;
        let _second: Descriptor<File> = of_index::<_, D::Error>(index)?;
        Ok(Self(first))
    }
}

fn take_twice(_: Twice) {}

fn an_index_that_is_used_twice_is_an_error() {
    let pool = pool(1);
    let text = refused(pool.submit(take_twice, Twice(null().into())));
    assert!(
        text.ends_with("a descriptor whose descriptor 0 is that of another as well"),
        "{text}"
    );
    assert_works(&pool);
}

/// Decodes a file of an index that is too large.
#[derive(Debug)]
struct Missing(Descriptor<File>);

impl Serialize for Missing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Missing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let index = u8::deserialize(deserializer)?;
        of_index::<_, D::Error>(index + 1).map(Self)
    }
}

fn take_missing(_: Missing) {}

fn an_index_that_does_not_exist_is_an_error() {
    let pool = pool(1);
    let text = refused(pool.submit(take_missing, Missing(null().into())));
    assert!(
        text.ends_with("a descriptor whose descriptor 1 did not come"),
        "{text}"
    );
}

/// Is shared memory at one end, and wants to be a file at the other.
#[derive(Debug)]
enum Wrong {
    Sent(SharedValue<u8>),
    Taken(File),
}

impl Serialize for Wrong {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sent(value) => value.serialize(serializer),
            Self::Taken(_) => Err(serde::ser::Error::custom("not sent again")),
        }
    }
}

impl<'de> Deserialize<'de> for Wrong {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Descriptor::deserialize(deserializer)
            .map(|file: Descriptor<File>| Self::Taken(file.into_inner()))
    }
}

fn take_wrong(wrong: Wrong) -> bool {
    matches!(wrong, Wrong::Taken(file) if file.metadata().is_ok())
}

/// The descriptor of shared memory is not given out.
fn an_object_of_another_class_is_an_error() {
    let pool = pool(1);
    let text = refused(pool.submit(take_wrong, Wrong::Sent(SharedValue::new(1).unwrap())));
    assert!(
        text.ends_with("a descriptor whose descriptor 0 is that of shared memory"),
        "{text}"
    );
}

fn take_with_poison(_: Descriptor<File>, _: Poison, _: Descriptor<File>) {}

fn make_with_fruit(trouble: Trouble, at_home: bool) -> (Descriptor<File>, Fruit, Files) {
    let file = Descriptor::new(null());
    (file, Fruit { trouble, at_home }, nulls(2))
}

fn errors_and_panics_in_arguments_leave_no_descriptor() {
    let pool = pool(1);
    let round = || {
        for trouble in [Trouble::Error, Trouble::Panic] {
            // Decoded in the worker, encoded here.
            let arguments = (null().into(), Poison(trouble), null().into());
            error(pool.submit(take_with_poison, arguments));
            let fruit = Fruit {
                trouble,
                at_home: true,
            };
            let encode = || pool.submit(jobs::give_with, (null().into(), fruit));
            let handle = std::panic::catch_unwind(std::panic::AssertUnwindSafe(encode));
            match trouble {
                Trouble::Error => assert!(error(handle.unwrap()).is_cancelled()),
                _ => assert!(handle.is_err()),
            }
        }
        outcome(pool.submit(open, ())).unwrap()
    };
    let in_worker = round();
    let before = descriptors();
    for _ in 0..20 {
        assert_eq!(round(), in_worker);
    }
    until(|| descriptors() == before);
    assert_eq!(pool.metrics().died, 0);
}

fn errors_and_panics_in_results_leave_no_descriptor() {
    let pool = pool(1);
    let round = || {
        for trouble in [Trouble::Error, Trouble::Panic] {
            for at_home in [false, true] {
                error(pool.submit(make_with_fruit, (trouble, at_home)));
            }
        }
        outcome(pool.submit(open, ())).unwrap()
    };
    let in_worker = round();
    let before = descriptors();
    for _ in 0..20 {
        assert_eq!(round(), in_worker);
    }
    until(|| descriptors() == before);
    assert_eq!(pool.metrics().died, 0);
}

/// Limits the number of open files to what is open, and some more; or to the standard ones.
fn limit_files(more: Option<usize>) {
    let limit = Rlimit {
        current: Some(more.map_or(3, |more| open() + more) as u64),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn a_process_with_too_many_open_files_fails_the_job() {
    for more in [None, Some(3)] {
        let pool = pool(1);
        outcome(pool.submit(limit_files, more)).unwrap();
        let before = descriptors();
        for many in [10, 100] {
            let text = refused(pool.submit(numbers, nulls(many)));
            let expected = format!(" of {many} descriptors came: the receiving process has too");
            assert!(text.contains(&expected), "{text}");
            assert!(text.contains("`numbers` was not called"), "{text}");
            assert_eq!(text.contains(": 0 of"), more.is_none(), "{text}");
            // A job that comes after it has what is its own.
            let own = files(more.map_or(0, |_| 1));
            let there: Vec<_> = own.iter().map(|file| number(file)).collect();
            assert_eq!(outcome(pool.submit(numbers, own)).unwrap(), there);
        }
        until(|| descriptors() == before);
        assert_eq!(pool.metrics().died, 0);
    }
}

fn too_many_open_files_here_lose_the_result() {
    let pool = pool(1);
    assert_works(&pool);
    let before = descriptors();
    let ours = getrlimit(Resource::Nofile);
    limit_files(Some(5));
    let text = lost(pool.submit(hand_back_some, 50));
    assert!(
        text.contains("of 50 descriptors came: the receiving process has too many"),
        "{text}"
    );
    assert_eq!(outcome(pool.submit(hand_back_some, 2)).unwrap().len(), 2);
    setrlimit(Resource::Nofile, ours).unwrap();
    assert_eq!(outcome(pool.submit(hand_back_some, 50)).unwrap().len(), 50);
    until(|| descriptors() == before);
    assert_eq!(pool.metrics().died, 0);
}

/// Fills a pipe with descriptors until the system says that too many are on their way. It says that
/// to those who have no special rights.
fn stuff(pipe: &Connection<Files, Files>) -> String {
    for _ in 0..1000 {
        if let Err(error) = pipe.try_send(&nulls(20)) {
            assert_eq!(error.kind(), PipeErrorKind::Io, "{error}");
            return error.to_string();
        }
    }
    panic!("there is no limit");
}

fn without_rights() {
    jobs::become_nobody();
    let limit = Rlimit {
        current: Some(100),
        maximum: Some(100),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn too_many_descriptors_on_their_way_fail_the_job() {
    without_rights();
    let pool = pool(1);
    assert_works(&pool);
    let before = descriptors();
    let (here, there) = pipe().unwrap();
    let text = stuff(&here);
    assert!(text.contains("Too many references"), "{text}");
    let text = refused(pool.submit(numbers, nulls(2)));
    assert!(
        text.contains("the arguments of the job `numbers` could not be sent: Too many references"),
        "{text}"
    );
    // Jobs that come with none are not concerned.
    assert_works(&pool);
    drop((here, there));
    until(|| {
        let files = files(2);
        outcome(pool.submit(numbers, files)).is_ok_and(|numbers| numbers.len() == 2)
    });
    until(|| descriptors() == before);
    assert_eq!(pool.metrics().died, 0);
}

/// Stuffs a pipe of its own and returns one of the last that were sent, too.
fn stuff_and_return(many: usize) -> (Files, Files) {
    let (here, there) = pipe().unwrap();
    stuff(&here);
    // It stays until the result is sent.
    std::mem::forget((here, there));
    (nulls(many), Files::new())
}

fn too_many_descriptors_on_their_way_back_lose_the_result() {
    without_rights();
    let pool = pool(1);
    let text = lost(pool.submit(stuff_and_return, 2));
    assert!(
        text.contains("its descriptors could not be sent: Too many references"),
        "{text}"
    );
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

const OUTSIDE: &str = "can only be encoded in the arguments or the result of a job";

fn an_object_that_is_encoded_elsewhere_is_an_error_that_says_so() {
    let (here, _there) = pipe::<u8, u8>().unwrap();
    let error = serde_json::to_string(&here).unwrap_err().to_string();
    assert!(
        error.contains(OUTSIDE) && error.starts_with("a connection"),
        "{error}"
    );
    let error = serde_json::to_string(&SharedMemory::new(1).unwrap()).unwrap_err();
    assert!(error.to_string().contains(OUTSIDE), "{error}");
    let error = serde_json::to_string(&Descriptor::new(null())).unwrap_err();
    assert!(error.to_string().contains(OUTSIDE), "{error}");
}

fn an_object_that_is_decoded_elsewhere_is_an_error_that_says_so() {
    let error = serde_json::from_str::<SharedMemory>("0").unwrap_err();
    let expected = "shared memory can only be decoded where the arguments or the result of a job";
    assert!(error.to_string().contains(expected), "{error}");
}

/// Encodes what it was given, which is not its result.
fn encode_here(file: Descriptor<File>) -> String {
    serde_json::to_string(&file).unwrap_err().to_string()
}

fn an_object_that_is_encoded_while_a_job_runs_is_an_error() {
    let pool = pool(1);
    let text = outcome(pool.submit(encode_here, null().into())).unwrap();
    assert!(text.contains(OUTSIDE), "{text}");
}

/// A worker that sends what it has not announced.
fn unannounced_descriptors_end_the_process() {
    for (how, told) in [
        ("ready surplus", "sent 1 of 0 descriptors came"),
        ("ready surplus amid", "sent 1 of 0 descriptors came"),
        ("ready too few", "sent 1 of 2 descriptors came"),
    ] {
        let pool = builder(1)
            .worker_arguments(["--rogue", how])
            .build()
            .unwrap();
        assert_eq!(lost(pool.submit(jobs::square, 3)), told);
    }
}

/// Returns the numbers of the descriptors of files, and has an array locked meanwhile.
fn places(files: Files, array: SharedArray<u8>) -> Vec<i32> {
    let _guard = array.lock().unwrap();
    println!("this goes nowhere");
    files.iter().map(|file| file.as_raw_fd()).collect()
}

/// What is printed would go there.
fn no_descriptor_takes_the_place_of_a_closed_standard_one() {
    let pool = pool(1);
    outcome(pool.submit(jobs::close_standard, ())).unwrap();
    let array = SharedArray::new(&[1, 2, 3]).unwrap();
    let numbers = outcome(pool.submit(places, (nulls(5), array.clone()))).unwrap();
    assert!(numbers.iter().all(|number| *number > 2), "{numbers:?}");
    assert_eq!(*array.lock().unwrap(), [1, 2, 3]);
    // The array's header is as it was, too.
    assert_eq!(
        outcome(pool.submit(places, (nulls(1), array)))
            .unwrap()
            .len(),
        1
    );
}

fn answer_by_both(
    file: Descriptor<File>,
    answers: JoinableQueue<u64>,
    value: SharedValue<u64>,
    files: Files,
) -> (Descriptor<File>, JoinableQueue<u64>) {
    answers.put(number(&file)).unwrap();
    value.store(files.len() as u64, std::sync::atomic::Ordering::SeqCst);
    (file, answers)
}

fn handles_of_a_hub_and_descriptors_go_together() {
    let pool = pool(1);
    let answers = pool.hub().queue(None);
    let value = SharedValue::new(0_u64).unwrap();
    let file = null();
    let there = number(&file);
    let arguments = (file.into(), answers, value.clone(), nulls(3));
    let (file, same) = outcome(pool.submit(answer_by_both, arguments)).unwrap();
    assert_eq!((number(&file), same.get().unwrap()), (there, there));
    assert_eq!(value.load(std::sync::atomic::Ordering::SeqCst), 3);
}

fn a_handle_of_a_hub_in_an_item_of_a_pipe_is_an_error_that_says_so() {
    let pool = pool(1);
    let (here, there) = pipe::<Semaphore, ()>().unwrap();
    let error = here.send(&pool.hub().semaphore(1)).unwrap_err();
    assert_eq!(error.kind(), PipeErrorKind::Encode);
    assert!(
        error
            .to_string()
            .contains("a semaphore of a hub is encoded"),
        "{error}"
    );
    assert!(there.try_recv().unwrap_err().is_empty());
}

fn put_descriptor(queue: JoinableQueue<Files>) {
    queue.put(nulls(1)).unwrap();
}

fn a_descriptor_in_an_item_of_a_queue_is_an_error_that_says_so() {
    let pool = pool(1);
    let queue = pool.hub().queue::<Files>(None);
    let error = error(pool.submit(put_descriptor, queue));
    let text = error.panic_message().unwrap();
    assert!(
        text.contains("a descriptor can only be encoded in the arguments"),
        "{text}"
    );
}
