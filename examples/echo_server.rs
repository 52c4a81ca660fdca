//! A server that sends back what comes, and a thousand clients, connected at the same time.
//!
//! ```text
//! cargo run --release --example echo_server -- --clients 5000
//! ```
//!
//! Each connection is a future of the server's pool, each client one of another pool. The sockets
//! are those of async-io, which has a thread that waits for all of them and wakes the futures.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use std::{io, process};

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use workmill::timer::timeout;
use workmill::{Builder, DropBehavior, Latch, Semaphore, current};

fn main() -> Result<(), Box<dyn Error>> {
    let [clients, messages, threads] = arguments().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        process::exit(2);
    });
    allow_open_files(2 * clients + 100)?; // both ends are here
    // After an error, futures that have not ended are cancelled, not waited for.
    let builder = || {
        Builder::new()
            .threads(threads)
            .on_drop(DropBehavior::Cancel)
    };

    let server = builder().build()?;
    let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.get_ref().local_addr()?;
    let connections = Arc::new(Connections::default());
    let accepting = server.spawn(accept(listener, Arc::clone(&connections)));

    let callers = builder().build()?;
    let crowd = Arc::new(Crowd {
        connecting: Semaphore::new(100), // the system keeps few until they are accepted
        all_are_served: Latch::new(clients),
    });
    let calls: Vec<_> = (0..clients)
        .map(|client| call(address, client, messages, Arc::clone(&crowd)))
        .map(|call| callers.spawn(timeout(Duration::from_secs(30), call)))
        .collect();
    let mut answered = 0;
    for call in calls {
        answered += call.join()???; // cancelled, too late, or an error of the socket
    }
    println!(
        "{} connections at the same time",
        connections.most.load(SeqCst)
    );
    println!("{answered} messages answered");

    accepting.cancel(); // it would accept more
    server.shutdown(); // waits until every connection has ended
    println!("the server has ended");
    Ok(())
}

/// The number of connections that the server has, and the most that it had.
#[derive(Default)]
struct Connections {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Accepts connections, and spawns a future for each.
async fn accept(listener: Async<TcpListener>, connections: Arc<Connections>) -> io::Result<()> {
    let pool = current().expect("a task has a pool");
    loop {
        let (stream, client) = listener.accept().await?;
        let connections = Arc::clone(&connections);
        pool.spawn(async move {
            let now = connections.now.fetch_add(1, SeqCst) + 1;
            connections.most.fetch_max(now, SeqCst);
            if let Err(error) = echo(stream).await {
                eprintln!("echo_server: {client}: {error}");
            }
            connections.now.fetch_sub(1, SeqCst);
        });
    }
}

/// Sends back what comes, until the other end hangs up.
async fn echo(mut stream: Async<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

/// Shared by the clients.
struct Crowd {
    connecting: Semaphore,
    all_are_served: Latch,
}

/// Sends a message, and when all clients have been answered, the others. Returns the number of
/// messages that came back.
async fn call(
    server: SocketAddr,
    client: usize,
    messages: usize,
    crowd: Arc<Crowd>,
) -> io::Result<usize> {
    let permit = crowd.connecting.acquire_async().await;
    let mut stream = Async::<TcpStream>::connect(server).await?;
    let mut answered = exchange(0, client, &mut stream).await?;
    drop(permit); // it is connected, since there was an answer

    crowd.all_are_served.count_down();
    crowd.all_are_served.wait_async().await;
    for message in 1..messages {
        answered += exchange(message, client, &mut stream).await?;
    }
    Ok(answered)
}

/// Sends a message, and waits for an answer of that length. Returns 1 if it is the message.
async fn exchange(
    message: usize,
    client: usize,
    stream: &mut Async<TcpStream>,
) -> io::Result<usize> {
    let sent = format!("message {message} of client {client}");
    stream.write_all(sent.as_bytes()).await?;
    let mut answer = vec![0; sent.len()];
    stream.read_exact(&mut answer).await?;
    Ok(usize::from(answer == sent.as_bytes()))
}

const HELP: &str = "\
Answer a thousand clients, all connected at the same time.

Usage: echo_server [OPTIONS]

      --clients <NUMBER>   How many clients there are, at the same time [default: 1000]
      --messages <NUMBER>  How many messages each of them sends [default: 3]
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
