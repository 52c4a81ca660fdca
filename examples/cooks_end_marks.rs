//! Two cooks make four dishes each, two eaters eat them, until each finds an end mark.
//!
//! In Python processes that share a `Queue(20)`, and a `None` for each eater, put by the main
//! process after the `join()` of the cooks. Here the items are `Option`s, so that there is a
//! `None` to put. `cooks_close` does without.

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
        kitchen.put(None).unwrap();
        kitchen.put(None).unwrap();
    });
}

fn cook(name: &str, food: &str, kitchen: &JoinableQueue<Option<String>>) {
    for number in 0..4 {
        thread::sleep(SECOND * (1 + 2 * number % 3)); // as if at random
        let dish = format!("{food} {number}");
        println!("{name} made {dish}");
        kitchen.put(Some(dish)).unwrap();
    }
}

fn eat(name: &str, kitchen: &JoinableQueue<Option<String>>) {
    while let Some(dish) = kitchen.get().unwrap() {
        println!("{name} ate {dish}");
        thread::sleep(2 * SECOND);
    }
    println!("{name} got an end mark");
}
