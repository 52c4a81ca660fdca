//! How the items of a map become tasks, and tasks outcomes.

use std::collections::VecDeque;
use std::future::Future;
use std::iter::Fuse;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec;

use super::unordered::Unordered;
use crate::error::{JoinError, TrySubmitError};
use crate::executor::PoolRef;
use crate::handle::{Awaited, CancelOnDrop, JoinHandle};
use crate::name::Name;
use crate::pool::PoolLink;
use crate::task::cell::Outcome;
use crate::unwind;
use crate::wait::Deadline;

/// The number of tasks in flight for each of the pool's threads, unless
/// [`Map::window`](super::Map::window) says otherwise.
pub(super) const WINDOW_PER_THREAD: usize = 16;

/// The tasks that are still to be submitted.
pub(super) struct Tasks<I: Iterator, F, T> {
    pool: PoolRef,
    items: Fuse<I>,
    f: Arc<F>,
    pub(super) window: usize,
    pub(super) chunk: usize,
    /// A task that waits for room in the pool, if it is submitted without blocking.
    submission: Option<(Submission<T>, usize)>,
}

type Submission<T> = Pin<Box<dyn Future<Output = InFlight<T>> + Send>>;

/// One call, or several calls one after the other.
enum Calls<F, A> {
    One(Arc<F>, A),
    Several(Arc<F>, Vec<A>),
}

impl<F, A> Calls<F, A> {
    fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Several(_, items) => items.len(),
        }
    }
}

/// The handle of a task.
pub(super) enum InFlight<T> {
    One(CancelOnDrop<T>),
    /// With the number of items.
    Several(CancelOnDrop<Outcomes<T>>, usize),
}

/// The outcomes of several items: values, and the panics in between, of which there are few. A
/// panic among them that nobody takes goes to the pool's handler.
pub(super) struct Outcomes<T> {
    values: vec::IntoIter<T>,
    panics: vec::IntoIter<(usize, JoinError)>,
    /// The number of outcomes that were taken.
    taken: usize,
    /// The number of outcomes that are taken before the next panic.
    next_panic: usize,
    link: PoolLink,
}

impl<T> Outcomes<T> {
    fn new(values: Vec<T>, panics: Vec<(usize, JoinError)>, link: PoolLink) -> Self {
        let mut outcomes = Self {
            values: values.into_iter(),
            panics: panics.into_iter(),
            taken: 0,
            next_panic: 0,
            link,
        };
        outcomes.look_for_panic();
        outcomes
    }

    #[inline]
    fn next(&mut self) -> Option<Outcome<T>> {
        if self.taken == self.next_panic {
            return self.take_panic();
        }
        self.taken += 1;
        self.values.next().map(Ok)
    }

    #[cold]
    fn take_panic(&mut self) -> Option<Outcome<T>> {
        let (_, panic) = self.panics.next()?;
        self.taken += 1;
        self.look_for_panic();
        Some(Err(panic))
    }

    fn look_for_panic(&mut self) {
        let next = self.panics.as_slice().first();
        self.next_panic = next.map_or(usize::MAX, |(index, _)| *index);
    }

    fn len(&self) -> usize {
        self.values.len() + self.panics.len()
    }
}

impl<T> Drop for Outcomes<T> {
    fn drop(&mut self) {
        for (_, panic) in self.panics.by_ref() {
            let payload = panic.take_payload();
            payload
                .into_iter()
                .for_each(|payload| self.link.report(payload));
        }
        self.values.by_ref().for_each(unwind::discard);
    }
}

impl<I, F, T> Tasks<I, F, T>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    /// The name of the function, which is that of its tasks.
    const NAME: &'static Name = &Name::of::<F>();

    fn new(pool: &PoolRef, items: I, f: F) -> Self {
        Self {
            pool: pool.clone(),
            items: items.fuse(),
            f: Arc::new(f),
            window: pool.threads().saturating_mul(WINDOW_PER_THREAD).max(1),
            chunk: 1,
            submission: None,
        }
    }

    pub(super) fn set_window(&mut self, tasks: usize) {
        assert!(tasks > 0, "a window of 0 tasks lets nothing through");
        self.window = tasks;
    }

    pub(super) fn set_chunk(&mut self, items: usize) {
        assert!(items > 0, "a chunk has at least 1 item");
        self.chunk = items;
    }

    /// Takes the items of the next task.
    fn next_calls(&mut self) -> Option<Calls<F, I::Item>> {
        let f = Arc::clone(&self.f);
        if self.chunk == 1 {
            return Some(Calls::One(f, self.items.next()?));
        }
        let items: Vec<_> = self.items.by_ref().take(self.chunk).collect();
        (!items.is_empty()).then_some(Calls::Several(f, items))
    }

    /// Submits the next task, if there are items left.
    fn submit(&mut self) -> Option<InFlight<T>> {
        let calls = self.next_calls()?;
        let pool = &self.pool;
        Some(match calls {
            Calls::One(f, item) => InFlight::One(pool.submit(move || f(item)).cancel_on_drop()),
            Calls::Several(f, items) => {
                let count = items.len();
                let link = pool.pool.link;
                let handle = pool.submit(move || call_several(&*f, items, link));
                InFlight::Several(handle.cancel_on_drop(), count)
            }
        })
    }

    /// Submits the next task, if there are items left, without blocking.
    fn poll_submit(&mut self, cx: &mut Context<'_>) -> Poll<Option<InFlight<T>>> {
        if self.submission.is_none() {
            let Some(calls) = self.next_calls() else {
                return Poll::Ready(None);
            };
            let count = calls.len();
            self.submission = Some((submission(&self.pool, calls), count));
        }
        let (submission, _) = self.submission.as_mut().expect("there is one now");
        let submitted = submission.as_mut().poll(cx);
        if submitted.is_ready() {
            self.submission = None;
        }
        submitted.map(Some)
    }

    /// Returns the bounds on the number of items, beside those in flight.
    fn size_hint(&self, in_flight: usize) -> (usize, Option<usize>) {
        let (least, most) = self.items.size_hint();
        let in_flight = in_flight + self.submission.as_ref().map_or(0, |(_, count)| *count);
        let add = |items: usize| items.checked_add(in_flight);
        (least.saturating_add(in_flight), most.and_then(add))
    }
}

