//! The building blocks of the models: those of loom, and what loom lacks.

pub(crate) use loom::alloc::Track;
pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::hint::spin_loop;
use loom::sync::Condvar;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use loom::thread::{Builder as ThreadBuilder, JoinHandle as ThreadHandle, yield_now};

pub(crate) use loom::thread_local;

type Token = std::sync::Arc<(Mutex<bool>, Condvar)>;

loom::thread_local! {
    static TOKEN: Token = Token::default();
}

/// A thread that parks with a lock and a condition variable. Loom's own parking loses wake-ups that
/// come while the thread waits for a lock or for the end of another thread.
#[derive(Clone)]
pub(crate) struct Thread {
    id: loom::thread::ThreadId,
    token: Token,
}

impl Thread {
    pub(crate) fn id(&self) -> loom::thread::ThreadId {
        self.id
    }

    pub(crate) fn unpark(&self) {
        *self.token.0.lock().unwrap() = true;
        self.token.1.notify_one();
    }
}

pub(crate) fn current() -> Thread {
    Thread {
        id: loom::thread::current().id(),
        token: TOKEN.with(Token::clone),
    }
}

pub(crate) fn park() {
    let token = TOKEN.with(Token::clone);
    let mut is_unparked = token.0.lock().unwrap();
    while !std::mem::take(&mut *is_unparked) {
        is_unparked = token.1.wait(is_unparked).unwrap();
    }
}

/// Loom has no clock, so a timed wait that reaches this point only yields.
pub(crate) fn park_timeout(_: std::time::Duration) {
    yield_now();
}
