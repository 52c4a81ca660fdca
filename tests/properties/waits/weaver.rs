//! Weaves programs that finish with a thread for each task.
//!
//! # How a program is woven
//! A [`Plan`] is a list of moves. A weaver makes them one after the other, and knows what each task
//! has done so far. A move adds a step to a task, but only if that step, locks aside, does not wait
//! after all the steps added so far. A move that cannot be made is left out, so every list of moves
//! is a plan. A program does not contain the order of the moves: each task has its own steps, one
//! after the other, which may wait for a step that another task does much later.
//!
//! # Why each program finishes
//! *Without locks:* of the steps that have not been done take the one that was woven first. All
//! steps that were woven before it are done, so it does not wait, whatever else is done:
//! - A flag, once set, stays set; a latch is counted down as often as its count; tasks stay ended.
//! - A *pair* is a channel with one task that puts and one that gets. So the n-th get waits for the
//!   n-th put, and, if the capacity is c, the n-th put for get n - c. Without capacity both are
//!   woven at once.
//! - A *collector* has room for all items, and one task gets: no other takes its items away.
//! - A *stock* has room for all items, and all are put in before the first get is woven.
//! - *Many to many* is woven at once: some tasks do nothing but put, others nothing but get, until
//!   all items are taken. So while one of them has to put, another has to get.
//! - A channel is joined when no more items are put in, and all have been taken.
//!
//! A step that is tried again and again is done by the first try in time. Two such steps that need
//! each other at the same moment, a put and a get without capacity, wait nearly all the time, so
//! they meet.
//!
//! *With locks* (a semaphore is a lock with several holders) a step that was woven early may be
//! late, because others have the lock. So the weaver notes for each step which *takings* of locks
//! it may need, itself or by the steps that it waits for, and which takings have surely happened
//! when it is done. (Both, because a get needs some put, and it is not known which.) While a task
//! holds a lock, it gets no step that may need the taking of a lock of an equal or a lower number,
//! unless that taking had surely happened when its own lock was taken. Suppose that all tasks are
//! stuck. Then a task waits for a lock that another task holds, and the holder is stuck in a step.
//! Of the steps that this step may need, and that have not been done, take again the one that was
//! woven first. It is stuck only if it is the taking of a lock. That lock has a higher number, and
//! a third task holds it. And so on without end; but the number of locks is finite.

use super::plan::{Move, MoveKind, Plan};
use super::program::{Channel, Flag, How, Program, Step, Task, Tokens};

/// The most tasks that a program has.
const TASKS: usize = 120;

/// The most takings of locks in a program: the number of bits of a [`LockHistory`].
const TAKINGS: usize = 128;

impl Plan {
    /// Weaves the program of this plan.
    pub(crate) fn weave(&self) -> Program {
        let mut weaver = Weaver::new(self);
        self.moves.iter().for_each(|one| weaver.make(one));
        weaver.end_all(self.joins_children);
        weaver.program
    }
}

/// A bit for each taking of a lock: the takings that a step may need, and those that have surely
/// happened when it is done.
#[derive(Clone, Copy, Default)]
struct LockHistory {
    may: u128,
    must: u128,
}

impl LockHistory {
    fn and(self, other: Self) -> Self {
        Self {
            may: self.may | other.may,
            must: self.must | other.must,
        }
    }

    /// The history of a step that may have been done without this one.
    fn perhaps(self) -> Self {
        Self { must: 0, ..self }
    }
}

/// A task as the weaver knows it.
#[derive(Clone, Default)]
struct KnownTask {
    history: LockHistory,
    held: Vec<Held>,
    children: Vec<usize>,
    is_live: bool,
}

/// A lock that a task holds.
#[derive(Clone, Copy)]
struct Held {
    lock: usize,
    /// The takings that had surely happened when it was taken, this one among them.
    before: u128,
}

/// A latch as the weaver knows it.
struct KnownLatch {
    history: LockHistory,
    /// No task counts it down any more.
    is_awaited: bool,
}

/// A channel as the weaver knows it.
struct KnownChannel {
    mode: Mode,
    puts: Vec<LockHistory>,
    gets: Vec<LockHistory>,
    /// No more items are put in.
    is_over: bool,
}

#[derive(Clone, Copy)]
enum Mode {
    Pair {
        from: usize,
        to: usize,
        capacity: Option<usize>,
    },
    Collector {
        to: usize,
    },
    Stock,
}

#[derive(Default)]
struct Weaver {
    program: Program,
    tasks: Vec<KnownTask>,
    /// The tasks that have not ended.
    live: Vec<usize>,
    /// The tasks in the pools that have ended.
    ended: Vec<usize>,
    /// The histories of the steps that set the flags.
    flags: Vec<LockHistory>,
    latches: Vec<KnownLatch>,
    channels: Vec<KnownChannel>,
    takings: usize,
    /// For each lock its takings and those of locks with lower numbers.
    up_to: Vec<u128>,
}

