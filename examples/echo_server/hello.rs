//! One sends a word through a socket, another prints it.
//!
//! In Python two processes that agree on port 5000, with a socket of the kind `SOCK_STREAM` or
//! `SOCK_DGRAM`, and `sendall`, `recv`, `sendto` and `recvfrom`. There the sender fails if it comes
//! first. Here the receiver has its socket before the sender begins, and the system chooses the
//! port.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use workmill::ThreadPoolExecutor;
use workmill::timer::timeout;

use crate::LIMIT;

const MESSAGE: &str = "Hello, receiver!";

/// This machine, and any port that is free.
const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

pub(crate) fn stream() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let listener = Async::<TcpListener>::bind(HERE)?;
    let address = listener.get_ref().local_addr()?;
    let receiving = pool.spawn(timeout(LIMIT, receive_stream(listener)));
    let sending = pool.spawn(timeout(LIMIT, send_stream(address)));
    sending.join()???;
    assert_eq!(receiving.join()???, MESSAGE);
    Ok(())
}

async fn send_stream(address: SocketAddr) -> io::Result<()> {
    let mut stream = Async::<TcpStream>::connect(address).await?;
    stream.write_all(MESSAGE.as_bytes()).await
}

async fn receive_stream(listener: Async<TcpListener>) -> io::Result<String> {
    let (mut stream, _) = listener.accept().await?;
    // A stream knows no messages, and the bytes may come in pieces: this message ends with the
    // stream.
    let mut message = String::new();
    stream.read_to_string(&mut message).await?;
    println!("{message}");
    Ok(message)
}

pub(crate) fn datagram() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let socket = Async::<UdpSocket>::bind(HERE)?;
    let address = socket.get_ref().local_addr()?;
    let receiving = pool.spawn(timeout(LIMIT, receive_datagram(socket)));
    let sending = pool.spawn(timeout(LIMIT, send_datagram(address)));
    sending.join()???;
    assert_eq!(receiving.join()???, MESSAGE.as_bytes());
    Ok(())
}

async fn send_datagram(address: SocketAddr) -> io::Result<()> {
    let socket = Async::<UdpSocket>::bind(HERE)?;
    socket.send_to(MESSAGE.as_bytes(), address).await?;
    Ok(())
}

async fn receive_datagram(socket: Async<UdpSocket>) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 1024];
    let (length, _) = socket.recv_from(&mut buffer).await?;
    let message = &buffer[..length];
    println!("{}", String::from_utf8_lossy(message));
    Ok(message.to_vec())
}
