//! A process is killed in the middle of its work. The next goes on where it was: what was done is
//! not done again, and what was begun is the next attempt.
//!
//! ```sh
//! cargo run -p workmill-file-queue --example killed
//! ```

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use workmill_file_queue::FileQueue;

/// Consumes numbers until none is left. At the third it hangs, as programs do, the first time.
fn worker(path: &Path) -> Result<(), Box<dyn Error>> {
    let queue = FileQueue::<u32>::open(path)?;
    for task in queue.iter_tasks() {
        let task = task?;
        println!("Begun {} (attempt {})", *task, task.attempt());
        while *task == 2 && task.attempt() == 1 {
            std::thread::park();
        }
        println!("Consumed {}", *task);
        task.done()?;
    }
    Ok(())
}

fn start(path: &Path) -> Result<Child, Box<dyn Error>> {
    let mut program = Command::new(env::current_exe()?);
    Ok(program.arg(path).stdout(Stdio::piped()).spawn()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = env::args_os().nth(1) {
        return worker(path.as_ref());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("queue");
    let queue = FileQueue::open(&path)?;
    queue.put_all(&[0, 1, 2, 3, 4])?;
    queue.close()?;

    let mut first = start(&path)?;
    let lines = BufReader::new(first.stdout.take().ok_or("no pipe")?).lines();
    for line in lines {
        let line = line?;
        println!("{line}");
        if line.starts_with("Begun 2") {
            first.kill()?; // on Unix, signal 9
            println!("Killed");
        }
    }
    first.wait()?;

    let second = start(&path)?.wait_with_output()?;
    print!("{}", String::from_utf8(second.stdout)?);
    println!("{} left", queue.unfinished()?);
    Ok(())
}
