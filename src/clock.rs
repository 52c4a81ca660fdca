//! The clocks: the monotonic one, as a number that fits into an atomic, and that of the processor
//! time.

#![cfg_attr(
    all(unix, not(any(miri, workmill_loom))),
    expect(unsafe_code, reason = "std does not know the processor time")
)]

#[cfg(all(unix, not(any(miri, workmill_loom))))]
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment, or a time, in nanoseconds.
pub(crate) type Nanos = u64;

/// Returns this moment, in nanoseconds since a moment that is the same for the whole process.
///
/// In a model no time passes.
pub(crate) fn now() -> Nanos {
    static START: OnceLock<Instant> = OnceLock::new();
    match cfg!(workmill_loom) {
        true => 0,
        false => nanos(START.get_or_init(Instant::now).elapsed()),
    }
}

/// Returns a time in nanoseconds, or the longest there is.
pub(crate) fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

/// Returns the processor time that this process has used, all its threads together, if it is known.
///
/// The time of a thread that runs on another processor just now may be counted some milliseconds
/// late.
pub(crate) fn processor_time() -> Option<Nanos> {
    #[cfg(all(unix, not(any(miri, workmill_loom))))]
    {
        let mut time = MaybeUninit::zeroed();
        // SAFETY: the pointer leads to room for a time, which the function fills.
        let failed =
            unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, time.as_mut_ptr()) };
        // SAFETY: all zeros are a valid time, and so is what the function made of them.
        let time: libc::timespec = unsafe { time.assume_init() };
        let nanos = time.tv_sec as Nanos * 1_000_000_000 + time.tv_nsec as Nanos;
        (failed == 0).then_some(nanos)
    }
    #[cfg(not(all(unix, not(any(miri, workmill_loom)))))]
    None
}
