//! Models of what threads wait for: waiters against threads that notify, release or put.
//!
//! Loom has no clock, so a timeout is modelled by a waiter that gives up by itself, at any moment.
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/sync` puts them back.

mod barrier;
mod event;
mod notify;
mod permits;
mod queue;
mod wait_list;

use std::future::Future;
use std::task::{Context, Poll, Waker};

use loom::thread;

use crate::primitive::current;
use crate::wait::{Cause, Deadline, block_until};

fn model(body: impl Fn() + Sync + Send + 'static) {
    bounded_model(3, body);
}

fn bounded_model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Polls `future` once, with a waker that does nothing.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut cx = Context::from_waker(Waker::noop());
    std::pin::Pin::new(future).poll(&mut cx)
}

/// Waits for `future` on this thread as all blocking waits do, while another thread unparks it and
/// calls its waker for no reason.
fn wait_among_strays<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut strays = None;
    let value = block_until(Cause::Arrival, Deadline::NEVER, |waker| {
        strays.get_or_insert_with(|| {
            let (thread, waker) = (current(), waker.clone());
            thread::spawn(move || {
                thread.unpark();
                waker.wake();
            })
        });
        match future.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    });
    strays.expect("it was polled").join().unwrap();
    value.expect("it waits forever")
}
