//! How a job gets to the server, and how it waits for room there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use workmill::{CancelReason, JoinError, OwnedPermit, Promise};

use crate::id::JobId;
use crate::link::NotStored;
use crate::objects::Of;
use crate::protocol::{Envelope, PRIORITIES, Payload, to_bytes};
use crate::shared::Shared;

/// The line of jobs that wait for room. The first of them hears of the end of each job; it tries
/// again then, and after a second if it hears of none.
#[derive(Default)]
pub(crate) struct Room {
    line: Mutex<Option<Subscriber>>,
    /// The number of jobs in the line.
    length: AtomicUsize,
}

/// A job in the line.
struct InLine<'a> {
    room: &'a Room,
    first: Option<MutexGuard<'a, Option<Subscriber>>>,
    /// The number of tries that follow quickly, since a job has ended.
    soon: u32,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: whoever is too late to see it only subscribes anew.
        if self.room.length.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        match &mut self.first {
            Some(first) => **first = None,
            // The first has left before. Whoever has the line now is the first again.
            None => {
                if let Ok(mut line) = self.room.line.try_lock() {
                    *line = None;
                }
            }
        }
    }
}

/// The number of tries after an end: the outcome of a job is stored before it leaves the queue.
const SOON: u32 = 8;

/// The time after which a job tries again though it has heard of no end.
const UNHEARD: Duration = Duration::from_secs(1);

/// A job on its way to the server.
pub(crate) struct Sending {
    pub(crate) id: JobId,
    pub(crate) job: &'static str,
    pub(crate) priority: usize,
    pub(crate) retries: u32,
    pub(crate) arguments: Vec<u8>,
    /// Others may have submitted the same.
    pub(crate) is_keyed: bool,
    pub(crate) when_full: WhenFull,
    /// Whoever waits until the server has it.
    pub(crate) accepted: Option<Promise<Accepted>>,
    pub(crate) permit: OwnedPermit,
}

/// What becomes of a job that finds the queue full.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WhenFull {
    Wait,
    WaitUntil(Instant),
    Reject,
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The handle knows.
    SeeHandle,
    /// There was no room in time.
    Full,
}

impl WhenFull {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::WaitUntil(deadline) => Some(deadline),
            Self::Wait | Self::Reject => None,
        }
    }

    /// Returns `true` if whoever waits is to wait no longer.
    fn is_over(self) -> bool {
        match self {
            Self::Wait => false,
            Self::WaitUntil(deadline) => Instant::now() >= deadline,
            Self::Reject => true,
        }
    }
}

impl Shared {
    /// Sends a job, until the server has it or it is cancelled.
    pub(crate) async fn send(self: Arc<Self>, mut sending: Sending) {
        let told = sending.accepted.take();
        let accepted = self.try_to_send(sending, told).await;
        if let Some((told, accepted)) = accepted {
            tell(told, accepted);
        }
    }

    /// Returns whom to tell what has become of the job.
    async fn try_to_send(
        self: &Arc<Self>,
        sending: Sending,
        mut told: Option<Promise<Accepted>>,
    ) -> Option<(Option<Promise<Accepted>>, Accepted)> {
        let Sending {
            id,
            job,
            priority,
            retries,
            arguments,
            is_keyed,
            when_full,
            permit,
            ..
        } = sending;
        let wake = self.wake_of(&id)?;
        if is_keyed {
            // Before it is sent: its end may come at any time after that.
            Box::pin(self.listen_to(&id)).await;
        }
        let Some((arguments, object)) = self.place(&id, arguments, when_full, &wake).await else {
            return Some((told, Accepted::SeeHandle));
        };
        let body = to_bytes(&Envelope {
            job: job.to_owned(),
            retries,
            arguments,
        });
        let subject = self.link.names.queued(PRIORITIES[priority], &id);
        let mut pause = self.link.pause();
        let mut line = None;
        // It may be that an earlier try was stored.
        let mut is_unclear = false;
        loop {
            // No other one has the id of a job without a key. So only what repeats a try has to be
            // compared, and the first try goes without a header.
            let expected = (is_keyed || is_unclear).then_some(0);
            if !self.begin_send(&id) {
                self.forget(object.as_deref()).await;
                return Some((told, Accepted::SeeHandle));
            }
            match self
                .link
                .store(subject.clone(), expected, body.clone())
                .await
            {
                Ok(_) => break,
                Err(NotStored::Conflict) => {
                    // The queue has one of this id.
                    if !is_unclear {
                        self.forget(object.as_deref()).await;
                    }
                    is_unclear = true;
                    break;
                }
                Err(NotStored::TooLarge) => {
                    let why = "the job is larger than a message may be";
                    self.end(&id, || Err(JoinError::refused(why)));
                    return Some((told, Accepted::SeeHandle));
                }
                Err(NotStored::Unclear) => {
                    is_unclear = true;
                    if when_full.is_over() {
                        // Nobody can say that it was not accepted.
                        tell(told.take(), Accepted::SeeHandle);
                    }
                    pause.wait().await;
                    continue;
                }
                Err(NotStored::Full(_)) => {}
            }
            self.counts.refused();
            if !is_unclear {
                self.stand(&id);
            }
            if when_full.is_over() {
                match is_unclear {
                    true => tell(told.take(), Accepted::SeeHandle),
                    false => {
                        self.end(&id, || Err(JoinError::cancelled(CancelReason::Rejected)));
                        self.forget(object.as_deref()).await;
                        return Some((told, Accepted::Full));
                    }
                }
            }
            Box::pin(self.wait_for_room(&mut line, &wake, when_full)).await;
        }
        drop(line);
        self.counts.accepted();
        drop(permit);
        if !self.accepted(&id) {
            // Cancelled meanwhile: its mark says so, and nobody needs the message.
            Box::pin(self.link.unqueue(&id)).await;
            self.forget(object.as_deref()).await;
        } else if is_keyed || is_unclear {
            Box::pin(self.look(&id, "")).await;
        }
        Some((told, Accepted::SeeHandle))
    }

