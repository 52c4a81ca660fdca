//! What handles of a hub promise, in the parent and in workers alike.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Deserialize;
use serde::de::value::{Error as ValueError, U64Deserializer};
use workmill::JoinError;
use workmill_process::hub::{Event, JoinableQueue};
use workmill_process::{Bytes, Hub, JobExecutor, ProcessPoolExecutor, current_process, workmill};

use crate::hub_jobs as jobs;
use crate::hub_tours;
use crate::jobs::{Fruit, Poison, Trouble};
use crate::runner::tests;
use crate::support::{HANG, assert_works, error, outcome, pool};

tests! {
    all_that_locks_can_do_they_can_do_in_workers
    all_that_semaphores_can_do_they_can_do_in_workers
    all_that_events_and_latches_can_do_they_can_do_in_workers
    all_that_queues_can_do_they_can_do_in_workers
    a_lock_excludes_processes_and_threads
    items_of_many_producers_arrive_once_and_in_order
    a_handle_comes_back_as_the_same_object
    a_program_passes_the_same_handles_to_jobs_on_threads
    handles_go_in_items
    items_that_cannot_be_encoded_or_decoded_fail_their_job_alone
    a_handle_of_another_hub_is_an_error_that_says_so
    a_handle_outside_of_jobs_is_an_error_that_says_so
    a_handle_of_the_parent_cannot_go_on_to_a_nested_pool
    a_handle_that_a_job_has_made_cannot_come_back
    a_copy_of_a_process_cannot_use_its_handles
    a_thread_that_a_job_left_behind_uses_the_hub
    a_release_is_seen_before_the_result
    a_job_that_panics_releases_what_it_has
    objects_end_with_their_last_handle
    objects_end_when_workers_need_them_no_more
    a_handle_that_is_returned_outlives_all_others
    a_handle_is_good_in_a_job_that_was_sent_ahead
}

fn all_that_locks_can_do_they_can_do_in_workers() {
    let pool = pool(1);
    hub_tours::lock_tour(pool.hub().lock());
    outcome(pool.submit(hub_tours::lock_tour, pool.hub().lock())).unwrap();
}

fn all_that_semaphores_can_do_they_can_do_in_workers() {
    let pool = pool(1);
    hub_tours::semaphore_tour(pool.hub().semaphore(3));
    outcome(pool.submit(hub_tours::semaphore_tour, pool.hub().semaphore(3))).unwrap();
    hub_tours::bounded_tour(pool.hub().bounded_semaphore(2));
    outcome(pool.submit(hub_tours::bounded_tour, pool.hub().bounded_semaphore(2))).unwrap();
}

fn all_that_events_and_latches_can_do_they_can_do_in_workers() {
    let pool = pool(1);
    hub_tours::event_tour(pool.hub().event());
    outcome(pool.submit(hub_tours::event_tour, pool.hub().event())).unwrap();
    hub_tours::latch_tour(pool.hub().latch(3));
    outcome(pool.submit(hub_tours::latch_tour, pool.hub().latch(3))).unwrap();
}

fn all_that_queues_can_do_they_can_do_in_workers() {
    let pool = pool(1);
    let hub = pool.hub();
    hub_tours::queue_tour(hub.queue(2));
    outcome(pool.submit(hub_tours::queue_tour, hub.queue(2))).unwrap();
    hub_tours::orders_tour(hub.lifo_queue(None), hub.priority_queue(None));
    let queues = (hub.lifo_queue(None), hub.priority_queue(None));
    outcome(pool.submit(hub_tours::orders_tour, queues)).unwrap();
}

