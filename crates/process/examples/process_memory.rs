//! Bytes that one process writes and another reads when it is told that they are there.
//!
//! The tutorial has `multiprocessing.shared_memory()` for it, which Python does not have: that is a
//! module, whose class `SharedMemory` has neither the `fd` that is used there. And its reader
//! prints zeros if it is the first to take the permit of `Semaphore(1)`. Here the semaphore begins
//! with no permit, and the writer adds one when the bytes are written.
//!
//! ```sh
//! cargo run -p workmill-process --example process_memory
//! ```

use std::error::Error;
use std::thread;
use std::time::Duration;

use workmill_process::hub::Semaphore;
use workmill_process::{Jobs, ProcessPoolExecutor, SharedMemory, serve_if_worker};

fn sender(memory: SharedMemory, written: Semaphore) -> Result<(), String> {
    thread::sleep(Duration::from_millis(100)); // a second of the original
    let text = b"Hello, receiver!";
    memory
        .write_at(text, 0)
        .map_err(|error| error.to_string())?;
    written.add_permits(1).map_err(|error| error.to_string())
}

fn receiver(memory: SharedMemory, written: Semaphore) -> Result<(), String> {
    let _permit = written.acquire().map_err(|error| error.to_string())?;
    let mut message = [0; 16];
    let read = memory.read_at(&mut message, 0);
    read.map_err(|error| error.to_string())?;
    println!("{}", String::from_utf8_lossy(&message));
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
    let memory = SharedMemory::new(16)?; // it is zeros
    let written = pool.hub().semaphore(0);
    let receives = pool.submit(receiver, (memory.clone(), written.clone()));
    let sends = pool.submit(sender, (memory, written));
    sends.join()??;
    receives.join()??;
    Ok(())
}