    /// Puts large arguments into the object store. `None`: the job has ended meanwhile.
    async fn place(
        self: &Arc<Self>,
        id: &JobId,
        arguments: Vec<u8>,
        when_full: WhenFull,
        wake: &Notify,
    ) -> Option<(Payload, Option<String>)> {
        if arguments.len() <= self.link.largest() {
            return Some((Payload::Inline(arguments.into()), None));
        }
        Box::pin(self.place_object(id, arguments, when_full, wake)).await
    }

    async fn place_object(
        self: &Arc<Self>,
        id: &JobId,
        arguments: Vec<u8>,
        when_full: WhenFull,
        wake: &Notify,
    ) -> Option<(Payload, Option<String>)> {
        let name = format!("{id}.{}", self.link.nonce());
        let mut pause = self.link.pause();
        loop {
            if !self.begin_send(id) {
                return None;
            }
            // So far the job itself is not on its way.
            let put = self
                .link
                .objects
                .put(Of::Arguments, &name, &arguments)
                .await;
            self.stand(id);
            match put {
                Ok(()) => return Some((Payload::Object { name: name.clone() }, Some(name))),
                Err(why) if when_full.is_over() => {
                    self.end(id, || {
                        let why = format!("its arguments could not be stored: {why}");
                        Err(JoinError::refused(why))
                    });
                    return None;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = pause.wait() => {}
                () = wake.notified() => {}
            }
        }
    }

    async fn forget(&self, object: Option<&str>) {
        if let Some(name) = object {
            Box::pin(self.link.objects.delete(Of::Arguments, name)).await;
        }
    }

    /// Waits until another try may succeed, the job is cancelled, or the time is over.
    async fn wait_for_room<'a>(
        &'a self,
        line: &mut Option<InLine<'a>>,
        wake: &Notify,
        when_full: WhenFull,
    ) {
        let line = line.get_or_insert_with(|| {
            // ORDERING: Relaxed, as above.
            self.room.length.fetch_add(1, Ordering::Relaxed);
            InLine {
                room: &self.room,
                first: None,
                soon: 0,
            }
        });
        let over = async {
            match when_full.deadline() {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.wait_in_line(line) => {}
            () = wake.notified() => {}
            () = over => {}
        }
    }

    async fn wait_in_line<'a>(&'a self, line: &mut InLine<'a>) {
        let InLine { first, soon, .. } = line;
        let Some(first) = first else {
            let first = first.insert(self.room.line.lock().await);
            match &mut **first {
                Some(ends) => forget(ends),
                None => {
                    let marks = self.link.names.answers_to_marks();
                    let ends = self.link.subscribe(marks).await;
                    **first = ends.ok();
                }
            }
            // There may be room since the last try.
            return;
        };
        if *soon > 0 {
            *soon -= 1;
            sleep(Duration::from_millis(1 << (SOON - *soon))).await;
            first.iter_mut().for_each(forget);
            return;
        }
        let Some(ends) = &mut **first else {
            return sleep(UNHEARD).await;
        };
        let heard = async {
            while let Some(message) = ends.next().await {
                // One that is too large for a subject is an outcome, as a rule.
                let marked = self.link.names.marked(&message.subject);
                if marked.is_some_and(|(_, mark)| mark.is_none_or(|it| it.state.is_final())) {
                    return;
                }
            }
            sleep(UNHEARD).await;
        };
        if timeout(UNHEARD, heard).await.is_ok() {
            *soon = SOON;
        }
    }
}

/// Forgets the ends that have come: the try that follows sees the room that they have made. Those
/// that nobody reads would fill the memory for the subscription in the end.
fn forget(ends: &mut Subscriber) {
    while let Some(Some(_)) = ends.next().now_or_never() {}
}

fn tell(told: Option<Promise<Accepted>>, accepted: Accepted) {
    if let Some(told) = told {
        // Whoever waited may have gone.
        let _ = told.complete(accepted);
    }
}
