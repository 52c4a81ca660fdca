//! Pipes: items arrive whole, in order, or not at all; and each end learns when the other has gone.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use workmill_process::workmill::ThreadPoolExecutor;
use workmill_process::{Bytes, Connection, Jobs, PipeError, SharedValue, pipe};

use crate::runner::tests;
use crate::support::{HANG, outcome, pool, until};

tests! {
    both_ends_in_one_process_work
    both_ends_in_two_processes_work
    an_end_goes_to_a_process_and_comes_back
    every_size_comes_through_a_pipe
    items_arrive_in_order_in_all_forms
    an_end_that_has_gone_ends_the_other_after_what_was_sent
    an_end_that_goes_without_reading_is_the_end_all_the_same
    a_thread_that_waits_learns_that_the_other_end_has_gone
    a_full_pipe_is_told_and_gives_way_again
    an_item_that_is_larger_than_the_pipe_waits_for_a_receiver
    threads_that_send_by_one_end_do_not_mix_their_items
    threads_that_receive_by_one_end_get_each_item_once
    tasks_that_wait_give_their_slots_away
    items_bring_connections_and_shared_values
    waits_cost_nothing
}

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("pipe::squares", squares)
        .with("pipe::bring_back", bring_back)
        .with("pipe::echo_all", echo_all)
        .with("pipe::call_back", call_back)
        .with("pipe::wait_idly", wait_idly)
}

pub(crate) fn squares(end: Connection<u64, u64>) -> u64 {
    let mut answered = 0;
    for number in end.iter() {
        let number = number.unwrap();
        end.send(&(number * number)).unwrap();
        answered += 1;
    }
    answered
}

pub(crate) fn echo_all(end: Connection<Bytes, Bytes>) {
    end.iter()
        .for_each(|item| end.send(&item.unwrap()).unwrap());
}

pub(crate) fn bytes(size: usize) -> Bytes {
    (0..size)
        .map(|at| (at % 251) as u8)
        .collect::<Vec<_>>()
        .into()
}

fn both_ends_in_one_process_work() {
    let (here, there) = pipe::<String, u32>().unwrap();
    here.send(&"one".to_owned()).unwrap();
    here.send(&"two".to_owned()).unwrap();
    there.send(&3).unwrap();
    assert_eq!(there.recv().unwrap(), "one");
    assert_eq!(here.recv().unwrap(), 3);
    assert_eq!(there.recv().unwrap(), "two");
}

fn both_ends_in_two_processes_work() {
    let pool = pool(2);
    let (first, second) = pipe().unwrap();
    let answers = pool.submit(squares, first);
    let asks = pool.submit(call_back, second);
    assert_eq!(outcome(asks).unwrap(), 81);
    assert_eq!(outcome(answers).unwrap(), 1);
}

/// Asks for one square.
fn call_back(end: Connection<u64, u64>) -> u64 {
    end.send(&9).unwrap();
    end.recv_timeout(HANG).unwrap()
}

/// Sends by an end and returns it.
fn bring_back(end: Connection<u8, u8>) -> Connection<u8, u8> {
    end.send(&1).unwrap();
    end
}

fn an_end_goes_to_a_process_and_comes_back() {
    let pool = pool(1);
    let (here, there) = pipe().unwrap();
    let there = outcome(pool.submit(bring_back, there)).unwrap();
    assert_eq!(here.recv().unwrap(), 1);
    here.send(&2).unwrap();
    assert_eq!(there.recv().unwrap(), 2);
    drop(there);
    assert!(here.recv_timeout(HANG).unwrap_err().is_closed());
}

fn every_size_comes_through_a_pipe() {
    let pool = pool(1);
    let (here, there) = pipe().unwrap();
    let echoes = pool.submit(echo_all, there);
    let packet = (32 << 10) - 8;
    let sizes = [
        0_usize,
        1,
        127,
        128,
        packet - 3,
        packet,
        2 * packet,
        3 << 20,
    ];
    for size in sizes
        .iter()
        .flat_map(|size| [size + 1, *size, size.saturating_sub(1)])
    {
        thread::scope(|scope| {
            scope.spawn(|| here.send(&bytes(size)).unwrap());
            assert!(here.recv_timeout(HANG).unwrap() == bytes(size), "{size}");
        });
    }
    drop(here);
    outcome(echoes).unwrap();
}

