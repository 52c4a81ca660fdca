//! Decides how many threads sleep and search, and whether a new task wakes a thread.
//!
//! # Words
//! The holder of a slot is *busy* (it runs tasks, or looks where it would look between two tasks),
//! *searching* (it has nothing and looks everywhere, for a short while), or *asleep* (parked). A
//! slot without a holder is *vacant*, or *lent* if only what has begun may run there
//! (`pool/lenders.rs`). One packed word counts the searching, the asleep, the vacant and the lent.
//! It is written only when the state of a thread or slot changes.
//!
//! A *claim* is the right to wake one sleeper, or to take one vacant slot for a thread. A push
//! prefers a sleeper. A claim is made by moving one unit from asleep or vacant to searching in the
//! word; which sleeper or slot it is for is settled after that (`pool/slots.rs`). So a thread
//! counts as searching before it has started. A thread that counts as searching holds a
//! [`Searching`].
//!
//! # Invariants
//! 1. A task that has been pushed is seen by a busy or searching thread before that thread sleeps,
//!    or wakes a sleeper.
//! 2. At most half of the slots search (two at least), not counting the threads that were just
//!    woken or started.
//! 3. As many slots can be woken as the word counts asleep, and filled as it counts vacant: a slot
//!    is marked before it is counted, and unmarked after a claim.
//! 4. Until the pool has ended there is a thread that holds a slot, or a thread that waits and will
//!    look for a slot when its wait is over, or a thread that rests and can be handed a slot:
//!    threads that have nothing to do end only while more threads are there than have to stay, and
//!    at least one has to stay.
//!
//! # Protocol
//! - *Pusher:* (P1) push the task; (P2) full fence; (P3) read the word; (P4) if nobody searches,
//!   and a thread sleeps or a slot is vacant, claim and wake the sleeper, or start a thread; if all
//!   slots that are not busy are lent, do P4 of `pool/lenders.rs`.
//! - *Sleeper:* (S1) count itself asleep, and no longer searching if it was; (S2) full fence; (S3)
//!   look at every queue once more, and if there is a task do P3 and P4, for a sleeper only; (S4)
//!   park until a thread has claimed it, which may be itself. If the pool has ended, or is
//!   quiescent and a joiner has to be woken or the end to be announced, the sleeper claims a
//!   sleeper no matter who searches, itself if it can, and gets up.
//! - *Searcher that found something:* (F1) count itself no longer searching; if it was the last,
//!   (F2) full fence; (F3) look at every queue, and if there is a task do P3 and P4.
//! - *Thread that leaves a slot vacant*, because it is going to wait, because it has nothing to do
//!   and ends, or because the task is gone for which it was to fill the slot: (V1) count the slot
//!   vacant, and no longer searching if it was; (V2) full fence; (V3) look at every queue, and if
//!   there is a task do P3 and P4.
//! - *Starter that fails:* V1 to V3, but P4 for a sleeper only, not for a vacant slot again.
//! - *New thread that first calls the user's hook:* F1 to F3 before the hook is called, for a
//!   sleeper only, too.
//! - *Thread that disables a slot:* V2 and V3 after the slot is uncounted; a thread that enables a
//!   slot, V1 to V3.
//!
//! # Why no wake-up is lost
//! Take a push and the thread that is the last to leave its searching or waking state after it. One
//! of the fences P2 and S2 (or F2, or V2) comes first in the one order of all such fences.
//!
//! *P2 first:* the look S3 (or F3, V3) sees the task, unless the task has been taken: to be run, or
//! to be pushed to another local queue, with P2 to P4 (or by a searcher, with F1 to F3) after that,
//! and the argument begins anew. If the task is seen, P3 and P4 are done on its behalf.
//!
//! *S2 (or F2, V2) first:* P3 sees the sleeper or the vacant slot counted (or the searcher gone).
//! If it nevertheless reads that a thread searches, that thread leaves its state later, by S1, F1
//! or V1, and the argument holds for it; there are finitely many threads, so the argument ends with
//! a thread that sees the task, or with a P3 that reads no searcher. A claim that fails does so
//! because the word changed, and reads it again. If nobody sleeps, nothing is vacant and nobody
//! searches, all holders are busy, and each passes S1 to S3 before it sleeps, or V1 to V3 before it
//! waits or ends.
//!
//! A vacant slot for which there is no thread stays vacant. It is claimed again by the next push,
//! by a thread whose wait is over and by a thread that has ended a task without a slot
//! (`pool/local/slot.rs`). By invariant 4 a slot stays vacant beside tasks only while every worker
//! waits, since a thread that rests is handed the slot (`pool/resting.rs`). So a task never waits
//! for a thread that cannot be started unless all existing threads are waiting.
//!
//! # Why not otherwise
//! A wake-up for each push costs a system call for each task. A wake-up passed on by every thread
//! that finds a task (not only by the last searcher, when there is more) wakes threads in vain in a
//! ping-pong. A read-modify-write on this word in place of the fence P2 would move its cache line
//! to every pusher.

