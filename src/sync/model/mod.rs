//! Models of what threads wait for: those who wait against those who give.
//!
//! Loom has no clock, so a timeout is the waiter's own giving up, at any moment. Each model
//! has been seen to fail with the bug that its comment names; `.ci/mutants` puts those back.

mod event;
mod permits;
mod queue;
mod wait_list;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut cx)
}
