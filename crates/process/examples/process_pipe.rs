//! One process sends a message to another.
//!
//! In Python `send` and `recv` of the two ends of a `multiprocessing.Pipe()`.
//!
//! ```sh
//! cargo run -p workmill-process --example process_pipe
//! ```

use std::error::Error;

use workmill_process::{Connection, Jobs, ProcessPoolExecutor, pipe, serve_if_worker};

fn sender(end: Connection<String, ()>) -> Result<(), String> {
    let message = "Hello, receiver!".to_owned();
    end.send(&message).map_err(|error| error.to_string())
}

fn receiver(end: Connection<(), String>) -> Result<(), String> {
    let message = end.recv().map_err(|error| error.to_string())?;
    println!("{message}");
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
    let (first, second) = pipe()?;
    let sends = pool.submit(sender, first);
    let receives = pool.submit(receiver, second);
    sends.join()??;
    receives.join()??;
    Ok(())
}
