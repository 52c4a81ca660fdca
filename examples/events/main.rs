//! Programs that show [`Event`](workmill::Event), known from Python's `threading` and
//! `multiprocessing`.
//!
//! ```text
//! cargo run --example events                    # all of them, one after the other
//! cargo run --example events -- traffic-light   # one of them
//! cargo run --example events -- --help          # what there is
//! ```
//!
//! Each checks by itself that its promise holds.

mod database;
mod signal;
mod timed_wait;
mod tour;
mod traffic_light;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// A second of the Python originals: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

/// Show what an event is for.
#[derive(Parser)]
#[command(name = "events")]
struct Arguments {
    /// Which program to run [default: all, one after the other]
    program: Option<Program>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// All that an event can do
    Tour,
    /// A light that switches, and twenty cars that pass when it is green
    TrafficLight,
    /// Up to three waits for a database that comes up in time
    DatabaseUp,
    /// Up to three waits for a database that does not
    DatabaseDown,
    /// One waits for as long as it takes, another for two seconds
    TimedWait,
    /// One thread waits for what another sets
    Signal,
}

impl Program {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Tour => tour::run(),
            Self::TrafficLight => traffic_light::run(),
            Self::DatabaseUp => database::up(),
            Self::DatabaseDown => database::down(),
            Self::TimedWait => timed_wait::run(),
            Self::Signal => signal::run(),
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
