//! The jobs of the tests of hubs.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use workmill_process::hub::{Event, JoinableQueue, Latch, Lock, Semaphore};
use workmill_process::workmill::block_on;
use workmill_process::{Bytes, Jobs, ProcessPoolExecutor, current_process};

use crate::hub_tours;
use crate::jobs::{Death, Fruit, Poison, Trouble, die, hang, id, square};

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("lock_tour", hub_tours::lock_tour)
        .with("semaphore_tour", hub_tours::semaphore_tour)
        .with("bounded_tour", hub_tours::bounded_tour)
        .with("event_tour", hub_tours::event_tour)
        .with("latch_tour", hub_tours::latch_tour)
        .with("queue_tour", hub_tours::queue_tour)
        .with("orders_tour", hub_tours::orders_tour)
        .with("hold", hold)
        .with("wait_for_permit", wait_for_permit)
        .with("wait_for_both", wait_for_both)
        .with("take_permits", take_permits)
        .with("leave_permit", leave_permit)
        .with("hold_lock", hold_lock)
        .with("take_and_hang", take_and_hang)
        .with("take_all_and_die", take_all_and_die)
        .with("take_and_return", take_and_return)
        .with("get_and_die", get_and_die)
        .with("put_and_hang", put_and_hang)
        .with("put_numbers", put_numbers)
        .with("put_and_hang_after", put_and_hang_after)
        .with("sum_tasks", sum_tasks)
        .with("many_threads", many_threads)
        .with("abandon", abandon)
        .with("left_behind", left_behind)
        .with("wait_for_event", wait_for_event)
        .with("arrive_and_wait", arrive_and_wait)
        .with("nest_handle", nest_handle)
        .with("make_handle", make_handle)
        .with("back", back)
        .with("smuggle", smuggle)
        .with("process_name", process_name)
        .with("in_copy", in_copy)
        .with("put_handle", put_handle)
        .with("panicking_holder", panicking_holder)
        .with("count_to", count_to)
        .with("hand_over", hand_over)
        .with("take_turns", take_turns)
        .with("get_some_and_hang", get_some_and_hang)
        .with("put_until_refused", put_until_refused)
        .with("give_one_back", give_one_back)
        .with("work_at_random", work_at_random)
        .with("tell_under_lock", tell_under_lock)
        .with("forget_one", forget_one)
        .with("take_handle_back", take_handle_back)
        .with("take_large", take_large)
        .with("do_all_and_hang", do_all_and_hang)
        .with("do_some_and_hang", do_some_and_hang)
        .with("tell_and_do", tell_and_do)
        .with("take_handle", take_handle)
        .with("take_poison", take_poison)
        .with("put_fruit", put_fruit)
        .with("wait_release_and_hang", wait_release_and_hang)
        .with("wait_and_tell", wait_and_tell)
        .with("hold_lock_after", hold_lock_after)
        .with("take_and_hang_after", take_and_hang_after)
        .with("count_in_file", count_in_file)
        .with("release_and_hang", release_and_hang)
        .with("acquire_after_close", acquire_after_close)
        .with("acquire_in_threads", acquire_in_threads)
}

/// Polls a future once, and says that it waits.
fn begin<F: Future>(future: Pin<&mut F>, waits: &Latch) {
    let mut future = future;
    block_on(poll_fn(|context| {
        assert!(future.as_mut().poll(context).is_pending());
        Poll::Ready(())
    }));
    // The request has gone before.
    waits.count_down();
}

/// Holds permits until the process is killed.
pub(crate) fn hold(keys: Semaphore, permits: usize, holds: Latch) {
    let _permits = keys.acquire_many(permits).unwrap();
    holds.count_down();
    hang();
}

/// Waits for a permit, and holds it until the process is killed.
pub(crate) fn wait_for_permit(keys: Semaphore, waits: Latch) {
    let mut wait = pin!(keys.acquire_async());
    begin(wait.as_mut(), &waits);
    let _permit = block_on(wait).unwrap();
    hang();
}

pub(crate) fn wait_for_both(queue: JoinableQueue<Vec<u8>>, keys: Semaphore, waits: Latch) {
    let (mut get, mut wait) = (pin!(queue.get_task_async()), pin!(keys.acquire_async()));
    begin(get.as_mut(), &waits);
    begin(wait.as_mut(), &waits);
    hang();
}

/// Takes permits again and again, and returns how often.
pub(crate) fn take_permits(keys: Semaphore, rounds: u32) -> u32 {
    (0..rounds).for_each(|_| drop(keys.acquire().unwrap()));
    rounds
}

/// Returns while a permit is being released: the release must be seen before the result.
pub(crate) fn leave_permit(keys: Semaphore) {
    let _permit = keys.acquire().unwrap();
}

