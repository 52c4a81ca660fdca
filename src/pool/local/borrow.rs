//! How a worker runs in a slot that another has lent.
//!
//! The lender waits for room, and no task may begin in its place. Futures that have begun may go on
//! there: their polls, and the drops of those that were cancelled. `pool/lenders.rs` has the words.

use super::here::{Local, PoolTask};

impl Local {
    /// Returns `true` if the slot that this worker holds is a loan.
    #[inline]
    pub(in crate::pool) fn borrows(&self) -> bool {
        self.held.is_loan()
    }

    /// Keeps the slot for good if it is a surplus loan. Returns `true` if it is.
    pub(in crate::pool) fn keep_surplus(&self) -> bool {
        let keeps = self.shared.take_surplus();
        if keeps {
            self.held.end_loan();
        }
        keeps
    }

    /// Finds something that may run in a lent slot.
    pub(in crate::pool) fn find_begun(&self) -> Option<PoolTask> {
        self.shared.find_for_borrower()
    }

    /// Returns `true` if there is nothing that this thread has to know before its next task.
    pub(in crate::pool) fn no_flags_as_borrower(&self) -> bool {
        self.shared.slots.no_flags_but_high()
    }

    /// Obeys the flags: tells the user what nobody has told, and returns the loan if there is a
    /// surplus of slots.
    pub(in crate::pool) fn obey_flags_as_borrower(&self) {
        let slots = &self.shared.slots;
        if slots.has_untold() {
            self.shared.tell_untold();
        }
        if slots.has_surplus() && !self.shared.is_forked() {
            self.return_loan();
        }
    }

    /// L1 to L3: returns the loan, or keeps the slot for good if it is a surplus.
    pub(in crate::pool) fn return_loan(&self) {
        let Some((queue, searching)) = self.held.take() else {
            return;
        };
        self.held.end_loan();
        match self.shared.return_loan((queue, searching)) {
            Err(kept) => self.held.put(kept),
            Ok(()) => self.shared.look_for_tasks(),
        }
    }
}
