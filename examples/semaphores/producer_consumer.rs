//! A producer and a consumer that are never at work together, until they are told to leave.
//!
//! In Python this takes `threading.Semaphore(1)` with `release()` in a `finally`, and a flag under
//! a `threading.Lock`. Here the [`Permit`](workmill::Permit) is released when it is dropped, and
//! the flag is an [`Event`]: a wait for it with a limit of a second is a sleep that ends early at
//! the end.

use std::error::Error;
use std::thread;
use std::time::Instant;

use workmill::{AcquireError, Event, Semaphore};

use crate::SECOND;
use crate::inside::Inside;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let workshop = Workshop {
        turn: Semaphore::new(1),
        exit: Event::new(),
        inside: Inside::default(),
    };
    let began = Instant::now();
    let rounds = thread::scope(|scope| {
        let producer = scope.spawn(|| workshop.work("producer"));
        let consumer = scope.spawn(|| workshop.work("consumer"));
        thread::sleep(5 * SECOND);
        workshop.exit.set();
        [producer, consumer].map(|worker| worker.join().expect("a worker does not panic"))
    });
    // Every round except the last takes a second.
    let at_most = 1 + began.elapsed().as_millis() / SECOND.as_millis();
    for rounds in rounds {
        let rounds = rounds?;
        assert!((2..=at_most).contains(&rounds), "{rounds} rounds");
    }
    assert_eq!(workshop.inside.most(), 1);
    Ok(())
}

/// Shared by both tasks.
struct Workshop {
    turn: Semaphore,
    exit: Event,
    inside: Inside,
}

impl Workshop {
    /// Works once a second; returns the number of times.
    fn work(&self, name: &str) -> Result<u128, AcquireError> {
        let mut rounds = 0;
        loop {
            let permit = self.turn.acquire()?;
            self.inside.enter();
            println!("{name} is working!!!");
            self.inside.leave();
            drop(permit);

            rounds += 1;
            if self.exit.wait_timeout(SECOND) {
                return Ok(rounds);
            }
        }
    }
}
