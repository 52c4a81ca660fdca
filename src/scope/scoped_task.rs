//! A task that borrows, and ends before the scope does that it belongs to.
//!
//! The lifetimes of closures and outcomes end here: a task lies in the pool's queues as if it
//! borrowed nothing. This is why that is sound.
//!
//! 1. *The owner waits.* [`run`](super::run) makes the [`Tasks`] on its stack, and returns only
//!    when all that were counted have ended, whatever happens: the body's panic is caught, and
//!    should the wait unwind, the process ends. Everything that a task borrows lives as long as
//!    `'scope`, in which the `Tasks` are invariant, and which the body cannot choose.
//! 2. *A task ends before it is uncounted.* It is counted before it is made, and uncounted by the
//!    thread that has won the exchange that begins or cancels it, once its captures are gone and
//!    its outcome is published, or dropped if there is no handle any more. A handle cannot outlive
//!    `'scope` except leaked, and then nobody reads or drops the outcome.
//! 3. *After that only the cell is touched.* A tombstone in a queue, a [`TaskRef`] and a waker lead
//!    to the cell, which is on the heap and counted. They reach neither the closure, which has
//!    gone, nor the scope: a [`ScopePtr`] is followed by the winner of that exchange alone.
//!
//! A task on a stack has no cell ([`Stacked`]). It is one value, which is taken from there once,
//! and then run or cancelled: that thread uncounts it, when the closure has returned or was
//! dropped, and has nothing left that leads to the scope.
//!
//! A task is always paired with its own scope: [`Listed`] and [`DoomedTask`] are made by this room
//! only, of the [`Tasks`] that the handle or the list belongs to.
//!
//! Nothing in a forked child begins a task of the parent's, or drops one (`scope/owner.rs`): a pool
//! is never freed there, and with it its queues (`pool/local/here.rs`).

#![expect(
    unsafe_code,
    reason = "the compiler cannot see that the owner of a scope waits for its tasks"
)]

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::tasks::Tasks;
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::{Inline, Local};
use crate::task::cell::{self, Doomed, HandleRef, RawTask, Runnable, TaskRef};
use crate::task::{Closure, Context, Gone, Job, LARGE, Look, Ran, Task, Token, Work, fits, met};
use crate::trace::traced;
use crate::unwind::{self, Payload};

/// A pointer to the scope of a task, which is there as long as the task is counted.
#[derive(Clone, Copy)]
struct ScopePtr(NonNull<Tasks<'static>>);

// SAFETY: it leads to `Tasks`, which are `Sync`.
unsafe impl Send for ScopePtr {}
// SAFETY: as for `Send`.
unsafe impl Sync for ScopePtr {}

impl ScopePtr {
    fn to(tasks: &Tasks<'_>) -> Self {
        Self(NonNull::from(tasks).cast())
    }

    /// # Safety
    /// A task of this scope is counted as long as the reference is used.
    unsafe fn tasks<'a>(self) -> &'a Tasks<'static> {
        // SAFETY: `run` keeps the `Tasks` as long as a task is counted. The lifetime in their
        // type is a marker only.
        let tasks = unsafe { self.0.as_ref() };
        #[cfg(workmill_loom)]
        assert!(!tasks.is_gone.load(crate::primitive::Ordering::Relaxed));
        tasks
    }

    /// Uncounts a task that has ended, with its panic if no handle returns that.
    ///
    /// # Safety
    /// The task is counted, and this is called once for it.
    unsafe fn uncount(self, panic: Option<Payload>) {
        // SAFETY: the task is counted. On the owner's thread the `Tasks` outlive this call anyway.
        if unsafe { self.tasks() }.tell_end(panic) {
            return;
        }
        // SAFETY: the task is counted, so the `Tasks` are there. Only the word is borrowed, all of
        // which may be changed by others, since the rest may go with the exchange.
        let count = unsafe { &(*self.0.as_ptr()).count };
        if let Err(last) = count.leave() {
            // SAFETY: the task is counted still: it is the last.
            let waker = unsafe { self.tasks() }.waiter.take(&last);
            count.leave_last(&last);
            waker.into_iter().for_each(unwind::wake);
        }
    }
}

/// Takes back the count of a task that was not made.
fn uncount(tasks: &Tasks<'_>) {
    // SAFETY: it was counted by the `Counted` that is dropped.
    unsafe { ScopePtr::to(tasks).uncount(None) };
}

/// The count of a task that is about to be made. Its drop takes it back.
pub(super) struct Counted<'scope>(&'scope Tasks<'scope>);

impl<'scope> Counted<'scope> {
    pub(super) fn new(tasks: &'scope Tasks<'scope>) -> Self {
        tasks.count();
        Self(tasks)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        uncount(self.0);
    }
}

