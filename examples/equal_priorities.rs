//! The smallest number comes out first, and of equal ones the first that was put in.
//!
//! As in Python, tuples with equal priorities are compared by what follows. A type whose order
//! leaves the text out, as by `field(compare=False)` in a `dataclass`, keeps the order of the puts.

use std::cmp::Ordering;
use std::error::Error;

use workmill::PriorityQueue;

struct Message {
    priority: u32,
    text: &'static str,
}

impl Ord for Message {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.cmp(&other.priority)
    }
}

impl PartialOrd for Message {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Message {}

fn main() -> Result<(), Box<dyn Error>> {
    let queue = PriorityQueue::unbounded();
    for (priority, text) in [
        (2, "low-priority message one"),
        (1, "high-priority message one"),
        (2, "low-priority message two"),
        (1, "high-priority message two"),
        (2, "low-priority message three"),
    ] {
        queue.put(Message { priority, text })?;
    }
    queue.close();
    for Message { priority, text } in &queue {
        println!("Consumed {text} with priority {priority}");
    }
    Ok(())
}
