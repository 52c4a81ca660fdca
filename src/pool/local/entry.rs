//! How a thread comes inside a pool, and what the pool does for the thread that calls.

use std::sync::Arc;

use super::extras::Extras;
use super::here::{Kind, Local, Pool, PoolTask, with_innermost, with_part_of};
use super::roll::cancel;
use super::running::{Running, Stack};
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::group::pending::Destination;
use crate::pool::meter::{Event, ForeignMeter, Meter, Phase};
use crate::pool::priority::Priority;
use crate::pool::queue::local::LocalQueue;
use crate::pool::queue::tally::Closed;
use crate::pool::roster::Worker;
use crate::pool::slots::ReservedSlot;
use crate::task::cell::TaskRef;
use crate::task::{Ran, Token};
use crate::trampoline;
use crate::unwind::{self, OnDrop, Payload};
use crate::wait::Cause;

/// The number of bytes of a foreign thread's stack that may be used before no more tasks are run
/// inline: every thread has that much, one may hope.
const FOREIGN_STACK: usize = 64 << 10;

/// How a worker has left its pool.
pub(in crate::pool) struct Left {
    /// The pool goes on without it.
    pub(in crate::pool) before_the_end: bool,
    /// It has to join the other threads.
    pub(in crate::pool) joins_others: bool,
}

/// Something that becomes a task when it is accepted.
pub(crate) trait Make: Sized {
    /// The handle that the submitter gets.
    type Handle;

    /// Makes the task, which holds `token` until it begins. `slot` is the slot of this thread, if
    /// it has one in the pool.
    fn make<P: Token>(self, pool: &Pool, slot: Option<usize>, token: P)
    -> (PoolTask, Self::Handle);
}

/// Something that can be submitted by a view.
pub(crate) trait MakeWith: Make {
    /// Whether nobody gets a handle, so that the task can be bare.
    const HAS_NO_HANDLE: bool = false;

    /// Returns the name of the type of what becomes the task.
    fn name(&self) -> &'static Name;

    /// Makes the task with what it has from a view, and returns a reference to it as well.
    fn make_with(
        self,
        pool: &Pool,
        slot: Option<usize>,
        extras: Arc<Extras>,
    ) -> (PoolTask, TaskRef, Self::Handle);
}

/// Makes a task with what it has from a view, once. It is no generic parameter, so that what places
/// the task is compiled once, and not for each closure.
pub(crate) type Maker<'a> =
    &'a mut dyn FnMut(&Pool, Option<usize>, Arc<Extras>) -> (PoolTask, TaskRef);

impl Local {
    fn of(pool: Arc<Pool>, meter: Arc<Meter>, kind: Kind) -> Self {
        let room = match kind {
            // A worker keeps a quarter of its stack free. Nothing is known of a foreign thread's
            // stack.
            Kind::Worker => pool.staff.setup.stack_size / 4 * 3,
            Kind::Foreign => FOREIGN_STACK,
        };
        let stack = with_innermost(|innermost| {
            innermost.map_or_else(|| Stack::from_here(room), |local| local.running.stack())
        });
        Self::new(pool, kind, Running::new(meter, stack))
    }

    /// Takes the slot that was reserved for this thread, and calls `work` as a worker of the pool.
    /// `work` returns `true` if the thread leaves before the pool's end.
    pub(in crate::pool) fn enter(
        pool: Arc<Pool>,
        worker: &Arc<Worker>,
        reserved: ReservedSlot,
        work: impl FnOnce(&Self) -> bool,
    ) -> Left {
        let local = Self::of(pool, Arc::clone(worker.meter()), Kind::Worker);
        local.enter_phase(Phase::Idle);
        local.occupy(reserved);
        let mut before_the_end = false;
        local.install(|local| before_the_end = work(local));
        if local.shared.is_forked() {
            local.forget_yielded();
        }
        match local.held.take() {
            Some((queue, searching)) if !local.shared.is_forked() => {
                local.shared.slots.give_up_at_the_end(queue, searching);
            }
            _ => {}
        }
        local.enter_phase(Phase::Absent);
        Left {
            before_the_end,
            joins_others: local.joins_others.get(),
        }
    }

    /// Calls `body` inside the pool: as a foreign thread, unless the pool is this thread's
    /// innermost already.
    pub(super) fn visit(pool: &Arc<Pool>, body: impl FnOnce()) {
        if with_innermost(|local| local.is_some_and(|local| local.is_part_of(pool))) {
            body();
        } else {
            // Calls that were put off outside are made outside, and those put off inside are made
            // inside.
            trampoline::catch_up();
            // Dropped last, so that all is counted by then.
            let meter = ForeignMeter::new(Arc::clone(&pool.staff.roster.foreign));
            let own = Arc::clone(meter.own());
            Self::of(Arc::clone(pool), own, Kind::Foreign).install(|_| {
                body();
                trampoline::catch_up();
            });
        }
    }

