//! Queues give every item out once, in order, to the getters that wait, and know when all items are
//! done.

use std::cell::Cell;
use std::cmp::Ordering as Compared;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_lite::future;
use workmill::{
    GetError, JoinableQueue, LifoQueue, Order, PriorityQueue, Queue, ThreadPoolExecutor,
    TryGetError, TryPutError,
};

use crate::support::{Bomb, Drops, add_one, limited, until};

fn is_waiting<F: Future>(waiter: std::pin::Pin<&mut F>) -> bool {
    future::block_on(future::poll_once(waiter)).is_none()
}

const SHORT: Duration = Duration::from_millis(5);

/// Returns the item of a put that found no room.
fn full<T>(put: Result<(), TryPutError<T>>) -> T {
    let refused = put.unwrap_err();
    assert!(refused.is_full() && !refused.is_closed());
    refused.into_inner()
}

/// Returns the item of a put that found the queue closed.
fn closed<T>(put: Result<(), TryPutError<T>>) -> T {
    let refused = put.unwrap_err();
    assert!(refused.is_closed() && !refused.is_full());
    refused.into_inner()
}

#[test]
fn every_form_gives_and_takes_and_says_why_not() {
    limited(|| {
        fn check<O: Order<i32>>(queue: &Queue<i32, O>) {
            assert!(queue.is_empty() && !queue.is_full() && queue.capacity() == Some(4));
            assert_eq!(queue.try_get(), Err(TryGetError::Empty));
            assert_eq!(queue.get_timeout(SHORT), Err(TryGetError::Empty));
            queue.put(1).unwrap();
            queue.try_put(2).unwrap();
            queue.put_timeout(3, Duration::ZERO).unwrap();
            future::block_on(queue.put_async(4)).unwrap();
            assert!(queue.is_full() && queue.len() == 4 && queue.unfinished() == 4);
            assert_eq!(full(queue.try_put(5)), 5);
            assert_eq!(full(queue.put_timeout(5, SHORT)), 5);
            let mut got = [
                queue.get().unwrap(),
                queue.try_get().unwrap(),
                queue.get_timeout(Duration::MAX).unwrap(),
                future::block_on(queue.get_async()).unwrap(),
            ];
            got.sort_unstable();
            assert_eq!(got, [1, 2, 3, 4]);
            assert_eq!(queue.unfinished(), 4, "taken is not done");
            queue.put(6).unwrap();
            queue.close();
            queue.close();
            assert!(queue.is_closed());
            assert_eq!(queue.put(7).unwrap_err().into_inner(), 7);
            assert_eq!(closed(queue.try_put(7)), 7);
            assert_eq!(closed(queue.put_timeout(7, Duration::MAX)), 7);
            assert_eq!(
                future::block_on(queue.put_async(7))
                    .unwrap_err()
                    .into_inner(),
                7
            );
            assert_eq!(queue.get(), Ok(6));
            assert_eq!(queue.get(), Err(GetError));
            assert_eq!(queue.try_get(), Err(TryGetError::Closed));
            assert_eq!(queue.get_timeout(Duration::MAX), Err(TryGetError::Closed));
            assert_eq!(future::block_on(queue.get_async()), Err(GetError));
        }
        check(&JoinableQueue::bounded(4));
        check(&LifoQueue::bounded(4));
        check(&PriorityQueue::bounded(4));
    });
}

#[test]
fn items_come_out_in_the_order_of_the_queue() {
    limited(|| {
        let (fifo, lifo) = (JoinableQueue::unbounded(), LifoQueue::unbounded());
        let smallest = PriorityQueue::unbounded();
        for item in [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (1, 'e')] {
            fifo.put(item).unwrap();
            lifo.put(item).unwrap();
            smallest.put(ByNumber(item)).unwrap();
        }
        assert_eq!(letters(fifo.close_and_drain()), "abcde");
        assert_eq!(letters(lifo.close_and_drain()), "edcba");
        let smallest = smallest.close_and_drain();
        // Of equal items the first that came goes first.
        assert_eq!(letters(smallest.into_iter().map(|item| item.0)), "bedac");
    });
}

fn letters(items: impl IntoIterator<Item = (i32, char)>) -> String {
    items.into_iter().map(|item| item.1).collect()
}

struct ByNumber((i32, char));

impl Ord for ByNumber {
    fn cmp(&self, other: &Self) -> Compared {
        self.0.0.cmp(&other.0.0)
    }
}

