//! Queues of the parent, and the items that workers have of them.
//!
//! The items of a queue are kept encoded, as they came and as they go: code of the user's encodes
//! and decodes them in the threads that put and get. Only the items of a priority queue are decoded
//! by the parent when a worker puts one, since they have to be compared.

use std::cmp::Ordering;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use workmill::{GetError, OwnedTaskGuard, TaskDoneError, TryGetError};
use workmill_jobs::Sendable;

use super::ahead::{Flow, Joining, Waiting};
use super::passing::{Encoded, Side, decode_from, encode_for};
use super::registry::Registry;
use super::words::Words;

pub(crate) type Boxed<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// Why an item was not put.
pub(crate) enum NotPut {
    /// There was no room. The item is that of the error.
    Full(Encoded),
    Closed,
    /// It could not be decoded or compared.
    Refused(String),
}

/// A queue of items of whatever type.
pub(crate) trait AnyQueue: Send + Sync {
    fn try_put(&self, item: Encoded) -> Result<(), NotPut>;
    /// Puts an item that was accepted before the queue was closed.
    fn try_put_late(&self, item: Encoded) -> Result<(), NotPut>;
    fn put(self: Arc<Self>, item: Encoded) -> Boxed<Result<(), NotPut>>;
    /// Takes an item, for a worker or for what it is sent ahead.
    fn try_get(&self, taker: Option<&Arc<Words>>) -> Result<Box<dyn HeldItem>, TryGetError>;
    fn get(self: Arc<Self>, taker: Arc<Words>) -> Boxed<Result<Box<dyn HeldItem>, GetError>>;
    fn join(self: Arc<Self>) -> Boxed<()>;
    /// What goes ahead, if this is done for the queue.
    fn flow(&self) -> Option<&Flow>;
    /// Ends a queue that was closed, when nothing is on its way.
    fn end(&self);
    fn task_done(&self) -> bool;
    fn unfinished(&self) -> usize;
    fn len(&self) -> usize;
    fn close(&self);
    fn is_closed(&self) -> bool;
}

/// An item that was taken, and is not done.
pub(crate) trait HeldItem: Send {
    fn encoded(&self) -> &Encoded;
    /// Reports it done.
    fn done(self: Box<Self>);
    /// Leaves it unfinished.
    fn keep(self: Box<Self>);
    /// Puts it back, or something in place of it.
    fn give_back(self: Box<Self>, other: Option<Encoded>);
}

/// The order of a queue's items: [`Fifo`], [`Lifo`] or [`SmallestFirst`].
///
/// This trait is sealed: no type outside this crate can implement it.
pub trait Order<T>: Sized + Send + Sync + 'static + Keep<T> {}

/// First in, first out: the [`Order`] of a [`JoinableQueue`](super::JoinableQueue).
#[derive(Debug)]
pub enum Fifo {}

/// Last in, first out: the [`Order`] of a [`LifoQueue`](super::LifoQueue).
#[derive(Debug)]
pub enum Lifo {}

/// The smallest item first, and among equal items first in, first out: the [`Order`] of a
/// [`PriorityQueue`](super::PriorityQueue).
#[derive(Debug)]
pub enum SmallestFirst {}

impl<T: Sendable> Order<T> for Fifo {}
impl<T: Sendable> Order<T> for Lifo {}
impl<T: Sendable + Ord> Order<T> for SmallestFirst {}

pub(super) mod sealed {
    use super::{Encoded, Ranked, Sendable, Side, decode_from};
    use super::{Fifo, Lifo, SmallestFirst};

    /// How items are kept.
    pub trait Keep<T> {
        const NAME: &'static str;
        /// Whether items may go ahead.
        const AHEAD: bool;
        type Item: Item<T>;
        type Kept: workmill::Order<Self::Item> + Send + Sync;
    }