    /// Pushes a task that has begun.
    #[inline(always)]
    pub(super) fn push_begun(&self, task: PoolTask) {
        self.held.with_queue(|own| {
            self.shared.queue.push_begun(task, self.for_begun(own));
        });
        self.shared.task_pushed();
    }

    /// Returns where a task that has begun is to be pushed: to the local queue of a slot that is
    /// not lent, if no other is.
    #[inline(always)]
    pub(super) fn for_begun<'a>(
        &self,
        own: Option<&'a LocalQueue<PoolTask>>,
    ) -> Option<&'a LocalQueue<PoolTask>> {
        own.filter(|_| !self.borrows() && !self.shared.slots.idle.has_lent())
    }

    /// Returns the index of the slot that this thread holds, if it holds one.
    pub(crate) fn slot_index(&self) -> Option<usize> {
        self.held.index()
    }
}

impl Pool {
    /// Accepts a task, makes it and pushes it. Returns it if the pool takes no more.
    ///
    /// The thread looks once whether it is inside: nothing of the user's runs before the push.
    // Inlined, like all on the way of a submission, so that what goes from hand to hand stays in
    // registers.
    #[inline(always)]
    pub(crate) fn place<M: Make, P: Token>(
        self: &Arc<Self>,
        make: M,
        token: P,
    ) -> Result<M::Handle, M> {
        let handle = with_part_of(self, |part| {
            if self.accept_on(part).is_err() {
                return Err(make);
            }
            let slot = part.and_then(|local| local.held.index());
            let (task, handle) = make.make(self, slot, token);
            self.push_on(part, task);
            Ok(handle)
        })?;
        self.task_pushed();
        Ok(handle)
    }

    /// Accepts a task of a class, makes it and pushes it. Returns it if the pool takes no more.
    pub(crate) fn place_class<M: Make, P: Token>(
        self: &Arc<Self>,
        make: M,
        token: P,
        class: Priority,
    ) -> Result<M::Handle, M> {
        let accepted = with_part_of(self, |part| {
            let accepted = self.accept_on(part);
            accepted.map(|()| part.and_then(|local| local.held.index()))
        });
        let Ok(slot) = accepted else {
            return Err(make);
        };
        let (task, handle) = make.make(self, slot, token);
        self.push_to(task, Destination::Class(class));
        Ok(handle)
    }

    /// Accepts a task, makes it with what it has from a view, and places it. Returns `false` if the
    /// pool takes no more.
    pub(crate) fn place_with(self: &Arc<Self>, make: Maker<'_>, extras: Arc<Extras>) -> bool {
        let slot = with_part_of(self, |part| {
            self.accept_on(part)
                .map(|()| part.and_then(|local| local.held.index()))
        });
        let Ok(slot) = slot else {
            extras.discard();
            return false;
        };
        let (task, task_ref) = make(self, slot, Arc::clone(&extras));
        task_ref.postpone();
        let cancelled = extras.enrol_or_cancel(&task_ref);
        extras.arrive(self, task, task_ref);
        if let Some(task) = cancelled {
            cancel(&task, CancelReason::Cancelled, self.link);
        }
        true
    }

    /// Accepts a task, makes it with what it has from a view, and runs it on this thread, as soon
    /// as it has the permits of its groups. Returns `false` if the pool takes no more.
    pub(crate) fn run_on_caller_with(
        self: &Arc<Self>,
        make: Maker<'_>,
        extras: Arc<Extras>,
        cause: Cause<'_>,
    ) -> bool {
        if self.accept().is_err() {
            extras.discard();
            return false;
        }
        let (task, task_ref) = make(self, None, Arc::clone(&extras));
        task_ref.postpone();
        let cancelled = extras.enrol_or_cancel(&task_ref);
        let caller = extras.arrive_with_caller(self, task, task_ref);
        if let Some(task) = cancelled {
            cancel(&task, CancelReason::Cancelled, self.link);
        }
        if let Some(task) = self.at_group(|| caller.wait(cause)) {
            self.run_here(task);
        }
        true
    }

    /// Pushes a task of a view that was accepted.
    pub(crate) fn push_to(self: &Arc<Self>, task: PoolTask, to: Destination) {
        match to {
            Destination::Class(Priority::Normal) => {
                with_part_of(self, |part| self.push_on(part, task));
            }
            Destination::Class(class) => self.push_class_on(task, class),
            Destination::Grouped => self.queue.push_grouped(task),
        }
        self.task_pushed();
    }

    /// Pushes a task of high or low priority.
    fn push_class_on(&self, task: PoolTask, class: Priority) {
        self.queue.push_class(task, class);
        if class == Priority::High {
            self.slots.flag_high();
        }
    }

