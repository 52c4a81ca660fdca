//! What a job in a process costs, in turn with a raw ping-pong between two processes and with
//! Python's `ProcessPoolExecutor`, where there is one.
//!
//! ```sh
//! cargo bench -p workmill-process                  # 5 rounds
//! cargo bench -p workmill-process -- --rounds 11
//! ```
//!
//! Each round measures each row once for each contender; the figures are medians, and the ratios
//! medians of the ratios round by round.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use workmill_process::hub::{JoinableQueue, Semaphore};
use workmill_process::{
    Bytes, Connection, Hub, Jobs, ProcessPoolExecutor, SharedArray, pipe, serve_if_worker,
};

fn nothing() {}

fn echo(bytes: Bytes) -> Bytes {
    bytes
}

/// Copies the elements out each time it is told that they are there, and tells when it has.
fn copy_out(array: SharedArray<u8>, told: Connection<(), ()>) {
    let mut bytes = Vec::new();
    for item in told.iter() {
        item.expect("whole items");
        bytes.clear();
        bytes.extend_from_slice(&array.lock().expect("the lock"));
        told.send(&()).expect("the parent is there");
    }
}

/// Receives bytes, and tells when it has.
fn take_out(items: Connection<(), Bytes>) {
    for item in items.iter() {
        drop(item.expect("whole items"));
        items.send(&()).expect("the parent is there");
    }
}

/// Returns nanoseconds a permit.
fn permits(keys: Semaphore) -> f64 {
    let take = || drop(keys.acquire().expect("it is not closed"));
    time(PERMITS, || (0..PERMITS).for_each(|_| take()))
}

fn put(queue: JoinableQueue<u32>) {
    (0..ITEMS).for_each(|number| queue.put(number).expect("it is not closed"));
}

/// Takes items and reports them done.
fn take(queue: JoinableQueue<u32>) {
    (0..ITEMS).for_each(|_| drop(queue.get_task().expect("it is not closed")));
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("nothing", nothing)
        .with("echo", echo)
        .with("copy_out", copy_out)
        .with("take_out", take_out)
        .with("permits", permits)
        .with("put", put)
        .with("take", take)
}

const ROWS: [&str; 9] = [
    "empty job, one at a time",
    "empty job, 64 in flight",
    "1 MB there and back",
    "start, one job, end",
    "1 MB by a shared array (Python: by a queue)",
    "1 MB by a pipe (Python: by a queue)",
    "acquire and release by a child",
    "an item from child to child",
    "an item from child to child, room for 100",
];

/// Nanoseconds an operation, for each row.
type Figures = [Option<f64>; ROWS.len()];

const EMPTY: u32 = 2000;
const WINDOW: u32 = 4000;
const LARGE: u32 = 40;
const STARTS: u32 = 5;
const PERMITS: u32 = 2000;
const ITEMS: u32 = 20_000;

/// Returns nanoseconds an operation.
fn time(operations: u32, run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_nanos() as f64 / f64::from(operations)
}

/// The other side of the raw ping-pong, whose socket is its standard input.
fn raw_worker() {
    let socket: OwnedFd = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .expect("a socket");
    let mut socket = UnixStream::from(socket);
    let mut buffer = vec![0; 1 << 20];
    let mut size = [0; 8];
    while socket.read_exact(&mut size).is_ok() {
        let message = &mut buffer[..u64::from_le_bytes(size) as usize];
        socket.read_exact(message).expect("a whole message");
        socket.write_all(message).expect("the parent reads");
    }
}

/// A message of 24 bytes goes to another process and comes back; or one of a megabyte.
fn raw() -> Figures {
    let (mut ours, theirs) = UnixStream::pair().expect("two sockets");
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.arg("--raw").stdin(OwnedFd::from(theirs));
    let mut child = command.spawn().expect("this program can be started");
    drop(command);
    let mut exchange = |message: &mut [u8], size: usize| {
        message[..8].copy_from_slice(&(size as u64 - 8).to_le_bytes());
        ours.write_all(&message[..size]).expect("the child reads");
        ours.read_exact(&mut message[8..size])
            .expect("the child answers");
    };
    let mut message = vec![1; (1 << 20) + 8];
    exchange(&mut message, 24);
    let empty = time(EMPTY, || {
        (0..EMPTY).for_each(|_| exchange(&mut message, 24));
    });
    let size = message.len();
    let large = time(LARGE, || {
        (0..LARGE).for_each(|_| exchange(&mut message, size));
    });
    drop(ours);
    child.wait().expect("the child ends");
    [
        Some(empty),
        None,
        Some(large),
        None,
        None,
        None,
        None,
        None,
        None,
    ]
}

