//! Views: references that add something to each task that is submitted by them.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{Group, PoolRef};
use crate::admission::View;
use crate::fork::ProcessList;
use crate::name::Name;
use crate::pool::Priority;
use crate::sync::cancel::CancelToken;

/// The names that were given, in order. They stay: a task keeps no share of its name.
static NAMES: ProcessList<&'static Name> = ProcessList::new();

/// Returns a name that is given at a place. Equal names of one place are kept once.
fn kept(name: &str, place: &'static Location<'static>) -> &'static Name {
    let mut names = NAMES.lock();
    match names.binary_search_by(|it| (it.get(), it.place()).cmp(&(name, Some(place)))) {
        Ok(index) => names[index],
        Err(index) => {
            let text = Box::leak(Box::from(name));
            let new: &'static Name = Box::leak(Box::new(Name::given(text, place)));
            names.insert(index, new);
            new
        }
    }
}

impl PoolRef {
    /// Returns a reference whose tasks have a priority.
    ///
    /// A view of a view has what both have. The last priority counts. See [`Priority`] for what it
    /// means, and for how long a task may have to wait for others.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Priority, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(2)?;
    /// let urgent = pool.priority(Priority::High);
    /// assert_eq!(urgent.submit(|| 42).join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(&self, priority: Priority) -> Self {
        self.viewed(View::with_class(self.view.as_ref(), priority))
    }

    /// Returns a reference whose tasks have a name, in errors, in warnings and in the reports of
    /// what runs, in place of that of the type of their closure or future. Reports also say where
    /// in the source this was called ([`BusyThread::place`](crate::BusyThread::place)).
    ///
    /// Equal names are kept once for each such place, and until the process ends: a program should
    /// have few.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let bakery = pool.named("bake");
    /// let error = bakery.submit(|| panic!("out of flour")).join().unwrap_err();
    /// assert_eq!(error.task_name(), "bake");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn named(&self, name: &str) -> Self {
        let name = kept(name, Location::caller());
        self.viewed(View::with_name(self.view.as_ref(), name))
    }

    /// Returns a reference whose tasks are cancelled if they have not begun that long after their
    /// submission, with [`CancelReason::Expired`](crate::CancelReason::Expired).
    ///
    /// A task that runs is not interrupted, and a future has begun once it was polled. The time of
    /// a closure that was [submitted for later](Self::submit_after) begins when it is due. In a
    /// view of such a view the shorter time counts. [`Duration::MAX`] is forever.
    ///
    /// The closure is dropped by the thread that meets the task: a worker, a thread that joins it,
    /// or one that cancels it. If nobody meets it, a worker drops it soon after the time is over,
    /// when one has time for that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::{CancelReason, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// pool.execute(|| std::thread::sleep(Duration::from_millis(50)));
    /// let soon = pool.start_within(Duration::from_millis(1));
    /// let error = soon.submit(|| unreachable!()).join().unwrap_err();
    /// assert_eq!(error.cancel_reason(), Some(CancelReason::Expired));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start_within(&self, time: Duration) -> Self {
        self.viewed(View::with_start_within(self.view.as_ref(), time))
    }

    /// Returns a reference whose tasks are cancelled when `token` is.
    ///
    /// Tasks that have not begun are cancelled, with
    /// [`CancelReason::Cancelled`](crate::CancelReason::Cancelled), and closures are dropped by the
    /// thread that cancels the token. Futures that have begun are dropped by workers. A series
    /// ends. Closures that run are not interrupted; they may look at the token themselves.
    /// Later submissions are refused: their handles resolve to cancelled.
    ///
    /// The token knows the view only, so tasks that end leave nothing with it.
    ///
    /// # Blocking
    ///
    /// Never blocks. The token does not end a wait for room: a [`submit`](Self::submit) by the
    /// reference that waits in a full pool goes on waiting when the token is cancelled, and its
    /// task is refused when there is room.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{CancelToken, ThreadPoolExecutor, timer};
    ///
    /// let (pool, stop) = (ThreadPoolExecutor::new(1)?, CancelToken::new());
    /// let request = pool.cancel_with(&stop);
    /// let sleeps = request.spawn(timer::sleep(std::time::Duration::MAX));
    /// stop.cancel();
    /// assert!(sleeps.join().unwrap_err().is_cancelled());
    /// assert!(request.submit(|| unreachable!()).join().unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "CancellationToken")]
    pub fn cancel_with(&self, token: &CancelToken) -> Self {
        let link = self.pool.link;
        self.viewed(View::with_token(self.view.as_ref(), link, token))
    }

    /// Creates a group of tasks of which at most `tasks` run at a time.
    ///
    /// The others wait as data, and hold no thread. Each call makes a new group, so
    /// `pool.limited(2).submit(…)` in a loop limits nothing: make the group once, and submit by it
    /// or its clones. A group that is made from a group, or from a view of one, is within that: its
    /// tasks need a permit of each group around them.
    ///
    /// # Panics
    ///
    /// Panics if `tasks` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(4)?;
    /// let disk = pool.limited(2);
    /// let sizes: Vec<_> = (0..100_u64).map(|n| disk.submit(move || n * 512)).collect();
    /// disk.wait_idle()?;
    /// assert!(sizes.iter().all(|size| size.is_finished()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("limitedParallelism", "newSingleThreadExecutor", "bulkhead"))]
    pub fn limited(&self, tasks: usize) -> Group {
        assert!(tasks > 0, "a group of which no task may run");
        let view = View::with_group(self.view.as_ref(), &self.pool, tasks);
        Group::new(self.viewed(view))
    }

    fn viewed(&self, view: Arc<View>) -> Self {
        Self {
            pool: self.pool.clone(),
            view: Some(view),
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_kept_once() {
        let place = Location::caller();
        let names = ["bolt", "grind", "bolt"].map(|name| kept(name, place));
        assert_eq!(names.map(Name::get), ["bolt", "grind", "bolt"]);
        assert!(std::ptr::eq(names[0], names[2]));
    }
}
