//! One function for many items, a few at a time.
//!
//! The iterator submits tasks when it is asked for an outcome: first as many as there is room for
//! in its window, then it waits. So never more tasks are in flight than the window says, the input
//! may be infinite, and nothing is submitted that nobody asks for.

use std::any::type_name;
use std::fmt;
use std::iter::FusedIterator;
use std::task::{Poll, Waker};

use super::flat::Flat;
use super::flow::Flow;
use super::line::{InFlight, Line as _, Ordered};
use super::stream::{PollNext, TaskStream};
use super::unordered::Unordered;
use crate::error::JoinError;
use crate::executor::PoolRef;
use crate::handle::Awaited;
use crate::wait::Deadline;

impl PoolRef {
    /// Calls `f` with each item, in the pool, and returns an iterator over the results in the order
    /// of the items.
    ///
    /// Nothing is submitted before the first result is asked for. From then on a limited number of
    /// items, the [window](Map::window), is in flight, so that `items` may be long or infinite.
    /// Each item is a task; for many short ones see [`chunk`](Map::chunk). An item whose task
    /// panicked or was cancelled is an error, and the iteration goes on with the next. It is like
    /// `map` of Python's executors, which submits all items at once, and like rayon's
    /// `par_iter().map()`.
    ///
    /// # Blocking
    ///
    /// The iterator blocks until the next result is there, and as [`submit`](Self::submit) does: if
    /// the pool is full and its policy is to reject, items are rejected. A task of the pool that
    /// iterates runs the next item inline if no thread has begun it. Another thread may block up to
    /// half a millisecond longer while results come quickly, so that it is not woken for each.
    /// [`Map::into_stream`] awaits instead.
    ///
    /// # Dropping
    ///
    /// Dropping the iterator cancels the items that have not begun, also those of a chunk that has,
    /// and detaches those that have.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let lengths = pool.map(["wheat", "rye"], |grain| grain.len());
    /// assert_eq!(lengths.collect::<Result<Vec<_>, _>>()?, [5, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The first error, whether it was returned or the task panicked, ends the whole:
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let parse = |text: &str| text.parse::<i32>();
    /// let numbers = pool.map(["6", "7"], parse).flat().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(numbers, [6, 7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("imap", "par_iter", "starmap"))]
    #[doc(alias("par_bridge", "buffered", "invokeAll"))]
    pub fn map<I, F, T>(&self, items: I, f: F) -> Map<I::IntoIter, F, T>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let flow = Flow::new(self, items.into_iter(), f, Ordered::new());
        Map { flow }
    }

    /// Calls `f` with each item, in the pool, and returns an iterator over the results in the order
    /// in which they come.
    ///
    /// In all else it is like [`map`](Self::map), except that the iterator runs nothing inline.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let squares = pool.map_unordered(1..=3, |n| n * n);
    /// assert_eq!(squares.sum::<Result<i32, _>>()?, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("imap_unordered"))]
    #[doc(alias("buffer_unordered", "par_bridge"))]
    pub fn map_unordered<I, F, T>(&self, items: I, f: F) -> MapUnordered<I::IntoIter, F, T>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let flow = Flow::new(self, items.into_iter(), f, Unordered::new());
        MapUnordered { flow }
    }

    /// Calls `f` with each item, in the pool, and blocks until all calls have returned.
    ///
    /// A limited number of items is in flight, as with [`map`](Self::map).
    ///
    /// # Blocking
    ///
    /// Blocks until all calls have returned. Nothing of it goes on afterwards.
    ///
    /// # Errors
    ///
    /// The first [`JoinError`] that comes, if a call panicked or was cancelled. The items that had
    /// not begun by then are dropped, and those that had are waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let sum = Arc::new(AtomicU32::new(0));
    /// let adds = Arc::clone(&sum);
    /// pool.for_each(1..=10, move |n| { adds.fetch_add(n, Ordering::Relaxed); })?;
    /// assert_eq!(sum.load(Ordering::Relaxed), 55);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "try_for_each")]
    pub fn for_each<I, F>(&self, items: I, f: F) -> Result<(), JoinError>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) + Send + Sync + 'static,
    {
        let mut calls = self.map_unordered(items, f);
        let first = calls.find_map(Result::err);
        let Some(error) = first else {
            return Ok(());
        };
        let in_flight = &mut calls.flow.in_flight;
        in_flight
            .iter_mut()
            .for_each(|(_, task)| task.request_cancel());
        while in_flight.next(Deadline::NEVER).is_some() {}
        Err(error)
    }
}

