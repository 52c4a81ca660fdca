//! The two registrations of a closure that is not due: in the timer and in the pool.

use std::sync::Arc;
use std::time::Instant;

use crate::error::CancelReason;
use crate::pool::{Pool, PoolLink, Postponed};
use crate::timer::alarm;
use crate::timer::entries::Key;

/// The registrations of a closure that is not due.
pub(super) struct Booking {
    link: PoolLink,
    /// The key of its alarm, if the timer has one.
    alarm: Option<Key>,
    /// Its key in the pool's registry, if it is registered.
    registered: Option<usize>,
}

impl Booking {
    pub(super) fn new(link: PoolLink) -> Self {
        Self {
            link,
            alarm: None,
            registered: None,
        }
    }

    /// Takes everything out of the booking, so that it can be [cancelled](Self::cancel) without a
    /// lock.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.link))
    }

    /// Registers the closure in the pool.
    pub(super) fn register(
        &mut self,
        pool: &Pool,
        postponed: Arc<dyn Postponed>,
    ) -> Result<(), CancelReason> {
        if pool.is_forked() {
            return Err(CancelReason::Forked);
        }
        let registered = pool.postponed.add(postponed);
        self.registered = Some(registered.ok_or(CancelReason::Shutdown)?);
        Ok(())
    }

    /// Sets an alarm, which calls `callback` on the timer's thread at `due`. Sets none if `due` is
    /// `None`, which means never.
    pub(super) fn set_alarm(
        &mut self,
        due: Option<Instant>,
        callback: impl FnOnce() + Send + 'static,
    ) -> Result<(), CancelReason> {
        if let Some(due) = due {
            let alarm = alarm::call_at(due, Box::new(callback));
            self.alarm = Some(alarm.map_err(|_| CancelReason::Rejected)?);
        }
        Ok(())
    }

    /// Notes that the alarm has rung.
    pub(super) fn alarm_has_rung(&mut self) {
        self.alarm = None;
    }

    /// Takes the key in the pool's registry, from which the caller removes it without a lock.
    pub(super) fn take_registered(&mut self) -> Option<usize> {
        self.registered.take()
    }

    /// Removes the closure from the timer and from the pool. The caller holds no lock.
    pub(super) fn cancel(self) {
        if let Some(alarm) = self.alarm {
            alarm::forget(alarm);
        }
        if let Some(registered) = self.registered {
            if let Some(pool) = Pool::of(self.link) {
                pool.postponed.remove(registered);
            }
        }
    }
}
