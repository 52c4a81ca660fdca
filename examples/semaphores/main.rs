//! Programs that show [`Semaphore`](workmill::Semaphore), known from Python's `threading` and
//! `multiprocessing`.
//!
//! ```text
//! cargo run --example semaphores              # all of them, one after the other
//! cargo run --example semaphores -- karaoke   # one of them
//! cargo run --example semaphores -- --help    # what there is
//! ```
//!
//! Each checks by itself that its promise holds, with [`inside`].

mod inside;
mod karaoke;
mod keys;
mod producer_consumer;
mod sleepers;
mod two_rounds;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// A second of the Python originals: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

/// Show what a semaphore is for.
#[derive(Parser)]
#[command(name = "semaphores")]
struct Arguments {
    /// Which program to run [default: all, one after the other]
    program: Option<Program>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// A producer and a consumer that are never at work together, until they are told to leave
    ProducerConsumer,
    /// Four keys, and what a fifth caller can do
    Keys,
    /// Twenty guests and four keys
    Karaoke,
    /// Ten threads, five at a time: two rounds
    TwoRounds,
    /// Five workers that sleep longer and longer, two at a time
    Sleepers,
}

impl Program {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::ProducerConsumer => producer_consumer::run(),
            Self::Keys => keys::run(),
            Self::Karaoke => karaoke::run(),
            Self::TwoRounds => two_rounds::run(),
            Self::Sleepers => sleepers::run(),
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
