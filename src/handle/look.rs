//! The state, the error and the id of a task: a look at them leaves the outcome with the handle.

use std::fmt;

use super::join::JoinHandle;
use super::shared::SharedHandle;
use crate::error::JoinError;
use crate::pool::Local;
use crate::task::cell::RawTask;

/// How far a task has come, as [`JoinHandle::state`] returns it.
///
/// It is like the `Future.State` of Java.
///
/// # Examples
///
/// ```
/// use workmill::TaskState;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let handle = pool.submit(|| panic!("out of flour"));
/// pool.wait_idle()?;
/// assert_eq!(handle.state(), TaskState::Panicked);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// The task has not begun.
    Waiting,
    /// The task has begun, and its outcome is not there. A future that was polled is running until
    /// it has ended, also while it waits to be woken. A task is running as well while a callback
    /// that was [added](JoinHandle::inspect) to its handle is called.
    Running,
    /// The task has returned a result.
    Returned,
    /// The task panicked.
    Panicked,
    /// The task was cancelled. [`JoinError::cancel_reason`] says why.
    Cancelled,
    /// The task ran elsewhere, in a process or on a machine that died.
    Lost,
    /// The handle has returned the outcome of the task before.
    Taken,
}

impl TaskState {
    fn of_end(error: Option<&JoinError>) -> Self {
        match error {
            None => Self::Returned,
            Some(error) if error.is_panic() => Self::Panicked,
            Some(error) if error.is_lost() => Self::Lost,
            Some(_) => Self::Cancelled,
        }
    }

    fn before_end(task: &RawTask) -> Self {
        // Not `is_running`: the task may have ended, and its outcome is on its way to the handle.
        match task.has_begun() {
            true => Self::Running,
            false => Self::Waiting,
        }
    }
}

/// The identity of a task.
///
/// No two tasks have one id at the same time: an id belongs to a task until that has ended and none
/// of its handles is left. A later task may have the same id. Ids have no order that means
/// anything; that they can be compared is for maps that need it.
///
/// It is like the `task::Id` of tokio.
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let grinds = ["wheat", "rye"].map(|grain| (grain, pool.submit(workmill::task_id)));
/// let names: HashMap<_, _> = grinds.iter().map(|(grain, task)| (task.id(), *grain)).collect();
/// for (grain, task) in grinds {
///     let own = task.join()?.expect("it was asked inside a task");
///     assert_eq!(names[&own], grain);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(usize);

impl TaskId {
    fn of(task: &RawTask) -> Self {
        let behind = task.task_behind();
        Self(behind.as_deref().unwrap_or(task).id().addr())
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

/// As a hexadecimal number.
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Returns the id of the running task, or `None` outside of tasks. A closure that has no handle,
/// one that was submitted by [`execute`](crate::PoolRef::execute) for example, has no id.
///
/// Of tasks that run on top of each other, as a closure that is run inline does, it is the
/// innermost one that has a handle.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert_eq!(workmill::task_id(), None);
/// let task = pool.submit(workmill::task_id);
/// let id = task.id();
/// assert_eq!(task.join()?, Some(id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("current_task", "try_id"))]
pub fn task_id() -> Option<TaskId> {
    match Local::running_cell().addr() {
        0 => None,
        cell => Some(TaskId(cell)),
    }
}

impl<T> JoinHandle<T> {
    /// Returns how far the task has come; a snapshot, may be stale. The outcome stays with the
    /// handle.
    ///
    /// Of a [mapped](Self::map) handle this is the state of the task, as the function that makes
    /// the result is called when the result is taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{TaskState, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let task = pool.submit(|| 42);
    /// pool.wait_idle()?;
    /// assert_eq!(task.state(), TaskState::Returned);
    /// assert_eq!(task.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state(&self) -> TaskState {
        match self.task_if_unspent() {
            None => TaskState::Taken,
            Some(_) if self.is_finished() => TaskState::of_end(self.error()),
            Some(task) => TaskState::before_end(task),
        }
    }

    /// Returns the error with which the task has ended, which stays with the handle, or `None` if
    /// the task has not ended, has returned a result, or the handle has returned the outcome.
    ///
    /// A panic counts as not yet seen until the outcome is taken.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let task = pool.submit(|| -> u32 { panic!("no grain") });
    /// pool.wait_idle()?;
    /// assert_eq!(task.error().unwrap().panic_message(), Some("no grain"));
    /// assert!(task.join().unwrap_err().is_panic());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("exception", "exceptionNow"))]
    pub fn error(&self) -> Option<&JoinError> {
        self.task_if_unspent()?.error()
    }

    /// Returns the id of the task. Of a [mapped](Self::map) handle, and of one with
    /// [callbacks](Self::inspect), this is the id of the task as well.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (one, other) = (pool.submit(workmill::task_id), pool.submit(|| ()));
    /// assert_ne!(one.id(), other.id());
    /// let id = one.id();
    /// assert_eq!(one.join()?, Some(id)); // as the task itself sees it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> TaskId {
        TaskId::of(self.unspent())
    }
}

impl<T> SharedHandle<T> {
    /// Returns how far the task has come; a snapshot, may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::TaskState;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42).shared();
    /// handle.join()?;
    /// assert_ne!(handle.state(), TaskState::Waiting);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state(&self) -> TaskState {
        match self.outcome() {
            Some(outcome) => TaskState::of_end(outcome.as_ref().err()),
            None => TaskState::before_end(self.task()),
        }
    }

    /// Returns the error with which the task has ended, or `None` if the task has not ended or has
    /// returned a result.
    ///
    /// A panic counts as not yet seen until a handle returns the outcome.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| panic!("out of flour")).shared();
    /// # let handle: workmill::SharedHandle<()> = handle;
    /// assert!(handle.join().is_err());
    /// assert!(handle.error().unwrap().is_panic());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn error(&self) -> Option<&JoinError> {
        self.outcome()?.as_ref().err()
    }

    /// Returns the id of the task, which all handles to it return.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42);
    /// let id = handle.id();
    /// assert_eq!(handle.shared().id(), id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> TaskId {
        TaskId::of(self.task())
    }
}