/// Picks one of `many` things: the last, or the one that is `which` before it.
fn recent(many: usize, which: usize) -> Option<usize> {
    (many > 0).then(|| many - 1 - which % many)
}

impl Weaver {
    fn new(plan: &Plan) -> Self {
        let mut weaver = Self {
            up_to: vec![0; plan.locks.len()],
            ..Self::default()
        };
        weaver.program.locks.clone_from(&plan.locks);
        weaver.program.outside = plan.outside;
        for _ in 0..plan.outside {
            weaver.add_task(LockHistory::default(), 0, false);
        }
        weaver
    }

    fn add_task(&mut self, history: LockHistory, pool: usize, is_future: bool) -> usize {
        let task = self.tasks.len();
        self.live.push(task);
        self.tasks.push(KnownTask {
            history,
            is_live: true,
            ..KnownTask::default()
        });
        self.program.tasks.push(Task {
            pool,
            is_future,
            ..Task::default()
        });
        task
    }

    /// Returns `many` tasks that have not ended, or fewer if there are fewer.
    fn crowd(&self, by: usize, many: usize) -> Vec<usize> {
        let live = self.live.len();
        let crowd = (0..many.min(live)).map(|n| self.live[(by + n) % live]);
        crowd.collect()
    }

    fn make(&mut self, one: &Move) {
        let &Move {
            kind,
            by,
            which,
            many,
            size,
            how,
        } = one;
        let Some(&task) = self.crowd(by, 1).first() else {
            return;
        };
        let some = many.div_ceil(3);
        match kind {
            MoveKind::Yield => self.step(task, Step::Yield),
            MoveKind::SetThreads => self.step(task, Step::SetThreads(which)),
            MoveKind::End => self.end(task),
            MoveKind::Spawn => (0..some).for_each(|_| _ = self.spawn(task, size, how)),
            MoveKind::Chain => {
                let _ = (0..many).try_fold(task, |parent, _| self.spawn(parent, size, how));
            }
            MoveKind::Join => {
                if let Some(ended) = recent(self.ended.len(), which) {
                    for task in self.crowd(by, some) {
                        self.join(task, self.ended[ended], how);
                    }
                }
            }
            MoveKind::Set => {
                let kind = [Flag::Event, Flag::Token, Flag::Condvar][size % 3];
                self.program.flags.push(kind);
                self.flags.push(self.history(task));
                self.step(task, Step::Set(self.flags.len() - 1));
            }
            MoveKind::WaitFor => {
                if let Some(flag) = recent(self.flags.len(), which) {
                    for task in self.crowd(by, many) {
                        self.wait(task, self.flags[flag], Step::WaitFor(flag, how));
                    }
                }
            }
            MoveKind::Take => {
                for task in self.crowd(by, some) {
                    self.take(task, which, size, how);
                }
            }
            MoveKind::LetGo => self.let_go(task, which),
            MoveKind::CountDown => self.count_down(by, which, many),
            MoveKind::Await => {
                if let Some(latch) = recent(self.latches.len(), which) {
                    for task in self.crowd(by, many) {
                        let history = self.latches[latch].history;
                        let waits = self.wait(task, history, Step::Await(latch, how));
                        self.latches[latch].is_awaited |= waits;
                    }
                }
            }
            MoveKind::Meet => self.meet(by, many),
            MoveKind::Pair => {
                let to = self.crowd(by + 1 + which, 1)[0];
                let capacity = [None, Some(0), Some(0), Some(1), Some(2), Some(3)][size % 6];
                let from = task;
                if from != to {
                    self.add_channel(Mode::Pair { from, to, capacity }, Channel::Queue(capacity));
                    (0..some).for_each(|_| self.put(by, 0, how));
                }
            }
            MoveKind::Collector => self.add_channel(Mode::Collector { to: task }, unlimited(size)),
            MoveKind::Stock => self.add_channel(Mode::Stock, unlimited(size)),
            MoveKind::Put => (0..some).for_each(|n| self.put(by + n * size, which, how)),
            MoveKind::Get => (0..some).for_each(|n| self.get(by + n * size, which, how)),
            MoveKind::ManyToMany => self.many_to_many(one),
            MoveKind::Finish => self.finish(task, which, how),
        }
    }

    fn step(&mut self, task: usize, step: Step) {
        self.program.tasks[task].steps.push(step);
    }

    fn history(&self, task: usize) -> LockHistory {
        self.tasks[task].history
    }

    fn learn(&mut self, task: usize, history: LockHistory) {
        let own = &mut self.tasks[task].history;
        *own = own.and(history);
    }

