//! A process that dies fails its own job, and nothing else.

use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use crate::jobs::{self, Child, Death, Poison, Trouble};
use crate::runner::tests;
use crate::support::{
    Sign, assert_works, builder, children, descriptors, error, is_alive, kill, lost, outcome, pool,
    until,
};

tests! {
    each_death_of_a_running_job_is_told
    each_death_with_jobs_sent_ahead_costs_none_of_them
    a_process_that_dies_in_the_argument_fails_that_job
    a_process_that_dies_in_the_result_fails_that_job
    a_process_that_dies_while_it_writes_a_large_result_fails_that_job_or_none
    a_process_that_dies_idle_is_replaced
    a_process_that_is_killed_from_outside_is_replaced
    a_job_that_takes_too_much_memory_is_lost_and_says_so
    a_memory_limit_above_that_of_the_parent_is_no_error
    a_job_that_closes_the_standard_descriptors_is_harmless
    a_job_that_closes_its_socket_is_lost
    a_stopped_process_is_killed_by_the_time_limit
    a_process_that_takes_nothing_is_replaced_by_the_time_limit
    a_stopped_process_is_killed_by_a_cancel
    a_forked_grandchild_does_not_hide_the_death
    a_grandchild_in_the_group_ends_with_its_process
    a_grandchild_that_has_left_the_group_lives_on
    the_last_words_of_a_process_are_in_the_error
    standard_error_comes_in_order_however_slowly_it_is_read
    a_job_is_tried_again_as_often_as_it_may
    the_thread_that_started_a_process_may_end
    a_thousand_endings_leave_nothing_behind
}

fn each_death_of_a_running_job_is_told() {
    let pool = pool(1);
    for (death, told) in [
        (Death::Signal(9), "was ended by signal 9"),
        (Death::Signal(15), "was ended by signal 15"),
        (Death::Abort, "was ended by signal 6"),
        (Death::Null, "was ended by signal 11"),
        (Death::Overflow, "was ended by signal 6"),
        (Death::Exit(0), "exited with status 0"),
        (Death::Exit(3), "exited with status 3"),
    ] {
        let handle = pool.submit(jobs::die, death);
        assert_eq!(lost(handle), told, "{death:?}");
    }
    assert_works(&pool);
    assert_eq!(pool.metrics().lost_jobs, 7);
    pool.shutdown();
    assert_eq!(children(), 0);
}

fn each_death_with_jobs_sent_ahead_costs_none_of_them() {
    let pool = pool(1);
    for round in 0..100 {
        let dying = pool.submit(jobs::die, Death::Exit(round));
        let behind: Vec<_> = (0..3).map(|n| pool.submit(jobs::square, n)).collect();
        assert_eq!(lost(dying), format!("exited with status {round}"));
        for (n, handle) in (0..).zip(behind) {
            assert_eq!(outcome(handle).unwrap(), n * n);
        }
    }
}

fn a_process_that_dies_in_the_argument_fails_that_job() {
    let pool = pool(1);
    let (dying, behind) = (
        pool.submit(jobs::take, Poison(Trouble::Death)),
        pool.submit(jobs::square, 3),
    );
    assert_eq!(lost(dying), "was ended by signal 6");
    assert_eq!(outcome(behind).unwrap(), 9);
}

fn a_process_that_dies_in_the_result_fails_that_job() {
    let pool = pool(1);
    let (dying, behind) = (
        pool.submit(jobs::make, (Trouble::Death, false)),
        pool.submit(jobs::square, 3),
    );
    assert_eq!(lost(dying), "was ended by signal 6");
    assert_eq!(outcome(behind).unwrap(), 9);
}

fn a_process_that_dies_while_it_writes_a_large_result_fails_that_job_or_none() {
    let pool = pool(1);
    let mut ends = [0, 0];
    for round in 0..60 {
        let large = pool.submit(jobs::big_and_die, round * 200);
        match outcome(large) {
            Ok(bytes) => {
                assert!(bytes.len() == 8 << 20 && bytes.iter().all(|it| *it == 7));
                ends[0] += 1;
            }
            Err(error) => {
                assert!(error.is_lost(), "{error}");
                ends[1] += 1;
            }
        }
        // Its process dies soon, with the next job or without.
        let _ = outcome(pool.retries(5).submit(jobs::square, 3));
    }
    assert!(ends[1] > 0, "{ends:?}");
}

fn a_process_that_dies_idle_is_replaced() {
    let pool = pool(1);
    for round in 0..20 {
        // It may die before its answer is out.
        let _ = outcome(pool.submit(jobs::die_later, round * 100));
        until(|| pool.metrics().died == round + 1);
        assert_works(&pool);
    }
}