use std::fmt;

use crate::primitive::{AtomicU64, Ordering, Padded, fence};

const SEARCHING: u64 = 1;
const ASLEEP: u64 = 1 << 16;
const VACANT: u64 = 1 << 32;
const LENT: u64 = 1 << 48;
const FIELD: u64 = 0xFFFF;

/// The most slots that the packed word can count.
pub(crate) const MAX_SLOTS: usize = FIELD as usize;

/// The packed word.
pub(super) struct Idle {
    counts: Padded<AtomicU64>,
    /// The number of threads that may search at a time. Only written when the number of slots
    /// changes.
    max_searching: AtomicU64,
}

/// The evidence that a thread, or a thread that is about to start, counts as searching.
///
/// It is made by the count and handed back when the count ends, so that neither can be forgotten.
/// On its way to a sleeper it is dropped by the waker, and made anew by [`woken`](Idle::woken).
#[must_use = "while a thread counts as searching no other is woken: hand this back to `Idle`"]
#[derive(Debug)]
pub(super) struct Searching(());

/// The thing that a claim is for.
#[must_use]
#[derive(Debug)]
pub(super) enum Claim {
    /// A sleeper, to be woken.
    Sleeper(Searching),
    /// A vacant slot, to be given to a thread.
    Vacant(Searching),
    /// Nothing: nobody searches or sleeps, no slot is vacant, and some are lent.
    OnlyLent,
}

/// A copy of the packed word.
#[derive(Clone, Copy)]
struct Counts(u64);

impl Counts {
    fn searching(self) -> u64 {
        (self.0 / SEARCHING) & FIELD
    }

    fn asleep(self) -> u64 {
        (self.0 / ASLEEP) & FIELD
    }

    fn vacant(self) -> u64 {
        (self.0 / VACANT) & FIELD
    }

    fn lent(self) -> u64 {
        self.0 / LENT
    }

    /// Returns `true` if nobody searches or sleeps, no slot is vacant, and some are lent.
    fn are_only_lent(self) -> bool {
        self.lent() > 0 && self.0 % LENT == 0
    }

    /// Where a claim can take its unit from, if from anywhere: a sleeper rather than a vacant slot.
    fn claimable(self) -> Option<u64> {
        if self.asleep() > 0 {
            Some(ASLEEP)
        } else {
            (self.vacant() > 0).then_some(VACANT)
        }
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("searching", &self.searching())
            .field("asleep", &self.asleep())
            .field("vacant", &self.vacant())
            .field("lent", &self.lent())
            .finish()
    }
}

impl Idle {
    /// A word that counts no slot yet.
    pub(super) fn new() -> Self {
        Self {
            counts: Padded(AtomicU64::new(0)),
            max_searching: AtomicU64::new(2),
        }
    }

    /// V1 and V2 for a slot that is newly enabled, and vacant. The caller has marked the slot
    /// before.
    pub(super) fn enable_vacant(&self) {
        self.add(VACANT, None);
        // V2. ORDERING: pairs with P2 in `wants_claim`.
        fence(Ordering::SeqCst);
    }

