//! The attributes that a new thread inherits from the thread that starts it: its signal mask, the
//! processors on which it may run, and its nice value.
//!
//! Threads of a pool are started late, by any thread that has work for them. So that this thread
//! makes no difference, they take on the attributes of the thread that built the pool. A thread is
//! [started](Attributes::start) with all signals blocked, so that no signal reaches it before it
//! has taken on its mask.
//!
//! The signal mask is known on Unix, the other attributes on Linux. Elsewhere a thread keeps what
//! it was started with.

#![cfg_attr(
    all(unix, not(any(miri, workmill_loom))),
    expect(unsafe_code, reason = "std has no functions for what threads inherit")
)]

use crate::unwind::OnDrop;

/// The attributes of a thread, as far as they are known.
pub(crate) struct Attributes {
    signals: Option<signals::Mask>,
    processors: Option<linux::Processors>,
    nice: Option<linux::Nice>,
}

impl Attributes {
    /// Returns the attributes of this thread.
    pub(crate) fn of_this_thread() -> Self {
        Self {
            signals: signals::Mask::of_this_thread(),
            processors: linux::Processors::of(linux::THIS_THREAD),
            nice: linux::Nice::of(linux::THIS_THREAD),
        }
    }

    /// Returns the attributes of the process's first thread, with all signals blocked that come
    /// from elsewhere. They are for a thread that serves the whole process.
    pub(crate) fn of_the_process() -> Self {
        let first = linux::first_thread();
        Self {
            signals: Some(signals::Mask::all()),
            processors: linux::Processors::of(first),
            nice: linux::Nice::of(first),
        }
    }

    /// Returns the number of processors on which a thread may run, if it is known.
    pub(crate) fn processors(&self) -> Option<usize> {
        self.processors.as_ref().map(linux::Processors::count)
    }

    /// Calls `start`, which starts a thread that [takes on](Self::take_on) attributes. All signals
    /// are blocked meanwhile.
    pub(crate) fn start<R>(start: impl FnOnce() -> R) -> R {
        let before = signals::Mask::all().replace();
        let _back = OnDrop(|| {
            if let Some(before) = &before {
                before.set();
            }
        });
        start()
    }

    /// Sets these attributes on this thread. An attribute that the system does not allow stays as
    /// it is: a lower nice value needs a privilege.
    pub(crate) fn take_on(&self) {
        if let Some(processors) = &self.processors {
            processors.set();
        }
        if let Some(nice) = self.nice {
            nice.set();
        }
        // Last, so that a signal finds the thread with its other attributes.
        if let Some(signals) = &self.signals {
            signals.set();
        }
    }
}

#[cfg(all(unix, not(any(miri, workmill_loom))))]
mod signals {
    use std::mem::MaybeUninit;
    use std::ptr;

    /// The signals that are blocked.
    #[derive(Clone, Copy)]
    pub(super) struct Mask(libc::sigset_t);

    impl Mask {
        /// Returns all signals, except those that a thread causes by its own faults. If these were
        /// blocked, they would end the process without a handler.
        pub(super) fn all() -> Self {
            let mut mask = MaybeUninit::zeroed();
            // SAFETY: the pointer leads to room for a set, which the function fills.
            unsafe { libc::sigfillset(mask.as_mut_ptr()) };
            for own in [
                libc::SIGSEGV,
                libc::SIGBUS,
                libc::SIGILL,
                libc::SIGFPE,
                libc::SIGTRAP,
            ] {
                // SAFETY: the pointer leads to a set, which was just filled.
                unsafe { libc::sigdelset(mask.as_mut_ptr(), own) };
            }
            // SAFETY: all zeros are a valid set, and so is what the functions made of them.
            Self(unsafe { mask.assume_init() })
        }

        pub(super) fn of_this_thread() -> Option<Self> {
            Self::change(ptr::null())
        }

        /// Sets the mask of this thread, and returns the one before.
        pub(super) fn replace(&self) -> Option<Self> {
            Self::change(&self.0)
        }

        /// Sets the mask of this thread.
        pub(super) fn set(&self) {
            let _before = self.replace();
        }