pub(crate) fn hold_lock(lock: Lock, holds: Latch) {
    let _guard = lock.lock();
    holds.count_down();
    hang();
}

/// Takes tasks, and holds them until the process is killed.
pub(crate) fn take_and_hang(queue: JoinableQueue<u32>, count: u32, taken: Latch) {
    let _tasks: Vec<_> = (0..count).map(|_| queue.get_task().unwrap()).collect();
    taken.count_down();
    hang();
}

pub(crate) fn take_all_and_die(queue: JoinableQueue<u32>) {
    let _tasks: Vec<_> = std::iter::from_fn(|| queue.try_get_task().ok()).collect();
    die(Death::Signal(9));
}

pub(crate) fn take_and_return(queue: JoinableQueue<u32>) -> u32 {
    queue.get_task().unwrap().into_inner()
}

pub(crate) fn get_and_die(queue: JoinableQueue<u32>) {
    queue.get().unwrap();
    die(Death::Abort);
}

pub(crate) fn put_and_hang(queue: JoinableQueue<u32>, item: u32, waits: Latch) {
    let mut put = pin!(queue.put_async(item));
    begin(put.as_mut(), &waits);
    block_on(put).unwrap();
    hang();
}

pub(crate) fn put_numbers(queue: JoinableQueue<u32>, from: u32, to: u32) {
    (from..to).for_each(|number| queue.put(number).unwrap());
}

pub(crate) fn sum_tasks(queue: JoinableQueue<u32>) -> u64 {
    queue.iter_tasks().map(|task| u64::from(*task)).sum()
}

/// Forty threads wait at once; one of them has a time limit, which comes first. The first thread
/// reads for all, and is the one whose time is over.
pub(crate) fn many_threads(keys: Semaphore, waits: Latch) -> usize {
    thread::scope(|scope| {
        let first = scope.spawn(|| keys.acquire_timeout(hub_tours::SOON));
        let threads: Vec<_> = (0..39)
            .map(|_| {
                scope.spawn(|| {
                    let mut wait = pin!(keys.acquire_async());
                    begin(wait.as_mut(), &waits);
                    drop(block_on(wait).unwrap());
                    // And without a future.
                    drop(keys.acquire().unwrap());
                })
            })
            .collect();
        assert!(first.join().unwrap().is_err());
        waits.count_down();
        threads.into_iter().map(|it| it.join().unwrap()).count()
    })
}

/// Begins to wait, and drops the future when it may have been granted a permit or not.
pub(crate) fn abandon(keys: Semaphore, queue: JoinableQueue<u32>, rounds: u32) {
    for _ in 0..rounds {
        let mut wait = Box::pin(keys.acquire_async());
        let mut get = Box::pin(queue.get_task_async());
        block_on(poll_fn(|context| {
            let _ = wait.as_mut().poll(context);
            // Its answer may be there at once.
            if let Poll::Ready(task) = get.as_mut().poll(context) {
                task.unwrap().give_back();
            }
            Poll::Ready(())
        }));
    }
}

/// Leaves a thread behind that uses the hub when no job runs.
pub(crate) fn left_behind(go: Event, done: Event) {
    thread::spawn(move || {
        go.wait();
        for _ in 0..50 {
            // The parent has long turned to other things.
            thread::sleep(Duration::from_millis(1));
            assert!(go.is_set());
        }
        done.set();
    });
}

pub(crate) fn wait_for_event(event: Event) {
    event.wait();
}

pub(crate) fn arrive_and_wait(all: Latch, go: Event) {
    all.count_down();
    go.wait();
}

/// Passes a handle on to a pool of its own.
pub(crate) fn nest_handle(event: Event) -> String {
    let pool = ProcessPoolExecutor::new(1, crate::jobs::jobs()).unwrap();
    let error = pool.submit(wait_for_event, event).join().unwrap_err();
    // And one of its own can go there.
    let own = pool.hub().event();
    own.set();
    pool.submit(wait_for_event, own).join().unwrap();
    error.to_string()
}

/// Returns a handle that was made here.
pub(crate) fn make_handle() -> Event {
    let pool = ProcessPoolExecutor::new(1, crate::jobs::jobs()).unwrap();
    pool.hub().event()
}

/// Returns a handle as it came.
pub(crate) fn back(event: Event) -> Event {
    event
}

/// Encodes a handle while the job runs, for nobody.
pub(crate) fn smuggle(event: Event) -> bool {
    let mut bytes = Vec::new();
    workmill_jobs::executors::encode(&event, &mut bytes).is_err()
}

pub(crate) fn process_name() -> (String, u32) {
    let process = current_process();
    assert_eq!(process.id(), id());
    (process.name().to_owned(), process.id())
}

