//! Models of the pool: pushes against sleep, submission against shutdown, and the tally.
//!
//! The queues are the stand-in of `pool/lanes.rs`; everything else, the loop of the threads
//! included, is the code that users run. Each model has been seen to fail with the bug
//! that its comment names; `.ci/mutants` puts those bugs back.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::config::{Config, DropBehavior, Hooks, Overflow, default_name};
use super::local::{Local, Pool, PoolTask};
use super::roster::{Member, NotStarted, Roster};
use super::slots::{LastLook, Slept, Slots, Vacancy};
use super::spares::Rested;
use super::tally::Tally;
use super::task_queue::TaskQueue;
use super::threads::start_thread;
use super::worker;
use crate::primitive::{Deadline, ThreadBuilder, current, fence};
use crate::sync::event::Event;
use crate::task::cell::HandleEnd;

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(body);
}

type Start = fn(&Arc<Pool>, Vacancy) -> Result<(), (Vacancy, NotStarted)>;

fn pool(threads: usize, start_thread: Start) -> Arc<Pool> {
    Local::hook_in();
    let config = Config {
        threads,
        max_threads: threads,
        min_threads: threads,
        max_spare_threads: 4,
        keep_alive: Duration::MAX,
        first_names: Vec::new(),
        queue_capacity: None,
        overflow: Overflow::default(),
        on_drop: DropBehavior::default(),
        stack_size: 1 << 20,
        attributes: crate::attributes::Attributes::of_this_thread(),
        processors: 2,
        hooks: Hooks::default(),
    };
    Pool::new(config, start_thread)
}

/// A pool with one thread, which starts the others when it has to.
fn pool_that_starts(threads: usize) -> Arc<Pool> {
    let shared = pool(threads, |pool, vacancy| start_thread(pool, vacancy, None));
    let first = shared.slots.claim_vacancy().unwrap();
    assert!(start_thread(&shared, first, None).is_ok());
    shared.roster.count_out();
    shared
}

/// For a pool that has all its threads.
fn start_none(_: &Arc<Pool>, vacancy: Vacancy) -> Result<(), (Vacancy, NotStarted)> {
    Err((vacancy, NotStarted::NotWanted))
}

fn start_worker(shared: &Arc<Pool>) -> thread::JoinHandle<()> {
    start(shared, worker::work)
}

/// Starts a thread that is no longer searching, as it is after a task.
fn start_busy_worker(shared: &Arc<Pool>) -> thread::JoinHandle<()> {
    start(shared, |local| {
        local.stop_searching();
        worker::work(local)
    })
}

fn start(shared: &Arc<Pool>, work: fn(&Local) -> bool) -> thread::JoinHandle<()> {
    let vacancy = shared.slots.claim_vacancy().unwrap();
    let shared = Arc::clone(shared);
    let member = Arc::new(Member::guest());
    thread::spawn(move || {
        Local::enter(shared, &member, vacancy, true, work);
    })
}

