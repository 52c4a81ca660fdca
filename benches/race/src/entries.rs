//! The contenders: their names, and a line about each.
//!
//! A new contender is an entry here, and a part in each of the [`rows`](crate::rows) that it joins.

/// A contender, as the tables name it.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// Contenders that are compared with each other, in the order of the list.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) entries: &'static [Entry],
}

/// All groups. No row has contenders of two of them.
pub(crate) const GROUPS: [Group; 4] = [
    Group {
        name: "pools",
        entries: pools::ALL,
    },
    Group {
        name: "semaphores",
        entries: semaphores::ALL,
    },
    Group {
        name: "signals",
        entries: signals::ALL,
    },
    Group {
        name: "queues",
        entries: queues::ALL,
    },
];

/// Defines a constant for each contender of a group, and `ALL`, the list of them.
macro_rules! group {
    ($($contender:ident: $name:literal, $about:literal;)*) => {
        $(pub(crate) const $contender: Entry = Entry {
            name: $name,
            about: $about,
        };)*

        pub(crate) const ALL: &[Entry] = &[$($contender),*];
    };
}

/// The pools, and what stands in for one.
pub(crate) mod pools {
    use super::Entry;

    group! {
        WORKMILL: "workmill", "tasks capture a clone of the pool";
        WORKMILL_CURRENT: "workmill current", "tasks ask workmill::current() for the pool";
        WORKMILL_SCOPE: "workmill scope",
            "a scope, and one task in it; in nested_join only";
        WORKMILL_OF_FOUR: "workmill of four",
            "a pool of four threads, one for each task; in contended_wait only";
        WORKMILL_BACKGROUND: "workmill background",
            "does not wait for its threads, as some others cannot; in start_stop only";
        WORKMILL_ONESHOT: "workmill oneshot", "execute, and a oneshot for the result";
        WORKMILL_JOIN_SET: "workmill JoinSet", "in join_set only";
        WORKMILL_AS_COMPLETED: "workmill as_completed", "in as_completed only";
        WORKMILL_MIXED: "workmill mixed",
            "one task in eight urgent, one idle; in priority only";
        RAYON: "rayon",
            "ThreadPool::spawn, and a oneshot for the result; cannot wait for its threads";
        RAYON_CURRENT: "rayon current", "tasks call rayon::spawn";
        RAYON_SCOPE: "rayon scope", "rayon::scope, and one task spawned in it; in nested_join only";
        RAYON_JOIN: "rayon join", "rayon::join, whose tasks are on the stack";
        RAYON_PAR_ITER: "rayon par_iter", "into_par_iter, map and collect; in maps only";
        TOKIO_JOIN_SET: "tokio JoinSet", "under block_on; in join_set only";
        TOKIO_UNORDERED: "tokio FuturesUnordered",
            "its JoinHandles in a FuturesUnordered, under block_on; in as_completed only";
        RAYON_BORROWS: "rayon borrows",
            "in_place_scope, and par_iter; in the rows whose tasks borrow";
        TOKIO: "tokio",
            "Handle::spawn, and its JoinHandle under block_on; spawn_blocking; no drivers except \
             for timers";
        TOKIO_CURRENT: "tokio current", "tasks call tokio::spawn";
        ASYNC_EXECUTOR: "async-executor",
            "spawn and detach, or its Task under block_on; its threads by hand; timers of async-io";
        FUTURES: "futures",
            "spawn_ok, and a oneshot for the result; cannot wait for its threads; timers of \
             async-io";
        THREADPOOL: "threadpool",
            "execute, and a oneshot for the result; cannot wait for its threads";
        RUSTY_POOL: "rusty_pool",
            "execute, and its evaluate; cannot wait for its threads, only for its tasks";
        BY_HAND: "by hand", "crossbeam-channel with boxed closures, and a oneshot for the result";
        THREADS: "threads",
            "by hand, and a thread for each task that sleeps; or four that take permits of ours";
        THREADS_TOKIO: "threads tokio",
            "four that take permits of tokio's semaphore; in contended_wait only";
        BOOK: "book", "a receiver in a mutex, and a channel for the result";
        CHILI: "chili",
            "has only join, so takes part in the rows of join, idle and start_stop; the caller \
             runs tasks, too";
        FLOOR: "floor", "the same loop without a pool: the closure is called inline";
    }
}

/// The semaphores.
pub(crate) mod semaphores {
    use super::Entry;

    group! {
        WORKMILL: "workmill", "Semaphore::new";
        WORKMILL_UNFAIR: "workmill unfair", "Semaphore::unfair";
        TOKIO: "tokio", "its acquire under block_on";
        ASYNC_LOCK: "async-lock", "acquire_blocking; unfair";
        PARKING_LOT: "parking_lot", "a number in its Mutex, and its Condvar; unfair";
        BY_HAND: "by hand", "a number in a Mutex of std, and a Condvar; unfair";
        FLOOR: "floor",
            "two compare-exchanges, one to take and one to give back; for one thread only";
    }
}

/// The signals and barriers.
pub(crate) mod signals {
    use super::Entry;

    group! {
        WORKMILL: "workmill", "Notify, Barrier";
        TOKIO: "tokio", "Notify under block_on; in notify only";
        EVENT_LISTENER: "event-listener", "an Event beside an atomic flag; in notify only";
        STD: "std", "Barrier; in barrier only";
    }
}

/// The bounded queues.
pub(crate) mod queues {
    use super::Entry;

    group! {
        WORKMILL: "workmill", "JoinableQueue::bounded, put and get";
        CROSSBEAM_CHANNEL: "crossbeam-channel", "bounded";
        FLUME: "flume", "bounded";
        KANAL: "kanal", "bounded";
        ASYNC_CHANNEL: "async-channel", "bounded; send_blocking and recv_blocking";
        SYNC_CHANNEL: "sync_channel",
            "that of std, whose receiver cannot be shared; in queue1 only";
        BY_HAND: "by hand", "a VecDeque in a Mutex of std, and two Condvars";
    }
}
