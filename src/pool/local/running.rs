//! The tasks that a thread runs: one from the queue, and above it tasks that are run inline.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::name::Name;
use crate::pool::meter::Meter;

pub(super) struct Running {
    /// Where the thread notes what it runs, and counts what it has done.
    meter: Arc<Meter>,
    /// The cell of the task whose closure runs, if it has one, or null. Tasks that are run inline
    /// are in `inline`.
    task: Cell<*const ()>,
    /// The cells of the tasks that are run inline, the outer tasks first; null for one without.
    inline: RefCell<Vec<*const ()>>,
    /// The number of scopes on the thread whose tasks may go to the stack of its slot.
    scopes: Cell<usize>,
    /// Tasks run inline since the local queue was swept last.
    inline_runs: Cell<usize>,
    stack: Stack,
}

/// The part of the stack on which tasks may be run inline.
#[derive(Clone, Copy)]
pub(super) struct Stack {
    /// Where the thread's first `Local` begins on the stack, as an address.
    start: usize,
    /// The number of bytes from there on that may be used before no more tasks are run inline.
    room: usize,
    /// An address above all that the thread uses from its first `Local` on.
    top: usize,
    /// The number of bytes down from `top` that may be used before no more halves of joins are run
    /// here.
    room_for_halves: usize,
}

/// The number of bytes that a thread needs to wait for the halves of a join, and to start another
/// thread meanwhile, beyond what it needs to wait for a task.
const WAIT_FOR_HALVES: usize = 8 << 10;

/// More than the bytes between the place where the stack is noted and the frame of its caller.
const FRAMES_ABOVE: usize = 4 << 10;

impl Stack {
    /// The stack from here on.
    pub(super) fn from_here(room: usize) -> Self {
        let start = std::ptr::from_ref(&room).addr();
        Self {
            start,
            room,
            top: start.saturating_add(FRAMES_ABOVE),
            room_for_halves: (room + FRAMES_ABOVE).saturating_sub(WAIT_FOR_HALVES),
        }
    }
}

impl Running {
    pub(super) fn new(meter: Arc<Meter>, stack: Stack) -> Self {
        Self {
            meter,
            task: Cell::new(std::ptr::null()),
            inline: RefCell::new(Vec::new()),
            scopes: Cell::new(0),
            inline_runs: Cell::new(0),
            stack,
        }
    }

    /// Notes the name of what the thread runs.
    #[inline]
    pub(super) fn note(&self, name: Option<&'static Name>) {
        self.meter.note_running(name);
    }

    /// Returns where the thread counts what it has done.
    #[inline(always)]
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the name of what the thread runs.
    pub(super) fn name(&self) -> Option<&'static Name> {
        self.meter.runs()
    }

    /// Returns the cell of the task that runs, or null.
    pub(super) fn task(&self) -> *const () {
        self.task.get()
    }

    /// Returns the cell of the innermost task that runs and has one, or null.
    pub(super) fn innermost(&self) -> *const () {
        let inline = self.inline.borrow();
        let with_cell = inline.iter().rfind(|cell| !cell.is_null());
        with_cell.copied().unwrap_or(self.task.get())
    }

    /// Returns the number of tasks that are run inline.
    pub(super) fn inline_depth(&self) -> usize {
        self.inline.borrow().len()
    }

    /// Returns the number of scopes on the thread.
    #[inline]
    pub(super) fn scopes(&self) -> usize {
        self.scopes.get()
    }

    pub(super) fn set_scopes(&self, scopes: usize) {
        self.scopes.set(scopes);
    }

    /// Notes whether the thread waits in its task.
    pub(super) fn set_waits(&self, waits: bool) {
        self.meter.set_waits(waits);
    }

    /// Notes the cell of the task that runs, or null.
    #[inline]
    pub(super) fn set_task(&self, cell: *const ()) {
        self.task.set(cell);
    }

    /// Adds the cells of all tasks that run on the thread.
    pub(super) fn collect(&self, cells: &mut Vec<*const ()>) {
        cells.extend(self.inline.borrow().iter());
        cells.push(self.task.get());
    }

    pub(super) fn stack(&self) -> Stack {
        self.stack
    }

    /// Returns `true` if too much of the stack is used to run a task on top of it.
    pub(super) fn is_deep(&self) -> bool {
        let here = std::ptr::from_ref(&self).addr();
        self.stack.start.abs_diff(here) > self.stack.room
    }

    /// Returns `true` if too much of the stack is used to run a half of a join on top of it.
    #[inline(always)]
    pub(super) fn is_deep_for_halves(&self) -> bool {
        let here = std::ptr::from_ref(&self).addr();
        // Where stacks grow upwards this is always so, and halves run elsewhere.
        self.stack.top.wrapping_sub(here) > self.stack.room_for_halves
    }

    /// Returns `true` if a task is run inline.
    pub(super) fn runs_inline(&self) -> bool {
        !self.inline.borrow().is_empty()
    }

    /// Calls `body`, which runs the task of this cell inline, and does not unwind.
    pub(super) fn inline<R>(&self, cell: *const (), body: impl FnOnce() -> R) -> R {
        self.inline.borrow_mut().push(cell);
        let result = body();
        self.inline.borrow_mut().pop();
        result
    }

    /// Counts a task that was run inline, and returns the number since the last sweep.
    pub(super) fn count_inline_run(&self) -> usize {
        self.inline_runs.set(self.inline_runs.get() + 1);
        self.inline_runs.get()
    }

    /// The local queue has been swept.
    pub(super) fn reset_inline_runs(&self) {
        self.inline_runs.set(0);
    }
}
