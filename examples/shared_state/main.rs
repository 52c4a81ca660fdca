//! Programs that share data between threads, known from Python's `threading` and `multiprocessing`.
//!
//! ```text
//! cargo run --example shared_state           # all of them, one after the other
//! cargo run --example shared_state -- file   # one of them
//! cargo run --example shared_state -- --help # what there is
//! ```
//!
//! The data is protected by std: a [`Mutex`](std::sync::Mutex) or an [atomic](std::sync::atomic).
//! The threads, and the signals that the data is there, are from this crate. Each program checks by
//! itself that its promise holds.

mod count;
mod file;
mod memory;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// A second of the Python originals: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

/// Show how threads share data.
#[derive(Parser)]
#[command(name = "shared_state")]
struct Arguments {
    /// Which program to run [default: all, one after the other]
    program: Option<Program>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// Two writers of one file, under a lock
    File,
    /// Two tasks that add a million each, under a lock
    Count,
    /// Two tasks that add a million each to an atomic
    AtomicCount,
    /// A number that one task writes and another reads
    Value,
    /// Ten numbers that one task writes and another reads
    Array,
    /// Bytes that one task writes and another reads when a semaphore says that they are there
    Memory,
}

impl Program {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::File => file::run(),
            Self::Count => count::with_mutex(),
            Self::AtomicCount => count::with_atomic(),
            Self::Value => memory::value(),
            Self::Array => memory::array(),
            Self::Memory => memory::bytes(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(program) = Arguments::parse().program {
        return program.run();
    }
    for program in Program::value_variants() {
        if let Some(value) = program.to_possible_value() {
            println!("# {}", value.get_name());
        }
        program.run()?;
    }
    Ok(())
}
