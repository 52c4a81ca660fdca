//! Claim words: whether a job that was sent ahead has begun.
//!
//! A job that lies in the socket behind a running one may have to be taken back: it is cancelled,
//! another worker process is idle, or the process dies. Only memory that both processes share can
//! tell whether it has begun, since a message about it would come too late.
//!
//! Each job has a word. The parent stores SENT before it sends the job. The worker begins the job
//! only if its exchange of SENT for BEGUN succeeds, and else passes it over without an answer. The
//! parent takes it back only if its exchange of SENT for WITHDRAWN succeeds. So exactly one of the
//! two has the job, also if the worker dies in the middle: a word that it had not exchanged is
//! exchanged by the parent.
//!
//! A word holds the job's sequence number as well, so that what is done late to an earlier job that
//! had the same word fails. There are [`WORDS`] words, used in turn; the parent does not use that
//! of a job again that it has sent, not taken back, and got no answer to.
//!
//! There are two more kinds of words, for the queues of the hub (`hub/ahead.rs`). The word of an
//! *item* that was sent ahead is used as that of a job: the worker exchanges SENT for KEPT or
//! LEASED, and the parent for WITHDRAWN. The worker exchanges LEASED for DONE, and then looks at a
//! word by which the parent asks to be told; the parent sets that, and then looks for DONE. Both
//! make a fence in between, so one of them sees the other. A word of *credit* is the number of
//! items that the worker may put without asking. The parent adds to it; the worker takes one at a
//! time; and the parent takes all that are left at once. So each is the worker's or the parent's.
//!
//! The words of items also serve for permits (`hub/keys.rs`). The worker exchanges HELD for
//! RELEASED, and back. The parent exchanges RELEASED for GONE, and has the permit, or HELD for
//! WANTED, after which the worker's exchange fails, and it sends a message.
//!
//! The memory is a file without a name that cannot shrink, so an access cannot fail.

#![expect(
    unsafe_code,
    reason = "memory that two processes share is reached by a pointer"
)]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};

/// The number of words.
pub(crate) const WORDS: u64 = 16;

/// The number of words of credit.
pub(crate) const CREDITS: usize = 16;

/// The number of words of items and permits.
pub(crate) const ITEMS: u64 = 224;

/// The number of words of all kinds: those of jobs, of credit, by which the parent asks to be told,
/// and of items.
const ALL: usize = WORDS as usize + 2 * CREDITS + ITEMS as usize;

const BYTES: usize = ALL * size_of::<AtomicU64>();

const SENT: u64 = 1;
const BEGUN: u64 = 2;
const WITHDRAWN: u64 = 3;

/// Of items, besides SENT and WITHDRAWN.
const KEPT: u64 = 0;
const LEASED: u64 = 2;
const DONE: u64 = 4;

/// Of permits.
const RELEASED: u64 = 0;
const HELD: u64 = 1;
const WANTED: u64 = 2;
const GONE: u64 = 3;

/// Whose an item is that was sent ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The parent's again. The worker will pass it over.
    Parents,
    /// The worker's, until it is done.
    Leased,
    /// The worker's for good.
    Kept,
    /// Nobody's: it is done.
    Done,
}

/// The words of one worker process, as one of the two sides sees them.
#[derive(Debug)]
pub(crate) struct Claims(MmapRaw);

impl Claims {
    /// Creates words, and returns the descriptor by which the other side maps them.
    pub(crate) fn create() -> io::Result<(Self, OwnedFd)> {
        let file = super::memory::create("workmill-claims", BYTES as u64)?;
        let claims = MmapOptions::new().len(BYTES).map_raw(&file)?;
        Ok((Self(claims), super::socket::above_standard(file.into())?))
    }

    /// Maps the words that the other side has created.
    pub(crate) fn open(descriptor: OwnedFd) -> io::Result<Self> {
        let file = File::from(descriptor);
        super::memory::check(&file, BYTES as u64)?;
        MmapOptions::new().len(BYTES).map_raw(&file).map(Self)
    }

