//! One process sends a message over a connection, another prints it.
//!
//! In Python two processes with a socket of the kind `SOCK_STREAM` on port 5000; the sender fails
//! if it comes before the receiver listens. Here the socket listens before both begin, on a port
//! that the system chooses, and is passed to the receiver.
//!
//! ```sh
//! cargo run -p workmill-process --example process_stream
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use workmill_process::{Descriptor, Jobs, ProcessPoolExecutor, serve_if_worker};

fn sender(address: SocketAddr) -> Result<(), String> {
    let send = || TcpStream::connect(address)?.write_all(b"Hello, receiver!");
    send().map_err(|error: io::Error| error.to_string())
}

fn receiver(listener: Descriptor<TcpListener>) -> Result<(), String> {
    let receive = || {
        // The bytes may come in pieces: this message ends with the stream.
        let mut message = String::new();
        listener.accept()?.0.read_to_string(&mut message)?;
        Ok(message)
    };
    let message = receive().map_err(|error: io::Error| error.to_string())?;
    println!("{message}");
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
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let sends = pool.submit(sender, address);
    let receives = pool.submit(receiver, listener.into());
    sends.join()??;
    receives.join()??;
    Ok(())
}
