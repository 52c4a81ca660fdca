//! Ticks are a stream.

use std::time::{Duration, Instant};

use futures_core::{FusedStream, Stream};
use futures_lite::StreamExt;
use workmill::block_on;
use workmill::timer::interval;

use crate::support::limited;

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_stream_of_ticks_keeps_their_phase() {
    limited(|| {
        let start = Instant::now();
        let ticks: Vec<_> = block_on(interval(SHORT).take(5).collect());
        assert!(ticks[0] >= start);
        for pair in ticks.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart >= SHORT);
            assert_eq!(apart.as_nanos() % SHORT.as_nanos(), 0);
        }
    });
}

#[test]
fn a_stream_of_ticks_does_not_end() {
    limited(|| {
        let mut ticks = interval(SHORT);
        assert_eq!(ticks.size_hint(), (usize::MAX, None));
        for _ in 0..3 {
            assert!(block_on(ticks.next()).is_some());
            assert!(!ticks.is_terminated());
        }
    });
}
