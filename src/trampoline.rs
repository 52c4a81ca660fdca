//! Calls of user code that may lead to the next of its kind, and so for ever: made one inside another
//! only so deep.
//!
//! A callback may cancel another task, whose callback cancels the next; what a cancelled task captured
//! may cancel a task when it is dropped; a callback of a refused task may submit again, and be refused.
//! Written as plain calls, such chains end with the stack. So each of these calls passes here. On a
//! thread on which they have used up [`DEEP`] the next is put off, until the outermost has returned.
//!
//! # What is put off is not waited for in vain
//! What a thread waits for may depend on a call that it has put off itself. So [`catch_up`] makes these
//! calls before every wait of this crate, at every look at a handle that has not resolved, and where a
//! thread enters a pool or leaves it. Waits of others it does not see, unless they are in
//! [`blocking`](crate::blocking). The calls are made on top of whatever the thread does then, so a lock
//! that it has taken since, and still holds, is held meanwhile; hence [`DEEP`] is far beyond what programs
//! nest that do not go on for ever.
//!
//! # Forks
//! In a child the calls that its parent's thread had put off are forgotten: the parent makes them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::{mem, process};

use crate::unwind;

/// How many bytes of the stack these calls may use, from the outermost on.
const DEEP: usize = 64 << 10;

/// How many they may use, if they wait themselves, before a wait leaves to others what was put off.
const TOO_DEEP: usize = 2 * DEEP;

std::thread_local! {
    static CALLS: Calls = const {
        Calls {
            outermost: Cell::new(0),
            put_off: RefCell::new(VecDeque::new()),
        }
    };
}

/// The calls of one thread.
struct Calls {
    /// Where on the stack the outermost began, as an address; 0 if none is under way.
    outermost: Cell<usize>,
    put_off: RefCell<VecDeque<PutOff>>,
}

struct PutOff {
    body: Box<dyn FnOnce()>,
    /// Whose it is.
    process: u32,
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
        let _ = CALLS.try_with(|calls| {
            if calls.outermost.get() != 0 && calls.used() < TOO_DEEP {
                calls.catch_up();
            }
        });
    }
}

impl Calls {
    /// How many bytes of the stack have been used since the outermost call began.
    fn used(&self) -> usize {
        let here = 0_u8;
        let here = std::ptr::from_ref(&here).addr();
        self.outermost.get().abs_diff(here)
    }

    fn call<F: FnOnce() + 'static>(&self, body: &mut Option<F>) {
        let Some(body) = body.take() else {
            return;
        };
        if self.outermost.get() != 0 {
            if self.used() < DEEP {
                return make(body);
            }
            let (body, process) = (Box::new(body), process::id());
            return self
                .put_off
                .borrow_mut()
                .push_back(PutOff { body, process });
        }
        let here = 0_u8;
        self.outermost.set(std::ptr::from_ref(&here).addr());
        make(body);
        self.catch_up();
        self.outermost.set(0);
    }

    #[cold]
    fn catch_up(&self) {
        loop {
            let next = self.put_off.borrow_mut().pop_front();
            match next {
                Some(PutOff { body, process }) if process == process::id() => make(body),
                Some(PutOff { body, .. }) => mem::forget(body),
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
        // One of these takes some hundreds of bytes.
        assert!((2..=DEEP / 50).contains(&seen.deepest.get()));
        assert!(seen.order.borrow().iter().rev().copied().eq(0..=100_000));
    }

    /// Calls `last` as deep as calls are made one inside another, and not put off.
    fn at_the_bottom(last: impl FnOnce() + 'static) {
        let was_called = Rc::new(Cell::new(false));
        let called = Rc::clone(&was_called);
        call(move || called.set(true));
        match was_called.get() {
            true => call(move || at_the_bottom(last)),
            false => last(),
        }
    }

    #[test]
    fn what_is_put_off_is_called_before_the_thread_waits() {
        let was_called = Rc::new(Cell::new(false));
        let last = Rc::clone(&was_called);
        call(move || {
            at_the_bottom(move || {
                let called = Rc::clone(&last);
                call(move || called.set(true));
                assert!(!last.get());
                catch_up();
                assert!(last.get());
            });
        });
        assert!(was_called.get());
    }

    #[test]
    fn calls_that_wait_one_for_the_next_do_not_use_up_the_stack() {
        fn waits(left: usize, count: Rc<Cell<usize>>) {
            count.set(count.get() + 1);
            if let Some(left) = left.checked_sub(1) {
                let next = Rc::clone(&count);
                call(move || waits(left, next));
                catch_up();
            }
        }
        let count = Rc::new(Cell::new(0));
        let first = Rc::clone(&count);
        call(move || waits(100_000, first));
        assert_eq!(count.get(), 100_001);
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
