//! The workers that wait for room, and have lent their slots meanwhile: for how long each is
//! patient, and which of them looks at the clock.
//!
//! # Words
//! A worker that waits for *room* in something that is full, in a task, *stands*, and *lends* its
//! slot: nothing begins there, and so no more tasks stand than the pool has slots. A *loan* is a
//! lent slot. A *borrower* is a thread that holds a loan; it runs what has begun, which may be what
//! makes room, and, while a worker waits for room in a group of the pool, the tasks of groups with
//! a bound, of which few are in the pool's queues (`pool/group/`). Below these count as begun. A
//! loan becomes a *gift* when the lender's patience is over: then the slot is vacant like that of
//! any other wait, and a task begins there. A *surplus* loan is one that was given while a borrower
//! held it: the borrower keeps the slot for good. A lender that comes back while borrowers hold all
//! loans goes on without a slot, as the *owner* of one: the next borrower that returns a loan
//! returns it to an owner.
//!
//! # Invariants
//! 1. The slots that are lent, or reserved or held as loans, are as many as the lenders that have
//!    not given theirs, the owners to which none was returned, and the surplus. All change under
//!    the lock, except that a thread claims a lent slot for a borrower without it.
//! 2. While a lender that has not given stands, and a task waits to begin, a thread is up that will
//!    find the task, or do P4 for it; or some lender *ticks*: it parks no longer than until the
//!    first gift is due; or it has been *asked* to, and is not parked. Not if the pool never gives
//!    way.
//! 3. The local queue of a lent slot has nothing that has begun: the lender moves that to a queue
//!    where borrowers find it, and while a slot is lent nothing of that kind is pushed to a local
//!    queue. (A worker may have pushed such a task to its own before, which is not lent. It runs
//!    the task after the one that it is in, or moves it when it lends.)
//!
//! # Patience
//! The gift of a lender is due when three times are over, each of which is the patience *p* long:
//! since the lender began to stand (its earlier stands in vain for the same task count), since the
//! object has served a waiter, and since a worker took a task from a queue. Of the last it is only
//! known when a task that was taken has ended, or has begun to stand. *p* is [`GiveWay`], or the
//! hundredth of it while no worker runs; at least four times the longest pause of the object
//! between two services (a pause in which a slot was given away counts less: `room.rs`); and all
//! this times 1 + *k* / 4*n*, with *n* slots and *k* tasks that stand without one. So the tasks
//! that stand because of one long pause are about as many as the square root of it, and a slow but
//! steady consumer causes none.
//!
//! A lender that begins to stand computes this for all lenders, since from then on one worker less
//! runs. If too many workers are away for a gift that is due, the lender waits for another *p*. A
//! ticker is not told that the last task which waited has been taken: it sees that once, when the
//! gift would have been due, and then nobody ticks.
//!
//! # Protocol
//! - *Lender:* (L1) move what has begun out of the local queue, join the list, and count the slot
//!   lent; (L2) full fence; (L3) look at every queue, and if there is a task do P3 and P4
//!   (`pool/idle.rs`).
//! - *P4 if only lent slots are left:* if there is something that has begun, claim a lent slot for
//!   a borrower. If a task waits to begin, and no lender ticks, ask one to.
//! - *Borrower:* after each poll, if a task waits to begin, and no lender ticks, ask one to: those
//!   who have pushed meanwhile may have seen no slot that is lent and not held.
//! - *Borrower that finds nothing more, or is about to wait:* if there is a surplus, keep the slot,
//!   and leave it like any other before a wait; if there is an owner, set the slot aside for it,
//!   and do L2, L3; else L1 to L3. Then ask a lender to tick, if need be.
//! - *Thread that has claimed a loan for which there is no thread, or no need:* the same.
//! - *Owner that ends its task, or is about to wait:* take the slot that was set aside, if there is
//!   one. Else, if it waits for room, join the list again; if not, leave a surplus.
//! - *Ticker:* (T1) if a task waits to begin, make the gifts that are due, and park until the next
//!   is; (T2) else note that nobody ticks, make a full fence, and look again: if a task waits to
//!   begin by now, go on as ticker.
//! - *Lender whose wait is over:* leave the list, and take a lent slot, or else become an owner. If
//!   it has ticked, or was asked to, and no other ticks, T2, and ask another if need be.
//! - *Lender that waits for something that arrives before its wait for room is over*, in a hook or
//!   in a call that was put off: make the gift first. While it waits it looks as a lender does.
//!
//! # Why no task waits forever
//! Take a push of a task and the last of these that comes before or after it: a lender that counts
//! its slot, a borrower or a claimer that does so again, or a ticker that stops. As in
//! `pool/idle.rs` one of the two full fences comes first. If that of the push does, the other
//! thread finds the task, and does P4. If the other does, P3 sees the lent slot, and that nobody
//! ticks; or it sees that a thread searches, which is the case for a claimed loan too, and this
//! thread does one of the above later. So either a thread is up that will look, or a lender ticks.
//! It does so until the task has been taken, its patience is over, or its wait; and in the last
//! case another ticks. Futures that have begun are found by invariant 3.
//!
//! # Counts
//! A lender is no spare thread, so a pool may have one thread more for each. An owner, a borrower
//! that waits, and a lender whose slot was disabled are *away beyond* the limit: each counts as
//! away, and for each there may be one thread more, until it has a slot again or rests.
//!
//! # Why not otherwise
//! If a wait for room gave the slot away at once, a task would begin in the place of each that
//! stands, and stand there too: back-pressure would reach nobody. If it kept the slot until its
//! end, a consumer that is queued behind producers would never begin. If a lender that comes back
//! left its slot to the borrower for good, each attempt that times out beside a busy borrower would
//! let one more task begin. A thread or a timer that watches the lenders would have to be paid for
//! by pools that never lend. If borrowers stole what has begun from local queues, they would have
//! to look at each task there, and change the order.

