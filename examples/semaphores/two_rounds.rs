//! Ten threads of which five at a time sleep for a second, so that all have slept after two.
//!
//! In Python ten times `Thread(target=func, args=(i, sem)).start()` with a `Semaphore(5)`. Here the
//! threads of a [`thread::scope`] borrow what they share, and have ended when the scope ends.

use std::error::Error;
use std::thread;
use std::time::Instant;

use workmill::{AcquireError, Semaphore};

use crate::SECOND;
use crate::inside::Inside;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let (places, inside) = (Semaphore::new(5), Inside::default());
    let began = Instant::now();
    thread::scope(|scope| {
        let sleepers: Vec<_> = (0..10)
            .map(|index| {
                let (places, inside) = (&places, &inside);
                scope.spawn(move || sleep(index, places, inside))
            })
            .collect();
        sleepers
            .into_iter()
            .try_for_each(|sleeper| sleeper.join().expect("a sleeper does not panic"))
    })?;

    assert_eq!(inside.entered(), 10);
    assert!(inside.most() <= 5);
    let took = began.elapsed();
    assert!((2 * SECOND..6 * SECOND).contains(&took), "{took:?}");
    Ok(())
}

fn sleep(index: u32, places: &Semaphore, inside: &Inside) -> Result<(), AcquireError> {
    let _place = places.acquire()?;
    inside.enter();
    println!("{index}");
    thread::sleep(SECOND);
    inside.leave();
    Ok(())
}
