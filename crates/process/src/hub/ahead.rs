//! Items that go ahead: puts that wait for no answer, and items that come before they are asked
//! for.
//!
//! A round trip for each put and each get would be slower than a queue in shared memory. So a
//! worker may put items into a queue without waiting for the answer, and is sent, with the item
//! that it asks for, those behind it. Both must change nothing of what a queue promises. What
//! decides is in words of memory that both processes share (`sys/claims.rs`), so it needs no
//! message.
//!
//! This is done for queues without a bound. In one that is full, the parent decides for each item
//! who goes on, and in one that is sorted, which item is next.
//!
//! # Credit
//!
//! A worker that puts an item is given *credit*, with the answer: the number of items that it may
//! put before it asks again. It spends one, and then sends the item. More is added as its items
//! arrive, so that it seldom runs out. A put can be refused only because the queue is closed, and a
//! close first takes all credit back ([`Flow::close`]). Then
//!
//! - an item whose credit was spent before the close is on its way, or was not sent because the
//!   process died in between. It is put when it arrives: it counts as put before the close, and the
//!   queue ends only when there is no such item ([`Credit::out`] is 0). A get waits for that.
//! - a put that finds no credit asks, and is refused.
//!
//! So no item is lost or late: what a `put` has accepted is taken by somebody before gets are told
//! that the queue is closed and empty.
//!
//! # Items that are sent ahead
//!
//! They were taken out of the queue, and are in [`State::ahead`], each with a guard. While its word
//! says SENT, the item belongs to the queue all the same: it is counted by `len`, and everybody
//! else who wants an item *recalls* all of them first ([`Flow::recall`]). The parent exchanges SENT
//! for WITHDRAWN, and gives the item back to the front, in order; the worker exchanges SENT for
//! KEPT, by `get`, or LEASED, by `get_task`. One of the two succeeds.
//!
//! Why the order is kept: a taker first recalls all that were sent ahead, so it gets the oldest. So
//! does one that puts an item back, which comes before them. A worker takes those that it was sent
//! in their order, and asks for more only when it has none, or has put one back
//! (`hub/near.rs`).
//!
//! Why none waits in vain: an item is sent ahead only if nobody waits for one, which is decided
//! under the lock under which a waiter is counted ([`State::waiting`]); and a waiter, once it is
//! counted, recalls what was sent before. So while one waits, none is ahead. And none is told that
//! the queue is empty because another has items in its hands, to give them back or send them ahead:
//! it waits until they are where they belong ([`State::moving`]), which takes no longer than that.
//!
//! # Items that are done
//!
//! That it has done an item that was sent ahead, the worker says by its word, DONE, and by a
//! message only if somebody waits for that. The parent *settles* what is DONE when it looks
//! ([`Flow::settle`]): before it tells how many are unfinished, and with each recall. One that
//! waits until nothing is unfinished has all processes tell ([`Flow::join`]), and settles what was
//! done before they knew. A worker that has told something the parent may not have read, except
//! that other items are done, sends a message in any case: as with permits (`keys.rs`), what it has
//! told comes first.
//!
//! When the worker dies, what is SENT or LEASED goes back, and what is KEPT remains unfinished, as
//! after any `get`. An item is ahead of one worker at most, which asked for the last one alone; two
//! that take turns are sent nothing ahead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::held::HeldItem;
use super::keys::LOOKS;
use super::passing::Encoded;
use super::words::Words;
use crate::sys::Whose;

/// The credit that a worker has at most.
const CREDIT: u64 = 1024;

/// The number of items that are sent ahead at most.
pub(super) const AHEAD: u32 = 95;

/// What is known of one worker process.
struct Credit {
    words: Arc<Words>,
    /// The number of its words, of credit and of asking to be told.
    slot: usize,
    /// The credit that was granted, and is neither taken back nor has arrived.
    out: u64,
}

/// An item that was sent ahead.
struct Ahead {
    words: Arc<Words>,
    sequence: u64,
    /// Its place in the order of what its process was granted.
    order: u64,
    item: Option<Box<dyn HeldItem>>,
}

impl Drop for Ahead {
    /// The word can be used again, by an item with another number.
    fn drop(&mut self) {
        self.words.give(self.sequence);
    }
}

/// An item, and its place in the order of what its process was granted.
type Granted = (u64, Box<dyn HeldItem>);

#[derive(Default)]
struct State {
    is_closing: bool,
    credits: Vec<Credit>,
    /// In the order of the queue.
    ahead: Vec<Ahead>,
    /// The number of those that wait for an item, or look for one.
    waiting: usize,
    /// The number of those that have taken items out, and have not yet put them where they belong.
    moving: usize,
    /// The number of those that wait until nothing is unfinished.
    joining: usize,
    /// The process that took the last item, and how many it took in a row.
    taker: Option<(Arc<Words>, u32)>,
}