use std::sync::Arc;
use std::time::Duration;

use super::slots::ReservedSlot;
use crate::clock::{Nanos, nanos, now};
use crate::name::Name;
use crate::primitive::{AtomicBool, AtomicUsize, Mutex, Ordering, Thread, lock};
use crate::room::{self, Record};
use crate::warning::GaveWay;

/// A pool gives way a hundred times earlier while none of its workers runs.
const WHEN_ALL_WAIT: Nanos = 100;

/// The time for which a lender is patient while a worker runs; `None` is forever.
#[derive(Debug, Clone, Copy)]
pub(super) struct GiveWay(Option<Nanos>);

impl GiveWay {
    pub(super) fn new(time: Duration) -> Self {
        Self((time != Duration::MAX).then(|| nanos(time)))
    }

    /// Returns the time for which a lender is patient while no worker runs.
    fn when_all_wait(self) -> Nanos {
        self.0.unwrap_or(0) / WHEN_ALL_WAIT
    }
}

pub(super) struct Lenders {
    give_way: GiveWay,
    /// Whether a lender ticks or was asked to. Written under the lock.
    ticks: AtomicBool,
    /// The number of surplus loans. Written under the lock.
    surplus: AtomicUsize,
    /// The number of lenders that have not given their slots. Written under the lock.
    standing: AtomicUsize,
    /// The number of workers that are [away beyond](Away::Beyond) the limit.
    beyond: AtomicUsize,
    /// The number of workers that wait for room in groups of the pool.
    at_groups: AtomicUsize,
    inside: Mutex<Inside>,
}

pub(super) struct Inside {
    lenders: Vec<Lender>,
    next_key: LenderKey,
    /// The progress of the workers when it was looked at last.
    progress: usize,
    /// The number of owners.
    owners: usize,
    /// The slots that borrowers have returned to owners, which have not taken them yet.
    returned: Vec<ReservedSlot>,
    /// When the progress was seen to have changed last, or a worker has begun to stand in a task
    /// that it had taken since it stood before.
    taken: Nanos,
    totals: Totals,
}

