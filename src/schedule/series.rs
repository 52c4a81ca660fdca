//! Closures that are due periodically.
//!
//! # The end
//! The handle of a series is the handle of a future, [`End`], which is pending as long as the
//! series goes on. The future's task is no task of the pool: waking it hands it to the series,
//! which runs it when nothing is left of the closure. So a cancelled handle resolves when the run
//! that is under way has ended, and the captures of the closure are gone.
//!
//! The state that the lock guards is one of three. The series is *waiting* for its next run to be
//! due or to begin; it is *running* while a run holds the closure; or it is *over*. It is over when
//! its end was taken out of the lock, which happens once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as PollContext, Poll};
use std::time::Instant;

use super::booking::Booking;
use super::every::Every;
use crate::admission::{CapacityPermit, View};
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::{ClosureToken, Local, Pool, PoolLink, PoolTask, Postponed};
use crate::primitive::{Mutex, MutexGuard, lock};
use crate::task::cell::{HandleRef, TaskRef};
use crate::task::{Context, Task};
use crate::timer::alarm;
use crate::trampoline;
use crate::unwind::{self, Payload};

pub(super) struct Series<F> {
    link: PoolLink,
    view: Option<Arc<View>>,
    every: Every,
    inside: Mutex<Inside<F>>,
}

struct Inside<F> {
    /// The closure, while the series is waiting.
    closure: Option<F>,
    is_running: bool,
    /// The handle's task, if it was woken during a run: the handle was cancelled.
    woken: Option<Task<HandleContext>>,
    /// A reference to the handle's task, until the series is over.
    end: Option<TaskRef>,
    booking: Booking,
    /// When the last run was due, or the first run is.
    due: Option<Instant>,
    /// The panic that has ended the series, until the handle has it.
    panic: Option<Payload>,
}

