//! A pool beside other processes that want the processors.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use workmill::{Builder, Event, ThreadPoolExecutor};

use crate::child::alone;
use crate::support::until;

/// Two processes that compute until this is dropped, or this process ends.
struct Hogs([Child; 2]);

impl Hogs {
    fn start() -> Self {
        Self([(); 2].map(|()| {
            // It reads its input in between, and ends with it.
            let program = "while ! read -t 0; do :; done";
            let mut hog = Command::new("bash");
            hog.args(["-c", program]).stdin(Stdio::piped());
            hog.spawn().unwrap()
        }))
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            hog.kill().unwrap();
            hog.wait().unwrap();
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Measures `trip` a number of times.
fn time(mut trip: impl FnMut()) -> Duration {
    let times = (0..50).map(|_| {
        let begun = Instant::now();
        trip();
        begun.elapsed()
    });
    median(times.collect())
}

/// A thread that searches for work by giving the processor away has it back after milliseconds.
#[test]
fn a_round_trip_beside_busy_processes_takes_about_as_long_as_with_a_channel() {
    alone(|| {
        let _hogs = Hogs::start();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (ask, asked) = mpsc::channel::<mpsc::Sender<()>>();
        let answers =
            thread::spawn(move || asked.iter().for_each(|answer| answer.send(()).unwrap()));
        let (mut ours, mut channels) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            ours.push(time(|| pool.submit(|| ()).join().unwrap()));
            channels.push(time(|| {
                let (answer, answered) = mpsc::channel();
                ask.send(answer).unwrap();
                answered.recv().unwrap();
            }));
        }
        drop(ask);
        answers.join().unwrap();
        let (ours, channels) = (median(ours), median(channels));
        assert!(
            ours < channels * 10,
            "{ours:?}, and {channels:?} with channels"
        );
    });
}

#[test]
fn threads_without_work_end_soon_beside_busy_processes() {
    alone(|| {
        let _hogs = Hogs::start();
        let mut times = Vec::new();
        for _ in 0..9 {
            let builder = Builder::new().threads(1).keep_alive(Duration::ZERO);
            let pool = builder.build().unwrap();
            let event = Arc::new(Event::new());
            let waits = || {
                let event = Arc::clone(&event);
                pool.submit(move || event.wait())
            };
            let waiting: Vec<_> = (0..10).map(|_| waits()).collect();
            until(|| pool.metrics().live_threads >= 10);
            event.set();
            waiting.into_iter().for_each(|it| it.join().unwrap());
            let begun = Instant::now();
            until(|| pool.metrics().live_threads <= 1);
            times.push(begun.elapsed());
        }
        let time = median(times);
        assert!(time < Duration::from_millis(50), "{time:?}");
    });
}
