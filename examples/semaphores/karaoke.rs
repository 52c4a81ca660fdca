//! A karaoke box with four keys: of twenty guests no more than four sing at the same time.
//!
//! In Python twenty times `Process(target=ktv, args=(i, sem))` with a `Semaphore(4)`, and a random
//! sleep of one second to five. Here the guests are tasks of a pool that has a thread for each, and
//! an [`Arc`] holds what they share.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use workmill::{AcquireError, Semaphore, ThreadPoolExecutor};

use crate::SECOND;
use crate::inside::Inside;

const GUESTS: u32 = 20;
const KEYS: usize = 4;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let karaoke = Arc::new(Karaoke {
        keys: Semaphore::new(KEYS),
        inside: Inside::default(),
    });
    let began = Instant::now();
    let pool = ThreadPoolExecutor::new(GUESTS as usize)?;
    let visits: Vec<_> = (0..GUESTS)
        .map(|guest| {
            let karaoke = Arc::clone(&karaoke);
            pool.submit(move || karaoke.visit(guest))
        })
        .collect();
    for visit in visits {
        visit.join()??;
    }

    let inside = &karaoke.inside;
    assert_eq!((inside.entered(), inside.now()), (GUESTS as usize, 0));
    assert!(inside.most() <= KEYS);
    let (took, shortest) = (began.elapsed(), songs() / KEYS as u32);
    assert!((shortest..3 * shortest).contains(&took), "{took:?}");
    Ok(())
}

/// Shared by the guests.
struct Karaoke {
    keys: Semaphore,
    inside: Inside,
}

impl Karaoke {
    fn visit(&self, guest: u32) -> Result<(), AcquireError> {
        let _key = self.keys.acquire()?;
        self.inside.enter();
        println!("guest {guest} walks into the karaoke box");
        thread::sleep(song(guest));
        println!("guest {guest} walks out of the karaoke box");
        self.inside.leave();
        Ok(())
    }
}

/// Returns how long a guest sings: one second to five.
fn song(guest: u32) -> Duration {
    SECOND * (1 + guest * 3 % 5)
}

/// Returns how long all of them sing together.
fn songs() -> Duration {
    (0..GUESTS).map(song).sum()
}
