//! A server of packets, and clients that send a packet again if it got lost.
//!
//! Packets may get lost, come twice, or late: with many at a time the system throws some away, even
//! within one machine. So a client waits for a permit to send, and no longer than a while for the
//! answer; then it sends the packet again. It ignores packets that do not answer its last one.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use async_io::Async;
use futures_lite::FutureExt;
use workmill::timer::timeout;
use workmill::{Builder, CancelToken, DropBehavior, Semaphore};

use crate::{LIMIT, Size, open_files};

/// This machine, and any port that is free.
const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// The number of packets that may be on their way.
const ON_THE_WAY: usize = 50;

/// The time that a client waits for an answer before it sends the packet again.
const PATIENCE: Duration = Duration::from_millis(200);

pub(crate) fn run(size: &Size) -> Result<(), Box<dyn Error>> {
    let clients = size.clients.get();
    open_files::allow(clients + 100)?;
    // After an error, clients that have not ended are cancelled, not waited for.
    let builder = || Builder::new().on_drop(DropBehavior::Cancel);

    let server = builder().threads(size.threads.get()).build()?;
    let socket = Async::<UdpSocket>::bind(HERE)?;
    let crowd = Arc::new(Crowd {
        address: socket.get_ref().local_addr()?,
        turns: Semaphore::new(ON_THE_WAY),
        messages: size.messages.get(),
    });
    let stop = CancelToken::new();
    let echoing = server.spawn(echo(socket, stop.clone()));

    let callers = builder().threads(size.threads.get()).build()?;
    let calls: Vec<_> = (0..clients)
        .map(|client| callers.spawn(timeout(LIMIT, call(client, Arc::clone(&crowd)))))
        .collect();
    let mut answered = 0;
    for call in calls {
        answered += call.join()???;
    }
    println!("{clients} clients, {answered} packets answered");
    assert_eq!(answered, clients * size.messages.get());

    stop.cancel();
    // As many came in as were answered, and perhaps some twice.
    assert!(echoing.join()?? >= answered);
    server.shutdown();
    println!("the server has ended");
    Ok(())
}

/// Sends packets back where they came from, until it is told to stop; returns the number of
/// packets.
async fn echo(socket: Async<UdpSocket>, stop: CancelToken) -> io::Result<usize> {
    let mut buffer = [0; 1024];
    let mut echoed = 0;
    loop {
        let next = async { Some(socket.recv_from(&mut buffer).await) };
        let stopped = async {
            stop.wait_async().await;
            None
        };
        let Some(next) = next.or(stopped).await else {
            return Ok(echoed);
        };
        let (length, client) = next?;
        socket.send_to(&buffer[..length], client).await?;
        echoed += 1;
    }
}

/// Sends its packets, one after the other; returns the number of answers.
async fn call(client: usize, crowd: Arc<Crowd>) -> io::Result<usize> {
    let socket = Async::<UdpSocket>::bind(HERE)?;
    socket.get_ref().connect(crowd.address)?;
    for message in 0..crowd.messages {
        let permit = crowd.turns.acquire_async().await;
        let _permit = permit.map_err(io::Error::other)?;
        let packet = format!("message {message} of client {client}");
        loop {
            socket.send(packet.as_bytes()).await?;
            let answer = timeout(PATIENCE, answer_to(packet.as_bytes(), &socket));
            if let Ok(answered) = answer.await {
                break answered?;
            }
        }
    }
    Ok(crowd.messages)
}

/// Waits until `packet` comes back.
async fn answer_to(packet: &[u8], socket: &Async<UdpSocket>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if &buffer[..length] == packet {
            return Ok(());
        }
    }
}

/// Shared by the clients.
struct Crowd {
    address: SocketAddr,
    turns: Semaphore,
    messages: usize,
}
