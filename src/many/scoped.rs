//! One function that borrows, for many items that borrow, in a scope.

use std::any::type_name;
use std::collections::VecDeque;
use std::fmt;
use std::iter::{Fuse, FusedIterator};
use std::sync::Arc;

use super::flow::WINDOW_PER_THREAD;
use crate::error::JoinError;
use crate::name::Name;
use crate::scope::{Scope, ScopedJoinHandle};

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Calls `f` with each item, in the pool, and returns an iterator over the results in the order
    /// of the items. Both may borrow.
    ///
    /// It is [`PoolRef::map`](crate::PoolRef::map) inside a scope: lazy, with a limited number of
    /// tasks in flight, and an error ends nothing. For a slice,
    /// [`map_slice`](crate::PoolRef::map_slice) is quicker.
    ///
    /// # Blocking
    ///
    /// The iterator blocks until the next result is there, and as [`submit`](Self::submit) does. A
    /// task of the pool that iterates runs the next item inline if no thread has begun it.
    ///
    /// # Dropping
    ///
    /// Dropping the iterator cancels the items that have not begun. The scope waits for the others.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let grains = [String::from("wheat"), String::from("rye")];
    /// let lengths: Vec<_> = pool.scope(|scope| {
    ///     scope.map(&grains, |grain| grain.len()).collect::<Result<_, _>>()
    /// })?;
    /// assert_eq!(lengths, [5, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<I, F, T>(&'scope self, items: I, f: F) -> ScopedMap<'scope, 'env, I::IntoIter, F, T>
    where
        I: IntoIterator<Item: Send + 'scope>,
        F: Fn(I::Item) -> T + Send + Sync + 'scope,
        T: Send + 'scope,
    {
        ScopedMap {
            scope: self,
            items: items.into_iter().fuse(),
            f: Arc::new(f),
            window: self.threads().saturating_mul(WINDOW_PER_THREAD).max(1),
            in_flight: VecDeque::new(),
        }
    }
}

/// An iterator over the results of one function for many items, both of which may borrow. Created
/// by [`Scope::map`].
///
/// # Dropping
///
/// Cancels the items that have not begun. The scope waits for the others.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let words = [String::from("rye"), String::from("wheat")];
/// let sum: usize = pool.scope(|scope| {
///     let lengths = scope.map(&words, |word| word.len());
///     lengths.filter_map(Result::ok).sum()
/// });
/// assert_eq!(sum, 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "iterators do nothing unless they are used"]
pub struct ScopedMap<'scope, 'env, I, F, T> {
    scope: &'scope Scope<'scope, 'env>,
    items: Fuse<I>,
    f: Arc<F>,
    window: usize,
    in_flight: VecDeque<ScopedJoinHandle<'scope, T>>,
}

impl<I, F, T> ScopedMap<'_, '_, I, F, T> {
    /// Sets the number of tasks in flight, which are those whose results were not returned: by
    /// default 16 for each of the pool's threads.
    ///
    /// # Panics
    ///
    /// Panics if `tasks` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let words = [String::from("rye"), String::from("wheat")];
    /// let lengths = pool.scope(|scope| {
    ///     let lengths = scope.map(&words, |word| word.len()).window(1); // one at a time
    ///     lengths.filter_map(Result::ok).collect::<Vec<_>>()
    /// });
    /// assert_eq!(lengths, [3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn window(mut self, tasks: usize) -> Self {
        assert!(tasks > 0, "a window of 0 tasks lets nothing through");
        self.window = tasks;
        self
    }
}

impl<'scope, I, F, T> Iterator for ScopedMap<'scope, '_, I, F, T>
where
    I: Iterator<Item: Send + 'scope>,
    F: Fn(I::Item) -> T + Send + Sync + 'scope,
    T: Send + 'scope,
{
    type Item = Result<T, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.in_flight.len() < self.window {
            let Some(item) = self.items.next() else {
                break;
            };
            let f = Arc::clone(&self.f);
            self.in_flight.push_back(self.scope.submit(move || f(item)));
        }
        let name = const { &Name::of::<F>() };
        let outcome = self.in_flight.pop_front()?.join();
        Some(outcome.map_err(|error| error.named(name)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.items.size_hint();
        let in_flight = self.in_flight.len();
        let add = |items: usize| items.checked_add(in_flight);
        (least.saturating_add(in_flight), most.and_then(add))
    }
}

impl<'scope, I, F, T> FusedIterator for ScopedMap<'scope, '_, I, F, T>
where
    I: Iterator<Item: Send + 'scope>,
    F: Fn(I::Item) -> T + Send + Sync + 'scope,
    T: Send + 'scope,
{
}

impl<I, F, T> Drop for ScopedMap<'_, '_, I, F, T> {
    fn drop(&mut self) {
        for task in &self.in_flight {
            task.cancel();
        }
    }
}

impl<I, F, T> fmt::Debug for ScopedMap<'_, '_, I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedMap")
            .field("function", &type_name::<F>())
            .field("in_flight", &self.in_flight.len())
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
