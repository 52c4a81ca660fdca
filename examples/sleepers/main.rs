//! More tasks than there could be threads: they wait, and five threads are enough for all of them.
//!
//! ```text
//! cargo run --release --example sleepers              # all programs, one after the other
//! cargo run --release --example sleepers -- sleeping  # one of them
//! cargo run --release --example sleepers -- --help    # what there is
//! ```
//!
//! A tutorial about Python's coroutines asks: with 50,000 tasks, are we to start 50,000 threads?
//! And with 300 threads that all wait, which does the work? A future that waits is a few hundred
//! bytes on the heap, and has no thread. [`heap`] counts the bytes. Each program checks by itself
//! that its promise holds.

mod heap;
mod sleeping;
mod waiting;

use std::error::Error;

use clap::{Parser, ValueEnum};

/// The number of threads of the pools.
const THREADS: usize = 5;

/// Show how little tasks take that wait.
#[derive(Parser)]
#[command(name = "sleepers")]
struct Arguments {
    /// Which program to run [default: all, one after the other]
    program: Option<Program>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// 50,000 futures that sleep for a second, all at the same time
    Sleeping,
    /// 300 futures, each of which waits for the next
    Waiting,
    /// 300 closures, each of which waits for the next and keeps a thread
    Blocking,
}

impl Program {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Sleeping => sleeping::run(),
            Self::Waiting => waiting::futures(),
            Self::Blocking => waiting::closures(),
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