/// Uses a handle in a copy of the process.
pub(crate) fn in_copy(event: Event) -> bool {
    let use_it = || std::panic::catch_unwind(|| event.set()).is_err();
    crate::jobs::in_fork(use_it)
}

pub(crate) fn put_handle(queue: JoinableQueue<(u64, Event)>, event: Event) {
    queue.put((square(3), event)).unwrap();
}

pub(crate) fn panicking_holder(keys: Semaphore, queue: JoinableQueue<u32>) {
    let _permit = keys.acquire().unwrap();
    let _task = queue.get_task().unwrap();
    panic!("on purpose");
}

pub(crate) fn count_to(queue: JoinableQueue<u32>, last: u32) -> Vec<u32> {
    queue.iter().take_while(|number| *number < last).collect()
}

/// Passes on what it takes, and reports it done then.
pub(crate) fn hand_over(from: JoinableQueue<u32>, to: JoinableQueue<u32>) {
    for task in from.iter_tasks() {
        to.put(*task).unwrap();
    }
}

/// Gets as many items as each order says, and passes them on.
pub(crate) fn take_turns(
    orders: JoinableQueue<u32>,
    queue: JoinableQueue<u32>,
    got: JoinableQueue<u32>,
) {
    for order in &orders {
        for at in 0..order {
            // By all ways in turn.
            let item = match at % 3 {
                0 => queue.get().unwrap(),
                1 => queue.get_task().unwrap().into_inner(),
                _ => block_on(queue.get_async()).unwrap(),
            };
            got.put(item).unwrap();
        }
    }
}

/// Gets items for good, takes others as tasks, and hangs.
pub(crate) fn get_some_and_hang(queue: JoinableQueue<u32>, got: u32, tasks: u32, ready: Latch) {
    for _ in 0..got {
        queue.get().unwrap();
    }
    let _tasks: Vec<_> = (0..tasks).map(|_| queue.get_task().unwrap()).collect();
    ready.count_down();
    hang();
}

/// Puts numbers until the queue is closed, and returns how many were accepted.
pub(crate) fn put_until_refused(queue: JoinableQueue<u32>, first: Latch) -> u32 {
    let mut accepted = 0;
    while queue.put(accepted).is_ok() {
        accepted += 1;
        first.count_down();
    }
    accepted
}

/// Gets items, puts one back, and returns all in the order in which they came.
pub(crate) fn give_one_back(queue: JoinableQueue<u32>) -> Vec<u32> {
    let mut got: Vec<_> = (0..10).map(|_| queue.get().unwrap()).collect();
    let mut task = queue.get_task().unwrap();
    got.push(*task);
    *task += 100;
    task.give_back();
    let other = queue.clone();
    got.push(thread::spawn(move || other.get().unwrap()).join().unwrap());
    got.extend((0..3).map(|_| queue.get().unwrap()));
    got
}

/// Takes items in all ways, and passes each on once.
pub(crate) fn work_at_random(queue: JoinableQueue<u32>, done: JoinableQueue<u32>, seed: u32) {
    let mut random = seed;
    loop {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12345);
        match random >> 16 & 7 {
            0 => match queue.get_task() {
                Ok(task) => task.give_back(),
                Err(_) => return,
            },
            1 | 2 => match queue.get() {
                Ok(item) => {
                    done.put(item).unwrap();
                    queue.task_done().unwrap();
                }
                Err(_) => return,
            },
            3 => {
                if let Ok(task) = queue.try_get_task() {
                    done.put(*task).unwrap();
                }
            }
            _ => match queue.get_task() {
                Ok(task) => done.put(*task).unwrap(),
                Err(_) => return,
            },
        }
    }
}

/// Puts numbers without waiting for the answers, as far as that is possible, and hangs.
pub(crate) fn put_and_hang_after(queue: JoinableQueue<u32>, count: u32, ready: Latch) {
    (0..count).for_each(|number| queue.put(number).unwrap());
    ready.count_down();
    hang();
}

/// Under the lock a file has as many bytes as items were put. They are large, so that the parent
/// takes a while to read each.
pub(crate) fn tell_under_lock(lock: Lock, items: JoinableQueue<Bytes>, path: String, rounds: u32) {
    let mut file = std::fs::File::options().append(true).open(path).unwrap();
    for _ in 0..rounds {
        let guard = lock.lock();
        items.put(Bytes::from(vec![1; 100 << 10])).unwrap();
        file.write_all(b".").unwrap();
        drop(guard);
        // Else it has it again before anybody else sees that it is free.
        (0..1000).for_each(|_| std::hint::spin_loop());
    }
}

