//! Two processes that write to one file, under a lock.
//!
//! In Python one takes the lock by `with lock:`, the other by `acquire()` and a `release()` in a
//! `finally`. Here the drop of a guard unlocks, and so does the death of its process.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::{env, process};

use workmill_process::hub::Lock;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn append(path: &str, line: &str) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    writeln!(file, "{line}")
}

fn with(lock: Lock, path: String) -> Result<(), String> {
    let _guard = lock.lock();
    append(&path, "Lock acquired via with").map_err(|error| error.to_string())
}

fn without_with(lock: Lock, path: String) -> Result<(), String> {
    let guard = lock.lock();
    let written = append(&path, "Lock acquired directly");
    drop(guard); // releases it
    written.map_err(|error| error.to_string())
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("with", with)
        .with("without_with", without_with)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let path = env::temp_dir().join(format!("process_file_lock-{}.txt", process::id()));
    let text = path.to_str().ok_or("the path is no text")?.to_owned();
    let lock = hub.lock();
    let one = hub.spawn(with, (lock.clone(), text.clone()));
    let other = hub.spawn(without_with, (lock, text));
    one.join()??;
    other.join()??;
    print!("{}", fs::read_to_string(&path)?);
    fs::remove_file(&path)?;
    Ok(())
}
