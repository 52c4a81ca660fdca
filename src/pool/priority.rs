//! The classes of tasks that wait to begin.

/// When a task begins, compared with others that wait. Set by
/// [`PoolRef::priority`](crate::PoolRef::priority).
///
/// The priority decides which waiting task a free thread takes next. It does not interrupt a task
/// that runs, and a future has it until it is polled first. No class waits forever: a thread that
/// has taken 32 tasks of high priority in a row takes another one, if any waits, and a thread that
/// has run about 1,000 tasks takes one of low priority.
///
/// # Examples
///
/// ```
/// use workmill::{Priority, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::new(1)?;
/// let (urgent, idle) = (pool.priority(Priority::High), pool.priority(Priority::Low));
/// idle.execute(|| println!("when there is nothing else"));
/// urgent.execute(|| println!("before all that waits"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// Before all others that wait.
    High,
    /// In the order of submission, as far as threads that steal work keep an order.
    #[default]
    Normal,
    /// When nothing else waits, and now and then.
    Low,
}

impl Priority {
    /// All, the most urgent first.
    pub(in crate::pool) const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];
}