impl PartialOrd for ByNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByNumber {}

#[test]
fn threads_tasks_and_futures_use_one_queue_and_each_item_is_got_once() {
    fn check<O: Order<usize> + Send + Sync + 'static>(queue: Queue<usize, O>) {
        const ITEMS: usize = 3000;
        let queue = Arc::new(queue);
        let seen = Arc::new((0..ITEMS).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>());
        let pool = ThreadPoolExecutor::new(4).unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        let put_all = {
            let (queue, next) = (Arc::clone(&queue), Arc::clone(&next));
            move |form: usize| {
                loop {
                    let item = next.fetch_add(1, Ordering::SeqCst);
                    if item >= ITEMS {
                        return;
                    }
                    match (form + item) % 3 {
                        0 => queue.put(item).unwrap(),
                        1 => queue.put_timeout(item, Duration::MAX).unwrap(),
                        _ => future::block_on(queue.put_async(item)).unwrap(),
                    }
                }
            }
        };
        let get_all = {
            let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
            move |form: usize| {
                for round in form.. {
                    let task = match round % 3 {
                        0 => queue.get_task(),
                        1 => queue
                            .get_task_timeout(Duration::MAX)
                            .map_err(|error| assert_eq!(error, TryGetError::Closed))
                            .map_err(|()| GetError),
                        _ => future::block_on(queue.get_task_async()),
                    };
                    match task {
                        Ok(task) => add_one(&seen[*task]),
                        Err(GetError) => return,
                    }
                }
            }
        };
        for form in 0..2 {
            let (put_all, get_all) = (put_all.clone(), get_all.clone());
            pool.execute(move || put_all(form));
            pool.execute(move || get_all(form));
        }
        thread::scope(|scope| {
            let putters = [2, 0].map(|form| {
                scope.spawn({
                    let put_all = put_all.clone();
                    move || put_all(form)
                })
            });
            let getter = scope.spawn(move || get_all(1));
            putters
                .into_iter()
                .for_each(|putter| putter.join().unwrap());
            until(|| next.load(Ordering::SeqCst) >= ITEMS + 4);
            queue.join().unwrap();
            queue.close();
            getter.join().unwrap();
        });
        pool.shutdown();
        assert_eq!((queue.unfinished(), queue.len()), (0, 0));
        assert!(seen.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    }
    for capacity in [0, 1, 7] {
        limited(move || check(JoinableQueue::bounded(capacity)));
        limited(move || check(LifoQueue::bounded(capacity)));
        limited(move || check(PriorityQueue::bounded(capacity)));
    }
    limited(|| check(JoinableQueue::unbounded()));
}

#[test]
fn what_one_puts_another_gets_in_that_order() {
    limited(|| {
        for capacity in [0, 1, 16, 1024] {
            let queue = JoinableQueue::bounded(capacity);
            thread::scope(|scope| {
                scope.spawn(|| {
                    (0..5000).for_each(|item| queue.put(item).unwrap());
                    queue.close();
                });
                assert!(queue.iter().eq(0..5000), "capacity {capacity}");
            });
        }
    });
}

#[test]
fn join_waits_for_every_item_and_not_longer() {
    limited(|| {
        let queue = JoinableQueue::unbounded();
        queue.join().unwrap();
        assert!(
            queue.join_timeout(Duration::ZERO).unwrap(),
            "nothing was put"
        );
        (0..3).for_each(|item| queue.put(item).unwrap());
        assert!(!queue.join_timeout(SHORT).unwrap());
        let mut joining = std::pin::pin!(queue.join_async());
        assert!(is_waiting(joining.as_mut()));
        thread::scope(|scope| {
            let joiner = scope.spawn(|| {
                queue.join().unwrap();
                assert_eq!(queue.unfinished(), 0);
            });
            drop(queue.get_task().unwrap());
            assert_eq!(queue.get_task().unwrap().into_inner(), 1);
            assert!(is_waiting(joining.as_mut()));
            queue.get().unwrap();
            assert!(is_waiting(joining.as_mut()));
            assert_eq!(queue.unfinished(), 1);
            queue.task_done().unwrap();
            joiner.join().unwrap();
        });
        future::block_on(joining).unwrap();
    });
}

