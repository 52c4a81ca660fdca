//! This crate, by handles.

use std::collections::VecDeque;

use workmill_nats::{Jobs, NatsExecutor, serve as begin_to_serve};

use crate::{ALONE, IN_FLIGHT, MANY, time, worker};

fn nothing() {}

fn jobs() -> Jobs {
    Jobs::new().with("nothing", nothing)
}

pub(crate) fn serve(url: &str) {
    let server = begin_to_serve(jobs(), url, 2).expect("a server");
    println!("ready");
    server.wait();
}

pub(crate) fn run(url: &str) -> [f64; 2] {
    let _worker = worker("ours", url);
    let executor = NatsExecutor::connect(url, jobs()).expect("a connection");
    let run = || executor.submit(nothing, ()).join().expect("an empty job");
    (0..ALONE / 10).for_each(|_| run());
    let alone = time(ALONE, || (0..ALONE).for_each(|_| run()));
    let many = time(MANY, || {
        let mut handles = VecDeque::new();
        for _ in 0..MANY {
            handles.push_back(executor.submit(nothing, ()));
            if handles.len() == IN_FLIGHT {
                let first = handles.pop_front().expect("there are some");
                first.join().expect("an empty job");
            }
        }
        for handle in handles {
            handle.join().expect("an empty job");
        }
    });
    [alone, many]
}
