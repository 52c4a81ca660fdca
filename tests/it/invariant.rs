//! Every ending is thrown at pools of every kind, and each accepted task resolves exactly once: its
//! closure is dropped once, its result is dropped once, and its handle agrees with both.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use workmill::{
    Builder, CancelHandle, DropBehavior, JoinError, JoinHandle, Overflow, PoolRef,
    ThreadPoolExecutor, TrySubmitError,
};

use crate::support::{Bomb, Dice, add_one, limited_part, until};

/// The fate of a closure that was offered to a pool.
#[derive(Default)]
struct Fate {
    runs: AtomicUsize,
    closure_drops: AtomicUsize,
    results: AtomicUsize,
    result_drops: AtomicUsize,
    /// The values and panics that its handle or callback gave.
    ended: AtomicUsize,
    cancelled: AtomicUsize,
    /// Whether the outcome is waited for.
    watched: AtomicUsize,
}

impl Fate {
    fn note<T>(&self, outcome: &Result<T, JoinError>) {
        add_one(match outcome {
            Err(error) if error.is_cancelled() => &self.cancelled,
            _ => &self.ended,
        });
    }

    fn check(&self, what: &str) {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let runs = read(&self.runs);
        assert!(runs <= 1, "{what}: ran {runs} times");
        assert_eq!(read(&self.closure_drops), 1, "{what}: drops of the closure");
        assert!(read(&self.results) <= runs, "{what}: a result of nothing");
        let drops = read(&self.result_drops);
        assert_eq!(drops, read(&self.results), "{what}: drops of the result");
        if read(&self.watched) == 1 {
            let seen = (read(&self.ended), read(&self.cancelled));
            assert_eq!(seen, (runs, 1 - runs), "{what}: outcomes seen");
        }
    }
}

/// Counts its drop, and may panic in it.
struct Traced {
    fate: Arc<Fate>,
    count: fn(&Fate) -> &AtomicUsize,
    _bomb: Bomb,
}

impl Drop for Traced {
    fn drop(&mut self) {
        add_one((self.count)(&self.fate));
    }
}

impl Traced {
    fn new(fate: &Arc<Fate>, count: fn(&Fate) -> &AtomicUsize, bomb: bool) -> Self {
        Self {
            fate: Arc::clone(fate),
            count,
            _bomb: Bomb {
                depth: if bomb { 2 } else { 0 },
            },
        }
    }
}

type Offered = Arc<Mutex<Vec<Arc<Fate>>>>;

/// The pool that closures are offered to, which they may end.
#[derive(Clone)]
struct Target {
    pool: PoolRef,
    /// The owner, until it is taken out to be dropped.
    owner: Arc<Mutex<Option<ThreadPoolExecutor>>>,
}

impl Target {
    fn new(pool: ThreadPoolExecutor) -> Self {
        Self {
            pool: pool.handle(),
            owner: Arc::new(Mutex::new(Some(pool))),
        }
    }

    /// Ends the pool with `end`, unless its owner has been taken out.
    fn end_by(&self, end: impl FnOnce(&ThreadPoolExecutor)) {
        let owner = self.owner.lock().unwrap().clone();
        if let Some(owner) = owner {
            end(&owner);
        }
    }

    fn take_owner(&self) -> Option<ThreadPoolExecutor> {
        self.owner.lock().unwrap().take()
    }
}

/// Creates a closure of some kind, with its fate in the book.
fn closure(
    dice: &mut Dice,
    book: &Offered,
    target: &Target,
    depth: u32,
) -> (Arc<Fate>, impl FnOnce() -> Traced + Send + 'static) {
    let fate = Arc::<Fate>::default();
    book.lock().unwrap().push(Arc::clone(&fate));
    let kind = dice.roll(12);
    let capture = Traced::new(&fate, |fate| &fate.closure_drops, kind == 0);
    let (mine, mut dice, book, target) = (
        Arc::clone(&fate),
        dice.clone(),
        Arc::clone(book),
        target.clone(),
    );
    let closure = move || {
        let capture = capture;
        add_one(&mine.runs);
        match kind {
            1 => panic!("as it may"),
            2 => std::panic::panic_any(Bomb { depth: 2 }),
            3 | 4 if depth < 3 => {
                for _ in 0..dice.roll(4) {
                    offer(&mut dice, &book, &target, depth + 1);
                }
            }
            5 => target.end_by(|pool| pool.shutdown()),
            6 if dice.roll(50) == 0 => target.end_by(|pool| _ = pool.shutdown_now()),
            _ => {}
        }
        // A capture that panics in drop turns the return into a panic, so it goes before.
        drop(capture);
        add_one(&mine.results);
        Traced::new(&mine, |fate| &fate.result_drops, kind == 7)
    };
    (fate, closure)
}

/// Offers a closure to the pool in some way, and does something with the handle.
fn offer(dice: &mut Dice, book: &Offered, target: &Target, depth: u32) {
    let (fate, closure) = closure(dice, book, target, depth);
    let pool = &target.pool;
    let handle = match dice.roll(6) {
        0 => return pool.execute(move || drop(closure())),
        1 => {
            if let Err(refused) = pool.try_execute(move || drop(closure())) {
                drop_contained(refused);
            }
            return;
        }
        2 => match pool.try_submit(closure) {
            Ok(handle) => handle,
            Err(refused) => return drop_contained(refused),
        },
        3 => match pool.submit_timeout(closure, Duration::from_micros(50)) {
            Ok(handle) => handle,
            Err(refused) => return drop_contained(refused),
        },
        _ => pool.submit(closure),
    };
    keep(dice, handle, fate, depth);
}

/// Drops a closure that was given back; a panic of the drop ends here.
fn drop_contained<F>(refused: TrySubmitError<F>) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(refused)))
        .map_err(std::mem::forget);
}