    /// Limits searchers to half of the slots, two at least.
    pub(super) fn limit_searching(&self, slots: usize) {
        let most = (slots as u64 / 2).max(2);
        self.max_searching.store(most, Ordering::Relaxed);
    }

    /// Returns `true` if nobody searches or sleeps and no slot is vacant; a snapshot, may be stale.
    #[inline]
    pub(super) fn are_all_busy(&self) -> bool {
        self.counts.load(Ordering::Relaxed) == 0
    }

    /// Returns `true` if a thread sleeps, or a slot is vacant or lent; a snapshot, may be stale.
    #[inline]
    pub(super) fn has_spare(&self) -> bool {
        self.counts.load(Ordering::Relaxed) >= ASLEEP
    }

    /// P2 and P3 of a pusher. Returns `true` if it has to do P4, by
    /// [`claim_for_push`](Self::claim_for_push).
    #[inline]
    pub(super) fn wants_claim(&self) -> bool {
        // P2. ORDERING: pairs with S2 in `fall_asleep`, F2 in `end_search`, and V2 in
        // `count_vacant`, `count_lent`, `enable_vacant` and `leave_aside`.
        fence(Ordering::SeqCst);
        let counts = Counts(self.counts.load(Ordering::Relaxed));
        counts.searching() == 0 && counts.0 != 0
    }

    /// P4 of a pusher.
    pub(super) fn claim_for_push(&self) -> Option<Claim> {
        let wanted = |counts: Counts| match counts.searching() {
            0 => counts.claimable(),
            _ => None,
        };
        match self.claim(wanted) {
            Ok((ASLEEP, searching)) => Some(Claim::Sleeper(searching)),
            Ok((_, searching)) => Some(Claim::Vacant(searching)),
            Err(counts) => counts.are_only_lent().then_some(Claim::OnlyLent),
        }
    }

    /// P3 and P4 for a sleeper, and no vacant slot. Returns `None` if there is none, or no need.
    pub(super) fn claim_wanted_sleeper(&self) -> Option<Searching> {
        self.claim_one(ASLEEP, |counts| {
            counts.searching() == 0 && counts.asleep() > 0
        })
    }

    /// Claims a sleeper no matter who searches, as at the end of the pool.
    pub(super) fn claim_any_sleeper(&self) -> Option<Searching> {
        self.claim_one(ASLEEP, |counts| counts.asleep() > 0)
    }

    /// Claims a vacant slot no matter who searches or sleeps.
    pub(super) fn claim_any_vacant(&self) -> Option<Searching> {
        self.claim_one(VACANT, |counts| counts.vacant() > 0)
    }

    /// Claims a lent slot no matter who searches or sleeps.
    pub(super) fn claim_lent(&self) -> Option<Searching> {
        self.claim_one(LENT, |counts| counts.lent() > 0)
    }

    fn claim_one(&self, from: u64, may: impl Fn(Counts) -> bool) -> Option<Searching> {
        let claimed = self.claim(|counts| may(counts).then_some(from));
        claimed.ok().map(|(_, searching)| searching)
    }

    /// Moves one unit from where `choose` says to searching, or returns what the word was.
    #[inline]
    fn claim(&self, choose: impl Fn(Counts) -> Option<u64>) -> Result<(u64, Searching), Counts> {
        let from = self.change(|counts| {
            let from = choose(counts)?;
            Some((from, SEARCHING.wrapping_sub(from)))
        });
        Ok((from?, Searching(())))
    }

    /// The evidence of a thread that was woken: the thread that claimed it has counted it.
    pub(super) fn woken(&self) -> Searching {
        Searching(())
    }

    /// Returns the number of slots that are asleep, vacant or lent; a snapshot, may be stale.
    pub(super) fn not_awake(&self) -> usize {
        let counts = Counts(self.counts.load(Ordering::Relaxed));
        (counts.asleep() + counts.vacant() + counts.lent()) as usize
    }

