//! The order in which tasks are found, on one thread.

use std::cell::Cell;

use super::TaskQueue;

#[test]
fn what_came_from_outside_keeps_its_order_with_and_without_children() {
    for children in [0, 1, 3] {
        let (queue, own) = TaskQueue::new(1);
        queue.tally.use_slots(1);
        (0..2000).for_each(|task| queue.injector.push(task));
        let mut found = Vec::new();
        while found.len() < 2000 {
            let task = own[0].pop().or_else(|| queue.find_near(&own[0]));
            if let Some(task) = task.filter(|task| *task < 2000) {
                found.push(task);
                (0..children).for_each(|child| own[0].push(3000 + child));
            }
        }
        assert!(found.iter().copied().eq(0..2000), "{found:?}");
    }
}

#[test]
fn a_local_queue_whose_holder_is_busy_is_visited_though_the_injector_never_runs_dry() {
    let (queue, own) = TaskQueue::new(2);
    queue.tally.use_slots(2);
    (0..4).for_each(|task| queue.injector.push(task));
    let taken = queue.find_near(&own[0]);
    assert_eq!(taken, Some(0));
    assert!(!own[0].is_empty(), "the others came with it");
    let mut looks = 0;
    while !own[0].is_empty() {
        looks += 1;
        assert!(looks < 10_000, "nobody visits");
        (0..40).for_each(|_| queue.injector.push(1000));
        let _ = own[1].pop().or_else(|| queue.find_near(&own[1]));
    }
}

#[test]
fn sweeping_again_and_again_keeps_the_order_of_what_is_left() {
    let (queue, own) = TaskQueue::new(1);
    queue.tally.use_slots(1);
    let tombstones = Cell::new(0);
    let is_tombstone = |task: &i32| task % 4 == tombstones.get();
    let mut expected = Vec::new();
    for round in 0..4 {
        (0..400).for_each(|task| queue.injector.push(round * 400 + task));
        expected.extend(round * 400..round * 400 + 400);
        // Some have been taken meanwhile, one by one and in batches.
        let mut taken: Vec<_> = (0..10).filter_map(|_| queue.find_oldest()).collect();
        taken.extend(queue.find_near(&own[0]));
        taken.extend(std::iter::from_fn(|| own[0].pop_regardless()));
        assert_eq!(taken, expected.drain(..taken.len()).collect::<Vec<_>>());
        tombstones.set(round);
        let before = expected.len();
        expected.retain(|task| !is_tombstone(task));
        assert_eq!(queue.injector.sweep(is_tombstone), before - expected.len());
        assert_eq!(queue.injected(), expected.len());
    }
    let left: Vec<_> = std::iter::from_fn(|| queue.find_oldest()).collect();
    assert_eq!(left, expected);
    (0..100).for_each(|task| own[0].push(task));
    tombstones.set(1);
    assert_eq!(own[0].sweep(is_tombstone), 25);
    let left: Vec<_> = std::iter::from_fn(|| own[0].pop_regardless()).collect();
    assert!(left.into_iter().eq((0..100).filter(|task| task % 4 != 1)));
}

#[test]
fn a_stack_is_visited_though_the_queues_of_other_slots_never_run_dry() {
    let (queue, own) = TaskQueue::new(3);
    queue.tally.use_slots(3);
    (0..100).for_each(|task| queue.push_stacked(task, &own[1]));
    let mut looks = 0;
    while own[1].stack().len() > 50 {
        looks += 1;
        assert!(looks < 1000, "nobody visits");
        (0..40).for_each(|_| own[2].push(1000));
        let _ = own[0].pop().or_else(|| queue.find_far(&own[0], false));
    }
}

#[test]
fn what_a_predecessor_has_left_on_the_stack_is_run_though_the_injector_never_runs_dry() {
    let (queue, own) = TaskQueue::new(1);
    queue.tally.use_slots(1);
    (0..3).for_each(|task| queue.push_stacked(task, &own[0]));
    let mut found = Vec::new();
    for _ in 0..1000 {
        (0..4).for_each(|_| queue.injector.push(1000));
        let task = own[0].pop().or_else(|| queue.find_near(&own[0]));
        found.extend(task.filter(|task| *task < 1000));
    }
    assert_eq!(found, [0, 1, 2], "the oldest first");
}

#[test]
fn what_a_predecessor_has_left_on_the_stack_is_run_though_the_local_queue_never_runs_dry() {
    for injected in [0, 1] {
        let (queue, own) = TaskQueue::new(1);
        queue.tally.use_slots(1);
        (0..3).for_each(|task| queue.push_stacked(task, &own[0]));
        let mut found = Vec::new();
        for _ in 0..1000 {
            own[0].push(1000);
            (0..injected).for_each(|_| queue.injector.push(1000));
            let task = own[0].pop().or_else(|| queue.find_near(&own[0]));
            found.extend(task.filter(|task| *task < 1000));
        }
        assert_eq!(found, [0, 1, 2], "the oldest first");
    }
}

#[test]
fn of_a_stack_the_owner_takes_the_newest_and_others_the_oldest() {
    let (queue, own) = TaskQueue::new(2);
    queue.tally.use_slots(2);
    (0..6).for_each(|task| queue.push_stacked(task, &own[0]));
    assert_eq!(own[0].stack().take_newest(), Some(5));
    let mut stolen: Vec<_> = queue.find_far(&own[1], true).into_iter().collect();
    stolen.extend(std::iter::from_fn(|| own[1].pop()));
    stolen.sort_unstable();
    assert!(stolen.iter().copied().eq(0..stolen.len()), "{stolen:?}");
    assert_eq!(own[0].stack().take_newest(), Some(4));
    assert_eq!(own[0].stack().len(), 5 - 1 - stolen.len());
    assert_eq!(queue.has_tasks(), stolen.len() < 4);
    while queue.find_any().is_some() {}
    assert!(own[0].stack().is_empty() && !queue.has_tasks());
}
