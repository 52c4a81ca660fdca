//! Items that were taken, and are not done.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use workmill_jobs::Sendable;

use super::held::sealed::Item;
use super::held::{Guard, Kept, Order, encode_item};
use super::near::Near;
use super::passing::Side;
use super::registry::There;
use super::wire::{Request, Verb};

/// An item that this worker has of a queue of its parent. Its drop reports it done.
pub(super) struct Lease {
    there: There,
    near: Option<Arc<Near>>,
    /// `None` if it is not leased, or not any more.
    number: Option<u64>,
    /// Whether it was sent ahead, under that number.
    is_ahead: bool,
}

impl Lease {
    /// The lease of a request.
    pub(super) fn new(there: &There, near: Option<&Arc<Near>>, number: u64) -> Self {
        Self {
            there: there.clone(),
            near: near.cloned(),
            number: Some(number),
            is_ahead: false,
        }
    }

    /// An item that was sent ahead, and was taken for good, or as a task.
    pub(super) fn ahead(there: &There, near: &Arc<Near>, number: u64, for_good: bool) -> Self {
        Self {
            there: there.clone(),
            near: Some(Arc::clone(near)),
            number: (!for_good).then_some(number),
            is_ahead: true,
        }
    }

    fn request(&self, verb: Verb, number: u64) -> Request {
        self.there.request(verb, number, self.is_ahead.into())
    }

    /// Reports that the item has arrived, and is the process's.
    pub(super) fn taken(mut self) {
        if let Some(number) = self.number.take() {
            self.there.give_back(Verb::Taken, number);
        }
    }

    /// Puts the item back, or another in place of it.
    fn give_back(mut self, other: &[&[u8]]) {
        if let Some(number) = self.number.take() {
            if let Some(near) = &self.near {
                near.forget();
            }
            let request = self.request(Verb::GiveBack, number);
            self.there.link.tell(request, other);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let link = self.there.link;
        if let Some(number) = self.number.filter(|_| link.is_ours()) {
            if let Some(near) = self.near.as_ref().filter(|_| self.is_ahead) {
                if near.done(link, number) {
                    return;
                }
            }
            let request = self.request(Verb::Done, number);
            link.tell(request, &[]);
        }
    }
}

/// An item that was taken from a [`Queue`](super::Queue), and is reported done when this is
/// dropped, also during unwinding. If the process dies before, the item goes back to the front of
/// its queue.
///
/// It is returned by [`Queue::get_task`](super::Queue::get_task), and owns a share of the queue.
///
/// # Examples
///
/// ```
/// let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let queue = hub.queue(None);
/// queue.put("wash up".to_owned())?;
/// let task = queue.get_task()?;
/// assert_eq!((&**task, queue.unfinished()), ("wash up", 1));
/// task.give_back();
/// drop(queue.get_task()?);
/// queue.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the item is reported done when this is dropped: keep it by `let task = …` while the \
              item is worked on, since `let _ = …` drops it at once"]
pub struct TaskGuard<T: Sendable, O: Order<T>> {
    /// `None` only while the guard is dropped.
    value: Option<T>,
    /// It may not be what is encoded any more.
    is_changed: bool,
    held: Option<Held<T, O>>,
}

enum Held<T: Sendable, O: Order<T>> {
    Here(Guard<T, O>, Arc<Kept<T, O>>),
    There(Lease),
}

const IS_THERE: &str = "it is there until the drop";

impl<T: Sendable, O: Order<T>> TaskGuard<T, O> {
    pub(super) fn here(queue: &Arc<Kept<T, O>>, guard: Guard<T, O>) -> Self {
        // If it cannot be decoded, the drop of its guard reports it done.
        let value = queue.decode(&guard);
        let value = value.unwrap_or_else(|why| panic!("an item cannot be decoded: {why}"));
        Self::new(value, Held::Here(guard, Arc::clone(queue)))
    }

    pub(super) fn there(value: T, lease: Lease) -> Self {
        Self::new(value, Held::There(lease))
    }

    fn new(value: T, held: Held<T, O>) -> Self {
        Self {
            value: Some(value),
            is_changed: false,
            held: Some(held),
        }
    }

    /// Returns the item, and reports it done.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put("bun".to_owned())?;
    /// assert_eq!(queue.get_task()?.into_inner(), "bun");
    /// assert_eq!(queue.unfinished(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(mut self) -> T {
        self.value.take().expect(IS_THERE)
    }

    /// Returns the item to the queue, to be taken by the next get. It remains unfinished. Never
    /// waits.
    ///
    /// It is put in front of all others, in a [`PriorityQueue`](super::PriorityQueue) in front of
    /// those that are equal to it. The queue takes it even if it is full or closed. What was
    /// changed in the item goes back with it; if it cannot be encoded any more, it goes back as it
    /// was.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// queue.get_task()?.give_back();
    /// assert_eq!(queue.get()?, 1); // it is the first again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give_back(mut self) {
        let value = self.value.take().expect(IS_THERE);
        let is_changed = self.is_changed;
        match self.held.take().expect(IS_THERE) {
            Held::Here(mut guard, queue) => {
                if let Some(encoded) = is_changed.then(|| queue.encode(&value).ok()).flatten() {
                    *guard = Item::new(value, encoded).0;
                }
                let _waiting = queue.taking();
                guard.give_back();
            }
            Held::There(lease) => {
                let side = Side::worker(lease.there.link);
                match is_changed.then(|| encode_item(side, &value).ok()).flatten() {
                    Some(encoded) => {
                        let head = encoded.objects.head();
                        lease.give_back(&[&head, &encoded.bytes]);
                    }
                    None => lease.give_back(&[]),
                }
            }
        }
    }
}

impl<T: Sendable, O: Order<T>> Deref for TaskGuard<T, O> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect(IS_THERE)
    }
}

impl<T: Sendable, O: Order<T>> DerefMut for TaskGuard<T, O> {
    fn deref_mut(&mut self) -> &mut T {
        self.is_changed = true;
        self.value.as_mut().expect(IS_THERE)
    }
}

impl<T: Sendable, O: Order<T>> Drop for TaskGuard<T, O> {
    /// The item is dropped before it is reported done, by the drop of the fields, also if its drop
    /// panics.
    fn drop(&mut self) {
        drop(self.value.take());
    }
}

impl<T: Sendable + fmt::Debug, O: Order<T>> fmt::Debug for TaskGuard<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskGuard").field(&**self).finish()
    }
}
