//! The methods that a process pool has of a thread pool's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use workmill_process::workmill::{
    DropBehavior, Every, Overflow, Priority, ThreadPoolExecutor, WaitFor, wait,
};
use workmill_process::{JobExecutor, ProcessPoolExecutor};

use crate::jobs;
use crate::runner::tests;
use crate::support::{
    HANG, Sign, assert_works, builder, children, error, lost, outcome, path, pool, until,
};

tests! {
    results_come_back_in_every_way_of_waiting
    jobs_run_in_as_many_processes_as_there_may_be
    one_process_runs_jobs_in_the_order_of_their_submission
    a_job_knows_itself
    jobs_of_several_executors_have_different_keys
    any_number_of_processes_may_be_allowed
    a_full_pool_gives_arguments_back_to_callers_that_ask
    a_full_pool_refuses_or_drops_as_its_policy_says
    a_full_pool_has_its_submitter_wait
    execute_reports_what_no_handle_returns
    a_job_runs_when_it_is_due
    a_job_that_is_not_due_is_cancelled_by_the_handle_and_by_the_end
    a_series_runs_until_it_is_cancelled
    wait_idle_waits_for_jobs
    every_shutdown_ends_all_processes
    a_shutdown_in_time_names_what_runs
    a_drop_waits_cancels_or_detaches
    processes_end_after_keep_alive_and_as_few_as_may_be_stay
    processes_are_replaced_after_so_many_jobs
    hooks_hear_of_processes
    a_hook_that_panics_harms_nothing
    priorities_and_groups_are_those_of_threads
    a_group_ends_alone
    one_program_runs_on_threads_or_processes
    a_loss_is_a_failure_for_those_that_wait
    numbers_that_make_no_sense_are_refused
    callbacks_are_called
    a_callback_may_end_the_pool
    a_callback_does_not_wait_for_itself
    a_child_of_a_fork_leaves_the_processes_alone
}

fn occupied(pool: &ProcessPoolExecutor) -> (Sign, workmill::JoinHandle<()>) {
    let sign = Sign::new();
    let handle = pool.submit(jobs::begin_and_hang, sign.text());
    sign.wait();
    (sign, handle)
}

fn one_process_runs_jobs_in_the_order_of_their_submission() {
    let (pool, file) = (pool(1), Sign(path()));
    for round in 0..60 {
        let first = pool.submit(jobs::square, 3);
        let lines: Vec<_> = (0..40).map(|n| format!("{round} {n}")).collect();
        let handles = lines.iter().map(|line| (file.text(), line.clone()));
        let handles: Vec<_> = handles.map(|it| pool.submit(jobs::append, it)).collect();
        outcome(first).unwrap();
        handles.into_iter().for_each(|it| outcome(it).unwrap());
        let text = std::fs::read_to_string(&file.0).unwrap();
        assert!(text.lines().eq(lines), "{text}");
        std::fs::remove_file(&file.0).unwrap();
    }
}

fn results_come_back_in_every_way_of_waiting() {
    let pool = pool(2);
    assert_eq!(pool.submit(jobs::square, 3).join().unwrap(), 9);
    assert_eq!(workmill::block_on(pool.submit(jobs::square, 3)).unwrap(), 9);
    assert_eq!(
        futures_lite::future::block_on(pool.submit(jobs::square, 3)).unwrap(),
        9
    );
    let mut handle = pool.submit(jobs::square, 3);
    until(|| handle.is_finished());
    assert_eq!(handle.try_join().unwrap().unwrap(), 9);
    let shared = pool.submit(jobs::square, 4).shared();
    assert_eq!((shared.join().unwrap(), shared.join().unwrap()), (16, 16));
    let threads = ThreadPoolExecutor::new(1).unwrap();
    let waiting = pool.submit(jobs::square, 5);
    assert_eq!(
        threads
            .submit(move || waiting.join().unwrap())
            .join()
            .unwrap(),
        25
    );
}

fn jobs_run_in_as_many_processes_as_there_may_be() {
    let pool = pool(3);
    let naps: Vec<_> = (0..3).map(|_| pool.submit(jobs::nap, 200)).collect();
    until(|| pool.metrics().sent_jobs == 3);
    let ids: std::collections::BTreeSet<_> = (0..30)
        .map(|_| pool.submit(jobs::id, ()))
        .map(|handle| outcome(handle).unwrap())
        .collect();
    assert!((1..=3).contains(&ids.len()) && !ids.contains(&std::process::id()));
    naps.into_iter().for_each(|nap| outcome(nap).unwrap());
    assert_eq!(pool.metrics().processes, 3);
}

