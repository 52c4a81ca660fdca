//! The objects of a hub, and the handles to them.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ahead::Flow;
use super::near::{Near, Nears};
use super::passing::{Where, pass};
use super::served::Served;
use super::wire::{Answer, Request, Verb};
use crate::sys::Link;

/// The objects of one hub, by number. An object is kept by its handles in this process, by
/// everything encoded that names it, and for the processes that have handles of it.
pub(crate) struct Registry {
    /// No other hub has it, in this process or in one of its family.
    number: u64,
    next: AtomicU64,
    objects: Mutex<HashMap<u64, Weak<Object>>>,
}

impl Registry {
    pub(crate) fn new() -> Arc<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed: only the number counts, and each caller gets another.
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            number: u64::from(std::process::id()) << 32 | made & u64::from(u32::MAX),
            next: AtomicU64::new(1),
            objects: Mutex::default(),
        })
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<u64, Weak<Object>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an object in.
    pub(super) fn add<W: Any + Send + Sync>(
        self: &Arc<Self>,
        what: Arc<W>,
        served: Served,
    ) -> Handle<W> {
        // ORDERING: Relaxed: only the number counts, and each caller gets another.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let object = Arc::new(Object {
            number,
            home: Arc::downgrade(self),
            hub: self.number,
            what: Arc::clone(&what) as Arc<dyn Any + Send + Sync>,
            served,
        });
        self.objects().insert(number, Arc::downgrade(&object));
        Handle::Here { what, object }
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Object>> {
        self.objects().get(&number)?.upgrade()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// Something that processes share, and that lives in the parent.
pub(crate) struct Object {
    pub(super) number: u64,
    home: Weak<Registry>,
    hub: u64,
    what: Arc<dyn Any + Send + Sync>,
    pub(super) served: Served,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} of {})", self.number, self.hub)
    }
}

impl Object {
    /// Returns what goes ahead of it, if it is a queue for which that is done.
    pub(super) fn flow(&self) -> Option<&Flow> {
        match &self.served {
            Served::Queue(queue) => queue.flow(),
            _ => None,
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.objects().remove(&self.number);
        }
    }
}

/// A handle to an object: in the parent the object itself, in a worker the way to it.
pub(super) enum Handle<W> {
    Here { what: Arc<W>, object: Arc<Object> },
    There(There),
}

// As the objects of workmill are: each call leaves them whole.
impl<W> UnwindSafe for Handle<W> {}
impl<W> RefUnwindSafe for Handle<W> {}

/// The way to an object of the parent.
#[derive(Clone)]
pub(super) struct There {
    pub(super) link: &'static Link,
    hub: u64,
    number: u64,
    /// While there is a share of this, the parent keeps the object for this process.
    pub(super) near: Arc<Near>,
}

impl<W> Clone for Handle<W> {
    fn clone(&self) -> Self {
        match self {
            Self::Here { what, object } => Self::Here {
                what: Arc::clone(what),
                object: Arc::clone(object),
            },
            Self::There(there) => Self::There(there.clone()),
        }
    }
}

impl<W: Any + Send + Sync> Handle<W> {
    /// Encodes the handle, and a detail that all handles of the object know.
    pub(super) fn encode<S: Serializer>(
        &self,
        kind: &str,
        detail: u64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let numbers = pass(kind, |passing| match (self, &passing.side) {
            (Self::Here { object, .. }, Where::Parent(hub)) if object.hub == hub.number => {
                passing.objects.here.push(Arc::clone(object));
                Ok((object.hub, object.number))
            }
            (Self::There(there), Where::Worker(_)) => {
                passing.objects.there.push(Arc::clone(&there.near));
                Ok((there.hub, there.number))
            }
            (Self::Here { .. }, Where::Parent(_)) => Err(format!(
                "the {kind} was made by another hub; a handle goes to the processes of its own hub \
                 only"
            )),
            (Self::Here { .. }, Where::Worker(_)) => Err(format!(
                "the {kind} was made by a hub of this process, and cannot go to its parent"
            )),
            (Self::There(_), Where::Parent(_)) => Err(format!(
                "the {kind} belongs to a hub of the parent of this process, and cannot go on to a \
                 process that this one has started"
            )),
        });
        let (hub, number) = numbers.map_err(S::Error::custom)?;
        (hub, number, detail).serialize(serializer)
    }

    /// Decodes a handle and its detail.
    pub(super) fn decode<'de, D: Deserializer<'de>>(
        kind: &str,
        deserializer: D,
    ) -> Result<(Self, u64), D::Error> {
        pass(kind, |_| Ok(())).map_err(D::Error::custom)?;
        let (hub, number, detail) = <(u64, u64, u64)>::deserialize(deserializer)?;
        let handle = pass(kind, |passing| match &passing.side {
            Where::Worker(link) => Ok(Self::There(There {
                link,
                hub,
                number,
                near: Nears::get(link, number),
            })),
            Where::Parent(home) if home.number == hub => {
                let object = home.get(number);
                let object = object.ok_or_else(|| format!("the {kind} is gone"))?;
                let what = Arc::clone(&object.what).downcast();
                let what = what.map_err(|_| format!("the {kind} is something else"))?;
                Ok(Self::Here { what, object })
            }
            Where::Parent(_) => Err(format!("the {kind} is one of another hub")),
        });
        Ok((handle.map_err(D::Error::custom)?, detail))
    }
}

impl There {
    /// Sends a request that gets no answer.
    pub(super) fn tell(&self, verb: Verb, first: u64) {
        self.link.tell(self.request(verb, first, 0), &[]);
    }

    /// Gives a lease back. In a copy of the process, made by `fork`, this does nothing.
    pub(super) fn give_back(&self, verb: Verb, lease: u64) {
        if self.link.is_ours() {
            self.tell(verb, lease);
        }
    }

    /// Sends a request, and blocks until it is answered. Returns its number, and the answer.
    pub(super) fn ask(&self, verb: Verb, first: u64, second: u64) -> (u64, Answer) {
        let (number, body) = self.link.ask(self.request(verb, first, second), &[]);
        (number, answer(&body).0)
    }

    /// Sends a request, and waits for its answer without blocking.
    pub(super) async fn ask_async(&self, verb: Verb, first: u64, second: u64) -> (u64, Answer) {
        let request = self.request(verb, first, second);
        let (number, body) = self.link.ask_async(request, &[]).await;
        (number, answer(&body).0)
    }

    /// Asks for a number.
    pub(super) fn number(&self, verb: Verb, first: u64) -> usize {
        let (_, answer) = self.ask(verb, first, 0);
        usize::try_from(answer.number).unwrap_or(usize::MAX)
    }

    pub(super) fn request(&self, verb: Verb, first: u64, second: u64) -> Request {
        Request::new(verb, self.number, first, second)
    }
}

/// Parses an answer, which comes from the parent.
pub(super) fn answer(body: &[u8]) -> (Answer, &[u8]) {
    Answer::parse(body).expect("the parent speaks our version of the protocol")
}
