//! A grant that races the death of the process that it is for, ten thousand times, without a
//! process: the driver's part is played by the test.

use std::sync::Arc;
use std::task::Waker;
use std::thread;

use super::held::AnyQueue;
use super::leases::Leases;
use super::passing::Objects;
use super::registry::{Handle, Registry};
use super::wire::{Answer, Request, Status, Verb, item, limit};
use super::words::Words;
use super::{HubRef, Semaphore};
use crate::frame::HEADER;
use crate::sys::Claims;

const ROUNDS: u64 = 10_000;

/// Has a process ask for something without a limit.
fn ask(leases: &mut Leases, verb: Verb, object: u64, number: u64, second: u64) {
    let frame = Request::new(verb, object, limit(None), second).frame(number, 0);
    leases.take(number, &frame[HEADER..]).unwrap();
}

/// Returns what a process has that was given the object of a handle, and the number of that.
fn given<W>(handle: &Handle<W>, claims: &Arc<Claims>) -> (Leases, u64) {
    let Handle::Here { object, .. } = handle else {
        unreachable!("it was made here");
    };
    let mut leases = Leases::new(claims);
    let here = vec![Arc::clone(object)];
    let there = Vec::new();
    leases.hand(&Objects { here, there });
    (leases, object.number)
}

/// Calls both at about the same time.
fn race(round: u64, one: impl FnOnce() + Send, other: impl FnOnce()) {
    thread::scope(|scope| {
        scope.spawn(one);
        // A thread takes some microseconds to start.
        (0..round % 97 * 50).for_each(|_| std::hint::spin_loop());
        other();
    });
}

#[test]
fn a_permit_that_is_granted_at_a_death_is_lost_or_doubled_in_no_round() {
    let hub = HubRef::new(&Registry::new());
    let claims = Arc::new(Claims::create().unwrap().0);
    let keys: Semaphore = hub.semaphore(1);
    let mut granted = 0;
    for round in 0..ROUNDS {
        let (mut leases, object) = given(keys.handle(), &claims);
        let held = keys.acquire().unwrap();
        ask(&mut leases, Verb::Acquire, object, 1, 1);
        race(
            round,
            || drop(held),
            || {
                leases.poll_ready(Waker::noop());
                granted += usize::from(leases.take_out().is_some());
                leases.end();
            },
        );
        assert_eq!(keys.available_permits(), 1, "in round {round}");
        assert!(keys.try_acquire().is_ok());
    }
    assert!(granted > 0 && granted < ROUNDS as usize, "{granted}");
}

#[test]
fn an_item_that_is_granted_at_a_death_is_lost_or_doubled_in_no_round() {
    let hub = HubRef::new(&Registry::new());
    let claims = Arc::new(Claims::create().unwrap().0);
    let queue = hub.queue::<u64>(None);
    let mut granted = 0;
    for round in 0..ROUNDS {
        let (mut leases, object) = given(&queue.handle, &claims);
        ask(&mut leases, Verb::Get, object, 1, 0);
        race(
            round,
            || queue.put(round).unwrap(),
            || {
                leases.poll_ready(Waker::noop());
                granted += usize::from(leases.take_out().is_some());
                leases.end();
            },
        );
        assert_eq!(
            (queue.len(), queue.unfinished()),
            (1, 1),
            "in round {round}"
        );
        assert_eq!(queue.try_get(), Ok(round));
        queue.task_done().unwrap();
    }
    assert!(granted > 0 && granted < ROUNDS as usize, "{granted}");
}

