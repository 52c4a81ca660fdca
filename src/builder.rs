//! The settings of a pool, their defaults and their limits.

use std::any::Any;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::admission::{Capacity, Overflow};
use crate::attributes::Attributes;
use crate::error::{BusyThread, Rejected};
use crate::executor::{DropBehavior, ThreadPoolExecutor};
use crate::pool::{Config, Hooks, Limits, MAX_SLOTS, ThreadSetup, default_name};
use crate::sync::permits::MAX_PERMITS;
use crate::warning::Warning;

/// Configures a [`ThreadPoolExecutor`] and starts it.
///
/// # Examples
///
/// ```
/// use workmill::{Builder, Overflow};
///
/// let pool = Builder::new()
///     .threads(2)
///     .queue_capacity(100)
///     .overflow(Overflow::Reject)
///     .thread_name(|index| format!("mill-{index}"))
///     .build()?;
/// assert_eq!(pool.threads(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder does nothing until it builds"]
#[doc(alias("ThreadPoolBuilder", "ThreadFactory"))]
pub struct Builder {
    threads: Option<usize>,
    max_threads: Option<usize>,
    min_threads: Option<usize>,
    max_spare_threads: usize,
    keep_alive: Duration,
    give_way: Duration,
    queue_capacity: Option<usize>,
    overflow: Overflow,
    on_drop: DropBehavior,
    stack_size: Option<usize>,
    hooks: Hooks,
}

