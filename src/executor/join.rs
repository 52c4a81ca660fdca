//! Two closures that borrow, in a pool.

use super::PoolRef;
use crate::scope::join::{join, one_after_the_other};
use crate::unwind;

impl PoolRef {
    /// Calls two closures in the pool, maybe at the same time, and returns their results.
    ///
    /// From outside, a task of the pool calls [`workmill::join`](crate::join), as with
    /// [`install`](Self::install); a task of this pool calls it directly. The closures may borrow,
    /// and call [`workmill::join`](crate::join) in turn, which then uses this pool.
    ///
    /// If the pool is shut down, refuses the task, or cancels it before it has begun, both closures
    /// are called on this thread, one after the other.
    ///
    /// # Blocking
    ///
    /// Blocks until both closures have returned.
    ///
    /// # Panics
    ///
    /// Panics if one of the closures does, with the same payload, when both have ended. If both do,
    /// the panic of the first goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut grains = [3, 1, 2];
    /// let mut sacks = ["rye", "oat"];
    /// pool.join(|| grains.sort(), || sacks.sort());
    /// assert_eq!((grains, sacks), ([1, 2, 3], ["oat", "rye"]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias("fork", "RecursiveTask"))]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let mut halves = Some((a, b));
        let joined = self.install(|| {
            let (a, b) = halves.take()?;
            Some(unwind::catch(|| join(a, b)))
        });
        match (joined, halves) {
            (Ok(Some(Ok(results))), _) => results,
            (Ok(Some(Err(payload))), _) => unwind::resume(payload),
            (_, Some((a, b))) => one_after_the_other(a, b),
            _ => unreachable!("a task that has begun has caught its panic"),
        }
    }
}
