//! Servers that send back what they get, and a thousand clients: sockets in futures, on the threads
//! of a pool.
//!
//! ```text
//! cargo run --example echo_server                   # all programs, one after the other
//! cargo run --example echo_server -- connections    # one of them
//! cargo run --example echo_server -- connections --clients 5000 --messages 10
//! cargo run --example echo_server -- --help         # what there is
//! ```
//!
//! The sockets are those of async-io, which has a thread of its own that waits for all of them and
//! wakes the futures. The pool's threads run the futures. Everything stays on this machine, on
//! ports that the system chooses. Each program checks by itself that its promise holds.

mod connections;
mod hello;
mod open_files;
mod packets;

use std::error::Error;
use std::num::NonZero;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// The time after which the program gives up.
const LIMIT: Duration = Duration::from_secs(30);

/// Send back what clients send.
#[derive(Parser)]
#[command(name = "echo_server")]
struct Arguments {
    /// Which program to run [default: all, one after the other]
    program: Option<Program>,

    #[command(flatten)]
    size: Size,
}

/// How much there is to do for the servers.
#[derive(clap::Args)]
struct Size {
    /// How many clients there are, all at the same time
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    clients: NonZero<usize>,

    /// How many messages each of them sends
    #[arg(long, value_name = "NUMBER", default_value = "3")]
    messages: NonZero<usize>,

    /// How many threads the server has, and how many the clients have together
    #[arg(long, value_name = "NUMBER", default_value = "2")]
    threads: NonZero<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// One sends a word over a connection, another prints it
    Stream,
    /// One sends a word in a packet, without a connection, another prints it
    Datagram,
    /// A server of connections, and a client at the end of each
    Connections,
    /// A server of packets, and clients that send one again if it got lost
    Packets,
}

impl Program {
    fn run(self, size: &Size) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Stream => hello::stream(),
            Self::Datagram => hello::datagram(),
            Self::Connections => connections::run(size),
            Self::Packets => packets::run(size),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { program, size } = Arguments::parse();
    if let Some(program) = program {
        return program.run(&size);
    }
    for program in Program::value_variants() {
        if let Some(value) = program.to_possible_value() {
            println!("# {}", value.get_name());
        }
        program.run(&size)?;
    }
    Ok(())
}
