//! Queues whose ends can go, and items that travel and come back.

use std::cell::Cell;
use std::cmp::Ordering as Compared;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future;
use workmill::{
    AbandonedError, GetError, JoinableQueue, LifoQueue, Order, PriorityQueue, Put, Queue,
    ThreadPoolExecutor, TryGetError,
};

use crate::support::limited;

type Fifo = JoinableQueue<i32>;

#[test]
fn consumers_end_when_all_producers_have_panicked() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let queue = Arc::new(Fifo::bounded(2));
        // All are there before one can go.
        let producers: Vec<_> = (0..3).map(|n| (n, queue.producer())).collect();
        let producers: Vec<_> = producers
            .into_iter()
            .map(|(n, producer)| {
                pool.submit(move || {
                    producer.put(n).unwrap();
                    panic!("before it says that this was all");
                })
            })
            .collect();
        let mut items: Vec<_> = queue.iter().collect();
        items.sort_unstable();
        assert_eq!(items, [0, 1, 2]);
        for producer in producers {
            assert!(producer.join().is_err());
        }
    });
}

#[test]
fn producers_end_when_all_consumers_have_panicked() {
    limited(|| {
        for capacity in [0, 1, 3] {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let queue = Arc::new(Fifo::bounded(capacity));
            let consumers: Vec<_> = (0..2)
                .map(|_| {
                    let consumer = queue.consumer();
                    pool.submit(move || -> () {
                        let task = consumer.get_task().unwrap();
                        panic!("at item {}", *task);
                    })
                })
                .collect();
            let producer = queue.producer();
            let refused = (0..).find_map(|n| producer.put(n).err()).unwrap();
            assert!((2..=3 + capacity as i32).contains(&refused.into_inner()));
            for consumer in consumers {
                assert!(consumer.join().is_err());
            }
            assert_eq!(queue.join().is_err(), !queue.is_empty());
        }
    });
}

#[test]
fn a_join_is_an_error_when_the_last_consumer_goes() {
    limited(|| {
        let queue = Arc::new(Fifo::unbounded());
        (0..3).for_each(|n| queue.put(n).unwrap());
        let consumer = queue.consumer();
        let joiners = [
            {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.join())
            },
            {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.join_timeout(Duration::MAX).map(drop))
            },
            {
                let queue = Arc::clone(&queue);
                thread::spawn(move || future::block_on(queue.join_async()))
            },
        ];
        consumer.get_task().unwrap().into_inner();
        drop(consumer);
        for joiner in joiners {
            assert_eq!(joiner.join().unwrap(), Err(AbandonedError));
        }
        assert_eq!(queue.put(7).unwrap_err().into_inner(), 7);
        // What is left can still be taken, and then all is done.
        assert_eq!(queue.consumer().into_iter().collect::<Vec<_>>(), [1, 2]);
        queue.task_done().unwrap();
        queue.task_done().unwrap();
        assert_eq!(queue.join(), Ok(()));
    });
}

#[test]
fn puts_that_wait_get_their_items_back_when_the_last_consumer_goes() {
    limited(|| {
        for capacity in [0, 1] {
            let queue = Arc::new(Fifo::bounded(capacity));
            let consumer = queue.consumer();
            (0..capacity).for_each(|_| queue.put(0).unwrap());
            let putter = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.put_timeout(1, Duration::MAX))
            };
            let mut put = Box::pin(queue.put_async(2));
            assert!(future::block_on(future::poll_once(&mut put)).is_none());
            drop(consumer);
            assert_eq!(future::block_on(put).unwrap_err().into_inner(), 2);
            let refused = putter.join().unwrap().unwrap_err();
            assert!(refused.is_closed() && refused.into_inner() == 1);
        }
    });
}

/// The consumer ends while the tasks to which it gave its items go on.
#[test]
fn an_item_that_travels_keeps_the_queue_from_being_abandoned() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(3).unwrap();
        let queue = Arc::new(Fifo::bounded(4));
        let (consumer, workers) = (queue.consumer(), pool.handle());
        let consumes = pool.submit(move || {
            let mut tasks = Vec::new();
            while let Ok(task) = consumer.get_task_owned() {
                tasks.push(workers.submit(move || *task));
            }
            tasks
        });
        let producer = queue.producer();
        (0..50).for_each(|n| producer.put(n).unwrap());
        drop(producer);
        assert_eq!(queue.join(), Ok(()));
        let tasks = consumes.join().unwrap().into_iter();
        assert_eq!(tasks.map(|it| it.join().unwrap()).sum::<i32>(), 49 * 50 / 2);
    });
}

#[test]
fn an_item_that_travels_is_done_though_its_task_panics_or_is_cancelled() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let queue = Arc::new(Fifo::unbounded());
        (0..3).for_each(|n| queue.put(n).unwrap());
        let [one, other] = [(); 2].map(|()| queue.get_task_owned().unwrap());
        let panics = pool.submit(move || assert!(*one > 0));
        assert!(panics.join().is_err());
        let event = Arc::new(workmill::Event::new());
        let waits = Arc::clone(&event);
        let busy = crate::support::occupy(&pool);
        assert!(pool.submit(move || (*other, waits.wait()).0).cancel());
        busy.set();
        assert_eq!(queue.unfinished(), 1);
        drop(future::block_on(queue.get_task_owned_async()).unwrap());
        queue.join().unwrap();
    });
}

