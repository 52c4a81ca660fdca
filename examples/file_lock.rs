//! Two writers of one file, under a lock.
//!
//! In Python one takes the lock by `with lock:`, the other by `acquire()` and a `release()` in a
//! `finally`. Here the lock has the file inside, and the drop of a guard unlocks.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::{env, process};

use workmill::ThreadPoolExecutor;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::temp_dir().join(format!("file_lock-{}.txt", process::id()));
    let lock = Arc::new(Mutex::new(File::create(&path)?));
    let pool = ThreadPoolExecutor::new(2)?;
    let l = Arc::clone(&lock);
    let with = pool.submit(move || writeln!(l.lock().unwrap(), "Lock acquired via with"));
    let directly = pool.submit(move || {
        let mut file = lock.lock().unwrap();
        let written = writeln!(file, "Lock acquired directly");
        drop(file);
        written
    });
    with.join()??;
    directly.join()??;
    print!("{}", fs::read_to_string(&path)?);
    fs::remove_file(&path)?;
    Ok(())
}
