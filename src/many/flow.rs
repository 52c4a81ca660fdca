//! How the items of a map become tasks, and tasks outcomes.

use std::future::Future;
use std::iter::Fuse;
use std::pin::Pin;
use std::sync::Arc;
// The standard library's under the model, too: it is a hint.
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use super::line::{InFlight, Line};
use super::outcomes::{Outcomes, Returned, call_several};
use crate::error::{JoinError, TrySubmitError};
use crate::executor::PoolRef;
use crate::handle::JoinHandle;
use crate::name::Name;
use crate::pool::PoolLink;
use crate::task::cell::Outcome;

/// The number of tasks in flight for each of the pool's threads, unless
/// [`Map::window`](super::Map::window) says otherwise.
pub(super) const WINDOW_PER_THREAD: usize = 16;

/// The tasks that are still to be submitted.
pub(super) struct Tasks<I: Iterator, F, T> {
    pool: PoolRef,
    items: Fuse<I>,
    f: Arc<F>,
    pub(super) window: usize,
    /// Whether the user has set the window.
    is_fixed: bool,
    pub(super) chunk: usize,
    /// By which chunks that have begun see that the map is dropped.
    wanted: Wanted,
    /// A task that waits for room in the pool, if it is submitted without blocking.
    submission: Option<(Submission<T>, usize)>,
}

type Submission<T> = Pin<Box<dyn Future<Output = InFlight<T>> + Send>>;

/// Whether results are wanted: until the map, which has this, is dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// One call, or several calls one after the other.
enum Calls<F, A> {
    One(Arc<F>, A),
    /// With the word that says whether the results are still wanted.
    Several(Arc<F>, Vec<A>, Arc<AtomicBool>),
}

impl<F, A> Calls<F, A> {
    fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Several(_, items, _) => items.len(),
        }
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
            is_fixed: false,
            chunk: 1,
            wanted: Wanted(Arc::new(AtomicBool::new(true))),
            submission: None,
        }
    }

    pub(super) fn set_window(&mut self, tasks: usize) {
        assert!(tasks > 0, "a window of 0 tasks lets nothing through");
        (self.window, self.is_fixed) = (tasks, true);
    }

    pub(super) fn set_chunk(&mut self, items: usize) {
        assert!(items > 0, "a chunk has at least 1 item");
        self.chunk = items;
    }

    /// Returns the number of tasks that may be in flight.
    fn window(&self, doublings: u32) -> usize {
        match self.is_fixed {
            true => self.window,
            false => self.window.saturating_mul(1 << doublings),
        }
    }

    /// Takes the items of the next task.
    fn next_calls(&mut self) -> Option<Calls<F, I::Item>> {
        let f = Arc::clone(&self.f);
        if self.chunk == 1 {
            return Some(Calls::One(f, self.items.next()?));
        }
        let items: Vec<_> = self.items.by_ref().take(self.chunk).collect();
        let wanted = Arc::clone(&self.wanted.0);
        (!items.is_empty()).then_some(Calls::Several(f, items, wanted))
    }

    /// Submits the next task, if there are items left.
    fn submit(&mut self) -> Option<InFlight<T>> {
        let calls = self.next_calls()?;
        let pool = &self.pool;
        Some(match calls {
            Calls::One(f, item) => InFlight::One(pool.submit(move || f(item)).cancel_on_drop()),
            Calls::Several(f, items, wanted) => {
                let count = items.len();
                let link = pool.pool.link;
                let handle = pool.submit(move || call_several(&*f, items, &wanted, link));
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
            Calls::Several(f, items, wanted) => {
                let count = items.len();
                let call = move || call_several(&*f, items, &wanted, link);
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

/// A map: tasks that are submitted as results are asked for.
pub(super) struct Flow<I: Iterator, F, T, L> {
    pub(super) tasks: Tasks<I, F, T>,
    pub(super) in_flight: L,
    /// The outcomes of the task that was waited for last.
    returned: Outcomes<T>,
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
            returned: Outcomes::none(pool.pool.link),
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Outcome<T>> {
        match self.returned.next_value() {
            Some(value) => Some(Ok(value)),
            None => self.next_beyond(),
        }
    }

    /// Returns the next outcome after the values that are there.
    // Apart, so that a loop over the values is a small one.
    #[inline(never)]
    fn next_beyond(&mut self) -> Option<Outcome<T>> {
        loop {
            if let Some(outcome) = self.next_returned() {
                return Some(outcome);
            }
            let window = self.tasks.window(self.in_flight.doublings());
            while self.in_flight.len() < window {
                match self.tasks.submit() {
                    Some(task) => self.in_flight.push(task),
                    None => break,
                }
            }
            let returned = self.in_flight.next()?;
            if let Some(outcome) = self.take_in(returned) {
                return Some(outcome);
            }
        }
    }

    /// Takes the next outcome of the task that was waited for last.
    fn next_returned(&mut self) -> Option<Outcome<T>> {
        let value = self.returned.next_value().map(Ok);
        value.or_else(|| self.returned.next_error().map(Err))
    }

    /// Takes what a task has returned. Returns the outcome, if that is one.
    fn take_in(&mut self, returned: Returned<T>) -> Option<Outcome<T>> {
        // These errors have the name of a closure of ours.
        let named = |error: JoinError| error.named(Tasks::<I, F, T>::NAME);
        match returned {
            Returned::One(outcome) => return Some(outcome.map_err(named)),
            Returned::Several(outcomes) => self.returned = outcomes,
            Returned::Failed(error, count) => {
                let link = self.tasks.pool.pool.link;
                self.returned = Outcomes::failed(&named(error), count, link);
            }
        }
        None
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
                Poll::Ready(Some(returned)) => {
                    if let Some(outcome) = self.take_in(returned) {
                        return Poll::Ready(Some(outcome));
                    }
                }
                Poll::Ready(None) if waits_for_room => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        let items = self.in_flight.items() + self.returned.len();
        self.tasks.size_hint(items)
    }
}