impl<F: FnMut() + Send + 'static> Series<F> {
    /// Creates a series that has not begun, and the reference for its handle.
    pub(super) fn new(
        link: PoolLink,
        view: Option<Arc<View>>,
        every: Every,
        closure: F,
    ) -> (Arc<Self>, HandleRef<()>) {
        let series = Arc::new(Self {
            link,
            view,
            every,
            inside: Mutex::new(Inside {
                closure: Some(closure),
                is_running: false,
                woken: None,
                end: None,
                booking: Booking::new(link),
                due: Instant::now().checked_add(every.first),
                panic: None,
            }),
        });
        let (woken, end) = (Arc::clone(&series), End(Arc::clone(&series)));
        let schedule = move |task| woken.wake(task);
        let (task, handle) = Task::future((), end, schedule, |_| 0);
        lock(&series.inside).end = Some(handle.task_ref());
        // The future is pending now, and from now on waking it hands its task to the series.
        Task::run(&mut Some(task), &HandleContext(link));
        (series, handle)
    }

    /// Schedules the first run. If this is refused the caller cancels the handle.
    pub(super) fn begin(self: &Arc<Self>, pool: &Pool) -> Result<(), CancelReason> {
        let inside = &mut *lock(&self.inside);
        inside.booking.register(pool, self.clone())?;
        self.set_alarm(inside)
    }

    fn set_alarm(self: &Arc<Self>, inside: &mut Inside<F>) -> Result<(), CancelReason> {
        let series = Arc::clone(self);
        inside
            .booking
            .set_alarm(inside.due, move || series.come_due())
    }

    /// Submits a run that is due. Called on the timer's thread.
    fn come_due(self: &Arc<Self>) {
        let Some(pool) = Pool::of(self.link) else {
            return;
        };
        let mut inside = lock(&self.inside);
        if inside.end.is_none() {
            return;
        }
        inside.booking.alarm_has_rung();
        let Some(room) = self.take_room() else {
            pool.incidents.skipped.add_one();
            if self.is_closed() {
                drop(inside);
                let series = Arc::clone(self);
                // The end drops the closure, which must not hold the timer up.
                drop(alarm::call_elsewhere(move || {
                    series.cancel(CancelReason::Shutdown);
                }));
                return;
            }
            // This fails only if the timer has no thread, and this is the timer's thread.
            let _ = self.set_next_alarm(&mut inside);
            return;
        };
        if !pool.accept_due() {
            drop((inside, room));
            return pool.check_quiescence();
        }
        drop(inside);
        let run = Run(Some(Arc::clone(self)));
        let run = move || run.call();
        match (room, &self.view) {
            (Room::OfView(room), Some(view)) => {
                let extras = Arc::new(view.extras(self.link, const { &Name::of::<F>() }, true));
                view.admit_with(&extras, room);
                let token = ClosureToken::new(Arc::clone(&extras));
                let (task, handle) = PoolTask::with_handle(token, run);
                let task_ref = handle.task_ref();
                task_ref.postpone();
                extras.arrive(&pool, task, task_ref);
            }
            (Room::OfPool(Some(permit)), _) => pool.push(PoolTask::detached(permit, run)),
            (Room::OfPool(None) | Room::OfView(_), _) => pool.push(PoolTask::detached((), run)),
        }
    }

    /// Takes room for a run. Returns `None` if there is none.
    fn take_room(&self) -> Option<Room> {
        match &self.view {
            Some(view) if view.only_bound().is_none() => Some(Room::OfView(view.take_room()?)),
            view => {
                let bound = view.as_ref().and_then(|view| view.only_bound());
                CapacityPermit::if_room(bound).map(Room::OfPool)
            }
        }
    }

    fn set_next_alarm(self: &Arc<Self>, inside: &mut Inside<F>) -> Result<(), CancelReason> {
        let last = inside.due.expect("a run was due");
        inside.due = self.every.next(last, Instant::now());
        self.set_alarm(inside)
    }

    /// Runs the closure once. Called on a worker.
    pub(super) fn run(self: &Arc<Self>) {
        let closure = {
            let mut inside = lock(&self.inside);
            let closure = inside.closure.take();
            inside.is_running = closure.is_some();
            closure
        };
        let Some(mut closure) = closure else {
            return;
        };
        let mut panic = unwind::catch(&mut closure).err();
        if self.link.is_forked() {
            // This is a child process, and the series belongs to the parent.
            return std::mem::forget((closure, panic));
        }
        let mut inside = lock(&self.inside);
        let ends = panic.is_some() && self.every.ends_on_panic;
        if ends {
            inside.panic = panic.take();
        }
        if ends || inside.woken.is_some() {
            drop(inside);
            panic.into_iter().for_each(|panic| self.link.report(panic));
            unwind::discard(closure);
            self.end_after_run();
        } else {
            inside.closure = Some(closure);
            inside.is_running = false;
            self.go_on(inside);
            panic.into_iter().for_each(|panic| self.link.report(panic));
        }
    }

    /// Ends the series after its last run, whose closure is gone.
    fn end_after_run(self: &Arc<Self>) {
        let (booking, woken, end) = {
            let mut inside = lock(&self.inside);
            inside.is_running = false;
            (
                inside.booking.take(),
                inside.woken.take(),
                inside.end.take(),
            )
        };
        booking.cancel();
        match woken {
            Some(task) => self.resolve(task),
            // This hands the task to `wake`.
            None => end.iter().for_each(|end| end.wake()),
        }
    }

    /// Ends the series now, or after the run that is under way. Called when the handle was
    /// cancelled, or when a panic has ended the series.
    fn wake(self: &Arc<Self>, task: Task<HandleContext>) {
        if self.link.is_forked() {
            // The lock may be held forever here, and the handle returns that it belongs to another
            // process.
            return std::mem::forget(task);
        }
        let mut inside = lock(&self.inside);
        if inside.is_running {
            inside.woken = Some(task);
            return;
        }
        let left = (
            inside.booking.take(),
            inside.closure.take(),
            inside.end.take(),
        );
        drop(inside);
        let (series, (booking, closure, end)) = (Arc::clone(self), left);
        // A capture of the closure may cancel another series, or own the pool.
        trampoline::call(move || {
            Local::in_the_way(series.link, || {
                booking.cancel();
                unwind::discard(closure);
                series.resolve(task);
                drop(end);
            });
        });
    }

    /// Resolves the handle.
    fn resolve(&self, task: Task<HandleContext>) {
        Task::run(&mut Some(task), &HandleContext(self.link));
    }

    /// Notes that a run was dropped in favour of a newer task, or by the end of the pool.
    fn run_was_dropped(self: &Arc<Self>) {
        if let Some(pool) = Pool::of(self.link) {
            pool.incidents.skipped.add_one();
        }
        let inside = lock(&self.inside);
        if inside.end.is_some() {
            self.go_on(inside);
        }
    }

    /// Returns `true` if a group of the series is closed, so that no run will begin any more.
    fn is_closed(&self) -> bool {
        let group = self.view.as_ref().and_then(|view| view.group());
        group.is_some_and(|group| group.path().any(|it| it.is_closed()))
    }

    /// Schedules the next run, or ends the series if no run can begin, or the timer has no thread.
    fn go_on(self: &Arc<Self>, mut inside: MutexGuard<'_, Inside<F>>) {
        let set = match self.is_closed() {
            true => Err(CancelReason::Shutdown),
            false => self.set_next_alarm(&mut inside),
        };
        drop(inside);
        if let Err(reason) = set {
            self.cancel(reason);
        }
    }

    fn cancel(&self, reason: CancelReason) {
        if self.link.is_forked() {
            return;
        }
        let end = lock(&self.inside).end.as_ref().map(|end| end.task_ref());
        if let Some(end) = end {
            end.cancel(reason);
        }
    }
}