#[test]
fn task_done_more_often_than_items_were_taken_is_an_error_and_changes_nothing() {
    limited(|| {
        let queue = JoinableQueue::unbounded();
        assert!(queue.task_done().is_err());
        queue.put('a').unwrap();
        queue.put('b').unwrap();
        assert!(queue.task_done().is_err(), "none has been taken");
        let task = queue.get_task().unwrap();
        queue.task_done().unwrap();
        assert!(queue.task_done().is_err());
        assert_eq!(queue.unfinished(), 1);
        // It was reported by hand.
        drop(task);
        assert_eq!(queue.unfinished(), 1);
        drop(queue.get_task().unwrap());
        assert_eq!(queue.unfinished(), 0);
    });
}

#[test]
fn a_task_is_reported_done_while_unwinding_and_its_item_dropped_before() {
    limited(|| {
        let (queue, drops) = (Arc::new(JoinableQueue::unbounded()), Drops::default());
        queue.put(drops.value()).unwrap();
        let taker = Arc::clone(&queue);
        let taken = thread::spawn(move || {
            let _task = taker.get_task().unwrap();
            panic!("with a task in hand");
        });
        queue.join().unwrap();
        assert_eq!(drops.count(), 1);
        taken.join().unwrap_err();
        // A panic in the drop of an item is contained.
        let bombs = JoinableQueue::unbounded();
        bombs.put(Bomb { depth: 2 }).unwrap();
        drop(bombs.get_task().unwrap());
        bombs.join().unwrap();
    });
}

#[test]
fn closing_ends_every_wait() {
    limited(|| {
        for capacity in [0, 1] {
            let queue = JoinableQueue::bounded(capacity);
            if capacity == 1 {
                queue.put(0).unwrap();
            }
            thread::scope(|scope| {
                let putters: Vec<_> = (1..4)
                    .map(|item| {
                        let queue = &queue;
                        scope.spawn(move || match item % 2 {
                            0 => queue.put(item),
                            _ => future::block_on(queue.put_async(item)),
                        })
                    })
                    .collect();
                let mut waiting = std::pin::pin!(queue.put_async(9));
                assert!(is_waiting(waiting.as_mut()));
                queue.close();
                assert_eq!(future::block_on(waiting).unwrap_err().into_inner(), 9);
                for (item, putter) in (1..4).zip(putters) {
                    assert_eq!(putter.join().unwrap().unwrap_err().into_inner(), item);
                }
            });
            assert_eq!(queue.iter().count(), capacity);
            assert_eq!(queue.unfinished(), capacity);
            let queue = JoinableQueue::<()>::bounded(capacity);
            thread::scope(|scope| {
                let getters = [(); 3].map(|()| scope.spawn(|| queue.get()));
                let mut waiting = std::pin::pin!(queue.get_async());
                assert!(is_waiting(waiting.as_mut()));
                queue.close();
                assert_eq!(future::block_on(waiting), Err(GetError));
                for getter in getters {
                    assert_eq!(getter.join().unwrap(), Err(GetError));
                }
            });
        }
    });
}

#[test]
fn the_getters_of_a_closed_queue_end_when_the_last_item_is_taken() {
    limited(|| {
        for round in 0..200 {
            let queue = JoinableQueue::bounded(8);
            let got = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| queue.iter().for_each(|_: usize| add_one(&got)));
                }
                (0..round % 20).for_each(|item| queue.put(item).unwrap());
                queue.close();
            });
            assert_eq!(got.load(Ordering::SeqCst), round % 20);
        }
    });
}

#[test]
fn no_put_that_was_accepted_is_lost_to_a_close() {
    limited(|| {
        for _ in 0..100 {
            let queue = JoinableQueue::unbounded();
            let (accepted, got) = (AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while queue.put(()).is_ok() {
                            add_one(&accepted);
                        }
                    });
                }
                scope.spawn(|| queue.iter().for_each(|()| add_one(&got)));
                until(|| got.load(Ordering::SeqCst) > 0);
                queue.close();
            });
            assert_eq!(got.into_inner(), accepted.into_inner());
        }
    });
}

#[test]
fn closing_and_draining_gives_the_items_back_and_join_waits_for_the_rest() {
    limited(|| {
        let queue = JoinableQueue::unbounded();
        (0..5).for_each(|item| queue.put(item).unwrap());
        let held = queue.get_task().unwrap();
        assert_eq!(queue.close_and_drain(), [1, 2, 3, 4]);
        assert_eq!(queue.unfinished(), 1);
        assert!(!queue.join_timeout(SHORT).unwrap());
        drop(held);
        queue.join().unwrap();
        assert_eq!(queue.close_and_drain(), [0; 0]);
        assert!(queue.task_done().is_err());
    });
}

