//! One eats, another plays, and they switch after each word.
//!
//! In Python two greenlets that name each other, by `g2.switch()` in `eat`. Here a future yields
//! to all others; on one thread, with no other task there, the other is next.

use std::error::Error;

use workmill::{JoinError, ThreadPoolExecutor, current, yield_now};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    pool.spawn(both()).join()??;
    Ok(())
}

/// Spawns both from inside, so that neither begins before the other is there.
async fn both() -> Result<(), JoinError> {
    let pool = current().unwrap();
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
