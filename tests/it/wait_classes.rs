//! Each wait of the crate, and what becomes of the slot of a task that waits there: as the table of
//! the guide says.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use workmill::{
    Barrier, BoundedSemaphore, Builder, CancelToken, Event, JoinSet, JoinableQueue, Latch, Notify,
    Overflow, Promise, Semaphore, ThreadPoolExecutor, WaitFor, as_completed, block_on, blocking,
    first_ok, join, join_all, promise, wait, wait_timeout,
};

use crate::support::{limited, limited_part, occupy, until};

/// What becomes of the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    GivenAway,
    Lent,
    /// As the future says that is waited for.
    AsTheFuture,
}

use Class::{AsTheFuture, GivenAway, Lent};

/// A wait, and the call that ends it.
type Pair = (Box<dyn FnOnce() + Send>, Box<dyn FnOnce() + Send>);

fn pair(wait: impl FnOnce() + Send + 'static, end: impl FnOnce() + Send + 'static) -> Pair {
    (Box::new(wait), Box::new(end))
}

/// The method that waits, what becomes of the slot, and the function that makes the wait; some wait
/// for the given pool of one thread.
type Row = (&'static str, Class, fn(&ThreadPoolExecutor) -> Pair);

/// The waits of the crate, each where the table of the guide has it.
const WAITS: &[Row] = &[
    ("JoinHandle::join", GivenAway, |other| {
        let (release, behind) = (occupy(other), other.submit(|| ()));
        pair(move || behind.join().unwrap(), move || release.set())
    }),
    ("JoinHandle::join_timeout", GivenAway, |other| {
        let (release, mut behind) = (occupy(other), other.submit(|| ()));
        pair(
            move || behind.join_timeout(Duration::MAX).unwrap().unwrap(),
            move || release.set(),
        )
    }),
    ("SharedHandle::join", GivenAway, |other| {
        let (release, behind) = (occupy(other), other.submit(|| ()).shared());
        pair(move || behind.join().unwrap(), move || release.set())
    }),
    ("SharedHandle::join_timeout", GivenAway, |other| {
        let (release, behind) = (occupy(other), other.submit(|| ()).shared());
        pair(
            move || drop(behind.join_timeout(Duration::MAX).unwrap()),
            move || release.set(),
        )
    }),
    ("CancelOnDrop::join", GivenAway, |other| {
        let (release, behind) = (occupy(other), other.submit(|| ()).cancel_on_drop());
        pair(move || behind.join().unwrap(), move || release.set())
    }),
    ("FlatHandle::join", GivenAway, |other| {
        let (release, behind) = (occupy(other), other.submit(|| io::Result::Ok(())).flat());
        pair(move || behind.join().unwrap(), move || release.set())
    }),
    ("FlatHandle::join_timeout", GivenAway, |other| {
        let (release, mut behind) = (occupy(other), other.submit(|| io::Result::Ok(())).flat());
        pair(
            move || behind.join_timeout(Duration::MAX).unwrap().unwrap(),
            move || release.set(),
        )
    }),
    ("ScopedJoinHandle::join", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        pair(
            move || other.scope(|scope| scope.submit(|| ()).join().unwrap()),
            move || release.set(),
        )
    }),
    ("ScopedJoinHandle::join_timeout", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        let join = move || {
            other.scope(|scope| {
                let joined = scope.submit(|| ()).join_timeout(Duration::MAX);
                joined.unwrap().unwrap();
            });
        };
        pair(join, move || release.set())
    }),
    ("PoolRef::install", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        pair(move || other.install(|| ()).unwrap(), move || release.set())
    }),
    ("wait", GivenAway, |_| {
        let (given, handle) = promise();
        pair(
            move || assert_eq!(wait(&mut [handle], WaitFor::Any), [0]),
            move || given.complete(()).unwrap(),
        )
    }),
    ("wait_timeout", GivenAway, |_| {
        let (given, handle) = promise();
        let wait = move || wait_timeout(&mut [handle], WaitFor::All, Duration::MAX);
        pair(
            move || assert_eq!(wait(), [0]),
            move || given.complete(()).unwrap(),
        )
    }),
    ("AsCompleted::next", GivenAway, |_| {
        let (given, handle) = promise();
        pair(
            move || as_completed([handle]).next().unwrap().1.unwrap(),
            move || given.complete(()).unwrap(),
        )
    }),
    ("first_ok", GivenAway, |_| {
        let (given, handle) = promise();
        pair(
            move || first_ok([handle]).unwrap(),
            move || given.complete(()).unwrap(),
        )
    }),
    ("join_all", GivenAway, |_| {
        let (given, handle) = promise();
        pair(
            move || join_all([handle]).remove(0).unwrap(),
            move || given.complete(()).unwrap(),
        )
    }),
    ("JoinSet::join_next", GivenAway, |other| {
        let (mut set, given) = set_with_a_task(other);
        pair(
            move || set.join_next().unwrap().1.unwrap(),
            move || given.complete(()).unwrap(),
        )
    }),
    ("JoinSet::join_next_timeout", GivenAway, |other| {
        let (mut set, given) = set_with_a_task(other);
        pair(
            move || drop(set.join_next_timeout(Duration::MAX).unwrap()),
            move || given.complete(()).unwrap(),
        )
    }),
    ("JoinSet::submit", GivenAway, |other| {
        let (mut set, given) = set_with_a_task(other);
        pair(
            move || set.submit((), || ()),
            move || given.complete(()).unwrap(),
        )
    }),
    ("JoinSet::submit_timeout", GivenAway, |other| {
        let (mut set, given) = set_with_a_task(other);
        pair(
            move || set.submit_timeout((), || (), Duration::MAX).unwrap(),
            move || given.complete(()).unwrap(),
        )
    }),
    ("JoinSet::spawn", GivenAway, |other| {
        let (mut set, given) = set_with_a_task(other);
        pair(
            move || set.spawn((), async {}),
            move || given.complete(()).unwrap(),
        )
    }),
    ("Map::next", GivenAway, |other| {
        let (release, mut map) = (occupy(other), other.map([1], |_| ()));
        pair(move || map.next().unwrap().unwrap(), move || release.set())
    }),
    ("ScopedMap::next", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        let wait = move || {
            other.scope(|scope| scope.map([1], |_| ()).next().unwrap().unwrap());
        };
        pair(wait, move || release.set())
    }),
    ("MapUnordered::next", GivenAway, |other| {
        let (release, mut map) = (occupy(other), other.map_unordered([1], |_| ()));
        pair(move || map.next().unwrap().unwrap(), move || release.set())
    }),
    ("PoolRef::for_each", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        pair(
            move || other.for_each([1], |_| ()).unwrap(),
            move || release.set(),
        )
    }),
    ("PoolRef::join", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        let wait = move || {
            other.join(|| (), || ());
        };
        pair(wait, move || release.set())
    }),
    ("join", GivenAway, |_| {
        let (begun, go) = (Event::new(), Arc::new(Event::new()));
        let release = Arc::clone(&go);
        let wait = move || {
            let second = || {
                begun.set();
                go.wait();
            };
            join(|| begun.wait(), second);
        };
        pair(wait, move || release.set())
    }),
    ("PoolRef::scope", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        pair(
            move || other.scope(|scope| scope.execute(|| ())),
            move || release.set(),
        )
    }),
    ("PoolRef::map_slice", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        pair(
            move || drop(other.map_slice(&[1], |n| *n).unwrap()),
            move || release.set(),
        )
    }),
    ("JoinableQueue::get", GivenAway, |_| {
        let queue = Arc::new(JoinableQueue::unbounded());
        let other = Arc::clone(&queue);
        pair(
            move || assert_eq!(queue.get(), Ok(1)),
            move || other.put(1).unwrap(),
        )
    }),
    ("JoinableQueue::get_timeout", GivenAway, |_| {
        let queue = Arc::new(JoinableQueue::bounded(0));
        let other = Arc::clone(&queue);
        pair(
            move || assert_eq!(queue.get_timeout(Duration::MAX), Ok(1)),
            move || other.put(1).unwrap(),
        )
    }),
    ("JoinableQueue::get_task", GivenAway, |_| {
        let queue = Arc::new(JoinableQueue::bounded(1));
        let other = Arc::clone(&queue);
        pair(
            move || drop(queue.get_task().unwrap()),
            move || other.put(1).unwrap(),
        )
    }),
    ("JoinableQueue::get_task_timeout", GivenAway, |_| {
        let queue = Arc::new(JoinableQueue::unbounded());
        let other = Arc::clone(&queue);
        pair(
            move || drop(queue.get_task_timeout(Duration::MAX).unwrap()),
            move || other.put(1).unwrap(),
        )
    }),
    ("JoinableQueue::join", GivenAway, |_| {
        let queue = queue_with_an_item();
        let other = Arc::clone(&queue);
        pair(
            move || queue.join().unwrap(),
            move || drop(other.get_task().unwrap()),
        )
    }),
    ("JoinableQueue::join_timeout", GivenAway, |_| {
        let queue = queue_with_an_item();
        let other = Arc::clone(&queue);
        pair(
            move || assert!(queue.join_timeout(Duration::MAX).unwrap()),
            move || drop(other.get_task().unwrap()),
        )
    }),
    ("Event::wait", GivenAway, |_| {
        let event = Arc::new(Event::new());
        let set = Arc::clone(&event);
        pair(move || event.wait(), move || set.set())
    }),
    ("Event::wait_timeout", GivenAway, |_| {
        let event = Arc::new(Event::new());
        let set = Arc::clone(&event);
        pair(
            move || assert!(event.wait_timeout(Duration::MAX)),
            move || set.set(),
        )
    }),
    ("Latch::wait", GivenAway, |_| {
        let latch = Arc::new(Latch::new(1));
        let count = Arc::clone(&latch);
        pair(move || latch.wait(), move || count.count_down())
    }),
    ("Latch::wait_timeout", GivenAway, |_| {
        let latch = Arc::new(Latch::new(1));
        let count = Arc::clone(&latch);
        pair(
            move || assert!(latch.wait_timeout(Duration::MAX)),
            move || count.count_down(),
        )
    }),
    ("Latch::arrive_and_wait", GivenAway, |_| {
        let latch = Arc::new(Latch::new(2));
        let count = Arc::clone(&latch);
        pair(move || latch.arrive_and_wait(), move || count.count_down())
    }),
    ("CancelToken::wait", GivenAway, |_| {
        let token = CancelToken::new();
        let cancel = token.clone();
        pair(move || token.wait(), move || cancel.cancel())
    }),
    ("CancelToken::wait_timeout", GivenAway, |_| {
        let token = CancelToken::new();
        let cancel = token.clone();
        pair(
            move || assert!(token.wait_timeout(Duration::MAX)),
            move || cancel.cancel(),
        )
    }),
    ("Barrier::wait", GivenAway, |_| {
        let barrier = Arc::new(Barrier::new(2));
        let other = Arc::clone(&barrier);
        pair(
            move || assert!(!barrier.wait().is_leader()),
            move || until(|| other.try_wait().is_some()),
        )
    }),
    ("Barrier::wait_timeout", GivenAway, |_| {
        let barrier = Arc::new(Barrier::new(2));
        let other = Arc::clone(&barrier);
        pair(
            move || assert!(barrier.wait_timeout(Duration::MAX).is_some()),
            move || until(|| other.try_wait().is_some()),
        )
    }),
    ("Notify::wait", GivenAway, |_| {
        let bell = Arc::new(Notify::new());
        let other = Arc::clone(&bell);
        pair(move || bell.wait(), move || other.notify_one())
    }),
    ("Notify::wait_timeout", GivenAway, |_| {
        let bell = Arc::new(Notify::new());
        let other = Arc::clone(&bell);
        pair(
            move || assert!(bell.wait_timeout(Duration::MAX)),
            move || other.notify_one(),
        )
    }),
    ("Notified::wait", GivenAway, |_| {
        let bell = Arc::new(Notify::new());
        let other = Arc::clone(&bell);
        pair(move || bell.notified().wait(), move || other.notify_one())
    }),
    ("Notified::wait_timeout", GivenAway, |_| {
        let bell = Arc::new(Notify::new());
        let other = Arc::clone(&bell);
        pair(
            move || assert!(bell.notified().wait_timeout(Duration::MAX)),
            move || other.notify_one(),
        )
    }),
    ("Semaphore::acquire", GivenAway, |_| {
        permit(Semaphore::new(0))
    }),
    ("Semaphore::acquire", GivenAway, |_| {
        permit(used_up(Semaphore::signals(1)))
    }),
    ("PoolRef::wait_idle", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        pair(move || other.wait_idle().unwrap(), move || release.set())
    }),
    ("PoolRef::wait_idle_timeout", GivenAway, |other| {
        let (release, other) = (occupy(other), other.handle());
        pair(
            move || assert!(other.wait_idle_timeout(Duration::MAX).unwrap()),
            move || release.set(),
        )
    }),
    ("PoolRef::wait_terminated", GivenAway, |other| {
        let (reference, other) = (other.handle(), other.clone());
        pair(
            move || reference.wait_terminated().unwrap(),
            move || other.shutdown_background(),
        )
    }),
    ("PoolRef::wait_terminated_timeout", GivenAway, |other| {
        let (reference, other) = (other.handle(), other.clone());
        pair(
            move || assert!(reference.wait_terminated_timeout(Duration::MAX).unwrap()),
            move || other.shutdown_background(),
        )
    }),
    ("ThreadPoolExecutor::shutdown", GivenAway, |other| {
        let (release, other) = (occupy(other), other.clone());
        pair(move || other.shutdown(), move || release.set())
    }),
    ("ThreadPoolExecutor::shutdown_timeout", GivenAway, |other| {
        let (release, other) = (occupy(other), other.clone());
        pair(
            move || assert!(other.shutdown_timeout(Duration::MAX).is_ok()),
            move || release.set(),
        )
    }),
    ("Group::shutdown", GivenAway, |other| {
        let group = other.limited(1);
        let release = occupy(&group);
        pair(move || group.shutdown(), move || release.set())
    }),
    ("Group::shutdown_timeout", GivenAway, |other| {
        let group = other.limited(1);
        let release = occupy(&group);
        pair(
            move || assert!(group.shutdown_timeout(Duration::MAX)),
            move || release.set(),
        )
    }),
    ("Builder::build", GivenAway, |_| {
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        let starts = move |_| receiver.lock().unwrap().recv().map_err(io::Error::other);
        let builder = Builder::new().threads(1).on_thread_start(starts);
        pair(
            move || drop(builder.build().unwrap()),
            move || sender.send(()).unwrap(),
        )
    }),
    ("blocking", GivenAway, |_| {
        let (sender, receiver) = mpsc::channel();
        pair(
            move || blocking(|| receiver.recv()).unwrap(),
            move || sender.send(()).unwrap(),
        )
    }),
    ("Semaphore::acquire", Lent, |_| {
        permit(used_up(Semaphore::new(1)))
    }),
    ("Semaphore::acquire", Lent, |_| permit(Semaphore::limit(0))),
    ("Semaphore::acquire", Lent, |_| {
        permit(used_up(Semaphore::unfair(1)))
    }),
    ("Semaphore::acquire_timeout", Lent, |_| {
        let semaphore = used_up(Semaphore::new(1));
        let release = Arc::clone(&semaphore);
        pair(
            move || drop(semaphore.acquire_timeout(Duration::MAX).unwrap()),
            move || release.add_permits(1).unwrap(),
        )
    }),
    ("Semaphore::acquire_many", Lent, |_| {
        let semaphore = used_up(Semaphore::new(1));
        let release = Arc::clone(&semaphore);
        pair(
            move || drop(semaphore.acquire_many(2).unwrap()),
            move || release.add_permits(2).unwrap(),
        )
    }),
    ("Semaphore::acquire_many_timeout", Lent, |_| {
        let semaphore = used_up(Semaphore::new(1));
        let release = Arc::clone(&semaphore);
        pair(
            move || drop(semaphore.acquire_many_timeout(2, Duration::MAX).unwrap()),
            move || release.add_permits(2).unwrap(),
        )
    }),
    ("BoundedSemaphore::acquire", Lent, |_| {
        let bounded = BoundedSemaphore::new(1);
        let permit = bounded.acquire_owned().unwrap();
        pair(
            move || drop(bounded.acquire().unwrap()),
            move || drop(permit),
        )
    }),
    ("JoinableQueue::put", Lent, |_| {
        let queue = queue_with_an_item();
        let other = Arc::clone(&queue);
        pair(
            move || queue.put(2).unwrap(),
            move || assert!(other.get().is_ok()),
        )
    }),
    ("JoinableQueue::put", Lent, |_| {
        let queue = Arc::new(JoinableQueue::bounded(0));
        let other = Arc::clone(&queue);
        pair(
            move || queue.put(2).unwrap(),
            move || assert!(other.get().is_ok()),
        )
    }),
    ("JoinableQueue::put_timeout", Lent, |_| {
        let queue = queue_with_an_item();
        let other = Arc::clone(&queue);
        pair(
            move || queue.put_timeout(2, Duration::MAX).unwrap(),
            move || assert!(other.get().is_ok()),
        )
    }),
    ("JoinableQueue::put_all", Lent, |_| {
        let queue = queue_with_an_item();
        let other = Arc::clone(&queue);
        pair(
            move || queue.put_all([2]).unwrap(),
            move || assert!(other.get().is_ok()),
        )
    }),
    ("JoinableQueue::put_all_timeout", Lent, |_| {
        let queue = queue_with_an_item();
        let other = Arc::clone(&queue);
        pair(
            move || queue.put_all_timeout([2], Duration::MAX).unwrap(),
            move || assert!(other.get().is_ok()),
        )
    }),
    ("PoolRef::submit", Lent, |_| {
        full(|full| drop(full.submit(|| ())))
    }),
    ("PoolRef::submit", Lent, |other| {
        let group = other.limited(1).queue_capacity(1);
        let group = group.overflow(Overflow::CallerRuns);
        let release = occupy(&group);
        group.execute(|| ());
        pair(
            move || group.submit(|| ()).join().unwrap(),
            move || release.set(),
        )
    }),
    ("PoolRef::submit_timeout", Lent, |_| {
        full(|full| assert!(full.submit_timeout(|| (), Duration::MAX).is_ok()))
    }),
    ("PoolRef::execute", Lent, |_| {
        full(|full| full.execute(|| ()))
    }),
    ("Scope::submit", Lent, |_| {
        full(|full| full.scope(|scope| drop(scope.submit(|| ()))))
    }),
    ("Scope::execute", Lent, |_| {
        full(|full| full.scope(|scope| scope.execute(|| ())))
    }),
    ("PoolRef::spawn", Lent, |_| {
        full(|full| drop(full.spawn(async {})))
    }),
    ("block_on", AsTheFuture, |_| {
        let queue = queue_with_an_item();
        let other = Arc::clone(&queue);
        pair(
            move || block_on(queue.put_async(2)).unwrap(),
            move || assert!(other.get().is_ok()),
        )
    }),
    ("PoolRef::block_on", AsTheFuture, |other| {
        let (queue, pool) = (queue_with_an_item(), other.handle());
        let other = Arc::clone(&queue);
        pair(
            move || pool.block_on(queue.put_async(2)).unwrap(),
            move || assert!(other.get().is_ok()),
        )
    }),
];