#[test]
fn without_capacity_a_put_returns_when_its_item_is_taken() {
    limited(|| {
        let queue = JoinableQueue::bounded(0);
        assert!(queue.is_full() && queue.is_empty());
        assert_eq!(full(queue.try_put('a')), 'a');
        assert_eq!(full(queue.put_timeout('a', SHORT)), 'a');
        assert_eq!((queue.unfinished(), queue.len()), (0, 0));
        let mut put = Box::pin(queue.put_async('b'));
        assert!(is_waiting(put.as_mut()));
        assert_eq!(queue.try_get(), Ok('b'));
        future::block_on(put).unwrap();
        // A get that is given up takes no item.
        let mut put = Box::pin(queue.put_async('c'));
        assert!(is_waiting(put.as_mut()));
        drop(put);
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        // A getter waits, so there is no need to.
        let mut get = Box::pin(queue.get_async());
        assert!(is_waiting(get.as_mut()));
        queue.try_put('d').unwrap();
        assert_eq!(full(queue.try_put('e')), 'e', "only one waits");
        assert_eq!(future::block_on(get), Ok('d'));
        // An item that was handed to a getter that gives up goes to the next.
        let mut get = Box::pin(queue.get_async());
        assert!(is_waiting(get.as_mut()));
        queue.try_put('f').unwrap();
        drop(get);
        assert_eq!(queue.get(), Ok('f'));
        assert_eq!(queue.unfinished(), 3);
    });
}

#[test]
fn without_capacity_as_many_are_handed_over_as_wait_and_nobody_is_overtaken() {
    limited(|| {
        let queue = JoinableQueue::bounded(0);
        let mut gets: Vec<_> = (0..3).map(|_| Box::pin(queue.get_async())).collect();
        assert!(gets.iter_mut().all(|get| is_waiting(get.as_mut())));
        queue.try_put(1).unwrap();
        queue.try_put(2).unwrap();
        queue.try_put(3).unwrap();
        assert_eq!(full(queue.try_put(4)), 4);
        let mut offered = Box::pin(queue.put_async(5));
        assert!(is_waiting(offered.as_mut()));
        for (get, item) in gets.into_iter().zip(1..) {
            assert_eq!(future::block_on(get), Ok(item));
        }
        assert_eq!(queue.get(), Ok(5));
        future::block_on(offered).unwrap();
    });
}

/// Calls a function when it is woken.
struct Calls(Box<dyn Fn() + Send + Sync>);

impl std::task::Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0();
    }
}

fn waker_that_calls(call: impl Fn() + Send + Sync + 'static) -> std::task::Waker {
    std::task::Waker::from(Arc::new(Calls(Box::new(call))))
}

#[test]
fn a_waker_may_use_the_queue_and_wait_for_something_else() {
    limited(|| {
        // A putter whose item is taken closes and drains the queue.
        let queue = Arc::new(JoinableQueue::bounded(0));
        let mut put = Box::pin(queue.put_async(1));
        let closing = Arc::clone(&queue);
        let waker = waker_that_calls(move || assert!(closing.close_and_drain().is_empty()));
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(put.as_mut().poll(&mut cx).is_pending());
        assert_eq!(queue.get(), Ok(1));
        future::block_on(put).unwrap();
        // A getter has the item taken while it is woken, and waits until that is done: the wake-up
        // of the putter comes in between.
        let queue = Arc::new(JoinableQueue::bounded(0));
        let mut get = Box::pin(queue.get_async());
        let taking = Arc::clone(&queue);
        let waker = waker_that_calls(move || {
            let taking = Arc::clone(&taking);
            let taken = thread::spawn(move || taking.get_timeout(Duration::MAX));
            thread::park_timeout(SHORT);
            drop(taken.join());
            thread::park_timeout(SHORT);
        });
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(get.as_mut().poll(&mut cx).is_pending());
        let mut first = Box::pin(queue.put_async(1));
        let ready = future::block_on(future::poll_once(&mut first));
        ready.unwrap().unwrap();
        drop(get);
    });
}

