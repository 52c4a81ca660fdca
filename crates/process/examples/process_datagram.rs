//! One process sends a message in a packet, without a connection, another prints it.
//!
//! In Python two processes with a socket of the kind `SOCK_DGRAM` on port 5000; what is sent before
//! the receiver has bound it is lost. Here the socket is bound before both begin, on a port that
//! the system chooses, and is passed to the receiver.
//!
//! ```sh
//! cargo run -p workmill-process --example process_datagram
//! ```

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use workmill_process::{Descriptor, Jobs, ProcessPoolExecutor, serve_if_worker};

fn sender(address: SocketAddr) -> Result<(), String> {
    let send = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.send_to(b"Hello, receiver!", address)
    };
    send().map_err(|error: io::Error| error.to_string())?;
    Ok(())
}

fn receiver(socket: Descriptor<UdpSocket>) -> Result<(), String> {
    let mut buffer = [0; 1024];
    let received = socket.recv_from(&mut buffer);
    let (length, _) = received.map_err(|error| error.to_string())?;
    println!("{}", String::from_utf8_lossy(&buffer[..length]));
    Ok(())
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("sender", sender)
        .with("receiver", receiver)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let pool = ProcessPoolExecutor::new(2, jobs())?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    let sends = pool.submit(sender, address);
    let receives = pool.submit(receiver, socket.into());
    sends.join()??;
    receives.join()??;
    Ok(())
}
