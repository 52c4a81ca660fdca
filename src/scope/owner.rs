//! The owner of a scope, which waits for the end of its tasks.

use super::scoped_task::Listed;
use super::tasks::Tasks;
use crate::error::CancelReason;
use crate::handle::look_for_a_while;
use crate::pool::{Local, Newest};
#[cfg(workmill_loom)]
use crate::primitive::Ordering;
use crate::trampoline;
use crate::unwind::{self, Payload};
use crate::wait::{Blocking, Cause, Deadline, block_until};

/// Calls `body`, and waits until all tasks have ended that were counted in `tasks`. Returns what
/// `body` returned or panicked with.
pub(super) fn wait_after<R>(tasks: &Tasks<'_>, body: impl FnOnce() -> R) -> Result<R, Payload> {
    let result = unwind::catch(body);
    let still_borrowed = StillBorrowed;
    wait(tasks);
    #[cfg(workmill_loom)]
    tasks.is_gone.store(true, Ordering::Relaxed);
    std::mem::forget(still_borrowed);
    result
}

/// Ends the process if a frame is left from which tasks still borrow.
struct StillBorrowed;

impl Drop for StillBorrowed {
    fn drop(&mut self) {
        std::process::abort();
    }
}

/// Waits until all tasks have ended, and runs those that no thread has begun, if the owner is
/// inside the pool. Called by the owner, once, when nothing but its tasks can submit any more.
fn wait(tasks: &Tasks<'_>) {
    if tasks.is_listing() {
        run_tasks(tasks);
        // The owner is about to give its slot away, or there is nothing left.
        tasks.end_list();
    }
    if tasks.is_over() {
        return;
    }
    // This thread may have put off the drop of a task that was refused or cancelled.
    trampoline::catch_up_anyway();
    if tasks.process.is_here() {
        park(tasks);
    }
    if !tasks.process.is_here() {
        end_in_the_child(tasks);
    }
}

/// Runs the owner's tasks that are on the stack of its slot, and those of the list, until there are
/// none and none come for a while.
fn run_tasks(tasks: &Tasks<'_>) {
    let look = || tasks.is_over() || tasks.has_others();
    while tasks.process.is_here() {
        if let Some(level) = tasks.take_stacked() {
            match level.run_newest() {
                Newest::Ran => {}
                Newest::None => {
                    tasks.none_stacked();
                }
                Newest::TooDeep => return tasks.note_stacked(),
            }
            continue;
        }
        if tasks.is_over() {
            return;
        }
        match tasks.newest() {
            Some(task) => {
                Local::run_inline(tasks.from, &Listed::new(&task, tasks));
                if task.is_queued() {
                    // There is not enough left of the stack.
                    return;
                }
            }
            None if look_for_a_while(tasks.from, look) => {}
            None => return,
        }
    }
}

fn park(tasks: &Tasks<'_>) {
    // One wait for the pool; a call that was put off may fork as it begins.
    let _blocking = Blocking::begin(Cause::Arrival);
    block_until(Cause::Arrival, Deadline::NEVER, |waker| {
        let is_over = !tasks.process.is_here() || tasks.poll(waker);
        is_over.then_some(())
    });
}

/// Ends the scope in a child process, where no task of it runs except those on this thread, which
/// have ended. A task that is listed, or on the stack, and has not begun never will.
///
/// Aborts the process if a task may have begun: the thread that ran it is not here, and may have
/// been changing something that the task borrows.
#[cold]
fn end_in_the_child(tasks: &Tasks<'_>) {
    for task in tasks.take_listed() {
        if let Ok(doomed) = task.doom(CancelReason::Forked) {
            // Neither dropped nor run: its captures are the parent's.
            std::mem::forget(doomed);
            uncount_in_child(tasks);
        }
        std::mem::forget(task);
    }
    if let Some(level) = tasks.level() {
        let left = level.forget_in_child(tasks.none_stacked());
        (0..left).for_each(|_| uncount_in_child(tasks));
    }
    if !tasks.is_over() {
        eprintln!("workmill: forked inside a scope, of which a task may have been running");
        std::process::abort();
    }
}

fn uncount_in_child(tasks: &Tasks<'_>) {
    if !tasks.uncount_here() {
        let _ = tasks.count.leave();
    }
}