    /// Counts a task as finished that was run by this thread, and lies in no queue.
    pub(super) fn count_done_here(&self) {
        with_part_of(self, |part| match part {
            Some(local) => local.held.with_queue(|own| self.queue.task_done(own)),
            None => self.queue.task_done(None),
        });
    }

    /// Accepts a task, makes it and runs it on this thread, as a task of the pool. Returns it if
    /// the pool takes no more.
    pub(crate) fn run_on_caller<M: Make>(self: &Arc<Self>, make: M) -> Result<M::Handle, M> {
        if self.accept().is_err() {
            return Err(make);
        }
        let (task, handle) = make.make(self, None, ());
        self.run_here(task);
        Ok(handle)
    }

    /// Accepts a task that will be pushed by this thread.
    pub(in crate::pool) fn accept(&self) -> Result<(), Closed> {
        with_part_of(self, |part| self.accept_on(part))
    }

    #[inline(always)]
    pub(super) fn accept_on(&self, part: Option<&Local>) -> Result<(), Closed> {
        match part {
            Some(_) if self.is_stopping() => Err(Closed),
            Some(local) => {
                local.held.with_queue(|own| self.queue.accept_inside(own));
                Ok(())
            }
            None => self.accept_outside(),
        }
    }

    /// Pushes a task that this thread has accepted.
    #[inline(always)]
    pub(crate) fn push(self: &Arc<Self>, task: PoolTask) {
        with_part_of(self, |part| self.push_on(part, task));
        self.task_pushed();
    }

    /// Pushes a task that has begun, from a thread that is no worker of the pool.
    pub(super) fn push_begun(self: &Arc<Self>, task: PoolTask) {
        self.queue.push_begun(task, None);
        self.task_pushed();
    }

    #[inline(always)]
    fn push_on(&self, part: Option<&Local>, task: PoolTask) {
        match part {
            Some(local) => local.held.with_queue(|own| self.queue.push(task, own)),
            None => self.queue.push(task, None),
        }
    }

    /// Pushes a future that was taken from a queue, and has begun or was cancelled; not in a child
    /// process, where a queue may be left in the middle of a change forever.
    pub(super) fn push_back(self: &Arc<Self>, task: PoolTask) {
        match self.is_forked() {
            true => std::mem::forget(task),
            false => self.push_begun(task),
        }
    }

    /// Runs a task that this thread has accepted, as a task of the pool.
    pub(in crate::pool) fn run_here(self: &Arc<Self>, task: PoolTask) {
        let (mut task, mut ran) = (Some(task), None);
        Local::visit(self, || {
            ran = Local::with(|local| Some(local?.run_or_cancel(&mut task)));
        });
        match ran {
            Some(Ran::GoesOn) => {}
            Some(Ran::Yields) => task.into_iter().for_each(|task| self.push_back(task)),
            _ => self.queue.task_done(None),
        }
        self.check_quiescence();
    }

    /// Calls `body` as a task of the pool would be, if this thread is inside already.
    pub(crate) fn call_inside<R>(
        self: &Arc<Self>,
        body: impl FnOnce() -> R,
    ) -> Option<Result<R, Payload>> {
        let mut result = None;
        if self.is_here() {
            Local::visit(self, || result = Some(unwind::catch(body)));
        }
        result
    }

    /// Calls `body` on this thread as a task of the pool would be, and counts it as a task until it
    /// has returned; outside the pool if that takes no more tasks.
    pub(crate) fn call_here<R>(self: &Arc<Self>, body: impl FnOnce() -> R) -> R {
        let is_here = self.is_here();
        if !is_here && self.accept().is_err() {
            return body();
        }
        let _done = OnDrop(|| {
            if !is_here {
                self.queue.task_done(None);
                self.check_quiescence();
            }
        });
        let mut result = None;
        Local::visit(self, || {
            let _panics = match is_here {
                true => None,
                false => Some(Self::count_call()),
            };
            result = Some(body());
        });
        result.expect("it was called")
    }

    /// Counts a call on this thread as a task that begins, and its panic if that unwinds.
    fn count_call() -> impl Drop {
        let count = |event| Local::with(|local| local.into_iter().for_each(|it| it.count(event)));
        let was_panicking = std::thread::panicking();
        count(Event::Started);
        OnDrop(move || {
            if std::thread::panicking() && !was_panicking {
                count(Event::Panicked);
            }
        })
    }

    /// Makes this thread join the other workers when it ends, if it is a worker of the pool.
    pub(crate) fn join_others_from_here(&self) {
        with_part_of(self, |part| {
            if let Some(local) = part.filter(|local| local.is_worker()) {
                local.joins_others.set(true);
            }
        });
    }
}
