//! A quicksort whose halves are sorted at the same time, in the slice where they are.
//!
//! Each task borrows a part of the slice, and no two borrow the same: `split_at_mut` sees to that.
//! At the end the numbers are compared with those that std has sorted.

use std::error::Error;

use workmill::{Scope, ThreadPoolExecutor};

/// The length up to which a task sorts a part by itself.
const SHORT: usize = 1000;

/// Moves the numbers that are smaller than the middle one before it, and the others behind it, and
/// returns the two parts.
fn partition(numbers: &mut [u32]) -> (&mut [u32], &mut [u32]) {
    let last = numbers.len() - 1;
    numbers.swap(last / 2, last);
    let mut smaller = 0;
    for n in 0..last {
        if numbers[n] < numbers[last] {
            numbers.swap(n, smaller);
            smaller += 1;
        }
    }
    numbers.swap(smaller, last);
    let (before, behind) = numbers.split_at_mut(smaller);
    (before, &mut behind[1..])
}

fn quicksort<'scope>(scope: &'scope Scope<'scope, '_>, mut numbers: &'scope mut [u32]) {
    while numbers.len() > SHORT {
        let (before, behind) = partition(numbers);
        scope.execute(move || quicksort(scope, before)); // on a thread that has time
        numbers = behind; // and the rest here
    }
    numbers.sort_unstable();
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(4)?;

    // Numbers without an order, the same ones each time.
    let mut number = 1_u32;
    let next = || {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        number
    };
    let mut numbers: Vec<_> = std::iter::repeat_with(next).take(1_000_000).collect();
    let mut expected = numbers.clone();

    pool.scope(|scope| quicksort(scope, &mut numbers));
    println!(
        "{} numbers, from {} to {}",
        numbers.len(),
        numbers[0],
        numbers[numbers.len() - 1]
    );

    expected.sort_unstable();
    println!("as std sorts them: {}", numbers == expected);
    Ok(())
}