/// Calls `f` with each item. A panic in one call does not keep it from the next.
fn call_several<F, A, T>(f: &F, items: Vec<A>, link: PoolLink) -> Outcomes<T>
where
    F: Fn(A) -> T,
{
    let name = const { &Name::of::<F>() };
    let mut items = items.into_iter();
    let (mut values, mut panics) = (Vec::with_capacity(items.len()), Vec::new());
    while items.len() > 0 {
        // Around all that are left, since most do not panic, and so `f` can be inlined.
        let calls = unwind::catch(|| {
            for item in items.by_ref() {
                values.push(f(item));
            }
        });
        if let Err(panic) = calls {
            // It comes after all others up to now.
            let index = values.len() + panics.len();
            panics.push((index, JoinError::of_panic(panic, name)));
        }
    }
    Outcomes::new(values, panics, link)
}

/// Submits without blocking, also if there is no room in the pool.
fn submission<F, A, T>(pool: &PoolRef, calls: Calls<F, A>) -> Submission<T>
where
    F: Fn(A) -> T + Send + Sync + 'static,
    A: Send + 'static,
    T: Send + 'static,
{
    let pool = pool.clone();
    Box::pin(async move {
        let link = pool.pool.link;
        match calls {
            Calls::One(f, item) => {
                let handle = pool.submit_async(move || f(item)).await;
                InFlight::One(or_refused(handle, link).cancel_on_drop())
            }
            Calls::Several(f, items) => {
                let count = items.len();
                let call = move || call_several(&*f, items, link);
                let handle = or_refused(pool.submit_async(call).await, link);
                InFlight::Several(handle.cancel_on_drop(), count)
            }
        }
    })
}

fn or_refused<F, T: Send + 'static>(
    submitted: Result<JoinHandle<T>, TrySubmitError<F>>,
    link: PoolLink,
) -> JoinHandle<T> {
    submitted.unwrap_or_else(|refused| {
        let name = const { &Name::of::<F>() };
        JoinHandle::refused(refused.reason(), name, link)
    })
}

impl<T> InFlight<T> {
    fn handle(&self) -> &dyn Awaited {
        match self {
            Self::One(handle) => handle,
            Self::Several(handle, _) => handle,
        }
    }

    fn handle_mut(&mut self) -> &mut dyn Awaited {
        match self {
            Self::One(handle) => handle,
            Self::Several(handle, _) => handle,
        }
    }

