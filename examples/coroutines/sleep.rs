//! Two that sleep for a second take one second, not two.
//!
//! In Python `gevent.spawn(eat)` and `gevent.spawn(play)`, with a `gevent.sleep(1)` in each, or
//! with a `time.sleep(1)` that `monkey.patch_all()` has replaced. Here [`sleep`] is for futures,
//! and keeps no thread. Nothing is patched: [`thread::sleep`] keeps its thread, and [`blocking`]
//! around it says so, which enables another thread to run the pool's tasks meanwhile.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use workmill::timer::sleep;
use workmill::{ThreadPoolExecutor, blocking};

use crate::SECOND;

pub(crate) fn in_futures() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    let began = Instant::now();
    let (eating, playing) = (pool.spawn(pause("eating")), pool.spawn(pause("playing")));
    eating.join()?;
    playing.join()?;
    took_one_second(began.elapsed());
    Ok(())
}

async fn pause(doing: &str) {
    println!("{doing} 1");
    sleep(SECOND).await;
    println!("{doing} 2");
}

pub(crate) fn in_closures() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    let began = Instant::now();
    let eating = pool.submit(|| pause_on_a_thread("eating"));
    let playing = pool.submit(|| pause_on_a_thread("playing"));
    eating.join()?;
    playing.join()?;
    took_one_second(began.elapsed());
    Ok(())
}

fn pause_on_a_thread(doing: &str) {
    println!("{doing} 1");
    blocking(|| thread::sleep(SECOND));
    println!("{doing} 2");
}

fn took_one_second(time: Duration) {
    let seconds = time.as_millis() / SECOND.as_millis();
    println!("seconds: {seconds}");
    assert_eq!(seconds, 1, "{time:?}");
}
