//! Calls of user code that may lead to the next call of their kind, without end. They are nested
//! only to a limited depth.
//!
//! A callback may cancel another task, whose callback cancels the next. The drop of what a
//! cancelled task captured may cancel a task. A callback of a refused task may submit again, and be
//! refused. Written as plain calls, such chains overflow the stack. So each of these calls passes
//! here. On a thread on which they have used [`DEEP`] bytes of the stack, the next call is put off
//! until the outermost has returned.
//!
//! # No wait depends on a call that was put off
//! A thread may wait for something that depends on a call that it has put off itself. So
//! [`catch_up`] makes these calls before every wait of this crate, at every look at a handle that
//! has not resolved, and where a thread enters or leaves a pool. It does not see the waits of other
//! libraries, unless they are in [`blocking`](crate::blocking). The calls are made on top of
//! whatever the thread does then. A lock that it has taken in between, and still holds, is held
//! meanwhile. Therefore [`DEEP`] is far more than a program uses whose chains end.
//!
//! # Forks
//! A forked child forgets the calls that its parent's thread had put off. The parent makes them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::{mem, process};

use crate::unwind;

/// The number of bytes of the stack that these calls may use, from the outermost call on.
const DEEP: usize = 64 << 10;

/// The number of waits, each inside a call that the one before has made, that make the calls which
/// were put off. A wait inside that many leaves them to those further out; except the end of a
/// scope, which has to wait until they are made. It is a number and no depth of the stack: a wait
/// far down in a callback has to make them as well.
const NESTED: usize = 16;

std::thread_local! {
    static CALLS: Calls = const {
        Calls {
            outermost: Cell::new(0),
            nested: Cell::new(0),
            put_off: RefCell::new(VecDeque::new()),
        }
    };
}

/// The calls of one thread.
struct Calls {
    /// The address on the stack at which the outermost call began, or 0 if there is none.
    outermost: Cell<usize>,
    /// The number of waits that make calls now.
    nested: Cell<usize>,
    put_off: RefCell<VecDeque<PutOff>>,
}

struct PutOff {
    body: Box<dyn FnOnce()>,
    /// The process that put the call off.
    process: u32,
}

/// Calls `body`, at once or when the outermost of these calls has returned. A panic in it ends
/// here.
pub(crate) fn call(body: impl FnOnce() + 'static) {
    let mut body = Some(body);
    // All threads of a model share one thread and its thread-locals, and models have no such
    // chains.
    if !cfg!(workmill_loom) {
        // While a thread ends, its thread-local may be gone already. Then `body` is called below.
        let _ = CALLS.try_with(|calls| calls.call(&mut body));
    }
    body.take().into_iter().for_each(make);
}

/// Calls `body`. A panic in it ends here.
fn make(body: impl FnOnce()) {
    drop(unwind::catch(body));
}

/// Makes the calls that this thread has put off.
#[inline]
pub(crate) fn catch_up() {
    if !cfg!(workmill_loom) {
        let _ = CALLS.try_with(|calls| {
            let nested = calls.nested.get();
            if calls.outermost.get() != 0 && nested < NESTED {
                calls.nested.set(nested + 1);
                calls.catch_up();
                calls.nested.set(nested);
            }
        });
    }
}

/// Makes the calls that this thread has put off, inside however many waits. For a wait that must
/// not depend on those further out, which go on only when it has ended.
pub(crate) fn catch_up_anyway() {
    if !cfg!(workmill_loom) {
        let _ = CALLS.try_with(|calls| {
            if calls.outermost.get() != 0 {
                calls.catch_up();
            }
        });
    }
}

impl Calls {
    /// Returns the number of bytes of the stack that were used since the outermost call began.
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

    /// The records that the calls have made about each other.
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
        // One of these calls takes some hundred bytes.
        assert!((2..=DEEP / 50).contains(&seen.deepest.get()));
        assert!(seen.order.borrow().iter().rev().copied().eq(0..=100_000));
    }

    /// Calls `last` at the greatest depth at which calls are nested and not put off.
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