fn items_arrive_in_order_in_all_forms() {
    let pool = pool(1);
    let (here, there) = pipe().unwrap();
    let answers = pool.submit(squares, there);
    for n in 0..200_u64 {
        match n % 4 {
            0 => here.send(&n).unwrap(),
            1 => here.try_send(&n).unwrap(),
            2 => here.send_timeout(&n, HANG).unwrap(),
            _ => block_on(here.send_async(&n)).unwrap(),
        }
        if n % 8 == 7 {
            for n in n - 7..=n {
                let got = match n % 3 {
                    0 => here.recv(),
                    1 => here.recv_timeout(HANG),
                    _ => block_on(here.recv_async()),
                };
                assert_eq!(got.unwrap(), n * n);
            }
        }
    }
    assert!(here.try_recv().unwrap_err().is_empty());
    here.send(&5).unwrap();
    until(|| match here.try_recv() {
        Ok(square) => square == 25,
        Err(error) => !error.is_empty(),
    });
    drop(here);
    assert_eq!(outcome(answers).unwrap(), 201);
}

fn an_end_that_has_gone_ends_the_other_after_what_was_sent() {
    let (here, there) = pipe::<u8, ()>().unwrap();
    here.send(&1).unwrap();
    here.send(&2).unwrap();
    drop(here);
    assert_eq!(there.recv().unwrap(), 1);
    let rest: Result<Vec<_>, PipeError> = there.iter().collect();
    assert_eq!(rest.unwrap(), [2]);
    for error in [
        there.recv().unwrap_err(),
        there.try_recv().unwrap_err(),
        there.recv_timeout(HANG).unwrap_err(),
        block_on(there.recv_async()).unwrap_err(),
        there.send(&()).unwrap_err(),
        there.try_send(&()).unwrap_err(),
        there.send_timeout(&(), HANG).unwrap_err(),
        block_on(there.send_async(&())).unwrap_err(),
    ] {
        assert!(error.is_closed(), "{error}");
    }
}

fn an_end_that_goes_without_reading_is_the_end_all_the_same() {
    let (here, there) = pipe::<u8, u8>().unwrap();
    there.send(&1).unwrap(); // which `here` never reads
    here.send(&2).unwrap();
    here.send(&3).unwrap();
    drop(here);
    assert_eq!(there.recv().unwrap(), 2);
    assert_eq!(there.recv().unwrap(), 3);
    assert!(there.recv().unwrap_err().is_closed());
    assert!(there.send(&4).unwrap_err().is_closed());
}

fn a_thread_that_waits_learns_that_the_other_end_has_gone() {
    let (here, there) = pipe::<u8, u8>().unwrap();
    let (big, never) = pipe::<Bytes, ()>().unwrap();
    let waits = [
        thread::spawn(move || there.recv().unwrap_err().is_closed()),
        thread::spawn(move || {
            let sent = block_on(big.send_async(&bytes(10 << 20)));
            sent.unwrap_err().is_closed()
        }),
    ];
    // Something has come of the second, so it waits, or is about to.
    until(|| never.try_recv().unwrap_err().is_empty());
    drop((here, never));
    waits
        .into_iter()
        .for_each(|wait| assert!(wait.join().unwrap()));
}

fn a_full_pipe_is_told_and_gives_way_again() {
    let (here, there) = pipe::<u64, ()>().unwrap();
    let mut sent = 0;
    while here.try_send(&sent).is_ok() {
        sent += 1;
    }
    assert!(sent > 50, "{sent}");
    assert!(here.try_send(&sent).unwrap_err().is_full());
    let short = Duration::from_millis(5);
    assert!(here.send_timeout(&sent, short).unwrap_err().is_full());
    // The system tells of room when some of it is free.
    thread::scope(|scope| {
        let sends = scope.spawn(|| here.send(&sent));
        let received: Vec<_> = (0..=sent).map(|_| there.recv().unwrap()).collect();
        assert_eq!(received, (0..=sent).collect::<Vec<_>>());
        sends.join().unwrap().unwrap();
    });
}

