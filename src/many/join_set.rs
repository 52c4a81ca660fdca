//! A set of tasks that grows and shrinks, with a key for each task, and a limit.

use std::fmt;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use super::as_completed::outcome_of;
use super::unordered::Unordered;
use crate::error::{CancelReason, JoinError, TrySubmitError};
use crate::executor::PoolRef;
use crate::handle::{Awaited, CancelOnDrop, JoinHandle};
use crate::trampoline;
use crate::wait::{Cause, Deadline, pending};

/// A set of tasks, each under a key, whose outcomes are returned in the order in which they come.
///
/// It is for tasks that come one after the other, where [`as_completed`](crate::as_completed) is
/// for handles that are there already, and [`map`](PoolRef::map) for one function. A set may have a
/// [limit](Self::limit) on the tasks in flight: a submission waits until there are fewer. It is
/// like tokio's `JoinSet`, Go's `errgroup`, and Java's `ExecutorCompletionService`.
///
/// Keys need not differ. Use `()` if none is wanted.
///
/// # Dropping
///
/// Dropping the set cancels its tasks, like [`JoinHandle::cancel`]: closures that have not begun,
/// and futures that have not returned. Closures that run are detached. [`detach`](Self::detach)
/// lets all go on.
///
/// # Examples
///
/// ```
/// use workmill::JoinSet;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut mills = JoinSet::new(&pool).limit(8);
/// for grain in ["wheat", "rye", "spelt"] {
///     mills.submit(grain, move || grain.len());
/// }
/// while let Some((grain, length)) = mills.join_next() {
///     assert_eq!(length?, grain.len());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("errgroup", "TaskGroup", "ExecutorCompletionService"))]
#[must_use = "the tasks are cancelled when the set is dropped"]
#[doc(alias("JoinMap", "CompletionService"))]
pub struct JoinSet<K, T> {
    pool: PoolRef,
    tasks: Unordered<K, CancelOnDrop<T>>,
    limit: usize,
    submitted: usize,
}

/// How far the tasks of a [`JoinSet`] have come. Returned by [`JoinSet::progress`].
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut set = workmill::JoinSet::new(&pool);
/// set.submit((), || 42);
/// let progress = set.progress();
/// println!("{} of {}", progress.ended, progress.submitted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of tasks that were ever put into the set.
    pub submitted: usize,
    /// The number of those that have ended, whether or not their outcomes were returned.
    pub ended: usize,
}