fn a_job_knows_itself() {
    let pool = pool(1);
    let [one, other] = [(), ()].map(|()| outcome(pool.submit(jobs::attempt, ())).unwrap());
    assert_eq!((&*one.0, one.2), ("attempt", 1));
    assert_ne!(one.1, other.1);
}

/// A key names one submission, or a server takes two for one.
fn jobs_of_several_executors_have_different_keys() {
    let pools = [pool(1), pool(1)];
    let threads = ThreadPoolExecutor::new(1).unwrap();
    let mut keys: Vec<_> = (0..3)
        .flat_map(|_| pools.each_ref().map(|pool| pool.submit(jobs::attempt, ())))
        .chain((0..3).map(|_| threads.submit_job(jobs::attempt, ())))
        .map(|handle| outcome(handle).unwrap().1)
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 9, "{keys:?}");
}

/// Fills a pool of one process: one job runs, two are sent ahead, one waits.
fn full(overflow: Overflow) -> (ProcessPoolExecutor, Vec<workmill::JoinHandle<()>>) {
    let pool = builder(1)
        .queue_capacity(1)
        .overflow(overflow)
        .build()
        .unwrap();
    let (_, first) = occupied(&pool);
    let ahead = [2, 3].map(|sent| {
        let handle = pool.submit(jobs::nap, 0);
        until(|| pool.metrics().sent_jobs == sent);
        handle
    });
    let waiting = pool.submit(jobs::nap, 0);
    let handles = [first].into_iter().chain(ahead).chain([waiting]);
    (pool, handles.collect())
}

fn a_full_pool_gives_arguments_back_to_callers_that_ask() {
    let (pool, handles) = full(Overflow::Block);
    let refused = pool.try_submit(jobs::boom, "text".to_owned()).unwrap_err();
    assert!(refused.is_full());
    assert_eq!(refused.into_inner(), "text");
    let refused = pool
        .submit_timeout(jobs::square, 3, Duration::from_millis(5))
        .unwrap_err();
    assert_eq!(refused.into_inner(), 3);
    assert!(pool.try_execute(jobs::square, 3).unwrap_err().is_full());
    let waiting = pool.submit_async(jobs::square, 3);
    handles[0].cancel();
    let handle = futures_lite::future::block_on(waiting).unwrap();
    assert_eq!(outcome(handle).unwrap(), 9);
    assert!(pool.submit_timeout(jobs::square, 3, Duration::MAX).is_ok());
    pool.shutdown();
    assert!(pool.try_submit(jobs::square, 3).unwrap_err().is_shutdown());
}

fn a_full_pool_refuses_or_drops_as_its_policy_says() {
    let (pool, handles) = full(Overflow::Reject);
    assert!(error(pool.submit(jobs::square, 3)).is_cancelled());
    handles[0].cancel();
    handles
        .into_iter()
        .skip(1)
        .for_each(|it| outcome(it).unwrap());

    let (pool_of_oldest, mut handles) = full(Overflow::DropOldest);
    let new = pool_of_oldest.submit(jobs::square, 3);
    assert!(error(handles.pop().unwrap()).is_cancelled());
    handles[0].cancel();
    assert_eq!(outcome(new).unwrap(), 9);
    assert_eq!(pool.metrics().rejected_jobs, 1);
}

fn a_full_pool_has_its_submitter_wait() {
    for overflow in [Overflow::Block, Overflow::CallerRuns] {
        let (pool, handles) = full(overflow);
        std::thread::scope(|scope| {
            let submitter = scope.spawn(|| outcome(pool.submit(jobs::square, 3)).unwrap());
            handles[0].cancel();
            assert_eq!(submitter.join().unwrap(), 9);
        });
    }
}

fn execute_reports_what_no_handle_returns() {
    let unseen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&unseen);
    let note = move |error: &workmill::JoinError| {
        sees.lock().unwrap().push(error.to_string());
    };
    let pool = builder(1).on_unseen_error(note).build().unwrap();
    pool.execute(jobs::square, 3);
    pool.execute(jobs::boom, "out of flour".to_owned());
    pool.execute(jobs::die, jobs::Death::Exit(7));
    pool.wait_idle().unwrap();
    let unseen = unseen.lock().unwrap();
    assert_eq!(unseen.len(), 2, "{unseen:?}");
    assert_eq!(unseen[0], "the task boom panicked: out of flour");
    assert!(unseen[1].contains("exited with status 7"));
}

