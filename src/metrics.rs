//! The work of a pool, of its workers and of its groups, as numbers for people and for programs.
//!
//! Plain data: `pool/metering.rs` fills it.

use std::fmt;
use std::time::Duration;

use crate::error::CancelReason;

/// The work of a pool since it was started, and its state now. Returned by
/// [`PoolRef::metrics`](crate::PoolRef::metrics).
///
/// The counts always add up: [`accepted`](Self::accepted) is the sum of [`queued`](Self::queued),
/// [`in_progress`](Self::in_progress), [`finished`](Self::finished), [`panicked`](Self::panicked)
/// and [`cancelled`](Self::cancelled). They are a snapshot and may be stale, but each end that is
/// among them is that of a task that is among them. When [`wait_idle`](crate::PoolRef::wait_idle)
/// has returned, and nothing was submitted since, none is queued or in progress.
///
/// A task that was cancelled, or was run by the thread that joined it, counts as queued until a
/// worker finds what is left of it in its queue.
///
/// [`PoolRef::block_on`](crate::PoolRef::block_on) outside a task counts as a task, and each run of
/// a series does. A closure that is not due yet does not, nor do the two closures of a
/// [`join`](crate::PoolRef::join).
///
/// # Display
///
/// Shows all of it, in some lines for an operator.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// for _ in 0..10 {
///     pool.execute(|| println!("a sack"));
/// }
/// pool.wait_idle()?;
/// let metrics = pool.metrics();
/// assert_eq!((metrics.accepted, metrics.finished), (10, 10));
/// println!("{metrics}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias("RuntimeMetrics", "active_count", "queued_count", "panic_count"))]
pub struct Metrics {
    /// The number of tasks that the pool has accepted.
    pub accepted: u64,
    /// The number of these that have begun: closures that were called, and futures that were
    /// polled.
    pub started: u64,
    /// The number of tasks that have returned.
    pub finished: u64,
    /// The number of tasks that have panicked.
    pub panicked: u64,
    /// The numbers of tasks that were cancelled after the pool had accepted them.
    pub cancelled: CancelCounts,
    /// The number of tasks that have not begun.
    pub queued: u64,
    /// The number of tasks that have begun and not ended. Futures that wait to be woken are among
    /// them.
    pub in_progress: u64,
    /// A time for which at least one task has been queued, judged by earlier calls of
    /// [`metrics`](crate::PoolRef::metrics): the number of tasks that had been accepted at one of
    /// these is larger than that of the tasks that have begun since the pool was started. Zero if
    /// there is no such call. The wait is exact to the time between two calls, and costs nothing
    /// but these.
    pub oldest_wait: Duration,
    /// The number of closures and futures that the pool refused without returning them to the
    /// caller, because it was full or shut down, and of queued tasks that were dropped in favour of
    /// newer ones.
    pub rejected: usize,
    /// The number of tasks that were accepted although the pool was full: those that its own tasks
    /// submitted, and closures that came due.
    pub over_capacity: usize,
    /// The number of threads that the system failed to start, or that
    /// [`on_thread_start`](crate::Builder::on_thread_start) refused, when there was work for them.
    /// The existing threads run the tasks, and each push that needs another thread tries again.
    pub failed_starts: usize,
    /// The number of waits in tasks that kept their slots, because as many threads as
    /// [`max_spare_threads`](crate::Builder::max_spare_threads) allows were without one.
    pub uncovered_waits: usize,
    /// The number of runs of series ([`submit_every`](crate::PoolRef::submit_every)) that were
    /// skipped because the pool was full when they were due, or dropped from the queue in favour of
    /// newer tasks or by the pool's end.
    pub skipped_runs: usize,
    /// The number of threads that are alive now: those that run tasks, wait in tasks, or have
    /// nothing to do.
    pub live_threads: usize,
    /// The number of workers that run a task now, and do not wait in it.
    pub running_threads: usize,
    /// The number of workers that wait in a task now.
    pub waiting_threads: usize,
    /// The number of workers that run a task, or wait in one, without a slot.
    pub away_threads: usize,
    /// The number of slots that are lent now: those of tasks that wait for room.
    pub lent_slots: usize,
    /// The number of times that the slot of a task which waited for room was given away.
    pub given_slots: usize,
    /// The longest time for which a task has waited for room.
    pub longest_lent: Duration,
    /// The sum of the counts of all workers and of foreign threads.
    pub total: WorkerCounts,
    /// The counts of each worker, by the worker's number.
    pub workers: Vec<WorkerMetrics>,
    /// The counts of each [`Group`](crate::Group) of the pool that still exists.
    pub groups: Vec<GroupMetrics>,
}

