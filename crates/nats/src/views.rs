//! References that add something to each job.

use std::time::Duration;

use workmill::{CancelToken, Priority};

use crate::reference::NatsRef;
use crate::view::View;

/// Views.
impl NatsRef {
    fn viewed(&self, change: impl FnOnce(&mut View)) -> Self {
        let mut reference = self.clone();
        change(&mut reference.view);
        reference
    }

    /// Returns a reference whose jobs have a priority. A worker takes a job only if none of a
    /// higher priority waits. Within a priority, first attempts begin in the order in which the
    /// server accepted them, as far as they are handed out one after another.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// use workmill_nats::workmill::Priority;
    ///
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let urgent = executor.priority(Priority::High);
    /// assert_eq!(urgent.submit(square, 3).join()?, 9); // overtakes those that wait
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(&self, priority: Priority) -> Self {
        self.viewed(|view| {
            view.priority = match priority {
                Priority::High => 0,
                Priority::Normal => 1,
                Priority::Low => 2,
                _ => 1,
            };
        })
    }

    /// Returns a reference whose jobs begin anew that often if their worker gives no sign for
    /// longer than the lease: [`Builder::retries`](crate::Builder::retries).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// // If its worker dies, another one begins it anew, twice at most.
    /// assert_eq!(executor.retries(2).submit(square, 3).join()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retries(&self, retries: u32) -> Self {
        self.viewed(|view| view.retries = retries)
    }

    /// Returns a reference whose jobs are cancelled, with
    /// [`CancelReason::Expired`](workmill::CancelReason::Expired), if no worker has begun them that
    /// long after their submission.
    ///
    /// The clock is that of this process, and so is the timer: a job whose submitter dies has no
    /// time limit any more.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// use std::time::Duration;
    /// use workmill_nats::workmill::CancelReason;
    ///
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let quick = executor.start_within(Duration::from_secs(1));
    /// match quick.submit(square, 3).join() {
    ///     Ok(nine) => assert_eq!(nine, 9),
    ///     Err(error) => assert_eq!(error.cancel_reason(), Some(CancelReason::Expired)),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_within(&self, time: Duration) -> Self {
        self.viewed(|view| view.start_within = Some(time))
    }

    /// Returns a reference whose jobs are cancelled with a token, as by
    /// [`JoinHandle::cancel`](workmill::JoinHandle::cancel).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// use workmill_nats::workmill::CancelToken;
    ///
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let token = CancelToken::new();
    /// let reference = executor.cancel_with(&token);
    /// let handles = [1, 2, 3].map(|n| reference.submit(square, n));
    /// token.cancel(); // none of them begins any more
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_with(&self, token: &CancelToken) -> Self {
        self.viewed(|view| view.token = Some(token.clone()))
    }
}
