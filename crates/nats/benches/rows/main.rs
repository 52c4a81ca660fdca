//! What a job on another machine costs, in turn with a raw request and its reply by the same
//! server, with the same protocol written by hand in bare futures, and with Celery and dramatiq.
//!
//! ```sh
//! cargo bench -p workmill-nats                  # 5 rounds
//! cargo bench -p workmill-nats -- --rounds 11
//! ```
//!
//! Whoever submits is this process; whoever runs jobs is another one, with two threads. Each round
//! measures each row once for each contender; the figures are medians, and the ratios medians of
//! the ratios round by round. `nats-server` is looked for as in the tests. The two from Python need
//! a Redis server, which `WORKMILL_REDIS` names, and a Python that has them, which
//! `WORKMILL_PYTHON` names.

mod by_hand;
mod ours;
mod python;
mod raw;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Jobs one after another.
const ALONE: u32 = 1000;

/// Jobs of which a thousand are in flight.
const MANY: u32 = 20_000;
const IN_FLIGHT: usize = 1000;

const ROWS: [&str; 2] = ["empty job, one at a time", "empty job, 1,000 in flight"];

/// Nanoseconds for each job, of both rows.
type Figures = Option<[f64; 2]>;

/// Returns nanoseconds an operation.
fn time(operations: u32, run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_nanos() as f64 / f64::from(operations)
}

/// A process that ends with this.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nats_server() -> (Ends, String, PathBuf) {
    let named = std::env::var_os("WORKMILL_NATS_SERVER").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|dir| dir.join("nats-server"));
    let own = "../../target/nats-server/bin/nats-server";
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(own);
    let mut all = named.into_iter().chain(on_path).chain([own]);
    let program = all.find(|it| it.is_file());
    let program = program.expect("`nats-server`, which `.ci/tools` gets");
    let dir = std::env::temp_dir().join(format!("workmill-rows-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let text = dir.to_str().expect("a path");
    let arguments = ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", text];
    let child = Command::new(program)
        .args(arguments)
        .args(["--ports_file_dir", text])
        .stderr(Stdio::null())
        .spawn()
        .expect("a server");
    let file = dir.join(format!("nats-server_{}.ports", child.id()));
    let server = Ends(child);
    let url = loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        match text.split('"').find(|it| it.starts_with("nats://")) {
            Some(url) => break url.to_owned(),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    (server, url, dir)
}

/// Starts this program as one that runs jobs, and waits until it is ready.
fn worker(kind: &str, url: &str) -> Ends {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(["--worker", kind, url]).stdout(Stdio::piped());
    ready(command)
}

fn ready(mut command: Command) -> Ends {
    let mut child = command.spawn().expect("a worker");
    let output = child.stdout.take().expect("its output");
    let child = Ends(child);
    // Celery says much before.
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "ready"), "a worker did not begin");
    // And after.
    std::thread::spawn(|| lines.for_each(drop));
    child
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|it| it == "--worker") {
        let (kind, url) = (&arguments[at + 1], &arguments[at + 2]);
        return match &**kind {
            "ours" => ours::serve(url),
            "by hand" => by_hand::serve(url),
            _ => raw::serve(url),
        };
    }
    let rounds = arguments.iter().skip_while(|it| *it != "--rounds").nth(1);
    let rounds = rounds.map_or(5, |it| it.parse().expect("a number of rounds"));
    let (server, url, dir) = nats_server();
    let redis = python::Redis::start();
    let mut figures = Vec::new();
    for _ in 0..rounds {
        figures.push([
            Some(ours::run(&url)),
            Some(raw::run(&url)),
            Some(by_hand::run(&url)),
            redis.as_ref().and_then(|redis| redis.run("celery")),
            redis.as_ref().and_then(|redis| redis.run("dramatiq")),
        ]);
    }
    drop(server);
    let _ = std::fs::remove_dir_all(dir);
    const NAMES: [&str; 5] = ["ours", "raw", "by hand", "Celery", "dramatiq"];
    print!("| |");
    for (at, name) in NAMES.iter().enumerate() {
        print!(" {name} |{}", if at == 0 { "" } else { " ratio |" });
    }
    println!("\n|---{}|", "|---".repeat(NAMES.len() * 2 - 1));
    for (row, name) in ROWS.iter().enumerate() {
        print!("| {name} |");
        for who in 0..NAMES.len() {
            let rounds = figures.iter();
            let own = rounds
                .clone()
                .filter_map(|it| Some(it[who]?[row]))
                .collect();
            let shown = median(own).map(|it| format!("{:.1} us", it / 1e3));
            print!(" {} |", shown.unwrap_or("-".to_owned()));
            if who > 0 {
                let ratios = rounds.filter_map(|it| Some(it[0]?[row] / it[who]?[row]));
                let ratio = median(ratios.collect()).map(|it| format!("{it:.3}"));
                print!(" {} |", ratio.unwrap_or("-".to_owned()));
            }
        }
        println!();
    }
}
