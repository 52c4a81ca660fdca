//! How the parent serves the requests of its workers: what each object does, and what it answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use workmill::timer::timeout;
use workmill::{Event, Latch, OwnedPermit, TryAcquireError};

use super::held::{AnyQueue, HeldItem, NotPut};
use super::keys::Keys;
use super::passing::Encoded;
use super::wire::{Request, Status, Verb, time};
use super::words::Words;
use crate::frame::FrameError;

/// An object, as workers use it.
pub(crate) enum Served {
    Semaphore(Arc<Keys>),
    Event(Arc<Event>),
    Latch(Arc<Latch>),
    Queue(Arc<dyn AnyQueue>),
}

/// Something that a worker has, and that comes back when it dies.
pub(super) enum Lease {
    Permits(OwnedPermit),
    Item(Box<dyn HeldItem>),
}

/// The answer to a request.
pub(super) struct Reply {
    pub(super) status: Status,
    pub(super) number: u64,
    /// What is granted with it. An item goes along.
    pub(super) lease: Option<Lease>,
    pub(super) text: String,
}

pub(super) type Wait = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What becomes of a request.
pub(super) enum Step {
    /// It needs no answer.
    Told,
    Now(Reply),
    Later(Wait),
}

impl Reply {
    fn new(status: Status) -> Self {
        Self {
            status,
            number: 0,
            lease: None,
            text: String::new(),
        }
    }

    fn number(number: impl TryInto<u64>) -> Self {
        Self {
            number: number.try_into().unwrap_or(u64::MAX),
            ..Self::new(Status::Yes)
        }
    }

    fn leased(lease: Lease) -> Self {
        Self {
            lease: Some(lease),
            ..Self::new(Status::Yes)
        }
    }

    fn permits(permits: OwnedPermit) -> Self {
        Self {
            number: permits.permits() as u64,
            ..Self::leased(Lease::Permits(permits))
        }
    }

    fn yes_or_no(yes: bool) -> Self {
        Self::new(if yes { Status::Yes } else { Status::No })
    }

    fn refused(text: String) -> Self {
        Self {
            text,
            ..Self::new(Status::Refused)
        }
    }
}

impl From<TryAcquireError> for Reply {
    fn from(error: TryAcquireError) -> Self {
        Self::new(match error {
            TryAcquireError::NoPermits => Status::No,
            TryAcquireError::TooMany => Status::TooMany,
            _ => Status::Closed,
        })
    }
}

impl From<NotPut> for Reply {
    fn from(error: NotPut) -> Self {
        match error {
            NotPut::Full(_) => Self::new(Status::No),
            NotPut::Closed => Self::new(Status::Closed),
            NotPut::Refused(text) => Self::refused(text),
        }
    }
}

/// Waits, but no longer than a request may. The answer is that of the time when that is over.
fn within(limit: Option<Duration>, wait: impl Future<Output = Reply> + Send + 'static) -> Step {
    Step::Later(match limit {
        None => Box::pin(wait),
        Some(limit) => Box::pin(async move {
            let reply = timeout(limit, wait).await;
            reply.unwrap_or_else(|_| Reply::new(Status::No))
        }),
    })
}

/// Serves what may be there at once, and waits for it if not.
fn now_or_within<W>(
    limit: u64,
    now: impl FnOnce() -> Option<Reply>,
    wait: impl FnOnce() -> W,
) -> Step
where
    W: Future<Output = Reply> + Send + 'static,
{
    match (now(), time(limit)) {
        (Some(reply), _) => Step::Now(reply),
        (None, Some(Duration::ZERO)) => Step::Now(Reply::new(Status::No)),
        (None, limit) => within(limit, wait()),
    }
}

impl Served {
    /// Serves a request that concerns no lease. `item` is what was sent with it.
    pub(super) fn serve(
        &self,
        request: Request,
        item: Option<Encoded>,
        words: &Arc<Words>,
    ) -> Result<Step, FrameError> {
        let step = match self {
            Self::Semaphore(semaphore) => serve_semaphore(semaphore, request),
            Self::Event(event) => serve_event(event, request),
            Self::Latch(latch) => serve_latch(latch, request),
            Self::Queue(queue) => serve_queue(queue, request, item, words),
        };
        // No handle has such a method.
        step.ok_or(FrameError::Kind(request.verb as u8))
    }
}

