//! Joins that wait for each other in a ring, and so for ever.
//!
//! # Words
//! A thread that joins inside tasks stands *between* those tasks, which cannot go on before the join
//! ends, and the task that it *awaits*. A ring is a row of such threads, in which each awaits a task
//! that the next one stands behind, and the last one a task of the first.
//!
//! # Why what looks like a ring is one
//! Joins are listed only while they last, with the tasks whose closures run on the thread; a thread takes
//! itself off the list before any of these goes on. So of what is on the list nothing goes on but by
//! the end of what is awaited. A row is followed only over awaited tasks that have not ended. If it
//! comes back to its beginning, each of these waits for the next, and none ever ends. (A task that was
//! run in place stands there until its callbacks have been called, which may join; but then it has
//! ended, and nobody awaits it any more.)
//!
//! # Why every ring is found
//! All is done under one lock, so one join of a ring is the last to be listed, and finds it whole. That
//! one gives up. Joins with a limit of time are not listed, since they end anyway; except with a limit
//! that is beyond what the clock can say, which is none. Nor are joins that are
//! short: listing costs more than most joins take, and a ring has time.
//!
//! A thread that has lent what it borrows to the task that it awaits [cannot give up](list_first). It is
//! listed before that task begins, and what the task awaits is listed later. So it is never the last of a
//! ring.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::fork::ProcessList;
use crate::pool::Local;
use crate::task::cell::TaskRef;

/// How long a join lasts before it is listed.
pub(super) const SHORT: Duration = Duration::from_millis(10);

/// The joins that last.
static LISTED: ProcessList<Join> = ProcessList::new();

/// A join that lasts.
struct Join {
    /// Unlike that of any other join.
    number: usize,
    /// The cells of the tasks that run there.
    behind: Vec<usize>,
    awaited: TaskRef,
}

/// A join that is on the list, until this is dropped.
#[must_use = "what is not kept is not on the list"]
pub(super) struct Listed {
    number: usize,
}

/// The join would never end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cycle;

/// Lists a join of this thread, unless it closes a ring; nothing is listed if no task runs here.
pub(super) fn list(awaited: TaskRef) -> Result<Option<Listed>, Cycle> {
    enter(awaited, |listed, awaited, behind| {
        let mut next = awaited;
        // So many joins there are, and no row is longer.
        for _ in 0..=listed.len() {
            let cell = next.id().addr();
            if next.is_done() {
                break;
            }
            if behind.contains(&cell) {
                return Err(Cycle);
            }
            match listed.iter().find(|join| join.behind.contains(&cell)) {
                Some(join) => next = &join.awaited,
                None => break,
            }
        }
        Ok(())
    })
}

/// Lists a join of this thread, of a task that has not begun.
pub(super) fn list_first(awaited: TaskRef) -> Option<Listed> {
    enter(awaited, |_, _, _| Ok(())).unwrap_or_default()
}

fn enter(
    awaited: TaskRef,
    look: impl FnOnce(&[Join], &TaskRef, &[usize]) -> Result<(), Cycle>,
) -> Result<Option<Listed>, Cycle> {
    if !Local::runs_tasks() {
        // Nothing waits for what this thread does.
        return Ok(None);
    }
    let behind: Vec<_> = Local::tasks().into_iter().map(<*const ()>::addr).collect();
    let mut listed = LISTED.lock();
    look(&listed, &awaited, &behind)?;
    let number = new_number();
    listed.push(Join {
        number,
        behind,
        awaited,
    });
    Ok(Some(Listed { number }))
}

fn new_number() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

impl Drop for Listed {
    fn drop(&mut self) {
        // Dropped outside the lock: it may be the last end of a cell.
        let _gone = {
            let mut listed = LISTED.lock();
            let place = listed.iter().position(|join| join.number == self.number);
            place.map(|place| listed.swap_remove(place))
        };
    }
}