#[test]
fn owned_guards_come_in_every_form() {
    limited(|| {
        fn check<O: Order<i32> + Send + Sync + 'static>(queue: &Arc<Queue<i32, O>>) {
            assert_eq!(queue.try_get_task_owned().err(), Some(TryGetError::Empty));
            let timeout = queue.get_task_owned_timeout(Duration::ZERO);
            assert_eq!(timeout.err(), Some(TryGetError::Empty));
            (0..4).for_each(|n| queue.put(n).unwrap());
            let mut tasks = vec![
                queue.get_task_owned().unwrap(),
                queue.try_get_task_owned().unwrap(),
                queue.get_task_owned_timeout(Duration::MAX).unwrap(),
                future::block_on(queue.get_task_owned_async()).unwrap(),
            ];
            *tasks[0] += 10;
            let sum: i32 = tasks.into_iter().map(|task| task.into_inner()).sum();
            assert_eq!((sum, queue.unfinished()), (16, 0));
            queue.close();
            assert_eq!(queue.get_task_owned().err(), Some(GetError));
            let got = future::block_on(queue.get_task_owned_async());
            assert_eq!(got.err(), Some(GetError));
        }
        check(&Arc::new(JoinableQueue::bounded(4)));
        check(&Arc::new(JoinableQueue::bounded(100_000)));
        check(&Arc::new(LifoQueue::unbounded()));
        check(&Arc::new(PriorityQueue::unbounded()));
    });
}

#[test]
fn an_item_that_is_given_back_comes_first() {
    limited(|| {
        fn check<O: Order<i32>>(queue: &Queue<i32, O>, order: [i32; 3]) {
            (1..=3).for_each(|n| queue.put(n).unwrap());
            let [one, other] = [(); 2].map(|()| queue.get_task().unwrap());
            assert_eq!([*one, *other], order[..2]);
            other.give_back();
            one.give_back();
            assert_eq!((queue.len(), queue.unfinished()), (3, 3));
            assert!(queue.is_full() || queue.capacity().is_none());
            queue.close();
            assert!(queue.iter().eq(order));
        }
        check(&JoinableQueue::bounded(3), [1, 2, 3]);
        check(&JoinableQueue::bounded(3), [1, 2, 3]);
        check(&JoinableQueue::unbounded(), [1, 2, 3]);
        check(&LifoQueue::bounded(3), [3, 2, 1]);
        check(&PriorityQueue::bounded(3), [1, 2, 3]);
        let equals = PriorityQueue::unbounded();
        "ab".chars()
            .for_each(|name| equals.put(Rank(1, name)).unwrap());
        let first = equals.get_task().unwrap();
        first.give_back();
        assert_eq!(equals.get().unwrap().1, 'a');
    });
}

#[test]
fn an_item_is_given_back_past_the_bound_and_after_the_close() {
    limited(|| {
        let queue = Arc::new(Fifo::bounded(1));
        queue.put(1).unwrap();
        let task = queue.get_task_owned().unwrap();
        queue.put(2).unwrap();
        let mut put = Box::pin(queue.put_async(3));
        assert!(future::block_on(future::poll_once(&mut put)).is_none());
        task.give_back();
        assert!(queue.try_put(4).unwrap_err().is_full());
        assert_eq!(queue.len(), 2);
        assert_eq!((queue.get(), queue.get()), (Ok(1), Ok(2)));
        future::block_on(put).unwrap();
        let last = queue.get_task_owned().unwrap();
        queue.close();
        last.give_back();
        assert_eq!((queue.get(), queue.get()), (Ok(3), Err(GetError)));
    });
}

#[test]
fn without_capacity_an_item_that_is_given_back_goes_to_the_next_get() {
    limited(|| {
        let queue = Arc::new(Fifo::bounded(0));
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || (0..3).for_each(|n| queue.put(n).unwrap()))
        };
        let task = queue.get_task_owned().unwrap();
        task.give_back();
        assert_eq!([(); 3].map(|()| queue.get().unwrap()), [0, 1, 2]);
        putter.join().unwrap();
        let waits = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.get().unwrap())
        };
        queue.put(7).unwrap();
        assert_eq!(waits.join().unwrap(), 7);
    });
}

#[test]
fn an_item_that_was_given_back_takes_up_room() {
    limited(|| {
        fn check<O: Order<i32>>(queue: &Queue<i32, O>) {
            let capacity = i32::try_from(queue.capacity().unwrap()).unwrap();
            queue.put_all(0..capacity).unwrap();
            queue.get_task().unwrap().give_back();
            assert!(queue.is_full() && queue.try_put(-1).unwrap_err().is_full());
            queue.get().unwrap();
            queue.try_put(-1).unwrap();
        }
        check(&JoinableQueue::bounded(2));
        check(&JoinableQueue::bounded(70_000));
        check(&LifoQueue::bounded(2));
        check(&PriorityQueue::bounded(2));
    });
}

