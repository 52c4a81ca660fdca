//! One process produces five numbers, another consumes them, by way of a file. The consumer ends
//! when the queue is closed.
//!
//! ```sh
//! cargo run -p workmill-file-queue --example processes
//! ```
//!
//! The program starts itself twice. By hand, in two terminals:
//!
//! ```sh
//! cargo run -p workmill-file-queue --example processes -- consumer /tmp/numbers
//! cargo run -p workmill-file-queue --example processes -- producer /tmp/numbers
//! ```

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::{Child, Command};

use workmill_file_queue::FileQueue;

fn producer(path: &Path) -> Result<(), Box<dyn Error>> {
    let queue = FileQueue::open(path)?;
    queue.reopen()?; // it may have been closed by an earlier run
    for i in 0..5 {
        queue.put(&i)?;
        println!("Produced {i}");
    }
    queue.join()?; // all are consumed
    queue.close()?;
    Ok(())
}

fn consumer(path: &Path) -> Result<(), Box<dyn Error>> {
    let queue = FileQueue::<u32>::open(path)?;
    for task in queue.iter_tasks() {
        let task = task?;
        println!("Consumed {}", *task);
        task.done()?;
    }
    Ok(())
}

fn start(role: &str, path: &Path) -> Result<Child, Box<dyn Error>> {
    let mut program = Command::new(env::current_exe()?);
    Ok(program.arg(role).arg(path).spawn()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = env::args().skip(1).collect();
    match &*words {
        [role, path] if role == "producer" => return producer(path.as_ref()),
        [role, path] if role == "consumer" => return consumer(path.as_ref()),
        [] => {}
        _ => return Err("usage: processes [producer|consumer PATH]".into()),
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("queue");
    for mut process in [start("consumer", &path)?, start("producer", &path)?] {
        let status = process.wait()?;
        if !status.success() {
            return Err(status.to_string().into());
        }
    }
    Ok(())
}
