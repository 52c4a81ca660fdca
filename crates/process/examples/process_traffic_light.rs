//! A light that switches every two seconds, and twenty cars that pass when it is green: each is a
//! process.
//!
//! In Python they share an `Event`, and the light never ends. Here it is a daemon, which ends with
//! the program.

use std::time::Duration;
use std::{io, thread};

use workmill_process::hub::Event;
use workmill_process::{Hub, Jobs, serve_if_worker};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn light(green: Event) {
    loop {
        if green.is_set() {
            green.clear();
            println!("the light is red");
        } else {
            // What is printed after it is set may come after the first car.
            println!("the light is green");
            green.set();
        }
        thread::sleep(2 * SECOND);
    }
}

fn car(green: Event, number: u32) {
    if !green.is_set() {
        println!("car {number} is waiting");
    }
    green.wait();
    println!("car {number} passes");
}

fn jobs() -> Jobs {
    Jobs::new().with("light", light).with("car", car)
}

fn main() -> io::Result<()> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let green = hub.event();
    hub.daemon().spawn(light, green.clone());
    for number in 0..20 {
        hub.spawn(car, (green.clone(), number));
        thread::sleep(SECOND * (number * 7 % 10) / 10); // as if at random
    }
    Ok(()) // the drop of the hub waits for the cars, and then ends the light
}