#[test]
fn a_wait_for_an_item_that_can_travel_is_a_consumer() {
    limited(|| {
        let queue = Arc::new(Fifo::bounded(1));
        let consumer = queue.consumer();
        let task = consumer.get_task_owned_async();
        drop(consumer);
        queue.put(1).unwrap();
        let task = future::block_on(task).unwrap();
        queue.put(2).unwrap();
        drop(task);
        assert_eq!(queue.join(), Err(AbandonedError));
    });
}

type Waiting = Pin<Box<Put<'static, i32, workmill::Fifo<i32>>>>;

/// Puts the next item as soon as one is taken, up to a thousand.
struct PutsAgain {
    queue: &'static Fifo,
    puts: Mutex<Vec<Waiting>>,
    next: AtomicI32,
}

impl Wake for PutsAgain {
    fn wake(self: Arc<Self>) {
        let next = self.next.fetch_add(1, SeqCst);
        if next < 1000 {
            let mut put = Box::pin(self.queue.put_async(next));
            let waker = Waker::from(Arc::clone(&self));
            assert!(
                put.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            self.puts.lock().unwrap().push(put);
        }
    }
}

#[test]
fn a_drain_ends_though_its_producers_go_on() {
    limited(|| {
        let queue = Box::leak(Box::new(Fifo::bounded(0)));
        let producer = Arc::new(PutsAgain {
            queue,
            puts: Mutex::default(),
            next: AtomicI32::new(0),
        });
        Arc::clone(&producer).wake();
        assert_eq!(queue.drain(), [0]);
        Arc::clone(&producer).wake();
        assert_eq!(queue.drain(), [1, 2]);
    });
}

#[test]
fn several_items_are_put_and_taken_at_once() {
    limited(|| {
        fn check<O: Order<i32>>(queue: &Queue<i32, O>, order: [i32; 3]) {
            let (refused, rest) = queue.try_put_all(1..=5).unwrap_err().into_inner();
            assert_eq!((refused, rest), (4, 5..=5));
            let late = queue.put_all_timeout([7], Duration::from_millis(5));
            assert!(late.unwrap_err().is_full());
            assert_eq!(queue.drain(), order);
            assert_eq!((queue.unfinished(), queue.drain().len()), (0, 0));
            future::block_on(queue.put_all_async(1..=3)).unwrap();
            let mut put = Box::pin(queue.put_all_async(4..=5));
            assert!(future::block_on(future::poll_once(&mut put)).is_none());
            assert_eq!(queue.drain(), order);
            future::block_on(put).unwrap();
            queue.close();
            let (refused, _) = queue.put_all([6]).unwrap_err().into_inner();
            assert_eq!((refused, queue.iter().count()), (6, 2));
        }
        check(&JoinableQueue::bounded(3), [1, 2, 3]);
        check(&LifoQueue::bounded(3), [3, 2, 1]);
        check(&PriorityQueue::bounded(3), [1, 2, 3]);
        let direct = Fifo::bounded(0);
        let mut puts = [1, 2].map(|n| Box::pin(direct.put_async(n)));
        for put in &mut puts {
            assert!(future::block_on(future::poll_once(put)).is_none());
        }
        assert_eq!(direct.drain(), [1, 2]);
        puts.into_iter()
            .for_each(|put| future::block_on(put).unwrap());
    });
}

#[test]
fn the_next_item_can_be_looked_at_where_it_lies_still() {
    limited(|| {
        let (last, smallest) = (LifoQueue::unbounded(), PriorityQueue::unbounded());
        assert_eq!(last.peek(|n: &i32| *n), None);
        last.put_all([3, 1, 2]).unwrap();
        smallest.put_all([3, 1, 2]).unwrap();
        assert_eq!(
            (last.peek(|n| *n), smallest.peek(|n| *n)),
            (Some(2), Some(1))
        );
        assert_eq!((last.get(), smallest.get()), (Ok(2), Ok(1)));
        assert_eq!(LifoQueue::<i32>::bounded(0).peek(|n| *n), None);
    });
}

/// Compares as its number does, and panics if told to.
struct Rank(i32, char);

thread_local!(static PANICS: Cell<bool> = const { Cell::new(false) });

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Compared {
        assert!(!PANICS.get(), "no order");
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

#[test]
fn an_item_that_cannot_be_given_back_is_done() {
    limited(|| {
        let queue = PriorityQueue::unbounded();
        "ab".chars()
            .for_each(|name| queue.put(Rank(1, name)).unwrap());
        let task = queue.get_task().unwrap();
        PANICS.set(true);
        assert!(catch_unwind(AssertUnwindSafe(|| task.give_back())).is_err());
        PANICS.set(false);
        assert_eq!((queue.len(), queue.unfinished()), (1, 1));
        drop(queue.get_task().unwrap());
        queue.join().unwrap();
    });
}