    /// An item, as it is kept.
    pub trait Item<T>: Sized + Send + 'static {
        /// Makes it of a value and its encoding. Returns the value, if the item does not have it.
        fn new(value: T, encoded: Encoded) -> (Self, Option<T>);
        /// Returns the value of an item that was not put.
        fn back(self, value: Option<T>) -> Option<T>;
        /// Makes it of an encoding.
        fn read(encoded: Encoded, side: Side) -> Result<Self, String>;
        fn encoded(&self) -> &Encoded;
        fn into_encoded(self) -> Encoded;
        fn into_value(self, side: Side) -> Result<T, String>;
    }

    impl<T: Sendable> Keep<T> for Fifo {
        const NAME: &'static str = "queue";
        const AHEAD: bool = true;
        type Item = Encoded;
        type Kept = workmill::Fifo<Encoded>;
    }

    impl<T: Sendable> Keep<T> for Lifo {
        const NAME: &'static str = "LIFO queue";
        const AHEAD: bool = false;
        type Item = Encoded;
        type Kept = workmill::Lifo<Encoded>;
    }

    impl<T: Sendable + Ord> Keep<T> for SmallestFirst {
        const NAME: &'static str = "priority queue";
        const AHEAD: bool = false;
        type Item = Ranked<T>;
        type Kept = workmill::SmallestFirst<Ranked<T>>;
    }

    impl<T: Sendable> Item<T> for Encoded {
        fn new(value: T, encoded: Encoded) -> (Self, Option<T>) {
            (encoded, Some(value))
        }

        fn back(self, value: Option<T>) -> Option<T> {
            value
        }

        fn read(encoded: Encoded, _: Side) -> Result<Self, String> {
            Ok(encoded)
        }

        fn encoded(&self) -> &Encoded {
            self
        }

        fn into_encoded(self) -> Encoded {
            self
        }

        fn into_value(self, side: Side) -> Result<T, String> {
            decode_from(side, &self.bytes)
        }
    }

    impl<T: Sendable + Ord> Item<T> for Ranked<T> {
        fn new(value: T, encoded: Encoded) -> (Self, Option<T>) {
            (Self { value, encoded }, None)
        }

        fn back(self, _: Option<T>) -> Option<T> {
            Some(self.value)
        }

        fn read(encoded: Encoded, side: Side) -> Result<Self, String> {
            let value = decode_from(side, &encoded.bytes)?;
            Ok(Self { value, encoded })
        }

        fn encoded(&self) -> &Encoded {
            &self.encoded
        }

        fn into_encoded(self) -> Encoded {
            self.encoded
        }

        fn into_value(self, _: Side) -> Result<T, String> {
            Ok(self.value)
        }
    }
}

/// An item that is compared by its value.
#[doc(hidden)]
#[derive(Debug)]
pub struct Ranked<T> {
    value: T,
    encoded: Encoded,
}

impl<T: Ord> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Ranked<T> {}

use sealed::{Item, Keep};

pub(super) type Inner<T, O> = workmill::Queue<<O as Keep<T>>::Item, <O as Keep<T>>::Kept>;
pub(super) type Guard<T, O> = OwnedTaskGuard<<O as Keep<T>>::Item, <O as Keep<T>>::Kept>;

/// A queue of the parent.
pub(super) struct Kept<T: Send + 'static, O: Order<T>> {
    inner: Arc<Inner<T, O>>,
    flow: Option<Flow>,
    home: Arc<Registry>,
}

impl<T: Sendable, O: Order<T>> Kept<T, O> {
    pub(super) fn new(capacity: Option<usize>, home: &Arc<Registry>) -> Self {
        let inner = match capacity {
            Some(capacity) => Inner::<T, O>::bounded(capacity),
            None => Inner::<T, O>::unbounded(),
        };
        Self {
            inner: Arc::new(inner),
            flow: (O::AHEAD && capacity.is_none()).then(Flow::default),
            home: Arc::clone(home),
        }
    }

    /// Returns the queue, for one that puts.
    pub(super) fn putting(&self) -> Result<&Inner<T, O>, Closed> {
        match self.is_closed() {
            true => Err(Closed),
            false => Ok(&self.inner),
        }
    }

    /// Returns the queue, for one that takes an item, or puts one in front.
    pub(super) fn taking(&self) -> (Option<Waiting<'_>>, &Arc<Inner<T, O>>) {
        (self.flow.as_ref().map(Flow::recall), &self.inner)
    }

    /// Reports an item done. Those that are ahead are taken by nobody, so they are recalled.
    pub(super) fn report_done(&self) -> Result<(), TaskDoneError> {
        let (_waiting, inner) = self.taking();
        inner.task_done()
    }

    /// Returns the queue, for one that wants to know what is unfinished.
    pub(super) fn settled(&self) -> &Inner<T, O> {
        if let Some(flow) = &self.flow {
            flow.settle();
        }
        &self.inner
    }

    /// Returns the queue, for one that waits until nothing is unfinished.
    pub(super) fn joining(&self) -> (Option<Joining<'_>>, &Inner<T, O>) {
        (self.flow.as_ref().map(Flow::join), &self.inner)
    }

    /// Returns where the items come from and go to.
    fn side(&self) -> Side {
        Side::parent(&self.home)
    }

    /// Encodes an item of this process.
    pub(super) fn encode(&self, value: &T) -> Result<Encoded, String> {
        encode_item(self.side(), value)
    }

    /// Decodes an item for this process.
    pub(super) fn value(&self, item: O::Item) -> Result<T, String> {
        item.into_value(self.side())
    }

    /// Decodes an item for this process, which stays.
    pub(super) fn decode(&self, item: &O::Item) -> Result<T, String> {
        decode_from(self.side(), &item.encoded().bytes)
    }
}

/// The queue was closed.
pub(super) struct Closed;

/// The bytes that an item may have, so that it fits into a message.
const MOST: usize = u32::MAX as usize - (1 << 20);

/// Encodes an item.
pub(super) fn encode_item<T: Sendable>(side: Side, value: &T) -> Result<Encoded, String> {
    let mut bytes = Vec::new();
    let encode = || encode_for(side, value, &mut bytes);
    let (encoded, refused) = crate::passing::without_descriptors(encode);
    let objects = encoded.map_err(|error| refused.unwrap_or(error))?;
    match bytes.len() {
        0..=MOST => Ok(Encoded { bytes, objects }),
        _ => Err("it is larger than 4 GiB".to_owned()),
    }
}