    /// Returns `true` if a task may wait for a step with such a history.
    fn may_wait(&self, task: usize, history: LockHistory) -> bool {
        let KnownTask {
            history: own, held, ..
        } = &self.tasks[task];
        let may = own.may | history.may;
        let mut held = held.iter();
        held.all(|held| may & self.up_to[held.lock] & !held.before == 0)
    }

    /// Adds a step that waits for one with such a history to a task, if the task may wait.
    fn wait(&mut self, task: usize, history: LockHistory, step: Step) -> bool {
        let may = self.may_wait(task, history);
        if may {
            self.learn(task, history);
            self.step(task, step);
        }
        may
    }

    /// Returns the common history of tasks that wait for each other, if all of them may wait.
    fn common_history(&self, tasks: &[usize]) -> Option<LockHistory> {
        let histories = tasks.iter().map(|&task| self.history(task));
        let history = histories.fold(LockHistory::default(), LockHistory::and);
        let all = tasks.iter().all(|&task| self.may_wait(task, history));
        all.then_some(history)
    }

    fn spawn(&mut self, parent: usize, size: usize, how: How) -> Option<usize> {
        if self.tasks.len() == TASKS {
            return None;
        }
        let child = self.add_task(self.history(parent), size % 2, size / 2 % 3 == 0);
        self.tasks[parent].children.push(child);
        self.step(parent, Step::Spawn(child, how));
        Some(child)
    }

    fn join(&mut self, task: usize, other: usize, how: How) {
        if self.wait(task, self.history(other), Step::Join(other, how)) {
            self.program.tasks[other].joiners += 1;
        }
    }

    fn end(&mut self, task: usize) {
        while !self.tasks[task].held.is_empty() {
            self.let_go(task, 0);
        }
        self.tasks[task].is_live = false;
        self.live.retain(|&other| other != task);
        if task >= self.program.outside {
            self.ended.push(task);
        }
    }

    /// Ends the children before their parents, which may join them.
    fn end_all(&mut self, joins_children: Option<How>) {
        for task in (0..self.tasks.len()).rev() {
            if !self.tasks[task].is_live {
                continue;
            }
            while !self.tasks[task].held.is_empty() {
                self.let_go(task, 0);
            }
            let mut children = self.tasks[task].children.clone();
            children.retain(|&child| self.program.tasks[child].joiners == 0);
            if task % 3 == 0 {
                children.reverse();
            }
            if let Some(how) = joins_children {
                for child in children {
                    self.join(task, child, how);
                }
            }
            self.end(task);
        }
    }

    fn take(&mut self, task: usize, which: usize, size: usize, how: How) {
        let locks = &self.program.locks;
        if locks.is_empty() || self.takings == TAKINGS {
            return;
        }
        let lock = which % locks.len();
        let permits = 1 + size % locks[lock].permits();
        let mut held = self.tasks[task].held.iter();
        if held.any(|held| held.lock >= lock)
            || !self.wait(task, LockHistory::default(), Step::Take(lock, permits, how))
        {
            return;
        }
        let taking = 1 << self.takings;
        self.takings += 1;
        self.up_to[lock..]
            .iter_mut()
            .for_each(|up_to| *up_to |= taking);
        self.learn(
            task,
            LockHistory {
                may: taking,
                must: taking,
            },
        );
        let before = self.history(task).must;
        self.tasks[task].held.push(Held { lock, before });
    }

    fn let_go(&mut self, task: usize, which: usize) {
        let held = &mut self.tasks[task].held;
        if let Some(held) = recent(held.len(), which).map(|index| held.remove(index)) {
            self.step(task, Step::LetGo(held.lock));
        }
    }

    fn count_down(&mut self, by: usize, which: usize, many: usize) {
        let mut latch = recent(self.latches.len(), which);
        if latch.is_none_or(|latch| self.latches[latch].is_awaited) {
            latch = Some(self.add_latch(LockHistory::default(), false));
        }
        let latch = latch.expect("there is one now");
        for task in self.crowd(by, many) {
            self.latches[latch].history = self.latches[latch].history.and(self.history(task));
            self.program.latches[latch] += 1;
            self.step(task, Step::CountDown(latch));
        }
    }

    fn add_latch(&mut self, history: LockHistory, is_awaited: bool) -> usize {
        self.program.latches.push(0);
        self.latches.push(KnownLatch {
            history,
            is_awaited,
        });
        self.latches.len() - 1
    }

    fn meet(&mut self, by: usize, many: usize) {
        let tasks = self.crowd(by, 1 + many);
        if let Some(history) = self.common_history(&tasks) {
            let latch = self.add_latch(history, true);
            self.program.latches[latch] = tasks.len();
            for task in tasks {
                self.wait(task, history, Step::Meet(latch));
            }
        }
    }