fn keep(dice: &mut Dice, handle: JoinHandle<Traced>, fate: Arc<Fate>, depth: u32) {
    let cancel = |handle: CancelHandle| {
        // From another thread now and then, to meet the start and the end.
        drop(thread::spawn(move || handle.cancel()));
    };
    match dice.roll(8) {
        0 => drop(handle),
        1 => drop(handle.cancel_on_drop()),
        2 => {
            cancel(handle.cancel_handle());
            watch(&fate, |fate| fate.note(&contained(handle.join())));
        }
        3 => {
            add_one(&fate.watched);
            let stop = handle.cancel_handle();
            handle.on_done(move |outcome| fate.note(&contained(outcome)));
            cancel(stop);
        }
        4 => {
            add_one(&fate.watched);
            handle.on_done(move |outcome| {
                fate.note(&contained(outcome));
                panic!("in the callback");
            });
        }
        // Inside, only a join without limit is sure to end.
        5 if depth == 0 => watch(&fate, |fate| {
            let mut handle = handle;
            let outcome = loop {
                if let Some(outcome) = handle.join_timeout(Duration::from_millis(1)) {
                    break outcome;
                }
            };
            fate.note(&contained(outcome));
        }),
        6 => {
            let said = handle.cancel();
            watch(&fate, |fate| {
                let outcome = contained(handle.join());
                assert!(!said || outcome.is_err());
                fate.note(&outcome);
            });
        }
        _ => watch(&fate, |fate| fate.note(&contained(handle.join()))),
    }
}

fn watch(fate: &Fate, wait: impl FnOnce(&Fate)) {
    add_one(&fate.watched);
    wait(fate);
}

/// Drops a result, which may be a bomb, where it can do no harm.
fn contained(outcome: Result<Traced, JoinError>) -> Result<(), JoinError> {
    outcome.map(|value| {
        let dropping = std::panic::AssertUnwindSafe(|| drop(value));
        let _ = std::panic::catch_unwind(dropping).map_err(std::mem::forget);
    })
}

fn build(dice: &mut Dice) -> Option<ThreadPoolExecutor> {
    let mut builder = Builder::new().threads(1 + dice.roll(3) as usize);
    builder = match dice.roll(4) {
        0 => builder,
        1 => builder.queue_capacity(0),
        2 => builder.queue_capacity(1),
        _ => builder.queue_capacity(8),
    };
    builder = builder.overflow(match dice.roll(5) {
        0 => Overflow::Block,
        1 => Overflow::Reject,
        2 => Overflow::CallerRuns,
        3 => Overflow::DropOldest,
        _ => Overflow::DropNewest,
    });
    builder = builder.on_drop(match dice.roll(3) {
        0 => DropBehavior::Join,
        1 => DropBehavior::Cancel,
        _ => DropBehavior::Detach,
    });
    let failing = dice.roll(12);
    let builder = builder
        .panic_handler(std::mem::forget)
        .on_rejected(|rejected| {
            let dropping = std::panic::AssertUnwindSafe(|| drop(rejected));
            let _ = std::panic::catch_unwind(dropping).map_err(std::mem::forget);
        })
        .on_thread_start(move |index| match index as u64 == failing {
            true => Err(std::io::Error::other("as it may")),
            false => Ok(()),
        });
    let pool = builder.build();
    assert_eq!(pool.is_err(), failing < pool.as_ref().map_or(3, |_| 0));
    pool.ok()
}

fn end(dice: &mut Dice, target: &Target) {
    match dice.roll(7) {
        0 => target.end_by(|pool| pool.shutdown()),
        1 => target.end_by(|pool| _ = pool.shutdown_now()),
        2 => target.end_by(|pool| _ = pool.shutdown_timeout(Duration::from_micros(100))),
        3 => target.end_by(|pool| pool.shutdown_background()),
        4 => target.end_by(|pool| block_on(pool.shutdown_async())),
        5 => {
            let owner = target.take_owner();
            let unwinder = thread::spawn(move || {
                let _owner = owner;
                panic!("on the way out");
            });
            drop(unwinder.join());
        }
        _ => {}
    }
    drop(target.take_owner());
}

#[test]
fn whatever_ends_a_pool_each_task_resolves_once_and_is_dropped_once() {
    // Panics by the thousand; their messages would drown those that matter.
    std::panic::set_hook(Box::new(|info| {
        let expected = ["as it may", "in the callback", "on the way out"];
        let text = info.payload_as_str();
        if text.is_some_and(|text| !expected.contains(&text)) {
            eprintln!("{info}");
        }
    }));
    for seed in 1..=400_u64 {
        limited_part(&format!("the round of seed {seed}"), move || round(seed));
    }
}

fn round(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..8 {
        dice.roll(2);
    }
    let Some(pool) = build(&mut dice) else {
        return;
    };
    let (book, target) = (Offered::default(), Target::new(pool));
    thread::scope(|scope| {
        for thread in 0..3 {
            let (mut dice, book, target) = (
                Dice(dice.0 + 77 * thread),
                Arc::clone(&book),
                target.clone(),
            );
            scope.spawn(move || {
                for _ in 0..40 {
                    offer(&mut dice, &book, &target, 0);
                }
            });
        }
        for _ in 0..dice.roll(300) {
            thread::yield_now();
        }
        end(&mut dice, &target);
    });
    until(|| target.pool.is_terminated());
    // A canceller may still be dropping the tasks that it cancelled.
    let book = std::mem::take(&mut *book.lock().unwrap());
    for (index, fate) in book.iter().enumerate() {
        until(|| Arc::strong_count(fate) == 1);
        fate.check(&format!("seed {seed}, task {index}"));
    }
}
