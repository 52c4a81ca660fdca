//! Serves a page of a running pool: one for Prometheus and one for people, by futures of that pool.
//!
//! ```text
//! cargo run --release --example status_page            # http://127.0.0.1:9184, until Ctrl-C
//! cargo run --release --example status_page -- 50      # visits itself 50 times, and ends
//! ```
//!
//! Meanwhile the pool has something to do: short tasks, tasks of a group that wait, some that are
//! cancelled, and some that panic.

mod pages;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{env, io, panic};

use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use workmill::timer::timeout;
use workmill::{Builder, CancelToken, DropBehavior, Every, PoolRef};

const PORT: u16 = 9184;

/// The longest request that is read.
const LONGEST: usize = 8 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let visits: Option<u32> = env::args().nth(1).map(|it| it.parse()).transpose()?;
    panic::set_hook(Box::new(|_| ())); // the load panics on purpose
    let builder = Builder::new().threads(4).on_drop(DropBehavior::Cancel);
    let pool = builder
        .on_long_task(Duration::from_secs(1), |busy| eprintln!("{busy}"))
        .build()?;
    let port = if visits.is_some() { 0 } else { PORT };
    let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.get_ref().local_addr()?;
    let seen = pool.handle();
    let serving = pool.named("serve").spawn(serve(listener, seen));
    let load = load(&pool);
    match visits {
        None => {
            println!("http://{address} for people, http://{address}/metrics for Prometheus");
            let stop = CancelToken::new();
            let stops = stop.clone();
            ctrlc::set_handler(move || stops.cancel())?;
            stop.wait();
        }
        Some(visits) => {
            for visit in pool.map(0..visits, move |n| visit(address, n)).window(8) {
                visit??;
            }
            println!("{visits} visits, and the counts added up each time");
        }
    }
    serving.cancel();
    load.cancel();
    drop(pool);
    println!("the server has ended");
    Ok(())
}

/// Gives the pool something to do from time to time, until the handle is cancelled.
fn load(pool: &PoolRef) -> workmill::JoinHandle<()> {
    let (grinds, sends) = (pool.named("grind"), pool.limited(2).named("send"));
    let mut round = 0_u64;
    pool.submit_every(Every::rate(Duration::from_millis(20)), move || {
        round += 1;
        for _ in 0..20 {
            grinds.execute(|| spin(Duration::from_micros(300)));
        }
        sends.execute(|| std::thread::sleep(Duration::from_millis(12)));
        drop(grinds.submit(|| ()).cancel_on_drop());
        if round % 50 == 0 {
            grinds.execute(|| panic!("out of grain"));
        }
    })
}

fn spin(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

async fn serve(listener: Async<TcpListener>, pool: PoolRef) -> io::Result<()> {
    let answers = pool.named("answer");
    loop {
        let (stream, _) = listener.accept().await?;
        let seen = pool.clone();
        let answer = timeout(Duration::from_secs(5), answer(stream, seen));
        // A visitor that goes away, or is too slow, is nobody else's trouble.
        drop(answers.spawn(async { drop(answer.await) }));
    }
}

async fn answer(mut stream: Async<TcpStream>, pool: PoolRef) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await?;
        request.extend_from_slice(&part[..read]);
        if read == 0 || request.len() > LONGEST {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or("/");
    let (status, kind, body) = match path {
        "/" => ("200 OK", "text/html", pages::for_people(&pool.metrics())),
        "/metrics" => (
            "200 OK",
            "text/plain; version=0.0.4",
            pages::for_prometheus(&pool.metrics()),
        ),
        _ => (
            "404 Not Found",
            "text/plain",
            "There is / and /metrics.\n".to_owned(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.close().await
}

/// Gets one of the pages, and checks it.
fn visit(address: SocketAddr, n: u32) -> io::Result<()> {
    use std::io::{Read, Write};
    let path = if n % 2 == 0 { "/metrics" } else { "/" };
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    workmill::blocking(|| stream.read_to_string(&mut answer))?;
    let is_good = answer.starts_with("HTTP/1.1 200 OK")
        && match path {
            "/metrics" => pages::adds_up(&answer),
            _ => answer.ends_with("</html>\n"),
        };
    match is_good {
        true => Ok(()),
        false => Err(io::Error::other(format!("not what it should be: {answer}"))),
    }
}
