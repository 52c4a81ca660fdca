//! Two cooks make four dishes each, two eaters eat them, until each finds an end mark: all are
//! processes.
//!
//! In Python they share a `Queue(20)`, and main puts a `None` for each eater after the `join()` of
//! the cooks. Here the items are `Option`s, so that there is a `None` to put; `close` would do
//! without.

use std::error::Error;
use std::thread;
use std::time::Duration;

use workmill_process::hub::JoinableQueue;
use workmill_process::{Hub, Jobs, serve_if_worker};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn cook(name: String, food: String, kitchen: JoinableQueue<Option<String>>) {
    for number in 0..4 {
        thread::sleep(SECOND * (1 + 2 * number % 3)); // as if at random
        let dish = format!("{food} {number}");
        println!("{name} made {dish}");
        kitchen.put(Some(dish)).unwrap();
    }
}

fn eat(kitchen: JoinableQueue<Option<String>>, name: String) {
    while let Some(dish) = kitchen.get().unwrap() {
        println!("{name} ate {dish}");
        thread::sleep(2 * SECOND);
    }
    println!("{name} got an end mark");
}

fn jobs() -> Jobs {
    Jobs::new().with("cook", cook).with("eat", eat)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let kitchen = hub.queue(20);
    let cooks = [("Egon", "bun"), ("wusir", "swill")].map(|(name, food)| {
        let arguments = (name.to_owned(), food.to_owned(), kitchen.clone());
        hub.spawn(cook, arguments)
    });
    for name in ["alex", "jinboss"] {
        hub.spawn(eat, (kitchen.clone(), name.to_owned()));
    }
    for cook in cooks {
        cook.join()?;
    }
    kitchen.put(None)?;
    kitchen.put(None)?;
    Ok(()) // the drop of the hub waits for the eaters
}