fn submit(shared: &Arc<Pool>, ran: &Arc<AtomicUsize>) -> bool {
    let ran = Arc::clone(ran);
    let accepted = shared.accept().is_ok();
    if accepted {
        let task = PoolTask::detached((), move || {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        shared.push(task);
    }
    accepted
}

/// The queue and the slots, with nothing but the protocol around them: no shutdown comes to wake a
/// thread by chance.
type Bare = Arc<(TaskQueue<usize>, Slots<usize>)>;

fn bare(slots: usize) -> Bare {
    let (queue, lanes) = TaskQueue::new(slots);
    queue.use_slots(slots);
    Arc::new((queue, Slots::new(lanes, slots)))
}

fn push(bare: &Bare, task: usize) {
    bare.0.push(task, None);
    give_up(bare, bare.1.task_pushed());
}

/// Whoever comes to start a thread cannot.
fn give_up((queue, slots): &(TaskQueue<usize>, Slots<usize>), vacancy: Option<Vacancy>) {
    if let Some(vacancy) = vacancy {
        slots.leave_vacant(vacancy, true, || queue.has_tasks());
    }
}

fn look(queue: &TaskQueue<usize>) -> LastLook {
    match queue.has_tasks() {
        true => LastLook::Tasks,
        false => LastLook::Nothing,
    }
}

/// A thread that takes so many tasks.
fn start_taker(bare: &Bare, tasks: usize) -> thread::JoinHandle<usize> {
    let bare = Arc::clone(bare);
    let vacancy = bare.1.claim_vacancy().unwrap();
    thread::spawn(move || take(&bare, vacancy, tasks))
}

/// Takes so many tasks: searching at first and when it was woken, busy after each.
fn take(bare: &Bare, vacancy: Vacancy, tasks: usize) -> usize {
    let (queue, slots) = &**bare;
    let lane = slots.occupy(vacancy);
    let (mut searching, mut taken, mut sum) = (true, 0, 0);
    while taken < tasks {
        let found = lane.pop().or_else(|| queue.find_near(&lane));
        if found.is_some() && searching {
            give_up(bare, slots.found(|| queue.has_tasks()));
        }
        if let Some(task) = found {
            (searching, taken, sum) = (false, taken + 1, sum + task);
            continue;
        }
        let last_look = || look(queue);
        let _ = slots.sleep(lane.index(), searching, Deadline::NEVER, last_look);
        searching = true;
    }
    sum
}

/// Unparks this thread for no reason, from another.
fn unpark_this_thread() -> thread::JoinHandle<()> {
    let this = current();
    thread::spawn(move || this.unpark())
}

/// Bug: the fence P2 is left out. Bug: the last look S3 is left out.
#[test]
fn a_task_pushed_while_the_only_thread_falls_asleep_is_found() {
    model(3, || {
        let bare = bare(1);
        let taker = start_taker(&bare, 1);
        push(&bare, 7);
        assert_eq!(taker.join().unwrap(), 7);
    });
}

/// Bug: a sleeper that is unparked gets up though nobody has claimed it.
#[test]
fn a_thread_that_sleeps_among_stray_wake_ups_is_woken_for_a_task() {
    model(3, || {
        let bare = bare(1);
        let vacancy = bare.1.claim_vacancy().unwrap();
        let stray = unpark_this_thread();
        let pusher = {
            let bare = Arc::clone(&bare);
            thread::spawn(move || push(&bare, 7))
        };
        assert_eq!(take(&bare, vacancy, 1), 7);
        pusher.join().unwrap();
        stray.join().unwrap();
    });
}

/// Two push, and one of them tries to start a thread, so that the other takes it for a searching one.
///
/// Bug: a starter that fails does not look at the queues (V3). Bug: it makes no fence (V2).
#[test]
fn a_task_pushed_while_a_thread_fails_to_start_is_found() {
    model(3, || {
        let bare = bare(2);
        let taker = start_taker(&bare, 2);
        let other = {
            let bare = Arc::clone(&bare);
            thread::spawn(move || push(&bare, 3))
        };
        push(&bare, 4);
        assert_eq!(taker.join().unwrap(), 7);
        other.join().unwrap();
    });
}

/// Whoever is given a vacancy takes a task in it, as a new thread would, and gives it up again.
fn take_in(bare: &Bare, mut vacancy: Option<Vacancy>) -> usize {
    let (queue, slots) = &**bare;
    let mut sum = 0;
    while let Some(given) = vacancy.take() {
        let lane = slots.occupy(given);
        if let Some(task) = queue.find_near(&lane) {
            sum += task;
            vacancy = slots.found(|| queue.has_tasks());
            slots.give_up(lane, false);
        } else {
            slots.give_up(lane, true);
        }
        vacancy = vacancy.or_else(|| look_again(bare));
    }
    sum
}

/// A thread that pushes a task, and is the new thread for it if there has to be one.
fn start_pusher(bare: &Bare) -> thread::JoinHandle<usize> {
    let bare = Arc::clone(bare);
    thread::spawn(move || {
        bare.0.push(7, None);
        take_in(&bare, bare.1.task_pushed())
    })
}

/// V3 of one that has left its slot.
fn look_again((queue, slots): &(TaskQueue<usize>, Slots<usize>)) -> Option<Vacancy> {
    match queue.has_tasks() {
        true => slots.task_pushed(),
        false => None,
    }
}

/// The only thread is about to wait, or has nothing to do and ends, while a task is pushed.
///
/// Bug: the one that leaves does not look for tasks (V3). Bug: it makes no fence (V2).
#[test]
fn a_task_pushed_while_a_slot_is_given_up_is_found() {
    model(3, || {
        let bare = bare(1);
        let lane = bare.1.occupy(bare.1.claim_vacancy().unwrap());
        let _ = bare.1.found(|| false);
        let pusher = start_pusher(&bare);
        bare.1.give_up(lane, false);
        let taken = take_in(&bare, look_again(&bare));
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// A wait ends at once: the slot is given up and taken again, maybe by another, while a task is pushed.
///
/// Bug: the thread that comes back does not look whether it was the only one that searched (F3).
#[test]
fn a_task_pushed_while_a_slot_is_taken_again_is_found() {
    model(3, || {
        let bare = bare(2);
        let lane = bare.1.occupy(bare.1.claim_vacancy().unwrap());
        let _ = bare.1.found(|| false);
        let pusher = start_pusher(&bare);
        bare.1.give_up(lane, false);
        let mut taken = take_in(&bare, look_again(&bare));
        if let Some(vacancy) = bare.1.claim_vacancy() {
            let lane = bare.1.occupy(vacancy);
            // The task that waited goes on for ever, so another thread has to take what is there.
            taken += take_in(&bare, bare.1.found(|| bare.0.has_tasks()));
            drop(lane);
        }
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// Bug: a sleeper whose time is over leaves without a claim. Bug: it does not look for tasks (V3).
#[test]
fn a_task_pushed_while_a_sleeper_ends_is_found() {
    model(3, || {
        let bare = bare(1);
        let lane = bare.1.occupy(bare.1.claim_vacancy().unwrap());
        let pusher = start_pusher(&bare);
        let (over, last_look) = (Deadline::after(Duration::ZERO), || look(&bare.0));
        let slept = bare.1.sleep(lane.index(), true, over, last_look);
        let mut taken = 0;
        if slept == Slept::Woken {
            taken += bare.0.find_near(&lane).unwrap_or(0);
        }
        bare.1.give_up(lane, true);
        taken += take_in(&bare, look_again(&bare));
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// One slot too many: its holder resigns while a task is pushed, which the other has to be found for.
///
/// Bug: whoever resigns makes no fence (V2). Bug: it does not look for tasks (V3).
#[test]
fn a_task_pushed_while_a_slot_goes_out_is_found() {
    model(3, || {
        let bare = bare(2);
        let lane = bare.1.occupy(bare.1.claim_vacancy().unwrap());
        assert_eq!(bare.1.want(1), 2);
        let pusher = start_pusher(&bare);
        assert!(bare.1.resign(lane, true).is_none());
        let taken = take_in(&bare, look_again(&bare));
        assert_eq!(taken + pusher.join().unwrap(), 7);
        assert!(!bare.1.are_too_many());
    });
}

/// One slot more, while the holder of the other is busy for ever.
///
/// Bug: whoever brings a slot in makes no fence (V2).
#[test]
fn a_task_pushed_while_a_slot_comes_in_is_found() {
    model(3, || {
        let (queue, lanes) = TaskQueue::new(2);
        queue.use_slots(1);
        let bare: Bare = Arc::new((queue, Slots::new(lanes, 1)));
        let lane = bare.1.occupy(bare.1.claim_vacancy().unwrap());
        let _ = bare.1.found(|| false);
        let pusher = start_pusher(&bare);
        bare.0.use_slots(2);
        assert_eq!(bare.1.want(2), 1);
        let taken = take_in(&bare, look_again(&bare));
        drop(lane);
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// No thread can be started for a vacancy while another comes to rest, who would take it.
///
/// Bug: the spare does not look for a vacancy once it is in the list (R2). Bug: who could not start a
/// thread does not look at the list again (V4).
#[test]
fn a_vacancy_and_a_spare_thread_meet() {
    model(3, || {
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let spare = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let joined = || {
                    shared.look_for_tasks();
                    true
                };
                let Rested::Given(vacancy) = shared.spares.wait(Deadline::NEVER, joined) else {
                    unreachable!("nobody tells it, and it has time");
                };
                let member = Arc::new(Member::guest());
                Local::enter(shared, &member, vacancy, true, |local| {
                    local.run(&mut local.find_near());
                    false
                });
            })
        };
        assert!(submit(&shared, &ran));
        spare.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}

/// A vacancy that was given to a thread which is just waking up is taken back by another.
///
/// Bug: the spare leaves although what it was given is gone.
#[test]
fn a_vacancy_that_is_taken_back_is_had_by_one() {
    model(3, || {
        let shared = pool(1, start_none);
        let given = Arc::new(AtomicUsize::new(0));
        let spare = {
            let (shared, given) = (Arc::clone(&shared), Arc::clone(&given));
            thread::spawn(move || match shared.spares.wait(Deadline::NEVER, || true) {
                Rested::Given(_) => given.fetch_add(1, Ordering::Relaxed),
                Rested::Told | Rested::Through => 0,
            })
        };
        let vacancy = shared.slots.claim_vacancy().unwrap();
        let mut kept = shared.spares.hand(vacancy);
        let is_handed = kept.is_none();
        kept = kept.or_else(|| shared.spares.take_back());
        if kept.is_some() {
            // Whoever had nothing yet goes on resting, until it is told.
            while !shared.spares.has_any() {
                thread::yield_now();
            }
            shared.spares.tell_all();
        }
        spare.join().unwrap();
        let given = given.load(Ordering::Relaxed);
        assert_eq!(
            given + usize::from(kept.is_some()),
            1,
            "handed: {is_handed}"
        );
    });
}

/// A spare thread that is awake may take what another was given, but not lose what it was given itself.
///
/// Bug: it looks at what others were given first.
#[test]
fn two_vacancies_reach_two_spare_threads() {
    model(2, || {
        let shared = pool(2, start_none);
        let spares = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let rested = shared.spares.wait(Deadline::NEVER, || true);
                assert!(matches!(rested, Rested::Given(_)));
            })
        });
        for _ in 0..2 {
            let mut vacancy = shared.slots.claim_vacancy();
            while let Some(kept) = vacancy.take() {
                vacancy = shared.spares.hand(kept);
                thread::yield_now();
            }
        }
        spares.into_iter().for_each(|spare| spare.join().unwrap());
    });
}

/// Bug: a spare thread that is unparked takes it that it was told to leave.
#[test]
fn a_spare_thread_among_stray_wake_ups_rests_until_it_is_given_a_vacancy() {
    model(3, || {
        let shared = pool(1, start_none);
        let stray = unpark_this_thread();
        let giver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut vacancy = shared.slots.claim_vacancy();
                while let Some(kept) = vacancy.take() {
                    vacancy = shared.spares.hand(kept);
                    thread::yield_now();
                }
            })
        };
        let rested = shared.spares.wait(Deadline::NEVER, || true);
        assert!(matches!(rested, Rested::Given(_)));
        giver.join().unwrap();
        stray.join().unwrap();
    });
}

/// The only thread of a pool waits for what a task does that is pushed behind it: another takes its
/// slot, and it goes on with a slot or without.
///
/// Bug: the slot is not given up. Bug: whoever has come back and is done does not look around.
#[test]
fn a_task_that_waits_for_a_later_one_sees_it_run() {
    model(1, || {
        let shared = pool_that_starts(1);
        let event = Arc::new(Event::new());
        let (wait, ran) = (Arc::clone(&event), Arc::new(AtomicUsize::new(0)));
        let waited = Arc::clone(&ran);
        shared.accept().unwrap();
        shared.push(PoolTask::detached((), move || {
            wait.wait();
            waited.fetch_add(1, Ordering::Relaxed);
        }));
        shared.accept().unwrap();
        shared.push(PoolTask::detached((), move || event.set()));
        shared.close();
        shared.roster.join();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(shared.has_ended());
    });
}

/// Two tasks that each wait for the other, on two threads: wherever they are, in a batch that one
/// thread took or behind a wake-up that was not made, both have to be found.
///
/// Bug: a busy thread that takes a batch does not push what it keeps.
#[test]
fn two_tasks_that_wait_for_each_other_find_two_threads() {
    model(1, || {
        let shared = pool(2, start_none);
        let workers = [(); 2].map(|()| start_busy_worker(&shared));
        submit_two_that_wait_for_each_other(&shared);
        shared.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        assert!(shared.has_ended());
    });
}

fn submit_two_that_wait_for_each_other(shared: &Arc<Pool>) {
    let arrived = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let arrived = Arc::clone(&arrived);
        shared.accept().unwrap();
        shared.push(PoolTask::detached((), move || {
            arrived.fetch_add(1, Ordering::AcqRel);
            while arrived.load(Ordering::Acquire) < 2 {
                thread::yield_now();
            }
        }));
    }
}

/// The same when the second thread has yet to be started, by whoever finds that it is missing; and
/// the pool's end waits for it.
///
/// Bug: the last searcher does not look again after it has found something (F3).
#[test]
fn two_tasks_that_wait_for_each_other_have_a_second_thread_started() {
    model(1, || {
        let shared = pool_that_starts(2);
        submit_two_that_wait_for_each_other(&shared);
        shared.close();
        shared.roster.join();
        assert!(shared.has_ended());
    });
}

/// The whole pool with one thread, as it is: tasks, shutdown and the thread's end.
///
/// Bug: `close` does not look around. Bug: the end wakes nobody. Bug: a last look does not see that all
/// is over.
#[test]
fn what_is_accepted_runs_and_the_thread_ends() {
    model(2, || {
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared);
        assert!(submit(&shared, &ran));
        shared.close();
        worker.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(shared.has_ended());
    });
}

/// Both return when the task has run and the thread has ended, to the last of its thread-locals,
/// whoever of them closes the pool and whoever sees the thread off.
///
/// Bug: the second close opens the pool again. Bug: who finds no thread to see off does not wait
/// for the one who does.
#[test]
fn two_who_shut_a_pool_down_both_return_when_all_is_done() {
    model(1, || {
        let shared = pool(1, start_none);
        let (ran, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (part, end) = (Arc::clone(&shared), Arc::clone(&ended));
        let vacancy = shared.slots.claim_vacancy().unwrap();
        let spawn = |member: &Arc<Member>| {
            let member = Arc::clone(member);
            ThreadBuilder::new().spawn(move || {
                Local::enter(Arc::clone(&part), &member, vacancy, true, worker::work);
                part.roster.count_out();
                end.store(1, Ordering::Relaxed);
            })
        };
        assert!(
            shared
                .roster
                .start(1, |number| Some(default_name(number)), spawn)
                .is_ok()
        );
        shared.roster.count_out();
        assert!(submit(&shared, &ran));
        let shut_down = move || {
            shared.close();
            shared.roster.join();
            assert_eq!(ran.load(Ordering::Relaxed), 1);
            assert_eq!(ended.load(Ordering::Relaxed), 1);
            assert!(shared.has_ended());
        };
        let other = thread::spawn(shut_down.clone());
        shut_down();
        other.join().unwrap();
    });
}

/// What a thread without tasks does until the pool has ended.
fn sleep_until_the_end(shared: &Arc<Pool>) {
    let vacancy = shared.slots.claim_vacancy().unwrap();
    let lane = shared.slots.occupy(vacancy);
    let mut searching = true;
    while !shared.has_ended() {
        if shared.wants_attention() {
            shared.look_around();
        }
        let last_look = || shared.last_look();
        let slept = shared
            .slots
            .sleep(lane.index(), searching, Deadline::NEVER, last_look);
        assert!(slept == Slept::Woken);
        searching = true;
    }
    shared.slots.vacate(lane, searching);
}

/// What a thread does after its last task: it leaves when the pool has ended, without another look.
fn finish_the_last_task(shared: &Arc<Pool>) {
    shared.queue.task_done(None);
    if !shared.has_ended() {
        shared.look_around();
    }
}

/// Somebody comes to wait when all is done, and stands in the line for a moment, while one thread searches
/// and another falls asleep.
///
/// Bug: the one that falls asleep leaves it to the one that searches to look again.
#[test]
fn a_thread_that_falls_asleep_at_the_end_while_another_searches_leaves() {
    model(3, || {
        let shared = pool(2, start_none);
        assert!(shared.accept().is_ok());
        shared.close();
        let searcher = {
            let (shared, vacancy) = (Arc::clone(&shared), shared.slots.claim_vacancy().unwrap());
            thread::spawn(move || {
                finish_the_last_task(&shared);
                let mut late = shared.idle_joiner();
                assert!(late.poll(Waker::noop()));
                let lane = shared.slots.occupy(vacancy);
                shared.slots.vacate(lane, true);
            })
        };
        sleep_until_the_end(&shared);
        searcher.join().unwrap();
    });
}

/// Bug: whoever calls out the end does not wake once more who waits.
#[test]
fn who_waits_until_all_is_done_while_the_pool_closes_behind_a_task_is_woken() {
    model(3, || {
        let shared = pool(1, start_none);
        // So it is worth a look around at any time.
        let _other = shared.idle_joiner();
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                assert!(shared.accept().is_ok());
                shared.close();
                let part = Arc::clone(&shared);
                let finisher = thread::spawn(move || finish_the_last_task(&part));
                assert!(shared.wait_idle(Deadline::NEVER));
                finisher.join().unwrap();
            })
        };
        shared.look_around();
        waiter.join().unwrap();
    });
}

/// Bug: `accept_outside` reads CLOSED before it counts, in two steps. Bug: a refusal is not
/// followed by a look around, so that the end goes unnoticed.
#[test]
fn a_submission_against_shutdown_runs_or_is_refused() {
    model(2, || {
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared);
        let closer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.close())
        };
        let accepted = submit(&shared, &ran);
        closer.join().unwrap();
        worker.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), usize::from(accepted));
    });
}

