//! From Python: `concurrent.futures`, `threading`, `queue`, `multiprocessing` and `asyncio`, name
//! by name, and the programs of the tutorials.
//!
//! | `concurrent.futures` | here |
//! |---|---|
//! | `ThreadPoolExecutor(max_workers=4)` | [`ThreadPoolExecutor::new(4)?`](crate::ThreadPoolExecutor::new) |
//! | `pool.submit(f, x)` | [`pool.submit(move \|\| f(x))`](crate::PoolRef::submit); if nobody wants the result, [`pool.execute(move \|\| { f(x); })`](crate::PoolRef::execute), whose closure returns `()` |
//! | `future.result()` | [`handle.join()?`](crate::JoinHandle::join) |
//! | `future.result(timeout=2)` | [`handle.join_timeout(Duration::from_secs(2))`](crate::JoinHandle::join_timeout), of a `let mut handle`: `None` when the time is over, else `Some` of what `join` returns |
//! | `future.exception()` | the error of [`join`](crate::JoinHandle::join), or [`error`](crate::JoinHandle::error), which leaves it there |
//! | calling `result()` more than once | [`handle.shared()`](crate::JoinHandle::shared) |
//! | `future.done()`, `running()`, `cancelled()` | [`is_finished()`](crate::JoinHandle::is_finished), [`is_running()`](crate::JoinHandle::is_running), [`state()`](crate::JoinHandle::state) |
//! | `future.cancel()` | [`handle.cancel()`](crate::JoinHandle::cancel), or a [`CancelHandle`](crate::CancelHandle) from elsewhere |
//! | `future.add_done_callback(f)` | [`handle.on_done(f)`](crate::JoinHandle::on_done); [`inspect(f)`](crate::JoinHandle::inspect) keeps the handle |
//! | `pool.map(f, xs, chunksize=9)` | [`pool.map(xs, f).chunk(9)`](crate::PoolRef::map), whose items are `Result`s |
//! | `pool.map(f, xs, buffersize=8)` | [`pool.map(xs, f).window(8)`](crate::Map::window) |
//! | `list(pool.map(f, xs))` | [`pool.map_slice(&xs, f)?`](crate::PoolRef::map_slice); if `f` returns a `Result`, this is a `Vec` of them, and no error stops it: [`pool.map(xs, f).flat()`](crate::Map::flat) stops at the first |
//! | `wait(futures, return_when=…)` | [`wait(&mut handles, WaitFor::…)`](crate::wait()) |
//! | `as_completed(futures, timeout=2)` | [`as_completed(handles).timeout(…)`](crate::as_completed) |
//! | `Future()`, `set_result(x)`, `set_exception(e)` | [`promise()`](crate::promise()), [`complete(x)`](crate::Promise::complete), [`fail(e)`](crate::Promise::fail) |
//! | `set_running_or_notify_cancel()` | [`set_running()`](crate::Promise::set_running) |
//! | `initializer=f` | [`Builder::on_thread_start`](crate::Builder::on_thread_start), or [per-thread state](crate::guide::per_thread_state) |
//! | `thread_name_prefix="io"` | [`Builder::thread_name`](crate::Builder::thread_name) |
//! | `with ThreadPoolExecutor() as pool:`, to have all done at its end | [`pool.scope(…)`](crate::PoolRef::scope), whose tasks may borrow; or the drop of the pool |
//! | `pool.shutdown()` | [`pool.shutdown()`](crate::ThreadPoolExecutor::shutdown), or the drop of the pool |
//! | `pool.shutdown(wait=False, cancel_futures=True)` | [`pool.shutdown_now()`](crate::ThreadPoolExecutor::shutdown_now) |
//! | `ProcessPoolExecutor`, `BrokenProcessPool` | `workmill_process::ProcessPoolExecutor`; a process that dies fails its own job only: [processes](crate::guide::processes) |
//!
//! | `threading` | here |
//! |---|---|
//! | `Thread(target=f, args=(x,))`, `start`, `join` | [`std::thread::spawn`], [`std::thread::scope`]; or a task |
//! | `daemon=True` | a thread of std that nobody joins; [`DropBehavior::Detach`](crate::DropBehavior::Detach) |
//! | `Timer(5, f).start()` | [`pool.submit_after(Duration::from_secs(5), f)`](crate::PoolRef::submit_after) |
//! | `Semaphore(n)`, `BoundedSemaphore(n)` | [`Semaphore::new(n)`](crate::Semaphore::new), [`BoundedSemaphore::new(n)`](crate::BoundedSemaphore::new) |
//! | `with semaphore:` | `let _permit = semaphore.acquire()?;` until the end of the block; `let _ =` would release it at once |
//! | `acquire(blocking=False)`, `acquire(timeout=2)` | [`try_acquire()`](crate::Semaphore::try_acquire), [`acquire_timeout(Duration::from_secs(2))`](crate::Semaphore::acquire_timeout) |
//! | `release()` without an acquire | [`add_permits(1)`](crate::Semaphore::add_permits), [`BoundedSemaphore::release`](crate::BoundedSemaphore::release) |
//! | `Event()`: `set`, `clear`, `is_set`, `wait` | [`Event`](crate::Event) with methods of these names; `wait(timeout)` is [`wait_timeout`](crate::Event::wait_timeout) |
//! | `Barrier(n)`: `wait`, `parties`, `n_waiting` | [`Barrier`](crate::Barrier): [`wait`](crate::Barrier::wait), [`parties`](crate::Barrier::parties), [`waiting`](crate::Barrier::waiting); a timeout breaks nothing |
//! | `Lock()` | [`std::sync::Mutex`], around what it protects |
//! | `RLock`, `Condition` | see [what is missing](crate::guide::missing), with the program to write instead |
//! | `local()` | [per-thread state](crate::guide::per_thread_state) |
//! | `current_thread().name`, `get_ident()` | [`std::thread::current`], [`worker_index`](crate::worker_index()), [`task_id`](crate::task_id()) |
//!
//! | `queue`, `multiprocessing` | here |
//! |---|---|
//! | `Queue(5)`, `JoinableQueue(5)` | [`JoinableQueue::bounded(5)`](crate::Queue::bounded) |
//! | `Queue()`, `SimpleQueue()` | [`JoinableQueue::unbounded()`](crate::Queue::unbounded) |
//! | `LifoQueue`, `PriorityQueue` | [`LifoQueue`](crate::LifoQueue), [`PriorityQueue`](crate::PriorityQueue), which keeps equal items in order; `(priority, item)` is [`Prioritized`](crate::Prioritized) |
//! | `put`, `put_nowait`, `put(timeout=2)` | [`put`](crate::Queue::put), [`try_put`](crate::Queue::try_put), [`put_timeout`](crate::Queue::put_timeout), whose errors return the item |
//! | `get`, `get_nowait`, `get(timeout=2)` | [`get`](crate::Queue::get), [`try_get`](crate::Queue::try_get), [`get_timeout`](crate::Queue::get_timeout) |
//! | `get` and then `task_done` | [`get_task`](crate::Queue::get_task), whose guard calls it, or both by hand |
//! | `join` | [`join`](crate::Queue::join), and [`join_timeout`](crate::Queue::join_timeout), which Python has not |
//! | `put(None)` as an end mark, `shutdown()` | [`close`](crate::Queue::close), which ends `for item in &queue`; the last [`producer`](crate::Queue::producer) closes when it goes |
//! | `shutdown(immediate=True)` | [`close_and_drain`](crate::Queue::close_and_drain) |
//! | `qsize`, `empty`, `full` | [`len`](crate::Queue::len), [`is_empty`](crate::Queue::is_empty), [`is_full`](crate::Queue::is_full) |
//! | `join_thread`, `cancel_join_thread` | nothing: no thread carries the items |
//! | `Pipe()` between threads | [`JoinableQueue::bounded(0)`](crate::Queue::bounded), or one queue for each direction |
//! | `Value`, `Array` between threads | an atomic of std, a [`Mutex`](std::sync::Mutex) around an array |
//! | `multiprocessing.Pool`, `Process`, and what processes share | [processes](crate::guide::processes) |
//! | `Process(target=f, args=(q,))` | `hub.spawn(f, q)`: one argument goes bare, several as a tuple |
//!
//! | `asyncio`, gevent | here |
//! |---|---|
//! | `asyncio.run(f())`, `create_task(f())` | [`block_on(f())`](crate::block_on()), [`pool.spawn(f())`](crate::PoolRef::spawn) |
//! | `asyncio.sleep(1)`, `sleep(0)`, `wait_for(f(), 2)` | [`timer::sleep`](crate::timer::sleep), [`yield_now`](crate::yield_now), [`timer::timeout`](crate::timer::timeout) |
//! | `asyncio.gather(…)` | handles, awaited one after the other; [`join_all`](crate::join_all) blocks |
//! | `asyncio.TaskGroup()` | [`JoinSet`](crate::JoinSet) |
//! | `asyncio.to_thread(f)`, `loop.run_in_executor(pool, f)` | `pool.submit(f).await` |
//! | `asyncio.Queue`, `Event`, `Semaphore` | the types for threads: each wait has an `_async` form |
//! | `gevent.spawn`, `joinall` | [`spawn`](crate::PoolRef::spawn), [`join_all`](crate::join_all) |
//! | `greenlet.switch()` | [`yield_now`](crate::yield_now) among futures on a pool of one thread |
//!
//! # A program in both
//!
//! ```python
//! with ThreadPoolExecutor(max_workers=5) as pool:
//!     futures = [pool.submit(square, n) for n in range(20)]
//!     print([future.result() for future in futures])
//! ```
//!
//! ```
//! use workmill::{JoinHandle, ThreadPoolExecutor};
//!
//! fn square(n: u32) -> u32 {
//!     n * n
//! }
//!
//! let pool = ThreadPoolExecutor::new(5)?;
//! let handles: Vec<_> = (0..20).map(|n| pool.submit(move || square(n))).collect();
//! let squares: Result<Vec<_>, _> = handles.into_iter().map(JoinHandle::join).collect();
//! println!("{:?}", squares?);
//! drop(pool); // or the end of the block
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The programs of the tutorials
//!
//! Each is an example, with the same actors and numbers: `cargo run --example karaoke`. A second
//! there is a tenth of one here.
//!
//! | the program in Python | here |
//! |---|---|
//! | a producer and a consumer under `Semaphore(1)`, until they are told to leave | `producer_consumer` |
//! | `Semaphore(4)`, acquired five times | `keys` |
//! | a karaoke box: 20 singers, 4 keys | `karaoke` |
//! | 10 threads through `Semaphore(5)`; 5 workers through `Semaphore(2)` | `two_rounds`, `two_at_a_time` |
//! | all that an `Event` can do; a traffic light and twenty cars | `event_tour`, `traffic_light` |
//! | is the database up? up to three timed waits | `database` |
//! | one waits for an event for two seconds, another for as long as it takes; `wait_event`, `set_event` | `timed_wait`, `wait_for_event` |
//! | all that a `Queue(5)` can do; `put('hello')` and `get()` | `queue_tour`, `hello` |
//! | two cooks, two eaters, an end mark for each; the same by closing the queue | `cooks_end_marks`, `cooks_close` |
//! | the same on a `JoinableQueue`; the eaters as daemons | `cooks_join`, `cooks_daemons` |
//! | a `Queue` whose end mark the producer puts, or `main` | `mark_by_producer`, `mark_by_main` |
//! | `PriorityQueue` of `(priority, message)` | `priorities`, `equal_priorities` |
//! | `ThreadPoolExecutor(5)` and 20 tasks: `shutdown()`, `result()` at once, results afterwards, `map` | `twenty_tasks` |
//! | 50,000 tasks that sleep; 300 threads that are all blocked | `sleepers`, `waiting_futures`, `waiting_closures` |
//! | a generator as producer | `generator` |
//! | greenlets that switch; gevent's sleep, and that of `time`, patched | `switch`, `sleep`, `thread_sleep` |
//! | two writers of a file under a `Lock`; two threads that count to 2,000,000 | `file_lock`, `count` |
//! | sockets: a stream, a datagram | `stream`, `datagram` |
//! | `Pipe`, `Value`, `Array`, shared memory, between threads | `pipe`, `shared_value`, `shared_array`, `shared_memory` |
//! | the same between processes: `Process`, `Semaphore`, `Event`, `Lock`, `Queue`, `JoinableQueue`, `Pipe`, `Value`, `Array` | `process_karaoke` and the others whose names begin so, by `-p workmill-process` |
//! | a queue in a file, of threads and of processes | `threads`, `processes` and `killed`, by `-p workmill-file-queue` |
//!
//! # What differs, and why
//!
//! - **A task may wait for tasks of its pool.** In Python that hangs once all threads wait. See
//!   [waiting](crate::guide::waiting).
//! - **Results are `Result`s.** Python raises the task's exception again at `result()`; here
//!   [`join`](crate::JoinHandle::join) returns an error for a panic or a cancel. An ordinary
//!   failure is the task's own `Result`.
//! - **A result is returned once**, since it is moved out, unless the handle is
//!   [shared](crate::JoinHandle::shared).
//! - **`map` is lazy.** A few items are in flight at a time, so the input may be infinite; and an
//!   error does not end the iteration.
//! - **Cancelled counts as done, at once.** In CPython 3.13 `wait` does not return for a future
//!   that was cancelled until a worker has met it, and after `shutdown(cancel_futures=True)` none
//!   does.
//! - **`task_done` belongs to an item.** Python counts the calls; here the guard of
//!   [`get_task`](crate::Queue::get_task) calls it, also when the consumer panics.
//! - **A refused item comes back** in the error of a put, and a refused closure in that of
//!   [`try_submit`](crate::PoolRef::try_submit).
//! - **Timeouts are `Duration`s.** None is negative, and
//!   [`Duration::MAX`](std::time::Duration::MAX) waits forever.
//! - **Threads compute at the same time.** There is no interpreter lock, so processes are for work
//!   that may crash or must be stopped, not for speed.
//! - **The end of the process does not wait** for pools that live in a `static`; the drop of a pool
//!   does.
//!
//! [Another page](crate::guide::missing) has what is missing on purpose, and what to write instead.
