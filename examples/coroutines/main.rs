//! Programs that yield to one another, known from Python's generators, greenlet and gevent.
//!
//! ```text
//! cargo run --example coroutines             # all of them, one after the other
//! cargo run --example coroutines -- switch   # one of them
//! cargo run --example coroutines -- --help   # what there is
//! ```
//!
//! A coroutine is a future here: where Python says `yield`, `switch()` or `gevent.sleep(1)`, a
//! future says `.await`. The pools have one thread, so the other can go on only when one yields.
//! Each program checks by itself that its promise holds.

mod numbers;
mod sleep;
mod switch;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// A second of the Python originals: a fifth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(200);

/// Show how futures give way to one another.
#[derive(Parser)]
#[command(name = "coroutines")]
struct Arguments {
    /// Which program to run [default: all, one after the other]
    program: Option<Program>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// One makes a thousand numbers, another takes each from its hands
    Numbers,
    /// One eats, another plays, and after each word it is the other's turn
    Switch,
    /// Both sleep, without a thread, at the same time
    Sleep,
    /// Both sleep, each on a thread, at the same time
    ThreadSleep,
}

impl Program {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Numbers => numbers::run(),
            Self::Switch => switch::run(),
            Self::Sleep => sleep::in_futures(),
            Self::ThreadSleep => sleep::in_closures(),
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
