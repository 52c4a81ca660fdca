//! Two cooks make four dishes each, two eaters eat them, until the kitchen closes.
//!
//! In Python processes that share a `Queue(20)`, and a `None` for each eater at the end. Here
//! `close` is the end: it ends the loops of all eaters, as soon as the queue is empty.

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
    for dish in kitchen {
        println!("{name} ate {dish}");
        thread::sleep(2 * SECOND);
    }
}