/// A queue with one place, in which one item is.
fn queue_with_an_item() -> Arc<JoinableQueue<i32>> {
    let queue = Arc::new(JoinableQueue::bounded(1));
    queue.put(1).unwrap();
    queue
}

fn used_up(semaphore: Semaphore) -> Arc<Semaphore> {
    semaphore.acquire().unwrap().forget();
    Arc::new(semaphore)
}

fn permit(semaphore: impl Into<Arc<Semaphore>>) -> Pair {
    let semaphore = semaphore.into();
    let release = Arc::clone(&semaphore);
    pair(
        move || drop(semaphore.acquire().unwrap()),
        move || release.add_permits(1).unwrap(),
    )
}

/// A wait for room in a pool whose only thread is taken.
fn full(wait: fn(&ThreadPoolExecutor)) -> Pair {
    let full = Builder::new().threads(1).queue_capacity(0).build().unwrap();
    let release = occupy(&full);
    pair(move || wait(&full), move || release.set())
}

/// A set whose limit is reached, and what makes room.
fn set_with_a_task(pool: &ThreadPoolExecutor) -> (JoinSet<(), ()>, Promise<()>) {
    let (given, handle) = promise();
    let mut set = JoinSet::new(pool).limit(1);
    set.insert((), handle);
    (set, given)
}