fn a_job_runs_when_it_is_due() {
    let pool = pool(1);
    let began = Instant::now();
    let handle = pool.submit_after(Duration::from_millis(100), jobs::square, 3);
    pool.wait_idle().unwrap();
    assert_eq!(outcome(handle).unwrap(), 9);
    assert!(began.elapsed() >= Duration::from_millis(100));
}

fn a_job_that_is_not_due_is_cancelled_by_the_handle_and_by_the_end() {
    let pool = pool(1);
    let hour = Duration::from_secs(3600);
    let one = pool.submit_after(hour, jobs::square, 3);
    let other = pool.submit_after(hour, jobs::square, 3);
    let sign = Sign::new();
    let due = pool.submit_after(Duration::ZERO, jobs::begin_and_hang, sign.text());
    let process: u32 = sign.wait().parse().unwrap();
    assert!(one.cancel() && error(one).is_cancelled());
    assert!(due.cancel() && error(due).is_cancelled());
    assert!(!crate::support::is_alive(process));
    pool.shutdown();
    let reason = error(other).cancel_reason();
    assert_eq!(reason, Some(workmill::CancelReason::Shutdown));
}

fn a_series_runs_until_it_is_cancelled() {
    let pool = pool(1);
    let file = Sign(path());
    let every = Every::delay(Duration::from_millis(1));
    let series = pool.submit_every(every, jobs::append, (file.text(), "run".to_owned()));
    until(|| std::fs::read_to_string(&file.0).is_ok_and(|text| text.lines().count() >= 3));
    assert!(series.cancel());
    let _ = outcome(series);
    pool.wait_idle().unwrap();
    let count = || std::fs::read_to_string(&file.0).unwrap().lines().count();
    let before = count();
    assert_works(&pool);
    assert_eq!(count(), before);
}

fn wait_idle_waits_for_jobs() {
    let pool = pool(2);
    let handles: Vec<_> = (0..8).map(|_| pool.submit(jobs::nap, 10)).collect();
    assert!(!pool.wait_idle_timeout(Duration::ZERO).unwrap());
    pool.wait_idle().unwrap();
    assert!(handles.iter().all(|handle| handle.is_finished()));
    futures_lite::future::block_on(pool.wait_idle_async()).unwrap();
    assert_works(&pool);
}

fn every_shutdown_ends_all_processes() {
    let end = |shutdown: &dyn Fn(&ProcessPoolExecutor)| {
        let pool = pool(2);
        let handles: Vec<_> = (0..6).map(|_| pool.submit(jobs::nap, 5)).collect();
        shutdown(&pool);
        pool.wait_terminated().unwrap();
        assert!(handles.into_iter().all(|handle| handle.join().is_ok()));
        assert!(pool.is_shutdown() && pool.is_terminated());
        assert_eq!((pool.metrics().processes, children()), (0, 0));
        assert!(error(pool.submit(jobs::square, 3)).is_cancelled());
        pool.shutdown();
    };
    end(&|pool| pool.shutdown());
    end(&|pool| pool.shutdown_timeout(Duration::from_secs(20)).unwrap());
    end(&|pool| assert!(pool.shutdown_timeout(Duration::ZERO).is_err()));
    end(&|pool| futures_lite::future::block_on(pool.shutdown_async()));
    end(&|pool| pool.shutdown_background());
}

fn a_shutdown_in_time_names_what_runs() {
    let pool = pool(1);
    let (sign, handle) = occupied(&pool);
    let busy = pool.shutdown_timeout(Duration::from_millis(5)).unwrap_err();
    let process: u32 = sign.wait().parse().unwrap();
    assert_eq!(
        busy.jobs().collect::<Vec<_>>(),
        [(process, "begin_and_hang")]
    );
    assert!(
        busy.to_string()
            .ends_with(&format!("the process {process} runs begin_and_hang"))
    );
    assert!(!handle.is_finished());
    assert_eq!(pool.shutdown_now(), 1);
    pool.shutdown();
    assert!(error(handle).is_cancelled());
}

fn a_drop_waits_cancels_or_detaches() {
    let built = |behavior| builder(1).on_drop(behavior).build().unwrap();
    let pool = built(DropBehavior::Join);
    let handle = pool.submit(jobs::nap, 20);
    drop(pool);
    assert!(handle.is_finished() && handle.join().is_ok());
    assert_eq!(children(), 0);

    let pool = built(DropBehavior::Cancel);
    let (_, handle) = occupied(&pool);
    drop(pool);
    assert!(handle.is_finished() && handle.join().unwrap_err().is_cancelled());
    assert_eq!(children(), 0);

    let pool = built(DropBehavior::Detach);
    let handle = pool.submit(jobs::nap, 50);
    drop(pool);
    outcome(handle).unwrap();
    until(|| children() == 0);

    let pool = built(DropBehavior::Join);
    let (_, handle) = occupied(&pool);
    let unwinding = move || {
        let _pool = pool;
        panic!("on purpose");
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(unwinding)).is_err());
    assert!(handle.join().unwrap_err().is_cancelled());
}

