//! The turn of a thread at the connection. It is a lock that can be waited for until a time, which
//! that of std cannot.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::patience::Patience;

/// Gives the turn to one thread at a time.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_taken: bool,
    /// How many threads wait.
    waiting: usize,
}

/// The turn, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for the turn. Returns `None` if the patience ends before.
    pub(super) fn wait(&self, patience: Patience) -> Option<Turn<'_>> {
        let mut state = self.state();
        while state.is_taken {
            let left = patience.left()?;
            state.waiting += 1;
            state = match left {
                Duration::MAX => self
                    .ended
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                left => {
                    let waited = self.ended.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.waiting -= 1;
        }
        state.is_taken = true;
        Some(Turn(self))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_taken = false;
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.0.ended.notify_one();
        }
    }
}