/// The name of a lender in the list.
pub(super) type LenderKey = u64;

/// One worker that waits for room.
struct Lender {
    key: LenderKey,
    thread: Thread,
    record: Arc<Record>,
    /// The name of the task.
    name: Option<&'static Name>,
    /// When it has begun to stand.
    began: Nanos,
    /// When it would have begun to stand if the earlier stands in vain for the task were added.
    since: Nanos,
    loan: Loan,
    tick: Tick,
    /// The lender has yet to look when the first gift is due, now that one worker less runs.
    is_new: bool,
    /// The gift was due, but too many workers were away.
    is_late: bool,
}

/// The state of a lender's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loan {
    Lent,
    /// A task may begin there, or the slot was disabled. The lender counts as away.
    Given(Away),
}

/// How a worker counts that is away from its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Away {
    /// Within the limit that the user sets.
    Within,
    /// Beyond it, because others keep the slot that the worker had. So there may be one more
    /// thread.
    Beyond,
    /// Beyond it, as the *owner* of a loan that a borrower has, and returns to the owner.
    Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tick {
    No,
    /// It was unparked, and is to look.
    Asked,
    /// It parks until this moment at most.
    At(Nanos),
}

/// A worker that is about to lend its slot.
pub(super) struct Stand {
    pub(super) thread: Thread,
    pub(super) record: Arc<Record>,
    pub(super) name: Option<&'static Name>,
    /// The sum of the times for which the task has stood in vain before.
    pub(super) stood: Nanos,
    /// Whether the task has not stood since a worker took it from a queue.
    pub(super) is_first: bool,
}

/// The counts for the user.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// The gifts so far.
    pub(crate) given: usize,
    /// The longest time for which a slot was lent, in nanoseconds.
    pub(crate) longest: Nanos,
}

/// The part of the pool that the ticker sees.
pub(super) struct View {
    /// The number of slots.
    pub(super) slots: usize,
    /// Whether a worker runs.
    pub(super) anyone_runs: bool,
    /// A number that changes when a worker has run a task from a queue to its end.
    pub(super) progress: usize,
}

/// The lenders, under their lock.
pub(super) struct Guard<'a> {
    all: &'a Lenders,
    inside: crate::primitive::MutexGuard<'a, Inside>,
}

impl Lenders {
    pub(super) fn new(give_way: GiveWay) -> Self {
        Self {
            give_way,
            ticks: AtomicBool::new(false),
            surplus: AtomicUsize::new(0),
            standing: AtomicUsize::new(0),
            beyond: AtomicUsize::new(0),
            at_groups: AtomicUsize::new(0),
            inside: Mutex::new(Inside {
                lenders: Vec::new(),
                next_key: 0,
                progress: usize::MAX,
                owners: 0,
                returned: Vec::new(),
                taken: 0,
                totals: Totals::default(),
            }),
        }
    }

