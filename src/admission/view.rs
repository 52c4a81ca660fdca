//! Views: the things that a reference adds to its pool, which are bounds, groups, a name, a class,
//! a time limit and tokens.
//!
//! A [`View`] never changes. One that is made from another has what that has, and one thing more.
//! A task takes up room in the bound of each group of its path, from the inside outwards, and then
//! in the pool's. A thread that runs a task of a group, or of one around it, is admitted to that
//! group's bound whether there is room or not, since it holds a permit that those may need who make
//! room; as one that runs a task of the pool is admitted to the pool's.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::capacity::{Capacity, CapacityPermit, Overflow};
use super::full_queue::{Entry, Patience, Side, admit};
use super::refusal::Refusal;
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::{
    Bound, Extras, MakeWith, Maker, Pool, PoolLink, PoolObserver, Priority, Roll, TaskGroup,
    runs_task_near,
};
use crate::sync::cancel::CancelToken;
use crate::task::Token;
use crate::task::cell::RawTask;

/// The things that a reference adds to its pool.
#[derive(Clone, Default)]
pub(crate) struct View {
    /// The pool's own bound.
    capacity: Option<Arc<Capacity>>,
    name: Option<&'static Name>,
    class: Priority,
    start_within: Option<Duration>,
    rolls: Vec<Arc<Roll>>,
    /// The groups, the innermost first.
    groups: Vec<Limited>,
    /// Whether a task needs nothing of the view but to be admitted and pushed by it.
    is_simple: bool,
    /// Whether a task without a handle needs nothing of the view but its group.
    is_bare: bool,
}

/// A group, and the bound on its tasks that wait.
#[derive(Clone)]
struct Limited {
    group: Arc<TaskGroup>,
    capacity: Option<Arc<Capacity>>,
}

impl View {
    /// Returns the view of a pool with a bound.
    pub(crate) fn bound(capacity: Arc<Capacity>) -> Arc<Self> {
        Arc::new(Self {
            capacity: Some(capacity),
            is_simple: true,
            ..Self::default()
        })
    }

    /// Returns the view that has nothing but the bound of `pool`, if that has one.
    pub(crate) fn of(pool: &Pool) -> Option<Arc<Self>> {
        let observer = Arc::clone(pool.observer.as_ref()?);
        observer.into_any().downcast().ok()
    }

    /// Returns the pool's bound, if that is all that the view has.
    #[inline]
    pub(crate) fn only_bound(&self) -> Option<&Arc<Capacity>> {
        match self.simple()? {
            (bound, Priority::Normal) => bound,
            _ => None,
        }
    }

    /// Returns the pool's bound and the class, if the view has no more than these, so that its
    /// tasks need no [`Extras`].
    #[inline]
    pub(crate) fn simple(&self) -> Option<(Option<&Arc<Capacity>>, Priority)> {
        self.is_simple
            .then_some((self.capacity.as_ref(), self.class))
    }

    /// Returns a view that has what `view` has, changed by `change`.
    fn changed(view: Option<&Arc<Self>>, change: impl FnOnce(&mut Self)) -> Arc<Self> {
        let mut new = view.map_or_else(Self::default, |view| Self::clone(view));
        change(&mut new);
        new.is_simple = new.name.is_none()
            && new.start_within.is_none()
            && new.rolls.is_empty()
            && new.groups.is_empty();
        new.is_bare = new.name.is_none()
            && new.start_within.is_none()
            && new.rolls.is_empty()
            && new.class == Priority::Normal
            && new.bounds().next().is_none()
            && !new.groups.is_empty();
        Arc::new(new)
    }

    pub(crate) fn with_class(view: Option<&Arc<Self>>, class: Priority) -> Arc<Self> {
        Self::changed(view, |it| it.class = class)
    }

    pub(crate) fn with_name(view: Option<&Arc<Self>>, name: &'static Name) -> Arc<Self> {
        Self::changed(view, |it| it.name = Some(name))
    }

    pub(crate) fn with_start_within(view: Option<&Arc<Self>>, time: Duration) -> Arc<Self> {
        Self::changed(view, |it| {
            it.start_within = Some(it.start_within.map_or(time, |other| other.min(time)));
        })
    }

    pub(crate) fn with_token(
        view: Option<&Arc<Self>>,
        link: PoolLink,
        token: &CancelToken,
    ) -> Arc<Self> {
        Self::changed(view, |it| it.rolls.push(Roll::new(link, token)))
    }

    /// Returns the view of a new group, within that of `view` if it has one.
    pub(crate) fn with_group(view: Option<&Arc<Self>>, pool: &Pool, limit: usize) -> Arc<Self> {
        Self::changed(view, |it| {
            let group = match it.groups.first() {
                // In a child process the lock of the tree may be held forever.
                _ if pool.is_forked() => TaskGroup::new(limit),
                Some(outer) => pool.new_group_within(&outer.group, limit),
                None => pool.new_group(limit),
            };
            let capacity = None;
            it.groups.insert(0, Limited { group, capacity });
        })
    }

