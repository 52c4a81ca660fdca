//! A model of how waiters are woken (`lock_file.rs`): every order of the steps of two waiters and
//! two writers, any of which may die between two steps. And the same with each bug that it guards
//! against, which it has to find.

use std::collections::HashSet;

/// A way in which the protocol could be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// There is none.
    None,
    /// A waiter looks, and then begins to watch.
    LookBeforeWatch,
    /// A waiter looks, and then announces that it waits.
    LookBeforeAnnounce,
    /// A writer sees whether somebody waits, and then commits.
    CheckBeforeCommit,
    /// A writer rings, and then commits; or the bell is what is written before a commit is visible.
    RingBeforeCommit,
    /// The end of a writer is not reported.
    SilentEnd,
    /// A ring wakes one waiter, which may die before it looks.
    WakeOne,
    /// A writer whose change is not the first since the last look does not ring.
    RingForFirst,
}

const BUGS: [Bug; 7] = [
    Bug::LookBeforeWatch,
    Bug::LookBeforeAnnounce,
    Bug::CheckBeforeCommit,
    Bug::RingBeforeCommit,
    Bug::SilentEnd,
    Bug::WakeOne,
    Bug::RingForFirst,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Watch,
    Announce,
    /// Take what there is, or sleep.
    Look,
    /// Until the watch reports something, then look again.
    Sleep,
    Commit,
    /// See whether somebody waits.
    Check,
    Ring,
    End,
}

impl Bug {
    /// The steps of a waiter, of which the last two are repeated.
    fn waiter(self) -> [Step; 4] {
        match self {
            Self::LookBeforeWatch => [Step::Announce, Step::Look, Step::Watch, Step::Sleep],
            Self::LookBeforeAnnounce => [Step::Watch, Step::Look, Step::Announce, Step::Sleep],
            _ => [Step::Watch, Step::Announce, Step::Look, Step::Sleep],
        }
    }

    /// The steps of a writer.
    fn writer(self) -> [Step; 4] {
        match self {
            Self::CheckBeforeCommit => [Step::Check, Step::Commit, Step::Ring, Step::End],
            Self::RingBeforeCommit => [Step::Check, Step::Ring, Step::Commit, Step::End],
            _ => [Step::Commit, Step::Check, Step::Ring, Step::End],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Waiter {
    /// The index of the next step.
    at: usize,
    /// It has what it waits for, or has died.
    is_over: bool,
    watches: bool,
    announces: bool,
    /// The watch has reported something that was not read yet.
    is_reported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Writer {
    at: usize,
    /// It has seen that somebody waits.
    rings: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct State {
    waiters: [Waiter; 2],
    writers: [Writer; 2],
    /// The changes in the file that nobody has taken.
    visible: usize,
    deaths: usize,
}

impl State {
    fn report(&mut self, bug: Bug) {
        let watching = self
            .waiters
            .iter_mut()
            .filter(|it| it.watches && !it.is_over);
        let count = if bug == Bug::WakeOne { 1 } else { 2 };
        watching.take(count).for_each(|it| it.is_reported = true);
    }

    /// Returns what the next step of a waiter leads to, if it can make one.
    fn waiter_goes(mut self, index: usize, bug: Bug) -> Option<Self> {
        let waiter = &mut self.waiters[index];
        if waiter.is_over {
            return None;
        }
        waiter.at += 1;
        match bug.waiter()[waiter.at - 1] {
            Step::Watch => waiter.watches = true,
            Step::Announce => waiter.announces = true,
            Step::Sleep if !waiter.is_reported => return None,
            Step::Sleep => {
                waiter.is_reported = false;
                let look = bug.waiter().iter().position(|it| *it == Step::Look);
                waiter.at = look?;
            }
            Step::Look if self.visible > 0 => {
                waiter.is_over = true;
                self.visible -= 1;
            }
            _ => {}
        }
        Some(self)
    }

    fn writer_goes(mut self, index: usize, bug: Bug) -> Option<Self> {
        let is_awaited = self.waiters.iter().any(|it| it.announces && !it.is_over);
        let is_first = self.visible <= 1;
        let writer = &mut self.writers[index];
        if writer.is_over {
            return None;
        }
        writer.at += 1;
        match bug.writer()[writer.at - 1] {
            Step::Check => writer.rings = is_awaited && (bug != Bug::RingForFirst || is_first),
            Step::Commit => self.visible += 1,
            Step::Ring if writer.rings => self.report(bug),
            Step::End => return Some(self.writer_ends(index, bug)),
            _ => {}
        }
        Some(self)
    }

    fn writer_ends(mut self, index: usize, bug: Bug) -> Self {
        self.writers[index].is_over = true;
        if bug != Bug::SilentEnd {
            self.report(bug);
        }
        self
    }

    /// Returns all states that may be next.
    fn next(self, bug: Bug) -> Vec<Self> {
        let mut next = Vec::new();
        for index in 0..2 {
            next.extend(self.waiter_goes(index, bug));
            next.extend(self.writer_goes(index, bug));
            if self.deaths < 2 {
                let mut dead = self;
                dead.deaths += 1;
                if !self.writers[index].is_over {
                    next.push(dead.writer_ends(index, bug));
                }
                if !self.waiters[index].is_over {
                    dead.waiters[index].is_over = true;
                    next.push(dead);
                }
            }
        }
        next
    }

    /// A waiter sleeps for good although there is what it waits for. That writers which live on
    /// report their end is no help: they may live for long.
    fn sleeps_through(self, bug: Bug) -> bool {
        let sleeps =
            |it: &Waiter| !it.is_over && bug.waiter()[it.at] == Step::Sleep && !it.is_reported;
        let is_still = |it: &Writer| it.is_over || bug.writer()[it.at] == Step::End;
        let busy = |it: &Waiter| !it.is_over && !sleeps(it);
        self.visible > 0
            && self.waiters.iter().any(sleeps)
            && !self.waiters.iter().any(busy)
            && self.writers.iter().all(is_still)
    }
}

/// Returns the number of states, or one in which a waiter sleeps for good.
fn explore(bug: Bug) -> Result<usize, State> {
    let (mut seen, mut open) = (HashSet::new(), vec![State::default()]);
    while let Some(state) = open.pop() {
        if state.sleeps_through(bug) {
            return Err(state);
        }
        if seen.insert(state) {
            open.extend(state.next(bug));
        }
    }
    Ok(seen.len())
}

#[test]
fn no_order_of_steps_and_deaths_leaves_a_waiter_asleep() {
    let states = explore(Bug::None).expect("no waiter sleeps through a change");
    assert!(states > 1000, "{states} states");
}

#[test]
fn every_bug_that_the_model_guards_against_is_found() {
    for bug in BUGS {
        assert!(explore(bug).is_err(), "{bug:?} is not found");
    }
}
