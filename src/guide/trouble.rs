//! It hangs, it is slow, it panicked, it does not compile: what to look at.
//!
//! Three things to have in a program before there is trouble: names for its tasks
//! ([`named`](crate::PoolRef::named)), a line in its log for each
//! [`Warning`](crate::Builder::on_warning), and a way to print
//! [`pool.metrics()`](crate::PoolRef::metrics).
//!
//! # It hangs
//!
//! | what is seen | it may be | what to do |
//! |---|---|---|
//! | `main` does not return | the drop of the pool waits for all that is queued | [`DropBehavior`](crate::DropBehavior), [`shutdown_timeout`](crate::ThreadPoolExecutor::shutdown_timeout), whose error says what runs |
//! | a shutdown does not return | a closure runs on, or waits for what never comes | let it look at [`cancelled`](crate::cancelled()); the warning [`StillWaiting`](crate::Warning::StillWaiting) names it after five seconds |
//! | all threads wait, tasks are queued | waits that the pool cannot see: a channel, a condition variable, a socket | [`blocking`](crate::blocking) around them, see [waiting](crate::guide::waiting) |
//! | the warning [`SpareThreadsUsedUp`](crate::Warning::SpareThreadsUsedUp) | more tasks wait than [`max_spare_threads`](crate::Builder::max_spare_threads) | a higher limit, futures in place of closures, or [`limited`](crate::PoolRef::limited) |
//! | the warning [`GroupStands`](crate::Warning::GroupStands) | the tasks of a group wait for each other, with all its permits | raise the limit, or submit what is waited for outside the group |
//! | tasks that hold a permit wait for another | each has what the other waits for, as with locks | take permits in one order, or all at once by [`acquire_many`](crate::Semaphore::acquire_many) |
//! | a consumer's loop does not end | nobody has closed the queue | [`close`](crate::Queue::close), or a [`producer`](crate::Queue::producer) for each that puts |
//! | `queue.join()` does not return | an item was taken by `get`, and `task_done` was not called | [`get_task`](crate::Queue::get_task) |
//! | an `async` function does not run | its future was made by a closure in [`submit`](crate::PoolRef::submit) | [`spawn`](crate::PoolRef::spawn) |
//! | tokio's "there is no reactor running" | a future of tokio's outside its runtime | see [futures](crate::guide::futures) |
//! | a join returns [`Deadlock`](crate::CancelReason::Deadlock) | tasks join each other in a circle | one of them has to go on without the other |
//! | [`WouldDeadlock`](crate::WouldDeadlock) | a task waits for its own pool to end or to be idle | wait outside, or for handles |
//!
//! Where the threads are: `gdb -p PID -batch -ex 'thread apply all bt'`, or on Linux
//! `cat /proc/PID/task/*/comm` for their names, which begin with `workmill-` unless
//! [`thread_name`](crate::Builder::thread_name) says otherwise. The names of their tasks are in
//! [`WorkerMetrics::runs`](crate::WorkerMetrics::runs):
//!
//! ```
//! use workmill::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let names = pool.named("look").submit({
//!     let pool = pool.handle();
//!     move || pool.metrics().workers.into_iter().filter_map(|it| it.runs).collect::<Vec<_>>()
//! });
//! assert_eq!(names.join()?, ["look"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # It is slow
//!
//! | what is seen | it may be | what to do |
//! |---|---|---|
//! | slow everywhere | it is not optimised | `cargo run --release` |
//! | no faster than one thread | `join` directly behind each `submit` | collect the handles first, or [`map`](crate::PoolRef::map) |
//! | likewise | the tasks want one lock | `perf`, or fewer and larger critical sections |
//! | much system time, many tasks a second | tasks that are too small | [`Map::chunk`](crate::Map::chunk), [`map_slice`](crate::PoolRef::map_slice), [measuring](crate::guide::measuring) |
//! | processors idle, tasks queued | tasks that wait where the pool does not see it | [`blocking`](crate::blocking) |
//! | processors idle, nothing queued | the submitter is the slowest part | submit from several threads, or from tasks |
//! | a permit is held for long, and other tasks do not begin | a wait for a permit lends its slot only | [`limited`](crate::PoolRef::limited) in place of a semaphore |
//! | the warning [`GaveWay`](crate::Warning::GaveWay) | a consumer is queued behind its producers | submit consumers first, or give them a pool of their own |
//! | memory grows | a queue without a bound, or futures without a group | [`queue_capacity`](crate::Builder::queue_capacity), [`bounded`](crate::Queue::bounded), [`limited`](crate::PoolRef::limited) |
//! | hundreds of threads | tasks that wait have one each | futures, or [`limited`](crate::PoolRef::limited) |
//! | single tasks take long | see which: [`on_long_task`](crate::Builder::on_long_task) | split them, or [`Priority`](crate::Priority) for those that must not wait |
//!
//! [Seeing](crate::guide::seeing) has spans, and a picture of a run that shows which worker ran
//! which task when.
//!
//! # It does not compile
//!
//! | rustc says | because | write |
//! |---|---|---|
//! | expected a closure, found `async` block | a future is not submitted | [`spawn`](crate::PoolRef::spawn) |
//! | expected a value, found future | the closure calls an `async fn`, and returns its future | [`spawn`](crate::PoolRef::spawn)`(work(1))` |
//! | closure may outlive the current function; borrowed data escapes | a task may run after this function has returned | `move`, and a clone for each closure; or a [`scope`](crate::PoolRef::scope), whose tasks may borrow |
//! | `xs` does not live long enough, in `pool.map(&xs, …)` | likewise | `pool.map(xs, …)`, [`pool.map_slice(&xs, …)?`](crate::PoolRef::map_slice), or [`scope.map`](crate::Scope::map), which has a `window`, but no `chunk` and no `flat` |
//! | `Rc<…>` or `MutexGuard<…>` cannot be sent between threads safely | another thread runs the closure | [`Arc`](std::sync::Arc); lock inside the closure |
//! | no method `acquire_owned`; consider `Arc::new(…)` there | owned permits keep their semaphore | `Arc::new(Semaphore::new(2))` once, and clone that |
//! | no function `new` for `Queue` | the bound is said in the name | [`bounded`](crate::Queue::bounded), [`unbounded`](crate::Queue::unbounded) |
//! | `?` cannot convert, behind `join()` | the task returns a `Result` of its own | `join()??`, or [`flat()`](crate::JoinHandle::flat) |
//! | `dyn Error` cannot be sent between threads safely | the task returns its error to another thread | `Box<dyn Error + Send + Sync>`, see [a task that fails](crate::guide::first_steps#a-task-that-fails) |
//! | doesn't have a size known at compile-time; required for `TaskError<…>` to implement `Error`, behind `?` | a `Box<dyn Error + Send + Sync>`, like `anyhow::Error`, does not implement `Error` itself | let `main` return the same type as the task; `join()??` in place of `flat()` |
//! | unused `Permit`, `TaskGuard` or `CancelGuard` | it was given back at once | `let _permit = …`, never `let _ = …` |
//!
//! Of jobs, which are functions that run in [processes](crate::guide::processes) or on
//! [machines](crate::guide::machines):
//!
//! | rustc says | because | write |
//! |---|---|---|
//! | cannot be a job with the arguments | an argument, the result or its error cannot be encoded by serde | `#[derive(Serialize, Deserialize)]` on types of your own; for an `io::Error` a `String`, by `map_err(\|error\| error.to_string())` |
//! | implementation of `Deserialize` is not general enough | the function takes a `&str`, and a job owns what it gets | `String`, and `Vec<u8>` for a `&[u8]` |
//! | this method takes 2 arguments but 3 arguments were supplied | the arguments are passed as one | a tuple: `pool.submit(add, (1, 2))` |
//! | expected `Queue<…>`, found `(Queue<…>,)` | one argument goes bare, unlike Python's `args=(q,)` | `hub.spawn(bake, queue)` |
//! | `ProcessPoolExecutor` is not an iterator, at `map` | a pool of processes has no `map` | a loop that submits, see [many jobs](crate::guide::processes#many-jobs) |
//!
//! # It panicked
//!
//! std's line on standard error has the place. [`JoinError`](crate::JoinError) has the text and the
//! name of the task. If there is no handle, set a [`panic_handler`](crate::Builder::panic_handler);
//! see [panics](crate::guide::panics). With `RUST_BACKTRACE=1` the backtrace shows the task from
//! its closure on.
//!
//! | the error | says |
//! |---|---|
//! | `is_panic()` | the closure panicked: [`panic_message`](crate::JoinError::panic_message) |
//! | `is_cancelled()` | it did not run, or was dropped: [`cancel_reason`](crate::JoinError::cancel_reason) says why |
//! | `is_lost()` | its process died: [`Lost`](crate::Lost) says how, with the end of its standard error |