    /// Returns the view with another bound on its group.
    pub(crate) fn with_group_capacity(
        self: &Arc<Self>,
        tasks: usize,
        overflow: Overflow,
    ) -> Arc<Self> {
        Self::changed(Some(self), |it| {
            let bound = Capacity::new(tasks, overflow, 0);
            it.groups[0].capacity = Some(bound);
        })
    }

    /// Returns the group of the view, if it has one.
    pub(crate) fn group(&self) -> Option<&Arc<TaskGroup>> {
        Some(&self.groups.first()?.group)
    }

    /// Refuses the submitters that wait for room in the group.
    pub(crate) fn close_group_bound(&self) {
        let capacity = self.groups.first().and_then(|it| it.capacity.as_ref());
        capacity.into_iter().for_each(|it| it.permits.close());
    }

    fn is_cancelled(&self) -> bool {
        self.rolls.iter().any(|roll| roll.is_cancelled())
    }

    /// Returns the extras of a task that is submitted by this view, without its group and its room.
    /// `comes_due` says that it joins the group later.
    pub(crate) fn extras(&self, link: PoolLink, name: &'static Name, comes_due: bool) -> Extras {
        let name = self.name.unwrap_or(name);
        Extras::new(link, name, self.class, &self.rolls, comes_due)
    }

    fn note_bounded(&self, extras: &Extras) {
        if self.groups.iter().any(|it| it.capacity.is_some()) {
            extras.note_bounded();
        }
    }

    /// Puts a series on the rolls, by its handle's task, for as long as they are there. Returns
    /// `false` if the token of one is cancelled.
    pub(crate) fn enrol(&self, series: &RawTask) -> bool {
        let mut rolls = self.rolls.iter();
        rolls.all(|roll| roll.add(series.task_ref()).is_some())
    }

    /// The task is submitted now: it expires some time from now on if the view says so.
    fn begin_to_expire(&self, extras: &Extras) {
        let moment = self
            .start_within
            .and_then(|time| Instant::now().checked_add(time));
        moment
            .into_iter()
            .for_each(|moment| extras.expire_at(moment));
    }

    /// Admits a task that has come due: to its bounds, whether there is room or not, and to its
    /// group. Calls nothing of the user's.
    pub(crate) fn admit_due(&self, pool: &Pool, extras: &Extras) {
        self.begin_to_expire(extras);
        self.note_bounded(extras);
        for capacity in self.bounds().map(|(_, capacity)| capacity) {
            let permit = CapacityPermit::anyway(pool, Some(capacity));
            permit
                .into_iter()
                .for_each(|it| extras.add_bound(Box::new(it)));
        }
        if self.is_cancelled() {
            extras.forbid(CancelReason::Cancelled);
        }
        if !self
            .groups
            .first()
            .is_none_or(|it| extras.join_group(&it.group))
        {
            extras.forbid(CancelReason::Shutdown);
        }
    }

    /// Takes room for a task that has come due, if there is some in all bounds.
    pub(crate) fn take_room(&self) -> Option<Vec<CapacityPermit>> {
        self.bounds()
            .map(|(_, capacity)| CapacityPermit::if_room(Some(capacity)).flatten())
            .collect()
    }

    /// Admits a task that has come due to its group, with the room that was taken for it.
    pub(crate) fn admit_with(&self, extras: &Extras, room: Vec<CapacityPermit>) {
        self.begin_to_expire(extras);
        self.note_bounded(extras);
        room.into_iter()
            .for_each(|it| extras.add_bound(Box::new(it)));
        if !self
            .groups
            .first()
            .is_none_or(|it| extras.join_group(&it.group))
        {
            extras.forbid(CancelReason::Shutdown);
        }
    }

    /// The bounds, the innermost first, each with its group, or `None` for the pool's.
    fn bounds(&self) -> impl Iterator<Item = (Option<&Arc<TaskGroup>>, &Arc<Capacity>)> {
        let groups = self.groups.iter();
        let groups = groups.filter_map(|it| Some((Some(&it.group), it.capacity.as_ref()?)));
        groups.chain(self.capacity.iter().map(|capacity| (None, capacity)))
    }

    /// Admits a task, makes it, and places it.
    #[cold]
    #[inline(never)]
    pub(crate) fn place<M: MakeWith>(
        &self,
        pool: &Arc<Pool>,
        make: M,
        patience: Patience,
    ) -> Result<M::Handle, (Refusal, M)> {
        if M::HAS_NO_HANDLE && self.is_bare {
            return self.place_bare(pool, make);
        }
        let name = make.name();
        made(make, |maker| {
            self.admit_and_place(pool, name, maker, patience)
        })
    }

    /// Makes a task that needs nothing of the view but its group, and places it.
    fn place_bare<M: MakeWith>(
        &self,
        pool: &Arc<Pool>,
        make: M,
    ) -> Result<M::Handle, (Refusal, M)> {
        if pool.is_forked() {
            return Err((Refusal::Forked, make));
        }
        let placed = pool.place_bare(make, &self.groups[0].group);
        placed.map_err(|make| (Refusal::of_closed(pool), make))
    }