    pub(super) fn lock(&self) -> Guard<'_> {
        Guard {
            all: self,
            inside: lock(&self.inside),
        }
    }

    /// Returns `true` if a lender ticks or was asked to. A pusher makes a full fence before.
    pub(super) fn tick(&self) -> bool {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Returns the number of lenders that have not given their slots; a snapshot, may be stale.
    pub(super) fn standing(&self) -> usize {
        self.standing.load(Ordering::Relaxed)
    }

    /// Returns the number of workers that are away beyond the limit; a snapshot, may be stale.
    pub(super) fn beyond(&self) -> usize {
        self.beyond.load(Ordering::Relaxed)
    }

    /// Counts a worker that is away beyond the limit.
    pub(super) fn count_beyond(&self) {
        self.beyond.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a worker that was away beyond the limit as back.
    pub(super) fn uncount_beyond(&self) {
        self.beyond.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns `true` if a worker waits for room in a group of the pool. A pusher makes a full
    /// fence before.
    pub(super) fn stand_at_groups(&self) -> bool {
        self.at_groups.load(Ordering::Relaxed) > 0
    }

    pub(super) fn count_at_groups(&self) {
        self.at_groups.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn uncount_at_groups(&self) {
        self.at_groups.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns `true` if there is a surplus; a snapshot, may be stale.
    pub(super) fn has_surplus(&self) -> bool {
        self.surplus.load(Ordering::Relaxed) > 0
    }
}

impl Guard<'_> {
    /// L1, without the count: puts a worker into the list.
    pub(super) fn join(&mut self, stand: Stand) -> LenderKey {
        stand.record.stand(self.all.give_way.when_all_wait());
        let key = self.inside.next_key;
        self.inside.next_key += 1;
        let began = now();
        if stand.is_first {
            self.inside.taken = began;
        }
        self.inside.lenders.push(Lender {
            key,
            thread: stand.thread,
            record: stand.record,
            name: stand.name,
            began,
            since: began.saturating_sub(stand.stood),
            loan: Loan::Lent,
            tick: Tick::No,
            is_new: true,
            is_late: false,
        });
        self.all.standing.fetch_add(1, Ordering::Relaxed);
        key
    }

    /// Takes a worker out of the list. Returns how it counts as away if it has given its slot, for
    /// how long it has stood, and `true` if nobody ticks any more.
    ///
    /// If it has not given its slot the caller takes a lent slot, or else counts the worker as
    /// away, and as an [owner](Self::add_owner); and then calls [`stands_no_longer`].
    ///
    /// [`stands_no_longer`]: Self::stands_no_longer
    pub(super) fn leave(&mut self, key: LenderKey) -> (Option<Away>, Nanos, bool) {
        let index = self.index(key);
        let lender = self.inside.lenders.swap_remove(index);
        lender.record.leave();
        let stood = now().saturating_sub(lender.began);
        self.inside.totals.longest = self.inside.totals.longest.max(stood);
        let given = match lender.loan {
            Loan::Lent => None,
            Loan::Given(away) => Some(away),
        };
        let stops = lender.tick != Tick::No && !self.anyone_ticks();
        if stops {
            self.all.ticks.store(false, Ordering::Relaxed);
        }
        (given, stood, stops)
    }

    /// Counts a lender that has a slot, or was counted as away.
    pub(super) fn stands_no_longer(&self) {
        self.all.standing.fetch_sub(1, Ordering::Relaxed);
    }

    fn index(&self, key: LenderKey) -> usize {
        let mut lenders = self.inside.lenders.iter();
        let index = lenders.position(|lender| lender.key == key);
        index.expect("a lender is in the list until it leaves")
    }

    fn anyone_ticks(&self) -> bool {
        let mut lenders = self.inside.lenders.iter();
        lenders.any(|lender| lender.tick != Tick::No)
    }

    /// Asks a lender to tick, unless one does. The caller unparks it, without the lock.
    pub(super) fn ask(&mut self) -> Option<Thread> {
        if self.anyone_ticks() || self.all.give_way.0.is_none() {
            return None;
        }
        let mut lenders = self.inside.lenders.iter_mut();
        let lender = lenders.find(|lender| lender.loan == Loan::Lent)?;
        lender.tick = Tick::Asked;
        self.all.ticks.store(true, Ordering::Relaxed);
        Some(lender.thread.clone())
    }

    /// Returns `true` if this lender is to look whether a gift is due: it ticks, or nobody does, or
    /// it has just begun to stand, and the first gift may be due earlier than before.
    pub(super) fn is_ticker(&mut self, key: LenderKey) -> bool {
        let index = self.index(key);
        let lender = &mut self.inside.lenders[index];
        let is_new = std::mem::take(&mut lender.is_new);
        let (ticks, lends) = (lender.tick != Tick::No, lender.loan == Loan::Lent);
        ticks || lends && (is_new || !self.anyone_ticks())
    }

    /// Notes that this lender does not tick. Returns `true` if nobody does, in which case the
    /// caller makes a full fence and looks again.
    #[must_use]
    pub(super) fn stop_ticking(&mut self, key: LenderKey) -> bool {
        let index = self.index(key);
        self.inside.lenders[index].tick = Tick::No;
        let stops = !self.anyone_ticks();
        if stops {
            self.all.ticks.store(false, Ordering::Relaxed);
        }
        stops
    }

    /// Notes that this lender ticks until the next gift is due, unless another one does, which
    /// looks no later. Returns for how long the lender parks at most; `None` if it does not tick.
    pub(super) fn tick_until(&mut self, key: LenderKey, due: Option<Nanos>) -> Option<Duration> {
        let index = self.index(key);
        let due = due.filter(|&due| {
            !(self.inside.lenders.iter()).any(|other| match other.tick {
                Tick::No => false,
                Tick::Asked => other.key != key,
                Tick::At(at) => other.key != key && at <= due,
            })
        });
        self.inside.lenders[index].tick = due.map_or(Tick::No, Tick::At);
        let ticks = self.anyone_ticks();
        self.all.ticks.store(ticks, Ordering::Relaxed);
        due.map(|due| Duration::from_nanos(due.saturating_sub(now())))
    }

    /// Returns the lender whose gift is due first, and when that is. `None` if there never will be
    /// a gift.
    pub(super) fn first_due(&mut self, view: &View) -> Option<(LenderKey, Nanos)> {
        let GiveWay(Some(give_way)) = self.all.give_way else {
            return None;
        };
        if self.inside.progress != view.progress {
            self.inside.progress = view.progress;
            self.inside.taken = now();
        }
        let base = match view.anyone_runs {
            true => give_way,
            false => self.all.give_way.when_all_wait(),
        };
        let lenders = &self.inside.lenders;
        let given = lenders.iter().filter(|it| it.loan != Loan::Lent).count();
        let lent = lenders.iter().filter(|it| it.loan == Loan::Lent);
        let due = lent.map(|lender| {
            let from = lender.since.max(lender.record.last());
            let from = from.max(self.inside.taken);
            let patience = patience(base, lender.record.longest(), given, view.slots);
            (lender.key, from.saturating_add(patience))
        });
        due.min_by_key(|&(_, due)| due)
    }

    /// Returns `true` if this lender has not given its slot.
    pub(super) fn lends(&self, key: LenderKey) -> bool {
        self.inside.lenders[self.index(key)].loan == Loan::Lent
    }

    /// Notes that a lender has given its slot, and counts as away. A lent slot is to be claimed for
    /// the gift, or else [a surplus left](Self::leave_surplus).
    pub(super) fn give(&mut self, key: LenderKey, away: Away) {
        let index = self.index(key);
        self.inside.lenders[index].loan = Loan::Given(away);
        self.stands_no_longer();
    }

    /// Counts a gift that is made because a lender's patience is over, and describes it.
    pub(super) fn count_gift(&mut self, key: LenderKey) -> GaveWay {
        let now = now();
        self.inside.totals.given += 1;
        room::note_gift();
        // A task is about to be taken.
        self.inside.taken = now;
        let lender = &self.inside.lenders[self.index(key)];
        GaveWay {
            task: lender.name.map_or("", Name::get),
            stood: Duration::from_nanos(now.saturating_sub(lender.began)),
            awaited: lender.record.awaited(),
        }
    }

    /// Makes a lender wait for another patience, since too many workers are away for its gift.
    /// Returns `true` if it is the first time.
    pub(super) fn postpone(&mut self, key: LenderKey) -> bool {
        let index = self.index(key);
        let lender = &mut self.inside.lenders[index];
        lender.since = now();
        !std::mem::replace(&mut lender.is_late, true)
    }

    /// Returns a lender that has not given its slot, the one that came last if there are several.
    pub(super) fn any_lent(&self) -> Option<LenderKey> {
        let mut lenders = self.inside.lenders.iter().rev();
        let lender = lenders.find(|it| it.loan == Loan::Lent);
        lender.map(|lender| lender.key)
    }

    /// Counts an owner.
    pub(super) fn add_owner(&mut self) {
        self.inside.owners += 1;
    }

    /// Counts an owner less, whose slot was not returned.
    pub(super) fn remove_owner(&mut self) {
        self.inside.owners -= 1;
        debug_assert!(self.inside.returned.len() <= self.inside.owners);
    }

    /// Returns `true` if there is an owner whose slot was not returned.
    pub(super) fn has_owner(&self) -> bool {
        self.inside.returned.len() < self.inside.owners
    }

    /// Keeps a slot for an owner.
    pub(super) fn keep_for_owner(&mut self, reserved: ReservedSlot) {
        self.inside.returned.push(reserved);
    }

    /// Takes a slot that was returned to an owner, which is none from then on.
    #[must_use]
    pub(super) fn take_returned(&mut self) -> Option<ReservedSlot> {
        let reserved = self.inside.returned.pop()?;
        self.inside.owners -= 1;
        Some(reserved)
    }

    /// Returns the lender that ticks, if it is parked.
    pub(super) fn ticker(&self) -> Option<Thread> {
        let mut lenders = self.inside.lenders.iter();
        let ticker = lenders.find(|lender| matches!(lender.tick, Tick::At(_)));
        ticker.map(|lender| lender.thread.clone())
    }

    /// Counts a surplus loan.
    pub(super) fn leave_surplus(&mut self) {
        self.all.surplus.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a surplus loan, if there is one: the slot is the caller's.
    #[must_use]
    pub(super) fn take_surplus(&mut self) -> bool {
        let taken = self.all.has_surplus();
        if taken {
            self.all.surplus.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    /// Returns the number of slots that are lent now, and the totals.
    pub(super) fn totals(&self) -> (usize, Totals) {
        let lenders = self.inside.lenders.iter();
        let lent = lenders.filter(|it| it.loan == Loan::Lent);
        let mut totals = self.inside.totals;
        for lender in lent.clone() {
            totals.longest = totals.longest.max(now().saturating_sub(lender.began));
        }
        (lent.count(), totals)
    }
}

/// Returns for how long a lender is patient, in nanoseconds: see the module's documentation.
fn patience(base: Nanos, longest: Nanos, given: usize, slots: usize) -> Nanos {
    let least = base.max(longest.saturating_mul(4));
    let more = u128::from(least) * given as u128 / (4 * slots.max(1) as u128);
    least.saturating_add(Nanos::try_from(more).unwrap_or(Nanos::MAX))
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn patience_grows_with_pauses_and_with_tasks_that_stand() {
        assert_eq!(patience(10 * MS, 0, 0, 4), 10 * MS);
        assert_eq!(patience(10 * MS, 2 * MS, 0, 4), 10 * MS);
        assert_eq!(patience(10 * MS, 20 * MS, 0, 4), 80 * MS);
        assert_eq!(patience(10 * MS, 0, 16, 4), 20 * MS);
        assert_eq!(patience(Nanos::MAX / 2, Nanos::MAX / 2, 16, 4), Nanos::MAX);
    }

    #[test]
    fn fifty_producers_ahead_of_their_consumer_take_about_a_second_on_four_threads() {
        let times = (0..46).map(|given| patience(10 * MS, 0, given, 4));
        assert_eq!(times.sum::<Nanos>() / MS, 1106);
        let times = (0..296).map(|given| patience(10 * MS, 0, given, 4));
        assert_eq!(times.sum::<Nanos>() / MS, 30_247);
    }
}