    fn words(&self) -> &[AtomicU64; ALL] {
        let words = self.0.as_ptr().cast::<[AtomicU64; ALL]>();
        // SAFETY: the map begins with a page, so it is aligned; it has BYTES bytes, behind which
        // there is a file that was created with as many, and cannot shrink (`create`, `check`). It
        // lives as long as `self`, which the reference borrows. Both processes access the words by
        // atomic operations only, and each value is a valid one.
        unsafe { &*words }
    }

    fn word(&self, sequence: u64) -> &AtomicU64 {
        &self.words()[(sequence % WORDS) as usize]
    }

    fn credit(&self, slot: usize) -> &AtomicU64 {
        assert!(slot < CREDITS);
        &self.words()[WORDS as usize + slot]
    }

    fn asks(&self, slot: usize) -> &AtomicU64 {
        assert!(slot < CREDITS);
        &self.words()[WORDS as usize + CREDITS + slot]
    }

    fn item(&self, sequence: u64) -> &AtomicU64 {
        &self.words()[WORDS as usize + 2 * CREDITS + (sequence % ITEMS) as usize]
    }

    /// Parent: notes that a job is about to be sent.
    pub(crate) fn send(&self, sequence: u64) {
        // ORDERING: Release: nothing is read by the word but itself. The job comes through the
        // socket, and so the worker sees the word as it was stored before.
        self.word(sequence)
            .store(of(sequence, SENT), Ordering::Release);
    }

    /// Parent: takes a job back. Returns `true` if it has not begun, and never will.
    pub(crate) fn withdraw(&self, sequence: u64) -> bool {
        self.exchange(sequence, WITHDRAWN)
    }

    /// Worker: begins a job. Returns `false` if it was taken back.
    pub(crate) fn begin(&self, sequence: u64) -> bool {
        self.exchange(sequence, BEGUN)
    }

    fn exchange(&self, sequence: u64, to: u64) -> bool {
        exchange(self.word(sequence), sequence, to)
    }

    /// Parent: gives credit.
    pub(crate) fn grant(&self, slot: usize, credit: u64) {
        // ORDERING: Relaxed: the word orders nothing but itself. What is put by it comes through
        // the socket.
        self.credit(slot).fetch_add(credit, Ordering::Relaxed);
    }

    /// Parent: takes all credit back that is left, and returns how much that was.
    pub(crate) fn revoke(&self, slot: usize) -> u64 {
        // ORDERING: Relaxed: as in `grant`.
        self.credit(slot).swap(0, Ordering::Relaxed)
    }

    /// Worker: takes one of the credit. Returns `false` if none is left.
    pub(crate) fn spend(&self, slot: usize) -> bool {
        let less = |credit: u64| credit.checked_sub(1);
        // ORDERING: Relaxed: as in `grant`.
        let spent = self
            .credit(slot)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        spent.is_ok()
    }

    /// Parent: notes that an item is about to be sent ahead.
    pub(crate) fn offer(&self, sequence: u64) {
        // ORDERING: Release: as in `send`.
        self.item(sequence)
            .store(of(sequence, SENT), Ordering::Release);
    }

    /// Parent: takes an item back, if the worker has not taken it.
    pub(crate) fn take_back(&self, sequence: u64) -> Whose {
        match exchange(self.item(sequence), sequence, WITHDRAWN) {
            true => Whose::Parents,
            false => self.taken(sequence).unwrap_or(Whose::Parents),
        }
    }

    /// Parent: returns whose an item is that the worker has taken.
    pub(crate) fn taken(&self, sequence: u64) -> Option<Whose> {
        // ORDERING: Acquire pairs with the exchanges of `take` and `done`.
        let word = self.item(sequence).load(Ordering::Acquire);
        let is = |state: u64| word == of(sequence, state);
        if is(LEASED) {
            Some(Whose::Leased)
        } else if is(DONE) {
            Some(Whose::Done)
        } else {
            is(KEPT).then_some(Whose::Kept)
        }
    }