/// Makes a task of a closure, its handle's reference, and the reference for the list.
pub(super) fn make<'scope, Cx, P, F, T>(
    counted: Counted<'scope>,
    token: P,
    closure: F,
) -> (Task<Cx>, HandleRef<T>, TaskRef)
where
    Cx: Context,
    P: Token,
    F: FnOnce() -> T + Send + 'scope,
    T: Send + 'scope,
{
    let closure = traced(const { &Name::of::<F>() }, closure);
    // `const`, here and below, so that only the branch that is taken is compiled.
    if const { size_of::<F>() <= LARGE } {
        let closure = noting_panics(counted.0, closure);
        make_of(counted, Job::<F, _, _>::new(token, closure))
    } else {
        // Boxed by itself, so that it is called where it lies.
        let closure: Box<dyn FnOnce() -> T + Send + 'scope> = Box::new(closure);
        let closure = noting_panics(counted.0, closure);
        make_of(counted, Job::<F, _, _>::new(token, closure))
    }
}

/// Makes a task of a closure, without a handle, and the reference for the list.
pub(super) fn make_alone<'scope, Cx, P, F>(
    counted: Counted<'scope>,
    token: P,
    closure: F,
) -> (Task<Cx>, TaskRef)
where
    Cx: Context,
    P: Token,
    F: FnOnce() + Send + 'scope,
{
    let closure = traced(const { &Name::of::<F>() }, closure);
    if const { size_of::<F>() <= LARGE } {
        let closure = noting_panics(counted.0, closure);
        make_alone_of(counted, Job::<F, _, _>::new(token, closure))
    } else {
        let closure: Box<dyn FnOnce() + Send + 'scope> = Box::new(closure);
        let closure = noting_panics(counted.0, closure);
        make_alone_of(counted, Job::<F, _, _>::new(token, closure))
    }
}

/// Returns a closure that calls another, and tells the scope if that panics.
fn noting_panics<'scope, T>(
    tasks: &'scope Tasks<'scope>,
    closure: impl FnOnce() -> T + Send + 'scope,
) -> impl FnOnce() -> T + Send + 'scope {
    move || {
        unwind::catch(closure).unwrap_or_else(|payload| {
            tasks.note_panic();
            std::panic::resume_unwind(payload.into_inner())
        })
    }
}

fn make_of<'scope, Cx, C, T>(
    counted: Counted<'scope>,
    closure: C,
) -> (Task<Cx>, HandleRef<T>, TaskRef)
where
    Cx: Context,
    C: Closure<T> + 'scope,
    T: Send + 'scope,
{
    let scope = ScopePtr::to(counted.0);
    // SAFETY: what the closure and its outcome borrow lives as long as `'scope`, which ends after
    // `run` has waited for the task to be uncounted; see the module's documentation.
    let (runnable, handle, task) = unsafe { cell::scoped_pair(closure) };
    // The task is uncounted when it ends.
    std::mem::forget(counted);
    (Task::new(InQueue { runnable, scope }), handle, task)
}

fn make_alone_of<'scope, Cx, C>(counted: Counted<'scope>, closure: C) -> (Task<Cx>, TaskRef)
where
    Cx: Context,
    C: Closure<()> + 'scope,
{
    let scope = ScopePtr::to(counted.0);
    // SAFETY: as in `make_of`.
    let (runnable, task) = unsafe { cell::scoped_alone(closure) };
    std::mem::forget(counted);
    (Task::new(InQueue { runnable, scope }), task)
}

/// A task of a scope, in a queue.
struct InQueue {
    runnable: Runnable,
    scope: ScopePtr,
}

impl<Cx: Context> Work<Cx> for InQueue {
    fn run(self, cx: &Cx) -> Ran {
        let scope = self.scope;
        // SAFETY: it is asked by the winner of the exchange that begins the task, which is counted.
        let doomed = || unsafe { scope.tasks() }.doomed();
        match self.runnable.run_unless(cx, doomed) {
            Ok(panic) => {
                // SAFETY: the task has ended here, and was counted until now.
                unsafe { scope.uncount(panic) };
                Ran::Ended
            }
            Err(gone) => met(gone, cx),
        }
    }

    fn cancel(self, reason: CancelReason) -> Result<(), Gone> {
        self.runnable.cancel(reason)?;
        // SAFETY: the task has ended here, and was counted until now.
        unsafe { self.scope.uncount(None) };
        Ok(())
    }

    fn gone(&self) -> Option<Gone> {
        self.runnable.gone()
    }

    fn look(&self) -> Result<Look, Gone> {
        match self.runnable.gone() {
            None => Ok(Look::of_closure(self.runnable.name())),
            Some(gone) => Err(gone),
        }
    }
}

/// Makes a task of a closure, without a handle, for the stack of the owner's slot. It has no cell,
/// and cannot be listed.
#[inline]
pub(super) fn make_stacked<'scope, Cx, F>(counted: Counted<'scope>, closure: F) -> Task<Cx>
where
    Cx: Context,
    F: FnOnce() + Send + 'scope,
{
    let closure = traced(const { &Name::of::<F>() }, closure);
    make_stacked_as::<F, _, _>(counted, closure)
}