fn ours() -> Figures {
    let pool = ProcessPoolExecutor::new(1, jobs()).expect("a pool");
    let run = || pool.submit(nothing, ()).join().expect("an empty job");
    run();
    let empty = time(EMPTY, || (0..EMPTY).for_each(|_| run()));
    let window = time(WINDOW, || {
        let mut handles = VecDeque::new();
        for _ in 0..WINDOW {
            handles.push_back(pool.submit(nothing, ()));
            if handles.len() == 64 {
                let first = handles.pop_front().expect("there are 64");
                first.join().expect("an empty job");
            }
        }
        handles
            .into_iter()
            .for_each(|handle| handle.join().expect("an empty job"));
    });
    let mut bytes = Bytes::from(vec![1; 1 << 20]);
    let large = time(LARGE, || {
        for _ in 0..LARGE {
            let sent = std::mem::take(&mut bytes);
            bytes = pool.submit(echo, sent).join().expect("the bytes");
        }
    });
    drop(pool);
    let start = time(STARTS, || {
        for _ in 0..STARTS {
            let pool = ProcessPoolExecutor::new(1, jobs()).expect("a pool");
            pool.submit(nothing, ()).join().expect("an empty job");
            pool.shutdown();
        }
    });
    let [shared, piped] = between();
    let [permit, item, bounded] = ours_of_the_hub();
    let figures = [empty, window, large, start, shared, piped].map(Some);
    let [empty, window, large, start, shared, piped] = figures;
    [
        empty, window, large, start, shared, piped, permit, item, bounded,
    ]
}

/// A megabyte is handed to a process that runs, which copies it out and says so.
fn between() -> [f64; 2] {
    let bytes = vec![1; 1 << 20];
    let pool = ProcessPoolExecutor::new(2, jobs()).expect("a pool");
    let array = SharedArray::zeroed(bytes.len()).expect("an array");
    let (tells, told) = pipe::<(), ()>().expect("a pipe");
    let copies = pool.submit(copy_out, (array.clone(), told));
    let hand_over = || {
        array.lock().expect("the lock").copy_from_slice(&bytes);
        tells.send(&()).expect("the child is there");
        tells.recv().expect("the child answers");
    };
    hand_over();
    let shared = time(LARGE, || (0..LARGE).for_each(|_| hand_over()));
    drop(tells);
    copies.join().expect("the job ends");
    let (sends, items) = pipe::<Bytes, ()>().expect("a pipe");
    let takes = pool.submit(take_out, items);
    let bytes = Bytes::from(bytes);
    let hand_over = || {
        sends.send(&bytes).expect("the child is there");
        sends.recv().expect("the child answers");
    };
    hand_over();
    let piped = time(LARGE, || (0..LARGE).for_each(|_| hand_over()));
    drop(sends);
    takes.join().expect("the job ends");
    [shared, piped]
}

fn ours_of_the_hub() -> [Option<f64>; 3] {
    let hub = Hub::new(jobs()).expect("a hub");
    let keys = hub.semaphore(1);
    let permit = hub.spawn(permits, keys).join().expect("permits");
    let item = |capacity: Option<usize>| {
        let queue = hub.queue(capacity);
        time(ITEMS, || {
            let taker = hub.spawn(take, queue.clone());
            hub.spawn(put, queue).join().expect("items");
            taker.join().expect("items");
        })
    };
    [permit, item(None), item(Some(100))].map(Some)
}

