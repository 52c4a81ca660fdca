//! Processes that are nobody's pool.

use std::thread;

use rustix::process::Signal;
use workmill_process::{Builder, Hub, ProcessHandle, current_process};

use crate::hub_jobs as hub;
use crate::jobs::{self, Death};
use crate::runner::tests;
use crate::support::{HANG, Sign, children, descriptors, is_alive, kill, until};

tests! {
    a_process_has_a_number_a_name_and_a_result
    a_process_has_ended_when_it_is_joined
    exit_statuses_tell_how_a_process_ended
    a_killed_process_is_lost
    a_process_that_is_killed_before_it_is_started_never_is
    a_process_that_cannot_be_started_says_so
    many_processes_run_at_a_time
    the_drop_of_a_hub_waits_for_its_processes
    the_drop_of_a_hub_ends_the_daemons
    the_drop_of_a_hub_waits_for_a_process_until_that_is_killed
    a_hub_that_is_dropped_while_unwinding_kills_its_processes
    a_hub_that_is_dropped_with_waiters_waits_for_them
    a_hub_that_was_shut_down_starts_nothing
    handles_can_be_awaited_and_dropped
    a_thousand_processes_leave_nothing_behind
}

fn new() -> Hub {
    Hub::new(jobs::jobs()).unwrap()
}

#[track_caller]
fn joined<R>(handle: &mut ProcessHandle<R>) -> Result<R, workmill::JoinError> {
    handle.join_timeout(HANG).expect("the process ends")
}

fn a_process_has_a_number_a_name_and_a_result() {
    let hub = new();
    let mut process = hub.spawn(hub::process_name, ());
    assert_eq!(process.name(), "process-1");
    assert!(!process.is_daemon());
    let (name, id) = joined(&mut process).unwrap();
    assert_eq!((&*name, Some(id)), ("process-1", process.id()));
    let mut named = hub.named("miller").daemon().spawn(hub::process_name, ());
    assert!(named.is_daemon());
    assert_eq!(joined(&mut named).unwrap().0, "miller");
    assert_eq!(hub.spawn(hub::process_name, ()).name(), "process-3");
    assert_eq!(current_process().name(), "main");
    // Those of a pool.
    let pool = crate::support::pool(1);
    assert_eq!(
        pool.submit(hub::process_name, ()).join().unwrap().0,
        "worker-1"
    );
}

fn a_process_has_ended_when_it_is_joined() {
    let hub = new();
    for n in 0..20 {
        let process = hub.spawn(jobs::square, n);
        let id = process.id().unwrap();
        assert_eq!(process.join().unwrap(), n * n);
        assert!(!is_alive(id));
        assert_eq!(children(), 0);
    }
}

fn exit_statuses_tell_how_a_process_ended() {
    use std::os::unix::process::ExitStatusExt;

    let hub = new();
    let mut returned = hub.spawn(jobs::square, 3);
    assert_eq!(joined(&mut returned).unwrap(), 9);
    assert_eq!(returned.exit_status().unwrap().code(), Some(0));
    let mut panicked = hub.spawn(jobs::boom, "on purpose".to_owned());
    assert!(joined(&mut panicked).unwrap_err().is_panic());
    assert_eq!(panicked.exit_status().unwrap().code(), Some(101));
    for (death, code, signal) in [
        (Death::Exit(3), Some(3), None),
        (Death::Signal(9), None, Some(9)),
        (Death::Abort, None, Some(6)),
    ] {
        let mut died = hub.spawn(jobs::die, death);
        let error = joined(&mut died).unwrap_err();
        assert!(error.is_lost(), "{error}");
        let status = died.exit_status().unwrap();
        assert_eq!((status.code(), status.signal()), (code, signal));
    }
    let poison = jobs::Poison(jobs::Trouble::Error);
    let mut refused = hub.spawn(jobs::take, poison);
    assert!(
        joined(&mut refused)
            .unwrap_err()
            .to_string()
            .contains("was not called")
    );
    assert_eq!(refused.exit_status().unwrap().code(), Some(1));
}

fn a_killed_process_is_lost() {
    let hub = new();
    let sign = Sign::new();
    let mut process = hub.spawn(jobs::begin_and_hang, sign.text());
    assert_eq!(sign.wait(), process.id().unwrap().to_string());
    assert!(!process.is_finished() && process.try_join().is_none());
    assert!(process.exit_status().is_none());
    assert!(process.kill());
    let error = joined(&mut process).unwrap_err();
    assert!(
        error.to_string().ends_with("was ended by signal 9"),
        "{error}"
    );
    assert!(!process.kill(), "it has ended");
    // From outside.
    let sign = Sign::new();
    let process = hub.spawn(jobs::begin_and_hang, sign.text());
    kill(sign.wait().parse().unwrap(), Signal::KILL);
    assert!(process.join().unwrap_err().is_lost());
}

fn a_process_that_is_killed_before_it_is_started_never_is() {
    let hub = new();
    let sign = Sign::new();
    for _ in 0..100 {
        let process = hub.spawn(jobs::begin_and_hang, sign.text());
        assert!(process.kill());
        // It may have been started or not, and is gone.
        let id = process.id();
        assert!(process.join().unwrap_err().is_lost());
        assert!(id.is_none_or(|id| !is_alive(id)));
    }
}

