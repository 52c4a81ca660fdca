//! Two cooks make four dishes each and wait until all is eaten; the eaters are daemons, which end
//! with the program.
//!
//! In Python the cooks call `q.join()` on a `JoinableQueue(20)`, the eaters `q.task_done()`. An
//! eater that died with a dish in its hands would keep the cooks waiting there forever; here its
//! dish goes to the other.

use std::error::Error;
use std::thread;
use std::time::Duration;

use workmill_process::hub::JoinableQueue;
use workmill_process::{Hub, Jobs, serve_if_worker};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn cook(name: String, food: String, kitchen: JoinableQueue<String>) {
    for number in 0..4 {
        thread::sleep(SECOND * (1 + 2 * number % 3)); // as if at random
        let dish = format!("{food} {number}");
        println!("{name} made {dish}");
        kitchen.put(dish).unwrap();
    }
    kitchen.join().unwrap();
}

fn eat(kitchen: JoinableQueue<String>, name: String) {
    for dish in kitchen.iter_tasks() {
        println!("{name} ate {}", *dish);
        thread::sleep(2 * SECOND);
    } // where the dish is dropped, which is its `task_done()`
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
        let eaters = hub.daemon();
        eaters.spawn(eat, (kitchen.clone(), name.to_owned()));
    }
    for cook in cooks {
        cook.join()?;
    }
    println!("all is eaten");
    Ok(()) // the drop of the hub ends the eaters
}
