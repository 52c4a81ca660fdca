//! Futures whose end nobody waits for, as other libraries hand them to an executor.

use std::future::Future;

use super::PoolRef;
use crate::admission::{self, Patience, Refusal};
#[cfg(feature = "hyper")]
use crate::{trampoline, unwind};

impl PoolRef {
    /// Runs a future as [`execute`](Self::execute) does a closure: a panic in it goes to the panic
    /// handler. Counts a refusal, and gives the future back.
    pub(crate) fn spawn_detached<F>(&self, future: F) -> Result<(), (Refusal, F)>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match admission::admit(&self.shared, Patience::Policy) {
            Ok(entry) => {
                self.place_future(entry, future, drop);
                Ok(())
            }
            Err(refusal) => {
                self.shared.counts.rejected.one_more();
                Err((refusal, future))
            }
        }
    }

    /// Tells whether a task that this thread submits now would be taken, if there is room.
    #[cfg(feature = "futures-task")]
    pub(crate) fn is_open_here(&self) -> bool {
        let shared = &self.shared;
        let refuses = match shared.is_here() {
            true => shared.is_stopping(),
            false => shared.is_closed(),
        };
        !refuses && !shared.is_forked()
    }
}

#[cfg(feature = "hyper")]
impl PoolRef {
    /// The same, and what is turned away goes where closures go that are.
    pub(crate) fn spawn_and_forget<F>(&self, future: F)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match self.spawn_detached(future) {
            Ok(()) => {}
            Err((Refusal::Dropped, future)) => trampoline::call(move || drop(future)),
            Err((refusal, future)) => {
                let here = move || unwind::discard(crate::future::block_on(future));
                self.shared.turn_away(Box::new(here), refusal.reason());
            }
        }
    }
}
