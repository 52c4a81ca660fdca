//! The traits of futures-core: an interval's ticks are a stream, and so are the outcomes of many
//! tasks.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::{FusedStream, Stream};

use crate::many::{PollNext, TaskStream};
use crate::timer::Interval;

/// A stream of the moments of the ticks, as [`Interval::tick`] returns them. It never ends.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use futures_lite::{StreamExt, future::block_on};
/// use workmill::timer::interval;
///
/// let period = Duration::from_millis(5);
/// let ticks: Vec<_> = block_on(interval(period).take(3).collect());
/// assert!(ticks[2] >= ticks[0] + 2 * period);
/// ```
impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedStream for Interval {
    fn is_terminated(&self) -> bool {
        false
    }
}

/// The outcomes of tasks, as [`TaskStream::next`] returns them.
///
/// # Examples
///
/// ```
/// use futures_lite::{StreamExt, future::block_on};
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let squares = pool.map(1..=3, |n| n * n).into_stream();
/// let squares: Vec<i32> = block_on(squares.try_collect())?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<S: PollNext> Stream for TaskStream<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.poll(cx.waker())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        Self::size_hint(self)
    }
}