#[inline(always)]
fn make_stacked_as<'scope, N, Cx, F>(counted: Counted<'scope>, closure: F) -> Task<Cx>
where
    Cx: Context,
    F: FnOnce() + Send + 'scope,
{
    if const { fits::<Stacked<N, F>>() } {
        make_stacked_of::<N, _, _>(counted, closure)
    } else {
        let closure: Box<dyn FnOnce() + Send + 'scope> = Box::new(closure);
        make_stacked_of::<N, _, _>(counted, closure)
    }
}

#[inline(always)]
fn make_stacked_of<'scope, N, Cx, F>(counted: Counted<'scope>, closure: F) -> Task<Cx>
where
    Cx: Context,
    F: FnOnce() + Send + 'scope,
{
    let scope = ScopePtr::to(counted.0);
    std::mem::forget(counted);
    let stacked = Stacked::<N, F> {
        closure,
        scope,
        named: PhantomData,
    };
    // SAFETY: what the closure borrows lives as long as `'scope`, which ends after `run` has waited
    // for the task to be uncounted; see the module's documentation.
    unsafe { Task::borrowing(stacked) }
}

/// A task of a scope without a cell, and the type `N` that its closure had before it was boxed.
struct Stacked<N, F> {
    closure: F,
    scope: ScopePtr,
    named: PhantomData<fn() -> N>,
}

impl<N, F: FnOnce() + Send> Stacked<N, F> {
    const NAME: &'static Name = &Name::of::<N>();

    /// Drops the closure, calls `dropped`, and uncounts the task.
    fn discard(self, dropped: impl FnOnce()) {
        unwind::discard(self.closure);
        dropped();
        // SAFETY: the task has ended here, and was counted until now.
        unsafe { self.scope.uncount(None) };
    }
}

impl<N, F: FnOnce() + Send, Cx: Context> Work<Cx> for Stacked<N, F> {
    #[inline]
    fn run(self, cx: &Cx) -> Ran {
        // SAFETY: the task is counted.
        if let Some(reason) = unsafe { self.scope.tasks() }.doomed() {
            cx.polls(Self::NAME);
            self.discard(|| cx.met_cancelled(reason, false));
            return Ran::Ended;
        }
        let Self { closure, scope, .. } = self;
        cx.begins(Self::NAME);
        let panic = unwind::catch(closure).err();
        if panic.is_some() {
            cx.failed();
            // SAFETY: the task is counted.
            unsafe { scope.tasks() }.note_panic();
        }
        // SAFETY: the task has ended here, and was counted until now.
        unsafe { scope.uncount(panic) };
        Ran::Ended
    }

    fn cancel(self, _: CancelReason) -> Result<(), Gone> {
        self.discard(|| ());
        Ok(())
    }

    fn gone(&self) -> Option<Gone> {
        None
    }

    fn look(&self) -> Result<Look, Gone> {
        Ok(Look::of_closure(Self::NAME))
    }
}

/// A task of a scope that its owner, or the owner of its handle, may run inline.
pub(super) struct Listed<'a> {
    task: &'a RawTask,
    scope: ScopePtr,
}

impl<'a> Listed<'a> {
    /// `task` is one of `tasks`.
    pub(super) fn new(task: &'a RawTask, tasks: &Tasks<'_>) -> Self {
        let scope = ScopePtr::to(tasks);
        Self { task, scope }
    }

    /// Runs the task, unless it was begun or cancelled before. Returns `true` if it was run. Never
    /// unwinds.
    pub(super) fn run(&self) -> bool {
        let mut dropped = None;
        let doomed = || {
            // SAFETY: it is asked by the winner of the exchange that begins the task, which is
            // counted.
            dropped = unsafe { self.scope.tasks() }.doomed();
            dropped
        };
        match self.task.run_unless(doomed) {
            Some(panic) => {
                if let Some(reason) = dropped {
                    Local::with(|local| {
                        local
                            .into_iter()
                            .for_each(|it| it.met_cancelled(reason, false));
                    });
                }
                // SAFETY: the task has ended here, and was counted until now.
                unsafe { self.scope.uncount(panic) };
                true
            }
            None => false,
        }
    }
}

impl Inline for Listed<'_> {
    fn id(&self) -> *const () {
        self.task.id()
    }

    fn can_run_inline(&self) -> bool {
        self.task.is_queued()
    }

    fn run_inline(&self, _: &Local) -> bool {
        self.run()
    }
}

/// A task of a scope that was cancelled and is still to be dropped, which this value's drop does.
pub(super) struct DoomedTask {
    /// `None` only in the drop.
    doomed: Option<Doomed>,
    scope: ScopePtr,
}

impl DoomedTask {
    /// `doomed` is one of `tasks`.
    pub(super) fn new(doomed: Doomed, tasks: &Tasks<'_>) -> Self {
        let scope = ScopePtr::to(tasks);
        let doomed = Some(doomed);
        Self { doomed, scope }
    }

    /// Drops the closure, resolves the handle, and uncounts the task. Never unwinds.
    pub(super) fn end(self) {
        drop(self);
    }
}

impl Drop for DoomedTask {
    fn drop(&mut self) {
        self.doomed.take().into_iter().for_each(Doomed::end);
        // SAFETY: the task has ended here, and was counted until now.
        unsafe { self.scope.uncount(None) };
    }
}
