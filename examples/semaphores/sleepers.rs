//! Five workers that sleep longer and longer, no more than two at a time.
//!
//! In Python five times `Process(target=worker, args=(s, i * 2))` with a `Semaphore(2)`; the name
//! that is printed is that of `current_process()`. Here it is that of [`thread::current`], and the
//! threads get theirs from [`thread::Builder`].

use std::error::Error;
use std::thread;
use std::time::Instant;

use workmill::{AcquireError, Semaphore};

use crate::SECOND;
use crate::inside::Inside;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let (places, inside) = (Semaphore::new(2), Inside::default());
    let began = Instant::now();
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let mut workers = Vec::new();
        for index in 0..5 {
            let (places, inside) = (&places, &inside);
            let named = thread::Builder::new().name(format!("worker-{}", index + 1));
            workers.push(named.spawn_scoped(scope, move || work(2 * index, places, inside))?);
        }
        for worker in workers {
            worker.join().expect("a worker does not panic")?;
        }
        Ok(())
    })?;

    assert_eq!(inside.entered(), 5);
    assert_eq!(inside.most(), 2);
    let took = began.elapsed();
    // They sleep for twenty seconds in all, two at a time.
    assert!((10 * SECOND..30 * SECOND).contains(&took), "{took:?}");
    Ok(())
}

fn work(seconds: u32, places: &Semaphore, inside: &Inside) -> Result<(), AcquireError> {
    let current = thread::current();
    let name = current.name().expect("the thread was given a name");
    let _place = places.acquire()?;
    inside.enter();
    println!("{name} acquire");
    thread::sleep(seconds * SECOND);
    println!("{name} release");
    inside.leave();
    Ok(())
}