impl<F: FnMut() + Send + 'static> Postponed for Series<F> {
    fn close(&self) {
        self.cancel(CancelReason::Shutdown);
    }
}

/// A future that is pending as long as the series goes on. It then panics with the panic of the
/// series, unless the series was cancelled, in which case the future is dropped.
struct End<F: FnMut() + Send + 'static>(Arc<Series<F>>);

impl<F: FnMut() + Send + 'static> Future for End<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut PollContext<'_>) -> Poll<()> {
        match self.take_panic() {
            Some(panic) => std::panic::resume_unwind(panic.into_inner()),
            None => Poll::Pending,
        }
    }
}

impl<F: FnMut() + Send + 'static> End<F> {
    fn take_panic(&self) -> Option<Payload> {
        lock(&self.0.inside).panic.take()
    }
}

impl<F: FnMut() + Send + 'static> Drop for End<F> {
    fn drop(&mut self) {
        // The series was cancelled just as it ended by a panic.
        if let Some(panic) = self.take_panic() {
            self.0.link.report(panic);
        }
    }
}

/// The context of the handle's task, which is no task of a pool: nothing is noted of it, except a
/// panic.
struct HandleContext(PoolLink);

impl Context for HandleContext {
    fn begins(&self, _: &'static Name) {}

    fn polls(&self, _: &'static Name) {}

    fn future_begins(&self) {}

    fn met_spent(&self) {}

    fn met_cancelled(&self, _: CancelReason, _: bool) {}

    fn failed(&self) {}

    fn can_be_joined(&self, _: *const ()) {}

    fn returned(&self) {}

    fn panicked(&self, payload: Payload) {
        self.0.report(payload);
    }

    fn future_ended(&self, _: usize) {}
}

/// The room that a run takes up until it begins.
enum Room {
    OfPool(Option<CapacityPermit>),
    OfView(Vec<CapacityPermit>),
}

/// One run. If it is dropped, the next run is scheduled in its stead.
struct Run<F: FnMut() + Send + 'static>(Option<Arc<Series<F>>>);

impl<F: FnMut() + Send + 'static> Run<F> {
    fn call(mut self) {
        if let Some(series) = self.0.take() {
            series.run();
        }
    }
}

impl<F: FnMut() + Send + 'static> Drop for Run<F> {
    fn drop(&mut self) {
        if let Some(series) = self.0.take().filter(|series| !series.link.is_forked()) {
            series.run_was_dropped();
        }
    }
}
