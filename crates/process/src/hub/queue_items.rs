//! How items are made of values, and values of items, for the puts and gets of a queue.

use workmill::{PutError, TryPutError};
use workmill_jobs::Sendable;

use super::held::sealed::Item;
use super::held::{Kept, Order, encode_item};
use super::passing::{Encoded, Side, decode_from};
use super::registry::There;
use super::wire::item;

/// Makes an item of a value of this process. `None` goes to a queue that keeps the value in it.
pub(super) trait NewOf<T: Send + 'static, O: Order<T>>: Sized {
    fn new_of(queue: &Kept<T, O>, value: T) -> (Self, Option<T>);
}

impl<T: Sendable, O: Order<T>> NewOf<T, O> for O::Item {
    fn new_of(queue: &Kept<T, O>, value: T) -> (Self, Option<T>) {
        match queue.encode(&value) {
            Ok(encoded) => Item::new(value, encoded),
            Err(why) => panic!("the item cannot be encoded: {why}"),
        }
    }
}

pub(super) fn not_put<T: Sendable, O: Order<T>>(
    error: TryPutError<O::Item>,
    value: Option<T>,
) -> TryPutError<T> {
    let is_full = error.is_full();
    let value = error.into_inner().back(value);
    let value = value.expect("the item or the caller has it");
    match is_full {
        true => TryPutError::full(value),
        false => PutError::new(value).into(),
    }
}

/// The error of a put without a time limit.
pub(super) fn for_good<T>(error: TryPutError<T>) -> PutError<T> {
    PutError::new(error.into_inner())
}

/// An item that is about to be sent to the parent.
pub(super) struct Outgoing {
    head: Vec<u8>,
    encoded: Encoded,
}

impl Outgoing {
    pub(super) fn new<T: Sendable>(there: &There, value: &T) -> Self {
        match encode_item(Side::worker(there.link), value) {
            Ok(encoded) => Self {
                head: encoded.objects.head(),
                encoded,
            },
            Err(why) => panic!("the item cannot be encoded: {why}"),
        }
    }

    pub(super) fn parts(&self) -> [&[u8]; 2] {
        [&self.head, &self.encoded.bytes]
    }
}

pub(super) const SAME_VERSION: &str = "the parent speaks our version of the protocol";

pub(super) fn decode_there<T: Sendable>(there: &There, item: &[u8]) -> T {
    let (_, value) = item::parse(item).expect(SAME_VERSION);
    match decode_from(Side::worker(there.link), value) {
        Ok(value) => value,
        Err(why) => panic!("an item cannot be decoded: {why}"),
    }
}

pub(super) fn value_here<T: Sendable, O: Order<T>>(queue: &Kept<T, O>, item: O::Item) -> T {
    match queue.value(item) {
        Ok(value) => value,
        Err(why) => {
            let _ = queue.report_done();
            panic!("an item cannot be decoded: {why}")
        }
    }
}
