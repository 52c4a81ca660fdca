//! What one worker has of the hub, and what it waits for: its leases.
//!
//! # Who does what
//!
//! The driver of a worker process (`pool/drive.rs`) has all of this for itself, with no lock around
//! it. It reads the requests of the worker from its socket, one after the other, and serves each:
//! at once, or it keeps a future that waits, in [`Leases::waits`]. The waker of such a future notes
//! the number of its request in [`Ready`], and wakes the driver, which then polls that future and
//! no other. What is granted is a *lease*: the permit, or the guard of the item, lies in
//! [`Leases::held`] under the number of the request, and then the answer is put into the buffer
//! that the driver writes.
//!
//! The worker gives a lease back by a message without an answer. A message has effect in the order
//! in which it was sent, with the answers to jobs, since all go through one socket: what a job has
//! released is free before its handle resolves.
//!
//! # Death
//!
//! When the driver sees that the process is dead, it reads what is left in the socket, and then
//! [ends](Leases::end) the leases: it drops the futures that wait, and gives back what is held.
//! Only then the jobs of the process get their outcomes.
//!
//! Why nothing is lost: a permit or an item of the hub is at any time in one of three places: in
//! its object, in a future that waits, or in `held`. It goes from the first to the second by the
//! object's own protocol, and a future that is dropped passes on what it was granted. It goes from
//! the second to the third in one step of the driver, in [`Leases::poll_ready`]. The driver alone
//! also sees the death. So a grant comes before the death, and is in `held`, or after it, and the
//! future was dropped: there is nothing in between. Whether the answer was written, or read, makes
//! no difference. (Permits that are released without a message, and items that were sent ahead, are
//! not in `held`, but in lists of their object: `keys.rs`, `ahead.rs`. They come there in the same
//! step of the driver, and are taken out of there in the same step at the death.)
//!
//! Why nothing is doubled: a lease leaves `held` by a message or by the death, whichever is first,
//! and only once. A message that names no lease of the process, because it comes a second time, or
//! is made up, has no effect.
//!
//! An item that a worker takes by `get` is reported when it has arrived there, before `get`
//! returns, by a message, or by its word if it was sent ahead; before that the item is un-acked,
//! and goes back to the front of its queue when the worker dies. So it can be taken twice only if
//! `get` has not returned. One that was taken by `get_task` is a lease until its guard is dropped.
//!
//! # How long a process has an object
//!
//! [`Leases::objects`] counts how many handles of an object the process was sent, in jobs and in
//! items. The process counts how many have come, and says so when it has none of them any more, nor
//! a lease ([`Verb::Gone`]). If more were sent, these are on their way, and the object stays. A
//! result that names objects keeps them: the process says which, before it, and drops its handles
//! after it ([`Verb::Returns`]).
//!
//! # Giving up
//!
//! The time limit of a wait is kept here, not in the worker: its future is one with a time limit,
//! and answers that the time is over. So a grant and the end of the time do not race: each request
//! has one answer. A future of the worker that is dropped before its answer *abandons* its request:
//! if it waits, its future is dropped, and if something was granted, that comes back. The worker
//! drops an answer for which nobody waits.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use workmill::OwnedPermit;

use super::ahead::Flow;
use super::held::{AnyQueue, HeldItem};
use super::keys::Keys;
use super::passing::{Encoded, Objects};
use super::registry::Object;
use super::served::{Lease, Reply, Served, Step, Wait};
use super::wire::{Answer, Request, Verb, item};
use super::words::Words;
use crate::frame::FrameError;
use crate::sys::Claims;

/// The bytes of an answer beyond which no more items are sent ahead with it.
const MOST_AHEAD: usize = 16 << 10;

