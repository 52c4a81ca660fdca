//! Futures without a handle, as other libraries hand them to an executor.

use std::future::Future;
use std::sync::Arc;

use super::PoolRef;
use super::futures::Spawn;
use crate::admission::{Patience, Refusal};
use crate::name::Name;
use crate::pool::{Extras, Make, MakeWith, Pool, PoolTask};
use crate::task::Token;
use crate::task::cell::TaskRef;
#[cfg(feature = "hyper")]
use crate::{trampoline, unwind};

/// A future without a handle.
struct Detached<F>(F);

impl<F> Make for Detached<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    type Handle = ();

    fn make<P: Token>(self, pool: &Pool, slot: Option<usize>, token: P) -> (PoolTask, ()) {
        // The handle is dropped before the task can run, so a panic goes to the panic handler.
        let (task, _) = Spawn(self.0).make(pool, slot, token);
        (task, ())
    }
}

impl<F> MakeWith for Detached<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn name(&self) -> &'static Name {
        const { &Name::of::<F>() }
    }

    fn make_with(
        self,
        pool: &Pool,
        slot: Option<usize>,
        extras: Arc<Extras>,
    ) -> (PoolTask, TaskRef, ()) {
        let (task, task_ref, _) = Spawn(self.0).make_with(pool, slot, extras);
        (task, task_ref, ())
    }
}

impl PoolRef {
    /// Runs a future without a handle: a panic in it goes to the panic handler. A refusal is
    /// counted, and returns the future.
    pub(crate) fn spawn_detached<F>(&self, future: F) -> Result<(), (Refusal, F)>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.place(Detached(future), Patience::Policy)
            .map_err(|(refusal, Detached(future))| {
                self.pool.incidents.rejected.add_one();
                (refusal, future)
            })
    }

    /// Returns `true` if a task that this thread submits now would be accepted, if there is room.
    #[cfg(feature = "futures-task")]
    pub(crate) fn is_open_here(&self) -> bool {
        let pool = &self.pool;
        let refuses = match pool.is_here() {
            true => pool.is_stopping(),
            false => pool.is_closed(),
        };
        !refuses && !pool.is_forked()
    }
}

#[cfg(feature = "hyper")]
impl PoolRef {
    /// Runs a future without a handle, whose refusal cannot be reported to the caller: a refused
    /// future goes to the hook for refused closures, or is dropped.
    pub(crate) fn spawn_and_forget<F>(&self, future: F)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match self.spawn_detached(future) {
            Ok(()) => {}
            Err((Refusal::Dropped, future)) => trampoline::call(move || drop(future)),
            Err((refusal, future)) => {
                let here = move || unwind::discard(crate::future::block_on(future));
                self.turn_away(Box::new(here), refusal);
            }
        }
    }
}
