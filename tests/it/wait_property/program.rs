//! Programs of tasks that wait for each other, and finish with a thread for each task.
//!
//! # How a program is woven
//! A [`Plan`] is a list of moves. They are made one after the other by a weaver, which knows what each
//! task has done so far: a move gives a task one step more, and only if that step, locks aside, would
//! not wait after all the steps given so far. A move that cannot be made is left out, so every list of
//! moves is a plan. Their order is in no program: there each task has its own steps, one after the
//! other, and they may wait for what another task does much later.
//!
//! # Why each program finishes
//! *Without locks:* of the steps that have not been done take the one that was woven first. All that was
//! woven before it is done, and then it does not wait, whatever else is done:
//! - A gate, once open, stays so; a latch is counted down as often as its count; tasks stay ended.
//! - A *pair* is a channel with one task that puts and one that gets, so the n-th get waits for the n-th
//!   put, and, if there are c places, the n-th put for get n - c. Without places they are woven at once.
//! - A *collector* has room for all items, and one task gets: no other takes its items away.
//! - A *heap* has room for all items, and all are put in before the first get is woven.
//! - A *drain* is woven at once: tasks that do nothing but get until all is got that others put, who do
//!   nothing else meanwhile either. So while one of them has to put, another has to get.
//! - A channel is joined when nothing more is put in, and as much was got.
//!
//! *With locks* (a semaphore is one with several holders) a step that was woven early may be late, because
//! others have the lock. So the weaver notes for each step which *takings* of locks it may need, itself
//! or by what it waits for, and which of them have surely been when it is done. (Both, because a get
//! needs some put, and nobody knows which.) While a task holds a lock it is given no step that may need
//! the taking of a lock of the same or a lower number, unless that had surely been when its own was
//! taken. Say all are stuck. Then a task is for a lock that another holds, and that one is stuck in a
//! step; of what this step may need, and has not been done, take again what was woven first. It is
//! stuck only if it is the taking of a lock, which then has a higher number, and which a third task
//! holds. And so on without end; but there are only so many locks.

use std::fmt;

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;

/// No program has more tasks.
const TASKS: usize = 120;

/// No program takes locks more often: so many bits a [`Past`] has.
const TAKINGS: usize = 128;

/// Tasks, and what they wait on.
#[derive(Clone, Default)]
pub(crate) struct Program {
    pub(crate) tasks: Vec<Task>,
    /// So many of the tasks, the first, are threads outside of all pools.
    pub(crate) outside: usize,
    pub(crate) locks: Vec<Lock>,
    pub(crate) gates: Vec<Gate>,
    /// The counts of the latches.
    pub(crate) latches: Vec<usize>,
    pub(crate) channels: Vec<Channel>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Task {
    pub(crate) steps: Vec<Step>,
    /// The first of two pools, or the second. Where there is one only it means nothing.
    pub(crate) pool: usize,
    /// How many tasks join it.
    pub(crate) joiners: usize,
}

/// What a task does. A number says with which task, lock, gate, latch or channel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Yield,
    SetThreads(usize),
    Spawn(usize),
    Join(usize, How),
    /// Takes so many permits of a lock.
    Take(usize, usize, How),
    LetGo(usize),
    Open(usize),
    Pass(usize, How),
    CountDown(usize),
    Await(usize, How),
    /// Counts a latch down and waits for the others.
    Meet(usize),
    Put(usize, How),
    Get(usize, How),
    /// Waits until all items of a channel have been got and done.
    Finish(usize, How),
}

/// In which form a step waits, if there are several.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Plain,
    /// With a limit of time that is never over.
    Timed,
    /// Within [`blocking`](workmill::blocking).
    Nested,
    /// As a future, within [`blocking`](workmill::blocking).
    Awaited,
}

/// What a task can hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    Mutex,
    Semaphore(usize),
    Unfair(usize),
    Bounded(usize),
}

