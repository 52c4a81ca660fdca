//! Where a task goes that has its permits, or needs none.

use super::here::{Pool, PoolTask, with_innermost};
use crate::pool::group::pending::{Destination, Pending};
use crate::pool::link::PoolLink;

/// Pushes a task that has its permits, or hands it to the submitter that runs it.
pub(super) fn start(link: PoolLink, pending: Pending<PoolTask>) {
    let Pending { task, to, caller } = pending;
    task.come_due();
    if let Some(caller) = caller {
        return caller.run(task);
    }
    push(link, task, to);
}

pub(super) fn push(link: PoolLink, task: PoolTask, to: Destination) {
    let mut task = Some(task);
    with_innermost(|local| {
        if let Some(local) = local.filter(|local| local.shared.link == link) {
            let task = task.take().expect("a task is pushed once");
            local.shared.push_to(task, to);
        }
    });
    if let Some(task) = task {
        match Pool::of(link) {
            Some(pool) => pool.push_to(task, to),
            None => unreachable!("a pool with unfinished tasks exists"),
        }
    }
}