/// A process that has used many queues, one after the other, still has words for the next.
#[test]
fn words_of_queues_that_are_gone_are_used_again() {
    let hub = HubRef::new(&Registry::new());
    let mut leases = Leases::new(&Arc::new(Claims::create().unwrap().0));
    for round in 0..100 {
        let queue = hub.queue::<u64>(None);
        let Handle::Here { what, object } = &queue.handle else {
            unreachable!("it was made here");
        };
        let here = vec![Arc::clone(object)];
        let there = Vec::new();
        leases.hand(&Objects { here, there });
        let item = [&item::head([].into_iter())[..], &[7]].concat();
        let put = Request::new(Verb::Put, object.number, 0, 0).frame(1, item.len());
        leases.take(1, &[&put[HEADER..], &item].concat()).unwrap();
        let out = leases.take_out().unwrap();
        let (answer, _) = Answer::parse(&out[HEADER..]).unwrap();
        assert_eq!(answer.status, Status::Yes);
        assert!(answer.number > 0, "it has no credit in round {round}");
        let gone = Request::new(Verb::Gone, object.number, 1, 0).frame(2, 0);
        leases.take(2, &gone[HEADER..]).unwrap();
        assert!(!leases.are_used());
        // What it might have put by credit does not hold up the end.
        what.close();
        assert_eq!(queue.iter().count(), 1);
    }
}

/// What no worker of ours sends ends the process, and has no effect.
#[test]
fn messages_that_are_made_up_have_no_effect() {
    let hub = HubRef::new(&Registry::new());
    let claims = Arc::new(Claims::create().unwrap().0);
    let (keys, other) = (hub.semaphore(1), hub.queue::<u64>(None));
    let (mut leases, object) = given(keys.handle(), &claims);
    let mut take = |verb, object, first, second, rest: &[u8]| {
        let frame = Request::new(verb, object, first, second).frame(1, rest.len());
        leases.take(1, &[&frame[HEADER..], rest].concat())
    };
    // No lease, and leases that are given back twice.
    for verb in [
        Verb::Release,
        Verb::Forget,
        Verb::Taken,
        Verb::Done,
        Verb::GiveBack,
    ] {
        assert_eq!(take(verb, object, 7, 0, &[]), Ok(()));
        assert_eq!(take(verb, object, 7, 1, &[]), Ok(()));
    }
    assert_eq!(take(Verb::Abandon, object, 7, 0, &[]), Ok(()));
    // An object that it was not given, a verb of another kind, and items that are damaged.
    let Handle::Here { object: queue, .. } = &other.handle else {
        unreachable!("it was made here");
    };
    assert!(take(Verb::Get, queue.number, 0, 0, &[]).is_err());
    assert!(take(Verb::Get, object, 0, 0, &[]).is_err());
    assert!(take(Verb::Put, object, 0, 0, &[]).is_err());
    assert!(take(Verb::GiveBack, object, 7, 0, &[1, 2]).is_err());
    assert!(take(Verb::Put, object, 0, 0, &[255; 12]).is_err());
    assert_eq!(keys.available_permits(), 1);
}

#[test]
fn nothing_is_sent_ahead_while_somebody_wants_an_item() {
    let hub = HubRef::new(&Registry::new());
    let queue = hub.queue::<u64>(None);
    (0..5).for_each(|number| queue.put(number).unwrap());
    let Handle::Here { what, .. } = &queue.handle else {
        unreachable!("it was made here");
    };
    let flow = what.flow().unwrap();
    let words = Words::new(&Arc::new(Claims::create().unwrap().0));
    let several = || (0..3).for_each(|_| drop(flow.recall_for(Some(&words))));
    several();
    let sending = flow.begin_to_send(&words).unwrap();
    assert_eq!(sending.most, 2, "it came three times in a row");
    let send = || sending.send(&words, 1, what.try_get(None).ok().unwrap(), |_, _| ());
    assert!(send());
    assert_eq!((queue.len(), what.settled().len()), (5, 4));
    // From now on somebody wants one, and has what was sent before.
    let wanting = flow.recall();
    assert!(!send());
    drop(sending);
    several();
    assert!(flow.begin_to_send(&words).is_none());
    assert_eq!((queue.len(), what.settled().len()), (5, 5));
    drop(wanting);
    assert!(flow.begin_to_send(&words).is_some());
    assert!((0..5).all(|number| queue.try_get() == Ok(number)));
}