    fn add_channel(&mut self, mode: Mode, channel: Channel) {
        self.program.channels.push(channel);
        self.channels.push(KnownChannel {
            mode,
            puts: Vec::new(),
            gets: Vec::new(),
            is_over: false,
        });
    }

    fn put(&mut self, by: usize, which: usize, how: How) {
        let Some(channel) = recent(self.channels.len(), which) else {
            return;
        };
        let known = &self.channels[channel];
        let (puts, gets) = (known.puts.len(), known.gets.len());
        let (task, history) = match known.mode {
            _ if known.is_over => return,
            Mode::Pair {
                from,
                to,
                capacity: Some(0),
            } => return self.pass_on(from, to, channel, how),
            Mode::Pair { from, capacity, .. } => match capacity {
                Some(capacity) if puts == gets + capacity => return,
                Some(capacity) if puts >= capacity => (from, known.gets[puts - capacity]),
                _ => (from, LockHistory::default()),
            },
            Mode::Stock if gets > 0 => return,
            Mode::Stock | Mode::Collector { .. } => (self.crowd(by, 1)[0], LockHistory::default()),
        };
        if self.tasks[task].is_live && self.wait(task, history, Step::Put(channel, how)) {
            let history = self.history(task);
            self.channels[channel].puts.push(history);
        }
    }

    /// Adds a put and the get of the same item, which has no room in between.
    fn pass_on(&mut self, from: usize, to: usize, channel: usize, how: How) {
        if !self.tasks[from].is_live || !self.tasks[to].is_live {
            return;
        }
        if let Some(history) = self.common_history(&[from, to]) {
            self.wait(from, history, Step::Put(channel, how));
            self.wait(to, history, Step::Get(channel, how));
            self.channels[channel].puts.push(history);
            self.channels[channel].gets.push(history);
        }
    }

    fn get(&mut self, by: usize, which: usize, how: How) {
        let Some(channel) = recent(self.channels.len(), which) else {
            return;
        };
        let KnownChannel {
            mode, puts, gets, ..
        } = &self.channels[channel];
        let n = gets.len();
        if n == puts.len() {
            return;
        }
        let all = |puts: &[LockHistory]| {
            puts.iter()
                .fold(LockHistory::default(), |all, &put| all.and(put))
        };
        let (task, history) = match *mode {
            Mode::Pair { to, .. } => (to, puts[n]),
            Mode::Collector { to } => (to, all(&puts[..=n]).perhaps()),
            Mode::Stock => (self.crowd(by, 1)[0], all(puts).perhaps()),
        };
        if self.tasks[task].is_live && self.wait(task, history, Step::Get(channel, how)) {
            let history = self.history(task);
            self.channels[channel].gets.push(history);
        }
    }

    fn many_to_many(&mut self, one: &Move) {
        let (from, to) = (1 + one.which, 1 + one.size % 4);
        let tasks = self.crowd(one.by, from + to);
        let Some(history) = self
            .common_history(&tasks)
            .filter(|_| tasks.len() == from + to)
        else {
            return;
        };
        let capacity = [Some(0), Some(1), Some(2), Some(3)][one.size / 4 % 4];
        self.add_channel(Mode::Stock, Channel::Queue(capacity));
        let channel = self.channels.len() - 1;
        for (n, task) in tasks.into_iter().enumerate() {
            let (step, others) = match n < from {
                true => (Step::Put(channel, one.how), to),
                false => (Step::Get(channel, one.how), from),
            };
            for _ in 0..others * one.many.div_ceil(4) {
                self.wait(task, history.perhaps(), step);
            }
        }
        let known = &mut self.channels[channel];
        known.puts.push(history);
        known.gets.push(history);
    }

    fn finish(&mut self, task: usize, which: usize, how: How) {
        let Some(channel) = recent(self.channels.len(), which) else {
            return;
        };
        let KnownChannel { puts, gets, .. } = &self.channels[channel];
        let is_queue = matches!(self.program.channels[channel], Channel::Queue(_));
        if is_queue && puts.len() == gets.len() {
            let both = puts.iter().chain(gets).copied();
            let history = both
                .fold(LockHistory::default(), LockHistory::and)
                .perhaps();
            self.channels[channel].is_over |= self.wait(task, history, Step::Finish(channel, how));
        }
    }
}

/// A channel with room for everything.
fn unlimited(size: usize) -> Channel {
    match size % 3 {
        0 => Channel::Tokens(
            [Tokens::New, Tokens::Signals, Tokens::Limit, Tokens::Unfair][size / 3 % 4],
        ),
        _ => Channel::Queue(None),
    }
}
