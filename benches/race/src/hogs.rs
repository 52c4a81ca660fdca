//! Busy neighbours: other processes that want the processors.

use std::hint::black_box;
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread;

/// Processes that compute until this is dropped, or this process ends.
pub(crate) struct Hogs(Vec<Child>);

impl Hogs {
    pub(crate) fn start(hogs: usize) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut started = Self(Vec::new());
        for _ in 0..hogs {
            let mut hog = Command::new(&program);
            hog.arg("--hog").stdin(Stdio::piped());
            started.0.push(hog.spawn()?);
        }
        Ok(started)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            // It ends by itself, too, when its input does.
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}

/// Computes until the input ends.
pub(crate) fn hog() {
    let input = thread::spawn(|| io::copy(&mut io::stdin(), &mut io::sink()));
    let mut value = 0_u64;
    while !input.is_finished() {
        (0..10_000).for_each(|n| value = black_box(value.wrapping_mul(31) ^ n));
    }
}
