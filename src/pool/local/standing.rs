//! How the user is warned of a group whose running tasks all wait, and may wait for those behind
//! them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::here::{Pool, PoolTask, TaskGroup};
use crate::pool::group::Standing;
use crate::pool::group::pending::OfPool;
use crate::pool::link::PoolLink;
use crate::timer::alarm;

/// The time after which the user is warned that all permits of a group stand. Most such waits are
/// as they should be, and end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Warns the user if all permits of the group, or of one around it, go on standing for
/// [`PATIENCE`].
#[cold]
pub(super) fn watch(link: PoolLink, group: &Arc<TaskGroup>, standing: &Standing) {
    let group = group.standing(standing);
    group.into_iter().for_each(|group| watch_group(link, group));
}

fn watch_group(link: PoolLink, group: &Arc<OfPool<PoolTask>>) {
    let Some(before) = group.go_on_watching() else {
        return;
    };
    let watched = Arc::downgrade(group);
    let look = move || {
        let Some(group) = watched.upgrade().filter(|_| !link.is_forked()) else {
            return;
        };
        match group.go_on_watching() {
            None => {}
            Some(now) if now != before => watch_group(link, &group),
            // The group stays watched, so this is told once.
            Some(_) => {
                let limit = group.limit();
                let tell = move || {
                    let pool = Pool::of(link);
                    pool.iter().for_each(|pool| pool.hooks.group_stands(limit));
                };
                // User code, which must not hold the timer up.
                drop(alarm::call_elsewhere(tell));
            }
        }
    };
    // Without a timer there is no warning.
    drop(alarm::call_at(Instant::now() + PATIENCE, Box::new(look)));
}
