//! Finds cycles of joins, which would wait for each other forever.
//!
//! # Words
//! The *wait-for graph* has a node for each thread that joins inside tasks. The node *blocks* the
//! tasks whose closures run on the thread, none of which can end before the join does, and it
//! *awaits* one task. There is an edge from a node to each node that blocks the task which it
//! awaits. These are several if halves of that task run on several threads. A *cycle* is a path
//! along edges that leads back to its first node.
//!
//! # Why a cycle that is found never ends
//! A join is listed only while it lasts, with the tasks that it blocks; its thread takes it off the
//! list before it goes on in any of these. So each task that a listed join blocks ends only after
//! the task that the join awaits has ended. An edge is followed only if the awaited task has not
//! ended. If a path leads back to its first node, each join of the cycle waits for the next one,
//! and none ever ends. (A task that was run inline is listed as blocked until its callbacks have
//! been called, which may join. But it has ended by then, and no join awaits it any more.)
//!
//! # Why every cycle is found
//! All is done under one lock. So one join of a cycle is the last to be listed, and when it is
//! about to be, all other nodes of the cycle are in the list. This join follows all paths and gives
//! up. Joins with a time limit are not listed, since they end anyway; but a limit beyond the
//! range of the clock is none, and such a join is listed. Short joins are not listed either:
//! listing costs more than most joins take, and a cycle does not go away meanwhile.
//!
//! A thread that joins a task that borrows from the thread's stack [cannot give up](list_first).
//! Its join is listed before the task begins, and the joins inside the task are listed later. So it
//! is never the last of a cycle.

// The standard library's under the model, too: the number orders nothing.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::fork::ProcessList;
use crate::pool::Local;
use crate::task::cell::TaskRef;

/// How long a join lasts before it is listed.
pub(super) const SHORT: Duration = Duration::from_millis(10);

/// The nodes of the wait-for graph: the joins that last.
static LISTED: ProcessList<Join> = ProcessList::new();

/// A node of the wait-for graph: a join that lasts.
struct Join {
    /// Identifies the join: unlike that of any other.
    number: usize,
    /// The addresses of the cells of the tasks that the join blocks.
    blocked: Vec<usize>,
    awaited: TaskRef,
}

/// Keeps a join on the list until it is dropped.
#[must_use = "a join is listed only as long as this is kept"]
pub(super) struct Listed {
    number: usize,
}

/// The join would close a cycle, and never end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cycle;

/// Lists a join of this thread, unless it closes a cycle. Lists nothing, and returns `None`, if no
/// task runs on this thread.
pub(super) fn list(awaited: TaskRef) -> Result<Option<Listed>, Cycle> {
    add(awaited, |listed, awaited, blocked| {
        let mut to_follow = vec![awaited];
        let mut unseen: Vec<_> = listed.iter().collect();
        while let Some(next) = to_follow.pop() {
            let cell = next.id().addr();
            if next.is_done() {
                continue;
            }
            if blocked.contains(&cell) {
                return Err(Cycle);
            }
            unseen.retain(|join| {
                let blocks = join.blocked.contains(&cell);
                if blocks {
                    to_follow.push(&join.awaited);
                }
                !blocks
            });
        }
        Ok(())
    })
}

/// Lists a join of this thread whose task has not begun, and which therefore closes no cycle.
pub(super) fn list_first(awaited: TaskRef) -> Option<Listed> {
    add(awaited, |_, _, _| Ok(())).unwrap_or_default()
}

fn add(
    awaited: TaskRef,
    check: impl FnOnce(&[Join], &TaskRef, &[usize]) -> Result<(), Cycle>,
) -> Result<Option<Listed>, Cycle> {
    if !Local::runs_tasks() {
        // No task waits for this thread.
        return Ok(None);
    }
    let blocked: Vec<_> = Local::tasks().into_iter().map(<*const ()>::addr).collect();
    let mut listed = LISTED.lock();
    check(&listed, &awaited, &blocked)?;
    let number = new_number();
    listed.push(Join {
        number,
        blocked,
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
        // Dropped outside the lock: it may be the last reference to a cell.
        let _gone = {
            let mut listed = LISTED.lock();
            let index = listed.iter().position(|join| join.number == self.number);
            index.map(|index| listed.swap_remove(index))
        };
    }
}
