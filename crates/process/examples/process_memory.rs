//! Bytes that one process writes and another reads when it is told that they are there.
//!
//! The tutorial has `multiprocessing.shared_memory()` for it, which Python does not have: that is a
//! module, whose class `SharedMemory` has neither the `fd` that is used there. And its reader
//! prints zeros if it is the first to take the permit of `Semaphore(1)`. Here the permit is an item
//! of a pipe, which is not there until the bytes are written.
//!
//! ```sh
//! cargo run -p workmill-process --example process_memory
//! ```

use std::error::Error;
use std::io;
use std::thread;
use std::time::Duration;

use workmill_process::{
    Connection, Jobs, ProcessPoolExecutor, SharedMemory, pipe, serve_if_worker,
};

fn sender(memory: SharedMemory, written: Connection<(), ()>) -> Result<(), String> {
    thread::sleep(Duration::from_millis(100)); // a second of the original
    let send = || {
        memory.write_at(b"Hello, receiver!", 0)?;
        Ok(written.send(&())?)
    };
    send().map_err(|error: io::Error| error.to_string())
}

fn receiver(memory: SharedMemory, written: Connection<(), ()>) -> Result<(), String> {
    let receive = || {
        written.recv()?;
        let mut message = [0; 16];
        memory.read_at(&mut message, 0)?;
        println!("{}", String::from_utf8_lossy(&message));
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
    let memory = SharedMemory::new(16)?; // it is zeros
    let (tells, told) = pipe()?;
    let receives = pool.submit(receiver, (memory.clone(), told));
    let sends = pool.submit(sender, (memory, tells));
    sends.join()??;
    receives.join()??;
    Ok(())
}
