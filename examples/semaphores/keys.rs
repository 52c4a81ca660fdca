//! Four keys, and what a fifth caller that asks for one can do.
//!
//! In Python five times `acquire()` on `Semaphore(4)`, the last of which waits forever.
//! `acquire(blocking=False)` is [`try_acquire`](Semaphore::try_acquire) here, `acquire(timeout=1)`
//! is [`acquire_timeout`](Semaphore::acquire_timeout); `release()` is the drop of a permit.

use std::error::Error;

use workmill::{Semaphore, TryAcquireError};

use crate::SECOND;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let keys = Semaphore::new(4);
    let mut taken = Vec::new();
    for number in 1..=4 {
        taken.push(keys.acquire()?);
        println!("got key {number}");
    }

    let refused = keys.try_acquire().err();
    assert_eq!(refused, Some(TryAcquireError::NoPermits));
    println!("no fifth key at once");

    let refused = keys.acquire_timeout(SECOND).err();
    assert_eq!(refused, Some(TryAcquireError::NoPermits));
    println!("no fifth key within a second");

    drop(taken.pop());
    taken.push(keys.acquire()?);
    println!("got key 5");

    drop(taken);
    assert_eq!(keys.available_permits(), 4);
    Ok(())
}
