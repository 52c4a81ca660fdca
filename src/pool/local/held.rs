//! The slot that a thread holds, and how the thread waits without it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::clock::{Nanos, now};
use crate::pool::idle::Searching;
use crate::pool::lenders::{Away, LenderKey};
use crate::pool::queue::local::LocalQueue;
use crate::pool::slots::ReservedSlot;
use crate::room::Record;
use crate::wait::Outcome;

/// No index of a slot.
const NO_PLACE: usize = usize::MAX;

pub(super) struct Held<T> {
    /// The local queue of the slot. Never borrowed across a call into user code, so that a task may
    /// give the slot up.
    queue: RefCell<Option<LocalQueue<T>>>,
    /// The evidence, while the thread counts as searching.
    searching: Cell<Option<Searching>>,
    /// Whether spinning for a while might have spared the thread its last sleep.
    spin_pays: Cell<bool>,
    /// Whether the thread was woken from its last sleep, and has found nothing since.
    woken: Cell<bool>,
    /// How the thread waits, if it does, or is about to.
    wait: Cell<Wait>,
    /// How the thread is counted as away from its slot, if it is.
    away: Cell<Option<Away>>,
    /// Whether the slot is a loan, in which only what has begun may run.
    is_loan: Cell<bool>,
    /// The index of the slot while the thread holds one and does not wait, else [`NO_PLACE`].
    place: Cell<usize>,
    /// The number of times that the thread has given a slot up.
    term: Cell<usize>,
    pub(super) stood: Stood,
}

/// For how long the task of a thread has waited for room in vain.
#[derive(Default)]
pub(super) struct Stood {
    /// The task that stood last, as it was when its wait had ended.
    task: Cell<Option<Identity>>,
    sum: Cell<Nanos>,
    /// When the task began to stand last.
    began: Cell<Nanos>,
    /// The object where the task stands, or stood last if it is not known whether that was in vain.
    object: RefCell<Option<Arc<Record>>>,
}

/// The marks by which a task is told from the next that a thread runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// The slot that the thread holds, if it does, and the number of tasks that have been run to
    /// their end there.
    pub(super) slot: Option<(usize, usize)>,
    /// The cell, by which futures that have not ended are told apart.
    pub(super) cell: *const (),
}

impl Stood {
    /// The task begins to stand at an object. Returns `true` if it has not stood before, and for
    /// how long it has stood in vain.
    pub(super) fn begin(&self, task: Identity, object: &Arc<Record>) -> (bool, Nanos) {
        let is_first = self.task.take() != Some(task);
        let before = self.object.replace(Some(Arc::clone(object)));
        let began = self.began.replace(now());
        // A future that waits at another object by now may have got what it wanted from the first.
        let got = before.is_some_and(|it| !Arc::ptr_eq(&it, object) && it.last() >= began);
        if is_first || got {
            self.sum.set(0);
        }
        (is_first, self.sum.get())
    }

    /// The task stands no longer.
    pub(super) fn end(&self, task: Identity, stood: Nanos, outcome: Outcome) {
        self.task.set(Some(task));
        self.sum.set(match outcome {
            Outcome::Got => 0,
            Outcome::InVain | Outcome::Unknown => self.sum.get().saturating_add(stood),
        });
        if outcome != Outcome::Unknown {
            self.object.take();
        }
    }
}

/// How a thread waits in a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It does not.
    Not,
    /// It keeps its slot, because too many threads are away.
    Uncovered,
    /// Another thread may have the slot.
    Covered,
    /// The slot is lent, or was given later.
    Lent(LenderKey),
    /// The thread had borrowed a slot, and has returned it.
    Returned,
}

impl<T> Held<T> {
    /// For a thread without a slot.
    pub(super) fn nothing() -> Self {
        Self {
            queue: RefCell::new(None),
            searching: Cell::new(None),
            spin_pays: Cell::new(true),
            woken: Cell::new(false),
            wait: Cell::new(Wait::Not),
            away: Cell::new(None),
            is_loan: Cell::new(false),
            place: Cell::new(NO_PLACE),
            term: Cell::new(0),
            stood: Stood::default(),
        }
    }