fn a_process_that_cannot_be_started_says_so() {
    let builder = Builder::new(jobs::jobs());
    let hub = builder.worker_program("/bin/false").build_hub().unwrap();
    let error = hub.spawn(jobs::square, 3).join().unwrap_err();
    assert!(error.to_string().contains("did not serve"), "{error}");
    let builder = Builder::new(jobs::jobs());
    let hub = builder.worker_program("/not there").build_hub().unwrap();
    let process = hub.spawn(jobs::square, 3);
    assert_eq!(process.id(), None);
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("cannot be started"), "{error}");
    // A function that is in no list.
    fn unknown() {}
    let hub = new();
    let error = hub.spawn(unknown, ()).join().unwrap_err();
    assert!(error.to_string().contains("is not registered"), "{error}");
}

fn many_processes_run_at_a_time() {
    let hub = new();
    let (all, go) = (hub.latch(30), hub.event());
    let process = |_| hub.spawn(hub::arrive_and_wait, (all.clone(), go.clone()));
    let processes: Vec<_> = (0..30).map(process).collect();
    assert!(all.wait_timeout(HANG), "{} have not begun", all.count());
    go.set();
    processes.into_iter().for_each(|it| it.join().unwrap());
}

fn the_drop_of_a_hub_waits_for_its_processes() {
    let hub = new();
    let signs: Vec<_> = (0..3).map(|_| Sign::new()).collect();
    for sign in &signs {
        drop(hub.spawn(jobs::append, (sign.text(), "done".to_owned())));
    }
    let clone = hub.clone();
    drop(hub);
    assert_eq!(clone.spawn(jobs::square, 2).join().unwrap(), 4);
    drop(clone);
    assert!(signs.iter().all(Sign::is_there));
    assert_eq!(children(), 0);
}

fn the_drop_of_a_hub_ends_the_daemons() {
    let hub = new();
    let (sign, other) = (Sign::new(), Sign::new());
    let daemon = hub.daemon().spawn(jobs::begin_and_hang, sign.text());
    hub.spawn(jobs::append, (other.text(), "done".to_owned()));
    let id = sign.wait().parse().unwrap();
    drop(hub);
    assert!(other.is_there() && !is_alive(id));
    assert!(daemon.join().unwrap_err().is_cancelled());
    assert_eq!(children(), 0);
}

fn the_drop_of_a_hub_waits_for_a_process_until_that_is_killed() {
    let hub = new();
    let sign = Sign::new();
    let endless = hub.spawn(jobs::begin_and_hang, sign.text());
    sign.wait();
    let dropping = thread::spawn(move || drop(hub));
    // It cannot have ended: the process lives.
    assert!(is_alive(endless.id().unwrap()) && !dropping.is_finished());
    endless.kill();
    dropping.join().unwrap();
    assert_eq!(children(), 0);
}

fn a_hub_that_is_dropped_while_unwinding_kills_its_processes() {
    let sign = Sign::new();
    let text = sign.text();
    let unwinding = thread::spawn(move || {
        let hub = new();
        drop(hub.spawn(jobs::begin_and_hang, text.clone()));
        until(|| std::path::Path::new(&text).exists());
        panic!("on purpose");
    });
    assert!(unwinding.join().is_err());
    assert_eq!(children(), 0);
}

fn a_hub_that_is_dropped_with_waiters_waits_for_them() {
    let hub = new();
    let event = hub.event();
    let waiters = [(); 3].map(|()| hub.spawn(hub::wait_for_event, event.clone()));
    let parent = event.clone();
    let thread = thread::spawn(move || parent.wait());
    waiters.iter().for_each(|it| assert!(it.id().is_some()));
    let dropping = thread::spawn(move || drop(hub));
    event.set();
    dropping.join().unwrap();
    thread.join().unwrap();
    waiters.into_iter().for_each(|it| it.join().unwrap());
}

fn a_hub_that_was_shut_down_starts_nothing() {
    let hub = new();
    let event = hub.event();
    let waiting = hub.spawn(hub::wait_for_event, event.clone());
    assert!(waiting.id().is_some());
    assert_eq!(hub.shutdown_now(), 1);
    hub.shutdown();
    assert!(waiting.join().unwrap_err().is_cancelled());
    let late = hub.spawn(jobs::square, 3);
    assert_eq!(late.id(), None);
    assert!(late.join().unwrap_err().is_cancelled());
    // Its objects can still be used.
    event.set();
    event.wait();
}

fn handles_can_be_awaited_and_dropped() {
    let hub = new();
    let process = hub.spawn(jobs::square, 5);
    assert_eq!(workmill::block_on(process).unwrap(), 25);
    let sign = Sign::new();
    drop(hub.spawn(jobs::append, (sign.text(), "done".to_owned())));
    assert_eq!(sign.wait(), "done");
    // A callback may drop the hub.
    let (send, receive) = std::sync::mpsc::channel();
    let process = hub.spawn(jobs::nap, 1);
    let waiting = thread::spawn(move || {
        let outcome = process.join();
        drop(hub);
        send.send(outcome.is_ok()).unwrap();
    });
    assert!(receive.recv_timeout(HANG).unwrap());
    waiting.join().unwrap();
}

fn a_thousand_processes_leave_nothing_behind() {
    let round = |rounds: u32| {
        let hub = new();
        for n in 0..rounds {
            let process = match n % 4 {
                0 => hub.spawn(jobs::die, Death::Abort),
                1 => hub.daemon().spawn(jobs::die, Death::Exit(3)),
                _ => hub.spawn(jobs::nap, 0),
            };
            if n % 4 == 3 {
                process.kill();
            }
            let _ = process.join();
        }
        drop(hub);
        (children(), descriptors())
    };
    let before = round(20);
    assert_eq!(before.0, 0);
    assert_eq!(round(1000), before);
}
