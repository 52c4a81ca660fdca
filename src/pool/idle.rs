//! Decides who sleeps, who searches, and whether a new task wakes someone.
//!
//! # Words
//! The holder of a slot is *busy* (it runs tasks, or looks where it would look between two),
//! *searching* (it has nothing and looks everywhere, for a short while), or *asleep* (parked). A
//! slot that nobody holds is *vacant*. One packed word counts the searching, the asleep and the
//! vacant; it is written only when someone's state changes.
//!
//! A *claim* is the right to wake one sleeper, or to fill one reserved slot with a thread when nobody
//! sleeps. It is made by moving one from asleep or vacant to searching in the word; which one it
//! is, is settled after that (`pool/slots.rs`). So a thread searches before it has started.
//!
//! # Invariants
//! 1. A task that has been pushed is seen by a busy or searching thread before that thread
//!    sleeps, or wakes a sleeper.
//! 2. At most half of the slots search (two at least), not counting those that were just woken or
//!    started.
//! 3. As many slots can be woken as the word counts asleep, and filled as it counts vacant: a slot
//!    is marked before it is counted, and unmarked after a claim.
//! 4. Until the pool has ended there is a thread that holds a slot, or one that waits and will look
//!    for a slot when its wait is over: those that have nothing to do end only while more are there
//!    than have to stay, which is one at least.
//!
//! # Protocol
//! *Pusher:* (P1) push the task; (P2) full fence; (P3) read the word; (P4) if nobody searches and
//! someone sleeps or is missing, claim and wake, or start a thread.
//! *Sleeper:* (S1) count itself asleep, and no longer searching if it was; (S2) full fence; (S3)
//! look at every queue once more, and if there is a task do P3 and P4 as if it had pushed it; (S4)
//! park until someone has claimed it, maybe itself. If the pool has ended, or somebody waits to hear
//! that all is done, it claims a sleeper whoever searches, itself if it can, and gets up.
//! *Searcher that found something:* (F1) count itself no longer searching; if it was the last, (F2)
//! full fence; (F3) look at every queue, and if there is a task do P3 and P4.
//! *Whoever leaves its slot vacant*, because it is going to wait, or because it has nothing to do and
//! ends: (V1) count the slot vacant, and no longer searching if it was; (V2) full fence; (V3) look at
//! every queue, and if there is a task do P3 and P4.
//! *Starter that fails:* the same, but for a sleeper only, not for a reserved slot again. *New thread whose
//! start the user has a say in:* F1 to F3 before the user is asked, for a sleeper only, too.
//! *Whoever takes a slot disabled:* (V2) and (V3) after it is uncounted, so the same; and who
//! brings one in, the same again.
//!
//! # Why no wake-up is lost
//! Take a push and the thread that is the last to leave its searching or waking state after it. One
//! of the fences P2 and S2 (or F2, or V2) comes first in the one order of all such fences.
//! *P2 first:* the look S3 (or F3, V3) sees the task, unless it has been taken: to be run, or to be
//! pushed to another local queue, with P2 to P4 (or by a searcher, with F1 to F3) after that, and the
//! argument begins anew. If it is seen, P3 and P4 are done on its behalf. *S2 (or F2, V2) first:* P3
//! sees the sleeper or the reserved slot counted (or the searcher gone). If it nevertheless reads that
//! somebody searches, that somebody leaves that state later, by S1, F1 or V1, and the argument holds
//! for it; there are finitely many threads, so it ends with one that sees the task, or with a P3 that
//! reads no searcher. A claim that fails does so because the word changed, and reads it again. If
//! nobody sleeps, nothing is vacant and nobody searches, all holders are busy, and each passes S1 to
//! S3 before it sleeps, or V1 to V3 before it waits or ends.
//!
//! A reserved slot for which there is no thread stays one, and is claimed again by the next push, by a
//! thread whose wait is over and by one that has ended a task without a slot (`pool/local/slot.rs`). By
//! invariant 4 that is needed only while every thread of the pool waits, so a task never waits for a
//! thread that cannot be started unless all that could be are waiting.
//!
//! # Why not otherwise
//! A wake-up for each push costs a system call for each task. A wake-up passed on by every thread
//! that finds a task (not only by the last searcher, when more is there) wakes threads for nothing
//! in a ping-pong. A read-modify-write on this word in place of the fence P2 would move its cache
//! line to every pusher.

use crate::primitive::{AtomicU64, Ordering, Padded, fence};

const SEARCHING: u64 = 1;
const ASLEEP: u64 = 1 << 16;
const VACANT: u64 = 1 << 32;
const FIELD: u64 = 0xFFFF;

/// The most slots that the packed word can count.
pub(crate) const MAX_SLOTS: usize = FIELD as usize;

/// The packed word.
pub(crate) struct Idle {
    counts: Padded<AtomicU64>,
    /// How many may search at a time.
    max_searching: AtomicU64,
}

/// What a claim is for.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// A sleeper, to be woken.
    Sleeper,
    /// A vacant slot, to be given to a thread.
    Vacant,
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

    /// What there is to claim.
    #[inline]
    fn claimable(self) -> Option<Claim> {
        if self.0 < ASLEEP {
            None
        } else if self.asleep() > 0 {
            Some(Claim::Sleeper)
        } else {
            Some(Claim::Vacant)
        }
    }
}

impl Idle {
    /// There are no slots at first.
    pub(crate) fn new() -> Self {
        Self {
            counts: Padded(AtomicU64::new(0)),
            max_searching: AtomicU64::new(2),
        }
    }

