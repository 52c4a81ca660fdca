//! A way to the server that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::NatsServer;

/// Passes on what goes to a server and comes from it, until it is told to cut the connections.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: Vec<TcpStream>,
    /// New connections are closed at once.
    is_closed: bool,
    /// The connection is cut when a message to that subject has been passed on.
    cut_after: Option<String>,
    /// New connections are closed at once when it has been cut so.
    then_closes: bool,
    cuts: usize,
}

impl State {
    fn cut(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.cuts += 1;
    }
}

impl Proxy {
    pub(crate) fn start(server: &NatsServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = server.port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut state = shared.lock().unwrap();
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                if state.is_closed {
                    continue;
                }
                state.open.push(client.try_clone().unwrap());
                state.open.push(server.try_clone().unwrap());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let there = Arc::clone(&shared);
                thread::spawn(move || pass(from, to, Some(&there)));
                thread::spawn(move || pass(server, client, None));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Cuts the connection once, when the next message whose subject begins so has been passed on:
    /// the server has it, and its answer is lost.
    pub(crate) fn cut_after(&self, subject: &str) {
        self.state.lock().unwrap().cut_after = Some(subject.to_owned());
    }

    /// The same, and lets no new connections through.
    pub(crate) fn close_after(&self, subject: &str) {
        let mut state = self.state.lock().unwrap();
        state.cut_after = Some(subject.to_owned());
        state.then_closes = true;
    }

    /// Cuts the connections, and lets no new ones through.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_closed = true;
        state.cut();
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
    }

    pub(crate) fn cuts(&self) -> usize {
        self.state.lock().unwrap().cuts
    }
}

/// The beginnings of the lines that send a message.
const SENDS: [&str; 2] = ["PUB ", "HPUB "];

fn pass(mut from: TcpStream, mut to: TcpStream, watched: Option<&Mutex<State>>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..bytes];
        let is_cut = watched.is_some_and(|state| {
            let mut state = state.lock().unwrap();
            let text = String::from_utf8_lossy(bytes);
            let sends = |subject| SENDS.map(|it| format!("{it}{subject}"));
            let is_meant = state.cut_after.as_ref().map(sends);
            let is_cut = is_meant.is_some_and(|all| all.iter().any(|it| text.contains(it)));
            if is_cut {
                state.cut_after = None;
                state.is_closed = std::mem::take(&mut state.then_closes);
                state.open.clear();
                state.cuts += 1;
                // Before the server has it, and can answer.
                let _ = from.shutdown(Shutdown::Both);
            }
            is_cut
        });
        if to.write_all(bytes).is_err() {
            break;
        }
        if is_cut {
            // What was written before is read by the server before it sees the end.
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
