//! Closures that are due once.

use std::sync::Arc;
use std::time::Instant;

use super::Booking;
use crate::admission::Pass;
use crate::error::CancelReason;
use crate::pool::{Pool, PoolLink, PoolTask, Postponed};
use crate::primitive::{Mutex, lock};
use crate::task::Token;
use crate::task::cell::ExtraEnd;

/// A closure that is due once.
pub(super) struct Once {
    link: PoolLink,
    inside: Mutex<OnceInside>,
}

struct OnceInside {
    /// Until it is due, or cancelled.
    task: Option<(PoolTask, ExtraEnd)>,
    booking: Booking,
    /// From when it is due until it begins.
    pass: Option<Pass>,
}

impl Once {
    pub(super) fn new(link: PoolLink) -> Self {
        Self {
            link,
            inside: Mutex::new(OnceInside {
                task: None,
                booking: Booking::new(link),
                pass: None,
            }),
        }
    }

    pub(super) fn book(
        self: &Arc<Self>,
        pool: &Pool,
        due: Option<Instant>,
        task: PoolTask,
        end: ExtraEnd,
    ) -> Result<(), CancelReason> {
        let inside = &mut *lock(&self.inside);
        inside.task = Some((task, end));
        let once = Arc::clone(self);
        inside.booking.add(pool, once.clone())?;
        inside.booking.ring(due, move || once.come_due())
    }

    /// On the timer's thread.
    fn come_due(&self) {
        let Some(pool) = Pool::of(self.link) else {
            return;
        };
        let (task, place) = {
            let mut inside = lock(&self.inside);
            if inside.task.is_none() {
                return;
            }
            if !pool.accept_due() {
                drop(inside);
                return pool.look_around();
            }
            inside.pass = Pass::anyway(&pool);
            inside.booking.key = None;
            (inside.task.take(), inside.booking.place.take())
        };
        if let Some(place) = place {
            pool.later.remove(place);
        }
        if let Some((task, end)) = task {
            end.come_due();
            pool.push(task);
        }
    }

    /// What is left of it, if it is not due, to be dropped outside the lock.
    fn take(&self) -> (Option<(PoolTask, ExtraEnd)>, Booking, Option<Pass>) {
        let mut inside = lock(&self.inside);
        (
            inside.task.take(),
            inside.booking.take(),
            inside.pass.take(),
        )
    }
}

impl Postponed for Once {
    fn close(&self) {
        if self.link.is_forked() {
            return;
        }
        let (task, booking, pass) = self.take();
        booking.cancel();
        drop(pass);
        if let Some((task, _)) = task {
            task.cancel(CancelReason::Shutdown);
        }
    }
}

/// Part of what the closure owns until it begins; dropped with it if it is cancelled.
pub(super) struct WhileOnce(pub(super) Arc<Once>);

impl Token for WhileOnce {
    type Kept = Option<Pass>;

    fn begin(self) -> Self::Kept {
        let pass = lock(&self.0.inside).pass.take();
        pass.and_then(Token::begin)
    }
}

impl Drop for WhileOnce {
    fn drop(&mut self) {
        if self.0.link.is_forked() {
            return;
        }
        let (task, booking, pass) = self.0.take();
        booking.cancel();
        drop((task, pass));
    }
}