/// The numbers of tasks that were cancelled, by [`CancelReason`].
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// pool.submit_after(std::time::Duration::MAX, || 42).cancel();
/// println!("{} cancelled by their handles", pool.metrics().cancelled.requested);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelCounts {
    /// By a handle, or by the token of a view: [`CancelReason::Cancelled`].
    pub requested: u64,
    /// By the end of the pool, or of the group: [`CancelReason::Shutdown`].
    pub shutdown: u64,
    /// In favour of a newer task: [`CancelReason::Rejected`].
    pub rejected: u64,
    /// Because they had not begun in time: [`CancelReason::Expired`].
    pub expired: u64,
    /// Because another task of their scope has panicked: [`CancelReason::ScopeFailed`].
    pub scope_failed: u64,
}

impl CancelCounts {
    /// Returns the counts, of which each is what `count` returns for its reason.
    pub(crate) fn new(count: impl Fn(CancelReason) -> u64) -> Self {
        Self {
            requested: count(CancelReason::Cancelled),
            shutdown: count(CancelReason::Shutdown),
            rejected: count(CancelReason::Rejected),
            expired: count(CancelReason::Expired),
            scope_failed: count(CancelReason::ScopeFailed),
        }
    }

    fn each(&self) -> [(u64, &'static str); 5] {
        [
            (self.requested, "requested"),
            (self.shutdown, "by a shutdown"),
            (self.rejected, "in favour of newer tasks"),
            (self.expired, "expired"),
            (self.scope_failed, "by a failed scope"),
        ]
    }

    /// Returns the sum.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert_eq!(pool.metrics().cancelled.total(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn total(&self) -> u64 {
        self.each().iter().map(|(count, _)| count).sum()
    }
}

impl fmt::Display for CancelCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cancelled", self.total())?;
        let each = self.each();
        let mut before = " (";
        for (count, why) in each.iter().filter(|(count, _)| *count > 0) {
            write!(f, "{before}{count} {why}")?;
            before = ", ";
        }
        match self.total() {
            0 => Ok(()),
            _ => f.write_str(")"),
        }
    }
}

/// The work of a thread for a pool since that was started.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// pool.execute(|| println!("a sack"));
/// pool.wait_idle()?;
/// let total = pool.metrics().total; // of all workers
/// assert_eq!(total.started, 1);
/// println!("busy for {:?}", total.busy);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerCounts {
    /// The number of tasks that it has begun.
    pub started: u64,
    /// The number of times that it has polled a future.
    pub polls: u64,
    /// The number of these tasks that have panicked.
    pub panicked: u64,
    /// The number of times that it has taken tasks from the queue of another slot.
    pub steals: u64,
    /// The number of halves of [`join`](crate::PoolRef::join)s that it has taken from other
    /// threads.
    pub stolen_halves: u64,
    /// The number of times that it has fallen asleep for want of tasks.
    pub parks: u64,
    /// The number of times that it was woken from that, and fell asleep again without a task.
    pub vain_wakes: u64,
    /// The time in which it ran tasks.
    pub busy: Duration,
    /// The time in which it waited in tasks.
    pub waiting: Duration,
    /// The time in which it had nothing to do: it searched, or slept.
    pub idle: Duration,
}

/// The work of one worker of a pool. The workers that have had a number one after the other are
/// counted together.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// pool.execute(|| println!("a sack"));
/// pool.wait_idle()?;
/// for worker in pool.metrics().workers {
///     println!("{} has begun {} tasks", worker.name, worker.counts.started);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// The name of the thread that has the number, or had it last.
    pub name: String,
    /// Whether that thread is in the pool.
    pub is_alive: bool,
    /// The name of the task that it runs, or waits in: see [`BusyThread`](crate::BusyThread).
    pub runs: Option<&'static str>,
    /// Its counts.
    pub counts: WorkerCounts,
}

/// The work of a [`Group`](crate::Group) since it was made, with the groups within. Returned by
/// [`Group::metrics`](crate::Group::metrics), and part of [`Metrics`].
///
/// [`accepted`](Self::accepted) is the sum of [`queued`](Self::queued),
/// [`in_progress`](Self::in_progress), [`finished`](Self::finished), [`panicked`](Self::panicked)
/// and [`cancelled`](Self::cancelled).
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let disk = pool.limited(2);
/// disk.submit(|| 42).join()?;
/// let metrics = disk.metrics();
/// assert_eq!((metrics.limit, metrics.accepted), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMetrics {
    /// The number of the group: groups are numbered as they are made.
    pub number: usize,
    /// The number of its tasks that may run at a time.
    pub limit: usize,
    /// The number of tasks that were accepted.
    pub accepted: u64,
    /// The number of tasks that have begun.
    pub started: u64,
    /// The number of tasks that have returned.
    pub finished: u64,
    /// The number of tasks that have panicked.
    pub panicked: u64,
    /// The numbers of tasks that were cancelled after they had been accepted.
    pub cancelled: CancelCounts,
    /// The number of tasks that have not begun.
    pub queued: u64,
    /// The number of tasks that have begun and not ended.
    pub in_progress: u64,
    /// A time for which at least one task has been queued, as in
    /// [`Metrics::oldest_wait`].
    pub oldest_wait: Duration,
}

