//! `join` in a process that forks: in the child both closures are called, except one that a thread
//! of the parent has begun, of which the caller is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use workmill::{Event, ThreadPoolExecutor, join};

use crate::child::alone;
use crate::forking::{Child, exit, fork_and_go_on};

/// Ends the process: well if it is so.
fn end(well: impl FnOnce() -> bool) -> ! {
    let is_well = catch_unwind(AssertUnwindSafe(well)).unwrap_or(false);
    exit(i32::from(!is_well))
}

#[test]
fn a_first_closure_that_forks_goes_on_to_the_second_in_the_child() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let child = pool.submit(|| {
            let here = || thread::current().id();
            // The oldest is public, the other private.
            let nested = || join(fork_and_go_on, here);
            let ((child, inner), outer) = join(nested, here);
            child.unwrap_or_else(|| {
                end(|| (inner, outer) == (here(), here()) && join(|| 1, || 2) == (1, 2))
            })
        });
        child.join().unwrap().ends_well();
    });
}

/// Forks while another thread runs the second closure.
fn fork_beside_a_thief() -> Child {
    let (begun, forked) = (Event::new(), Event::new());
    let forks = || {
        begun.wait();
        let child = fork_and_go_on();
        if child.is_some() {
            forked.set();
        }
        child
    };
    let is_stolen = || {
        begun.set();
        forked.wait();
    };
    let joined = catch_unwind(AssertUnwindSafe(|| join(forks, is_stolen)));
    match joined {
        Ok((Some(child), ())) => child,
        other => end(|| other.is_err()),
    }
}

#[test]
fn in_the_child_a_closure_that_a_thread_of_the_parent_runs_ends_the_join_with_a_panic() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let child = pool.submit(fork_beside_a_thief);
        child.join().unwrap().ends_well();
    });
}

#[test]
fn a_second_closure_that_forks_on_another_thread_goes_on_in_the_child() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let child = pool.submit(|| {
            let begun = Event::new();
            let forks = || {
                begun.set();
                fork_and_go_on().unwrap_or_else(|| end(|| join(|| 1, || 2) == (1, 2)))
            };
            join(|| begun.wait(), forks).1
        });
        child.join().unwrap().ends_well();
    });
}