fn a_process_that_is_killed_from_outside_is_replaced() {
    let pool = builder(2).min_processes(2).build().unwrap();
    until(|| pool.metrics().idle_processes == 2);
    let sign = Sign::new();
    let hanging = pool.submit(jobs::begin_and_hang, sign.text());
    kill(sign.wait().parse().unwrap(), Signal::KILL);
    assert_eq!(lost(hanging), "was ended by signal 9");
    until(|| pool.metrics().idle_processes == 2);
    assert_works(&pool);
}

fn a_job_that_takes_too_much_memory_is_lost_and_says_so() {
    let pool = builder(1).memory_limit(600 << 20).build().unwrap();
    assert_eq!(
        outcome(pool.submit(jobs::limits, ())).unwrap(),
        Some(600 << 20)
    );
    let error = error(pool.submit(jobs::die, Death::Memory));
    let lost = error.as_lost().unwrap();
    assert_eq!(lost.end(), "was ended by signal 6");
    let words = lost.standard_error().unwrap();
    assert!(words.contains("memory allocation of"), "{words}");
    assert_works(&pool);
}

fn a_memory_limit_above_that_of_the_parent_is_no_error() {
    let most = Some(8 << 30);
    let limit = rustix::process::Rlimit {
        current: most,
        maximum: most,
    };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
    let pool = builder(1).memory_limit(16 << 30).build().unwrap();
    assert_eq!(outcome(pool.submit(jobs::limits, ())).unwrap(), most);
}

fn a_job_that_closes_the_standard_descriptors_is_harmless() {
    let pool = pool(1);
    outcome(pool.submit(jobs::close_standard, ())).unwrap();
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

fn a_job_that_closes_its_socket_is_lost() {
    let pool = pool(1);
    // Its answer has no way; how the process ends then is its own affair.
    lost(pool.submit(jobs::close_others, false));
    assert_works(&pool);
    let limited = pool.timeout(std::time::Duration::from_millis(50));
    let told = lost(limited.submit(jobs::close_others, true));
    assert!(
        told.contains("longer than 50ms") || told.ends_with("signal 9"),
        "{told}"
    );
    assert_works(&pool);
}

fn stop(pool: &workmill_process::ProcessPoolRef) -> workmill::JoinHandle<()> {
    let sign = Sign::new();
    let handle = pool.submit(jobs::begin_and_hang, sign.text());
    kill(sign.wait().parse().unwrap(), Signal::STOP);
    handle
}

fn a_stopped_process_is_killed_by_the_time_limit() {
    let pool = pool(1);
    let limited = pool.timeout(std::time::Duration::from_millis(300));
    let told = lost(stop(&limited));
    assert_eq!(told, "was killed, since the job ran for longer than 300ms");
    assert_works(&pool);
}

fn a_process_that_takes_nothing_is_replaced_by_the_time_limit() {
    let pool = pool(1);
    let process = outcome(pool.submit(jobs::id, ())).unwrap();
    kill(process, Signal::STOP);
    let limited = pool.timeout(std::time::Duration::from_millis(300));
    let handles: Vec<_> = (0..3).map(|n| limited.submit(jobs::square, n)).collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(outcome(handle).unwrap(), n * n);
    }
    assert_eq!((pool.metrics().died, pool.metrics().lost_jobs), (1, 0));
    // A limit that no process can keep to ends, too.
    let hopeless = pool.timeout(std::time::Duration::from_nanos(1));
    assert!(
        outcome(hopeless.submit(jobs::hang, ()))
            .unwrap_err()
            .is_lost()
    );
    assert_works(&pool);
}

fn a_stopped_process_is_killed_by_a_cancel() {
    let pool = pool(1);
    let handle = stop(&pool);
    assert!(handle.cancel());
    assert!(error(handle).is_cancelled());
    assert_works(&pool);
}

fn family(child: Child, and_die: bool) -> (workmill_process::ProcessPoolExecutor, [u32; 2]) {
    let pool = pool(1);
    let sign = Sign::new();
    let handle = pool.submit(jobs::begin_and_spawn, (child, sign.text(), and_die));
    let numbers: Vec<u32> = sign
        .wait()
        .split(' ')
        .map(|it| it.parse().unwrap())
        .collect();
    if child == Child::Away {
        // It leads a session of its own soon, and with it a group of its own. The group is asked
        // for, since the session before may have begun outside of this namespace: it has no number
        // here, and rustix cannot say so.
        let pid = rustix::process::Pid::from_raw(numbers[1] as i32);
        until(|| rustix::process::getpgid(pid).ok() == pid);
    }
    if !and_die {
        kill(numbers[0], Signal::KILL);
    }
    assert_eq!(lost(handle), "was ended by signal 9");
    assert_works(&pool);
    (pool, [numbers[0], numbers[1]])
}

