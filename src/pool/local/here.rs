//! The `Local`s of a thread, the pointer to the innermost, and the chain from there outwards: which
//! pools the thread is inside.
//!
//! References to the `Local`s of a thread are lent to closures only, for as long as these run.

#![expect(
    unsafe_code,
    reason = "a thread finds its own `Local` through a pointer to its stack"
)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::held::Held;
use super::own_halves::OwnHalves;
use super::running::Running;
use super::yield_queue::YieldQueue;
use crate::fork::Stamp;
use crate::pool::group::pending::OfPool;
use crate::pool::link::PoolLink;
use crate::pool::shared::Shared;
use crate::primitive::thread_cell;
use crate::task::{Task, Word};
use crate::unwind::OnDrop;

/// A task as the threads of a pool run it.
pub(crate) type PoolTask = Task<Local>;

/// A pool of such tasks.
pub(crate) type Pool = Shared<PoolTask>;

/// A group of such tasks.
pub(crate) type TaskGroup = OfPool<PoolTask>;

/// The part that one thread has of a pool. Each group of fields is changed by its own module only.
pub(crate) struct Local {
    pub(crate) shared: Arc<Pool>,
    kind: Kind,
    /// The slot that the thread holds, with its local queue. A foreign thread has none.
    pub(super) held: Held<PoolTask>,
    /// The futures that gave way on this thread.
    pub(super) yielded: YieldQueue<Task<Self, Word>>,
    /// The tasks that the thread runs.
    pub(super) running: Running,
    /// The halves of joins of these tasks.
    pub(super) halves: OwnHalves,
    /// Whether this thread has to join the others at its end, because the pool's last owner was
    /// dropped on it.
    pub(super) joins_others: Cell<bool>,
    /// The `Local` that was innermost on this thread before; null unless this one is on the chain.
    /// Private, since the unsafe code in this file relies on it.
    outer: Cell<*const Self>,
}

/// How a thread is inside a pool: as one of its workers, or as a foreign thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Worker,
    Foreign,
}

impl Local {
    /// A `Local` that is not on the chain of its thread yet.
    pub(super) fn new(pool: Arc<Pool>, kind: Kind, running: Running) -> Self {
        Self {
            shared: pool,
            kind,
            held: Held::nothing(),
            yielded: YieldQueue::default(),
            running,
            halves: OwnHalves::default(),
            joins_others: Cell::new(false),
            outer: Cell::new(std::ptr::null()),
        }
    }

    #[inline]
    pub(super) fn is_worker(&self) -> bool {
        self.kind == Kind::Worker
    }

    pub(super) fn is_part_of(&self, pool: &Pool) -> bool {
        std::ptr::eq(&raw const *self.shared, pool)
    }
}

// The innermost `Local` of this thread, or null.
thread_cell!(HERE: *const Local = std::ptr::null());

// The pool that cannot end before this thread does, to the end of its last thread-local.
thread_cell!(HOME: Option<PoolLink> = None);

std::thread_local! {
    /// Pools whose end, or that of their groups, may depend on what this thread does now, though it
    /// may run no task of them.
    static IN_THE_WAY: RefCell<Vec<PoolLink>> = const { RefCell::new(Vec::new()) };
}

/// The `Local`s of this thread, innermost first.
pub(super) struct Chain<'a>(Option<&'a Local>);

impl<'a> Iterator for Chain<'a> {
    type Item = &'a Local;

    fn next(&mut self) -> Option<&'a Local> {
        let local = self.0?;
        // SAFETY: a chain begins at the innermost `Local`, so this one is on the chain. Then
        // `outer` is null, or what `HERE` was when this one was installed, which is on the chain
        // for longer than this one; see `with_innermost`.
        self.0 = unsafe { local.outer.get().as_ref() };
        Some(local)
    }
}

/// Calls `body` with the innermost `Local` of this thread, if the thread is inside a pool.
#[inline(always)]
pub(super) fn with_innermost<R>(body: impl FnOnce(Option<&Local>) -> R) -> R {
    let here = HERE.with(Cell::get);
    // SAFETY: `here` is null, or points to a `Local` of this thread. `with_here` sets it to a
    // `Local` that a running `install` borrows, or to such a `Local`'s `outer`, which an `install`
    // further down the stack borrows. Both put it back before they return. So the borrow outlives
    // `body`, and it is shared. `body` cannot keep the reference, because it has to accept any
    // lifetime.
    body(unsafe { here.as_ref() })
}