/// Bug: a task that is cancelled there is not counted as finished. Bug: it is counted, but not
/// dropped.
#[test]
fn stopping_cancels_or_runs_each_task_and_the_thread_ends() {
    model(2, || {
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared);
        assert!(submit(&shared, &ran));
        let cancelled = shared.stop();
        worker.join().unwrap();
        assert!(ran.load(Ordering::Relaxed) + cancelled <= 1);
        assert_eq!(
            Arc::strong_count(&ran),
            1,
            "the closure is gone, run or not"
        );
        assert!(shared.has_ended());
    });
}

/// A future that has been polled, with its waker, on a pool with this thread.
fn pending_future(shared: &Arc<Pool>) -> (HandleEnd<()>, Arc<AtomicUsize>, Waker) {
    let (over, waker) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(loom::sync::Mutex::new(None)),
    );
    let (is_over, tell) = (Arc::clone(&over), Arc::clone(&waker));
    let future = poll_fn(move |cx| {
        let before = tell.lock().unwrap().replace(cx.waker().clone());
        drop(before);
        match is_over.load(Ordering::Relaxed) {
            0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    });
    shared.accept().unwrap();
    let (task, handle) = shared.make_future((), future);
    shared.run_on_caller(task);
    let waker = waker.lock().unwrap().take();
    (handle, over, waker.expect("it was polled"))
}

