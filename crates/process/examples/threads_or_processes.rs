//! One program, on threads or on processes, as its argument says.
//!
//! ```sh
//! cargo run --release -p workmill-process --example threads_or_processes -- processes
//! ```

use std::error::Error;

use workmill_process::workmill::ThreadPoolExecutor;
use workmill_process::{JobExecutor, Jobs, ProcessPoolExecutor, serve_if_worker};

/// Counts the primes in a range.
fn primes(from: u32, to: u32) -> usize {
    let is_prime = |n: u32| n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
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
    let all = match std::env::args().nth(1).as_deref() {
        Some("threads") => count(&ThreadPoolExecutor::new(2)?)?,
        Some("processes") => count(&ProcessPoolExecutor::new(2, jobs())?)?,
        _ => return Err("say `threads` or `processes`".into()),
    };
    println!("{all} primes below 200000");
    Ok(())
}
