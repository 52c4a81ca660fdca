//! One program, on threads, processes or machines, as its argument says.
//!
//! ```sh
//! nats-server -js &
//! cargo run --release -p workmill-nats --example anywhere -- serve & # any number, anywhere
//! cargo run --release -p workmill-nats --example anywhere -- machines
//! ```
//!
//! The address of the NATS server is `localhost`, or what follows the first argument.

use std::error::Error;

use workmill_nats::workmill::ThreadPoolExecutor;
use workmill_nats::{JobExecutor, Jobs, NatsExecutor, serve};
use workmill_process::{ProcessPoolExecutor, serve_if_worker};

/// Counts the primes in a range.
fn primes(from: u32, to: u32) -> usize {
    let is_prime = |n: u32| {
        n > 1
            && (2..)
                .take_while(|d| d * d <= n)
                .all(|d| !n.is_multiple_of(d))
    };
    (from..to).filter(|&n| is_prime(n)).count()
}

fn jobs() -> Jobs {
    Jobs::new().with("primes", primes)
}

/// Knows nothing of where its jobs run.
fn count(executor: &impl JobExecutor) -> Result<usize, Box<dyn Error>> {
    let parts = (0..20).map(|part| (part * 10_000, (part + 1) * 10_000));
    let handles: Vec<_> = parts
        .map(|part| executor.submit_job(primes, part))
        .collect();
    let mut all = 0;
    for handle in handles {
        all += handle.join()?;
    }
    Ok(all)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().unwrap_or_default();
    let url = arguments.next().unwrap_or("localhost".to_owned());
    let all = match &*place {
        "threads" => count(&ThreadPoolExecutor::new(2)?)?,
        "processes" => count(&ProcessPoolExecutor::new(2, jobs())?)?,
        "machines" => count(&NatsExecutor::connect(&url, jobs())?)?,
        "serve" => {
            let server = serve(jobs(), &url, 2)?;
            println!("{} serves", server.name());
            server.wait();
            return Ok(());
        }
        _ => return Err("say `threads`, `processes`, `machines` or `serve`".into()),
    };
    println!("{all} primes below 200000");
    Ok(())
}