/// The methods and traits of a map, which are those of its flow.
macro_rules! map {
    ($name:ident) => {
        impl<I, F, T> $name<I, F, T>
        where
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
            /// Sets the number of tasks in flight, which are those whose results were not returned.
            ///
            /// By default there are 16 for each of the pool's threads; with [`map`](PoolRef::map)
            /// up to 256 while tasks take no more than some ten microseconds.
            ///
            /// A wide window evens out items that take different times. A narrow one bounds what
            /// is in memory.
            ///
            /// The tasks of a window do not begin in the order of their items: a second thread may
            /// begin in the middle. Take a narrow window if the first results are wanted early.
            ///
            /// # Panics
            ///
            /// Panics if `tasks` is 0.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = workmill::ThreadPoolExecutor::new(2)?;
            /// let squares = pool.map(1.., |n: u64| n * n).window(4); // four in flight
            /// let first: Result<Vec<_>, _> = squares.take(3).collect();
            /// assert_eq!(first?, [1, 4, 9]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "buffersize")]
            pub fn window(mut self, tasks: usize) -> Self {
                self.flow.tasks.set_window(tasks);
                self
            }

            /// Puts `items` items into each task, one after the other: by default 1.
            ///
            /// For items that take less than a few microseconds, that many that a task takes some
            /// ten microseconds. A panic in one item does not keep the task from the next. Results
            /// come when the whole task has ended, and the [window](Self::window) counts tasks.
            ///
            /// # Panics
            ///
            /// Panics if `items` is 0.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = workmill::ThreadPoolExecutor::new(2)?;
            /// let squares = pool.map(1..=1000_u64, |n| n * n).chunk(100); // ten tasks
            /// assert_eq!(squares.filter_map(Result::ok).sum::<u64>(), 333_833_500);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "chunksize")]
            pub fn chunk(mut self, items: usize) -> Self {
                self.flow.tasks.set_chunk(items);
                self
            }

            /// Returns a stream that awaits the results.
            ///
            /// It waits for room in the pool without blocking, whatever the pool's overflow policy
            /// is. A stream that waits for room, and is not polled any more, keeps the room that it
            /// was given until it is dropped.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = workmill::ThreadPoolExecutor::new(2)?;
            /// let mut squares = pool.map(1..=2, |n| n * n).into_stream();
            /// assert_eq!(workmill::block_on(squares.next()).unwrap()?, 1);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn into_stream(self) -> TaskStream<Self> {
                TaskStream::new(self)
            }
        }

        impl<I, F, T, E> $name<I, F, Result<T, E>>
        where
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> Result<T, E> + Send + Sync + 'static,
            T: Send + 'static,
            E: Send + 'static,
        {
            /// Makes one `Result` of two: that of the task, and that of its join.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = workmill::ThreadPoolExecutor::new(2)?;
            /// let numbers = pool.map(["6", "7"], |text| text.parse::<u32>()).flat();
            /// assert_eq!(numbers.collect::<Result<Vec<_>, _>>()?, [6, 7]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "flatten")]
            pub fn flat(self) -> Flat<Self> {
                Flat::new(self)
            }
        }

        impl<I, F, T> Iterator for $name<I, F, T>
        where
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
            type Item = Result<T, JoinError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                self.flow.next()
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.flow.size_hint()
            }
        }

        impl<I, F, T> PollNext for $name<I, F, T>
        where
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
            type Item = Result<T, JoinError>;

            fn poll_next(&mut self, waker: &Waker) -> Poll<Option<Self::Item>> {
                self.flow.poll_next(waker)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.flow.size_hint()
            }
        }

        impl<I, F, T> FusedIterator for $name<I, F, T>
        where
            I: Iterator<Item: Send + 'static>,
            F: Fn(I::Item) -> T + Send + Sync + 'static,
            T: Send + 'static,
        {
        }

        impl<I: Iterator, F, T> fmt::Debug for $name<I, F, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("function", &type_name::<F>())
                    .field("in_flight", &self.flow.in_flight.len())
                    .field("window", &self.flow.tasks.window)
                    .field("chunk", &self.flow.tasks.chunk)
                    .finish_non_exhaustive()
            }
        }
    };
}

/// An iterator over the results of one function for many items, in the order of the items. Created
/// by [`PoolRef::map`].
///
/// # Dropping
///
/// Cancels the items that have not begun, and detaches those that have.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let squares: Result<Vec<_>, _> = pool.map(1..=4, |n| n * n).collect();
/// assert_eq!(squares?, [1, 4, 9, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "iterators do nothing unless they are used"]
pub struct Map<I: Iterator, F, T> {
    flow: Flow<I, F, T, Ordered<T>>,
}

map!(Map);

/// An iterator over the results of one function for many items, in the order in which they come.
/// Created by [`PoolRef::map_unordered`].
///
/// # Dropping
///
/// Cancels the items that have not begun, and detaches those that have.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let sum: u32 = pool.map_unordered(1..=4_u32, |n| n * n).filter_map(Result::ok).sum();
/// assert_eq!(sum, 30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "iterators do nothing unless they are used"]
pub struct MapUnordered<I: Iterator, F, T> {
    flow: Flow<I, F, T, Unordered<(), InFlight<T>>>,
}

map!(MapUnordered);