/// The objects, the leases and the waits of one worker process.
pub(crate) struct Leases {
    words: Arc<Words>,
    /// What the process was given, and may use, with the number of handles that it was sent.
    objects: HashMap<u64, (Arc<Object>, u64)>,
    /// What was granted, by the number of the request, with its place in the order of the grants.
    held: HashMap<u64, (u64, Lease)>,
    /// The futures that wait, by the number of the request, with the number of the object.
    waits: HashMap<u64, (u64, Wait)>,
    /// What the next result names.
    returned: Objects,
    granted: u64,
    ready: Arc<Ready>,
    out: Vec<u8>,
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("held", &self.held.len())
            .field("waits", &self.waits.len())
            .finish_non_exhaustive()
    }
}

/// The requests whose futures are to be polled.
#[derive(Default)]
struct Ready(Mutex<Requests>);

#[derive(Default)]
struct Requests {
    numbers: Vec<u64>,
    driver: Option<Waker>,
}

impl Ready {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of one of these futures.
struct ReadyWaker {
    ready: Arc<Ready>,
    request: u64,
}

impl Wake for ReadyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let driver = {
            let mut requests = self.ready.requests();
            requests.numbers.push(self.request);
            requests.driver.clone()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

impl Leases {
    pub(crate) fn new(claims: &Arc<Claims>) -> Self {
        Self {
            words: Words::new(claims),
            objects: HashMap::new(),
            held: HashMap::new(),
            waits: HashMap::new(),
            returned: Objects::default(),
            granted: 0,
            ready: Arc::default(),
            out: Vec::new(),
        }
    }

    /// Returns `true` if the process may send requests.
    pub(crate) fn are_used(&self) -> bool {
        !self.objects.is_empty()
    }

    /// Notes that the process is about to be sent something that names these objects.
    pub(crate) fn hand(&mut self, objects: &Objects) {
        for object in &objects.here {
            let known = self.objects.entry(object.number);
            known.or_insert_with(|| (Arc::clone(object), 0)).1 += 1;
        }
    }

    /// Serves a request.
    ///
    /// # Errors
    ///
    /// If no worker of ours sends such a message.
    pub(crate) fn take(&mut self, number: u64, body: &[u8]) -> Result<(), FrameError> {
        let (request, rest) = Request::parse(body)?;
        let carried = match rest {
            [] => None,
            rest => Some(self.encoded(rest)?),
        };
        let lease = request.first;
        match request.verb {
            Verb::Release => drop(self.permits(request)),
            Verb::Done => {
                if let Some(item) = self.item(request) {
                    item.done();
                }
            }
            Verb::Forget => {
                if let Some(permits) = self.permits(request) {
                    permits.forget();
                }
            }
            Verb::Taken => {
                if let Some(Lease::Item(item)) = self.lease(lease) {
                    item.keep();
                }
            }
            Verb::GiveBack => {
                if let Some(item) = self.item(request) {
                    let flow = self.flow(request.object);
                    let _waiting = flow.map(Flow::recall);
                    item.give_back(carried);
                }
            }
            Verb::Abandon => {
                self.waits.remove(&lease);
                match self.lease(lease) {
                    Some(Lease::Item(item)) => {
                        let flow = self.flow(request.object);
                        let _waiting = flow.map(Flow::recall);
                        item.give_back(None);
                    }
                    _ => drop(self.permits(request)),
                }
            }
            Verb::Returns => self.returned = carried.unwrap_or_default().objects,
            Verb::Gone => self.gone(request.object, request.first),
            _ => self.serve(number, request, carried)?,
        }
        Ok(())
    }

    /// Notes that the process has no handle of an object any more, of which that many had come.
    /// More may be on their way, or may not have been taken.
    fn gone(&mut self, object: u64, come: u64) {
        let Some((_, sent)) = self.objects.get_mut(&object) else {
            return;
        };
        *sent = sent.saturating_sub(come);
        if *sent > 0 {
            return;
        }
        if let Some((object, _)) = self.objects.remove(&object) {
            let _waiting = object.flow().map(Flow::recall);
            for (_, item) in self.forget(&object) {
                item.give_back(None);
            }
        }
    }

