//! Jobs: which functions can be one, by which name each is found, and what is said if there is
//! none.

use std::error::Error;

use serde::{Deserialize, Serialize};
use workmill::ThreadPoolExecutor;
use workmill_jobs::executors::within_keyed;
use workmill_jobs::{Bytes, CallError, JobExecutor, Jobs, current_job};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Trouble {
    NoFlour { sacks: u32 },
}

fn nothing() {}
fn seven() -> u32 {
    7
}
fn square(n: u64) -> u64 {
    n * n
}
fn also_square(n: u64) -> u64 {
    n * n
}
fn add(a: u32, b: u32) -> u32 {
    a + b
}
fn add_pair((a, b): (u32, u32)) -> u32 {
    a + b
}
#[expect(clippy::too_many_arguments, reason = "a job may have as many")]
fn eight(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> [u8; 8] {
    [a, b, c, d, e, f, g, h]
}
fn twice<T: std::ops::Add<Output = T> + Copy>(value: T) -> T {
    value + value
}
fn bake(sacks: u32) -> Result<String, Trouble> {
    Err(Trouble::NoFlour { sacks })
}

struct Mill;

impl Mill {
    fn grind(text: String) -> Vec<u8> {
        text.into_bytes()
    }
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("nothing", nothing)
        .with("seven", seven)
        .with("square", square)
        .with("add", add)
        .with("add_pair", add_pair)
        .with("eight", eight)
        .with("twice of u64", twice::<u64>)
        .with("twice of f64", twice::<f64>)
        .with("grind", Mill::grind)
        .with("bake", bake)
}

#[test]
fn each_function_is_found_by_its_type() {
    let jobs = jobs();
    assert_eq!(jobs.name_of(nothing).unwrap(), "nothing");
    assert_eq!(jobs.name_of(square).unwrap(), "square");
    assert_eq!(jobs.name_of(add).unwrap(), "add");
    assert_eq!(jobs.name_of(add_pair).unwrap(), "add_pair");
    assert_eq!(jobs.name_of(twice::<u64>).unwrap(), "twice of u64");
    assert_eq!(jobs.name_of(twice::<f64>).unwrap(), "twice of f64");
    assert_eq!(jobs.name_of(Mill::grind).unwrap(), "grind");
    assert_eq!(jobs.names().count(), 10);
    let half = |n: u64| n / 2;
    let jobs = jobs.with("half", half);
    assert_eq!(jobs.name_of(half).unwrap(), "half");
}

#[test]
fn a_function_with_the_same_body_is_another_function() {
    let text = jobs().name_of(also_square).unwrap_err().to_string();
    assert!(
        text.contains("also_square is not registered as a job"),
        "{text}"
    );
    assert!(
        text.contains(".with(\"also_square\", also_square)"),
        "{text}"
    );
}

#[test]
fn an_instance_of_a_generic_function_needs_a_name_of_its_own() {
    let text = jobs().name_of(twice::<i32>).unwrap_err().to_string();
    assert!(text.contains("twice<i32> is not registered"), "{text}");
    assert!(text.contains(".with(\"twice\", twice)"), "{text}");
    assert!(
        text.contains("each instance of a generic function"),
        "{text}"
    );
}

#[test]
fn a_closure_that_is_not_registered_is_told_what_to_do() {
    let text = jobs().name_of(|n: u64| n).unwrap_err().to_string();
    assert!(text.contains("write it as a function"), "{text}");
}

#[test]
fn names_and_functions_are_registered_once() {
    let message = |register: fn() -> Jobs| {
        let payload = std::panic::catch_unwind(register).unwrap_err();
        payload.downcast_ref::<String>().unwrap().clone()
    };
    let text = message(|| Jobs::new().with("a", square).with("a", add));
    assert!(text.contains("two jobs have the name `a`"), "{text}");
    assert!(text.contains("square") && text.contains("add"), "{text}");
    let text = message(|| Jobs::new().with("a", square).with("b", square));
    assert!(text.contains("has two names, `a` and `b`"), "{text}");
}

#[test]
fn results_come_back_from_a_call_by_name() {
    let jobs = jobs();
    let call = |name: &str, arguments: &[u8]| {
        let mut result = vec![0xAA];
        jobs.call(name, arguments, &mut result)
            .map(|()| result.split_off(1))
    };
    let encoded = |value: u64| {
        let mut bytes = Vec::new();
        workmill_jobs::executors::encode(&value, &mut bytes).unwrap();
        bytes
    };
    assert_eq!(call("square", &encoded(300)).unwrap(), encoded(90_000));
    assert_eq!(call("nothing", &[]).unwrap(), []);
    assert_eq!(
        call("none", &[]),
        Err(CallError::Unknown("none".to_owned()))
    );
    let short = call("square", &[]).unwrap_err();
    assert!(matches!(short, CallError::Arguments(_)), "{short}");
    let mut long = encoded(300);
    long.extend([1, 2]);
    let text = call("square", &long).unwrap_err().to_string();
    assert_eq!(
        text,
        "the arguments cannot be decoded: 2 bytes are left over"
    );
}

#[test]
fn lists_of_the_same_names_have_the_same_fingerprint() {
    assert_eq!(jobs().fingerprint(), jobs().fingerprint());
    let list = |names: &[&'static str]| {
        let mut jobs = Jobs::new();
        for (at, name) in names.iter().enumerate() {
            jobs = match at {
                0 => jobs.with(name, square),
                _ => jobs.with(name, also_square),
            };
        }
        jobs.fingerprint()
    };
    let lists: [&[&str]; 5] = [&[], &["a"], &["ab"], &["a", "b"], &["b", "a"]];
    for (at, one) in lists.iter().enumerate() {
        for other in &lists[..at] {
            assert_ne!(list(one), list(other), "{one:?} {other:?}");
        }
    }
}

#[test]
fn threads_run_jobs_without_a_list() {
    let pool = ThreadPoolExecutor::new(2).unwrap();
    assert_eq!(pool.submit_job(seven, ()).join().unwrap(), 7);
    assert_eq!(pool.submit_job(square, 3).join().unwrap(), 9);
    assert_eq!(pool.submit_job(add, (1, 2)).join().unwrap(), 3);
    assert_eq!(pool.submit_job(add_pair, (1, 2)).join().unwrap(), 3);
    assert_eq!(pool.submit_job(twice, 1.5).join().unwrap(), 3.0);
    let numbers = (1, 2, 3, 4, 5, 6, 7, 8);
    assert_eq!(pool.submit_job(eight, numbers).join().unwrap().len(), 8);
    let ground = pool.submit_job(Mill::grind, "rye".to_owned());
    assert_eq!(ground.join().unwrap(), b"rye");
    let trouble = pool.limited(1).submit_job(bake, 2).join().unwrap();
    assert_eq!(trouble, Err(Trouble::NoFlour { sacks: 2 }));
}

#[test]
fn a_job_knows_itself_and_nobody_else_does() {
    fn look() -> Vec<(String, String, u32)> {
        let outside = std::thread::spawn(current_job).join().unwrap();
        assert_eq!(outside, None);
        let job = current_job().unwrap();
        vec![(job.name().to_owned(), job.key(), job.attempt())]
    }
    let pool = ThreadPoolExecutor::new(1).unwrap();
    let one = pool.submit_job(look, ()).join().unwrap().remove(0);
    let other = pool.submit_job(look, ()).join().unwrap().remove(0);
    assert!(one.0.ends_with("look") && one.2 == 1, "{one:?}");
    assert_ne!(one.1, other.1);
    assert_eq!(pool.submit(current_job).join().unwrap(), None);
    fn panics() {
        panic!("on purpose");
    }
    assert!(pool.submit_job(panics, ()).join().unwrap_err().is_panic());
    assert_eq!(pool.submit(current_job).join().unwrap(), None);
}

#[test]
fn bytes_are_encoded_in_one_piece_and_survive() {
    let bytes = Bytes::from(vec![0, 255, 7]);
    let mut buffer = Vec::new();
    workmill_jobs::executors::encode(&bytes, &mut buffer).unwrap();
    assert_eq!(buffer, [3, 0, 255, 7]);
    assert_eq!(
        workmill_jobs::executors::decode::<Bytes>(&buffer).unwrap(),
        bytes
    );
    assert_eq!(
        workmill_jobs::executors::decode::<Vec<u8>>(&buffer).unwrap(),
        *bytes
    );
    assert_eq!(bytes.clone().into_vec(), Vec::<u8>::from(bytes));
}

#[test]
fn a_failed_encoding_leaves_the_buffer_as_it_was() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    let mut buffer = vec![1, 2];
    let failed = workmill_jobs::executors::encode(&(9_u8, Refuses), &mut buffer);
    let error: Box<dyn Error> = failed.unwrap_err().into();
    assert!(!error.to_string().is_empty());
    assert_eq!(buffer, [1, 2]);
}

#[test]
fn a_job_that_came_from_elsewhere_has_a_token_of_its_own() {
    let stop = workmill::CancelToken::new();
    within_keyed("square", "7".into(), 1, stop.clone(), || {
        let context = current_job().unwrap();
        assert!(!workmill::cancelled().is_cancelled());
        stop.cancel();
        assert!(workmill::cancelled().is_cancelled() && context.cancelled().is_cancelled());
    });
    assert!(!workmill::cancelled().is_cancelled());
}