    /// Calls `body` with the local queue, if the thread holds a slot. It must not call user code.
    #[inline(always)]
    pub(super) fn with_queue<R>(&self, body: impl FnOnce(Option<&LocalQueue<T>>) -> R) -> R {
        body(self.queue.borrow().as_ref())
    }

    #[inline]
    pub(super) fn has_slot(&self) -> bool {
        self.queue.borrow().is_some()
    }

    /// Returns the index of the slot, if the thread holds one.
    pub(super) fn index(&self) -> Option<usize> {
        self.with_queue(|own| own.map(LocalQueue::index))
    }

    /// Takes the next task of the local queue, unless it is the injector's turn.
    #[inline]
    pub(super) fn pop(&self) -> Option<T> {
        self.with_queue(|own| match own {
            Some(own) => own.pop(),
            None => None,
        })
    }

    /// Keeps a slot that the thread has occupied.
    pub(super) fn put(&self, (queue, searching): (LocalQueue<T>, Option<Searching>)) {
        let before = self.queue.replace(Some(queue));
        debug_assert!(before.is_none(), "a thread holds one slot");
        self.searching.set(searching);
        self.note_place();
    }

    fn note_place(&self) {
        let index = self.index().filter(|_| self.wait.get() == Wait::Not);
        self.place.set(index.unwrap_or(NO_PLACE));
    }

    /// Returns the place where the thread makes halves of joins public: that of its slot, if it
    /// holds one and does not wait.
    pub(super) fn place(&self) -> Option<usize> {
        Some(self.place.get()).filter(|&place| place != NO_PLACE)
    }

    /// Returns the same as [`place`](Self::place), or what is no index of a place.
    #[inline(always)]
    pub(super) fn place_if_any(&self) -> usize {
        self.place.get()
    }

    /// Takes the slot, to be left.
    pub(super) fn take(&self) -> Option<(LocalQueue<T>, Option<Searching>)> {
        let queue = self.queue.take()?;
        self.term.set(self.term.get().wrapping_add(1));
        self.place.set(NO_PLACE);
        Some((queue, self.searching.take()))
    }

    /// Returns a number that changes when the thread gives its slot up.
    #[inline]
    pub(super) fn term(&self) -> usize {
        self.term.get()
    }

    /// Returns `true` if the thread counts as searching.
    #[inline]
    pub(super) fn is_searching(&self) -> bool {
        let searching = self.searching.take();
        let is_searching = searching.is_some();
        self.searching.set(searching);
        is_searching
    }

    pub(super) fn set_searching(&self, searching: Option<Searching>) {
        self.searching.set(searching);
    }

    #[inline]
    pub(super) fn take_searching(&self) -> Option<Searching> {
        self.searching.take()
    }

    pub(super) fn spin_pays(&self) -> bool {
        self.spin_pays.get()
    }

    pub(super) fn set_spin_pays(&self, spin_pays: bool) {
        self.spin_pays.set(spin_pays);
    }

    pub(super) fn set_woken(&self, woken: bool) {
        self.woken.set(woken);
    }

    pub(super) fn take_woken(&self) -> bool {
        self.woken.take()
    }

    pub(super) fn wait(&self) -> Wait {
        self.wait.get()
    }

    pub(super) fn set_wait(&self, wait: Wait) {
        self.wait.set(wait);
        self.note_place();
    }

    /// Returns `true` if the slot that the thread holds is a loan.
    #[inline]
    pub(super) fn is_loan(&self) -> bool {
        self.is_loan.get()
    }

    /// Notes that the slot, which the thread is about to hold, is a loan if it was reserved as one.
    pub(super) fn note_kind(&self, reserved: &ReservedSlot) {
        self.is_loan.set(reserved.is_loan());
    }

    /// Notes that the slot is no loan any more.
    pub(super) fn end_loan(&self) {
        self.is_loan.set(false);
    }

    pub(super) fn set_away(&self, away: Away) {
        self.away.set(Some(away));
    }

    /// Returns `true` if a borrower has the slot of this thread, or has returned it.
    pub(super) fn owns_loan(&self) -> bool {
        self.away.get() == Some(Away::Owner)
    }

    /// Returns how the thread was counted as away, which the caller takes back.
    #[must_use = "the thread has to be counted as back"]
    pub(super) fn take_away(&self) -> Option<Away> {
        self.away.take()
    }
}
