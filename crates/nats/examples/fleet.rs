//! Three workers, one of which is killed on the way, and one submitter, who gets all answers.
//!
//! ```sh
//! nats-server -js &
//! cargo run --release -p workmill-nats --example fleet -- localhost
//! ```
//!
//! The workers are processes of this machine. Each job has two retries: what the killed worker had
//! begun is begun again by another, after the lease of a second. On a terminal there is a bar.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use workmill_nats::workmill::as_completed;
use workmill_nats::{Builder, Jobs, ServerBuilder, current_job};

/// The number of jobs, and how many have been done when a worker is killed.
const JOBS: u64 = 120;
const KILLED_AFTER: usize = 40;

/// Counts the steps to 1 of the number in the range that takes the most, and says which it is. Says
/// also in which attempt.
fn longest(from: u64, to: u64) -> (u64, u32, u32) {
    let steps = |mut n: u64| {
        let mut steps = 0;
        while n > 1 {
            n = if n.is_multiple_of(2) {
                n / 2
            } else {
                3 * n + 1
            };
            steps += 1;
        }
        steps
    };
    let best = (from.max(1)..to).max_by_key(|&n| (steps(n), std::cmp::Reverse(n)));
    let best = best.unwrap_or(1);
    let attempt = current_job().map_or(0, |job| job.attempt());
    // So that there is something to see.
    std::thread::sleep(Duration::from_millis(20));
    (best, steps(best), attempt)
}

fn jobs() -> Jobs {
    Jobs::new().with("longest", longest)
}

const NAMESPACE: &str = "fleet";

/// What a worker process does: it serves until its standard input ends, which is when the submitter
/// does.
fn work(url: &str) -> Result<(), Box<dyn Error>> {
    let server = ServerBuilder::new(jobs())
        .namespace(NAMESPACE)
        .threads(2)
        .lease(Duration::from_secs(1))
        .serve(url)?;
    println!("ready");
    let _ = std::io::stdin().read(&mut [0]);
    server.shutdown();
    Ok(())
}

/// A worker process, which is killed when this is dropped.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_worker(url: &str) -> Result<Worker, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--work", url]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = Worker(command.spawn()?);
    let output = worker.0.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(output).lines();
    lines.next().ok_or("a worker did not start")??;
    Ok(worker)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [work_, url] = &arguments[..]
        && work_ == "--work"
    {
        return work(url);
    }
    let url = arguments.first().map_or("localhost", |url| url);

    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(start_worker(url)?);
    }
    let executor = Builder::new(url, jobs())
        .namespace(NAMESPACE)
        .retries(2)
        .connect()?;
    let part = |n: u64| (n * 5_000, (n + 1) * 5_000);
    let handles: Vec<_> = (0..JOBS)
        .map(|n| executor.submit(longest, part(n)))
        .collect();

    // Nothing is shown where there is no terminal.
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?;
    let bar = ProgressBar::new(JOBS).with_style(style);
    let (mut best, mut again) = ((0, 0), 0);
    for (done, (_, outcome)) in as_completed(handles).enumerate() {
        let (number, steps, attempt) = outcome?;
        // Of equals, the smallest number.
        if steps > best.1 || (steps == best.1 && number < best.0) {
            best = (number, steps);
        }
        again += u32::from(attempt > 1);
        bar.inc(1);
        if done == KILLED_AFTER {
            drop(workers.remove(0));
            bar.set_message("a worker was killed");
        }
    }
    bar.finish();
    executor.shutdown();
    println!("{JOBS} answers, {again} of them at the second try");
    println!("{} takes {} steps", best.0, best.1);
    Ok(())
}