/// Pending so many times, and each time wakes itself.
async fn give_way(times: usize) {
    let mut left = times;
    poll_fn(move |cx| match left {
        0 => Poll::Ready(()),
        _ => {
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// One future gives way to another, which then waits for it: a second thread takes it up.
///
/// Bug: what gave way stays in a line of the thread that waits. Bug: it is never looked at again.
#[test]
fn a_future_that_gave_way_is_run_by_another_while_its_thread_waits() {
    model(1, || {
        let shared = pool_that_starts(1);
        let event = Arc::new(Event::new());
        let wait = Arc::clone(&event);
        let sets = async move {
            give_way(2).await;
            event.set();
        };
        let waits = async move {
            give_way(1).await;
            wait.wait();
        };
        shared.accept().unwrap();
        let (first, handle) = shared.make_future((), sets);
        shared.accept().unwrap();
        let (second, waited) = shared.make_future((), waits);
        shared.push(first);
        shared.push(second);
        shared.close();
        shared.roster.join();
        assert!(handle.is_done() && waited.is_done() && shared.has_ended());
    });
}

/// Woken from elsewhere, by one who wakes once more when the pool may be gone.
///
/// Bug: a poll that is pending counts as finished. Bug: what is woken from elsewhere is announced to
/// nobody.
#[test]
fn a_pool_that_is_closed_while_a_future_is_woken_ends_after_it() {
    model(2, || {
        let shared = pool(1, start_none);
        let (handle, over, waker) = pending_future(&shared);
        let worker = start_worker(&shared);
        let waking = thread::spawn(move || {
            over.fetch_add(1, Ordering::Relaxed);
            waker.wake_by_ref();
            waker.wake();
        });
        shared.close();
        worker.join().unwrap();
        assert!(handle.is_done() && shared.has_ended());
        drop(shared);
        waking.join().unwrap();
    });
}

/// Nobody wakes it, so if the end of the pool misses it the thread never ends.
///
/// Bug: the end does not look at those that are pending. Bug: it looks before it says so.
#[test]
fn a_future_spawned_while_the_pool_stops_is_cancelled_or_refused() {
    model(2, || {
        let shared = pool(1, start_none);
        let worker = start_worker(&shared);
        let stopper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.stop())
        };
        let mut handle = None;
        if shared.accept().is_ok() {
            let (task, end) = shared.make_future((), pending::<()>());
            shared.push(task);
            handle = Some(end);
        }
        stopper.join().unwrap();
        worker.join().unwrap();
        assert!(shared.has_ended());
        if let Some(end) = handle {
            let outcome = end.try_take();
            assert!(outcome.is_ok_and(|outcome| outcome.is_err()));
        }
        assert!(shared.live.all().is_empty());
    });
}

/// Two stop a future that is pending: it is dropped by the thread, and counted once.
///
/// Bug: whoever is told that it was cancelled before counts it too.
#[test]
fn a_pending_future_is_stopped_once() {
    model(2, || {
        let shared = pool(1, start_none);
        let (handle, over, waker) = pending_future(&shared);
        let worker = start_worker(&shared);
        let waking = thread::spawn(move || {
            over.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        });
        shared.stop();
        worker.join().unwrap();
        waking.join().unwrap();
        let outcome = handle.try_take().unwrap_or_else(|_| panic!("it has ended"));
        assert_eq!(shared.counts.stopped.get(), usize::from(outcome.is_err()));
    });
}

/// Whoever starts a thread may come late: either the end waits for that thread, until its last
/// thread-local is gone, or it is not started any more.
///
/// Bug: a thread is taken in after all have left. Bug: its handle is kept after it may have left.
#[test]
fn the_end_waits_for_every_thread_that_starts() {
    model(3, || {
        let (roster, ended) = (Arc::new(Roster::new()), Arc::new(AtomicUsize::new(0)));
        let starter = {
            let (roster, ended) = (Arc::clone(&roster), Arc::clone(&ended));
            thread::spawn(move || {
                let part = Arc::clone(&roster);
                let live = move || {
                    part.count_out();
                    ended.store(1, Ordering::Relaxed);
                };
                let spawn = |_: &_| ThreadBuilder::new().spawn(live);
                roster
                    .start(9, |number| Some(default_name(number)), spawn)
                    .is_ok()
            })
        };
        roster.count_out();
        roster.join();
        let seen_off = ended.load(Ordering::Relaxed) == 1;
        assert_eq!(starter.join().unwrap(), seen_off);
    });
}

/// Bug: `is_quiet` reads the accepted counts first. Bug: the joiner's fence J3 is left out.
#[test]
fn a_joiner_returns_when_all_is_finished_and_not_before() {
    model(3, || {
        let tally = Arc::new(Tally::new(2));
        tally.use_slots(2);
        let finished = Arc::new(AtomicUsize::new(0));
        tally.accept_outside().unwrap();
        let finish = |index: usize| {
            let (tally, finished) = (Arc::clone(&tally), Arc::clone(&finished));
            move || {
                finished.fetch_add(1, Ordering::Relaxed);
                tally.finish_inside(index);
                fence(Ordering::SeqCst);
                if tally.wants_attention() && tally.is_quiet() {
                    tally.wake_joiners();
                }
            }
        };
        let (first, second) = (finish(0), finish(1));
        let accepting = Arc::clone(&tally);
        let finisher = thread::spawn(move || {
            // The task begets another, which the second thread has in time to finish it first.
            accepting.accept_inside(0);
            let other = thread::spawn(second);
            first();
            other.join().unwrap();
        });
        assert!(tally.join(Deadline::NEVER));
        assert_eq!(finished.load(Ordering::Relaxed), 2);
        finisher.join().unwrap();
    });
}
