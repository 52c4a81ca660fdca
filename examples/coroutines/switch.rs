//! One eats, another plays, and they switch after each word.
//!
//! In Python two greenlets that name each other: `g2.switch()` in `eat`, `g1.switch()` in `play`.
//! Here a future only yields to others, with [`yield_now`]. On one thread, with no other task
//! there, the other is next: a thread takes its tasks first in, first out.

use std::error::Error;

use workmill::{JoinError, ThreadPoolExecutor, current, yield_now};

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    pool.spawn(both()).join()??;
    Ok(())
}

/// Starts both from inside, so that neither begins before the other is there.
async fn both() -> Result<(), JoinError> {
    let pool = current().expect("a task has a pool");
    let (eating, playing) = (pool.spawn(eat()), pool.spawn(play()));
    eating.await?;
    playing.await
}

async fn eat() {
    println!("eating 1");
    yield_now().await;
    println!("eating 2");
}

async fn play() {
    println!("playing 1");
    yield_now().await;
    println!("playing 2");
}