impl Builder {
    /// Creates a builder with the default of each setting.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().build()?; // as many threads as the process may use
    /// assert!(pool.threads() >= 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Self {
        Self {
            threads: None,
            max_threads: None,
            min_threads: None,
            max_spare_threads: 512,
            keep_alive: Duration::from_secs(60),
            give_way: Duration::from_secs(1),
            queue_capacity: None,
            overflow: Overflow::default(),
            on_drop: DropBehavior::default(),
            stack_size: None,
            hooks: Hooks::default(),
        }
    }

    /// Sets the number of tasks that run at a time, each on a thread of its own: from 1 to 65,535.
    ///
    /// The default is the number of processors that are available to the thread that calls
    /// [`build`](Self::build) at that moment, as returned by
    /// [`available_parallelism`](std::thread::available_parallelism): an affinity mask or a cgroup
    /// quota lowers it. [`build`](Self::build) describes when the threads start.
    /// [`set_threads`](crate::ThreadPoolExecutor::set_threads) changes the number later. Tasks that
    /// wait do not count: see [`max_spare_threads`](Self::max_spare_threads).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(3).build()?;
    /// assert_eq!(pool.threads(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("max_workers", "num_threads", "maximumPoolSize", "worker_threads"))]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets the largest number of [`threads`](Self::threads) that
    /// [`set_threads`](crate::ThreadPoolExecutor::set_threads) accepts, up to 65,535.
    ///
    /// The default is four times the initial number of threads, but not more than 1,024, unless the
    /// initial number is larger. Each possible thread costs some kilobytes, used or not.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).max_threads(4).build()?;
    /// pool.set_threads(4)?;
    /// assert!(pool.set_threads(5).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = Some(threads);
        self
    }

    /// Sets the number of threads that stay once they have been started, however long they have
    /// nothing to do: from 1 to the number of [`threads`](Self::threads), which is the default.
    ///
    /// Threads that wait in tasks do not count. If
    /// [`set_threads`](crate::ThreadPoolExecutor::set_threads) sets a smaller number, only that
    /// many stay. At least one thread always stays, so a task can be held up by a failing thread
    /// start only while every existing thread waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// // Seven of eight threads end when they have had nothing to do for a second.
    /// let builder = workmill::Builder::new().threads(8).min_threads(1);
    /// let pool = builder.keep_alive(Duration::from_secs(1)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "corePoolSize")]
    pub fn min_threads(mut self, threads: usize) -> Self {
        self.min_threads = Some(threads);
        self
    }

    /// Sets the largest number of spare threads, which the pool has in addition to
    /// [`threads`](Self::threads) because tasks wait; 512 by default.
    ///
    /// A task that waits (for a handle, an item, an event and so on, or in
    /// [`blocking`](crate::blocking)) gives its slot, the right to run, to another thread, and the
    /// pool may need one more thread for it. A task that waits for room only lends its slot, and
    /// does not count until [it gives way](Self::give_way). After the wait the task goes on, if
    /// necessary without a slot. When that many threads wait or run without a slot, further waits
    /// keep their slots: they block a worker, are counted in
    /// [`Metrics::uncovered_waits`](crate::Metrics::uncovered_waits), and the first of them is
    /// reported to [`on_warning`](Self::on_warning). If every slot is kept in this way by a task
    /// that waits for tasks that are still queued, the pool hangs. With 0 every wait keeps its
    /// slot. The [guide](crate::guide::waiting) explains waiting in full.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Builder, Event};
    ///
    /// // At most two threads more than one, however many tasks wait.
    /// let pool = Builder::new().threads(1).max_spare_threads(2).build()?;
    /// let go = std::sync::Arc::new(Event::new());
    /// let waiter = std::sync::Arc::clone(&go);
    /// pool.execute(move || waiter.wait());
    /// pool.execute(move || go.set()); // by a spare thread, or by the first if it has not begun
    /// pool.wait_idle()?;
    /// assert!(pool.metrics().live_threads <= 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "max_blocking_threads")]
    pub fn max_spare_threads(mut self, threads: usize) -> Self {
        self.max_spare_threads = threads;
        self
    }

    /// Sets how long a thread has nothing to do before it ends, unless it is one of the
    /// [`min_threads`](Self::min_threads) that stay; 60 seconds by default. [`Duration::MAX`] means
    /// forever.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = workmill::Builder::new().threads(8).min_threads(1);
    /// let pool = builder.keep_alive(Duration::from_millis(100)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("keepAliveTime", "thread_keep_alive", "idle_timeout"))]
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.keep_alive = time;
        self
    }

    /// Sets how long a task waits for room, in a full queue, in another pool that is full or for a
    /// permit, before another task may begin in its place; a second by default.
    ///
    /// Until then the slot of such a task is only lent: futures that have begun go on there, and
    /// nothing begins, so that no more tasks stand than the pool has threads. The time counts from
    /// the last moment at which the queue, pool or semaphore has served anybody, or a worker has
    /// taken a task. While every worker waits, it is a hundredth of this one. It is at least four
    /// times as long as the longest pause that the queue, pool or semaphore has made between two
    /// services. And it grows by a quarter for each *n* tasks that stand after they have given way,
    /// where *n* is the number of threads.
    ///
    /// With [`Duration::MAX`] no task gives way, and a pool whose tasks all wait for what a queued
    /// task has to do hangs. The [guide](crate::guide::waiting#waits-for-room) explains this.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// // Tasks that wait for room never give their slots away: for a program whose consumers are
    /// // threads of their own.
    /// let pool = workmill::Builder::new().threads(2).give_way(Duration::MAX).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give_way(mut self, time: Duration) -> Self {
        self.give_way = time;
        self
    }

    /// Sets the number of accepted tasks that may wait for a thread. By default there is no limit.
    ///
    /// Running tasks do not count. With 0 no task may wait: a task is accepted only if the number
    /// of closures that have been accepted and have not returned is less than the number of
    /// threads, so that a thread takes it at once. See [`Overflow`] for what happens to a task that
    /// finds no room.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(2).build()?;
    /// let handles: Vec<_> = (0..10).map(|n| pool.submit(move || n)).collect(); // waits at times
    /// assert_eq!(handles.into_iter().filter_map(|handle| handle.join().ok()).sum::<i32>(), 45);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("max_queue_size", "ArrayBlockingQueue"))]
    pub fn queue_capacity(mut self, tasks: usize) -> Self {
        self.queue_capacity = Some(tasks);
        self
    }

    /// Sets what happens to a task that finds the queue full. By default the submitter waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Builder, Overflow};
    ///
    /// let builder = Builder::new().threads(1).queue_capacity(1);
    /// let pool = builder.overflow(Overflow::CallerRuns).build()?;
    /// for n in 0..10 {
    ///     pool.execute(move || println!("{n}")); // some of them on this thread
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets a function that makes each thread's name from its number, which counts from 0. The
    /// default names are `workmill-0` and so on.
    ///
    /// A number is used again after its thread has ended. [`build`](Self::build) calls the function
    /// for the first threads; for other threads it is called later, on any thread. If the function
    /// then panics or returns a name with a NUL byte, the thread gets another name.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().thread_name(|number| format!("mill-{number}")).build()?;
    /// let name = pool.submit(|| std::thread::current().name().map(str::to_owned)).join()?;
    /// assert!(name.unwrap().starts_with("mill-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "thread_name_prefix")]
    pub fn thread_name(mut self, name: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.hooks.thread_name = Some(Box::new(name));
        self
    }

    /// Sets the size of the threads' stacks in bytes. The default is std's: the value of the
    /// environment variable `RUST_MIN_STACK`, or else 2 MiB.
    ///
    /// Tasks that are run inline, one within another because each joins the next, may use three
    /// quarters of the stack. A task that would go deeper runs on another thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(2).stack_size(16 * 1024 * 1024).build()?;
    /// let sum = pool.submit(|| {
    ///     let large = [1_u8; 4 * 1024 * 1024]; // more than a thread has otherwise
    ///     large.iter().map(|&byte| u32::from(byte)).sum::<u32>()
    /// });
    /// assert_eq!(sum.join()?, 4 * 1024 * 1024);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "thread_stack_size")]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets what the drop of the last owner does. By default it waits until every accepted task has
    /// run.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Builder, DropBehavior};
    ///
    /// let pool = Builder::new().threads(1).on_drop(DropBehavior::Cancel).build()?;
    /// let handles: Vec<_> = (0..100).map(|n| pool.submit(move || n)).collect();
    /// drop(pool); // waits for the one that runs
    /// assert!(handles.iter().all(|handle| handle.is_finished()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_drop(mut self, behavior: DropBehavior) -> Self {
        self.on_drop = behavior;
        self
    }

    /// Sets a hook that each thread calls with its number before it runs tasks.
    ///
    /// With a hook, [`build`](Self::build) starts all of the [`threads`](Self::threads), waits for
    /// their hooks, and fails if one of these fails or panics. If the hook of a later thread fails
    /// or panics, that thread ends, and is counted and reported like one that the system failed to
    /// start.
    ///
    /// **The numbers go beyond `threads`.** While tasks wait, spare threads run in their slots, and
    /// have numbers too: up to the sum of [`threads`](Self::threads) and
    /// [`max_spare_threads`](Self::max_spare_threads), less one. The hook is called on each of
    /// these threads. A hook that refuses them revokes the first of the crate's
    /// [promises](crate#what-it-promises): tasks that wait for other tasks may then hang the pool,
    /// as with `max_spare_threads(0)`.
    ///
    /// The hook may submit to the pool, and may shut it down; the shutdown does not wait there.
    ///
    /// # Examples
    ///
    /// Pinning threads to processors, any number of threads to each:
    ///
    /// ```
    /// # fn pin_to(_: usize) -> std::io::Result<()> { Ok(()) }
    /// let cores = [0, 1];
    /// let pin = move |number: usize| pin_to(cores[number % cores.len()]);
    /// let pool = workmill::Builder::new().threads(2).on_thread_start(pin).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias("initializer", "start_handler"))]
    pub fn on_thread_start(
        mut self,
        hook: impl Fn(usize) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.thread_start = Some(Box::new(hook));
        self
    }

    /// Sets a hook that each thread calls with its number after it has run its last task.
    ///
    /// The hook is not called on a thread whose start failed. A panic in the hook goes to the
    /// [`panic_handler`](Self::panic_handler).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (send, stopped) = mpsc::channel();
    /// let stop = move |number| send.send(number).unwrap();
    /// let pool = workmill::Builder::new().threads(1).on_thread_stop(stop).build()?;
    /// pool.execute(|| println!("the first task starts the thread"));
    /// pool.shutdown();
    /// assert_eq!(stopped.recv()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "exit_handler")]
    pub fn on_thread_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.hooks.thread_stop = Some(Box::new(hook));
        self
    }

    /// Sets a handler for panics that no handle returns. It is called with the panic's payload.
    ///
    /// Such a panic is that of a closure given to [`execute`](crate::PoolRef::execute), of a task
    /// whose handle is dropped before it has returned the panic, of a run of a periodic series, of
    /// a callback, or of the hooks [`on_thread_stop`](Self::on_thread_stop),
    /// [`on_rejected`](Self::on_rejected), [`on_warning`](Self::on_warning) and
    /// [`on_terminated`](Self::on_terminated).
    ///
    /// As for any panic, std's panic hook has written a line to stderr before the handler is
    /// called; without a handler nothing more is done. The handler is called on the thread that
    /// panicked, which goes on afterwards, or on the thread that drops the handle, if the task has
    /// ended by then. A panic in the handler is ignored. After the last reference to the pool is
    /// gone, the handler is no longer called.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let panics = Arc::new(AtomicUsize::new(0));
    /// let seen = Arc::clone(&panics);
    /// let pool = workmill::Builder::new()
    ///     .threads(1)
    ///     .panic_handler(move |_payload| { seen.fetch_add(1, Ordering::Relaxed); })
    ///     .build()?;
    /// pool.execute(|| panic!("out of flour"));
    /// pool.shutdown();
    /// assert_eq!(panics.load(Ordering::Relaxed), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias("UncaughtExceptionHandler", "excepthook"))]
    pub fn panic_handler(
        mut self,
        handler: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.panic = Some(Box::new(handler));
        self
    }

    /// Sets a hook that is called with each closure that [`execute`](crate::PoolRef::execute) could
    /// not submit, because the pool is full and its policy is [`Overflow::Reject`], or because the
    /// pool is shut down.
    ///
    /// By default the closure is dropped. The hook is called on the thread that submits. A panic in
    /// the hook goes to the [`panic_handler`](Self::panic_handler).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Builder, Overflow};
    ///
    /// let builder = Builder::new().threads(1).queue_capacity(1).overflow(Overflow::Reject);
    /// let pool = builder.on_rejected(|rejected| eprintln!("{}", rejected.reason())).build()?;
    /// pool.shutdown();
    /// pool.execute(|| println!("too late"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "RejectedExecutionHandler")]
    pub fn on_rejected(mut self, hook: impl Fn(Rejected) + Send + Sync + 'static) -> Self {
        self.hooks.rejected = Some(Box::new(hook));
        self
    }

    /// Sets a hook that is called when something goes worse than promised, though nothing is lost;
    /// see [`Warning`].
    ///
    /// By default a line is written to stderr. Each kind of warning is reported once; but a thread
    /// that could not be started is reported again if other threads have been started since, and
    /// each shutdown that waits for seconds reports that. The hook is called on the thread that
    /// meets the problem, which may be a submitting thread. A panic in the hook goes to the
    /// [`panic_handler`](Self::panic_handler).
    ///
    /// # Examples
    ///
    /// ```
    /// let builder = workmill::Builder::new().threads(2);
    /// let pool = builder.on_warning(|warning| eprintln!("pool: {warning}")).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_warning(mut self, hook: impl Fn(Warning) + Send + Sync + 'static) -> Self {
        self.hooks.warning = Some(Box::new(hook));
        self
    }

    /// Sets a hook that is called with each task that has been running for longer than `after`,
    /// once for each.
    ///
    /// A poll of a future is such a task; so is one that waits, which
    /// [`BusyThread::waits`](crate::BusyThread::waits) tells. The pool gets one more thread, which
    /// looks at the workers four times in each `after`, a millisecond apart at least, and sleeps
    /// while they have nothing to do. So tasks pay nothing, and the hook comes up to a quarter of
    /// that time late. It is called on that thread. A panic in it goes to the
    /// [`panic_handler`](Self::panic_handler). A shutdown waits for a call that is under way.
    ///
    /// By default there is no such thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::Builder;
    ///
    /// # let (send, told) = std::sync::mpsc::channel();
    /// let builder = Builder::new().threads(1);
    /// let pool = builder
    ///     .on_long_task(Duration::from_millis(10), move |busy| {
    ///         eprintln!("{busy}"); // workmill-0 runs grind (src/main.rs:9) for 12.5ms
    /// #       send.send(busy).unwrap();
    ///     })
    ///     .build()?;
    /// # let flag = pool.handle();
    /// pool.named("grind").execute(move || {
    /// #   let _ = flag;
    ///     std::thread::sleep(Duration::from_millis(50));
    /// });
    /// # assert_eq!(told.recv()?.task(), "grind");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_long_task(
        mut self,
        after: Duration,
        hook: impl Fn(BusyThread) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.long_task = Some((after, Box::new(hook)));
        self
    }

    /// Sets a hook that is called once, when the pool has ended.
    ///
    /// It is called by the last worker before that leaves the pool: every accepted task has ended,
    /// the other workers have left, and [`on_thread_stop`](Self::on_thread_stop) has been called
    /// for each. They may still be running the destructors of their thread-locals. (If a thread is
    /// just being started while the pool ends, it may come and go after the call, without a task;
    /// if the system fails to start it, the thread that tried may make the call.) A shutdown, a
    /// drop of the last owner and [`wait_terminated`](crate::PoolRef::wait_terminated), each where
    /// it waits, return after the hook has returned, and
    /// [`is_terminated`](crate::PoolRef::is_terminated) returns `true` then. Such a wait in the
    /// hook itself does not wait.
    ///
    /// If the pool is not built, or its process exits before the end, the hook is not called; nor
    /// is it in a forked child process. A panic in the hook goes to the
    /// [`panic_handler`](Self::panic_handler).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (sender, ended) = mpsc::channel();
    /// let pool = workmill::Builder::new()
    ///     .threads(2)
    ///     .on_terminated(move || sender.send("all ground").unwrap())
    ///     .build()?;
    /// pool.execute(|| println!("the last sack"));
    /// pool.shutdown_background();
    /// assert_eq!(ended.recv()?, "all ground");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "terminated")]
    pub fn on_terminated(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.terminated = Some(Box::new(hook));
        self
    }

    /// Starts the pool, with its first thread.
    ///
    /// The other threads are started when there is work for them: when a task is pushed, or found
    /// beside other tasks, and no thread is asleep or looking for a task. If the system fails to
    /// start a thread then, the existing threads run the tasks,
    /// [`Metrics::failed_starts`](crate::Metrics::failed_starts) counts the failure,
    /// [`on_warning`](Self::on_warning) reports it, and the next push that needs a thread tries
    /// again. A pool with [`on_thread_start`](Self::on_thread_start) starts all its threads here,
    /// except spare threads, which are started when tasks wait.
    ///
    /// # Inherited attributes
    ///
    /// Each thread begins with the attributes that the thread that calls this function has now,
    /// whenever it starts and whichever thread submitted the work for it: on Unix the mask of
    /// blocked signals, on Linux also the processors that it may run on and its nice value. (A nice
    /// value below that of the submitter needs a privilege; without the privilege the thread keeps
    /// the submitter's value.) To have signals handled by other threads, block them, build the
    /// pool, and unblock them. [`on_thread_start`](Self::on_thread_start) is called afterwards, and
    /// may change all these attributes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if a setting is out of its limits or a name holds a NUL
    /// byte. Otherwise the system's error if it fails to start a thread here, or the error of
    /// [`on_thread_start`](Self::on_thread_start); the threads that had been started have ended by
    /// then.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(2).build()?;
    /// assert_eq!(pool.submit(|| 6 * 7).join()?, 42);
    /// assert!(workmill::Builder::new().threads(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> io::Result<ThreadPoolExecutor> {
        let (queue_capacity, overflow, on_drop) =
            (self.queue_capacity, self.overflow, self.on_drop);
        let config = self.config()?;
        let capacity =
            queue_capacity.map(|capacity| Capacity::new(capacity, overflow, config.threads));
        ThreadPoolExecutor::start(config, capacity, on_drop)
    }

    fn config(self) -> io::Result<Config> {
        let attributes = Attributes::of_this_thread();
        let threads = self.threads.unwrap_or_else(processors);
        check("a pool has", "threads", 1..=MAX_SLOTS, threads)?;
        let max_threads = self.max_threads.unwrap_or_else(|| {
            let some = threads.saturating_mul(4).min(1024);
            some.max(threads)
        });
        check("max_threads is", "here", threads..=MAX_SLOTS, max_threads)?;
        let min_threads = self.min_threads.unwrap_or(threads);
        check("min_threads is", "here", 1..=threads, min_threads)?;
        let capacity = self.queue_capacity.unwrap_or(0);
        check("a queue has room for", "tasks", 0..=MAX_PERMITS, capacity)?;
        let name = self.hooks.thread_name.as_ref();
        let name = |number| name.map_or_else(|| default_name(number), |name| name(number));
        let first_names: Vec<_> = (0..threads).map(name).collect();
        if let Some(name) = first_names.iter().find(|name| name.contains('\0')) {
            return Err(invalid(format!(
                "the thread name {name:?} holds a NUL byte"
            )));
        }
        Ok(Config {
            threads,
            max_threads,
            limits: Limits {
                min_threads,
                max_spare_threads: self.max_spare_threads,
                keep_alive: self.keep_alive,
                give_way: self.give_way,
            },
            setup: ThreadSetup {
                stack_size: self.stack_size.unwrap_or_else(default_stack_size),
                processors: attributes.processors().unwrap_or_else(processors),
                attributes,
            },
            first_names,
            hooks: self.hooks,
            observer: None,
        })
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("threads", &self.threads)
            .field("max_threads", &self.max_threads)
            .field("min_threads", &self.min_threads)
            .field("max_spare_threads", &self.max_spare_threads)
            .field("keep_alive", &self.keep_alive)
            .field("queue_capacity", &self.queue_capacity)
            .field("overflow", &self.overflow)
            .field("on_drop", &self.on_drop)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

impl ThreadPoolExecutor {
    /// Starts a pool that runs at most `threads` tasks at a time. The first thread is started here,
    /// the others when there is work for them.
    ///
    /// [`Builder`] has the other settings.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if `threads` is 0 or more than 65,535, or the system's error
    /// if it fails to start the first thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::ThreadPoolExecutor;
    ///
    /// let pool = ThreadPoolExecutor::new(2)?;
    /// assert_eq!(pool.submit(|| 6 * 7).join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(threads: usize) -> io::Result<Self> {
        Builder::new().threads(threads).build()
    }
}

/// Starts a pool with as many threads as processors are available to this thread.
///
/// # Panics
///
/// Panics if the first thread cannot be started; [`Builder::build`] returns the error instead.
impl Default for ThreadPoolExecutor {
    fn default() -> Self {
        match Builder::new().build() {
            Ok(pool) => pool,
            Err(error) => panic!("the first thread of a pool could not be started: {error}"),
        }
    }
}

/// Returns the number of processors that are available to this thread now.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns the size of the stack, in bytes, that std would give a thread.
fn default_stack_size() -> usize {
    let said = std::env::var("RUST_MIN_STACK").ok();
    said.and_then(|bytes| bytes.parse().ok()).unwrap_or(2 << 20)
}

/// Returns an error if the number is out of its limits.
fn check(before: &str, after: &str, limits: RangeInclusive<usize>, given: usize) -> io::Result<()> {
    if limits.contains(&given) {
        return Ok(());
    }
    let (least, most) = limits.into_inner();
    Err(invalid(format!(
        "{before} {least} to {most} {after}, not {given}"
    )))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
