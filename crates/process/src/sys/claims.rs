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
//! The memory is a file without a name that cannot shrink, so an access cannot fail.

#![expect(
    unsafe_code,
    reason = "memory that two processes share is reached by a pointer"
)]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// The number of words.
pub(crate) const WORDS: u64 = 16;

const BYTES: usize = WORDS as usize * size_of::<AtomicU64>();

const SENT: u64 = 1;
const BEGUN: u64 = 2;
const WITHDRAWN: u64 = 3;

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

    fn word(&self, sequence: u64) -> &AtomicU64 {
        let words = self.0.as_ptr().cast::<[AtomicU64; WORDS as usize]>();
        // SAFETY: the map begins with a page, so it is aligned; it has BYTES bytes, behind which
        // there is a file that was created with as many, and cannot shrink (`create`, `check`). It
        // lives as long as `self`, which the reference borrows. Both processes access the words by
        // atomic operations only, and each value is a valid one.
        let words = unsafe { &*words };
        &words[(sequence % WORDS) as usize]
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
        let (from, to) = (of(sequence, SENT), of(sequence, to));
        // ORDERING: AcqRel: `begin` and `withdraw` of one job are ordered by it, and so is what
        // each side does next: the one that sees the other's word does so after it.
        let word = self.word(sequence);
        word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

fn of(sequence: u64, state: u64) -> u64 {
    sequence << 2 | state
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
    fn a_file_that_is_too_small_is_refused() {
        let file = super::super::memory::create("small", 8).unwrap();
        assert!(Claims::open(file.into()).is_err());
    }
}
