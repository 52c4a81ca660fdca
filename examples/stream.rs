//! One sends a message over a connection, another prints it.
//!
//! In Python two processes with a socket of the kind `SOCK_STREAM` on port 5000. Here they are
//! futures, with the sockets of async-io, on a port that the system chooses.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use workmill::ThreadPoolExecutor;

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.get_ref().local_addr()?;
    let receiver = pool.spawn(receive(listener));
    let sender = pool.spawn(send(address));
    sender.join()??;
    println!("{}", receiver.join()??);
    Ok(())
}

async fn send(address: SocketAddr) -> io::Result<()> {
    let mut stream = Async::<TcpStream>::connect(address).await?;
    stream.write_all(b"Hello, receiver!").await
}

async fn receive(listener: Async<TcpListener>) -> io::Result<String> {
    let (mut stream, _) = listener.accept().await?;
    // The bytes may come in pieces: this message ends with the stream.
    let mut message = String::new();
    stream.read_to_string(&mut message).await?;
    Ok(message)
}
