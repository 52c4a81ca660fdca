//! Programs that show the queues, known from Python's `queue` and `multiprocessing`.
//!
//! ```text
//! cargo run --example queues                # all of them, one after the other
//! cargo run --example queues -- end-marks   # one of them
//! cargo run --example queues -- --help      # what there is
//! ```
//!
//! Each checks by itself that its promise holds.

mod cooks;
mod hand_over;
mod numbers;
mod priorities;
mod tour;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// A second of the Python originals: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

/// Show what the queues are for.
#[derive(Parser)]
#[command(name = "queues")]
struct Arguments {
    /// Which program to run [default: all, one after the other]
    program: Option<Program>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// All that a queue can do
    Tour,
    /// One task puts a word into a queue, another takes it out
    Hello,
    /// One task hands a word to another: the queue has no room
    Pipe,
    /// Two cooks, two eaters, and an end mark for each eater
    EndMarks,
    /// Two cooks, two eaters, and a kitchen that closes
    Close,
    /// Two cooks, two eaters, and a wait until all is eaten
    Join,
    /// Two cooks, and two eaters that nobody waits for
    Daemons,
    /// Five numbers and an end mark, which the producer puts
    MarkByProducer,
    /// Five numbers and an end mark, which main puts when the producer has ended
    MarkByMain,
    /// The urgent message first
    Priorities,
    /// Equally urgent messages in the order in which they came
    EqualPriorities,
}

impl Program {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Tour => tour::run(),
            Self::Hello => hand_over::hello(),
            Self::Pipe => hand_over::pipe(),
            Self::EndMarks => cooks::end_marks(),
            Self::Close => cooks::close(),
            Self::Join => cooks::join(),
            Self::Daemons => cooks::daemons(),
            Self::MarkByProducer => numbers::mark_by_producer(),
            Self::MarkByMain => numbers::mark_by_main(),
            Self::Priorities => priorities::different(),
            Self::EqualPriorities => priorities::equal(),
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
