//! Small programs for tools that look at every step: few threads, few rounds, nothing except std
//! and this crate.
//!
//! `.ci/deep` runs them under Miri with many seeds. As ordinary tests they make more rounds.

mod block_on;
mod cell;
mod futures;
mod joins;
mod scopes;
mod sync;
mod timers;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Runs `body` `many` times, or `few` times where each step is slow.
///
/// It fails when all of that takes longer than a minute. Miri's clock is not one to measure by, and
/// Miri reports by itself when nothing goes on.
fn rounds(few: usize, many: usize, body: impl Fn(usize) + Send + 'static) {
    if cfg!(miri) {
        return (0..few).for_each(body);
    }
    let (done, ended) = mpsc::channel();
    let body = move || drop(done.send(catch_unwind(AssertUnwindSafe(|| (0..many).for_each(body)))));
    let thread = thread::spawn(body);
    match ended.recv_timeout(Duration::from_secs(60)) {
        // The captures of `body` are gone, too, when the test ends.
        Ok(Ok(())) => thread.join().unwrap(),
        Ok(Err(payload)) => resume_unwind(payload),
        Err(_) => panic!("the test hangs: a minute was not enough"),
    }
}

/// A value whose living copies are counted.
#[derive(Clone, Default)]
struct Counted(Arc<()>);

impl Counted {
    /// Returns the number of the other copies.
    fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}