fn an_item_that_is_larger_than_the_pipe_waits_for_a_receiver() {
    let (here, there) = pipe::<Bytes, ()>().unwrap();
    let item = bytes(5 << 20);
    assert!(here.try_send(&item).unwrap_err().is_full());
    thread::scope(|scope| {
        scope.spawn(|| here.send(&item).unwrap());
        assert!(there.recv().unwrap() == item);
    });
    thread::scope(|scope| {
        // The future does not borrow the item.
        let sends = here.send_async(&bytes(5 << 20));
        scope.spawn(|| block_on(sends).unwrap());
        assert!(block_on(there.recv_async()).unwrap() == item);
    });
    assert!(there.try_recv().unwrap_err().is_empty());
}

fn threads_that_send_by_one_end_do_not_mix_their_items() {
    let (here, there) = pipe::<(u8, u32, Bytes), ()>().unwrap();
    let here = &here;
    thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for n in 0..50 {
                    let item = (thread, n, vec![thread; 50_000].into());
                    match n % 3 {
                        0 => here.send(&item).unwrap(),
                        1 => here.send_timeout(&item, HANG).unwrap(),
                        _ => block_on(here.send_async(&item)).unwrap(),
                    }
                }
            });
        }
        let mut next = [0; 4];
        for _ in 0..200 {
            let (thread, n, item) = there.recv_timeout(HANG).unwrap();
            assert!(item.len() == 50_000 && item.iter().all(|it| *it == thread));
            assert_eq!(n, next[usize::from(thread)]);
            next[usize::from(thread)] += 1;
        }
    });
}

fn threads_that_receive_by_one_end_get_each_item_once() {
    let (here, there) = pipe::<u32, ()>().unwrap();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let there = &there;
        for receiver in 0..4 {
            let tell = tell.clone();
            scope.spawn(move || {
                loop {
                    let item = match receiver % 3 {
                        0 => there.recv(),
                        1 => there.recv_timeout(HANG),
                        _ => block_on(there.recv_async()),
                    };
                    match item {
                        Ok(item) => tell.send(item).unwrap(),
                        Err(error) => return assert!(error.is_closed(), "{error}"),
                    }
                }
            });
        }
        (0..1000).for_each(|n| here.send(&n).unwrap());
        drop(here);
    });
    drop(tell);
    let mut all: Vec<_> = told.iter().collect();
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

fn tasks_that_wait_give_their_slots_away() {
    let pool = ThreadPoolExecutor::new(1).unwrap();
    let (here, there) = pipe::<Bytes, u8>().unwrap();
    let receives = pool.submit(move || {
        let item = there.recv().unwrap();
        there.send(&1).unwrap();
        item.len()
    });
    let sends = pool.submit(move || {
        here.send(&bytes(3 << 20)).unwrap();
        here.recv().unwrap()
    });
    assert_eq!(outcome(sends).unwrap(), 1);
    assert_eq!(outcome(receives).unwrap(), 3 << 20);
}

fn items_bring_connections_and_shared_values() {
    let pool = pool(1);
    let (here, there) = pipe::<(Connection<u64, u64>, SharedValue<u64>), ()>().unwrap();
    let (ask, answer) = pipe().unwrap();
    let value = SharedValue::new(5_u64).unwrap();
    here.send(&(answer, value.clone())).unwrap();
    let (answer, same) = there.recv().unwrap();
    same.store(6, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(value.load(std::sync::atomic::Ordering::SeqCst), 6);
    let answers = pool.submit(squares, answer);
    ask.send(&6).unwrap();
    assert_eq!(ask.recv_timeout(HANG).unwrap(), 36);
    drop(ask);
    assert_eq!(outcome(answers).unwrap(), 1);
}

/// Waits for an item that never comes. Returns how often it was woken meanwhile, by its thread.
fn wait_idly(end: Connection<(), ()>) -> u64 {
    let before = switches();
    assert!(end.recv().unwrap_err().is_closed());
    switches() - before
}

/// Returns the number of context switches of this thread.
fn switches() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
    let number = |line: &str| line.split_whitespace().last()?.parse::<u64>().ok();
    counts.filter_map(number).sum()
}

fn waits_cost_nothing() {
    let pool = pool(1);
    let (here, there) = pipe::<(), ()>().unwrap();
    let waits = pool.submit(wait_idly, there);
    // That is what is measured: nothing happens in all that time.
    thread::sleep(Duration::from_secs(1));
    drop(here);
    let woken = outcome(waits).unwrap();
    assert!(woken < 5, "{woken}");
}
