//! Two closures that borrow, and may run at the same time: [`join`].

use crate::pool::Local;
use crate::trace::carried;
use crate::unwind::{self, Kept};

/// Calls two closures, maybe at the same time, and returns their results. Outside of pools it calls
/// one after the other.
///
/// Inside a task it offers the second closure to the other threads of the task's pool while this
/// thread calls the first. If none has taken it by then, this thread calls it, too. So a function
/// that calls `join` needs no pool in its signature, and is as fast as its caller's pool makes it:
/// [`PoolRef::join`](crate::PoolRef::join) enters a pool.
///
/// The closures may borrow, and may call `join` in turn, to any depth: where little is left of the
/// stack, both are called on other threads, unless the pool has no
/// [spare threads](crate::Builder::max_spare_threads) left. A call costs a few nanoseconds as long
/// as no other thread takes the second closure.
///
/// # Blocking
///
/// Blocks until both closures have returned. If another thread has taken the second one, this
/// thread may meanwhile call closures of `join`s within that one, and nothing else; so a lock that
/// is held across `join` never meets unrelated work. Or it gives its slot to another thread.
///
/// A closure may wait for the other in all ways that the [guide](crate::guide::waiting) describes:
/// before a task waits, what it has offered is given to other threads.
///
/// # Panics
///
/// Panics if one of the closures does, with the same payload, when both have ended. If both do, the
/// panic of the first goes on. The result of the other is dropped, and a panic in that drop ends
/// there. If the first panics before the second closure was begun, another thread calls that; or
/// this thread, if no other has come for it within one second.
///
/// In a forked child process, panics if a thread of the parent has taken the second closure.
///
/// # Examples
///
/// ```
/// fn sum(grains: &[u64]) -> u64 {
///     if grains.len() < 1000 {
///         return grains.iter().sum();
///     }
///     let (left, right) = grains.split_at(grains.len() / 2);
///     let (left, right) = workmill::join(|| sum(left), || sum(right));
///     left + right
/// }
///
/// let grains: Vec<u64> = (1..=100_000).collect();
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// assert_eq!(pool.install(|| sum(&grains))?, 5_000_050_000);
/// assert_eq!(sum(&grains), 5_000_050_000); // on this thread alone
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
#[doc(alias("fork", "RecursiveTask"))]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    Local::with(|local| match local {
        // The second closure may be called on another thread.
        Some(local) => local.join(a, carried(b)),
        None => one_after_the_other(a, b),
    })
}

/// Calls both closures on this thread, the second also if the first panics.
pub(crate) fn one_after_the_other<RA, RB>(
    a: impl FnOnce() -> RA,
    b: impl FnOnce() -> RB,
) -> (RA, RB) {
    match unwind::catch(a) {
        Ok(first) => {
            let first = Kept::new(first);
            let second = b();
            (first.into_inner(), second)
        }
        Err(payload) => {
            unwind::discard(unwind::catch(b));
            unwind::resume(payload)
        }
    }
}