    /// Parent: asks to be told when items are done, or does not any more. It looks for those that
    /// are after that.
    pub(crate) fn ask_to_be_told(&self, slot: usize, asks: bool) {
        // ORDERING: Relaxed, and the fence, which pairs with that of `done`.
        self.asks(slot).store(u64::from(asks), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Worker: notes that an item is done which it has taken as a task. Returns `true` if the
    /// parent asks to be told.
    pub(crate) fn done(&self, sequence: u64, slot: usize) -> bool {
        exchange_from(self.item(sequence), sequence, LEASED, DONE);
        // ORDERING: the fence pairs with that of `ask_to_be_told`: either its store is seen here,
        // or the exchange is seen there.
        fence(Ordering::SeqCst);
        self.asks(slot).load(Ordering::Relaxed) != 0
    }

    /// Parent: returns `true` if the worker has not taken the item.
    pub(crate) fn is_offered(&self, sequence: u64) -> bool {
        // ORDERING: Relaxed: a snapshot.
        self.item(sequence).load(Ordering::Relaxed) == of(sequence, SENT)
    }

    /// Worker: takes an item that was sent ahead, for good or until it is done. Returns `false` if
    /// it was taken back.
    pub(crate) fn take(&self, sequence: u64, for_good: bool) -> bool {
        let to = if for_good { KEPT } else { LEASED };
        exchange(self.item(sequence), sequence, to)
    }

    /// Parent: notes that permits are about to be granted.
    pub(crate) fn lend(&self, sequence: u64) {
        // ORDERING: Release: as in `send`.
        self.item(sequence)
            .store(of(sequence, HELD), Ordering::Release);
    }

    /// Parent: takes permits back that the worker has released. Returns `false` if it has them; it
    /// will send a message when it releases them.
    pub(crate) fn want(&self, sequence: u64) -> bool {
        let word = self.item(sequence);
        loop {
            if exchange_from(word, sequence, RELEASED, GONE) {
                return true;
            }
            if exchange_from(word, sequence, HELD, WANTED) {
                return false;
            }
            // ORDERING: Relaxed: a state that the worker does not change.
            if word.load(Ordering::Relaxed) == of(sequence, WANTED) {
                return false;
            }
        }
    }

    /// Worker: releases permits. Returns `false` if that needs a message.
    pub(crate) fn release(&self, sequence: u64) -> bool {
        exchange_from(self.item(sequence), sequence, HELD, RELEASED)
    }

    /// Worker: takes permits again that it has released. Returns `false` if they are gone.
    pub(crate) fn acquire(&self, sequence: u64) -> bool {
        exchange_from(self.item(sequence), sequence, RELEASED, HELD)
    }
}

fn exchange(word: &AtomicU64, sequence: u64, to: u64) -> bool {
    exchange_from(word, sequence, SENT, to)
}

fn exchange_from(word: &AtomicU64, sequence: u64, from: u64, to: u64) -> bool {
    let (from, to) = (of(sequence, from), of(sequence, to));
    // ORDERING: AcqRel: what the two sides do to one job, item or permit is ordered by it, and so
    // is what each does next: the one that sees the other's word does so after it.
    word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

fn of(sequence: u64, state: u64) -> u64 {
    sequence << 3 | state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> (Claims, Claims) {
        let (parent, descriptor) = Claims::create().unwrap();
        (parent, Claims::open(descriptor).unwrap())
    }

    #[test]
    fn one_side_has_each_job() {
        let (parent, worker) = both();
        parent.send(7);
        assert!(worker.begin(7) && !parent.withdraw(7));
        parent.send(8);
        assert!(parent.withdraw(8) && !worker.begin(8));
        assert!(!parent.withdraw(8));
    }

    #[test]
    fn an_earlier_job_of_the_same_word_is_another_one() {
        let (parent, worker) = both();
        parent.send(1);
        parent.send(1 + WORDS);
        assert!(!worker.begin(1) && !parent.withdraw(1));
        assert!(worker.begin(1 + WORDS));
    }

    #[test]
    fn threads_that_race_for_jobs_have_each_once() {
        let (parent, worker) = both();
        for sequence in 0..10_000 {
            parent.send(sequence);
            let (begun, withdrawn) = std::thread::scope(|scope| {
                // A thread for one in a hundred: the others would take too long.
                match sequence % 100 {
                    0 => {
                        let begun = scope.spawn(|| worker.begin(sequence));
                        let withdrawn = parent.withdraw(sequence);
                        (begun.join().unwrap(), withdrawn)
                    }
                    _ => (worker.begin(sequence), parent.withdraw(sequence)),
                }
            });
            assert!(begun != withdrawn);
        }
    }

    #[test]
    fn an_item_is_taken_or_taken_back() {
        let (parent, worker) = both();
        for (sequence, for_good, whose) in [(1, true, Whose::Kept), (2, false, Whose::Leased)] {
            parent.offer(sequence);
            assert!(parent.is_offered(sequence) && worker.take(sequence, for_good));
            assert!(!parent.is_offered(sequence) && !worker.take(sequence, for_good));
            assert_eq!(parent.take_back(sequence), whose);
        }
        parent.offer(3);
        assert_eq!(parent.take_back(3), Whose::Parents);
        assert!(!worker.take(3, true) && !worker.take(3, false));
        // Another item has the word by now.
        parent.offer(3 + ITEMS);
        assert!(!worker.take(3, true) && worker.take(3 + ITEMS, true));
    }

    #[test]
    fn that_an_item_is_done_is_seen_or_told() {
        let (parent, worker) = both();
        let mut told = 0;
        for sequence in 1..2000 {
            parent.offer(sequence);
            assert!(worker.take(sequence, false));
            let (tells, whose) = std::thread::scope(|scope| {
                let worker = scope.spawn(|| worker.done(sequence, 3));
                (0..sequence % 50).for_each(|_| std::hint::spin_loop());
                parent.ask_to_be_told(3, true);
                let whose = parent.taken(sequence);
                (worker.join().unwrap(), whose)
            });
            assert!(
                tells || whose == Some(Whose::Done),
                "{whose:?} in round {sequence}"
            );
            assert_eq!(parent.take_back(sequence), Whose::Done);
            parent.ask_to_be_told(3, false);
            told += u32::from(tells);
        }
        assert!(told < 1999, "{told}");
    }

    #[test]
    fn permits_are_released_and_wanted() {
        let (parent, worker) = both();
        parent.lend(1);
        assert!(worker.release(1) && !worker.release(1) && worker.acquire(1));
        assert!(!parent.want(1) && !parent.want(1), "the worker has it");
        assert!(!worker.release(1), "it needs a message");
        parent.lend(2);
        assert!(worker.release(2) && parent.want(2) && !worker.acquire(2));
        // Another permit has the word by now.
        parent.lend(2 + ITEMS);
        assert!(!worker.acquire(2) && !worker.release(2) && worker.release(2 + ITEMS));
    }

    #[test]
    fn a_permit_that_is_wanted_while_it_is_released_is_there_once() {
        let (parent, worker) = both();
        for sequence in 1..2000 {
            parent.lend(sequence);
            let (rounds, has_come) = std::thread::scope(|scope| {
                let rounds = scope.spawn(|| {
                    let again = |_: &u32| worker.release(sequence) && worker.acquire(sequence);
                    (0..u32::MAX).take_while(again).count()
                });
                // A few rounds first.
                (0..sequence % 50).for_each(|_| std::hint::spin_loop());
                let has_come = parent.want(sequence);
                (rounds.join().unwrap(), has_come)
            });
            // It is gone, or the worker has it, and must say so.
            assert!(!worker.acquire(sequence), "after {rounds}");
            assert!(!has_come || !worker.release(sequence));
        }
    }

    #[test]
    fn credit_is_spent_or_revoked() {
        let (parent, worker) = both();
        let slot = CREDITS - 1;
        assert!(!worker.spend(slot));
        parent.grant(slot, 100_000);
        let (spent, revoked) = std::thread::scope(|scope| {
            let spender = scope.spawn(|| (0..200_000).filter(|_| worker.spend(slot)).count());
            (0..1000).for_each(|_| std::hint::spin_loop());
            let revoked = parent.revoke(slot);
            (spender.join().unwrap() as u64, revoked)
        });
        assert_eq!(spent + revoked, 100_000);
        assert!(!worker.spend(slot) && parent.revoke(slot) == 0);
    }

    #[test]
    fn a_file_that_is_too_small_is_refused() {
        let file = super::super::memory::create("small", 8).unwrap();
        assert!(Claims::open(file.into()).is_err());
    }
}