/// Adds to the number in a file, under a lock.
pub(crate) fn count_in_file(lock: Lock, path: String, rounds: u32) {
    for _ in 0..rounds {
        let _guard = lock.lock();
        let before: u32 = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        std::fs::write(&path, (before + 1).to_string()).unwrap();
    }
}

/// Takes permits and releases them, and hangs. If there are some to be held, it takes these again.
pub(crate) fn release_and_hang(keys: Semaphore, take: usize, hold: usize, ready: Latch) {
    (0..100).for_each(|_| drop(keys.acquire_many(take).unwrap()));
    let _held = keys.acquire_many(hold).unwrap();
    ready.count_down();
    hang();
}

pub(crate) fn acquire_after_close(keys: Semaphore, ready: Latch, is_closed: Event) -> bool {
    drop(keys.acquire().unwrap());
    ready.count_down();
    is_closed.wait();
    keys.acquire().is_err() && keys.try_acquire().is_err()
}

/// Many threads of one process take the permits of one semaphore, and no more than there are.
pub(crate) fn acquire_in_threads(keys: Semaphore, permits: usize, rounds: u32) {
    let inside = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let _permit = keys.acquire().unwrap();
                    let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert!(others < permits);
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
}

/// Forgets a permit that it has released and taken again.
pub(crate) fn forget_one(keys: Semaphore) {
    drop(keys.acquire().unwrap());
    keys.acquire().unwrap().forget();
    drop(keys.acquire().unwrap());
}

/// Waits for the lock in a thread that reads for all.
pub(crate) fn hold_lock_after(lock: Lock, begun: Latch) {
    begun.count_down();
    let _guard = lock.lock();
    hang();
}

/// Waits for an item in a thread that reads for all.
pub(crate) fn take_and_hang_after(queue: JoinableQueue<u32>, begun: Latch) {
    begun.count_down();
    let _task = queue.get_task();
    hang();
}

/// Waits for a permit, releases it at once, and hangs.
pub(crate) fn wait_release_and_hang(keys: Semaphore, waits: Latch) {
    let mut wait = pin!(keys.acquire_async());
    begin(wait.as_mut(), &waits);
    let permit = block_on(wait).unwrap();
    // The parent knows all that it was told, so no message is needed for its sake.
    waits.count();
    drop(permit);
    hang();
}

/// Waits for a permit, tells that it has it, and holds it.
pub(crate) fn wait_and_tell(keys: Semaphore, waits: Latch, has: Latch) {
    let mut wait = pin!(keys.acquire_async());
    begin(wait.as_mut(), &waits);
    let _permit = block_on(wait).unwrap();
    has.count_down();
    hang();
}

/// Takes an item with a handle that this process was not given otherwise.
pub(crate) fn take_handle(queue: JoinableQueue<(u64, Event)>) -> u64 {
    let (number, event) = queue.get().unwrap();
    event.set();
    number
}

pub(crate) fn take_poison(queue: JoinableQueue<Poison>, as_task: bool) {
    match as_task {
        true => drop(queue.get_task()),
        false => drop(queue.get()),
    }
}

pub(crate) fn put_fruit(queue: JoinableQueue<Fruit>, trouble: Trouble) {
    let at_home = false;
    queue.put(Fruit { trouble, at_home }).unwrap();
}

/// Does some tasks, and hangs.
pub(crate) fn do_some_and_hang(queue: JoinableQueue<u32>, count: u32, ready: Latch) {
    (0..count).for_each(|_| drop(queue.get_task().unwrap()));
    ready.count_down();
    hang();
}

/// For each item it puts a large one, without waiting for the parent, before it is done.
pub(crate) fn tell_and_do(queue: JoinableQueue<u32>, large: JoinableQueue<Bytes>) {
    for task in queue.iter_tasks() {
        large.put(Bytes::from(vec![1; 50 << 10])).unwrap();
        drop(task);
    }
}

/// Does some of forty tasks, the others when it is told to, and hangs.
pub(crate) fn do_all_and_hang(queue: JoinableQueue<u32>, first: u32, ready: Latch, go: Event) {
    (0..first).for_each(|_| drop(queue.get_task().unwrap()));
    ready.count_down();
    if first < 40 {
        go.wait();
    }
    (first..40).for_each(|_| drop(queue.get_task().unwrap()));
    hang();
}

/// Returns a handle that came in an item.
pub(crate) fn take_handle_back(queue: JoinableQueue<(u64, Event)>) -> Event {
    queue.get().unwrap().1
}

/// Takes some items, and leaves others, of which it may have been sent some.
pub(crate) fn take_large(queue: JoinableQueue<Bytes>, count: u32) -> usize {
    (0..count).map(|_| queue.get().unwrap().len()).sum()
}