impl Lock {
    pub(crate) fn permits(self) -> usize {
        match self {
            Self::Mutex => 1,
            Self::Semaphore(permits) | Self::Unfair(permits) | Self::Bounded(permits) => permits,
        }
    }
}

/// What is closed at first and is opened once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gate {
    Event,
    Token,
    /// Nothing of the crate's.
    Condvar,
}

/// What items go through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Channel {
    /// A queue with so many places, or with any number of them.
    Queue(Option<usize>),
    /// A semaphore whose permits are items.
    Tokens,
}

/// Of what a [`Program`] is woven.
#[derive(Clone)]
pub(crate) struct Plan {
    outside: usize,
    locks: Vec<Lock>,
    /// Whether tasks join in the end those of their children that nobody has joined, and how.
    joins_children: Option<How>,
    moves: Vec<Move>,
}

/// Gives some tasks a step each. A number picks one of those there are.
#[derive(Clone)]
struct Move {
    what: What,
    by: usize,
    which: usize,
    many: usize,
    size: usize,
    how: How,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Yield,
    End,
    Spawn,
    Chain,
    Join,
    Open,
    Pass,
    Take,
    LetGo,
    CountDown,
    Await,
    Meet,
    Pair,
    Collector,
    Heap,
    Put,
    Get,
    Drain,
    Finish,
    SetThreads,
}

const ALL: [What; 19] = {
    use What::{
        Await, Chain, Collector, CountDown, Drain, End, Finish, Get, Heap, Join, LetGo, Meet, Open,
        Pair, Pass, Put, Spawn, Take, Yield,
    };
    [
        Yield, End, Spawn, Chain, Join, Open, Pass, Take, LetGo, CountDown, Await, Meet, Pair,
        Collector, Heap, Put, Get, Drain, Finish,
    ]
};

/// Plans, some of which are fond of trees, some of locks, and so on.
pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    use What::{
        Await, Chain, Collector, CountDown, Drain, End, Finish, Get, Heap, Join, LetGo, Meet, Open,
        Pair, Pass, Put, Spawn, Take,
    };
    let moves = prop_oneof![
        moves(&ALL),
        moves(&[Spawn, Chain, Join, Join, End]),
        moves(&[Spawn, Take, Take, Join, End]),
        moves(&[Spawn, Take, LetGo, Open, Pass, Pass]),
        moves(&[Spawn, Open, Pass, Pass, CountDown, CountDown, Await, Meet]),
        moves(&[
            Spawn, Pair, Collector, Heap, Put, Put, Put, Get, Get, Finish
        ]),
        moves(&[Spawn, Take, Pair, Put, Get, Drain]),
    ];
    let joins_children = proptest::option::of(how());
    let locks = proptest::collection::vec(lock(), 0..5);
    (1..4_usize, locks, joins_children, moves).prop_map(
        |(outside, locks, joins_children, moves)| Plan {
            outside,
            locks,
            joins_children,
            moves,
        },
    )
}

/// The same with changes of the number of threads in between.
pub(crate) fn plans_that_set_threads() -> impl Strategy<Value = Plan> {
    let changes =
        proptest::collection::vec((0..200_usize, one_move(Just(What::SetThreads))), 0..12);
    (plans(), changes).prop_map(|(mut plan, changes)| {
        for (place, change) in changes {
            let place = place.min(plan.moves.len());
            plan.moves.insert(place, change);
        }
        plan
    })
}

/// Some moves, in bundles, of which a smaller plan goes without a whole one first.
fn moves(favourites: &'static [What]) -> impl Strategy<Value = Vec<Move>> {
    let what = prop_oneof![select(&ALL[..]), select(favourites)];
    let bundle = proptest::collection::vec(one_move(what), 0..15);
    proptest::collection::vec(bundle, 0..28).prop_map(|bundles| bundles.concat())
}

