//! Jobs that are due later, once or periodically.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use workmill::timer::timeout;
use workmill::{CancelReason, Every, JoinError, JoinHandle};
use workmill_jobs::{Job, Sendable};

use crate::job::Outcome;
use crate::reference::{ProcessPoolRef, failed};

/// A job that has come due. Its drop cancels it, and returns when nothing of it runs any more.
struct Due(Option<JoinHandle<Outcome>>);

impl Future for Due {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let handle = self.0.as_mut().expect("it is polled until it is ready");
        let outcome = std::task::ready!(Pin::new(handle).poll(context));
        self.0 = None;
        Poll::Ready(outcome.and_then(|outcome| outcome))
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.cancel();
            drop(handle.join());
        }
    }
}

impl ProcessPoolRef {
    /// Submits a job that becomes due after a delay. The arguments are encoded now.
    ///
    /// A job that is not due is cancelled when the pool is shut down, and
    /// [`wait_idle`](Self::wait_idle) does not wait for it. When it comes due it is accepted, even
    /// if the pool is full.
    ///
    /// # Errors
    ///
    /// Those of [`submit`](Self::submit), by the handle.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    ///
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let nine = pool.submit_after(Duration::from_millis(5), square, 3);
    /// assert_eq!(nine.join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit_after<F, A, M>(
        &self,
        delay: Duration,
        function: F,
        arguments: A,
    ) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let running = match self.prepare_for_later(function, &arguments) {
            Ok(running) => running,
            Err(error) => return failed(error),
        };
        let (view, closing) = (self.view().clone(), self.shared().closing.clone());
        let waiting = async move {
            let wait = closing.wait_async();
            // Whichever comes first.
            if timeout(delay, wait).await.is_ok() {
                return Err(JoinError::cancelled(CancelReason::Shutdown));
            }
            Due(Some(view.spawn(running.in_line()))).await
        };
        self.decoded::<F, A, M>(self.drivers().spawn(waiting))
    }

    /// Submits a job periodically, each time with the same arguments, which are encoded now.
    ///
    /// A run that is not over when the next is due delays that, or has it skipped, as [`Every`]
    /// says. A run that fails is reported to
    /// [`on_unseen_error`](crate::Builder::on_unseen_error). A panic of the job, or the loss of its
    /// process, ends the series if it is to [end on panics](Every::end_on_panic); else it goes on.
    /// Cancelling the handle ends the series after the run that is under way. While it is, a thread
    /// waits for it.
    ///
    /// # Errors
    ///
    /// Those of [`submit`](Self::submit), by the handle.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    /// use workmill_process::workmill::Every;
    ///
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let series = pool.submit_every(Every::delay(Duration::from_secs(60)), square, 3);
    /// series.cancel();
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit_every<F, A, M>(&self, every: Every, function: F, arguments: A) -> JoinHandle<()>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let first = match self.prepare_for_later(function, &arguments) {
            Ok(running) => running,
            Err(error) => return failed(error),
        };
        let (view, shared) = (self.view().clone(), Arc::clone(self.shared()));
        let run = move || {
            let handle = view.spawn(first.again().in_line());
            if let Err(error) = handle.join().and_then(|outcome| outcome) {
                if error.is_cancelled() {
                    return;
                }
                shared.config.hooks.unseen(&error);
                // Not by the panic hook: this has been reported.
                resume_unwind(Box::new(error.to_string()));
            }
        };
        self.drivers().submit_every(every, run)
    }
}