    fn admit_and_place(
        &self,
        pool: &Arc<Pool>,
        name: &'static Name,
        make: Maker<'_>,
        patience: Patience,
    ) -> Result<(), Refusal> {
        // Where it stays, since it is large.
        let extras = Arc::new(self.extras(pool.link, name, false));
        let caller = self.admit(pool, &extras, patience)?;
        self.place_admitted(pool, make, extras, caller)
    }

    fn place_admitted(
        &self,
        pool: &Arc<Pool>,
        make: Maker<'_>,
        mut extras: Arc<Extras>,
        caller: Option<&Arc<Capacity>>,
    ) -> Result<(), Refusal> {
        self.begin_to_expire(&extras);
        self.note_bounded(&extras);
        if !self
            .groups
            .first()
            .is_none_or(|it| Extras::join_group_first(&mut extras, &it.group))
        {
            return Err(Refusal::Shutdown);
        }
        let is_placed = match caller {
            None => pool.place_with(make, extras),
            Some(capacity) => {
                let cause = capacity.permits.cause();
                pool.run_on_caller_with(make, extras, cause)
            }
        };
        match is_placed {
            true => Ok(()),
            false => Err(Refusal::of_closed(pool)),
        }
    }

    /// Takes room for a task. Returns the bound that has the submitter run it, if one has.
    fn admit(
        &self,
        pool: &Arc<Pool>,
        extras: &Extras,
        patience: Patience,
    ) -> Result<Option<&Arc<Capacity>>, Refusal> {
        if pool.is_forked() {
            return Err(Refusal::Forked);
        }
        if self.is_cancelled() {
            return Err(Refusal::Cancelled);
        }
        let mut caller = None;
        for (group, capacity) in self.bounds() {
            match admit(pool, capacity, group, patience, side(pool, group))? {
                Entry::Permit(permit) => extras.add_bound(Box::new(permit)),
                Entry::Caller => caller = Some(capacity),
            }
        }
        Ok(caller)
    }

    /// Admits a task, makes it, and places it; waits for room without blocking.
    pub(crate) async fn place_async<M: MakeWith>(
        &self,
        pool: &Arc<Pool>,
        make: M,
    ) -> Result<M::Handle, (Refusal, M)> {
        if pool.is_forked() {
            return Err((Refusal::Forked, make));
        }
        let extras = Arc::new(self.extras(pool.link, make.name(), false));
        for (group, capacity) in self.bounds() {
            let permit = match side(pool, group) {
                Side::Inside => Ok(CapacityPermit::over(pool, capacity)),
                Side::Outside => capacity.acquire(pool).await,
            };
            match permit {
                Ok(permit) => extras.add_bound(Box::new(permit)),
                Err(refusal) => return Err((refusal, make)),
            }
        }
        match self.is_cancelled() {
            true => Err((Refusal::Cancelled, make)),
            false => made(make, |maker| self.place_admitted(pool, maker, extras, None)),
        }
    }
}

/// Calls `place` with the function that makes the task. Returns its handle, or the task if it was
/// refused.
fn made<M: MakeWith>(
    make: M,
    place: impl FnOnce(Maker<'_>) -> Result<(), Refusal>,
) -> Result<M::Handle, (Refusal, M)> {
    let (mut make, mut handle) = (Some(make), None);
    let placed = place(&mut |pool, slot, extras| {
        let make = make.take().expect("a task is made once");
        let (task, task_ref, its) = make.make_with(pool, slot, extras);
        handle = Some(its);
        (task, task_ref)
    });
    match placed {
        Ok(()) => Ok(handle.expect("a task that is placed was made")),
        Err(refusal) => Err((refusal, make.expect("a task that is refused was not made"))),
    }
}

/// Returns where this thread is, as seen from a bound.
fn side(pool: &Pool, group: Option<&Arc<TaskGroup>>) -> Side {
    match group {
        Some(group) if runs_task_near(group) => Side::Inside,
        Some(_) => Side::Outside,
        None => Side::of_pool(pool),
    }
}

impl Bound for CapacityPermit {
    fn begin(self: Box<Self>) -> Option<Box<dyn Bound>> {
        let kept = Token::begin(*self)?;
        Some(Box::new(kept))
    }
}

impl PoolObserver for View {
    fn worker_blocks(&self) {
        self.capacity.iter().for_each(|it| it.worker_blocks());
    }

    fn worker_resumes(&self) {
        self.capacity.iter().for_each(|it| it.worker_resumes());
    }

    fn resized(&self, before: usize, now: usize) {
        self.capacity.iter().for_each(|it| it.resized(before, now));
    }

    fn submitters_wait(&self) -> bool {
        self.capacity
            .as_ref()
            .is_some_and(|it| it.submitters_wait())
    }

    fn closed(&self) {
        self.capacity.iter().for_each(|it| it.permits.close());
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
