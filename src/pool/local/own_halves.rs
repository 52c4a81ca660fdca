//! The halves of joins that a thread has: its own that are pending, and one that it has found.

use std::cell::Cell;

use crate::pool::queue::halves::PublicHalf;
use crate::task::stack::Pending;

#[derive(Default)]
pub(super) struct OwnHalves {
    pub(super) pending: Pending,
    /// A half of another thread that was found, to be run next.
    found: Cell<Option<PublicHalf>>,
    /// Whether halves have the next turn, before tasks.
    have_turn: Cell<bool>,
}

impl OwnHalves {
    /// Keeps a half that was found, if one was. Returns `true` if so.
    pub(super) fn keep(&self, found: Option<PublicHalf>) -> bool {
        let has_found = found.is_some();
        self.found.set(found);
        has_found
    }

    /// Takes the half that was found.
    pub(super) fn take(&self) -> Option<PublicHalf> {
        self.found.take()
    }

    /// Returns `true` at every second call: then halves have their turn, before tasks.
    pub(super) fn is_turn(&self) -> bool {
        !self.have_turn.replace(!self.have_turn.get())
    }
}