fn a_forked_grandchild_does_not_hide_the_death() {
    for and_die in [false, true] {
        let (_pool, [process, grandchild]) = family(Child::Forked, and_die);
        assert!(!is_alive(process));
        until(|| !is_alive(grandchild));
    }
}

fn a_grandchild_in_the_group_ends_with_its_process() {
    for and_die in [false, true] {
        let (_pool, [process, grandchild]) = family(Child::Executed, and_die);
        assert!(!is_alive(process));
        until(|| !is_alive(grandchild));
    }
}

fn a_grandchild_that_has_left_the_group_lives_on() {
    let (pool, [_, grandchild]) = family(Child::Away, false);
    pool.shutdown();
    assert!(is_alive(grandchild));
    kill(grandchild, Signal::KILL);
}

fn standard_error_comes_in_order_however_slowly_it_is_read() {
    let (read, full) = rustix::pipe::pipe().unwrap();
    let ours = rustix::io::dup(std::io::stderr()).unwrap();
    rustix::stdio::dup2_stderr(&full).unwrap();
    drop(full);
    let pool = pool(1);
    let handle = pool.submit(jobs::count_and_die, 30_000);
    // Slowly, so that there is more when the process dies than the pipe has room for.
    let reader = std::thread::spawn(move || {
        let (mut text, mut some) = (Vec::new(), [0; 512]);
        loop {
            match rustix::io::read(&read, &mut some).unwrap() {
                0 => return text,
                bytes => text.extend(&some[..bytes]),
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    });
    assert_eq!(lost(handle), "was ended by signal 6");
    pool.shutdown();
    rustix::stdio::dup2_stderr(ours).unwrap();
    let text = String::from_utf8(reader.join().unwrap()).unwrap();
    let is_in_order = text
        .lines()
        .zip(0..)
        .all(|(line, n)| line == format!("line {n:06}"));
    assert!(is_in_order && text.lines().count() == 30_000, "{text}");
}

fn the_last_words_of_a_process_are_in_the_error() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ends);
    let note = move |end: &workmill_process::ProcessEnd| seen.lock().unwrap().push(end.clone());
    let pool = builder(1)
        .last_words(20)
        .on_process_end(note)
        .build()
        .unwrap();
    let text = "a long text, of which the end is kept";
    outcome(pool.submit(jobs::print, text.to_owned())).unwrap();
    let error = error(pool.submit(jobs::die, Death::Exit(1)));
    let lost = error.as_lost().unwrap();
    assert_eq!(lost.standard_error(), Some("ich the end is kept\n"));
    assert!(lost.subject().starts_with("the process "));
    assert!(
        error
            .to_string()
            .starts_with("the task die was lost: the process "),
        "{error}"
    );
    pool.shutdown();
    let ends = ends.lock().unwrap();
    assert_eq!(ends.len(), 1);
    assert!(!ends[0].is_expected && ends[0].standard_error.ends_with("kept\n"));
    assert_eq!(ends[0].status.unwrap().code(), Some(1));
}

fn a_job_is_tried_again_as_often_as_it_may() {
    let pool = builder(1).retries(2).build().unwrap();
    assert_eq!(outcome(pool.submit(jobs::die_at_first, 2)).unwrap(), 3);
    assert_eq!(
        lost(pool.submit(jobs::die_at_first, 3)),
        "was ended by signal 6"
    );
    assert_eq!(
        lost(pool.retries(0).submit(jobs::die_at_first, 1)),
        "was ended by signal 6"
    );
    assert_eq!(pool.metrics().died, 2 + 3 + 1);
}

fn the_thread_that_started_a_process_may_end() {
    let pool = pool(2);
    let handle = std::thread::scope(|scope| {
        let start = || pool.submit(jobs::nap, 300);
        scope.spawn(start).join().unwrap()
    });
    outcome(handle).unwrap();
    assert_works(&pool);
}

fn a_thousand_endings_leave_nothing_behind() {
    let deaths = [Death::Signal(9), Death::Exit(3), Death::Abort];
    let round = |rounds: usize| {
        let pool = pool(2);
        for at in 0..rounds {
            let handle = pool.submit(jobs::die, deaths[at % 3]);
            match at % 4 {
                0 if handle.cancel() => assert!(error(handle).is_cancelled()),
                _ => drop(outcome(handle)),
            }
        }
        pool.shutdown();
        (children(), descriptors())
    };
    // The threads that stay have their descriptors.
    let before = round(20);
    assert_eq!(before.0, 0);
    assert_eq!(round(1000), before);
}