fn one_move(what: impl Strategy<Value = What>) -> impl Strategy<Value = Move> {
    let numbers = (0..64_usize, 0..16_usize, 1..13_usize, 0..16_usize);
    (what, numbers, how()).prop_map(|(what, (by, which, many, size), how)| Move {
        what,
        by,
        which,
        many,
        size,
        how,
    })
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => Just(How::Plain),
        1 => Just(How::Timed),
        1 => Just(How::Nested),
        1 => Just(How::Awaited),
    ]
}

fn lock() -> impl Strategy<Value = Lock> {
    prop_oneof![
        3 => Just(Lock::Mutex),
        2 => (1..4_usize).prop_map(Lock::Semaphore),
        1 => (1..4_usize).prop_map(Lock::Unfair),
        1 => (1..4_usize).prop_map(Lock::Bounded),
    ]
}

impl Plan {
    /// The program of this plan.
    pub(crate) fn weave(&self) -> Program {
        let mut weaver = Weaver::new(self);
        self.moves.iter().for_each(|one| weaver.make(one));
        weaver.end_all(self.joins_children);
        weaver.program
    }
}

/// Takings of locks, a bit for each, that a step may need, and that have surely been when it is done.
#[derive(Clone, Copy, Default)]
struct Past {
    may: u128,
    must: u128,
}

impl Past {
    fn and(self, other: Self) -> Self {
        Self {
            may: self.may | other.may,
            must: self.must | other.must,
        }
    }

    /// The past of what may have been done without this.
    fn perhaps(self) -> Self {
        Self { must: 0, ..self }
    }
}

/// A task as the weaver knows it.
#[derive(Clone, Default)]
struct Thread {
    past: Past,
    held: Vec<Held>,
    children: Vec<usize>,
    is_live: bool,
}

/// A lock that a task holds.
#[derive(Clone, Copy)]
struct Held {
    lock: usize,
    /// The takings that had surely been when it was taken, this one among them.
    before: u128,
}

/// A latch as the weaver knows it.
struct Count {
    past: Past,
    /// Nobody counts it down any more.
    is_awaited: bool,
}

/// A channel as the weaver knows it.
struct Line {
    mode: Mode,
    puts: Vec<Past>,
    gets: Vec<Past>,
    /// Nothing more is put in.
    is_over: bool,
}

#[derive(Clone, Copy)]
enum Mode {
    Pair {
        from: usize,
        to: usize,
        places: Option<usize>,
    },
    Collector {
        to: usize,
    },
    Heap,
}

#[derive(Default)]
struct Weaver {
    program: Program,
    threads: Vec<Thread>,
    /// The tasks that have not ended.
    live: Vec<usize>,
    /// The tasks in the pools that have ended.
    ended: Vec<usize>,
    /// The pasts of the openings.
    gates: Vec<Past>,
    latches: Vec<Count>,
    lines: Vec<Line>,
    takings: usize,
    /// For each lock the takings of it and of those with lower numbers.
    up_to: Vec<u128>,
}