fn processes_end_after_keep_alive_and_as_few_as_may_be_stay() {
    let time = Duration::from_millis(30);
    let pool = builder(3)
        .min_processes(1)
        .keep_alive(time)
        .build()
        .unwrap();
    let naps: Vec<_> = (0..3).map(|_| pool.submit(jobs::nap, 50)).collect();
    naps.into_iter().for_each(|nap| outcome(nap).unwrap());
    until(|| pool.metrics().processes == 1);
    assert_works(&pool);
    // None has ended that was to stay.
    assert_eq!((pool.metrics().started, pool.metrics().died), (3, 2));
    let pool = builder(1).keep_alive(time).build().unwrap();
    assert_works(&pool);
    until(|| pool.metrics().processes == 0 && children() == 1);
    assert_works(&pool);
}

fn processes_are_replaced_after_so_many_jobs() {
    let pool = builder(1).max_jobs_per_worker(3).build().unwrap();
    let handles: Vec<_> = (0..9).map(|_| pool.submit(jobs::id, ())).collect();
    let ids: Vec<_> = handles
        .into_iter()
        .map(|handle| outcome(handle).unwrap())
        .collect();
    for three in ids.chunks(3) {
        assert!(three.iter().all(|id| id == &three[0]), "{ids:?}");
    }
    assert!(ids[0] != ids[3] && ids[3] != ids[6], "{ids:?}");
}

