//! The capacity of a queue can be changed while it is used, and chosen items can be taken out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use workmill::{JoinableQueue, LifoQueue, Order, PriorityQueue, Queue};

use crate::support::{limited, until};

/// More than the items for which a queue allocates memory at once.
const MANY: usize = 70_000;

#[test]
fn a_put_that_waits_goes_on_when_the_capacity_grows() {
    fn check<O: Order<u32> + Send + Sync + 'static>(queue: Queue<u32, O>) {
        let queue = Arc::new(queue);
        queue.put(0).unwrap();
        let waits: Vec<_> = (1..4)
            .map(|item| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.put(item).unwrap())
            })
            .collect();
        queue.set_capacity(4);
        waits.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!((queue.len(), queue.capacity()), (4, Some(4)));
        assert!(queue.try_put(4).is_err());
    }
    limited(|| {
        check(JoinableQueue::bounded(1));
        check(LifoQueue::bounded(1));
        check(PriorityQueue::bounded(1));
    });
}

#[test]
fn a_smaller_capacity_loses_nothing_and_lets_nothing_in() {
    fn check<O: Order<usize>>(queue: Queue<usize, O>) {
        queue.put_all(0..3).unwrap();
        queue.set_capacity(2);
        for left in [3, 2] {
            assert_eq!(queue.len(), left);
            assert!(queue.is_full() && queue.try_put(9).is_err());
            queue.get().unwrap();
        }
        queue.try_put(9).unwrap();
        assert!(queue.try_put(9).is_err());
        assert_eq!(queue.drain().len(), 2);
    }
    limited(|| {
        for capacity in [3, MANY] {
            check(JoinableQueue::bounded(capacity));
            check(LifoQueue::bounded(capacity));
            check(PriorityQueue::bounded(capacity));
        }
        check(JoinableQueue::unbounded());
    });
}

#[test]
fn items_keep_their_order_while_the_capacity_changes() {
    limited(|| {
        for capacity in [1, 2, 1000, MANY] {
            let queue = Arc::new(JoinableQueue::bounded(capacity));
            let (puts, changes) = (Arc::clone(&queue), Arc::clone(&queue));
            let done = Arc::new(AtomicBool::new(false));
            let over = Arc::clone(&done);
            let putter = thread::spawn(move || (0..20_000).for_each(|it| puts.put(it).unwrap()));
            let changer = thread::spawn(move || {
                for capacity in [1, 7, 100].iter().cycle() {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    changes.set_capacity(*capacity);
                    thread::yield_now();
                }
            });
            for expected in 0..20_000 {
                let task = queue.get_task().unwrap();
                assert_eq!(*task, expected);
                if expected % 10 == 0 {
                    task.give_back();
                    assert_eq!(queue.get().unwrap(), expected);
                    queue.task_done().unwrap();
                }
            }
            done.store(true, Ordering::SeqCst);
            putter.join().unwrap();
            changer.join().unwrap();
            assert_eq!((queue.len(), queue.unfinished()), (0, 0));
        }
    });
}

#[test]
fn a_changed_capacity_is_a_bound_for_many_putters() {
    limited(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.set_capacity(3);
        let putters: Vec<_> = (0..4)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || (0..1000).for_each(|it| queue.put(it).unwrap()))
            })
            .collect();
        for _ in 0..4000 {
            assert!(queue.len() <= 3);
            queue.get().unwrap();
        }
        putters.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn a_queue_is_made_without_capacity_or_never_is() {
    limited(|| {
        let (none, one) = (JoinableQueue::<()>::bounded(0), JoinableQueue::bounded(1));
        assert!(catch_unwind(AssertUnwindSafe(|| none.set_capacity(1))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| one.set_capacity(0))).is_err());
        one.put(()).unwrap();
        assert_eq!((none.capacity(), one.capacity()), (Some(0), Some(1)));
    });
}

#[test]
fn items_are_taken_out_by_choice_and_the_others_keep_their_order() {
    limited(|| {
        let (last, smallest) = (LifoQueue::unbounded(), PriorityQueue::unbounded());
        let items = [(2, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (1, 'e')];
        last.put_all(items).unwrap();
        // Equal items keep the order of their puts.
        smallest
            .put_all(items.map(|(key, item)| workmill::Prioritized::new(key, item)))
            .unwrap();
        assert_eq!(last.retain(|(key, _)| *key != 2), [(2, 'c'), (2, 'a')]);
        assert_eq!(last.drain(), [(1, 'e'), (3, 'd'), (1, 'b')]);
        let removed = smallest.retain(|it| it.priority != 2);
        let removed: String = removed.into_iter().map(|it| it.item).collect();
        assert_eq!((&*removed, smallest.unfinished()), ("ac", 3));
        let left: String = smallest.drain().into_iter().map(|it| it.item).collect();
        assert_eq!(left, "bed");
    });
}

#[test]
fn taking_items_out_makes_room_and_ends_a_join() {
    limited(|| {
        let queue = Arc::new(PriorityQueue::bounded(2));
        queue.put_all([1, 2]).unwrap();
        let (puts, joins) = (Arc::clone(&queue), Arc::clone(&queue));
        let putter = thread::spawn(move || puts.put(3).unwrap());
        assert_eq!(queue.retain(|_| false), [1, 2]);
        putter.join().unwrap();
        until(|| queue.len() == 1);
        let joiner = thread::spawn(move || joins.join().unwrap());
        assert_eq!(queue.retain(|_| false), [3]);
        joiner.join().unwrap();
    });
}

#[test]
fn a_choice_that_panics_leaves_all_items() {
    fn check<O: Order<i32> + Send + Sync>(
        queue: Queue<i32, O>,
        retain: impl FnOnce(&Queue<i32, O>, &dyn Fn(&i32) -> bool),
    ) {
        queue.put_all(0..5).unwrap();
        let choice = |item: &i32| match item {
            3 => panic!("three"),
            _ => false,
        };
        assert!(catch_unwind(AssertUnwindSafe(|| retain(&queue, &choice))).is_err());
        assert_eq!((queue.len(), queue.unfinished()), (5, 5));
        queue.put(5).unwrap();
        let mut items = queue.drain();
        items.sort_unstable();
        assert_eq!(items, [0, 1, 2, 3, 4, 5]);
    }
    limited(|| {
        check(LifoQueue::unbounded(), |queue, choice| {
            let _ = queue.retain(choice);
        });
        check(PriorityQueue::unbounded(), |queue, choice| {
            let _ = queue.retain(choice);
        });
    });
}