/// Calls `body` with all `Local`s of this thread.
pub(super) fn with_chain<R>(body: impl FnOnce(Chain<'_>) -> R) -> R {
    with_innermost(|innermost| body(Chain(innermost)))
}

/// Calls `body` with what this thread has of `pool`, if it is inside: as a worker, if it is one.
#[inline(always)]
pub(super) fn with_part_of<R>(pool: &Pool, body: impl FnOnce(Option<&Local>) -> R) -> R {
    with_innermost(|innermost| {
        body(match innermost {
            Some(local) if local.is_worker() && local.is_part_of(pool) => Some(local),
            Some(local) => part_of(pool, local),
            None => None,
        })
    })
}

/// Looks for a `Local` of `pool` on the chain that begins with `innermost`.
#[cold]
fn part_of<'a>(pool: &Pool, innermost: &'a Local) -> Option<&'a Local> {
    let parts = || Chain(Some(innermost)).filter(|local| local.is_part_of(pool));
    parts().find(|local| local.is_worker()).or(parts().next())
}

impl Local {
    /// Calls `body` with what this thread has of the pool that it is innermost inside: as a worker,
    /// if it is one.
    pub(crate) fn with<R>(body: impl FnOnce(Option<&Self>) -> R) -> R {
        with_innermost(|innermost| {
            body(match innermost {
                Some(local) if !local.is_worker() => part_of(&local.shared, local),
                innermost => innermost,
            })
        })
    }

    /// Puts this on the thread's chain, as the innermost, for as long as `body` runs.
    pub(super) fn install(&self, body: impl FnOnce(&Self)) {
        debug_assert!(self.outer.get().is_null(), "on the chain once");
        self.outer.set(HERE.with(Cell::get));
        let _end = OnDrop(|| self.outer.set(std::ptr::null()));
        with_here(self, || body(self));
    }

    /// Calls `body`, which a worker runs between two tasks, outside the pool.
    #[inline]
    pub(in crate::pool) fn outside<R>(&self, body: impl FnOnce() -> R) -> R {
        let result = with_here(self.outer.get(), body);
        if self.shared.is_forked() {
            // The body has forked, and this is the child.
            self.shared.end_in_the_child();
        }
        result
    }

    /// Notes, until this thread is gone, that it must not wait for this pool's end.
    pub(in crate::pool) fn settle(pool: &Pool) {
        HOME.with(|home| home.set(Some(pool.link)));
    }

    /// Calls `body`, for which a task of this pool, or the pool's end, may have to wait. Meanwhile
    /// nothing on this thread waits for that end. The thread does not count as inside.
    pub(crate) fn in_the_way<R>(pool: PoolLink, body: impl FnOnce() -> R) -> R {
        if cfg!(workmill_loom) {
            // The model's threads share the thread that they run on.
            return body();
        }
        // While a thread ends its list may be gone already.
        let listed = IN_THE_WAY.try_with(|pools| pools.borrow_mut().push(pool));
        let _end = OnDrop(|| {
            if listed.is_ok() {
                let _ = IN_THE_WAY.try_with(|pools| pools.borrow_mut().pop());
            }
        });
        body()
    }
}

impl Pool {
    /// Returns `true` if this thread is inside the pool: a worker whose thread-locals live, or a
    /// foreign thread.
    pub(crate) fn is_here(&self) -> bool {
        with_part_of(self, |part| part.is_some())
    }

    /// Returns `true` if the pool's end would wait for this thread: it is inside, it is a worker
    /// that drops its thread-locals, or it [stands in the way](Local::in_the_way).
    pub(crate) fn waits_for_this_thread(&self) -> bool {
        self.is_here() || self.is_home() || self.is_in_the_way()
    }

    /// Returns `true` if a wait for a group of the pool may not end on this thread, whatever task
    /// it runs: it drops what a task has captured, or is a worker that ends.
    pub(crate) fn waits_for_drops_here(&self) -> bool {
        self.is_in_the_way() || self.is_home() && !self.is_here()
    }

    fn is_home(&self) -> bool {
        HOME.with(Cell::get) == Some(self.link)
    }

    fn is_in_the_way(&self) -> bool {
        let is_listed = |pools: &RefCell<Vec<_>>| pools.borrow().contains(&self.link);
        IN_THE_WAY.try_with(is_listed).unwrap_or(false)
    }
}

/// Ends the pools that this thread is inside, in a child process that the thread has forked: there
/// it is inside nothing.
pub(super) fn end_in_the_child() {
    with_chain(|chain| {
        chain.for_each(|local| {
            local.note_left_in_child();
            local.shared.end_in_the_child();
            // Never freed: its tasks are the parent's, and those of scopes that end here borrow.
            std::mem::forget(Arc::clone(&local.shared));
        });
    });
    HERE.with(|pointer| pointer.set(std::ptr::null()));
}

/// Sets the pointer to `here` while `body` runs, and then back; in a child process to null.
#[inline]
fn with_here<R>(here: *const Local, body: impl FnOnce() -> R) -> R {
    let process = Stamp::now();
    let before = HERE.with(|pointer| pointer.replace(here));
    let _back = OnDrop(|| {
        let before = match process.is_here() {
            true => before,
            false => std::ptr::null(),
        };
        HERE.with(|pointer| pointer.set(before));
    });
    body()
}