    /// Busy to searching. Returns `None` if enough threads search already.
    pub(super) fn start_search(&self) -> Option<Searching> {
        let most = self.max_searching.load(Ordering::Relaxed);
        let few = |counts: Counts| counts.searching() < most;
        self.change(|counts| few(counts).then_some(((), SEARCHING)))
            .ok()
            .map(Searching)
    }

    /// Returns `true` if there are slots that are lent and not in use; a snapshot, may be stale.
    #[inline]
    pub(super) fn has_lent(&self) -> bool {
        self.counts.load(Ordering::Relaxed) >= LENT
    }

    /// Adds to the word what `decide` says of it, and returns the answer that comes with it, or
    /// what the word was if there is none.
    #[inline]
    fn change<A>(&self, decide: impl Fn(Counts) -> Option<(A, u64)>) -> Result<A, Counts> {
        let mut counts = Counts(self.counts.load(Ordering::Relaxed));
        loop {
            let Some((answer, change)) = decide(counts) else {
                return Err(counts);
            };
            // ORDERING: Acquire takes the mark that a slot was given before it was counted.
            match self.counts.compare_exchange_weak(
                counts.0,
                counts.0.wrapping_add(change),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(answer),
                Err(seen) => counts = Counts(seen),
            }
        }
    }

    /// F1 and F2: searching to busy. Returns `true` if the caller was the last, and has to do F3.
    #[must_use = "`true`: the caller has to look at every queue"]
    pub(super) fn end_search(&self, searching: Searching) -> bool {
        let before = self.add(0, Some(searching));
        let last = before.searching() == 1;
        if last {
            // F2. ORDERING: pairs with P2 in `wants_claim`.
            fence(Ordering::SeqCst);
        }
        last
    }

    /// S1 and S2: searching or busy to asleep. The caller has marked its slot before.
    pub(super) fn fall_asleep(&self, searching: Option<Searching>) {
        self.add(ASLEEP, searching);
        // S2. ORDERING: pairs with P2 in `wants_claim`.
        fence(Ordering::SeqCst);
    }

    /// V1 and V2: busy or searching to vacant. The caller has marked the slot before.
    pub(super) fn count_vacant(&self, searching: Option<Searching>) {
        self.add(VACANT, searching);
        // V2. ORDERING: pairs with P2 in `wants_claim`.
        fence(Ordering::SeqCst);
    }

    /// V1 and V2: busy or searching to lent. The caller has marked the slot before.
    pub(super) fn count_lent(&self, searching: Option<Searching>) {
        self.add(LENT, searching);
        // V2. ORDERING: pairs with P2 in `wants_claim`.
        fence(Ordering::SeqCst);
    }

    /// V2 for a slot that was disabled, or set aside, which no longer searches if it did.
    pub(super) fn leave_aside(&self, searching: Option<Searching>) {
        if searching.is_some() {
            self.add(0, searching);
        }
        // V2. ORDERING: pairs with P2 in `wants_claim`.
        fence(Ordering::SeqCst);
    }

    /// Busy or searching to vacant, without a last look: the pool has ended. The caller has marked
    /// the slot before.
    pub(super) fn leave_at_the_end(&self, searching: Option<Searching>) {
        self.add(VACANT, searching);
    }

    /// Adds `unit`, and takes one searcher away if there is evidence of it.
    fn add(&self, unit: u64, searching: Option<Searching>) -> Counts {
        let less = if searching.is_some() { SEARCHING } else { 0 };
        // ORDERING: Release gives the slot's mark to `change`.
        let before = self
            .counts
            .fetch_add(unit.wrapping_sub(less), Ordering::AcqRel);
        let before = Counts(before);
        debug_assert!(less == 0 || before.searching() > 0, "{before:?}");
        debug_assert!(unit != ASLEEP || before.asleep() < FIELD, "{before:?}");
        debug_assert!(unit != VACANT || before.vacant() < FIELD, "{before:?}");
        debug_assert!(unit != LENT || before.lent() < FIELD, "{before:?}");
        before
    }
}