fn a_lock_excludes_processes_and_threads() {
    let pool = pool(2);
    let keys = pool.hub().semaphore(1);
    let inside = AtomicUsize::new(0);
    let jobs = [(); 2].map(|()| pool.submit(jobs::take_permits, (keys.clone(), 500)));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _permit = keys.acquire().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    assert_eq!(keys.available_permits(), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    for job in jobs {
        assert_eq!(outcome(job).unwrap(), 500);
    }
    assert_eq!(keys.available_permits(), 1);
}

fn items_of_many_producers_arrive_once_and_in_order() {
    let pool = pool(4);
    for capacity in [Some(0), Some(1), Some(10), None] {
        let queue: JoinableQueue<u32> = pool.hub().queue(capacity);
        let eaters = [(); 2].map(|()| pool.submit(jobs::sum_tasks, queue.clone()));
        let cooks = [0, 1000].map(|from| {
            let numbers = (queue.clone(), from, from + 1000);
            pool.submit(jobs::put_numbers, numbers)
        });
        for cook in cooks {
            outcome(cook).unwrap();
        }
        queue.join().unwrap();
        queue.close();
        let sum: u64 = eaters.map(|eater| outcome(eater).unwrap()).iter().sum();
        assert_eq!(sum, (0..2000).sum::<u64>(), "{capacity:?}");
        // One producer and one consumer: in order.
        let queue: JoinableQueue<u32> = pool.hub().queue(capacity);
        let counter = pool.submit(jobs::count_to, (queue.clone(), 999));
        outcome(pool.submit(jobs::put_numbers, (queue, 0, 1000))).unwrap();
        assert!(outcome(counter).unwrap().into_iter().eq(0..999));
    }
}

fn a_handle_comes_back_as_the_same_object() {
    let pool = pool(1);
    let event = pool.hub().event();
    let same = outcome(pool.submit(jobs::back, event.clone())).unwrap();
    same.set();
    assert!(event.is_set());
}

fn a_program_passes_the_same_handles_to_jobs_on_threads() {
    let hub = Hub::new(crate::jobs::jobs()).unwrap();
    let threads = workmill::ThreadPoolExecutor::new(2).unwrap();
    threads
        .submit_job(hub_tours::lock_tour, hub.lock())
        .join()
        .unwrap();
    let (queue, go) = (hub.queue(None), hub.event());
    let on_thread = threads.submit_job(jobs::put_numbers, (queue.clone(), 0, 10));
    let in_process = hub.spawn(jobs::put_numbers, (queue.clone(), 10, 20));
    on_thread.join().unwrap();
    in_process.join().unwrap();
    queue.close();
    assert_eq!(queue.iter().sum::<u32>(), (0..20).sum::<u32>());
    go.set();
    threads.submit_job(jobs::wait_for_event, go).join().unwrap();
}

fn handles_go_in_items() {
    let pool = pool(2);
    let queue: JoinableQueue<(u64, Event)> = pool.hub().queue(None);
    let event = pool.hub().event();
    outcome(pool.submit(jobs::put_handle, (queue.clone(), event.clone()))).unwrap();
    let (nine, same) = queue.get().unwrap();
    same.set();
    assert!(nine == 9 && event.is_set());
    // To a worker that was never given it otherwise.
    let event = pool.hub().event();
    queue.put((4, event.clone())).unwrap();
    assert_eq!(outcome(pool.submit(jobs::take_handle, queue)).unwrap(), 4);
    assert!(event.is_set());
    let events: JoinableQueue<Event> = pool.hub().queue(None);
    events.put(pool.hub().event()).unwrap();
    assert!(!events.get().unwrap().is_set());
    // An item with a handle of another hub.
    let foreign = Hub::new(crate::jobs::jobs()).unwrap().event();
    let put = || events.put(foreign.clone());
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(put)).unwrap_err();
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(text.contains("was made by another hub"), "{text}");
    assert_eq!(events.unfinished(), 1);
}

fn items_that_cannot_be_encoded_or_decoded_fail_their_job_alone() {
    let pool = pool(1);
    let queue: JoinableQueue<Poison> = pool.hub().queue(None);
    for trouble in [Trouble::Error, Trouble::Panic] {
        for as_task in [false, true] {
            queue.put(Poison(trouble)).unwrap();
            let panic = error(pool.submit(jobs::take_poison, (queue.clone(), as_task)));
            assert!(panic.is_panic(), "{panic}");
            assert_eq!((queue.len(), queue.unfinished()), (0, 0));
        }
    }
    // One that kills its taker is given back.
    queue.put(Poison(Trouble::Death)).unwrap();
    assert!(error(pool.submit(jobs::take_poison, (queue.clone(), false))).is_lost());
    assert_eq!((queue.len(), queue.unfinished()), (1, 1));
    let fruits: JoinableQueue<Fruit> = pool.hub().queue(None);
    for trouble in [Trouble::Error, Trouble::Panic] {
        let panic = error(pool.submit(jobs::put_fruit, (fruits.clone(), trouble)));
        assert!(panic.is_panic(), "{panic}");
    }
    assert_eq!(fruits.unfinished(), 0);
    assert_works(&pool);
}

#[track_caller]
fn assert_refused(error: &JoinError, text: &str) {
    assert!(
        error.is_cancelled() && error.to_string().contains(text),
        "{error}"
    );
}

fn a_handle_of_another_hub_is_an_error_that_says_so() {
    let (pool, other) = (pool(1), pool(1));
    let hub = Hub::new(crate::jobs::jobs()).unwrap();
    let text = "the event was made by another hub";
    for foreign in [other.hub().event(), hub.event()] {
        assert_refused(&error(pool.submit(jobs::wait_for_event, foreign)), text);
    }
    let foreign = hub.spawn(jobs::wait_for_event, pool.hub().event());
    assert_eq!(foreign.id(), None);
    assert_refused(&foreign.join().unwrap_err(), text);
    assert_works(&pool);
}

fn a_handle_outside_of_jobs_is_an_error_that_says_so() {
    let pool = pool(1);
    let mut bytes = Vec::new();
    let event = pool.hub().event();
    assert!(workmill_jobs::executors::encode(&event, &mut bytes).is_err());
    assert!(workmill_jobs::executors::decode::<Event>(&[0, 0, 0]).is_err());
    let other: Result<_, ValueError> = Event::deserialize(U64Deserializer::new(1));
    let text = other.unwrap_err().to_string();
    assert!(
        text.contains("only as an argument or the result of a job"),
        "{text}"
    );
    assert!(outcome(pool.submit(jobs::smuggle, event)).unwrap());
}

