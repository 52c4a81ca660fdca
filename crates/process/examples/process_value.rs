//! A number that one process writes and another reads.
//!
//! In Python a `multiprocessing.Value('i', 0)`, and a reader that prints the old value if it comes
//! first. Here it waits until it is told.
//!
//! ```sh
//! cargo run -p workmill-process --example process_value
//! ```

use std::error::Error;
use std::sync::atomic::Ordering::Relaxed;

use workmill_process::{Connection, Jobs, ProcessPoolExecutor, SharedValue, pipe, serve_if_worker};

fn sender(value: SharedValue<i32>, written: Connection<(), ()>) -> Result<(), String> {
    value.store(1, Relaxed); // visible to a process that has received what is sent after it
    written.send(&()).map_err(|error| error.to_string())
}

fn receiver(value: SharedValue<i32>, written: Connection<(), ()>) -> Result<(), String> {
    written.recv().map_err(|error| error.to_string())?;
    println!("{}", value.load(Relaxed));
    Ok(())
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("sender", sender)
        .with("receiver", receiver)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let pool = ProcessPoolExecutor::new(2, jobs())?;
    let value = SharedValue::new(0)?;
    let (tells, told) = pipe()?;
    let receives = pool.submit(receiver, (SharedValue::clone(&value), told));
    let sends = pool.submit(sender, (value, tells));
    sends.join()??;
    receives.join()??;
    Ok(())
}