impl<K, T: Send + 'static> JoinSet<K, T> {
    /// Creates an empty set, whose tasks run in `pool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.submit("wheat", || 5);
    /// assert_eq!(set.join_next().unwrap().0, "wheat");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(pool: &PoolRef) -> Self {
        Self {
            pool: pool.clone(),
            tasks: Unordered::new(),
            limit: usize::MAX,
            submitted: 0,
        }
    }

    /// Sets a limit on the tasks in flight, which are those that have not ended. A submission waits
    /// until there are fewer.
    ///
    /// Tasks that have ended do not count, although their outcomes are kept until they are taken.
    ///
    /// # Panics
    ///
    /// Panics if `tasks` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool).limit(8);
    /// for n in 0..100 {
    ///     set.submit(n, move || n * n); // waits until fewer than eight are in flight
    /// }
    /// assert_eq!(set.len(), 100); // with those whose outcomes were not taken
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn limit(mut self, tasks: usize) -> Self {
        assert!(tasks > 0, "with a limit of 0 nothing could be submitted");
        self.limit = tasks;
        self
    }

    /// Submits a closure under a key.
    ///
    /// # Blocking
    ///
    /// Blocks while as many tasks are in flight as the [limit](Self::limit) says, and as
    /// [`PoolRef::submit`] does. A task gives its slot to another thread while it waits for the
    /// limit.
    ///
    /// # Errors
    ///
    /// The call itself never fails. A closure that the pool refuses comes as cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.submit("rye", || "rye".len());
    /// let (grain, length) = set.join_next().unwrap();
    /// assert_eq!((grain, length?), ("rye", 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit<F>(&mut self, key: K, closure: F)
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.wait_for_room(Deadline::NEVER);
        let handle = self.pool.submit(closure);
        self.insert(key, handle);
    }

    /// Submits a closure under a key, if fewer tasks are in flight than the [limit](Self::limit)
    /// says, and there is room in the pool. Never waits.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the key and the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (promise, handle) = workmill::promise();
    /// let mut set = JoinSet::new(&pool).limit(1);
    /// set.insert("the first", handle);
    /// let refused = set.try_submit("the second", || 2).unwrap_err();
    /// assert!(refused.is_full());
    /// let (key, closure) = refused.into_inner();
    /// promise.complete(1).unwrap();
    /// set.submit(key, closure);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_submit<F>(&mut self, key: K, closure: F) -> Result<(), TrySubmitError<(K, F)>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        trampoline::catch_up();
        self.tasks.look();
        if !self.has_room() {
            return Err(full(key, closure));
        }
        let submitted = self.pool.try_submit(closure);
        self.insert_or_return(key, submitted)
    }

    /// Submits a closure under a key, and blocks until fewer tasks are in flight than the
    /// [limit](Self::limit) says and there is room in the pool, but no longer than `timeout`.
    ///
    /// [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until there is room or the time is over.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the key and the closure when the time is over, or if the pool is
    /// shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool).limit(1);
    /// set.insert("slow", pool.submit_after(Duration::MAX, || 1));
    /// let refused = set.submit_timeout("next", || 2, Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(refused.into_inner().0, "next");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_timeout<F>(
        &mut self,
        key: K,
        closure: F,
        timeout: Duration,
    ) -> Result<(), TrySubmitError<(K, F)>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let deadline = Deadline::after(timeout);
        self.wait_for_room(deadline);
        if !self.has_room() {
            return Err(full(key, closure));
        }
        let submitted = self.pool.submit_until(closure, deadline);
        self.insert_or_return(key, submitted)
    }

    /// Submits a closure under a key, and waits without blocking the thread until fewer tasks are
    /// in flight than the [limit](Self::limit) says, and there is room in the pool.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the key and the closure if the pool is shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready drops the key and the closure; nothing is submitted.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool).limit(1);
    /// workmill::block_on(async {
    ///     set.submit_async(1, || 1).await.unwrap();
    ///     set.submit_async(2, || 2).await.unwrap(); // when the first has ended
    /// });
    /// assert_eq!(set.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn submit_async<F>(
        &mut self,
        key: K,
        closure: F,
    ) -> Result<(), TrySubmitError<(K, F)>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.wait_for_room_async().await;
        let submitted = self.pool.submit_async(closure).await;
        self.insert_or_return(key, submitted)
    }

    /// Spawns a future under a key.
    ///
    /// # Blocking
    ///
    /// Blocks while as many tasks are in flight as the [limit](Self::limit) says, and as
    /// [`PoolRef::spawn`] does. [`spawn_async`](Self::spawn_async) does not block.
    ///
    /// # Errors
    ///
    /// The call itself never fails. A future that the pool refuses comes as cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.spawn("nap", workmill::timer::sleep(std::time::Duration::from_millis(1)));
    /// assert_eq!(set.join_next().unwrap().0, "nap");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<F>(&mut self, key: K, future: F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.wait_for_room(Deadline::NEVER);
        let handle = self.pool.spawn(future);
        self.insert(key, handle);
    }

    /// Spawns a future under a key, and waits without blocking the thread until fewer tasks are in
    /// flight than the [limit](Self::limit) says, and there is room in the pool.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready drops the key and the future that was to be spawned.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinSet, timer};
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let mut naps = JoinSet::new(&pool).limit(8);
    /// workmill::block_on(async {
    ///     for n in 0..100 {
    ///         naps.spawn_async(n, timer::sleep(Duration::from_micros(10))).await;
    ///     }
    ///     while let Some((n, nap)) = naps.join_next_async().await {
    ///         assert!(n < 100 && nap.is_ok());
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn spawn_async<F>(&mut self, key: K, future: F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.wait_for_room_async().await;
        let handle = self.pool.spawn_when_room(future).await;
        self.insert(key, handle);
    }

    /// Adds a task that was submitted elsewhere: to another pool, to a process, or a promise.
    ///
    /// It counts as in flight, but does not wait for the [limit](Self::limit).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinSet, promise};
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// let (promise, handle) = promise();
    /// set.insert("from elsewhere", handle);
    /// promise.complete(42).unwrap();
    /// assert_eq!(set.join_next().unwrap().1?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, key: K, handle: JoinHandle<T>) {
        self.submitted += 1;
        self.tasks.insert(key, handle.cancel_on_drop());
    }

    fn insert_or_return<F>(
        &mut self,
        key: K,
        submitted: Result<JoinHandle<T>, TrySubmitError<F>>,
    ) -> Result<(), TrySubmitError<(K, F)>> {
        match submitted {
            Ok(handle) => {
                self.insert(key, handle);
                Ok(())
            }
            Err(refused) => {
                let reason = refused.reason();
                Err(TrySubmitError::new(reason, (key, refused.into_inner())))
            }
        }
    }

    fn has_room(&self) -> bool {
        self.tasks.in_flight() < self.limit
    }

    fn wait_for_room(&mut self, deadline: Deadline) {
        let limit = self.limit;
        if !self.has_room() {
            self.tasks.wait(deadline, |tasks| tasks.in_flight() < limit);
        }
    }

    async fn wait_for_room_async(&mut self) {
        let limit = self.limit;
        let has_room = |tasks: &Unordered<_, _>| tasks.in_flight() < limit;
        poll_fn(|cx| {
            trampoline::catch_up();
            if self.has_room() || self.tasks.poll_until(cx.waker(), has_room) {
                return Poll::Ready(());
            }
            pending(Cause::Arrival)
        })
        .await;
    }

    /// Blocks until a task has ended, and returns its key and its outcome. Returns `None` if the
    /// set is empty.
    ///
    /// # Blocking
    ///
    /// Blocks until a task has ended. A task that waits gives its slot to another thread; it runs
    /// nothing inline.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// for n in 0..10 {
    ///     set.submit((), move || n);
    /// }
    /// let mut sum = 0;
    /// while let Some((_, number)) = set.join_next() {
    ///     sum += number?;
    /// }
    /// assert_eq!(sum, 45);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_next(&mut self) -> Option<(K, Result<T, JoinError>)> {
        self.join_until(Deadline::NEVER)
    }

    /// Returns the key and the outcome of a task that has ended, if there is one. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinSet, promise};
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// let (promise, handle) = promise();
    /// set.insert((), handle);
    /// assert!(set.try_join_next().is_none());
    /// promise.complete(42).unwrap();
    /// assert_eq!(set.try_join_next().unwrap().1?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join_next(&mut self) -> Option<(K, Result<T, JoinError>)> {
        let (key, handle) = self.tasks.try_next()?;
        Some((key, outcome_of(handle)))
    }

    /// Blocks until a task has ended, but no longer than `timeout`, and returns its key and its
    /// outcome.
    ///
    /// Returns `None` when the time is over, or if the set [is empty](Self::is_empty).
    /// [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until a task has ended or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.insert((), pool.submit_after(Duration::MAX, || 42));
    /// assert!(set.join_next_timeout(Duration::from_millis(1)).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_next_timeout(&mut self, timeout: Duration) -> Option<(K, Result<T, JoinError>)> {
        self.join_until(Deadline::after(timeout))
    }

    fn join_until(&mut self, deadline: Deadline) -> Option<(K, Result<T, JoinError>)> {
        let (key, handle) = self.tasks.next(deadline)?;
        Some((key, outcome_of(handle)))
    }

    /// Waits until a task has ended, without blocking the thread, and returns its key and its
    /// outcome. Returns `None` if the set is empty.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready loses nothing: the next call returns the outcome.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.submit("rye", || 3);
    /// let (grain, length) = workmill::block_on(set.join_next_async()).unwrap();
    /// assert_eq!((grain, length?), ("rye", 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn join_next_async(&mut self) -> Option<(K, Result<T, JoinError>)> {
        poll_fn(|cx| {
            trampoline::catch_up();
            match self.tasks.poll_next(Some(cx.waker())) {
                Some((key, handle)) => Poll::Ready(Some((key, outcome_of(handle)))),
                None if self.tasks.len() == 0 => Poll::Ready(None),
                None => pending(Cause::Arrival),
            }
        })
        .await
    }

    /// Cancels the tasks, like [`JoinHandle::cancel`]: closures that have not begun, and futures
    /// that have not returned. They stay in the set, and come as cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (_promise, handle) = workmill::promise::<u32>();
    /// let mut set = JoinSet::new(&pool);
    /// set.insert("late", handle);
    /// set.cancel_all();
    /// let (key, outcome) = set.join_next().unwrap();
    /// assert!(key == "late" && outcome.unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "abort_all")]
    pub fn cancel_all(&mut self) {
        self.tasks
            .iter_mut()
            .for_each(|(_, handle)| handle.request_cancel());
    }

    /// Empties the set, and lets its tasks go on. Their results are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.submit((), || println!("goes on"));
    /// set.detach();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "detach_all")]
    pub fn detach(self) {
        let detach = |(_, handle): (K, CancelOnDrop<T>)| drop(handle.detach());
        self.tasks.into_rest().into_iter().for_each(detach);
    }

    /// Returns the keys of the tasks whose outcomes were not returned, in no particular order.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.submit("rye", || 3);
    /// assert_eq!(set.keys().collect::<Vec<_>>(), [&"rye"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.tasks.iter().map(|(key, _)| key)
    }

    /// Returns how many tasks were put into the set, and how many have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let mut set = JoinSet::new(&pool);
    /// (0..3).for_each(|n| set.submit(n, move || n));
    /// pool.wait_idle()?;
    /// set.join_next();
    /// let progress = set.progress();
    /// assert_eq!((progress.ended, progress.submitted, set.len()), (3, 3, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress(&mut self) -> Progress {
        self.tasks.look();
        Progress {
            submitted: self.submitted,
            ended: self.submitted - self.tasks.in_flight(),
        }
    }
}

impl<K, T> JoinSet<K, T> {
    /// Returns the number of tasks whose outcomes were not returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::JoinSet;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut set = JoinSet::new(&pool);
    /// set.submit("rye", || 3);
    /// assert_eq!(set.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns `true` if there is no outcome to wait for.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let set = workmill::JoinSet::<(), i32>::new(&pool);
    /// assert!(set.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the error of a submission for which the limit leaves no room.
fn full<K, F>(key: K, closure: F) -> TrySubmitError<(K, F)> {
    TrySubmitError::new(CancelReason::Rejected, (key, closure))
}

impl<K, T> fmt::Debug for JoinSet<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
