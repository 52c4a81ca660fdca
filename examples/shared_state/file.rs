//! Two writers of one file, under a lock.
//!
//! In Python one takes the lock by `with lock:`, the other by `acquire()` and a `release()` in a
//! `finally`. Here [`lock`](Mutex::lock) returns a guard, and its drop unlocks: at the end of the
//! function, or by [`drop`]. The lock has inside what it protects, the path of the file.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{env, process};

use workmill::ThreadPoolExecutor;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let path = env::temp_dir().join(format!("shared_state-{}.txt", process::id()));
    let file = Arc::new(Mutex::new(path.clone()));
    let pool = ThreadPoolExecutor::new(2)?;
    let writers = [
        pool.submit({
            let file = Arc::clone(&file);
            move || write(&file)
        }),
        pool.submit(move || write_and_drop(&file)),
    ];
    for writer in writers {
        writer.join()??;
    }

    let text = fs::read_to_string(&path)?;
    fs::remove_file(&path)?;
    print!("{text}");
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort();
    assert_eq!(lines, ["Lock acquired directly", "Lock acquired via with"]);
    Ok(())
}

fn write(file: &Mutex<PathBuf>) -> io::Result<()> {
    let path = file.lock().expect("writing does not panic");
    append(&path, "Lock acquired via with\n")
}

fn write_and_drop(file: &Mutex<PathBuf>) -> io::Result<()> {
    let path = file.lock().expect("writing does not panic");
    let written = append(&path, "Lock acquired directly\n");
    drop(path);
    written
}

/// Appends a text word by word, so that two writers at the same time would mix their words up.
fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    for word in text.split_inclusive(' ') {
        file.write_all(word.as_bytes())?;
    }
    Ok(())
}
