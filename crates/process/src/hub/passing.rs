//! Handles in what is encoded and decoded: the arguments and results of jobs, and items of queues.
//!
//! A handle is encoded as the numbers of its hub and its object, which mean something to one other
//! process only. So the code that encodes says first where the bytes go, in a variable of its
//! thread, and a handle looks there. The objects that the bytes name are collected beside them:
//! they are kept for as long as the bytes, and the process that gets the bytes may use them.
//!
//! The errors of handles are kept there, too: postcard drops the text of an error that a
//! [`Serialize`] returns.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use workmill_jobs::executors::{decode, encode};

use super::near::Near;
use super::registry::{Object, Registry};
use super::wire::item;
use crate::sys::Link;

/// Where bytes go, or come from.
#[derive(Clone)]
pub struct Side(pub(super) Where);

#[derive(Clone)]
pub(super) enum Where {
    /// This process is the parent, and the bytes are for or from a process of this hub.
    Parent(Arc<Registry>),
    /// This process is a worker, and the bytes are for or from its parent.
    Worker(&'static Link),
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Where::Parent(_) => "Parent",
            Where::Worker(_) => "Worker",
        })
    }
}

impl Side {
    /// This process is the parent, and the bytes are for or from a process of this hub.
    pub(crate) fn parent(hub: &Arc<Registry>) -> Self {
        Self(Where::Parent(Arc::clone(hub)))
    }

    /// This process is a worker, and the bytes are for or from its parent.
    pub(crate) fn worker(link: &'static Link) -> Self {
        Self(Where::Worker(link))
    }
}

/// Encoded bytes, and the objects that they name.
#[derive(Debug, Clone, Default)]
pub struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) objects: Objects,
}

/// The objects that encoded bytes name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    /// Parent: the objects. Worker: nothing.
    pub(crate) here: Vec<Arc<Object>>,
    /// Worker: what it has of them. Parent: nothing.
    pub(crate) there: Vec<Arc<Near>>,
}

impl Objects {
    /// Worker: returns the beginning of an item that names them.
    pub(crate) fn head(&self) -> Vec<u8> {
        item::head(self.there.iter().map(|near| near.number()))
    }
}

/// Bytes that are being encoded or decoded.
pub(super) struct Passing {
    pub(super) side: Where,
    pub(super) objects: Objects,
    /// Why a handle cannot go there.
    refused: Option<String>,
}

thread_local! {
    static PASSING: RefCell<Option<Passing>> = const { RefCell::new(None) };
}

impl Passing {
    fn new(side: Side) -> Self {
        Self {
            side: side.0,
            objects: Objects::default(),
            refused: None,
        }
    }
}

/// Puts back what was there before, also when a `Serialize` panics.
struct Restore(Option<Passing>);

impl Restore {
    fn begin(side: Side) -> Self {
        Self(PASSING.with(|it| it.replace(Some(Passing::new(side)))))
    }

    fn end(self) -> Passing {
        PASSING.with(RefCell::take).expect("it was begun")
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        PASSING.with(|it| it.replace(self.0.take()));
    }
}

/// Appends an encoded value to a buffer. If that fails, the buffer is as before, and the error says
/// why.
pub(crate) fn encode_for<T: Serialize + ?Sized>(
    side: Side,
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<Objects, String> {
    let passing = Restore::begin(side);
    let encoded = encode(value, buffer);
    let passing = passing.end();
    match encoded {
        Ok(()) => Ok(passing.objects),
        Err(error) => Err(passing.refused.unwrap_or_else(|| error.to_string())),
    }
}

/// Decodes a value. If that fails the error says why.
pub(crate) fn decode_from<T: DeserializeOwned>(side: Side, bytes: &[u8]) -> Result<T, String> {
    let passing = Restore::begin(side);
    let decoded = decode(bytes);
    let passing = passing.end();
    decoded.map_err(|error| passing.refused.unwrap_or_else(|| error.to_string()))
}

/// Notes that this thread is about to encode or decode for a side, or (`None`) that it is not any
/// more. Returns what was named meanwhile, and why a handle was refused.
pub(crate) fn set(side: Option<Side>) -> (Objects, Option<String>) {
    let passing = side.map(Passing::new);
    let ended = PASSING.with(|it| it.replace(passing));
    ended.map_or_else(Default::default, |it| (it.objects, it.refused))
}

/// Calls `look` with the bytes that are being encoded or decoded.
///
/// # Errors
///
/// What `look` says, or that nothing is being encoded: why a handle of that kind cannot go there.
pub(super) fn pass<R>(
    kind: &str,
    look: impl FnOnce(&mut Passing) -> Result<R, String>,
) -> Result<R, String> {
    PASSING.with(|passing| {
        let mut passing = passing.borrow_mut();
        let Some(passing) = &mut *passing else {
            let why = format!(
                "a {kind} of a hub is encoded and decoded only as an argument or the result of a \
                 job, or in an item of a queue of its hub"
            );
            crate::passing::note(&why);
            return Err(why);
        };
        look(passing).inspect_err(|why| passing.refused = Some(why.clone()))
    })
}
