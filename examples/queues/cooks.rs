//! Two cooks make four dishes each, two eaters eat them; and four ways to end it.
//!
//! In Python a `Queue(20)` and a `None` for each eater, or a `JoinableQueue(20)` on which the cooks
//! call `join()`, and eaters that are daemons. Here the end marks take items that are [`Option`]s,
//! [`close`](JoinableQueue::close) ends the loops of all eaters, the drop of a
//! [`TaskGuard`](workmill::TaskGuard) is `task_done()`, and daemons are tasks of a pool whose drop
//! does not wait for them.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use workmill::{Builder, DropBehavior, GetError, JoinableQueue, PutError, ThreadPoolExecutor};

use crate::SECOND;

const COOKS: [(&str, &str); 2] = [("Egon", "bun"), ("wusir", "swill")];
const EATERS: [&str; 2] = ["alex", "jinboss"];
const ROOM: usize = 20;

/// Ends with a mark for each eater.
pub(crate) fn end_marks() -> Result<(), Box<dyn Error>> {
    let kitchen = &JoinableQueue::bounded(ROOM);
    let eaten = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
        let cooks = COOKS.map(|(name, food)| {
            scope.spawn(move || cook(name, food, |dish| kitchen.put(Some(dish))))
        });
        let eaters = EATERS.map(|name| scope.spawn(move || eat_until_mark(name, kitchen)));
        for cook in cooks {
            cook.join().expect("a cook does not panic")?;
        }
        for _eater in EATERS {
            kitchen.put(None)?;
        }
        let mut eaten = Vec::new();
        for eater in eaters {
            eaten.extend(eater.join().expect("an eater does not panic")?);
        }
        Ok(eaten)
    })?;
    assert_all_eaten(eaten);
    Ok(())
}

/// Ends with the close of the kitchen.
pub(crate) fn close() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(COOKS.len() + EATERS.len())?;
    let kitchen = Arc::new(JoinableQueue::bounded(ROOM));
    let cooks = COOKS.map(|(name, food)| {
        let kitchen = Arc::clone(&kitchen);
        pool.submit(move || cook(name, food, |dish| kitchen.put(dish)))
    });
    let eaters = EATERS.map(|name| {
        let kitchen = Arc::clone(&kitchen);
        pool.submit(move || eat_until_closed(name, &kitchen))
    });
    for cook in cooks {
        cook.join()??;
    }
    kitchen.close();
    let mut eaten = Vec::new();
    for eater in eaters {
        eaten.extend(eater.join()?);
    }
    assert_all_eaten(eaten);
    Ok(())
}

/// Waits until all is eaten, and then closes the kitchen.
pub(crate) fn join() -> Result<(), Box<dyn Error>> {
    let kitchen = &Kitchen::new();
    let eaten = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
        let cooks = COOKS.map(|(name, food)| scope.spawn(move || kitchen.cook(name, food)));
        for name in EATERS {
            scope.spawn(move || kitchen.eat(name));
        }
        for cook in cooks {
            cook.join().expect("a cook does not panic")?;
        }
        kitchen.dishes.join();
        let eaten = kitchen.eaten();
        kitchen.dishes.close();
        Ok(eaten)
    })?;
    assert_all_eaten(eaten);
    Ok(())
}

/// Waits until all is eaten, and leaves the eaters to themselves.
pub(crate) fn daemons() -> Result<(), Box<dyn Error>> {
    let pool = Builder::new()
        .threads(COOKS.len() + EATERS.len())
        .on_drop(DropBehavior::Detach)
        .build()?;
    let kitchen = Arc::new(Kitchen::new());
    let cooks = COOKS.map(|(name, food)| {
        let kitchen = Arc::clone(&kitchen);
        pool.submit(move || kitchen.cook_and_join(name, food))
    });
    let eaters = EATERS.map(|name| {
        let kitchen = Arc::clone(&kitchen);
        pool.submit(move || kitchen.eat(name))
    });
    for cook in cooks {
        cook.join()??;
    }
    assert_all_eaten(kitchen.eaten());
    assert!(eaters.iter().all(|eater| eater.is_running()));
    Ok(())
}

/// A kitchen that knows which dishes were eaten.
struct Kitchen {
    dishes: JoinableQueue<String>,
    eaten: Mutex<Vec<String>>,
}

impl Kitchen {
    fn new() -> Self {
        Self {
            dishes: JoinableQueue::bounded(ROOM),
            eaten: Mutex::default(),
        }
    }

    fn cook(&self, name: &str, food: &str) -> Result<(), PutError<String>> {
        cook(name, food, |dish| self.dishes.put(dish))
    }

    fn cook_and_join(&self, name: &str, food: &str) -> Result<(), PutError<String>> {
        self.cook(name, food)?;
        self.dishes.join();
        Ok(())
    }

    fn eat(&self, name: &str) {
        for (number, dish) in self.dishes.iter_tasks().enumerate() {
            println!("{name} ate {}", *dish);
            thread::sleep(pause(number));
            self.eaten_so_far().push(dish.clone());
        } // where the dish is reported done
    }

    /// Returns the dishes that were eaten.
    fn eaten(&self) -> Vec<String> {
        self.eaten_so_far().clone()
    }

    fn eaten_so_far(&self) -> MutexGuard<'_, Vec<String>> {
        self.eaten
            .lock()
            .expect("nobody panics while the list is locked")
    }
}

fn cook<E>(name: &str, food: &str, serve: impl Fn(String) -> Result<(), E>) -> Result<(), E> {
    for number in 0..4 {
        thread::sleep(pause(number));
        let dish = format!("{food} {number}");
        println!("{name} made {dish}");
        serve(dish)?;
    }
    Ok(())
}

fn eat_until_mark(
    name: &str,
    kitchen: &JoinableQueue<Option<String>>,
) -> Result<Vec<String>, GetError> {
    let mut eaten = Vec::new();
    while let Some(dish) = kitchen.get()? {
        println!("{name} ate {dish}");
        thread::sleep(pause(eaten.len()));
        eaten.push(dish);
    }
    println!("{name} got an end mark");
    Ok(eaten)
}

fn eat_until_closed(name: &str, kitchen: &JoinableQueue<String>) -> Vec<String> {
    let mut eaten = Vec::new();
    for dish in kitchen {
        println!("{name} ate {dish}");
        thread::sleep(pause(eaten.len()));
        eaten.push(dish);
    }
    eaten
}

/// Returns how long a cook or an eater is busy with a dish: one second to three.
fn pause(number: usize) -> Duration {
    [SECOND, 3 * SECOND, 2 * SECOND][number % 3]
}

/// Checks that each dish was eaten once.
fn assert_all_eaten(mut eaten: Vec<String>) {
    eaten.sort();
    let mut made = Vec::new();
    for (_name, food) in COOKS {
        made.extend((0..4).map(|number| format!("{food} {number}")));
    }
    assert_eq!(eaten, made);
}
