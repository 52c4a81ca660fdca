//! One sends a message in a packet, without a connection, another prints it.
//!
//! In Python two processes with a socket of the kind `SOCK_DGRAM` on port 5000, and `sendto` and
//! `recvfrom`. Here they are futures, with the sockets of async-io, on a port that the system
//! chooses.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use async_io::Async;
use workmill::ThreadPoolExecutor;

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let socket = Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.get_ref().local_addr()?;
    let receiver = pool.spawn(receive(socket));
    let sender = pool.spawn(send(address));
    sender.join()??;
    println!("{}", receiver.join()??);
    Ok(())
}

async fn send(address: SocketAddr) -> io::Result<()> {
    let socket = Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(b"Hello, receiver!", address).await?;
    Ok(())
}

async fn receive(socket: Async<UdpSocket>) -> io::Result<String> {
    let mut buffer = [0; 1024];
    let (length, _) = socket.recv_from(&mut buffer).await?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
