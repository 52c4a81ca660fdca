//! A server that serves a thousand connections at the same time, and its clients.
//!
//! Each connection is a future of the server's pool, each client a future of another pool. When all
//! clients have hung up, the server ends in order: it accepts no more connections, finishes those
//! that are left, and then its threads end.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt};
use workmill::timer::timeout;
use workmill::{Builder, CancelToken, DropBehavior, Latch, Semaphore, current};

use crate::{LIMIT, Size, open_files};

/// The number of clients that may be connecting at a time. The system keeps some more connections
/// until they are accepted; beyond these a client tries again after a second.
const AT_THE_DOOR: usize = 100;

pub(crate) fn run(size: &Size) -> Result<(), Box<dyn Error>> {
    let clients = size.clients.get();
    open_files::allow(2 * clients + 100)?; // both ends are here
    // After an error, clients that have not ended are cancelled, not waited for.
    let builder = || Builder::new().on_drop(DropBehavior::Cancel);

    let server = builder().threads(size.threads.get()).build()?;
    let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
    let crowd = Arc::new(Crowd {
        address: listener.get_ref().local_addr()?,
        door: Semaphore::new(AT_THE_DOOR),
        all_are_served: Latch::new(clients),
        messages: size.messages.get(),
    });
    let (stop, visitors) = (CancelToken::new(), Arc::new(Visitors::default()));
    let accepting = server.spawn(accept(listener, stop.clone(), Arc::clone(&visitors)));

    let callers = builder().threads(size.threads.get()).build()?;
    let calls: Vec<_> = (0..clients)
        .map(|client| callers.spawn(timeout(LIMIT, call(client, Arc::clone(&crowd)))))
        .collect();
    let mut answered = 0;
    for call in calls {
        answered += call.join()???;
    }
    println!(
        "{} connections at the same time",
        visitors.most.load(SeqCst)
    );
    println!("{answered} messages answered");
    assert_eq!(visitors.most.load(SeqCst), clients);
    assert_eq!(answered, clients * size.messages.get());

    stop.cancel();
    accepting.join()??;
    server.shutdown();
    assert_eq!(visitors.now.load(SeqCst), 0);
    println!("the server has ended");
    Ok(())
}

/// Accepts connections until it is told to stop, and starts a future for each.
async fn accept(
    listener: Async<TcpListener>,
    stop: CancelToken,
    visitors: Arc<Visitors>,
) -> io::Result<()> {
    let pool = current().expect("a task has a pool");
    loop {
        let next = async { Some(listener.accept().await) };
        let stopped = async {
            stop.wait_async().await;
            None
        };
        let Some(next) = next.or(stopped).await else {
            return Ok(());
        };
        let (stream, client) = next?;
        let visitors = Arc::clone(&visitors);
        // It is not joined: the shutdown of the pool waits for all.
        pool.spawn(async move {
            visitors.enter();
            if let Err(error) = echo(stream).await {
                eprintln!("echo_server: {client}: {error}");
            }
            visitors.leave();
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

/// Calls the server, and sends the first message; when all clients have been answered, the others.
/// Returns the number of answers.
async fn call(client: usize, crowd: Arc<Crowd>) -> io::Result<usize> {
    let at_the_door = crowd.door.acquire_async().await.map_err(io::Error::other)?;
    let mut stream = Async::<TcpStream>::connect(crowd.address).await?;
    exchange(0, client, &mut stream).await?;
    drop(at_the_door); // accepted, since there was an answer

    crowd.all_are_served.count_down();
    crowd.all_are_served.wait_async().await;
    for message in 1..crowd.messages {
        exchange(message, client, &mut stream).await?;
    }
    Ok(crowd.messages)
}

/// Sends a message, and waits for it to come back.
async fn exchange(message: usize, client: usize, stream: &mut Async<TcpStream>) -> io::Result<()> {
    let sent = format!("message {message} of client {client}");
    stream.write_all(sent.as_bytes()).await?;
    let mut answer = vec![0; sent.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, sent.as_bytes());
    Ok(())
}

/// Shared by the clients.
struct Crowd {
    address: SocketAddr,
    door: Semaphore,
    /// No client goes on before all are there.
    all_are_served: Latch,
    messages: usize,
}

/// Counts the connections that the server has.
#[derive(Default)]
struct Visitors {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Visitors {
    fn enter(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, SeqCst);
    }
}
