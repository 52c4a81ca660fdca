//! Queues.

use std::sync::Arc;

use loom::thread;

use super::{model, poll_once};
use crate::sync::error::TryGetError;
use crate::sync::queue::JoinableQueue;

/// Bug: a put notifies nobody. Bug: a get notifies nobody.
#[test]
fn items_go_through_a_full_and_an_empty_queue() {
    model(|| {
        let queue = Arc::new(JoinableQueue::bounded(1));
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || (0..2).for_each(|item| queue.put(item).unwrap()))
        };
        assert_eq!((queue.get(), queue.get()), (Ok(0), Ok(1)));
        putter.join().unwrap();
        assert_eq!(queue.unfinished(), 2);
    });
}

/// Bug: `is_drained` looks at the closed flag alone, and not at items on their way into the queue.
#[test]
fn an_item_that_was_accepted_is_got_though_the_queue_is_closed() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(()).is_ok())
        };
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.close())
        };
        let got = queue.iter().count();
        assert_eq!(got, usize::from(putter.join().unwrap()));
        closer.join().unwrap();
    });
}

/// Bug: a get of the last item notifies nobody that the queue is drained. Bug: `close` wakes
/// nobody.
#[test]
fn every_getter_of_a_closed_queue_comes_to_an_end() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.put(()).unwrap();
        let getters = [(); 2].map(|()| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.iter().count())
        });
        queue.close();
        let got = getters.map(|getter| getter.join().unwrap());
        assert_eq!(got.iter().sum::<usize>(), 1);
    });
}

/// Bug: a put that is refused is not retracted.
#[test]
fn a_putter_that_waits_at_a_close_gets_its_item_back() {
    model(|| {
        let queue = Arc::new(JoinableQueue::bounded(1));
        queue.put(1).unwrap();
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(2).map_err(|error| error.into_inner()))
        };
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.close())
        };
        assert_eq!(queue.get(), Ok(1));
        closer.join().unwrap();
        match putter.join().unwrap() {
            Ok(()) => assert_eq!(queue.get(), Ok(2)),
            Err(item) => assert_eq!(item, 2),
        }
        assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    });
}

/// Bug: `task_done` notifies nobody.
#[test]
fn a_join_returns_when_nothing_was_unfinished_at_some_moment() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.put(1).unwrap();
        let worker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                drop(queue.get_task().unwrap());
                // The join may wait for this item or not: at either moment nothing was unfinished.
                queue.put(2).unwrap();
                drop(queue.get_task().unwrap());
            })
        };
        queue.join().unwrap();
        assert!(queue.unfinished() < 2);
        worker.join().unwrap();
        queue.join().unwrap();
    });
}

/// Bug: a retraction does not notify the joiners.
#[test]
fn a_put_that_is_refused_keeps_no_joiner_waiting() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.put(1).unwrap();
        let task = queue.get_task().unwrap();
        // The put is counted for a moment, if it comes just before the close.
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(2).is_ok())
        };
        let joiner = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.join())
        };
        drop(task);
        queue.close();
        if putter.join().unwrap() {
            drop(queue.get_task().unwrap());
        }
        joiner.join().unwrap().unwrap();
    });
}

/// Bug: a putter that offers an item notifies nobody. Bug: an item that was handed over to a getter
/// that gives up is kept from the next getter.
#[test]
fn without_capacity_each_item_goes_from_a_put_to_a_get() {
    model(|| {
        let queue = Arc::new(JoinableQueue::bounded(0));
        let mut given_up = Box::pin(queue.get_async());
        assert!(poll_once(&mut given_up).is_pending());
        let getter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.get())
        };
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(1))
        };
        drop(given_up);
        assert_eq!(getter.join().unwrap(), Ok(1));
        putter.join().unwrap().unwrap();
        assert_eq!(queue.unfinished(), 1);
    });
}

/// Bug: `close` does not wake putters that offer items.
#[test]
fn an_offer_is_taken_or_comes_back_when_the_queue_is_closed() {
    model(|| {
        let queue = Arc::new(JoinableQueue::bounded(0));
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(1).is_ok())
        };
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.close())
        };
        let getter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.get().is_ok())
        };
        closer.join().unwrap();
        let got = getter.join().unwrap();
        assert_eq!(got, putter.join().unwrap());
        assert_eq!(queue.unfinished(), usize::from(got));
    });
}

