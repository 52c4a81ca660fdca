//! Programs of tasks that wait for each other.

use std::fmt;

/// Tasks, and the things that they wait on.
#[derive(Clone, Default)]
pub(crate) struct Program {
    pub(crate) tasks: Vec<Task>,
    /// The first tasks, this many, are threads outside of all pools.
    pub(crate) outside: usize,
    pub(crate) locks: Vec<Lock>,
    pub(crate) flags: Vec<Flag>,
    /// The counts of the latches.
    pub(crate) latches: Vec<usize>,
    pub(crate) channels: Vec<Channel>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Task {
    pub(crate) steps: Vec<Step>,
    /// It is a future, not a closure.
    pub(crate) is_future: bool,
    /// The first of two pools, or the second. It means nothing if there is only one.
    pub(crate) pool: usize,
    /// The number of tasks that join this one.
    pub(crate) joiners: usize,
}

/// A step of a task. The numbers name a task, a lock, a flag, a latch or a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Yield,
    SetThreads(usize),
    /// Submits a task, which may have to wait for room in the other pool.
    Spawn(usize, How),
    Join(usize, How),
    /// Takes a number of permits of a lock.
    Take(usize, usize, How),
    LetGo(usize),
    Set(usize),
    WaitFor(usize, How),
    CountDown(usize),
    Await(usize, How),
    /// Counts a latch down and waits for the others.
    Meet(usize),
    Put(usize, How),
    Get(usize, How),
    /// Waits until all items of a channel have been taken and done.
    Finish(usize, How),
}

impl Step {
    /// Returns the form in which the step waits, which is plain unless it has several.
    pub(crate) fn how(&self) -> How {
        match *self {
            Self::Spawn(_, how)
            | Self::Join(_, how)
            | Self::Take(_, _, how)
            | Self::WaitFor(_, how)
            | Self::Await(_, how)
            | Self::Put(_, how)
            | Self::Get(_, how)
            | Self::Finish(_, how) => how,
            _ => How::Plain,
        }
    }
}

/// The form in which a step waits, if there are several.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Plain,
    /// With a time limit that never passes.
    Timed,
    /// With a short time limit, again and again.
    Retried,
    /// Within [`blocking`](workmill::blocking).
    Nested,
    /// As a future that is awaited; only a task that is a future can do so.
    Awaited,
    /// In [`block_on`](workmill::block_on).
    BlockedOn,
    /// In another library's `block_on`, within [`blocking`](workmill::blocking).
    Foreign,
}

impl How {
    /// Returns the form in which a closure or a future waits.
    pub(crate) fn within(self, is_future: bool) -> Self {
        match self {
            Self::Plain if is_future => Self::Awaited,
            Self::Awaited if !is_future => Self::BlockedOn,
            how => how,
        }
    }
}

/// A lock that tasks can hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    /// None of the crate's own.
    Mutex,
    Semaphore(usize),
    /// A semaphore whose permits are called signals, though tasks hold them.
    Signals(usize),
    Unfair(usize),
    Bounded(usize),
}

impl Lock {
    pub(crate) fn permits(self) -> usize {
        match self {
            Self::Mutex => 1,
            Self::Semaphore(permits)
            | Self::Signals(permits)
            | Self::Unfair(permits)
            | Self::Bounded(permits) => permits,
        }
    }
}

/// Unset at first, and set once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flag {
    Event,
    Token,
    /// None of the crate's own.
    Condvar,
}

/// Passes items on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Channel {
    /// A queue with this capacity, or with room for any number of items.
    Queue(Option<usize>),
    /// A semaphore whose permits are the items.
    Tokens(Tokens),
}

/// A semaphore without permits at first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tokens {
    New,
    Signals,
    Limit,
    Unfair,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "locks: {:?}", self.locks)?;
        writeln!(f, "flags: {:?}", self.flags)?;
        writeln!(f, "latches: {:?}", self.latches)?;
        writeln!(f, "channels: {:?}", self.channels)?;
        for (n, task) in self.tasks.iter().enumerate() {
            let whereabouts = match n < self.outside {
                true => "outside".to_owned(),
                false => {
                    let kind = if task.is_future { "future" } else { "closure" };
                    format!("{kind} in pool {}, joined by {}", task.pool, task.joiners)
                }
            };
            writeln!(f, "task {n} ({whereabouts}): {:?}", task.steps)?;
        }
        Ok(())
    }
}
