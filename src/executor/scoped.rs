//! Work that borrows, as methods of a pool.

use super::PoolRef;
use crate::admission::View;
use crate::error::JoinError;
use crate::scope::{self, Scope, slice};

impl PoolRef {
    /// Calls a closure with a scope, to which it can submit tasks that borrow, and blocks until all
    /// of them have ended. Returns what the closure returns.
    ///
    /// It is like [`std::thread::scope`]: the closure is called on this thread, and tasks may
    /// borrow what lives outside the scope, and use the scope themselves.
    ///
    /// A [view](Self#views) adds nothing to the tasks of a scope, which are parts of the task that
    /// opens it.
    ///
    /// # Blocking
    ///
    /// Blocks, when the closure has returned or panicked, until all tasks of the scope have ended.
    /// A task of this pool runs those of them meanwhile that no thread has begun, and nothing else;
    /// then it gives its slot to another thread, as in any wait for what arrives (see the
    /// [guide](crate::guide::waiting)). A thread outside the pool only waits.
    ///
    /// # Errors
    ///
    /// None. Tasks that the pool refuses or cancels, because it is full or shut down, are dropped
    /// before the scope ends, and their handles resolve to cancelled.
    ///
    /// # Panics
    ///
    /// Resumes, when all tasks have ended, a panic of the closure, or else the first panic of a
    /// task that no handle has returned. Others go to the
    /// [`panic_handler`](crate::Builder::panic_handler). [`Scope::cancel_on_panic`] has the rest
    /// cancelled when a task panics.
    ///
    /// # Futures
    ///
    /// A scope takes closures only. A task may poll a future that borrows, by
    /// [`block_on`](crate::block_on()), and gives its slot away while the future is pending. To
    /// spawn it would be no gain: this thread has to wait for the future anyway, since an `async`
    /// scope could be dropped, or forgotten, while what it has lent is in use.
    ///
    /// # Deadlocks
    ///
    /// A scope waits for its tasks, so a task that joins the one that has opened its scope waits
    /// for itself. [`CancelReason::Deadlock`](crate::CancelReason::Deadlock) does not find a cycle
    /// that leads through the end of a scope.
    ///
    /// # Forks
    ///
    /// In a child process that was forked in the closure, the scope ends when the closure returns,
    /// and submitted tasks never run. If a task may have been running in the parent at that time,
    /// the child is aborted instead: the task may have been changing what it borrows.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut sacks = vec![3, 1, 2];
    /// let mut log = String::new();
    /// pool.scope(|scope| {
    ///     scope.execute(|| sacks.sort());
    ///     scope.execute(|| log.push_str("sorted"));
    /// });
    /// assert_eq!((sacks, log.as_str()), (vec![1, 2, 3], "sorted"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Futures that borrow, one in each task:
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let text = String::from("flour");
    /// let length = pool.scope(|scope| {
    ///     let task = scope.submit(|| workmill::block_on(async { text.len() }));
    ///     task.join()
    /// });
    /// assert_eq!(length?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A value of the closure cannot be borrowed by tasks, since it is gone before they are:
    ///
    /// ```compile_fail,E0373
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// pool.scope(|scope| {
    ///     let sacks = 7;
    ///     scope.execute(|| println!("{sacks}")); // may need `move`
    /// });
    /// ```
    ///
    /// ```compile_fail,E0597
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// pool.scope(|scope| {
    ///     let text = String::new();
    ///     let text = &text;
    ///     scope.execute(move || println!("{text}"));
    /// });
    /// ```
    ///
    /// Neither a handle nor the scope leaves the closure:
    ///
    /// ```compile_fail
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// let handle = pool.scope(|scope| scope.submit(|| 42));
    /// ```
    ///
    /// ```compile_fail,E0521
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// let mut kept = None;
    /// pool.scope(|scope| kept = Some(scope));
    /// ```
    ///
    /// ```compile_fail,E0521
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// let mut kept = Vec::new();
    /// pool.scope(|scope| kept.push(scope.submit(|| 42)));
    /// ```
    ///
    /// While a task may use something, nothing else changes it:
    ///
    /// ```compile_fail,E0499
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// let mut sacks = 0;
    /// pool.scope(|scope| {
    ///     scope.execute(|| sacks += 1);
    ///     scope.execute(|| sacks += 1);
    /// });
    /// ```
    ///
    /// Nor can a value of another task:
    ///
    /// ```compile_fail,E0597
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// pool.scope(|scope| {
    ///     scope.execute(move || {
    ///         let inside = String::new();
    ///         let inside = &inside;
    ///         scope.execute(move || println!("{inside}"));
    ///     });
    /// });
    /// ```
    ///
    /// And what goes to another thread has to be [`Send`]:
    ///
    /// ```compile_fail,E0277
    /// let pool = workmill::ThreadPoolExecutor::new(2).unwrap();
    /// let sacks = std::rc::Rc::new(7);
    /// pool.scope(|scope| scope.execute(|| println!("{sacks}")));
    /// ```
    #[doc(alias("StructuredTaskScope", "coroutineScope", "in_place_scope", "nursery"))]
    pub fn scope<'env, F, R>(&self, closure: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        let view = View::of(&self.pool);
        let capacity = view.as_ref().and_then(|view| view.only_bound());
        scope::run(&self.pool, capacity, closure)
    }

    /// Calls `f` with each item of a slice, in the pool, and returns the results in the order of
    /// the items.
    ///
    /// The slice is split into halves, and these again, as far as there are threads to take them.
    /// All results go into one allocation. `f` and the items are borrowed.
    ///
    /// # Blocking
    ///
    /// Blocks until `f` has returned for all items, or for none any more. A task of this pool takes
    /// part; a thread outside the pool only waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if `f` panicked for an item: the parts of the slice that no thread has begun
    /// are left out then, and the results that there are are dropped. If it panics for several, one
    /// of the panics is returned. Also if the pool refuses the work, because it is full or shut
    /// down.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let grains = ["wheat", "rye", "spelt"];
    /// let lengths = pool.map_slice(&grains, |grain| grain.len())?;
    /// assert_eq!(lengths, [5, 3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("par_iter", "parallelStream", "par_chunks"))]
    pub fn map_slice<T, R, F>(&self, items: &[T], f: F) -> Result<Vec<R>, JoinError>
    where
        T: Sync,
        R: Send,
        F: Fn(&T) -> R + Sync,
    {
        let view = View::of(&self.pool);
        let capacity = view.as_ref().and_then(|view| view.only_bound());
        self.install(|| slice::map(&self.pool, capacity, items, &f))?
    }
}