/// What goes ahead of one queue.
#[derive(Default)]
pub(super) struct Flow(Mutex<State>);

/// One that wants an item. While there are any, no item is ahead.
pub(super) struct Waiting<'a>(&'a Flow);

/// The right to send items ahead.
pub(super) struct Sending<'a> {
    flow: &'a Flow,
    pub(super) most: u32,
    /// The number of the process's words.
    pub(super) slot: usize,
}

impl Sending<'_> {
    /// Takes an item for a worker, and calls `write` with it and its sequence number. Returns
    /// `false` if no more can be sent.
    pub(super) fn send(
        &self,
        words: &Arc<Words>,
        order: u64,
        item: Box<dyn HeldItem>,
        write: impl FnOnce(u64, &Encoded),
    ) -> bool {
        let encoded = item.encoded().clone();
        match self.flow.send(words, order, item) {
            Ok(sequence) => {
                write(sequence, &encoded);
                true
            }
            Err(item) => {
                item.give_back(None);
                false
            }
        }
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.flow.state().moving -= 1;
    }
}

/// One that waits until nothing is unfinished.
pub(super) struct Joining<'a>(&'a Flow);

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.joining -= 1;
        if state.joining == 0 {
            for credit in &state.credits {
                credit.words.claims().ask_to_be_told(credit.slot, false);
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

impl Flow {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has all that was sent ahead go back, for one that wants an item, or puts one in front.
    pub(super) fn recall(&self) -> Waiting<'_> {
        self.recall_for(None)
    }

    /// The same for a worker, which may be sent more if it is the only one that comes.
    pub(super) fn recall_for(&self, taker: Option<&Arc<Words>>) -> Waiting<'_> {
        let mut state = self.state();
        state.waiting += 1;
        let row = match (&state.taker, taker) {
            (Some((last, row)), Some(taker)) if Arc::ptr_eq(last, taker) => row.saturating_add(1),
            _ => 0,
        };
        state.taker = taker.map(|taker| (Arc::clone(taker), row));
        let waiting = Waiting(self);
        self.settle_what(state, |words, sequence| {
            Some(words.claims().take_back(sequence))
        });
        waiting
    }

    /// Settles what processes have taken for good, or have done.
    pub(super) fn settle(&self) {
        self.settle_what(self.state(), |words, sequence| {
            words.claims().taken(sequence)
        });
    }

    /// Puts items where they belong, as their words say.
    fn settle_what(
        &self,
        mut state: MutexGuard<'_, State>,
        whose: impl Fn(&Words, u64) -> Option<Whose>,
    ) {
        let (mut back, mut kept, mut done) = (Vec::new(), Vec::new(), Vec::new());
        state.ahead.retain_mut(|ahead| {
            let gone = match whose(&ahead.words, ahead.sequence) {
                Some(Whose::Parents) => &mut back,
                Some(Whose::Kept) => &mut kept,
                Some(Whose::Done) => &mut done,
                Some(Whose::Leased) | None => return true,
            };
            gone.extend(ahead.item.take());
            false
        });
        state.moving += 1;
        drop(state);
        back.into_iter().rev().for_each(|item| item.give_back(None));
        kept.into_iter().for_each(|item| item.keep());
        done.into_iter().for_each(|item| item.done());
        self.state().moving -= 1;
        // Others may have taken items out that they have not put where they belong.
        let mut looks = 0..LOOKS;
        while looks.next().is_some() && self.state().moving > 0 {
            thread::yield_now();
        }
    }

    /// Counts one that waits until nothing is unfinished. Until the result is dropped, processes
    /// tell when they have done something.
    pub(super) fn join(&self) -> Joining<'_> {
        let mut state = self.state();
        state.joining += 1;
        for credit in &state.credits {
            credit.words.claims().ask_to_be_told(credit.slot, true);
        }
        drop(state);
        self.settle();
        Joining(self)
    }

    /// Begins to send items ahead to a worker that has just taken one. Returns how many it may be
    /// sent; while the result lives, others wait that want an item.
    pub(super) fn begin_to_send(&self, words: &Arc<Words>) -> Option<Sending<'_>> {
        let mut state = self.state();
        let most = match &state.taker {
            Some((taker, row @ 1..)) if state.waiting == 0 && Arc::ptr_eq(taker, words) => {
                (*row).min(AHEAD)
            }
            _ => return None,
        };
        let slot = state.of(words)?.slot;
        state.moving += 1;
        let flow = self;
        Some(Sending { flow, most, slot })
    }

    /// Notes that an item is about to be sent ahead. Returns its sequence number; or the item, if
    /// somebody wants one by now, or no word is free.
    fn send(
        &self,
        words: &Arc<Words>,
        order: u64,
        item: Box<dyn HeldItem>,
    ) -> Result<u64, Box<dyn HeldItem>> {
        let mut state = self.state();
        let sequence = match state.waiting {
            0 => words.take(),
            _ => None,
        };
        let Some(sequence) = sequence else {
            return Err(item);
        };
        words.claims().offer(sequence);
        state.ahead.push(Ahead {
            words: Arc::clone(words),
            sequence,
            order,
            item: Some(item),
        });
        Ok(sequence)
    }

    /// Takes out an item that a worker has taken as a task, and reports on.
    pub(super) fn leased(&self, words: &Arc<Words>, sequence: u64) -> Option<Box<dyn HeldItem>> {
        let mut state = self.state();
        let mut ahead = state.ahead.iter();
        let is_it = |it: &Ahead| it.sequence == sequence && Arc::ptr_eq(&it.words, words);
        let at = ahead.position(is_it)?;
        state.ahead.remove(at).item.take()
    }

    /// Returns the number of items that are ahead and belong to the queue.
    pub(super) fn len(&self) -> usize {
        let state = self.state();
        let is_offered = |it: &&Ahead| it.words.claims().is_offered(it.sequence);
        state.ahead.iter().filter(is_offered).count()
    }

    /// Gives a worker credit, if the queue is open. Returns the word in which it is.
    pub(super) fn give_credit(&self, words: &Arc<Words>) -> Option<usize> {
        let mut state = self.state();
        if state.is_closing {
            return None;
        }
        let credit = state.of(words)?;
        credit.fill_up();
        Some(credit.slot)
    }

    /// Notes that an item has arrived, and was put. Returns `true` if the queue is to be ended.
    pub(super) fn arrived(&self, words: &Arc<Words>) -> bool {
        let mut state = self.state();
        let is_closing = state.is_closing;
        let mut credits = state.credits.iter_mut();
        if let Some(credit) = credits.find(|it| Arc::ptr_eq(&it.words, words)) {
            credit.out = credit.out.saturating_sub(1);
            if !is_closing && credit.out < CREDIT / 2 {
                credit.fill_up();
            }
        }
        is_closing && state.is_over()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state().is_closing
    }

    /// Closes the queue for puts. Returns `true` if it is to be ended at once; else it is when the
    /// last item that is on its way has arrived.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state();
        state.is_closing = true;
        for credit in &mut state.credits {
            let revoked = credit.words.claims().revoke(credit.slot);
            credit.out = credit.out.saturating_sub(revoked);
        }
        state.is_over()
    }

    /// Forgets a process that has died or has no handle any more, when all that was ahead has been
    /// recalled. Returns the items that it had, each with its place in the order of what it was
    /// granted; and `true` if the queue is to be ended.
    pub(super) fn end(&self, words: &Arc<Words>) -> (Vec<Granted>, bool) {
        let mut state = self.state();
        let mut back = Vec::new();
        state.ahead.retain_mut(|ahead| {
            let is_its = Arc::ptr_eq(&ahead.words, words);
            if is_its {
                back.extend(ahead.item.take().map(|item| (ahead.order, item)));
            }
            !is_its
        });
        let before = state.credits.len();
        state.credits.retain(|it| {
            let is_its = Arc::ptr_eq(&it.words, words);
            if is_its {
                words.give_slot(it.slot);
            }
            !is_its
        });
        let is_over = before > state.credits.len() && state.is_closing && state.is_over();
        let taker = state.taker.as_ref();
        if taker.is_some_and(|(taker, _)| Arc::ptr_eq(taker, words)) {
            state.taker = None;
        }
        (back, is_over)
    }
}

impl State {
    /// Returns what is known of a process; `None` if no words are left for it.
    fn of(&mut self, words: &Arc<Words>) -> Option<&mut Credit> {
        let is_its = |it: &Credit| Arc::ptr_eq(&it.words, words);
        let at = match self.credits.iter().position(is_its) {
            Some(at) => at,
            None => {
                let slot = words.slot()?;
                words.claims().ask_to_be_told(slot, self.joining > 0);
                let words = Arc::clone(words);
                self.credits.push(Credit {
                    words,
                    slot,
                    out: 0,
                });
                self.credits.len() - 1
            }
        };
        Some(&mut self.credits[at])
    }

    /// Returns `true` if nothing is on its way.
    fn is_over(&self) -> bool {
        self.credits.iter().all(|credit| credit.out == 0)
    }
}

impl Credit {
    fn fill_up(&mut self) {
        let more = CREDIT.saturating_sub(self.out);
        self.out += more;
        self.words.claims().grant(self.slot, more);
    }
}