/// The numbers of tasks from which the others follow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TaskCounts {
    pub(crate) accepted: u64,
    pub(crate) started: u64,
    pub(crate) finished: u64,
    pub(crate) panicked: u64,
    pub(crate) cancelled: CancelCounts,
    /// The futures among the cancelled ones that had begun.
    pub(crate) cancelled_begun: u64,
}

impl TaskCounts {
    /// Returns the number of tasks that have left the queue.
    pub(crate) fn left_queue(&self) -> u64 {
        let cancelled = self.cancelled.total();
        // A task that has ended has begun: counts that were read one after the other may be apart.
        let begun = self.cancelled_begun.min(cancelled);
        let ended = self.finished + self.panicked + begun;
        (self.started.max(ended) + cancelled - begun).min(self.accepted)
    }

    /// Returns the number of tasks that have left the queue and not ended.
    pub(crate) fn in_progress(&self) -> u64 {
        let ended = self.finished + self.panicked + self.cancelled.total();
        self.left_queue().saturating_sub(ended)
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            finished,
            panicked,
            cancelled,
            queued,
            in_progress,
            ..
        } = self;
        writeln!(
            f,
            "tasks: {accepted} accepted: {queued} queued, {in_progress} in progress, \
             {finished} finished, {panicked} panicked, {cancelled}"
        )?;
        if !self.oldest_wait.is_zero() {
            writeln!(f, "  one is queued for {:.1?} at least", self.oldest_wait)?;
        }
        self.troubles(f)?;
        let idle = self
            .live_threads
            .saturating_sub(self.running_threads + self.waiting_threads);
        write!(
            f,
            "threads: {} alive: {} run, {} wait in tasks, {idle} have nothing to do; {} are away \
             from their slots",
            self.live_threads, self.running_threads, self.waiting_threads, self.away_threads,
        )?;
        match self.lent_slots {
            0 => writeln!(f)?,
            lent => writeln!(f, ", {lent} lend theirs")?,
        }
        let width = self.workers.iter().map(|it| it.name.chars().count());
        let width = width.max().unwrap_or(0).max(6);
        writeln!(
            f,
            "{:width$} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6}  runs",
            "worker",
            "started",
            "polls",
            "panics",
            "steals",
            "parks",
            "in vain",
            "busy",
            "waits",
            "idle",
        )?;
        for worker in &self.workers {
            let runs = match (worker.runs, worker.is_alive) {
                (Some(task), _) => task,
                (None, true) => "nothing",
                (None, false) => "(has left)",
            };
            row(f, width, &worker.name, &worker.counts, runs)?;
        }
        row(f, width, "all", &self.total, "")?;
        for group in &self.groups {
            writeln!(f, "{group}")?;
        }
        Ok(())
    }
}

impl Metrics {
    /// Writes the counts of trouble that are not zero, if any is.
    fn troubles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let troubles = [
            (self.rejected, "rejected"),
            (self.over_capacity, "accepted over capacity"),
            (self.skipped_runs, "runs of series skipped"),
            (self.failed_starts, "threads not started"),
            (self.uncovered_waits, "waits that kept their slots"),
            (self.given_slots, "slots given away in waits for room"),
        ];
        let mut before = "  ";
        for (count, what) in troubles.iter().filter(|(count, _)| *count > 0) {
            write!(f, "{before}{count} {what}")?;
            before = ", ";
        }
        match before {
            ", " => writeln!(f),
            _ => Ok(()),
        }
    }
}

/// Writes a row of the table of workers.
fn row(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    name: &str,
    counts: &WorkerCounts,
    runs: &str,
) -> fmt::Result {
    let all = counts.busy + counts.waiting + counts.idle;
    let share = |time: Duration| match all.is_zero() {
        true => 0.0,
        false => 100.0 * time.as_secs_f64() / all.as_secs_f64(),
    };
    let row = format!(
        "{name:width$} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>4.0} % {:>4.0} % {:>4.0} %  {runs}",
        counts.started,
        counts.polls,
        counts.panicked,
        counts.steals + counts.stolen_halves,
        counts.parks,
        counts.vain_wakes,
        share(counts.busy),
        share(counts.waiting),
        share(counts.idle),
    );
    writeln!(f, "{}", row.trim_end())
}

impl fmt::Display for GroupMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "group {}, at most {} at a time: {} accepted: {} queued, {} in progress, {} finished, \
             {} panicked, {}",
            self.number,
            self.limit,
            self.accepted,
            self.queued,
            self.in_progress,
            self.finished,
            self.panicked,
            self.cancelled,
        )?;
        match self.oldest_wait.is_zero() {
            true => Ok(()),
            false => write!(f, "; one is queued for {:.1?} at least", self.oldest_wait),
        }
    }
}