#[test]
fn dropped_and_timed_out_waits_lose_no_item_and_no_wake_up() {
    limited(|| {
        for capacity in [0, 1] {
            let queue = JoinableQueue::bounded(capacity);
            let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(queue.get_async())).collect();
            assert!(waiting.iter_mut().all(|get| is_waiting(get.as_mut())));
            queue.try_put(1).unwrap();
            // The first waiter has been notified and goes; the last has to be notified instead.
            let mut last = waiting.pop().unwrap();
            let second = waiting.pop().unwrap();
            let told = Arc::new(AtomicUsize::new(0));
            let waker = waker_that_counts(&told);
            let poll = last
                .as_mut()
                .poll(&mut std::task::Context::from_waker(&waker));
            if poll.is_pending() {
                drop(second);
                drop(waiting);
                assert_eq!(told.load(Ordering::SeqCst), 1);
                assert_eq!(future::block_on(last), Ok(1));
            }
        }
        // Many at once, with time limits.
        let queue = JoinableQueue::bounded(2);
        let got = AtomicUsize::new(0);
        thread::scope(|scope| {
            for index in 0..3 {
                let (queue, got) = (&queue, &got);
                scope.spawn(move || {
                    let timeout = Duration::from_micros(index * 13);
                    loop {
                        match queue.get_timeout(timeout) {
                            Ok(()) => add_one(got),
                            Err(TryGetError::Empty) => {}
                            Err(_) => return,
                        }
                    }
                });
            }
            let mut put = 0;
            while put < 3000 {
                put += usize::from(queue.put_timeout((), Duration::from_micros(20)).is_ok());
            }
            queue.close();
        });
        assert_eq!(got.into_inner(), 3000);
    });
}

fn waker_that_counts(count: &Arc<AtomicUsize>) -> std::task::Waker {
    struct Counts(Arc<AtomicUsize>);
    impl std::task::Wake for Counts {
        fn wake(self: Arc<Self>) {
            add_one(&self.0);
        }
    }
    std::task::Waker::from(Arc::new(Counts(Arc::clone(count))))
}

thread_local!(static FUSE: Cell<usize> = const { Cell::new(usize::MAX) });

/// Panics when it has been compared the given number of times on this thread.
#[derive(Debug)]
struct Touchy(u32);

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> Compared {
        FUSE.set(FUSE.get().checked_sub(1).expect("compared too often"));
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Touchy {}

#[test]
fn a_comparison_that_panics_leaves_the_queue_as_it_was() {
    limited(|| {
        let queue = PriorityQueue::bounded(100);
        let numbers = (0..100_u32).map(|number| number * 37 % 101);
        let mut put = Vec::new();
        for (round, number) in numbers.enumerate() {
            FUSE.set(round % 5);
            let outcome = catch_unwind(AssertUnwindSafe(|| queue.put(Touchy(number))));
            FUSE.set(usize::MAX);
            match outcome {
                Ok(accepted) => {
                    accepted.unwrap();
                    put.push(number);
                }
                Err(_) => assert!(round > 0, "nothing to compare with"),
            }
            assert_eq!((queue.len(), queue.unfinished()), (put.len(), put.len()));
        }
        assert!(put.len() < 100, "some have panicked");
        FUSE.set(0);
        let got: Vec<_> = queue.close_and_drain();
        FUSE.set(usize::MAX);
        put.sort_unstable();
        assert!(got.iter().map(|item| item.0).eq(put));
        assert_eq!(queue.unfinished(), 0);
    });
}

/// A type without any order.
struct Erratic(u32);

impl Ord for Erratic {
    fn cmp(&self, other: &Self) -> Compared {
        let mixed = (self.0 ^ other.0.rotate_left(7)).wrapping_mul(0x9E37_79B9) >> 30;
        [
            Compared::Less,
            Compared::Equal,
            Compared::Greater,
            Compared::Less,
        ][mixed as usize]
    }
}

impl PartialOrd for Erratic {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Erratic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Erratic {}

#[test]
fn an_inconsistent_order_loses_and_doubles_nothing() {
    limited(|| {
        let queue = PriorityQueue::unbounded();
        (0..1000).for_each(|number| queue.put(Erratic(number)).unwrap());
        let mut got: Vec<_> = queue.close_and_drain().iter().map(|item| item.0).collect();
        got.sort_unstable();
        assert!(got.into_iter().eq(0..1000));
    });
}

#[test]
fn an_item_may_use_its_queue_while_it_is_dropped() {
    struct Again(Arc<JoinableQueue<Option<Again>>>);
    impl Drop for Again {
        fn drop(&mut self) {
            let _ = self.0.put(None);
        }
    }
    limited(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.put(Some(Again(Arc::clone(&queue)))).unwrap();
        drop(queue.get_task().unwrap());
        assert!(queue.get().unwrap().is_none());
        assert_eq!(queue.unfinished(), 1);
        // Items that are left are dropped with the queue.
        let drops = Drops::default();
        let left = LifoQueue::unbounded();
        (0..3).for_each(|_| left.put(drops.value()).unwrap());
        drop(left);
        assert_eq!(drops.count(), 3);
    });
}

#[test]
fn items_that_cannot_be_shared_can_be_queued() {
    limited(|| {
        let queue = JoinableQueue::bounded(1);
        let got = Mutex::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                queue.iter().for_each(|cell: Cell<i32>| {
                    *got.lock().unwrap() += cell.get();
                });
            });
            (1..=10).for_each(|number| queue.put(Cell::new(number)).unwrap());
            queue.close();
        });
        assert_eq!(got.into_inner().unwrap(), 55);
    });
}

