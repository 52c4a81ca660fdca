//! A server that sends packets back, and a thousand clients that send one again if it got lost.
//!
//! ```text
//! cargo run --release --example echo_packets -- --clients 5000
//! ```
//!
//! With many packets at a time the system throws some away, even within one machine. So a client
//! waits for a permit to send, and no longer than a while for the answer.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;
use std::{io, process};

use async_io::Async;
use workmill::timer::timeout;
use workmill::{Builder, DropBehavior, Semaphore};

/// This machine, and any port that is free.
const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn main() -> Result<(), Box<dyn Error>> {
    let [clients, messages, threads] = arguments().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        process::exit(2);
    });
    allow_open_files(clients + 100)?;
    // After an error, futures that have not ended are cancelled, not waited for.
    let builder = || {
        Builder::new()
            .threads(threads)
            .on_drop(DropBehavior::Cancel)
    };

    let server = builder().build()?;
    let socket = Async::<UdpSocket>::bind(HERE)?;
    let address = socket.get_ref().local_addr()?;
    let echoing = server.spawn(echo(socket));

    let callers = builder().build()?;
    let turns = Arc::new(Semaphore::new(50));
    let calls: Vec<_> = (0..clients)
        .map(|client| call(address, client, messages, Arc::clone(&turns)))
        .map(|call| callers.spawn(timeout(Duration::from_secs(30), call)))
        .collect();
    let mut answered = 0;
    for call in calls {
        answered += call.join()???; // cancelled, too late, or an error of the socket
    }
    println!("{clients} clients, {answered} packets answered");

    echoing.cancel(); // it would wait for more
    server.shutdown();
    println!("the server has ended");
    Ok(())
}

/// Sends packets back where they came from.
async fn echo(socket: Async<UdpSocket>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..length], client).await?;
    }
}

/// Sends its packets, one after the other. Returns the number of packets that came back.
async fn call(
    server: SocketAddr,
    client: usize,
    messages: usize,
    turns: Arc<Semaphore>,
) -> io::Result<usize> {
    let socket = Async::<UdpSocket>::bind(HERE)?;
    socket.get_ref().connect(server)?;
    let mut answered = 0;
    for message in 0..messages {
        let _permit = turns.acquire_async().await;
        let packet = format!("message {message} of client {client}");
        loop {
            socket.send(packet.as_bytes()).await?;
            let answer = answer_to(packet.as_bytes(), &socket);
            if let Ok(answer) = timeout(Duration::from_millis(200), answer).await {
                answer?;
                break;
            }
        }
        answered += 1;
    }
    Ok(answered)
}

/// Waits until `packet` comes back. Others may come twice, or late.
async fn answer_to(packet: &[u8], socket: &Async<UdpSocket>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if &buffer[..length] == packet {
            return Ok(());
        }
    }
}

const HELP: &str = "\
Answer the packets of a thousand clients.

Usage: echo_packets [OPTIONS]

      --clients <NUMBER>   How many clients there are, at the same time [default: 1000]
      --messages <NUMBER>  How many packets each of them sends [default: 3]
      --threads <NUMBER>   How many threads the server has, and how many the clients [default: 2]
  -h, --help               Print help";

/// Reads the numbers of clients, messages and threads from the command line.
fn arguments() -> Result<[usize; 3], lexopt::Error> {
    use lexopt::prelude::*;

    let [mut clients, mut messages, mut threads] = [1000, 3, 2];
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        let number = match argument {
            Long("clients") => &mut clients,
            Long("messages") => &mut messages,
            Long("threads") => &mut threads,
            Short('h') | Long("help") => {
                println!("{HELP}");
                process::exit(0);
            }
            other => return Err(other.unexpected()),
        };
        *number = arguments.value()?.parse::<NonZero<usize>>()?.get();
    }
    Ok([clients, messages, threads])
}

/// Allows this process to have that many files and sockets open, if it may not yet.
#[cfg(unix)]
fn allow_open_files(files: usize) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Some(files as u64);
    if current.is_none() || current >= wanted {
        return Ok(());
    }
    let limit = Rlimit {
        current: wanted,
        maximum,
    };
    setrlimit(Resource::Nofile, limit)
        .map_err(|error| io::Error::other(format!("{files} open files are not allowed: {error}")))
}

#[cfg(not(unix))]
fn allow_open_files(_files: usize) -> io::Result<()> {
    Ok(())
}
