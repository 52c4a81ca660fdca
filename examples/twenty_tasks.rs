//! Twenty tasks of a second each, on five threads: in which order they are waited for makes it four
//! seconds, or twenty.
//!
//! In Python `ThreadPoolExecutor(5)` with `submit` and `result`, or `map`.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use workmill::ThreadPoolExecutor;

/// A second of the original.
const SECOND: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let pool = ThreadPoolExecutor::new(5)?;
    for i in 0..20 {
        pool.execute(move || {
            func(i);
        });
    }
    pool.shutdown(); // waits for all
    println!("execute, shutdown: {} seconds", seconds(began));

    let began = Instant::now();
    let pool = ThreadPoolExecutor::new(5)?;
    let mut results = Vec::new();
    for i in 0..20 {
        results.push(pool.submit(move || func(i)).join()?); // waits for each before the next begins
    }
    println!(
        "submit and join each: {} seconds {results:?}",
        seconds(began)
    );

    let began = Instant::now();
    let handles: Vec<_> = (0..20).map(|i| pool.submit(move || func(i))).collect();
    let results: Vec<_> = workmill::join_all(handles)
        .into_iter()
        .collect::<Result<_, _>>()?;
    println!(
        "submit all, join all: {} seconds {results:?}",
        seconds(began)
    );

    let began = Instant::now();
    let results: Vec<_> = pool.map(0..20, func).collect::<Result<_, _>>()?;
    println!("map: {} seconds {results:?}", seconds(began));
    Ok(())
}

fn func(i: u32) -> u32 {
    thread::sleep(SECOND);
    i
}

/// Returns the seconds of the original that have passed.
fn seconds(began: Instant) -> u128 {
    began.elapsed().as_millis() / SECOND.as_millis()
}
