//! Two cooks make four dishes each, two eaters eat them, and main waits until all is eaten.
//!
//! In Python `task_done()` after each dish and `join()` on a `JoinableQueue(20)`. Here the drop
//! of a dish that `iter_tasks` returned is its `task_done()`.

use std::thread;
use std::time::Duration;

use workmill::JoinableQueue;

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn main() {
    let kitchen = &JoinableQueue::bounded(20);
    thread::scope(|scope| {
        let cooks = [("Egon", "bun"), ("wusir", "swill")]
            .map(|(name, food)| scope.spawn(move || cook(name, food, kitchen)));
        for name in ["alex", "jinboss"] {
            scope.spawn(move || eat(name, kitchen));
        }
        for cook in cooks {
            cook.join().unwrap();
        }
        kitchen.join().unwrap();
        println!("all is eaten");
        kitchen.close();
    });
}

fn cook(name: &str, food: &str, kitchen: &JoinableQueue<String>) {
    for number in 0..4 {
        thread::sleep(SECOND * (1 + 2 * number % 3)); // as if at random
        let dish = format!("{food} {number}");
        println!("{name} made {dish}");
        kitchen.put(dish).unwrap();
    }
}

fn eat(name: &str, kitchen: &JoinableQueue<String>) {
    for dish in kitchen.iter_tasks() {
        println!("{name} ate {}", *dish);
        thread::sleep(2 * SECOND);
    } // where the dish is dropped
}
