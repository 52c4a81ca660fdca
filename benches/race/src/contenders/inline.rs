//! No pool at all: the closure is called where it is submitted.

use std::hint::black_box;

use super::{Contender, Execute, Fork, Own, Submit};

#[derive(Clone)]
pub(crate) struct Inline;

impl Contender for Inline {
    type Pool = Self;

    const HAS_THREADS: bool = false;

    fn start(_threads: usize) -> Self {
        Self
    }

    fn pool(&self) -> Self {
        Self
    }

    fn stop(self) {}
}

impl Execute for Inline {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        closure();
    }
}

impl Submit<Inline> for Own {
    type Handle = usize;

    fn submit(_pool: &Inline, closure: impl FnOnce() -> usize + Send + 'static) -> usize {
        black_box(closure())
    }

    fn join(handle: usize) -> usize {
        black_box(handle)
    }
}

impl Fork for Inline {
    type Pool = Self;

    fn with_threads(_threads: usize) -> Self {
        Self
    }

    fn enter<R: Send>(_pool: &Self, closure: impl FnOnce() -> R + Send) -> R {
        closure()
    }

    fn join<A: Send, B: Send>(
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        (one(), other())
    }
}