    /// Ends what the process has of an object that needs no message. Returns the items of it.
    fn forget(&self, object: &Object) -> Vec<(u64, Box<dyn HeldItem>)> {
        match &object.served {
            Served::Semaphore(keys) => keys.end(&self.words),
            Served::Queue(queue) => {
                if let Some(flow) = queue.flow() {
                    let (items, is_over) = flow.end(&self.words);
                    if is_over {
                        queue.end();
                    }
                    return items;
                }
            }
            Served::Event(_) | Served::Latch(_) => {}
        }
        Vec::new()
    }

    fn lease(&mut self, number: u64) -> Option<Lease> {
        self.held.remove(&number).map(|(_, lease)| lease)
    }

    /// Takes out an item that the process has, by the numbers of a request.
    fn item(&mut self, request: Request) -> Option<Box<dyn HeldItem>> {
        if request.second == 1 {
            return self
                .flow(request.object)?
                .leased(&self.words, request.first);
        }
        match self.lease(request.first) {
            Some(Lease::Item(item)) => Some(item),
            _ => None,
        }
    }

    /// Takes out permits that the process has, by the number of the request that was granted.
    fn permits(&mut self, request: Request) -> Option<OwnedPermit> {
        match self.lease(request.first) {
            Some(Lease::Permits(permits)) => Some(permits),
            Some(Lease::Item(item)) => {
                // No worker of ours says so.
                item.give_back(None);
                None
            }
            None => self.keys(request.object)?.take(&self.words, request.first),
        }
    }

    fn keys(&self, object: u64) -> Option<&Arc<Keys>> {
        match &self.objects.get(&object)?.0.served {
            Served::Semaphore(keys) => Some(keys),
            _ => None,
        }
    }

    fn queue(&self, object: u64) -> Option<&Arc<dyn AnyQueue>> {
        match &self.objects.get(&object)?.0.served {
            Served::Queue(queue) => Some(queue),
            _ => None,
        }
    }

    fn flow(&self, object: u64) -> Option<&Flow> {
        self.queue(object)?.flow()
    }

    /// Reads an item.
    fn encoded(&self, bytes: &[u8]) -> Result<Encoded, FrameError> {
        let (numbers, value) = item::parse(bytes)?;
        let object = |number| match self.objects.get(&number) {
            Some((object, _)) => Ok(Arc::clone(object)),
            None => Err(FrameError::Object),
        };
        let here = numbers.map(object).collect::<Result<_, _>>()?;
        let there = Vec::new();
        Ok(Encoded {
            bytes: value.to_vec(),
            objects: Objects { here, there },
        })
    }

    fn serve(
        &mut self,
        number: u64,
        request: Request,
        carried: Option<Encoded>,
    ) -> Result<(), FrameError> {
        let object = self.objects.get(&request.object);
        let (object, _) = object.ok_or(FrameError::Object)?;
        match object.served.serve(request, carried, &self.words)? {
            Step::Told => {}
            Step::Now(reply) => self.answer(number, request.object, reply),
            Step::Later(wait) => {
                self.waits.insert(number, (request.object, wait));
                self.poll(number);
            }
        }
        Ok(())
    }

    /// Polls what was woken. The driver is woken when more is.
    pub(crate) fn poll_ready(&mut self, driver: &Waker) {
        if self.waits.is_empty() && !self.are_used() {
            return;
        }
        loop {
            let numbers = {
                let mut requests = self.ready.requests();
                match &mut requests.driver {
                    Some(known) => known.clone_from(driver),
                    none => *none = Some(driver.clone()),
                }
                std::mem::take(&mut requests.numbers)
            };
            if numbers.is_empty() {
                return;
            }
            numbers.into_iter().for_each(|number| self.poll(number));
        }
    }

    fn poll(&mut self, number: u64) {
        // It may have been woken twice, or abandoned.
        let Some((object, wait)) = self.waits.get_mut(&number) else {
            return;
        };
        let ready = Arc::clone(&self.ready);
        let request = number;
        let waker = Waker::from(Arc::new(ReadyWaker { ready, request }));
        if let Poll::Ready(reply) = wait.as_mut().poll(&mut Context::from_waker(&waker)) {
            let object = *object;
            self.waits.remove(&number);
            self.answer(number, object, reply);
        }
    }

