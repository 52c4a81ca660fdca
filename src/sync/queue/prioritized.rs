//! An item with a priority of its own.

use std::cmp::Ordering;

/// An item with a priority, by which alone it is compared.
///
/// It is for a [`PriorityQueue`](crate::PriorityQueue) of items that have no order, or another one.
/// The smallest priority comes out first; with [`Reverse`](std::cmp::Reverse) around the priority,
/// the largest. It corresponds to the tuples `(priority, item)` that Python's `PriorityQueue` is
/// filled with, which are compared by their items if the priorities are equal.
///
/// # Examples
///
/// ```
/// use workmill::{Prioritized, PriorityQueue};
///
/// let queue = PriorityQueue::unbounded();
/// for (priority, call) in [(2, "newsletter"), (1, "fire"), (2, "invoice")] {
///     queue.put(Prioritized::new(priority, move || call))?; // closures have no order
/// }
/// assert_eq!((queue.get()?.item)(), "fire");
/// assert_eq!((queue.get()?.item)(), "newsletter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Prioritized<P, T> {
    /// The priority.
    pub priority: P,
    /// The item, which is not compared.
    pub item: T,
}

impl<P, T> Prioritized<P, T> {
    /// Creates an item with a priority.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Prioritized, PriorityQueue};
    ///
    /// let queue = PriorityQueue::unbounded();
    /// queue.put(Prioritized::new(2, "later")).unwrap();
    /// queue.put(Prioritized::new(1, "urgent")).unwrap();
    /// assert_eq!(queue.get().unwrap().item, "urgent");
    /// ```
    pub fn new(priority: P, item: T) -> Self {
        Self { priority, item }
    }
}

impl<P: Ord, T> Ord for Prioritized<P, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.cmp(&other.priority)
    }
}

impl<P: Ord, T> PartialOrd for Prioritized<P, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Ord, T> PartialEq for Prioritized<P, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P: Ord, T> Eq for Prioritized<P, T> {}
