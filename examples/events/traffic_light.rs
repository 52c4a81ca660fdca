//! A light that switches every two seconds, and twenty cars that pass when it is green.
//!
//! In Python the light and each car are a `Process`, and share an `Event`. Here they are threads of
//! a scope, and a [`Latch`] tells the light that the last car has passed: to sleep for two seconds
//! is to wait that long for the latch.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

use workmill::{Event, Latch};

use crate::SECOND;

const CARS: u32 = 20;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let crossing = Crossing {
        green: Event::new(),
        switched: AtomicU32::new(0),
        passed: Latch::new(CARS as usize),
    };
    let lawful = thread::scope(|scope| {
        scope.spawn(|| crossing.light());
        let mut cars = Vec::new();
        for number in 0..CARS {
            let crossing = &crossing;
            cars.push(scope.spawn(move || crossing.car(number)));
            // Up to a second, as if at random.
            thread::sleep(SECOND * (number * 7 % 10) / 10);
        }
        cars.into_iter()
            .filter_map(|car| car.join().ok())
            .filter(|lawful| *lawful)
            .count()
    });
    assert_eq!(lawful, CARS as usize, "the others passed on red");
    Ok(())
}

/// Shared by the light and the cars.
struct Crossing {
    green: Event,
    /// The number of times that the light has switched. While `green` is set it is odd.
    switched: AtomicU32,
    passed: Latch,
}

impl Crossing {
    fn light(&self) {
        loop {
            if self.green.is_set() {
                self.green.clear();
                self.switched.fetch_add(1, SeqCst);
                println!("the light is red");
            } else {
                self.switched.fetch_add(1, SeqCst);
                self.green.set();
                println!("the light is green");
            }
            if self.passed.wait_timeout(2 * SECOND) {
                return;
            }
        }
    }

    /// Passes, and returns `true` if the light was green at any time since the car was there.
    fn car(&self, number: u32) -> bool {
        let before = self.switched.load(SeqCst);
        if !self.green.is_set() {
            println!("car {number} is waiting");
        }
        self.green.wait();
        let after = self.switched.load(SeqCst);
        println!("car {number} passes");
        self.passed.count_down();
        before % 2 == 1 || after > before
    }
}