        fn change(new: *const libc::sigset_t) -> Option<Self> {
            let mut before = MaybeUninit::zeroed();
            // SAFETY: `new` is null or leads to a set, and `before` has room for another. Changing
            // the mask accesses no other memory.
            let failed =
                unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, new, before.as_mut_ptr()) };
            // SAFETY: all zeros are a valid set, and so is what the functions made of them.
            (failed == 0).then(|| Self(unsafe { before.assume_init() }))
        }
    }
}

#[cfg(not(all(unix, not(any(miri, workmill_loom)))))]
mod signals {
    #[derive(Clone, Copy)]
    pub(super) struct Mask;

    impl Mask {
        pub(super) fn all() -> Self {
            Self
        }

        pub(super) fn of_this_thread() -> Option<Self> {
            None
        }

        pub(super) fn replace(&self) -> Option<Self> {
            None
        }

        pub(super) fn set(&self) {}
    }
}

#[cfg(all(target_os = "linux", not(any(miri, workmill_loom))))]
mod linux {
    use std::mem::MaybeUninit;

    pub(super) const THIS_THREAD: libc::pid_t = 0;

    /// Returns the number of the process's first thread, which is that of the process.
    pub(super) fn first_thread() -> libc::pid_t {
        // SAFETY: the function has no duties, and always succeeds.
        unsafe { libc::getpid() }
    }

    /// The processors on which a thread may run. On a machine with more than 1,024 processors they
    /// are not known.
    pub(super) struct Processors(libc::cpu_set_t);

    impl Processors {
        pub(super) fn of(thread: libc::pid_t) -> Option<Self> {
            let mut set = MaybeUninit::zeroed();
            // SAFETY: the pointer leads to room for a set of the given size.
            let failed = unsafe {
                libc::sched_getaffinity(thread, size_of::<libc::cpu_set_t>(), set.as_mut_ptr())
            };
            // SAFETY: all zeros are a valid set, and so is what the system made of them.
            (failed == 0).then(|| Self(unsafe { set.assume_init() }))
        }

        pub(super) fn count(&self) -> usize {
            // SAFETY: the function reads the set.
            let count = unsafe { libc::CPU_COUNT(&self.0) };
            usize::try_from(count).unwrap_or(1).max(1)
        }

        pub(super) fn set(&self) {
            // SAFETY: the function reads the two sets.
            let is_same = |other: Self| unsafe { libc::CPU_EQUAL(&other.0, &self.0) };
            if Self::of(THIS_THREAD).is_some_and(is_same) {
                return;
            }
            // SAFETY: the pointer leads to a set of the given size. The processors on which this
            // thread runs are not memory that Rust knows.
            unsafe { libc::sched_setaffinity(THIS_THREAD, size_of::<libc::cpu_set_t>(), &self.0) };
        }
    }

    /// A nice value. Each thread has its own.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) struct Nice(libc::c_long);

    impl Nice {
        pub(super) fn of(thread: libc::pid_t) -> Option<Self> {
            // A system call, because the function of libc distinguishes a value of -1 from an error
            // only by `errno`.
            // SAFETY: the call takes two numbers, and accesses no memory.
            let answer = unsafe {
                libc::syscall(
                    libc::SYS_getpriority,
                    libc::PRIO_PROCESS,
                    thread as libc::c_long,
                )
            };
            // The system returns 20 minus the value, so that errors are below zero.
            (answer > 0).then(|| Self(20 - answer))
        }

        pub(super) fn set(self) {
            if Self::of(THIS_THREAD) == Some(self) {
                return;
            }
            // SAFETY: the call takes three numbers, and accesses no memory.
            unsafe {
                libc::syscall(
                    libc::SYS_setpriority,
                    libc::PRIO_PROCESS,
                    libc::c_long::from(THIS_THREAD),
                    self.0,
                )
            };
        }
    }
}

#[cfg(not(all(target_os = "linux", not(any(miri, workmill_loom)))))]
mod linux {
    pub(super) const THIS_THREAD: () = ();

    pub(super) fn first_thread() {}

    pub(super) struct Processors;

    impl Processors {
        pub(super) fn of((): ()) -> Option<Self> {
            None
        }

        pub(super) fn count(&self) -> usize {
            1
        }

        pub(super) fn set(&self) {}
    }

    #[derive(Clone, Copy)]
    pub(super) struct Nice;

    impl Nice {
        pub(super) fn of((): ()) -> Option<Self> {
            None
        }

        pub(super) fn set(self) {}
    }
}
