//! A light that switches every two seconds, and twenty cars that pass when it is green.
//!
//! In Python the light and each car are a `Process`, they share an `Event`, and the light never
//! ends. Here a `Latch` tells it that the last car has passed.

use std::thread;
use std::time::Duration;

use workmill::{Event, Latch};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn main() {
    let (green, passed) = (Event::new(), Latch::new(20));
    thread::scope(|scope| {
        scope.spawn(|| light(&green, &passed));
        for number in 0..20 {
            let (green, passed) = (&green, &passed);
            scope.spawn(move || {
                if !green.is_set() {
                    println!("car {number} is waiting");
                }
                green.wait();
                println!("car {number} passes");
                passed.count_down();
            });
            thread::sleep(SECOND * (number * 7 % 10) / 10); // as if at random
        }
    });
}

fn light(green: &Event, passed: &Latch) {
    loop {
        if green.is_set() {
            green.clear();
            println!("the light is red");
        } else {
            green.set();
            println!("the light is green");
        }
        if passed.wait_timeout(2 * SECOND) {
            return;
        }
    }
}