fn hooks_hear_of_processes() {
    let (started, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (starts, ends) = (Arc::clone(&started), Arc::clone(&ended));
    let pool = builder(1)
        .on_process_start(move |_| _ = starts.fetch_add(1, Ordering::SeqCst))
        .on_process_end(move |_| _ = ends.fetch_add(1, Ordering::SeqCst))
        .build()
        .unwrap();
    let id = outcome(pool.submit(jobs::id, ())).unwrap();
    assert!(id > 0 && started.load(Ordering::SeqCst) == 1);
    outcome(pool.submit(jobs::die, jobs::Death::Abort)).unwrap_err();
    assert_works(&pool);
    pool.shutdown();
    assert_eq!(started.load(Ordering::SeqCst), 2);
    assert_eq!(ended.load(Ordering::SeqCst), 2);
}

fn a_hook_that_panics_harms_nothing() {
    let pool = builder(1)
        .on_process_start(|_| panic!("on purpose"))
        .on_process_end(|_| panic!("on purpose"))
        .on_unseen_error(|_| panic!("on purpose"))
        .build()
        .unwrap();
    pool.execute(jobs::die, jobs::Death::Abort);
    assert_works(&pool);
    pool.shutdown();
    assert_eq!(children(), 0);
}

fn priorities_and_groups_are_those_of_threads() {
    let pool = pool(1);
    let (_, first) = occupied(&pool);
    let file = Sign(path());
    let append = |text: &str| (file.text(), text.to_owned());
    let ahead = [(), ()].map(|()| pool.submit(jobs::append, append("ahead")));
    until(|| pool.metrics().sent_jobs == 3);
    pool.execute(jobs::append, append("normal"));
    pool.priority(Priority::High)
        .named("urgent")
        .execute(jobs::append, append("high"));
    let group = pool.limited(1);
    let grouped: Vec<_> = (0..3)
        .map(|_| group.submit(jobs::append, append("group")))
        .collect();
    first.cancel();
    ahead.into_iter().for_each(|it| outcome(it).unwrap());
    grouped.into_iter().for_each(|it| outcome(it).unwrap());
    pool.wait_idle().unwrap();
    let text = std::fs::read_to_string(&file.0).unwrap();
    assert!(text.starts_with("ahead\nahead\nhigh\n"), "{text}");
    assert_eq!(text.lines().count(), 7);
}

fn a_group_ends_alone() {
    let pool = pool(2);
    let group = pool.limited(1).queue_capacity(2).overflow(Overflow::Reject);
    let sign = Sign::new();
    let running = group.submit(jobs::begin_and_hang, sign.text());
    sign.wait();
    assert_eq!(group.limit(), 1);
    assert!(!group.shutdown_timeout(Duration::from_millis(5)));
    assert_eq!(group.shutdown_now(), 1);
    group.shutdown();
    assert!(error(running).is_cancelled());
    assert!(error(group.submit(jobs::square, 3)).is_cancelled());
    assert_works(&pool);
}

fn one_program_runs_on_threads_or_processes() {
    fn squares(executor: &impl JobExecutor) -> Vec<u64> {
        let handles: Vec<_> = (0..5)
            .map(|n| executor.submit_job(jobs::square, n))
            .collect();
        handles
            .into_iter()
            .map(|handle| outcome(handle).unwrap())
            .collect()
    }
    let processes = pool(2);
    let expected = squares(&ThreadPoolExecutor::new(2).unwrap());
    assert_eq!(squares(&processes), expected);
    assert_eq!(squares(&processes.handle()), expected);
    assert_eq!(squares(&processes.limited(1)), expected);
}

fn a_loss_is_a_failure_for_those_that_wait() {
    let pool = pool(2);
    let mut handles = [
        pool.submit(jobs::hang, ()),
        pool.submit(jobs::die, jobs::Death::Abort),
    ];
    assert_eq!(wait(&mut handles, WaitFor::FirstFailure), [1]);
    let [hanging, dying] = handles;
    assert_eq!(lost(dying), "was ended by signal 6");
    hanging.cancel();
}

fn numbers_that_make_no_sense_are_refused() {
    let kind = |builder: workmill_process::Builder| builder.build().unwrap_err().kind();
    let invalid = std::io::ErrorKind::InvalidInput;
    assert_eq!(kind(builder(0)), invalid);
    assert_eq!(kind(builder(1).min_processes(2)), invalid);
    assert_eq!(kind(builder(1).max_jobs_per_worker(0)), invalid);
    assert_eq!(kind(builder(1).queue_capacity(0)), invalid);
}

fn any_number_of_processes_may_be_allowed() {
    assert_works(&pool(usize::MAX));
    assert_works(&pool(usize::MAX / 2));
}

fn callbacks_are_called() {
    let pool = pool(1);
    let (send, receive) = std::sync::mpsc::channel();
    let sender = send.clone();
    pool.submit(jobs::square, 3)
        .on_done(move |nine| _ = sender.send(nine.is_ok()));
    pool.submit(jobs::boom, String::new())
        .on_done(move |it| _ = send.send(it.is_ok()));
    assert_eq!(receive.iter().collect::<Vec<_>>(), [true, false]);
}

/// The thread that calls it drives the processes: it cannot wait for their end.
fn a_callback_may_end_the_pool() {
    let ends: [fn(ProcessPoolExecutor); 4] = [
        |pool| pool.shutdown(),
        |pool| drop(pool.shutdown_timeout(HANG)),
        |pool| workmill::block_on(pool.shutdown_async()),
        drop,
    ];
    for end in ends {
        let pool = pool(1);
        let observer = pool.handle();
        let (send, receive) = std::sync::mpsc::channel();
        let handle = pool.submit(jobs::nap, 50);
        handle.on_done(move |_| {
            end(pool);
            send.send(()).unwrap();
        });
        receive.recv_timeout(HANG).unwrap();
        assert!(observer.wait_terminated_timeout(HANG).unwrap());
        assert_eq!(children(), 0);
    }
}

fn a_callback_does_not_wait_for_itself() {
    let pool = pool(1);
    let calls: [fn(&workmill_process::ProcessGroup); 6] = [
        |group| assert!(group.wait_idle().is_err()),
        |group| assert!(group.wait_idle_timeout(HANG).is_err()),
        |group| assert!(workmill::block_on(group.wait_idle_async()).is_err()),
        |group| group.shutdown(),
        |group| assert!(!group.shutdown_timeout(HANG)),
        |group| workmill::block_on(group.shutdown_async()),
    ];
    for call in calls {
        let group = pool.limited(1);
        let (send, receive) = std::sync::mpsc::channel();
        let handle = group.submit(jobs::nap, 50);
        handle.on_done(move |_| {
            call(&group);
            send.send(()).unwrap();
        });
        receive.recv_timeout(HANG).unwrap();
    }
}

fn a_child_of_a_fork_leaves_the_processes_alone() {
    let pool = pool(1);
    assert_works(&pool);
    let status = jobs::in_fork(|| {
        let handle = pool.submit(jobs::square, 3);
        let is_refused = handle.join().is_err();
        drop(pool.clone());
        is_refused
    });
    assert!(status);
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}
