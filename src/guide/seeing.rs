//! How to see what a pool is doing: counts, long tasks, spans, and a picture of a run.
//!
//! # Counts
//!
//! [`PoolRef::metrics`] returns the counts of a pool, of each of its workers and of each of its
//! groups. A pool counts always: each thread counts on lines of memory that no other thread writes,
//! so it costs one or two instructions a task. The counts add up at all times:
//!
//! > accepted = queued + in progress + finished + panicked + cancelled
//!
//! Their [`Display`](crate::Metrics) is for people. For programs each count is a field; those that
//! only grow are counters in the sense of Prometheus, the others are gauges. The example
//! `status_page` serves both from the pool itself: `cargo run --release --example status_page`.
//!
//! | to find out | look at |
//! |---|---|
//! | whether the pool keeps up | [`queued`] over time, and [`oldest_wait`] |
//! | whether more threads would help | the [`busy`] time of the workers beside their [`idle`] time |
//! | whether tasks wait for something | [`waiting_threads`], and the [`waiting`] time |
//! | whether it has too few spare threads | [`uncovered_waits`], [`away_threads`] |
//! | whether it is too small for its bound | [`rejected`], [`over_capacity`] |
//! | which group takes its time | [`groups`](crate::Metrics::groups) |
//!
//! # Long tasks
//!
//! [`Builder::on_long_task`] tells of each task that has been running for longer than a certain
//! time: its name, where that was given, its group, its worker, and for how long. Give tasks names,
//! by [`PoolRef::named`]. A shutdown that gives up returns the same of all tasks that run
//! ([`StillRunning`]), and one that waits for long warns of them ([`Warning::StillWaiting`]).
//!
//! # Spans
//!
//! With the feature `tracing` each task has a span, in the target `workmill` and of the level
//! DEBUG, with the task's name in its field `task`. It begins when the task is submitted, is
//! entered whenever the task runs, and is closed when that has ended. Its parent is the span in
//! which the task was submitted, so an event of a task is found in the request that it belongs to.
//! If a subscriber does not want these spans, tasks run in the span of their submitter itself. The
//! second closure of a [`join`](crate::join()) runs in the span of the first, whichever thread
//! calls it. Waits in tasks are events of the level TRACE.
//!
//! Set the subscriber for the whole process: that of one thread is not known to the workers.
//!
//! # A picture of a run
//!
//! The program `examples/picture` runs a small mill, and draws which worker ran which task when. It
//! writes a file for the trace viewers of browsers (`chrome://tracing`, <https://ui.perfetto.dev>),
//! and an SVG that needs nothing else: `cargo run --release -p workmill-picture`. This is one, of a
//! pool of two threads, in which two more have come as spares for those that wait:
//!
#![doc = include_str!("run.svg")]
//!
//! [`away_threads`]: crate::Metrics::away_threads
//! [`Builder::on_long_task`]: crate::Builder::on_long_task
//! [`busy`]: crate::WorkerCounts::busy
//! [`idle`]: crate::WorkerCounts::idle
//! [`oldest_wait`]: crate::Metrics::oldest_wait
//! [`over_capacity`]: crate::Metrics::over_capacity
//! [`PoolRef::metrics`]: crate::PoolRef::metrics
//! [`PoolRef::named`]: crate::PoolRef::named
//! [`queued`]: crate::Metrics::queued
//! [`rejected`]: crate::Metrics::rejected
//! [`StillRunning`]: crate::StillRunning
//! [`uncovered_waits`]: crate::Metrics::uncovered_waits
//! [`waiting`]: crate::WorkerCounts::waiting
//! [`waiting_threads`]: crate::Metrics::waiting_threads
//! [`Warning::StillWaiting`]: crate::Warning::StillWaiting
