//! Waiting inside tasks: the rule, the reasons for it, and what remains your responsibility.
//!
//! # The rule
//!
//! **A program that finishes with one thread for each task finishes on a pool, with any number of
//! threads**, as long as the pool can see the waits.
//!
//! On other pools it may hang. If two tasks on two threads each wait for a third task, they wait
//! forever, because no thread is left to run the third. The documentation of Python's executors
//! warns of this, and so does that of Java's and of Rust's other pools. Here it is no mistake:
//!
//! ```
//! use std::sync::Arc;
//! use workmill::{Event, ThreadPoolExecutor};
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let flour = Arc::new(Event::new());
//! let bakers: Vec<_> = (0..300)
//!     .map(|loaf| {
//!         let flour = Arc::clone(&flour);
//!         pool.submit(move || {
//!             flour.wait(); // 300 tasks wait, on a pool of one thread,
//!             loaf
//!         })
//!     })
//!     .collect();
//! pool.execute(move || flour.set()); // for a task that is queued behind them
//! for (loaf, baker) in bakers.into_iter().enumerate() {
//!     assert_eq!(baker.join()?, loaf);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How
//!
//! The pool has as many *slots* as [`Builder::threads`](crate::Builder::threads) sets. A slot is
//! the right to run a task: a worker, which is a thread of its pool, takes a task from a queue only
//! while it holds a slot.
//!
//! 1. **A task that joins a closure of its own pool that no thread has begun runs the closure
//!    inline**, on the stack of the join. This is the work that it waits for, so no other thread is
//!    needed. Only waits for certain tasks without a time limit do so:
//!    [`join`](crate::JoinHandle::join), also of a [shared](crate::JoinHandle::shared) handle,
//!    [`join_all`](crate::join_all), a [`wait`](crate::wait()) for all, and the next item of
//!    [`map`](crate::PoolRef::map); and a task that waits at the end of a
//!    [scope](crate::PoolRef::scope) runs tasks of that scope. When three quarters of the thread's
//!    stack are used, the task waits instead, and another thread goes on with a stack of its own.
//!    So recursion may be deep. A task that waits for the second closure of a
//!    [`join`](crate::join()), which another thread has taken, runs closures of the `join`s within
//!    that one.
//! 2. **Every other wait frees the slot**, after a short look: at once in a wait for something that
//!    arrives, and after a while in a wait for room (see [below](#waits-for-room)). If there is
//!    work, a spare thread takes the slot, or a new thread is started. When the wait is over, the
//!    thread takes a vacant slot. If there is none, it finishes its task without a slot, and takes
//!    no other task. So more tasks run than there are slots only until the tasks that have just
//!    waited end.
//! 3. **A thread that waits runs nothing that it does not wait for.** Other pools run any queued
//!    task on a thread that waits. A task that waits while it holds a lock may then find itself
//!    below a task that wants that lock, on one stack, and both wait forever. Here locks, borrowed
//!    thread-locals and everything else that a task holds across a wait are as safe as on a thread
//!    of its own.
//!
//! Besides a thread for each slot, a pool has at most
//! [`max_spare_threads`](crate::Builder::max_spare_threads) further threads, 512 by default. They
//! end when they have had nothing to do for [`keep_alive`](crate::Builder::keep_alive). A wait in a
//! task costs some hundred nanoseconds more than on a thread of its own. A task that never waits
//! pays nothing.
//!
//! # Waits that the pool sees
//!
//! Everything that blocks in this crate, with and without a time limit, on objects of any pool. A
//! method here stands also for its `_timeout` form, and for its `_many` and `_owned` forms.
//!
//! | a task waits | in | its slot |
//! |---|---|---|
//! | for a result | [`JoinHandle::join`](crate::JoinHandle::join), [`SharedHandle::join`](crate::SharedHandle::join), [`CancelOnDrop::join`](crate::CancelOnDrop::join), [`FlatHandle::join`](crate::FlatHandle::join), [`ScopedJoinHandle::join`](crate::ScopedJoinHandle::join), [`PoolRef::install`](crate::PoolRef::install), [`PoolRef::join`](crate::PoolRef::join), [`join`](crate::join()) | given away |
//! | for one task of several | [`wait`](crate::wait()), [`AsCompleted::next`](crate::as_completed), [`first_ok`](crate::first_ok), [`JoinSet::join_next`](crate::JoinSet::join_next), [`MapUnordered::next`](crate::PoolRef::map_unordered) | given away |
//! | for all of several | [`join_all`](crate::join_all), [`Map::next`](crate::PoolRef::map), [`ScopedMap::next`](crate::Scope::map), [`PoolRef::for_each`](crate::PoolRef::for_each) | given away |
//! | until fewer are in flight | [`JoinSet::submit`](crate::JoinSet::submit), [`JoinSet::spawn`](crate::JoinSet::spawn) with a [limit](crate::JoinSet::limit) | given away |
//! | for the tasks of a scope | [`PoolRef::scope`](crate::PoolRef::scope), [`PoolRef::map_slice`](crate::PoolRef::map_slice) | given away |
//! | for an item | [`JoinableQueue::get`](crate::JoinableQueue::get), [`JoinableQueue::get_task`](crate::JoinableQueue::get_task) | given away |
//! | until all items are done | [`JoinableQueue::join`](crate::JoinableQueue::join) | given away |
//! | for other parties | [`Barrier::wait`](crate::Barrier::wait) | given away |
//! | for a signal | [`Event::wait`](crate::Event::wait), [`Latch::wait`](crate::Latch::wait), [`Latch::arrive_and_wait`](crate::Latch::arrive_and_wait), [`CancelToken::wait`](crate::CancelToken::wait), [`Notify::wait`](crate::Notify::wait), [`Notified::wait`](crate::Notified::wait), [`Semaphore::acquire`](crate::Semaphore::acquire) of a semaphore made with no permits, or by [`Semaphore::signals`](crate::Semaphore::signals) | given away |
//! | for the end of another pool's work | [`PoolRef::wait_idle`](crate::PoolRef::wait_idle), [`PoolRef::wait_terminated`](crate::PoolRef::wait_terminated), [`ThreadPoolExecutor::shutdown`](crate::ThreadPoolExecutor::shutdown), [`Group::shutdown`](crate::Group::shutdown) | given away |
//! | for the threads of a new pool | [`Builder::build`](crate::Builder::build) with [`on_thread_start`](crate::Builder::on_thread_start) | given away |
//! | for a function of yours | [`blocking`](crate::blocking) | given away |
//! | for a permit | [`Semaphore::acquire`](crate::Semaphore::acquire) of a semaphore made with permits, or by [`Semaphore::limit`](crate::Semaphore::limit), [`BoundedSemaphore::acquire`](crate::BoundedSemaphore) | lent |
//! | for room in a queue | [`JoinableQueue::put`](crate::JoinableQueue::put), [`JoinableQueue::put_all`](crate::JoinableQueue::put_all) | lent |
//! | for room in another pool, or in a group | [`PoolRef::submit`](crate::PoolRef::submit), [`PoolRef::execute`](crate::PoolRef::execute), [`PoolRef::spawn`](crate::PoolRef::spawn), [`Scope::submit`](crate::Scope::submit), [`Scope::execute`](crate::Scope::execute) with [`Overflow::Block`](crate::Overflow::Block); in a group also with [`Overflow::CallerRuns`](crate::Overflow::CallerRuns), for a permit | lent |
//! | for a future | [`block_on`](crate::block_on()), [`PoolRef::block_on`](crate::PoolRef::block_on) | lent if the future waits only for what is lent here, else given away |
//!
//! The three queues behave alike. A wait in a hook, such as
//! [`on_warning`](crate::Builder::on_warning), gives the slot away.
//!
//! # Waits for room
//!
//! A task that waits for room has produced something that nobody can take yet: an item for a full
//! queue, a task for a full pool. If its slot were given away at once, the next task would begin
//! there and produce one more. Soon hundreds would stand, each with its item in memory, and the
//! bound of the queue would bound nothing. So the slot is *lent*:
//!
//! 1. **No task begins in a lent slot.** So no more tasks stand in front of a full queue than the
//!    pool has threads, and the producers are as slow as the consumers: this is back-pressure.
//! 2. **Futures that have begun go on in a lent slot.** One of them may be the consumer.
//! 3. **A slot that has been lent for long is given away after all.** The consumer may be a task
//!    that waits behind the producers. When tasks wait to begin, and the queue has served nobody
//!    for a second, and no worker has taken a task for a second, one of the slots is given away.
//!    While every task that has begun waits, a hundredth of a second is enough.
//!
//! ```
//! use std::sync::Arc;
//! use workmill::{JoinableQueue, ThreadPoolExecutor};
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let sacks = Arc::new(JoinableQueue::bounded(4));
//! for sack in 0..20 {
//!     let sacks = Arc::clone(&sacks);
//!     pool.execute(move || sacks.put(sack).unwrap()); // two of these stand, 14 do not begin,
//! }
//! let sum = pool.submit(move || (0..20).map(|_| sacks.get().unwrap()).sum::<i32>());
//! assert_eq!(sum.join()?, 190); // until, after some hundredths of a second, this one begins
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This program also prints a warning to standard error, [`GaveWay`](crate::Warning::GaveWay),
//! since its consumer is queued behind its producers.
//!
//! [`Builder::give_way`](crate::Builder::give_way) sets the time, one second unless you say
//! otherwise, and says how it grows: with the pauses of an object that serves its waiters rarely,
//! and with the number of tasks that stand already. [`Warning::GaveWay`](crate::Warning::GaveWay)
//! reports the first slot that was given away, and [`Metrics`](crate::Metrics) counts them. An
//! attempt that times out does not begin anew: a loop of `put_timeout` gives way as one `put` does.
//!
//! **If you see the warning**, a consumer is queued behind its producers, or is very slow at times.
//! Submit consumers before producers, or run them on a pool or threads of their own.
//!
//! **A permit that is held for long stops slots.** With a semaphore of one permit that each task of
//! a pool of four holds for a second of input and output, three slots are lent all the time, and
//! tasks that need no permit wait. A semaphore whose permits are rather signals, which tasks wait
//! for but do not give back, is made by [`Semaphore::signals`](crate::Semaphore::signals), and
//! gives slots away.
//!
//! **Futures that wait for room keep no slot**, so nothing of this bounds them: of 1,000 spawned
//! futures that each await [`put_async`](crate::JoinableQueue::put_async), all 1,000 hold an item.
//! Let each take a permit before it makes its item.
//!
//! # Groups
//!
//! At most *n* tasks of a [group](crate::Group) run, and the others wait as data. A task that joins
//! or awaits a task of its group, or of a group within, lends it its permit: inline, if it is a
//! closure that is joined, and else on any thread. The task goes on when the other has ended, also
//! if something else that it waits for comes before. In any other wait it keeps its permit, so the
//! rule holds in a group as it does on *n* threads: of a group of one, a task that waits for an
//! [`Event`](crate::Event) which another task of the group is to set waits forever. A timed join
//! does not lend, and neither does a future that is polled by the `block_on` of another library.
//!
//! It lends in [`join`](crate::JoinHandle::join), [`join_all`](crate::join_all), a
//! [`wait`](crate::wait()) for all, the next item of [`map`](crate::PoolRef::map), and when it
//! awaits a handle, [mapped](crate::JoinHandle::map) ones included. In any other wait for tasks of
//! its group it keeps its permit: in a
//! [`JoinSet`](crate::JoinSet), [`as_completed`](crate::as_completed), a wait for any,
//! `map_unordered`, with a time limit, and for a task that is [not
//! due](crate::PoolRef::submit_after) yet. There a group of one waits for itself forever, as one
//! thread would. [`Warning::GroupStands`](crate::Warning::GroupStands) tells of it after five
//! seconds.
//!
//! Only the thread of a task lends. A closure of a [`join`](crate::join()) that another thread has
//! taken, or a task of a scope on another thread, has no permit to lend: in a group of one it must
//! not join a task of that group, or it waits forever. Join such tasks outside of these closures.
//!
//! A task of the pool that finds a group of the same pool full lends its slot, in which tasks of
//! bounded groups may begin until there is room.
//!
//! # What remains your responsibility
//!
//! | a wait | what to do about it |
//! |---|---|
//! | on a lock of std or parking_lot that is held only for moments | nothing: the task that holds it has a thread |
//! | on a lock that others hold *while they wait* for something else; on a [`LazyLock`](std::sync::LazyLock) or [`OnceLock`](std::sync::OnceLock) whose initialization waits | [`blocking`](crate::blocking)`(\|\| lock.lock())`, or a [`Semaphore`](crate::Semaphore) of one permit instead of the lock |
//! | on a channel, a condition variable or a barrier of another crate | [`blocking`](crate::blocking)`(\|\| receiver.recv())`, or a [`JoinableQueue`](crate::JoinableQueue), an [`Event`](crate::Event), a [`Latch`](crate::Latch), a [`Barrier`](crate::Barrier), a [`Notify`](crate::Notify) |
//! | on files, sockets, processes, [`sleep`](std::thread::sleep) | [`blocking`](crate::blocking), if other tasks should run meanwhile; nothing hangs without it, unless the other side is a queued task |
//! | in `block_on` of an asynchronous runtime | [`blocking`](crate::blocking)`(\|\| block_on(future))` |
//! | of a thread of your own, for a task | nothing: the thread holds no slot |
//! | in a loop that polls | wait for an [`Event`](crate::Event) instead: a task that polls does not wait, and keeps its slot |
//! | of a task for its own pool to become idle, or to end | it would wait for itself, so it fails with [`WouldDeadlock`](crate::WouldDeadlock) |
//! | of tasks for each other, in a cycle of joins | it would never end on threads either; one of the joins gives up with [`CancelReason::Deadlock`](crate::CancelReason::Deadlock) |
//!
//! ```
//! use std::sync::mpsc;
//! use workmill::{ThreadPoolExecutor, blocking};
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let (sender, receiver) = mpsc::channel();
//! let miller = pool.submit(move || blocking(|| receiver.recv())); // std's channel: said aloud
//! pool.submit(move || sender.send("wheat")).join()??;
//! assert_eq!(miller.join()??, "wheat");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! - **Too many tasks wait.** Beyond `max_spare_threads` a wait keeps its slot.
//!   [`Metrics::uncovered_waits`](crate::Metrics::uncovered_waits) counts the wait, and
//!   [`on_warning`](crate::Builder::on_warning) reports the first (by default on stderr). If every
//!   slot is kept by a task that waits for tasks that are still queued, the pool hangs: raise the
//!   limit, or let fewer tasks wait at a time. So may a task that waits at the end of a scope: it
//!   does not find tasks of its scope that another thread has taken and not begun, or that it has
//!   left behind when it gave its slot away.
//! - **The system fails to start a thread.** The pool tries again to fill the vacant slot with the
//!   next task that is submitted, and the next thread that comes back from a wait takes the slot;
//!   see [`Warning::ThreadNotStarted`](crate::Warning::ThreadNotStarted).
//! - **Waits that the pool cannot see.** They block a worker and its slot; the table says what to
//!   do.
//! - **Thread-locals.** A task stays on its thread from beginning to end. But a task that it joins
//!   may be run inline on that thread, or on another: a `RefCell` in a thread-local that is
//!   borrowed across a join may be found borrowed.
//! - **Awaiting** gives no slot away, because it does not block.
//! - **A task that is served again and again counts as one that runs.** On a pool of one thread,
//!   `while !stop.is_set() { queue.put(1)?; }` never ends if the task that sets `stop` is queued
//!   behind it and somebody takes the items, just as a loop that computes would not.
//! - **Queues that one task reads one after another** let the producers of the last one stand until
//!   the others are empty. Then more and more of them begin, since the rule counts for more than
//!   back-pressure.
//! - **Permits have no owner.** Tasks that each hold a permit which another waits for hang, as they
//!   would on threads of their own.