/// Makes an item of what a worker has sent. That may be code of the user's.
fn read<T: Sendable, O: Order<T>>(
    home: &Arc<Registry>,
    encoded: Encoded,
) -> Result<O::Item, NotPut> {
    let side = Side::parent(home);
    match catch_unwind(AssertUnwindSafe(|| O::Item::read(encoded, side))) {
        Ok(read) => read.map_err(|why| NotPut::Refused(format!("it cannot be decoded: {why}"))),
        Err(payload) => {
            std::mem::forget(payload);
            Err(NotPut::Refused("its decoding panicked".to_owned()))
        }
    }
}

/// Calls what may compare items of the user's.
fn comparing<R>(call: impl FnOnce() -> Result<R, NotPut>) -> Result<R, NotPut> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        std::mem::forget(payload);
        Err(NotPut::Refused(
            "its comparison with others panicked".to_owned(),
        ))
    })
}

impl<T: Sendable, O: Order<T>> AnyQueue for Kept<T, O> {
    fn try_put(&self, item: Encoded) -> Result<(), NotPut> {
        self.putting().map_err(|Closed| NotPut::Closed)?;
        self.try_put_late(item)
    }

    fn try_put_late(&self, item: Encoded) -> Result<(), NotPut> {
        let item = read::<T, O>(&self.home, item)?;
        comparing(|| {
            let put = self.inner.try_put(item);
            put.map_err(|error| match error.is_full() {
                true => NotPut::Full(error.into_inner().into_encoded()),
                false => NotPut::Closed,
            })
        })
    }

    fn put(self: Arc<Self>, item: Encoded) -> Boxed<Result<(), NotPut>> {
        Box::pin(async move {
            let item = read::<T, O>(&self.home, item)?;
            let mut put = pin!(self.inner.put_async(item));
            poll_fn(|context| {
                let polled = comparing(|| Ok(put.as_mut().poll(context)));
                match polled {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(put)) => Poll::Ready(put.map_err(|_| NotPut::Closed)),
                    Err(error) => Poll::Ready(Err(error)),
                }
            })
            .await
        })
    }

    fn try_get(&self, taker: Option<&Arc<Words>>) -> Result<Box<dyn HeldItem>, TryGetError> {
        let flow = self.flow.as_ref().zip(taker);
        let _waiting = flow.map(|(flow, taker)| flow.recall_for(Some(taker)));
        let guard = self.inner.try_get_task_owned()?;
        Ok(self.held(guard))
    }

    fn get(self: Arc<Self>, taker: Arc<Words>) -> Boxed<Result<Box<dyn HeldItem>, GetError>> {
        Box::pin(async move {
            let flow = self.flow.as_ref();
            let _waiting = flow.map(|flow| flow.recall_for(Some(&taker)));
            let guard = self.inner.get_task_owned_async().await?;
            Ok(self.held(guard))
        })
    }

    fn flow(&self) -> Option<&Flow> {
        self.flow.as_ref()
    }

    fn end(&self) {
        self.inner.close();
    }

    fn join(self: Arc<Self>) -> Boxed<()> {
        Box::pin(async move {
            let _joining = self.flow.as_ref().map(Flow::join);
            // No consumers are counted, so it is not abandoned.
            let _ = self.inner.join_async().await;
        })
    }

    fn task_done(&self) -> bool {
        self.report_done().is_ok()
    }

    fn unfinished(&self) -> usize {
        self.settled().unfinished()
    }

    fn len(&self) -> usize {
        self.inner.len() + self.flow.as_ref().map_or(0, Flow::len)
    }

    fn close(&self) {
        if self.flow.as_ref().is_none_or(Flow::close) {
            self.end();
        }
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed() || self.flow.as_ref().is_some_and(Flow::is_closing)
    }
}

impl<T: Sendable, O: Order<T>> Kept<T, O> {
    fn held(&self, guard: Guard<T, O>) -> Box<dyn HeldItem> {
        let home = Arc::clone(&self.home);
        Box::new(Held::<T, O> { guard, home })
    }
}

/// An item that a worker has.
struct Held<T: Send + 'static, O: Order<T>> {
    guard: Guard<T, O>,
    home: Arc<Registry>,
}

impl<T: Sendable, O: Order<T>> HeldItem for Held<T, O> {
    fn encoded(&self) -> &Encoded {
        self.guard.encoded()
    }

    fn done(self: Box<Self>) {
        drop(self.guard);
    }

    fn keep(self: Box<Self>) {
        // Its drop may be code of the user's.
        let item = self.guard.into_unfinished();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(item))).map_err(std::mem::forget);
    }

    fn give_back(mut self: Box<Self>, other: Option<Encoded>) {
        // An item that cannot be decoded or compared any more goes back as it was, or not at all.
        let other = other.and_then(|other| read::<T, O>(&self.home, other).ok());
        if let Some(item) = other {
            *self.guard = item;
        }
        let _ = comparing(|| {
            self.guard.give_back();
            Ok(())
        });
    }
}
