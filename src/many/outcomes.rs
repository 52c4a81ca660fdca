//! The values and panics that the tasks of a map return.

// The standard library's under the model, too: it is a hint.
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec;

use crate::error::JoinError;
use crate::name::Name;
use crate::pool::PoolLink;
use crate::task::cell::Outcome;
use crate::unwind::{self, Payload};

/// The outcomes that a task of a map has returned.
pub(super) enum Returned<T> {
    One(Outcome<T>),
    Several(Outcomes<T>),
    /// The task did not return. Each of its items has this error.
    Failed(JoinError, usize),
}

impl<T> Returned<T> {
    pub(super) fn of_several(outcome: Outcome<Outcomes<T>>, count: usize) -> Self {
        match outcome {
            Ok(outcomes) => Self::Several(outcomes),
            Err(error) => Self::Failed(error, count),
        }
    }
}

/// The outcomes of several items, in their order. A panic among them that nobody takes goes to the
/// pool's handler.
pub(super) struct Outcomes<T> {
    /// The values before the next error.
    values: vec::IntoIter<T>,
    /// The errors, each with the values that follow it. There are few.
    errors: vec::IntoIter<(JoinError, Vec<T>)>,
    link: PoolLink,
}

impl<T> Outcomes<T> {
    pub(super) fn none(link: PoolLink) -> Self {
        Self::new(Vec::new(), Vec::new(), link)
    }

    /// Returns the outcomes of `count` items that all have the same error.
    pub(super) fn failed(error: &JoinError, count: usize, link: PoolLink) -> Self {
        let errors = (0..count).map(|_| (error.share(), Vec::new()));
        Self::new(Vec::new(), errors.collect(), link)
    }

    fn new(values: Vec<T>, errors: Vec<(JoinError, Vec<T>)>, link: PoolLink) -> Self {
        let (values, errors) = (values.into_iter(), errors.into_iter());
        Self {
            values,
            errors,
            link,
        }
    }

    /// Takes the next value before the next error.
    #[inline]
    pub(super) fn next_value(&mut self) -> Option<T> {
        self.values.next()
    }

    /// Takes the next error, after all the values before it.
    pub(super) fn next_error(&mut self) -> Option<JoinError> {
        let (error, values) = self.errors.next()?;
        self.values = values.into_iter();
        Some(error)
    }

    pub(super) fn len(&self) -> usize {
        let errors = self.errors.as_slice().iter();
        self.values.len() + errors.map(|(_, values)| 1 + values.len()).sum::<usize>()
    }
}

impl<T> Drop for Outcomes<T> {
    fn drop(&mut self) {
        self.values.by_ref().for_each(unwind::discard);
        for (error, values) in self.errors.by_ref() {
            let payload = error.take_payload();
            payload
                .into_iter()
                .for_each(|payload| self.link.report(payload));
            values.into_iter().for_each(unwind::discard);
        }
    }
}

/// Calls `f` with each item, until nobody wants the results. A panic in one call does not keep it
/// from the next.
pub(super) fn call_several<F, A, T>(
    f: &F,
    items: Vec<A>,
    wanted: &AtomicBool,
    link: PoolLink,
) -> Outcomes<T>
where
    F: Fn(A) -> T,
{
    let name = const { &Name::of::<F>() };
    let mut items = items.into_iter();
    let (first, mut panic) = call_until_panic(f, &mut items, wanted);
    let mut errors = Vec::new();
    while let Some(payload) = panic {
        // Before the next call, which may panic as well.
        let error = JoinError::of_panic(payload, name);
        let values;
        (values, panic) = call_until_panic(f, &mut items, wanted);
        errors.push((error, values));
    }
    Outcomes::new(first, errors, link)
}

/// Calls `f` with each item up to the first call that panics, or until nobody wants the results.
/// Returns the values of the others.
fn call_until_panic<F, A, T>(
    f: &F,
    items: &mut vec::IntoIter<A>,
    wanted: &AtomicBool,
) -> (Vec<T>, Option<Payload>)
where
    F: Fn(A) -> T,
{
    let mut values = Vec::with_capacity(items.len());
    // Around all calls, since most do not panic, and so `f` can be inlined.
    let calls = unwind::catch(|| {
        // ORDERING: Relaxed. It orders nothing.
        let wanted = items.take_while(|_| wanted.load(Ordering::Relaxed));
        wanted.for_each(|item| values.push(f(item)));
    });
    if calls.is_err() {
        values.shrink_to_fit();
    }
    (values, calls.err())
}