fn a_handle_of_the_parent_cannot_go_on_to_a_nested_pool() {
    let pool = pool(1);
    let text = outcome(pool.submit(jobs::nest_handle, pool.hub().event())).unwrap();
    assert!(
        text.contains("belongs to a hub of the parent of this process"),
        "{text}"
    );
}

fn a_handle_that_a_job_has_made_cannot_come_back() {
    let pool = pool(1);
    let error = error(pool.submit(jobs::make_handle, ()));
    let text = error.to_string();
    assert!(
        error.is_lost() && text.contains("was made by a hub of this process"),
        "{text}"
    );
    assert_works(&pool);
}

fn a_copy_of_a_process_cannot_use_its_handles() {
    let pool = pool(1);
    let event = pool.hub().event();
    assert!(outcome(pool.submit(jobs::in_copy, event.clone())).unwrap());
    assert!(!event.is_set());
    assert_works(&pool);
}

fn a_thread_that_a_job_left_behind_uses_the_hub() {
    let pool = pool(1);
    let (go, done) = (pool.hub().event(), pool.hub().event());
    outcome(pool.submit(jobs::left_behind, (go.clone(), done.clone()))).unwrap();
    go.set();
    assert!(done.wait_timeout(HANG));
    assert_works(&pool);
}

fn a_release_is_seen_before_the_result() {
    let pool = pool(1);
    let keys = pool.hub().semaphore(1);
    for _ in 0..1000 {
        outcome(pool.submit(jobs::leave_permit, keys.clone())).unwrap();
        assert_eq!(keys.available_permits(), 1);
    }
}

fn a_job_that_panics_releases_what_it_has() {
    let pool = pool(1);
    let (keys, queue) = (pool.hub().semaphore(1), pool.hub().queue(None));
    queue.put(1).unwrap();
    let panic = error(pool.submit(jobs::panicking_holder, (keys.clone(), queue.clone())));
    assert!(panic.is_panic());
    assert_eq!((keys.available_permits(), queue.unfinished()), (1, 0));
}

/// The last handle of an object that holds a large item frees it.
fn objects_end_with_their_last_handle() {
    let pool: ProcessPoolExecutor = pool(1);
    let before = resident();
    for _ in 0..40 {
        let queue: JoinableQueue<Bytes> = pool.hub().queue(None);
        queue.put(Bytes::from(vec![1; 8 << 20])).unwrap();
    }
    let more = resident().saturating_sub(before);
    assert!(more < 100 << 20, "{more} bytes");
    assert_eq!(current_process().name(), "main");
}

/// Returns the memory that this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    pages * 4096
}

/// The worker lives on, and has had a handle of each.
fn objects_end_when_workers_need_them_no_more() {
    let pool = pool(1);
    let before = resident();
    for round in 0..60 {
        let queue: JoinableQueue<Bytes> = pool.hub().queue(None);
        (0..8).for_each(|_| queue.put(Bytes::from(vec![1; 1 << 20])).unwrap());
        let taken = pool.submit(jobs::take_large, (queue.clone(), 4));
        assert_eq!(outcome(taken).unwrap(), 4 << 20);
        assert_eq!(queue.unfinished(), 8, "in round {round}");
        if round % 2 == 0 {
            // Not for the first time.
            let taken = pool.submit(jobs::take_large, (queue.clone(), 2));
            assert_eq!(outcome(taken).unwrap(), 2 << 20);
        }
    }
    let more = resident().saturating_sub(before);
    assert!(more < 150 << 20, "{more} bytes");
}

fn a_handle_that_is_returned_outlives_all_others() {
    let pool = pool(1);
    let queue: JoinableQueue<(u64, Event)> = pool.hub().queue(None);
    for round in 0..200 {
        // Nobody has the event any more but what is on its way.
        let returned = match round % 2 {
            0 => pool.submit(jobs::back, pool.hub().event()),
            _ => {
                queue.put((round, pool.hub().event())).unwrap();
                pool.submit(jobs::take_handle_back, queue.clone())
            }
        };
        // A further job, before the result is taken.
        outcome(pool.submit(crate::jobs::square, 3)).unwrap();
        let event = outcome(returned).unwrap();
        assert!(!event.is_set());
        event.set();
        outcome(pool.submit(jobs::wait_for_event, event)).unwrap();
    }
}

/// The job before it drops the last handle that its process has.
fn a_handle_is_good_in_a_job_that_was_sent_ahead() {
    let pool = pool(1);
    for _ in 0..20 {
        let (keys, queue) = (pool.hub().semaphore(1), pool.hub().queue(None));
        let put = |from: u32| pool.submit(jobs::put_numbers, (queue.clone(), from, from + 2));
        let handles: Vec<_> = (0..20)
            .map(|number| {
                (
                    pool.submit(jobs::leave_permit, keys.clone()),
                    put(2 * number),
                )
            })
            .collect();
        for (one, other) in handles {
            outcome(one).unwrap();
            outcome(other).unwrap();
        }
        let mut all = queue.drain();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
    }
    assert_eq!(pool.metrics().died, 0);
}
