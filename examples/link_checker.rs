//! Checks links: at most eight at a time, each with a time limit, and again with growing pauses if
//! the server is busy.
//!
//! The server is started by the program itself, on this machine. It has pages that are there, pages
//! that are not, a page that never answers, and some that work at the third request only.
//!
//! A [`JoinSet`] has the limit, and returns each result as it comes. A check is a future, so one
//! that waits for the server or for its next try needs no thread.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, io::BufReader};
use indicatif::{ProgressBar, ProgressDrawTarget};
use workmill::timer::{Elapsed, sleep, timeout};
use workmill::{Builder, DropBehavior, JoinSet, PoolRef, current};

/// The number of checks at a time.
const AT_A_TIME: usize = 8;
/// The time that a page has to answer.
const LIMIT: Duration = Duration::from_millis(500);
/// The number of tries, and the pause after the first, which doubles with each.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    // Connections that have not ended are cancelled in the end, not waited for.
    let builder = Builder::new().threads(2).on_drop(DropBehavior::Cancel);
    let pool = builder.build()?;
    let server = start_server(&pool)?;
    let in_flight = Arc::new(InFlight::default());

    let links = links();
    let bar = progress_bar(links.len());
    let mut checks = JoinSet::new(&pool).limit(AT_A_TIME);
    let mut results = BTreeMap::new();
    for link in links {
        let in_flight = Arc::clone(&in_flight);
        checks.spawn(link.clone(), async move {
            in_flight
                .most
                .fetch_max(in_flight.now.fetch_add(1, SeqCst) + 1, SeqCst);
            let state = check(server, link).await;
            in_flight.now.fetch_sub(1, SeqCst);
            state
        });
        while let Some((link, result)) = checks.try_join_next() {
            results.insert(link, result?);
            bar.inc(1);
        }
    }
    while let Some((link, result)) = checks.join_next() {
        results.insert(link, result?);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let mut counts = BTreeMap::new();
    for (link, state) in &results {
        *counts.entry(state.to_string()).or_insert(0) += 1;
        if !matches!(state, State::Found) {
            println!("{link}: {state}");
        }
    }
    for (state, count) in counts {
        println!("{count} {state}");
    }
    println!("at most {} at a time", in_flight.most.load(SeqCst));
    Ok(())
}

/// The number of checks at the moment, and the most that there were.
#[derive(Default)]
struct InFlight {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// What a check has found.
#[derive(Debug)]
enum State {
    Found,
    Status(u16),
    NoAnswer,
    Broken(io::ErrorKind),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found => f.write_str("found"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::Broken(kind) => write!(f, "{kind}"),
        }
    }
}

/// Checks a link, and tries again if the server is busy.
async fn check(server: SocketAddr, link: String) -> State {
    let mut pause = PAUSE;
    for last in (0..TRIES).map(|n| n + 1 == TRIES) {
        match timeout(LIMIT, request(server, &link)).await {
            Ok(Ok(200)) => return State::Found,
            Ok(Ok(503)) if !last => {}
            Ok(Ok(status)) => return State::Status(status),
            Ok(Err(error)) if last => return State::Broken(error.kind()),
            Ok(Err(_)) => {}
            Err(Elapsed) => return State::NoAnswer,
        }
        sleep(pause).await;
        pause *= 2;
    }
    unreachable!("the last try returns")
}

/// Asks for a page, and returns the status of the answer.
async fn request(server: SocketAddr, link: &str) -> io::Result<u16> {
    let mut stream = Async::<TcpStream>::connect(server).await?;
    let request = format!("HEAD {link} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The links of a page that was written long ago.
fn links() -> Vec<String> {
    let pages = (0..60).map(|n| format!("/page/{n}"));
    let gone = (0..5).map(|n| format!("/gone/{n}"));
    let busy = (0..5).map(|n| format!("/busy/{n}"));
    let slow = (0..2).map(|n| format!("/slow/{n}"));
    pages.chain(gone).chain(busy).chain(slow).collect()
}

/// Starts the server, and returns its address.
fn start_server(pool: &PoolRef) -> io::Result<SocketAddr> {
    let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.get_ref().local_addr()?;
    pool.spawn(accept(listener));
    Ok(address)
}

async fn accept(listener: Async<TcpListener>) {
    let pool = current().expect("a task of the pool");
    let requests = Arc::default();
    while let Ok((client, _)) = listener.accept().await {
        let requests = Arc::clone(&requests);
        pool.spawn(async move {
            if let Err(error) = serve(client, &requests).await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

/// Answers a request.
async fn serve(client: Async<TcpStream>, requests: &Mutex<HashMap<String, u32>>) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    client.read_line(&mut line).await?;
    let mut header = line.clone();
    while header.trim() != "" {
        header.clear();
        client.read_line(&mut header).await?;
    }
    let link = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let count = {
        let mut requests = requests.lock().unwrap();
        let count = requests.entry(link.clone()).or_insert(0);
        *count += 1;
        *count
    };
    sleep(Duration::from_millis(5)).await;
    let status = match link.split('/').nth(1) {
        Some("page") => "200 OK",
        Some("busy") if count < 3 => "503 Service Unavailable",
        Some("busy") => "200 OK",
        Some("slow") => {
            client.read(&mut [0]).await?; // until the client gives up
            return Ok(());
        }
        _ => "404 Not Found",
    };
    let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
    client.get_mut().write_all(answer.as_bytes()).await
}

/// Returns a bar, which is drawn on a terminal only.
fn progress_bar(links: usize) -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    ProgressBar::with_draw_target(Some(links as u64), target)
}