/// One task waits on the only thread of a pool, until another has ended the wait. A slot that is
/// lent is given away at last.
#[test]
fn a_task_in_any_wait_of_this_crate_gives_its_slot_up() {
    for &(name, _, waits_for) in WAITS {
        limited_part(name, move || {
            let other = ThreadPoolExecutor::new(1).unwrap();
            let (wait, end) = waits_for(&other);
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let waits = pool.submit(wait);
            let ends = pool.submit(end);
            assert!(waits.join().is_ok() && ends.join().is_ok(), "{name}");
            assert_eq!(pool.metrics().uncovered_waits, 0, "{name}");
        });
    }
}

/// In a pool that gives no lent slot away, a task begins behind one that waits only if the slot was
/// given away at once.
#[test]
fn each_wait_gives_its_slot_away_or_lends_it_as_its_class_says() {
    for &(name, class, waits_for) in WAITS {
        limited_part(name, move || {
            let other = ThreadPoolExecutor::new(1).unwrap();
            let (wait, end) = waits_for(&other);
            let builder = Builder::new().threads(1).give_way(Duration::MAX);
            let pool = builder.build().unwrap();
            let waits = pool.submit(wait);
            match class {
                GivenAway => pool.submit(end).join().unwrap(),
                Lent | AsTheFuture => {
                    until(|| pool.metrics().lent_slots == 1);
                    end();
                }
            }
            waits.join().unwrap();
            assert_eq!(pool.metrics().given_slots, 0, "{name}");
        });
    }
}

