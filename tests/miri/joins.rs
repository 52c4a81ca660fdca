//! Halves on the stack: called where they are, stolen, taken back, and waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use workmill::{Event, ThreadPoolExecutor, join};

use crate::{Counted, rounds};

/// Counts the leaves of a tree, each of which borrows from its parent.
fn leaves(levels: u32, values: &[Counted]) -> usize {
    if levels == 0 {
        return values.len();
    }
    let own = [values[0].clone()];
    let (one, other) = join(|| leaves(levels - 1, &own), || leaves(levels - 1, values));
    one + other
}

#[test]
fn halves_borrow_from_the_frame_of_their_join() {
    rounds(2, 200, |_| {
        let value = Counted::default();
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let values = [value.clone()];
        let sum = pool.join(|| leaves(4, &values), || leaves(3, &values));
        assert_eq!(sum, (16, 8));
        drop(values);
        assert_eq!(value.others(), 0);
        pool.shutdown();
    });
}

#[test]
fn a_half_is_waited_for_that_another_thread_has_taken() {
    rounds(2, 200, |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (begun, ends) = (Event::new(), Event::new());
        let second = || {
            begun.set();
            ends.wait();
            Box::new(2)
        };
        let first = || {
            begun.wait();
            ends.set();
            Box::new(1)
        };
        let (one, two) = pool.join(first, second);
        assert_eq!((*one, *two), (1, 2));
        pool.shutdown();
    });
}

#[test]
fn a_panic_leaves_no_half_behind() {
    rounds(2, 200, |_| {
        let value = Counted::default();
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let begun = Event::new();
        let captured = value.clone();
        let joined = catch_unwind(AssertUnwindSafe(|| {
            let second = || {
                begun.set();
                captured
            };
            let first = || {
                begun.wait();
                std::panic::resume_unwind(Box::new(value.clone()))
            };
            pool.join::<_, _, (), _>(first, second)
        }));
        drop(joined.map(drop).unwrap_err());
        assert_eq!(value.others(), 0);
        pool.shutdown();
    });
}