/// One thread puts and gets, another calls `task_done`, and a third compares the counts.
///
/// Bug: `task_done` reads the taken items without Acquire, so that its finish can be seen before
/// the put.
#[test]
fn an_item_that_another_thread_reports_done_is_not_counted_below_zero() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        let getter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                queue.put(()).unwrap();
                queue.get().unwrap();
            })
        };
        let finisher = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.task_done().is_ok())
        };
        assert!(queue.unfinished() <= 1);
        getter.join().unwrap();
        let finished = finisher.join().unwrap();
        assert_eq!(queue.unfinished(), usize::from(!finished));
    });
}

/// Bug: the last producer that goes closes nothing.
#[test]
fn gets_end_when_the_last_producer_has_gone() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        let producers = [(); 2].map(|()| queue.producer());
        let putters = producers.map(|producer| thread::spawn(move || producer.put(()).unwrap()));
        assert_eq!(queue.iter().count(), 2);
        putters.into_iter().for_each(|it| it.join().unwrap());
    });
}

/// Bug: the last consumer that goes notifies no joiner.
#[test]
fn a_joiner_hears_that_the_last_consumer_has_gone() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.put(()).unwrap();
        let consumer = queue.consumer();
        let goes = thread::spawn(move || drop(consumer));
        assert!(queue.join().is_err());
        goes.join().unwrap();
    });
}

/// Bug: a joiner reads whether the queue is abandoned after it has read whether all is done.
#[test]
fn a_joiner_is_not_told_that_a_queue_is_abandoned_whose_last_item_is_done() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.put(()).unwrap();
        let consumer = queue.consumer();
        let task = consumer.get_task_owned().unwrap();
        let others = [
            thread::spawn(move || drop(consumer)),
            thread::spawn(move || drop(task)),
        ];
        assert_eq!(queue.join(), Ok(()));
        others.into_iter().for_each(|it| it.join().unwrap());
    });
}

/// Bug: an item that is given back is finished before it is accepted again. Bug: it notifies
/// nobody.
#[test]
fn an_item_that_is_given_back_is_unfinished_all_the_time() {
    model(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        queue.put(()).unwrap();
        let task = queue.get_task_owned().unwrap();
        let getter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.get().unwrap())
        };
        let giver = thread::spawn(move || task.give_back());
        assert_ne!(queue.unfinished(), 0);
        giver.join().unwrap();
        getter.join().unwrap();
        queue.task_done().unwrap();
        assert_eq!(queue.join(), Ok(()));
    });
}

/// Bug: a queue whose capacity has grown notifies nobody.
#[test]
fn a_putter_and_a_getter_hear_that_the_capacity_has_grown() {
    model(|| {
        let queue = Arc::new(JoinableQueue::bounded(1));
        queue.put(0).unwrap();
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(1).unwrap())
        };
        let grower = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.set_capacity(2))
        };
        putter.join().unwrap();
        grower.join().unwrap();
        assert_eq!((queue.get(), queue.get()), (Ok(0), Ok(1)));
    });
}

/// Bug: a get looks for no items beside the ring.
#[test]
fn an_item_that_is_put_beside_the_ring_is_got() {
    model(|| {
        let queue = Arc::new(JoinableQueue::bounded(1));
        let getter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.get().unwrap())
        };
        queue.set_capacity(2);
        queue.put(1).unwrap();
        assert_eq!(getter.join().unwrap(), 1);
    });
}

/// Bug: a get lets go of the lock between its looks into the ring and beside it.
#[test]
fn no_item_overtakes_another_when_the_capacity_is_changed() {
    model(|| {
        let queue = Arc::new(JoinableQueue::bounded(2));
        let putter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(1).and_then(|()| queue.put(2)).unwrap())
        };
        queue.set_capacity(3);
        assert_eq!((queue.get(), queue.get()), (Ok(1), Ok(2)));
        putter.join().unwrap();
    });
}
