//! Asks several mills for flour, and takes what comes: the first answer, all in the order in which
//! they come, or what has come in time.
//!
//! In Python `as_completed(futures, timeout=…)` and `wait(futures, return_when=FIRST_COMPLETED)`;
//! in Java `invokeAny`.

use std::error::Error;
use std::time::Duration;

use workmill::{FlatHandle, ThreadPoolExecutor, WaitFor, as_completed, first_ok, wait_timeout};

/// A second, for which a tenth will do.
const SECOND: Duration = Duration::from_millis(100);

/// The mills, and the seconds that each takes to answer. One has burnt down.
const MILLS: [(&str, u32); 4] = [("wind", 5), ("water", 3), ("burnt", 1), ("hand", 60)];

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(4)?;

    // The first that has flour. A mill that has none does not count.
    let mill = first_ok(ask(&pool)).map_err(|_| "no mill has flour")?;
    println!("the first flour is from the {mill} mill");

    // All answers in the order in which they come, for at most ten seconds.
    let mut answers = as_completed(ask(&pool)).timeout(10 * SECOND);
    for (index, answer) in answers.by_ref() {
        match answer {
            Ok(mill) => println!("mill {index}: flour from the {mill} mill"),
            Err(error) => println!("mill {index}: {error}"),
        }
    }
    for (index, late) in answers.into_pending() {
        let answers = if late.cancel() { "never" } else { "too late" };
        println!("mill {index} answers {answers}");
    }

    // Whatever has answered after four seconds, and the others go on.
    let mut mills = ask(&pool);
    let in_time = wait_timeout(&mut mills, WaitFor::All, 4 * SECOND);
    println!("in time: {in_time:?}");
    drop(mills);
    pool.shutdown_now();
    Ok(())
}

/// Asks each mill in a task of its own.
fn ask(pool: &ThreadPoolExecutor) -> Vec<FlatHandle<&'static str, String>> {
    let ask = |(mill, seconds)| pool.submit(move || answer(mill, seconds)).flat();
    MILLS.map(ask).into()
}

fn answer(mill: &'static str, seconds: u32) -> Result<&'static str, String> {
    // A wait that the pool does not see, so other tasks may begin meanwhile. It is told to stop.
    let stop = workmill::cancelled();
    if stop.wait_timeout(seconds * SECOND) {
        return Err(String::from("the mills are closed"));
    }
    match mill {
        "burnt" => Err(format!("the {mill} mill has no flour")),
        mill => Ok(mill),
    }
}