#[test]
fn a_queue_may_have_more_capacity_than_there_is_memory() {
    limited(|| {
        for capacity in [1 << 17, 1 << 40, usize::MAX - 1] {
            let queue = JoinableQueue::bounded(capacity);
            assert_eq!(queue.capacity(), Some(capacity));
            (0..3).for_each(|item| queue.put(item).unwrap());
            assert!(queue.len() == 3 && !queue.is_full());
            assert_eq!([(); 3].map(|()| queue.get().unwrap()), [0, 1, 2]);
            assert!(queue.is_empty());
        }
    });
}

#[test]
fn a_large_queue_holds_no_more_items_than_its_capacity() {
    limited(|| {
        let capacity = (1 << 16) + 1;
        let queue = Arc::new(JoinableQueue::bounded(capacity));
        let putters: Vec<_> = (0..3)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    (0..capacity)
                        .filter(|&item| queue.try_put(item).is_ok())
                        .count()
                })
            })
            .collect();
        let put: usize = putters
            .into_iter()
            .map(|putter| putter.join().unwrap())
            .sum();
        assert_eq!((put, queue.len()), (capacity, capacity));
        assert!(queue.is_full() && queue.put_timeout(0, Duration::ZERO).is_err());
        // A putter that waits for room has it when there is some.
        let waits = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(7).unwrap())
        };
        queue.get().unwrap();
        waits.join().unwrap();
        assert!(queue.is_full());
    });
}

#[test]
fn a_put_that_is_withdrawn_tells_whether_its_item_was_put() {
    limited(|| {
        for capacity in [0, 1] {
            let queue = JoinableQueue::bounded(capacity);
            (0..capacity).for_each(|_| queue.put("before").unwrap());
            // Never polled; polled, and nothing has come; and an item that comes back is there
            // once.
            let mut put = queue.put_async("early");
            assert_eq!((put.withdraw(), put.withdraw()), (Some("early"), None));
            let mut put = queue.put_async("late");
            assert!(future::block_on(future::poll_once(&mut put)).is_none());
            assert_eq!((put.withdraw(), put.withdraw()), (Some("late"), None));
            // The item was put, so it is not given back, though the future has not reported it.
            let mut put = queue.put_async("taken");
            assert!(future::block_on(future::poll_once(&mut put)).is_none());
            if capacity == 0 {
                assert_eq!(queue.get().unwrap(), "taken");
                assert_eq!(put.withdraw(), None);
            } else {
                assert_eq!(queue.get().unwrap(), "before");
                assert!(future::block_on(put).is_ok());
                assert_eq!(queue.get().unwrap(), "taken");
            }
            assert_eq!(queue.unfinished(), capacity + 1);
        }
    });
}

#[test]
fn no_item_is_lost_or_doubled_when_puts_are_withdrawn() {
    limited(|| {
        let queue = Arc::new(JoinableQueue::bounded(0));
        let getter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.iter().collect::<Vec<_>>())
        };
        let mut put = Vec::new();
        for item in 0..5_000 {
            let mut offer = queue.put_async(item);
            let done = future::block_on(future::poll_once(&mut offer));
            if done.is_some_and(|done| done.is_ok()) || offer.withdraw().is_none() {
                put.push(item);
            }
        }
        queue.close();
        assert_eq!(getter.join().unwrap(), put);
    });
}
