//! Calls of user code that may lead to the next of its kind, and so for ever: made one inside another
//! only so deep.
//!
//! A callback may cancel another task, whose callback cancels the next; what a cancelled task captured
//! may cancel a task when it is dropped; a callback of a refused task may submit again, and be refused.
//! Written as plain calls, such chains end with the stack. So each of these calls passes here. On a
//! thread in [`DEPTH`] of them at a time the next is put off, until the outermost has returned.
//!
//! # What is put off is never waited for
//! A thread that is about to wait makes the calls that it has put off first, by [`catch_up`], since what
//! it waits for may depend on them. They could take a lock that it holds, but so could they if they
//! were made at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::unwind;

/// How many of these calls there are one inside another, at most.
const DEPTH: usize = 16;

thread_local! {
    static CALLS: Calls = const {
        Calls {
            depth: Cell::new(0),
            put_off: RefCell::new(VecDeque::new()),
        }
    };
}

/// The calls of one thread.
struct Calls {
    /// How many are under way.
    depth: Cell<usize>,
    put_off: RefCell<VecDeque<Box<dyn FnOnce()>>>,
}

/// Calls `body`, now or when the outermost of these calls has returned. A panic in it ends here.
pub(crate) fn call(body: impl FnOnce() + 'static) {
    let mut body = Some(body);
    // The model's threads share the one that they run on; and it makes no such chains.
    if !cfg!(workmill_loom) {
        // While a thread ends its calls may be gone already.
        let _ = CALLS.try_with(|calls| calls.call(&mut body));
    }
    body.take().into_iter().for_each(make);
}

/// Makes a call; a panic in it ends here.
fn make(body: impl FnOnce()) {
    drop(unwind::catch(body));
}

/// Makes the calls that this thread has put off.
#[inline]
pub(crate) fn catch_up() {
    if !cfg!(workmill_loom) {
        let _ = CALLS.try_with(Calls::catch_up);
    }
}

impl Calls {
    fn call<F: FnOnce() + 'static>(&self, body: &mut Option<F>) {
        let Some(body) = body.take() else {
            return;
        };
        let depth = self.depth.get();
        if depth == DEPTH {
            return self.put_off.borrow_mut().push_back(Box::new(body));
        }
        self.depth.set(depth + 1);
        make(body);
        if depth == 0 {
            self.catch_up();
        }
        self.depth.set(depth);
    }

    fn catch_up(&self) {
        loop {
            let next = self.put_off.borrow_mut().pop_front();
            match next {
                Some(body) => make(body),
                None => return,
            }
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// What the calls have seen of each other.
    #[derive(Default)]
    struct Seen {
        inside: Cell<usize>,
        deepest: Cell<usize>,
        order: RefCell<Vec<usize>>,
    }

    fn chain(left: usize, seen: Rc<Seen>) {
        seen.inside.set(seen.inside.get() + 1);
        seen.deepest.set(seen.deepest.get().max(seen.inside.get()));
        seen.order.borrow_mut().push(left);
        if let Some(left) = left.checked_sub(1) {
            let seen = Rc::clone(&seen);
            call(move || chain(left, seen));
        }
        seen.inside.set(seen.inside.get() - 1);
    }

    #[test]
    fn a_long_chain_is_called_in_order_and_no_deeper_than_said() {
        let seen = Rc::new(Seen::default());
        let first = Rc::clone(&seen);
        call(move || chain(100_000, first));
        assert_eq!(seen.deepest.get(), DEPTH);
        assert!(seen.order.borrow().iter().rev().copied().eq(0..=100_000));
    }

    #[test]
    fn what_is_put_off_is_called_before_the_thread_waits() {
        fn deep(left: usize, last: Rc<Cell<bool>>) {
            match left.checked_sub(1) {
                Some(left) => call(move || deep(left, last)),
                None => {
                    let called = Rc::clone(&last);
                    call(move || called.set(true));
                    assert!(!last.get());
                    catch_up();
                    assert!(last.get());
                }
            }
        }
        let last = Rc::new(Cell::new(false));
        let seen = Rc::clone(&last);
        call(move || deep(DEPTH - 1, seen));
        assert!(last.get());
    }

    #[test]
    fn a_panic_ends_in_its_call() {
        let called = Rc::new(Cell::new(false));
        let seen = Rc::clone(&called);
        call(move || {
            call(|| panic!("contained"));
            seen.set(true);
        });
        assert!(called.get());
    }
}
