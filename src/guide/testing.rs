//! Testing programs that use pools.
//!
//! - **A pool for each test.** It starts in a fraction of a millisecond, its drop waits for its
//!   tasks, and no test sees those of another. Take a [`PoolRef`](crate::PoolRef) as parameter, and
//!   no `static`.
//! - **Do not sleep to let something happen.** Wait for it:
//!   [`wait_idle`](crate::PoolRef::wait_idle), a handle, a [`Latch`](crate::Latch).
//! - **With a time limit on each wait**, so that a mistake fails the test and does not hang it.
//! - **On a pool of one thread**, and then on one of many. On one thread tasks from outside begin
//!   in the order of their submission, so what a test sees is the same each time.
//! - **With a panic handler that fails the test**: a task without a handle that panics does not.
//! - **With the bound that the program has**: [`queue_capacity(1)`](crate::Builder::queue_capacity)
//!   finds what a queue without a bound hides.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use workmill::{Builder, Event, PoolRef};
//!
//! /// The code to test.
//! fn grind_all(pool: &PoolRef, sacks: Vec<u32>, ground: &Arc<Mutex<Vec<u32>>>) {
//!     for sack in sacks {
//!         let ground = Arc::clone(ground);
//!         pool.execute(move || ground.lock().unwrap().push(sack));
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let panicked = Arc::new(Event::new());
//! let note = Arc::clone(&panicked);
//! let builder = Builder::new().threads(1).queue_capacity(1).panic_handler(move |_| note.set());
//! let pool = builder.build()?;
//! let ground = Arc::default();
//! grind_all(&pool, vec![1, 2, 3], &ground);
//! assert!(pool.wait_idle_timeout(Duration::from_secs(10))?, "hangs: {}", pool.metrics());
//! assert_eq!(*ground.lock().unwrap(), [1, 2, 3]);
//! assert!(!panicked.is_set());
//! # Ok(())
//! # }
//! ```
//!
//! # Bring a thread to a point, and keep it there
//!
//! Two events make a door: the task says that it is there, and waits to be let on. So a test can
//! look at what happens while a task runs, or before one begins, without a race.
//!
//! ```
//! use std::sync::Arc;
//! use workmill::{Event, ThreadPoolExecutor};
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let door = Arc::new((Event::new(), Event::new()));
//! let keeper = Arc::clone(&door);
//! pool.execute(move || {
//!     keeper.0.set();
//!     while !keeper.1.is_set() { // holds its slot, as a task does that computes
//!         std::thread::yield_now();
//!     }
//! });
//! door.0.wait();
//! let behind = pool.submit(|| 42);
//! assert!(behind.cancel()); // certainly: the only thread is busy
//! door.1.set();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A task that *waits* for the event gives its slot away, so the next task begins. That is why the
//! keeper of the door looks at it in a loop here.
//!
//! # Time
//!
//! [`timer`](crate::timer) has no clock that a test could set. Keep times as parameters, and make
//! them short; a test that asserts that something took *at most* a time fails on a busy machine.
//!
//! # Processes
//!
//! A test program has no `main` of its own; how its worker processes begin is described in the
//! documentation of `workmill-process`, at `guide::starting`.