    /// Returns the number of items.
    fn items(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(_, count) => *count,
        }
    }

    /// Blocks until the task has ended.
    fn join(self) -> Returned<T> {
        match self {
            Self::One(handle) => Returned::One(Some(handle.join())),
            Self::Several(handle, count) => Returned::of_several(handle.join(), count),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Returned<T>> {
        match self {
            Self::One(handle) => {
                let outcome = Pin::new(handle).poll(cx);
                outcome.map(|outcome| Returned::One(Some(outcome)))
            }
            Self::Several(handle, count) => {
                let outcome = Pin::new(handle).poll(cx);
                outcome.map(|outcome| Returned::of_several(outcome, *count))
            }
        }
    }
}

impl<T> Awaited for InFlight<T> {
    fn poll_end(&mut self, waker: &Waker) -> bool {
        self.handle_mut().poll_end(waker)
    }

    fn note_wanted(&self) {
        self.handle().note_wanted();
    }

    fn stop_waiting(&mut self) {
        self.handle_mut().stop_waiting();
    }

    fn has_ended(&self) -> bool {
        self.handle().has_ended()
    }

    fn has_failed(&mut self) -> bool {
        self.handle_mut().has_failed()
    }

    fn wait_inline(&mut self) -> bool {
        self.handle_mut().wait_inline()
    }

    fn is_forked(&self) -> bool {
        self.handle().is_forked()
    }

    fn look_for_a_while(&self, done: &mut dyn FnMut() -> bool) -> bool {
        self.handle().look_for_a_while(done)
    }

    fn request_cancel(&self) {
        self.handle().request_cancel();
    }
}

/// The outcomes of a task's items.
pub(super) enum Returned<T> {
    One(Option<Outcome<T>>),
    Several(Outcomes<T>),
    /// The task did not return. Each item that is left has this error.
    Failed(JoinError, usize),
}

impl<T> Returned<T> {
    fn of_several(outcome: Outcome<Outcomes<T>>, count: usize) -> Self {
        match outcome {
            Ok(outcomes) => Self::Several(outcomes),
            Err(error) => Self::Failed(error, count),
        }
    }

    #[inline]
    fn next(&mut self, name: &'static Name) -> Option<Outcome<T>> {
        match self {
            Self::Several(outcomes) => outcomes.next(),
            // These have the name of a closure of ours.
            Self::One(outcome) => {
                let outcome = outcome.take()?;
                Some(outcome.map_err(|error| error.named(name)))
            }
            Self::Failed(error, left) => {
                *left = left.checked_sub(1)?;
                Some(Err(error.share().named(name)))
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(outcome) => usize::from(outcome.is_some()),
            Self::Several(outcomes) => outcomes.len(),
            Self::Failed(_, left) => *left,
        }
    }
}

/// The tasks of a map that are in flight, in the order in which they are waited for.
pub(super) trait Line<T> {
    fn len(&self) -> usize;

    fn push(&mut self, task: InFlight<T>);

    /// Blocks until the next task has ended. Returns `None` if there is none.
    fn next(&mut self) -> Option<Returned<T>>;

    /// Returns the outcomes of the next task if it has ended, or `None` if there is none.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Returned<T>>>;

    /// Returns the number of items in all tasks.
    fn items(&self) -> usize;
}

/// In the order of the items.
impl<T> Line<T> for VecDeque<InFlight<T>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn push(&mut self, task: InFlight<T>) {
        self.push_back(task);
    }

    fn next(&mut self) -> Option<Returned<T>> {
        self.pop_front().map(InFlight::join)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Returned<T>>> {
        let Some(first) = self.front_mut() else {
            return Poll::Ready(None);
        };
        first.poll(cx).map(|returned| {
            self.pop_front();
            Some(returned)
        })
    }

    fn items(&self) -> usize {
        self.iter().map(InFlight::items).sum()
    }
}

/// In the order in which they end.
impl<T> Line<T> for Unordered<(), InFlight<T>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn push(&mut self, task: InFlight<T>) {
        self.insert((), task);
    }

    fn next(&mut self) -> Option<Returned<T>> {
        let ((), task) = self.next(Deadline::NEVER)?;
        Some(task.join())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Returned<T>>> {
        match self.poll_next(Some(cx.waker())) {
            Some(((), task)) => Poll::Ready(Some(task.join())),
            None if self.len() == 0 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn items(&self) -> usize {
        self.iter().map(|((), task)| task.items()).sum()
    }
}

/// A map: tasks that are submitted as results are asked for.
pub(super) struct Flow<I: Iterator, F, T, L> {
    pub(super) tasks: Tasks<I, F, T>,
    pub(super) in_flight: L,
    /// The outcomes of the task that was waited for last.
    returned: Option<Returned<T>>,
}

impl<I, F, T, L> Flow<I, F, T, L>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
    L: Line<T>,
{
    pub(super) fn new(pool: &PoolRef, items: I, f: F, line: L) -> Self {
        Self {
            tasks: Tasks::new(pool, items, f),
            in_flight: line,
            returned: None,
        }
    }

    /// Takes the next outcome of the task that was waited for last.
    #[inline]
    fn next_returned(&mut self) -> Option<Outcome<T>> {
        let outcome = self.returned.as_mut()?.next(Tasks::<I, F, T>::NAME);
        if outcome.is_none() {
            self.returned = None;
        }
        outcome
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Outcome<T>> {
        loop {
            if let Some(outcome) = self.next_returned() {
                return Some(outcome);
            }
            while self.in_flight.len() < self.tasks.window {
                match self.tasks.submit() {
                    Some(task) => self.in_flight.push(task),
                    None => break,
                }
            }
            self.returned = Some(self.in_flight.next()?);
        }
    }

    pub(super) fn poll_next(&mut self, waker: &Waker) -> Poll<Option<Outcome<T>>> {
        let cx = &mut Context::from_waker(waker);
        loop {
            if let Some(outcome) = self.next_returned() {
                return Poll::Ready(Some(outcome));
            }
            let mut waits_for_room = false;
            while self.in_flight.len() < self.tasks.window && !waits_for_room {
                match self.tasks.poll_submit(cx) {
                    Poll::Ready(Some(task)) => self.in_flight.push(task),
                    Poll::Ready(None) => break,
                    Poll::Pending => waits_for_room = true,
                }
            }
            match self.in_flight.poll_next(cx) {
                Poll::Ready(Some(returned)) => self.returned = Some(returned),
                Poll::Ready(None) if waits_for_room => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        let returned = self.returned.as_ref().map_or(0, Returned::len);
        self.tasks.size_hint(self.in_flight.items() + returned)
    }
}
