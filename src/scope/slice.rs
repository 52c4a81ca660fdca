//! Maps a slice, by halves.
//!
//! A part is split, and its second half submitted, until there are a few parts for each thread. A
//! thief takes the oldest task, which is the largest part, and splits it again. So idle workers get
//! large parts, and parts are small only where there are thieves. All results go to their places in
//! one vector.

use std::sync::Arc;

use super::unfilled::{Filled, Room, take_over};
use super::{Scope, run};
use crate::admission::Capacity;
use crate::error::JoinError;
use crate::name::Name;
use crate::pool::Pool;
use crate::primitive::current;
use crate::unwind;

/// The number of parts for each thread that are made without a thief.
const PARTS: usize = 4;

/// Returns what `f` returns for the items, in their order, or the first panic that was met. Called
/// inside the pool.
pub(crate) fn map<T, R, F>(
    pool: &Arc<Pool>,
    capacity: Option<&Arc<Capacity>>,
    items: &[T],
    f: &F,
) -> Result<Vec<R>, JoinError>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let mut results = Vec::with_capacity(items.len());
    let (room, _) = Room::of(&mut results).split_at(items.len());
    let splits = Splits::new(pool.threads());
    let filled = run(pool, capacity, |scope| {
        scope.cancel_on_panic();
        fill(scope, items, room, f, splits).map(Filled::give_up)
    })?;
    Ok(take_over(results, filled))
}

/// Fills the room with what `f` returns for the items.
fn fill<'scope, T, R, F>(
    scope: &'scope Scope<'scope, '_>,
    items: &'scope [T],
    room: Room<'scope, R>,
    f: &'scope F,
    splits: Splits,
) -> Result<Filled<'scope, R>, JoinError>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let Some(splits) = splits.next().filter(|_| items.len() > 1) else {
        let filled = unwind::catch(|| room.fill(items, f));
        return filled.map_err(|payload| {
            scope.tasks.note_panic();
            JoinError::of_panic(payload, const { &Name::of::<F>() })
        });
    };
    let middle = items.len() / 2;
    let (left_items, right_items) = items.split_at(middle);
    let (left_room, right_room) = room.split_at(middle);
    let here = current().id();
    let (left, right) = both(
        scope,
        || fill(scope, left_items, left_room, f, splits),
        move || {
            let splits = match current().id() == here {
                true => splits,
                false => splits.after_theft(),
            };
            fill(scope, right_items, right_room, f, splits)
        },
    );
    match (left, right) {
        (Ok(left), Ok(right)) => Ok(left.and(right)),
        // A part that a panic has cancelled does not tell the reason.
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(left), Err(right)) => Err(if left.is_panic() { left } else { right }),
    }
}

/// Calls both closures, `right` on another thread if one has the time.
fn both<'scope, A, B>(
    scope: &'scope Scope<'scope, '_>,
    left: impl FnOnce() -> A,
    right: impl FnOnce() -> Result<B, JoinError> + Send + 'scope,
) -> (A, Result<B, JoinError>)
where
    B: Send + 'scope,
{
    let right = scope.submit(right);
    let left = left();
    (left, right.join().and_then(|right| right))
}

/// How often a part is split.
#[derive(Clone, Copy)]
struct Splits {
    left: usize,
    threads: usize,
}

impl Splits {
    fn new(threads: usize) -> Self {
        let left = threads.saturating_mul(PARTS);
        Self { left, threads }
    }

    /// Returns how often the halves are split, or `None` if there are to be none.
    fn next(self) -> Option<Self> {
        let left = self.left / 2;
        (self.left > 1).then_some(Self { left, ..self })
    }

    /// Begins anew for a half that was stolen: there are threads with nothing to do.
    fn after_theft(self) -> Self {
        let left = self.left.max(self.threads.saturating_mul(2));
        Self { left, ..self }
    }
}
