//! How the counts of all threads become the numbers that the user sees.
//!
//! `pool/meter.rs` says why they add up.

use std::sync::Arc;
use std::time::Duration;

use super::local::{Pool, PoolTask};
use super::meter::{Event, Meter, Phase};
use super::roster::Listed;
use crate::clock::{Nanos, now};
use crate::error::CancelReason;
use crate::metrics::{CancelCounts, Metrics, TaskCounts, WorkerCounts, WorkerMetrics};
use crate::task::Gone;

impl Pool {
    /// Counts an event on whatever thread this is.
    #[cold]
    pub(super) fn count(&self, event: Event) {
        self.staff.roster.foreign.add_shared(event);
    }

    /// Counts a task that was met and had gone, which is about to be counted as finished.
    pub(super) fn count_gone(&self, gone: Gone) {
        match gone {
            Gone::Begun => self.count(Event::Started),
            Gone::Cancelled(reason) => self.count(Event::Cancelled(reason)),
            Gone::Dropped => {}
            Gone::Aside => self.queue.tally.finishes_aside(),
        }
    }

    /// Drops a task that has gone, and counts it as met.
    pub(super) fn drop_gone(&self, task: PoolTask) {
        let gone = task.gone();
        drop(task);
        // A closure that was still there was cancelled by its drop.
        self.count_gone(gone.unwrap_or(Gone::Cancelled(CancelReason::Shutdown)));
    }

    /// Returns `true` if a task has gone, and counts it as met then: it is about to be swept.
    pub(super) fn sweeps(&self, task: &PoolTask) -> bool {
        let gone = task.gone();
        gone.into_iter().for_each(|gone| self.count_gone(gone));
        gone.is_some()
    }

    /// Adds up what all threads have counted. The order of the reads matters: the finished, the
    /// rest, the accepted.
    fn task_counts<'a, M>(&self, meters: impl Fn() -> M) -> TaskCounts
    where
        M: Iterator<Item = &'a Arc<Meter>>,
    {
        let sum = |event| meters().map(|meter| meter.get(event)).sum::<u64>();
        let (ended, (panicked, cancelled, cancelled_begun, started), accepted) =
            self.queue.tally.totals(|| {
                let panicked = sum(Event::Panicked);
                let cancelled = CancelCounts::new(|reason| sum(Event::Cancelled(reason)));
                let cancelled_begun = sum(Event::CancelledBegun);
                let started = sum(Event::Started) + sum(Event::FutureBegan);
                (panicked, cancelled, cancelled_begun, started)
            });
        TaskCounts {
            accepted,
            started,
            finished: ended.saturating_sub(panicked + cancelled.total()),
            panicked,
            cancelled,
            cancelled_begun,
        }
    }

    /// Returns what the pool has done, and what it is doing.
    ///
    /// In a child process the lists of workers and groups are empty, since their locks may be held
    /// forever.
    pub(crate) fn metrics(&self) -> Metrics {
        let (workers, groups) = match self.is_forked() {
            true => (Vec::new(), Vec::new()),
            false => (self.staff.roster.meters(), self.groups.all()),
        };
        let meters = || {
            let foreign = &self.staff.roster.foreign;
            workers.iter().map(|worker| &worker.meter).chain([foreign])
        };
        let counts = self.task_counts(meters);
        let running = |waits| {
            let run = |it: &&Listed| it.is_alive && it.meter.runs().is_some();
            let running = workers.iter().filter(run);
            running.filter(|it| it.meter.waits() == waits).count()
        };
        let now = now();
        let incidents = &self.incidents;
        let (lent_slots, lending) = self.lending();
        Metrics {
            accepted: counts.accepted,
            started: counts.started,
            finished: counts.finished,
            panicked: counts.panicked,
            cancelled: counts.cancelled,
            queued: counts.accepted - counts.left_queue(),
            in_progress: counts.in_progress(),
            oldest_wait: match self.is_forked() {
                true => Duration::ZERO,
                false => incidents.waits.oldest_wait(&counts),
            },
            rejected: incidents.rejected.get(),
            over_capacity: incidents.over_capacity.get(),
            failed_starts: incidents.failed_starts.get(),
            uncovered_waits: incidents.uncovered_waits.get(),
            skipped_runs: incidents.skipped.get(),
            live_threads: self.alive_threads(),
            running_threads: running(false),
            waiting_threads: running(true),
            away_threads: self.staff.roster.away(),
            lent_slots,
            given_slots: lending.given,
            longest_lent: Duration::from_nanos(lending.longest),
            total: meters()
                .map(|meter| counts_of(meter, now))
                .fold(WorkerCounts::default(), add),
            workers: workers.iter().map(|it| worker_metrics(it, now)).collect(),
            groups: groups.iter().map(|group| group.metrics()).collect(),
        }
    }
}

fn worker_metrics(worker: &Listed, now: Nanos) -> WorkerMetrics {
    WorkerMetrics {
        name: worker.name.clone(),
        is_alive: worker.is_alive,
        runs: worker.meter.runs().map(|name| name.get()),
        counts: counts_of(&worker.meter, now),
    }
}

fn counts_of(meter: &Arc<Meter>, now: Nanos) -> WorkerCounts {
    let time = |phase| Duration::from_nanos(meter.time_in(phase, now));
    WorkerCounts {
        started: meter.get(Event::Started) + meter.get(Event::FutureBegan),
        polls: meter.get(Event::Polled),
        panicked: meter.get(Event::Panicked),
        steals: meter.get(Event::Stole),
        stolen_halves: meter.get(Event::RanHalf),
        parks: meter.get(Event::Parked),
        vain_wakes: meter.get(Event::WokenInVain),
        busy: time(Phase::Busy),
        waiting: time(Phase::Waiting),
        idle: time(Phase::Idle),
    }
}

fn add(one: WorkerCounts, other: WorkerCounts) -> WorkerCounts {
    WorkerCounts {
        started: one.started + other.started,
        polls: one.polls + other.polls,
        panicked: one.panicked + other.panicked,
        steals: one.steals + other.steals,
        stolen_halves: one.stolen_halves + other.stolen_halves,
        parks: one.parks + other.parks,
        vain_wakes: one.vain_wakes + other.vain_wakes,
        busy: one.busy.saturating_add(other.busy),
        waiting: one.waiting.saturating_add(other.waiting),
        idle: one.idle.saturating_add(other.idle),
    }
}
