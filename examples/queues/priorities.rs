//! Messages with a priority: the smallest first, and of equal ones the first that came in.
//!
//! In Python a `PriorityQueue` of `(priority, message)`, and a `None` as end mark, which cannot be
//! compared with them and raises a `TypeError`; here [`close`](PriorityQueue::close) is the end. As
//! in Python, tuples with equal priorities are compared by their messages. [`Message`] leaves these
//! out, as `field(compare=False)` does in a `dataclass`.

use std::cmp::Ordering;
use std::error::Error;
use std::sync::Arc;

use workmill::{PriorityQueue, PutError, ThreadPoolExecutor};

type Messages = PriorityQueue<(u32, &'static str)>;

pub(crate) fn different() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let queue = Arc::new(Messages::unbounded());
    let producing = pool.submit({
        let queue = Arc::clone(&queue);
        move || produce(&queue)
    });
    let consuming = pool.submit({
        let queue = Arc::clone(&queue);
        move || consume(&queue)
    });
    producing.join()??;
    queue.close();
    assert_eq!(consuming.join()?, [1, 2]);
    Ok(())
}

fn produce(queue: &Messages) -> Result<(), PutError<(u32, &'static str)>> {
    queue.put((1, "high-priority message"))?;
    queue.put((2, "low-priority message"))?;
    println!("Messages sent");
    Ok(())
}

fn consume(queue: &Messages) -> Vec<u32> {
    let mut consumed = Vec::new();
    for (priority, text) in queue {
        println!("Consumed {text} with priority {priority}");
        consumed.push(priority);
    }
    consumed
}

/// A message, which comes before all messages with a larger number.
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

pub(crate) fn equal() -> Result<(), Box<dyn Error>> {
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
    let mut consumed = Vec::new();
    for Message { priority, text } in &queue {
        println!("Consumed {text} with priority {priority}");
        consumed.push(text);
    }
    let expected = [
        "high-priority message one",
        "high-priority message two",
        "low-priority message one",
        "low-priority message two",
        "low-priority message three",
    ];
    assert_eq!(consumed, expected);
    Ok(())
}