/// The number of one of so many things: the last, or as much before it as `which` says.
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
            weaver.add_task(Past::default(), 0);
        }
        weaver
    }

    fn add_task(&mut self, past: Past, pool: usize) -> usize {
        let task = self.threads.len();
        self.live.push(task);
        self.threads.push(Thread {
            past,
            is_live: true,
            ..Thread::default()
        });
        self.program.tasks.push(Task {
            pool: pool % 2,
            ..Task::default()
        });
        task
    }

    /// So many tasks that have not ended, or fewer if there are not so many.
    fn crowd(&self, by: usize, many: usize) -> Vec<usize> {
        let live = self.live.len();
        let crowd = (0..many.min(live)).map(|n| self.live[(by + n) % live]);
        crowd.collect()
    }

    fn make(&mut self, one: &Move) {
        let &Move {
            what,
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
        match what {
            What::Yield => self.step(task, Step::Yield),
            What::SetThreads => self.step(task, Step::SetThreads(which)),
            What::End => self.end(task),
            What::Spawn => (0..some).for_each(|_| _ = self.spawn(task, size)),
            What::Chain => _ = (0..many).try_fold(task, |parent, _| self.spawn(parent, size)),
            What::Join => {
                if let Some(ended) = recent(self.ended.len(), which) {
                    for task in self.crowd(by, some) {
                        self.join(task, self.ended[ended], how);
                    }
                }
            }
            What::Open => {
                let kind = [Gate::Event, Gate::Token, Gate::Condvar][size % 3];
                self.program.gates.push(kind);
                self.gates.push(self.past(task));
                self.step(task, Step::Open(self.gates.len() - 1));
            }
            What::Pass => {
                if let Some(gate) = recent(self.gates.len(), which) {
                    for task in self.crowd(by, many) {
                        self.wait(task, self.gates[gate], Step::Pass(gate, how));
                    }
                }
            }
            What::Take => {
                for task in self.crowd(by, some) {
                    self.take(task, which, size, how);
                }
            }
            What::LetGo => self.let_go(task, which),
            What::CountDown => self.count_down(by, which, many),
            What::Await => {
                if let Some(latch) = recent(self.latches.len(), which) {
                    for task in self.crowd(by, many) {
                        let past = self.latches[latch].past;
                        let waits = self.wait(task, past, Step::Await(latch, how));
                        self.latches[latch].is_awaited |= waits;
                    }
                }
            }
            What::Meet => self.meet(by, many),
            What::Pair => {
                let to = self.crowd(by + 1 + which, 1)[0];
                let places = [None, Some(0), Some(0), Some(1), Some(2)][size % 5];
                let from = task;
                if from != to {
                    self.add_line(Mode::Pair { from, to, places }, Channel::Queue(places));
                    (0..some).for_each(|_| self.put(by, 0, how));
                }
            }
            What::Collector => self.add_line(Mode::Collector { to: task }, unlimited(size)),
            What::Heap => self.add_line(Mode::Heap, unlimited(size)),
            What::Put => (0..some).for_each(|n| self.put(by + n * size, which, how)),
            What::Get => (0..some).for_each(|n| self.get(by + n * size, which, how)),
            What::Drain => self.drain(one),
            What::Finish => self.finish(task, which, how),
        }
    }

    fn step(&mut self, task: usize, step: Step) {
        self.program.tasks[task].steps.push(step);
    }

    fn past(&self, task: usize) -> Past {
        self.threads[task].past
    }

    fn learn(&mut self, task: usize, past: Past) {
        let own = &mut self.threads[task].past;
        *own = own.and(past);
    }

    /// Tells whether a task may wait for something with such a past.
    fn may_wait(&self, task: usize, past: Past) -> bool {
        let Thread {
            past: own, held, ..
        } = &self.threads[task];
        let may = own.may | past.may;
        let mut held = held.iter();
        held.all(|held| may & self.up_to[held.lock] & !held.before == 0)
    }

    /// Gives a task a step that waits for something with such a past, if it may.
    fn wait(&mut self, task: usize, past: Past, step: Step) -> bool {
        let may = self.may_wait(task, past);
        if may {
            self.learn(task, past);
            self.step(task, step);
        }
        may
    }

    /// The past of what these tasks wait for if they wait for each other, if they may.
    fn common_past(&self, tasks: &[usize]) -> Option<Past> {
        let pasts = tasks.iter().map(|&task| self.past(task));
        let past = pasts.fold(Past::default(), Past::and);
        let all = tasks.iter().all(|&task| self.may_wait(task, past));
        all.then_some(past)
    }

    fn spawn(&mut self, parent: usize, pool: usize) -> Option<usize> {
        if self.threads.len() == TASKS {
            return None;
        }
        let child = self.add_task(self.past(parent), pool);
        self.threads[parent].children.push(child);
        self.step(parent, Step::Spawn(child));
        Some(child)
    }

    fn join(&mut self, task: usize, other: usize, how: How) {
        if self.wait(task, self.past(other), Step::Join(other, how)) {
            self.program.tasks[other].joiners += 1;
        }
    }

    fn end(&mut self, task: usize) {
        while !self.threads[task].held.is_empty() {
            self.let_go(task, 0);
        }
        self.threads[task].is_live = false;
        self.live.retain(|&other| other != task);
        if task >= self.program.outside {
            self.ended.push(task);
        }
    }

    /// Ends the children before their parents, which may join them.
    fn end_all(&mut self, joins_children: Option<How>) {
        for task in (0..self.threads.len()).rev() {
            if !self.threads[task].is_live {
                continue;
            }
            while !self.threads[task].held.is_empty() {
                self.let_go(task, 0);
            }
            let mut children = self.threads[task].children.clone();
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
        let mut held = self.threads[task].held.iter();
        if held.any(|held| held.lock >= lock)
            || !self.wait(task, Past::default(), Step::Take(lock, permits, how))
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
            Past {
                may: taking,
                must: taking,
            },
        );
        let before = self.past(task).must;
        self.threads[task].held.push(Held { lock, before });
    }

    fn let_go(&mut self, task: usize, which: usize) {
        let held = &mut self.threads[task].held;
        if let Some(held) = recent(held.len(), which).map(|index| held.remove(index)) {
            self.step(task, Step::LetGo(held.lock));
        }
    }

    fn count_down(&mut self, by: usize, which: usize, many: usize) {
        let mut latch = recent(self.latches.len(), which);
        if latch.is_none_or(|latch| self.latches[latch].is_awaited) {
            latch = Some(self.add_latch(Past::default(), false));
        }
        let latch = latch.expect("there is one now");
        for task in self.crowd(by, many) {
            self.latches[latch].past = self.latches[latch].past.and(self.past(task));
            self.program.latches[latch] += 1;
            self.step(task, Step::CountDown(latch));
        }
    }

    fn add_latch(&mut self, past: Past, is_awaited: bool) -> usize {
        self.program.latches.push(0);
        self.latches.push(Count { past, is_awaited });
        self.latches.len() - 1
    }

    fn meet(&mut self, by: usize, many: usize) {
        let tasks = self.crowd(by, 1 + many);
        if let Some(past) = self.common_past(&tasks) {
            let latch = self.add_latch(past, true);
            self.program.latches[latch] = tasks.len();
            for task in tasks {
                self.wait(task, past, Step::Meet(latch));
            }
        }
    }

    fn add_line(&mut self, mode: Mode, channel: Channel) {
        self.program.channels.push(channel);
        self.lines.push(Line {
            mode,
            puts: Vec::new(),
            gets: Vec::new(),
            is_over: false,
        });
    }

    fn put(&mut self, by: usize, which: usize, how: How) {
        let Some(channel) = recent(self.lines.len(), which) else {
            return;
        };
        let line = &self.lines[channel];
        let (puts, gets) = (line.puts.len(), line.gets.len());
        let (task, past) = match line.mode {
            _ if line.is_over => return,
            Mode::Pair {
                from,
                to,
                places: Some(0),
            } => return self.pass_on(from, to, channel, how),
            Mode::Pair { from, places, .. } => match places {
                Some(places) if puts == gets + places => return,
                Some(places) if puts >= places => (from, line.gets[puts - places]),
                _ => (from, Past::default()),
            },
            Mode::Heap if gets > 0 => return,
            Mode::Heap | Mode::Collector { .. } => (self.crowd(by, 1)[0], Past::default()),
        };
        if self.threads[task].is_live && self.wait(task, past, Step::Put(channel, how)) {
            let past = self.past(task);
            self.lines[channel].puts.push(past);
        }
    }

    /// A put and the get of the same item, where there is no place for it in between.
    fn pass_on(&mut self, from: usize, to: usize, channel: usize, how: How) {
        if !self.threads[from].is_live || !self.threads[to].is_live {
            return;
        }
        if let Some(past) = self.common_past(&[from, to]) {
            self.wait(from, past, Step::Put(channel, how));
            self.wait(to, past, Step::Get(channel, how));
            self.lines[channel].puts.push(past);
            self.lines[channel].gets.push(past);
        }
    }

    fn get(&mut self, by: usize, which: usize, how: How) {
        let Some(channel) = recent(self.lines.len(), which) else {
            return;
        };
        let Line {
            mode, puts, gets, ..
        } = &self.lines[channel];
        let n = gets.len();
        if n == puts.len() {
            return;
        }
        let all = |puts: &[Past]| puts.iter().fold(Past::default(), |all, &put| all.and(put));
        let (task, past) = match *mode {
            Mode::Pair { to, .. } => (to, puts[n]),
            Mode::Collector { to } => (to, all(&puts[..=n]).perhaps()),
            Mode::Heap => (self.crowd(by, 1)[0], all(puts).perhaps()),
        };
        if self.threads[task].is_live && self.wait(task, past, Step::Get(channel, how)) {
            let past = self.past(task);
            self.lines[channel].gets.push(past);
        }
    }

    fn drain(&mut self, one: &Move) {
        let (from, to) = (1 + one.which % 4, 1 + one.size % 4);
        let tasks = self.crowd(one.by, from + to);
        let Some(past) = self
            .common_past(&tasks)
            .filter(|_| tasks.len() == from + to)
        else {
            return;
        };
        let places = [Some(0), Some(1), Some(3), None][one.size / 4 % 4];
        self.add_line(Mode::Heap, Channel::Queue(places));
        let channel = self.lines.len() - 1;
        for (n, task) in tasks.into_iter().enumerate() {
            let (step, others) = match n < from {
                true => (Step::Put(channel, one.how), to),
                false => (Step::Get(channel, one.how), from),
            };
            for _ in 0..others * one.many.div_ceil(4) {
                self.wait(task, past.perhaps(), step);
            }
        }
        let line = &mut self.lines[channel];
        line.puts.push(past);
        line.gets.push(past);
    }

    fn finish(&mut self, task: usize, which: usize, how: How) {
        let Some(channel) = recent(self.lines.len(), which) else {
            return;
        };
        let Line { puts, gets, .. } = &self.lines[channel];
        let is_queue = matches!(self.program.channels[channel], Channel::Queue(_));
        if is_queue && puts.len() == gets.len() {
            let both = puts.iter().chain(gets).copied();
            let past = both.fold(Past::default(), Past::and).perhaps();
            self.lines[channel].is_over |= self.wait(task, past, Step::Finish(channel, how));
        }
    }
}

/// A channel with room for everything.
fn unlimited(size: usize) -> Channel {
    match size % 3 {
        0 => Channel::Tokens,
        _ => Channel::Queue(None),
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "locks: {:?}", self.locks)?;
        writeln!(f, "gates: {:?}", self.gates)?;
        writeln!(f, "latches: {:?}", self.latches)?;
        writeln!(f, "channels: {:?}", self.channels)?;
        for (n, task) in self.tasks.iter().enumerate() {
            let place = match n < self.outside {
                true => "outside".to_owned(),
                false => format!("in pool {}, joined by {}", task.pool, task.joiners),
            };
            writeln!(f, "task {n} ({place}): {:?}", task.steps)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = (self.by, self.which, self.many, self.size);
        write!(f, "{:?}{numbers:?} {:?}", self.what, self.how)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "outside: {}", self.outside)?;
        writeln!(f, "locks: {:?}", self.locks)?;
        writeln!(f, "joins_children: {:?}", self.joins_children)?;
        write!(f, "moves: {:#?}", self.moves)
    }
}