/// The methods of the table, and the class of each.
fn table() -> BTreeSet<(String, Class)> {
    let guide = include_str!("../../src/guide/waiting.rs");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("//! |"));
    let rows = rows.skip_while(|row| !row.contains("| its slot |")).skip(2);
    let rows = rows.take_while(|row| row.split('|').count() == 4);
    let classified = rows.flat_map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let class = match cells[2] {
            "given away" => GivenAway,
            "lent" => Lent,
            slot if slot.starts_with("lent if the future") => AsTheFuture,
            slot => panic!("no class: {slot}"),
        };
        let methods = cells[1].split("[`").skip(1);
        methods.map(move |link| (link.split('`').next().unwrap().to_owned(), class))
    });
    classified.collect()
}

/// The table has the methods without forms, and names of what makes an object.
#[test]
fn the_table_of_the_guide_has_each_wait_with_its_class() {
    limited(|| {
        let makers = ["Semaphore::signals", "Semaphore::limit", "on_thread_start"];
        let table = table().into_iter();
        let table: BTreeSet<_> = table
            .filter(|(name, _)| !makers.contains(&&**name) && !name.starts_with("Overflow"))
            .collect();
        let plain = |name: &str| {
            let name = name.trim_end_matches("_timeout");
            name.trim_end_matches("_many").to_owned()
        };
        let tested = WAITS.iter().map(|&(name, class, _)| (plain(name), class));
        assert_eq!(table, tested.collect());
    });
}