/// The same with one process of Python's: started by `fork` for the first three rows, and by
/// `spawn` for the last, since that is what we do.
const PYTHON: &str = "
import time, sys, collections
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
def nothing(): pass
def echo(b): return b
if __name__ == '__main__':
    def timed(n, f):
        t = time.perf_counter()
        f()
        return (time.perf_counter() - t) / n * 1e9
    p = ProcessPoolExecutor(1, mp_context=get_context('fork'))
    p.submit(nothing).result()
    def empty():
        for _ in range(400): p.submit(nothing).result()
    def window():
        q = collections.deque()
        for _ in range(1000):
            q.append(p.submit(nothing))
            if len(q) == 64: q.popleft().result()
        for f in q: f.result()
    b = bytes(1 << 20)
    def large():
        for _ in range(20): p.submit(echo, b).result()
    figures = [timed(400, empty), timed(1000, window), timed(20, large)]
    p.shutdown()
    def start():
        with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as s:
            s.submit(nothing).result()
    figures.append(timed(1, start))
    context = get_context('fork')
    there, back = context.Queue(), context.Queue()
    def take_out():
        while there.get() is not None: back.put(1)
    child = context.Process(target=take_out)
    child.start()
    def hand_over():
        there.put(b)
        back.get()
    hand_over()
    figures += [timed(20, lambda: [hand_over() for _ in range(20)]) for _ in range(2)]
    there.put(None)
    child.join()
    f = context
    def permits(s, c):
        def take():
            for _ in range(2000):
                s.acquire()
                s.release()
        c.send(timed(2000, take))
    def put(q):
        for i in range(20000): q.put(i)
    def take(q):
        for _ in range(20000):
            q.get()
            q.task_done()
    with f.Manager() as m:
        a, b = f.Pipe()
        s = m.Semaphore(1)
        p = f.Process(target=permits, args=(s, b))
        p.start()
        figures.append(a.recv())
        p.join()
    for capacity in 0, 100:
        q = f.JoinableQueue(capacity)
        def items():
            both = [f.Process(target=t, args=(q,)) for t in (take, put)]
            for p in both: p.start()
            for p in both: p.join()
        figures.append(timed(20000, items))
    print(*figures)
";

fn python(script: &std::path::Path) -> Option<Figures> {
    let output = Command::new("python3")
        .arg(script)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let figures: Vec<f64> = text
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    let figures: [f64; ROWS.len()] = figures.try_into().ok()?;
    Some(figures.map(Some))
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn shown(figure: Option<f64>) -> String {
    match figure {
        None => "-".to_owned(),
        Some(nanoseconds) if nanoseconds < 1e6 => format!("{:.1} us", nanoseconds / 1e3),
        Some(nanoseconds) => format!("{:.2} ms", nanoseconds / 1e6),
    }
}

fn main() {
    if std::env::args().any(|it| it == "--raw") {
        return raw_worker();
    }
    serve_if_worker(jobs());
    let mut arguments = std::env::args().skip_while(|it| it != "--rounds").skip(1);
    let rounds = arguments
        .next()
        .map_or(5, |it| it.parse().expect("a number of rounds"));
    let script = std::env::temp_dir().join(format!("workmill-{}.py", std::process::id()));
    std::fs::write(&script, PYTHON).expect("a file can be written");
    let mut figures = Vec::new();
    for _ in 0..rounds {
        figures.push([raw(), ours(), python(&script).unwrap_or_default()]);
    }
    let _ = std::fs::remove_file(&script);
    println!("| | ours | raw | ratio | Python | ratio |\n|---|---|---|---|---|---|");
    for (row, name) in ROWS.iter().enumerate() {
        let of = |who: usize| median(figures.iter().filter_map(|it| it[who][row]).collect());
        let ratio = |who: usize| {
            let rounds = figures.iter();
            let ratios = rounds
                .filter_map(|it| Some(it[1][row]? / it[who][row]?))
                .collect();
            median(ratios).map_or("-".to_owned(), |ratio| format!("{ratio:.3}"))
        };
        let [raw, ours, python] = [0, 1, 2].map(|who| shown(of(who)));
        println!(
            "| {name} | {ours} | {raw} | {} | {python} | {} |",
            ratio(0),
            ratio(2)
        );
    }
}
