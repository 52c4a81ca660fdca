//! Ten numbers that one process writes and another reads.
//!
//! In Python a `multiprocessing.Array('i', range(10))`, and a reader that prints the old numbers if
//! it comes first. Here it waits until it is told.
//!
//! ```sh
//! cargo run -p workmill-process --example process_array
//! ```

use std::error::Error;
use std::io;

use workmill_process::{Connection, Jobs, ProcessPoolExecutor, SharedArray, pipe, serve_if_worker};

fn sender(array: SharedArray<i32>, written: Connection<(), ()>) -> Result<(), String> {
    let send = || {
        array.lock()?[0] = 1;
        Ok(written.send(&())?)
    };
    send().map_err(|error: io::Error| error.to_string())
}

fn receiver(array: SharedArray<i32>, written: Connection<(), ()>) -> Result<(), String> {
    let receive = || {
        written.recv()?;
        println!("{:?}", array.lock()?);
        Ok(())
    };
    receive().map_err(|error: io::Error| error.to_string())
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("sender", sender)
        .with("receiver", receiver)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let pool = ProcessPoolExecutor::new(2, jobs())?;
    let array = SharedArray::new(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])?;
    let (tells, told) = pipe()?;
    let receives = pool.submit(receiver, (array.clone(), told));
    let sends = pool.submit(sender, (array, tells));
    sends.join()??;
    receives.join()??;
    Ok(())
}
