//! Two cooks make four dishes each and wait until all is eaten; nobody waits for the eaters.
//!
//! In Python the cooks call `q.join()` on a `JoinableQueue(20)`, and the eaters are daemons. Here
//! these are tasks of a pool whose drop does not wait for them.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use workmill::{Builder, DropBehavior, JoinableQueue};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let detached = Builder::new().on_drop(DropBehavior::Detach);
    let pool = detached.threads(4).build()?;
    let kitchen = Arc::new(JoinableQueue::bounded(20));
    let cooks = [("Egon", "bun"), ("wusir", "swill")].map(|(name, food)| {
        let kitchen = Arc::clone(&kitchen);
        pool.submit(move || cook(name, food, &kitchen))
    });
    for name in ["alex", "jinboss"] {
        let kitchen = Arc::clone(&kitchen);
        pool.execute(move || eat(name, &kitchen));
    }
    for cook in cooks {
        cook.join()?;
    }
    println!("all is eaten");
    Ok(())
}

fn cook(name: &str, food: &str, kitchen: &JoinableQueue<String>) {
    for number in 0..4 {
        thread::sleep(SECOND * (1 + 2 * number % 3)); // as if at random
        let dish = format!("{food} {number}");
        println!("{name} made {dish}");
        kitchen.put(dish).unwrap();
    }
    kitchen.join().unwrap();
}

fn eat(name: &str, kitchen: &JoinableQueue<String>) {
    for dish in kitchen.iter_tasks() {
        println!("{name} ate {}", *dish);
        thread::sleep(2 * SECOND);
    } // where the dish is dropped, which is its `task_done()`
}