fn serve_semaphore(keys: &Arc<Keys>, request: Request) -> Option<Step> {
    let Request { first, second, .. } = request;
    let permits = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let reply = match request.verb {
        Verb::Acquire => {
            let many = permits(second);
            let now = || match keys.try_acquire(many) {
                Ok(permits) => Some(Reply::permits(permits)),
                Err(TryAcquireError::NoPermits) => None,
                Err(error) => Some(error.into()),
            };
            let wait = || {
                let keys = Arc::clone(keys);
                async move {
                    let (_wanting, semaphore) = keys.wanted();
                    match semaphore.acquire_many_owned_async(many).await {
                        Ok(permits) => Reply::permits(permits),
                        Err(error) => TryAcquireError::from(error).into(),
                    }
                }
            };
            return Some(now_or_within(first, now, wait));
        }
        Verb::Add => Reply::yes_or_no(keys.wanted().1.add_permits(permits(first)).is_ok()),
        Verb::TakeAway => Reply::number(keys.wanted().1.forget_permits(permits(first))),
        Verb::Drain => Reply::permits(keys.wanted().1.drain_permits_owned()),
        Verb::Available => Reply::number(keys.wanted().1.available_permits()),
        Verb::IsClosed => Reply::number(keys.wanted().1.is_closed()),
        Verb::Close => {
            keys.close();
            return Some(Step::Told);
        }
        _ => return None,
    };
    Some(Step::Now(reply))
}

fn serve_event(event: &Arc<Event>, request: Request) -> Option<Step> {
    match request.verb {
        Verb::Set => event.set(),
        Verb::Clear => event.clear(),
        Verb::IsSet => return Some(Step::Now(Reply::number(event.is_set()))),
        Verb::Wait => {
            let now = || event.is_set().then(|| Reply::new(Status::Yes));
            let wait = || {
                let event = Arc::clone(event);
                async move {
                    event.wait_async().await;
                    Reply::new(Status::Yes)
                }
            };
            return Some(now_or_within(request.first, now, wait));
        }
        _ => return None,
    }
    Some(Step::Told)
}

fn serve_latch(latch: &Arc<Latch>, request: Request) -> Option<Step> {
    match request.verb {
        Verb::CountDown => latch.count_down(),
        Verb::Count => return Some(Step::Now(Reply::number(latch.count()))),
        Verb::Wait => {
            let now = || latch.is_open().then(|| Reply::new(Status::Yes));
            let wait = || {
                let latch = Arc::clone(latch);
                async move {
                    latch.wait_async().await;
                    Reply::new(Status::Yes)
                }
            };
            return Some(now_or_within(request.first, now, wait));
        }
        _ => return None,
    }
    Some(Step::Told)
}

fn serve_queue(
    queue: &Arc<dyn AnyQueue>,
    request: Request,
    item: Option<Encoded>,
    words: &Arc<Words>,
) -> Option<Step> {
    let reply = match request.verb {
        Verb::Put => return serve_put(queue, request, item?, words),
        Verb::PutAhead => {
            // It was accepted when its credit was spent, and there is room.
            let _ = queue.try_put_late(item?);
            if queue.flow()?.arrived(words) {
                queue.end();
            }
            return Some(Step::Told);
        }
        Verb::Get => {
            let now = || match queue.try_get(Some(words)) {
                Ok(item) => Some(Reply::leased(Lease::Item(item))),
                Err(workmill::TryGetError::Empty) => None,
                Err(_) => Some(Reply::new(Status::Closed)),
            };
            let wait = || {
                let get = Arc::clone(queue).get(Arc::clone(words));
                async move {
                    let item = get.await.map(Lease::Item);
                    item.map_or_else(|_| Reply::new(Status::Closed), Reply::leased)
                }
            };
            return Some(now_or_within(request.first, now, wait));
        }
        Verb::Join => {
            let now = || (queue.unfinished() == 0).then(|| Reply::new(Status::Yes));
            let wait = || {
                let join = Arc::clone(queue).join();
                async move {
                    join.await;
                    Reply::new(Status::Yes)
                }
            };
            return Some(now_or_within(request.first, now, wait));
        }
        Verb::TaskDone => Reply::yes_or_no(queue.task_done()),
        Verb::Unfinished => Reply::number(queue.unfinished()),
        Verb::Length => Reply::number(queue.len()),
        Verb::IsClosed => Reply::number(queue.is_closed()),
        Verb::Close => {
            queue.close();
            return Some(Step::Told);
        }
        _ => return None,
    };
    Some(Step::Now(reply))
}

fn serve_put(
    queue: &Arc<dyn AnyQueue>,
    request: Request,
    item: Encoded,
    words: &Arc<Words>,
) -> Option<Step> {
    let item = match queue.try_put(item) {
        Ok(()) => {
            let slot = queue.flow().and_then(|flow| flow.give_credit(words));
            return Some(Step::Now(Reply {
                number: slot.map_or(0, |slot| slot as u64 + 1),
                ..Reply::new(Status::Yes)
            }));
        }
        Err(NotPut::Full(item)) => item,
        Err(error) => return Some(Step::Now(error.into())),
    };
    if request.first == 0 {
        return Some(Step::Now(Reply::new(Status::No)));
    }
    let put = Arc::clone(queue).put(item);
    let wait = async move {
        let put = put.await;
        put.map_or_else(Reply::from, |()| Reply::new(Status::Yes))
    };
    Some(within(time(request.first), wait))
}
