//! Closures that are due once.

use std::sync::Arc;
use std::time::Instant;

use super::booking::Booking;
use crate::admission::{CapacityPermit, View};
use crate::error::CancelReason;
use crate::pool::{Bound, Extras, Pool, PoolLink, PoolTask, Postponed};
use crate::primitive::{Mutex, lock};
use crate::task::Token;
use crate::task::cell::TaskRef;

/// A closure that is due once.
pub(super) struct Once {
    link: PoolLink,
    view: Option<Arc<View>>,
    inside: Mutex<OnceInside>,
}

struct OnceInside {
    /// The task, until it is due or cancelled.
    task: Option<(PoolTask, TaskRef)>,
    booking: Booking,
    /// The permit, from the time at which the task is due until it begins.
    permit: Option<CapacityPermit>,
}

impl Once {
    pub(super) fn new(link: PoolLink, view: Option<Arc<View>>) -> Self {
        Self {
            link,
            view,
            inside: Mutex::new(OnceInside {
                task: None,
                booking: Booking::new(link),
                permit: None,
            }),
        }
    }

    pub(super) fn book(
        self: &Arc<Self>,
        pool: &Pool,
        due: Option<Instant>,
        task: PoolTask,
        task_ref: TaskRef,
    ) -> Result<(), CancelReason> {
        let inside = &mut *lock(&self.inside);
        inside.task = Some((task, task_ref));
        let once = Arc::clone(self);
        inside.booking.register(pool, once.clone())?;
        inside.booking.set_alarm(due, move || once.come_due())
    }

    /// Submits the task. Called on the timer's thread.
    fn come_due(&self) {
        let Some(pool) = Pool::of(self.link) else {
            return;
        };
        let (task, registered) = {
            let mut inside = lock(&self.inside);
            if inside.task.is_none() {
                return;
            }
            if !pool.accept_due() {
                drop(inside);
                return pool.check_quiescence();
            }
            let bound = self.view.as_ref().and_then(|view| view.only_bound());
            inside.permit = CapacityPermit::anyway(&pool, bound);
            inside.booking.alarm_has_rung();
            (inside.task.take(), inside.booking.take_registered())
        };
        if let Some(registered) = registered {
            pool.postponed.remove(registered);
        }
        let Some((task, task_ref)) = task else {
            return;
        };
        match (&self.view, Extras::of(&task_ref).cloned()) {
            (Some(view), Some(extras)) => {
                view.admit_due(&pool, &extras);
                extras.arrive(&pool, task, task_ref);
            }
            _ => {
                task_ref.come_due();
                pool.push(task);
            }
        }
    }

    /// Takes everything that is left if the task is not due, to be dropped outside the lock.
    fn take(&self) -> (Option<(PoolTask, TaskRef)>, Booking, Option<CapacityPermit>) {
        let mut inside = lock(&self.inside);
        (
            inside.task.take(),
            inside.booking.take(),
            inside.permit.take(),
        )
    }
}

impl Postponed for Once {
    fn close(&self) {
        if self.link.is_forked() {
            return;
        }
        let (task, booking, permit) = self.take();
        booking.cancel();
        drop(permit);
        if let Some((task, _)) = task {
            let _ = task.cancel(CancelReason::Shutdown);
        }
    }
}

/// The token that the task holds until it begins. If the task is cancelled the token is dropped,
/// and takes the closure out of the timer and the pool.
pub(super) struct WhileOnce(pub(super) Arc<Once>);

impl Token for WhileOnce {
    type Kept = Option<CapacityPermit>;
    type Extra = ();

    fn extra(&self) {}

    fn begin(self) -> Self::Kept {
        let permit = lock(&self.0.inside).permit.take();
        permit.and_then(Token::begin)
    }
}

impl Bound for WhileOnce {
    /// The room that the task takes up is a bound of its own.
    fn begin(self: Box<Self>) -> Option<Box<dyn Bound>> {
        None
    }
}

impl Drop for WhileOnce {
    fn drop(&mut self) {
        if self.0.link.is_forked() {
            return;
        }
        let (task, booking, permit) = self.0.take();
        booking.cancel();
        drop((task, permit));
    }
}
