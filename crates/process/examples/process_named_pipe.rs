//! One process writes a message to a pipe that has a name, another reads it.
//!
//! In Python `os.mkfifo`, and the file is opened by both. There it is left behind, and a second run
//! goes on with what is at that path. Here it is removed at the end.
//!
//! ```sh
//! cargo run -p workmill-process --example process_named_pipe
//! ```

use std::error::Error;
use std::io::{self, Read, Write};

use workmill_process::{Jobs, NamedPipe, ProcessPoolExecutor, serve_if_worker};

fn sender(path: String) -> Result<(), String> {
    // Waits for a reader.
    let send = || {
        NamedPipe::open(path)?
            .writer()?
            .write_all(b"Hello, receiver!")
    };
    send().map_err(|error: io::Error| error.to_string())
}

fn receiver(path: String) -> Result<(), String> {
    let mut message = String::new();
    // The end comes when the writer has gone.
    let receive = || {
        NamedPipe::open(path)?
            .reader()?
            .read_to_string(&mut message)
    };
    receive().map_err(|error: io::Error| error.to_string())?;
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
    let path = std::env::temp_dir().join(format!("workmill-{}", std::process::id()));
    let named = NamedPipe::create(path)?;
    let path = named.path().to_str().ok_or("the path is no text")?;
    let sends = pool.submit(sender, path.to_owned());
    let receives = pool.submit(receiver, path.to_owned());
    sends.join()??;
    receives.join()??;
    Ok(())
}