    fn answer(&mut self, number: u64, object: u64, reply: Reply) {
        let mut answer = Answer {
            status: reply.status,
            number: reply.number,
        };
        self.granted += 1;
        let order = self.granted;
        let lease = match reply.lease {
            Some(Lease::Item(item)) => {
                let mut items = Vec::new();
                self.append(0, item.encoded(), &mut items);
                let slot = self.send_ahead(object, &mut items);
                answer.number = slot.map_or(0, |slot| slot as u64 + 1);
                answer.write(number, items.len(), &mut self.out);
                self.out.append(&mut items);
                Some(Lease::Item(item))
            }
            Some(Lease::Permits(permits)) => {
                let keys = self.keys(object).expect("it has granted them");
                let (word, lease) = match keys.lend(&self.words, number, permits) {
                    Ok(word) => (word, None),
                    Err(permits) => (0, Some(Lease::Permits(permits))),
                };
                answer.write(number, 8, &mut self.out);
                self.out.extend(word.to_le_bytes());
                lease
            }
            None => {
                answer.write(number, reply.text.len(), &mut self.out);
                self.out.extend(reply.text.bytes());
                None
            }
        };
        if let Some(lease) = lease {
            self.held.insert(number, (order, lease));
        }
    }

    /// Appends an item that is about to be sent.
    fn append(&mut self, sequence: u64, encoded: &Encoded, items: &mut Vec<u8>) {
        let numbers = encoded.objects.here.iter().map(|object| object.number);
        item::append(sequence, &item::head(numbers), &encoded.bytes, items);
        self.hand(&encoded.objects);
    }

    /// Appends items that are sent ahead, as far as that is done and there are some. Returns the
    /// number of the queue's words, if it may have sent some.
    fn send_ahead(&mut self, object: u64, items: &mut Vec<u8>) -> Option<usize> {
        let queue = self.queue(object).map(Arc::clone)?;
        let words = Arc::clone(&self.words);
        let sending = queue.flow()?.begin_to_send(&words)?;
        for _ in 0..sending.most {
            let Ok(item) = queue.try_get(None) else {
                break;
            };
            if items.len() + item.encoded().bytes.len() > MOST_AHEAD {
                // Large ones wait until they are asked for.
                item.give_back(None);
                break;
            }
            self.granted += 1;
            let order = self.granted;
            let write = |sequence, encoded: &Encoded| self.append(sequence, encoded, items);
            if !sending.send(&words, order, item, write) {
                break;
            }
        }
        Some(sending.slot)
    }

    /// Returns the objects that the result names which has just come.
    pub(crate) fn take_returned(&mut self) -> Vec<Arc<Object>> {
        std::mem::take(&mut self.returned).here
    }

    /// Returns the answers that are to be written, if there are some.
    pub(crate) fn take_out(&mut self) -> Option<Vec<u8>> {
        match self.out.is_empty() {
            true => None,
            false => Some(std::mem::take(&mut self.out)),
        }
    }

    /// Ends the waits, and gives back all that is held, what was granted last first: so items come
    /// back in the order in which they were.
    pub(crate) fn end(&mut self) {
        self.waits.clear();
        let objects = std::mem::take(&mut self.objects);
        // What comes back is before all that others were sent ahead.
        let flows = objects.values().filter_map(|(object, _)| object.flow());
        let _waiting: Vec<_> = flows.map(Flow::recall).collect();
        let mut back: Vec<_> = self.held.drain().map(|(_, lease)| lease).collect();
        for (object, _) in objects.values() {
            let items = self.forget(object);
            back.extend(items.into_iter().map(|(at, item)| (at, Lease::Item(item))));
        }
        back.sort_unstable_by_key(|(order, _)| std::cmp::Reverse(*order));
        for (_, lease) in back {
            match lease {
                Lease::Permits(permits) => drop(permits),
                Lease::Item(item) => item.give_back(None),
            }
        }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.end();
    }
}
