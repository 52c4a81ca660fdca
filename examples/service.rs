//! A service that answers pings at once, and makes at most two reports at a time.
//!
//! Two more reports may wait. Whoever asks for another is told to come again, so neither memory nor
//! the other requests suffer from a crowd. The clients are threads of this program.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use workmill::{Event, Group, Overflow, PoolRef, ThreadPoolExecutor, blocking};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(4)?;
    let reports = pool.limited(2).queue_capacity(2).overflow(Overflow::Reject);
    let data = Arc::new(Data::default());

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let (handle, group, served) = (pool.handle(), reports.clone(), Arc::clone(&data));
    // It ends with the process.
    thread::spawn(move || serve(&listener, &handle, &group, &served));

    let (tell, answers) = mpsc::channel();
    for n in 0..6 {
        if n == 2 {
            data.two_run.wait();
        }
        let tell = tell.clone();
        thread::spawn(move || tell.send(ask(address, "report")));
    }
    drop(tell);
    let refused = [answers.recv()??, answers.recv()??];
    println!("two of six: {} and {}", refused[0], refused[1]);
    println!("meanwhile: {}", ask(address, "ping")?);
    data.are_there.set();
    for answer in answers {
        println!("later: {}", answer?);
    }
    println!("at most {} at a time", data.most.load(Ordering::SeqCst));
    reports.shutdown();
    pool.shutdown();
    Ok(())
}

/// The data that reports are made of, which come late.
#[derive(Default)]
struct Data {
    are_there: Event,
    two_run: Event,
    reports: AtomicUsize,
    most: AtomicUsize,
}

fn serve(listener: &TcpListener, pool: &PoolRef, reports: &Group, data: &Arc<Data>) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        let (reports, data) = (reports.clone(), Arc::clone(data));
        pool.execute(move || {
            if let Err(error) = answer(client, &reports, &data) {
                eprintln!("a client has gone: {error}");
            }
        });
    }
}

fn answer(client: TcpStream, reports: &Group, data: &Arc<Data>) -> io::Result<()> {
    let (mut client, mut request) = (BufReader::new(client), String::new());
    // It may take as long as the client likes, and another task runs meanwhile.
    blocking(|| client.read_line(&mut request))?;
    let client = Arc::new(client.into_inner());
    if request != "report\n" {
        return (&*client).write_all(b"pong\n");
    }
    let (data, reader) = (Arc::clone(data), Arc::clone(&client));
    let report = move || (&*reader).write_all(report(&data).as_bytes());
    match reports.try_execute(move || drop(report())) {
        Ok(()) => Ok(()),
        Err(_) => (&*client).write_all(b"busy, come again\n"),
    }
}

fn report(data: &Data) -> String {
    let now = data.reports.fetch_add(1, Ordering::SeqCst) + 1;
    data.most.fetch_max(now, Ordering::SeqCst);
    if now == 2 {
        data.two_run.set();
    }
    data.are_there.wait();
    data.reports.fetch_sub(1, Ordering::SeqCst);
    "a report\n".to_owned()
}

fn ask(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut server = TcpStream::connect(address)?;
    server.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(server).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}