    /// V1 and V2 of one who brings a slot into the game, vacant. The caller has marked it before.
    pub(crate) fn one_more(&self) {
        // ORDERING: Release gives the slot's mark to `claim`.
        self.counts.fetch_add(VACANT, Ordering::AcqRel);
        // V2. ORDERING: pairs with P2 in `pushed`.
        fence(Ordering::SeqCst);
    }

    /// Lets so many search as is right for so many slots.
    pub(crate) fn limit_searching(&self, slots: usize) {
        let most = (slots as u64 / 2).max(2);
        self.max_searching.store(most, Ordering::Relaxed);
    }

    /// Tells whether nobody searches or sleeps and no slot is vacant, a snapshot, may be stale.
    #[inline]
    pub(crate) fn is_nobody_idle(&self) -> bool {
        self.counts.load(Ordering::Relaxed) == 0
    }

    /// P2 to P4 of a pusher; whoever is claimed will be searching.
    #[inline]
    pub(crate) fn pushed(&self) -> Option<Claim> {
        // P2. ORDERING: pairs with S2 in `fall_asleep`, F2 in `found`, and V2 in `left_vacant`.
        fence(Ordering::SeqCst);
        self.claim(|counts| match counts.searching() {
            0 => counts.claimable(),
            _ => None,
        })
    }

    /// P3 and P4 of one that wants a sleeper, and no reserved slot; `false` if there is none, or no need.
    #[must_use]
    pub(crate) fn claim_wanted_sleeper(&self) -> bool {
        let wanted = |counts: Counts| counts.searching() == 0 && counts.asleep() > 0;
        self.claim(|counts| wanted(counts).then_some(Claim::Sleeper))
            .is_some()
    }

    /// Claims a sleeper whoever searches, as at the end of the pool; `false` if none is left.
    #[must_use]
    pub(crate) fn claim_any_sleeper(&self) -> bool {
        self.claim(|counts| (counts.asleep() > 0).then_some(Claim::Sleeper))
            .is_some()
    }

    /// Claims a reserved slot whoever searches or sleeps, as at the beginning of the pool.
    #[must_use]
    pub(crate) fn claim_any_vacant(&self) -> bool {
        self.claim(|counts| (counts.vacant() > 0).then_some(Claim::Vacant))
            .is_some()
    }

    #[inline]
    fn claim(&self, choose: impl Fn(Counts) -> Option<Claim>) -> Option<Claim> {
        self.change(|counts| {
            let claim = choose(counts)?;
            let from = match claim {
                Claim::Sleeper => ASLEEP,
                Claim::Vacant => VACANT,
            };
            Some((claim, SEARCHING.wrapping_sub(from)))
        })
    }

    /// Counts those that are neither busy nor searching, a snapshot, may be stale.
    pub(crate) fn resting(&self) -> usize {
        let counts = Counts(self.counts.load(Ordering::Relaxed));
        (counts.asleep() + counts.vacant()) as usize
    }

    /// Busy to searching; `false` if enough search already.
    #[must_use]
    pub(crate) fn start_searching(&self) -> bool {
        let most = self.max_searching.load(Ordering::Relaxed);
        let few = |counts: Counts| counts.searching() < most;
        self.change(|counts| few(counts).then_some(((), SEARCHING)))
            .is_some()
    }

    /// Adds to the word what `decide` says of it, with the answer to give; or nothing.
    #[inline]
    fn change<A>(&self, decide: impl Fn(Counts) -> Option<(A, u64)>) -> Option<A> {
        let mut counts = Counts(self.counts.load(Ordering::Relaxed));
        loop {
            let (answer, change) = decide(counts)?;
            // ORDERING: Acquire takes the mark that a slot was given before it was counted.
            match self.counts.compare_exchange_weak(
                counts.0,
                counts.0.wrapping_add(change),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(answer),
                Err(seen) => counts = Counts(seen),
            }
        }
    }

    /// F1 and F2: searching to busy; `true`: the caller was the last, and has to do F3.
    #[must_use]
    pub(crate) fn found(&self) -> bool {
        let before = Counts(self.counts.fetch_sub(SEARCHING, Ordering::AcqRel));
        let last = before.searching() == 1;
        if last {
            // F2. ORDERING: pairs with P2 in `pushed`.
            fence(Ordering::SeqCst);
        }
        last
    }

    /// S1 and S2: searching or busy to asleep. The caller has marked its slot before.
    pub(crate) fn fall_asleep(&self, was_searching: bool) {
        let searching = if was_searching { SEARCHING } else { 0 };
        // ORDERING: Release gives the slot's mark to `claim`.
        self.counts
            .fetch_add(ASLEEP.wrapping_sub(searching), Ordering::AcqRel);
        // S2. ORDERING: pairs with P2 in `pushed`.
        fence(Ordering::SeqCst);
    }

    /// V1 and V2: busy or searching to vacant. The caller has marked the slot before.
    pub(crate) fn left_vacant(&self, was_searching: bool) {
        self.vacated(was_searching);
        // V2. ORDERING: pairs with P2 in `pushed`.
        fence(Ordering::SeqCst);
    }

    /// V2 of one whose slot is disabled, and no longer searching if it was.
    pub(crate) fn left_for_good(&self, was_searching: bool) {
        if was_searching {
            self.counts.fetch_sub(SEARCHING, Ordering::AcqRel);
        }
        // V2. ORDERING: pairs with P2 in `pushed`.
        fence(Ordering::SeqCst);
    }

    /// Busy or searching to vacant, without a last look: the pool has ended. The caller has marked
    /// the slot before.
    pub(crate) fn vacated(&self, was_searching: bool) {
        let searching = if was_searching { SEARCHING } else { 0 };
        // ORDERING: Release gives the slot's mark to `claim`.
        self.counts
            .fetch_add(VACANT.wrapping_sub(searching), Ordering::AcqRel);
    }
}
