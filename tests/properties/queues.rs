//! Every queue does the same as a plain collection, whatever is asked of it and from whichever
//! thread, and wakes a waiter for which there is something.

use std::cmp::{Ordering as Compared, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use workmill::{Fifo, GetError, Lifo, Order, PutError, Queue, SmallestFirst, TryGetError};

use crate::support::limited;

/// Ordered by its rank alone.
#[derive(Debug, Clone, Copy)]
struct Item {
    rank: u8,
    number: usize,
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Compared {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Item {}

/// A queue of each order, without threads.
trait Plain: Default {
    fn push(&mut self, item: Item);
    fn pop(&mut self) -> Option<Item>;
    fn len(&self) -> usize;
}

impl Plain for VecDeque<Item> {
    fn push(&mut self, item: Item) {
        self.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        self.pop_front()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

impl Plain for Vec<Item> {
    fn push(&mut self, item: Item) {
        self.push(item);
    }

    fn pop(&mut self) -> Option<Item> {
        self.pop()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

/// Each item with its number, in order of arrival.
#[derive(Default)]
struct Heap {
    next: usize,
    items: BinaryHeap<Reverse<(u8, usize, usize)>>,
}

impl Plain for Heap {
    fn push(&mut self, item: Item) {
        self.items
            .push(Reverse((item.rank, self.next, item.number)));
        self.next += 1;
    }

    fn pop(&mut self) -> Option<Item> {
        let Reverse((rank, _, number)) = self.items.pop()?;
        Some(Item { rank, number })
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

/// An operation. An index picks one of the waits.
#[derive(Debug, Clone)]
enum Step {
    TryPut(u8),
    TryGet,
    WaitToPut(u8),
    WaitToGet,
    WaitToJoin,
    Poll(usize),
    GiveUp(usize),
    TaskDone,
    Close,
    CloseAndDrain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8).prop_map(Step::TryPut),
        4 => Just(Step::TryGet),
        2 => (0..4_u8).prop_map(Step::WaitToPut),
        2 => Just(Step::WaitToGet),
        1 => Just(Step::WaitToJoin),
        6 => (0..8_usize).prop_map(Step::Poll),
        3 => (0..8_usize).prop_map(Step::GiveUp),
        3 => Just(Step::TaskDone),
        1 => Just(Step::Close),
        1 => Just(Step::CloseAndDrain),
    ]
}

/// The outcome of a wait.
#[derive(Debug)]
enum Outcome {
    Put(Result<(), PutError<Item>>),
    Got(Result<Item, GetError>),
    Joined,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Put(Item),
    Get,
    Join,
}

struct Waiting {
    kind: Kind,
    future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    woken: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Threads that do one thing after the other, each on the next of them.
struct Crew {
    next: usize,
    crew: Vec<mpsc::Sender<Box<dyn FnOnce() + Send>>>,
}

impl Crew {
    fn new(threads: usize) -> Self {
        let start = |_| {
            let (send, receive) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
            thread::spawn(move || receive.into_iter().for_each(|call| call()));
            send
        };
        Self {
            next: 0,
            crew: (0..threads).map(start).collect(),
        }
    }

    fn call<R: Send + 'static>(&mut self, body: impl FnOnce() -> R + Send + 'static) -> R {
        let (send, receive) = mpsc::channel();
        self.next = (self.next + 1) % self.crew.len();
        let call = Box::new(move || send.send(body()).expect("it is waited for"));
        self.crew[self.next].send(call).expect("the thread lives");
        receive.recv().expect("the step ends")
    }
}

struct Run<P, O> {
    crew: Crew,
    queue: Arc<Queue<Item, O>>,
    capacity: usize,
    plain: P,
    unfinished: usize,
    /// Taken, and not reported done.
    in_hand: usize,
    is_closed: bool,
    waiting: Vec<Waiting>,
    next_number: usize,
}

impl<P: Plain, O: Order<Item> + Send + Sync + 'static> Run<P, O> {
    fn item(&mut self, rank: u8) -> Item {
        self.next_number += 1;
        let number = self.next_number;
        Item { rank, number }
    }

    fn has_room(&self) -> bool {
        self.plain.len() < self.capacity
    }

    fn put(&mut self, item: Item) {
        self.plain.push(item);
        self.unfinished += 1;
    }

    fn taken(&mut self) -> Option<Item> {
        let item = self.plain.pop()?;
        self.in_hand += 1;
        Some(item)
    }

    fn step(&mut self, step: &Step) {
        let queue = Arc::clone(&self.queue);
        match *step {
            Step::TryPut(rank) => {
                let item = self.item(rank);
                let put = self.crew.call(move || queue.try_put(item));
                if self.is_closed {
                    let refused = put.unwrap_err();
                    assert!(refused.is_closed());
                    assert_is(refused.into_inner(), item);
                } else if self.has_room() {
                    put.unwrap();
                    self.put(item);
                } else {
                    let refused = put.unwrap_err();
                    assert!(refused.is_full());
                    assert_is(refused.into_inner(), item);
                }
            }
            Step::TryGet => {
                let got = self.crew.call(move || queue.try_get());
                match (self.taken(), self.is_closed) {
                    (Some(item), _) => assert_is(got.unwrap(), item),
                    (None, true) => assert_eq!(got.unwrap_err(), TryGetError::Closed),
                    (None, false) => assert_eq!(got.unwrap_err(), TryGetError::Empty),
                }
            }
            Step::WaitToPut(rank) => {
                let item = self.item(rank);
                let put = async move { Outcome::Put(queue.put_async(item).await) };
                self.wait(Kind::Put(item), Box::pin(put));
            }
            Step::WaitToGet => {
                let get = async move { Outcome::Got(queue.get_async().await) };
                self.wait(Kind::Get, Box::pin(get));
            }
            Step::WaitToJoin => {
                let join = async move {
                    queue.join_async().await.unwrap();
                    Outcome::Joined
                };
                self.wait(Kind::Join, Box::pin(join));
            }
            Step::Poll(index) if !self.waiting.is_empty() => {
                let waiting = self.waiting.swap_remove(index % self.waiting.len());
                self.poll(waiting);
            }
            Step::GiveUp(index) if !self.waiting.is_empty() => {
                let waiting = self.waiting.swap_remove(index % self.waiting.len());
                self.crew.call(move || drop(waiting.future));
            }
            Step::Poll(_) | Step::GiveUp(_) => {}
            Step::TaskDone => {
                let done = self.crew.call(move || queue.task_done());
                assert_eq!(done.is_ok(), self.in_hand > 0);
                if self.in_hand > 0 {
                    self.in_hand -= 1;
                    self.unfinished -= 1;
                }
            }
            Step::Close => {
                self.is_closed = true;
                self.crew.call(move || queue.close());
            }
            Step::CloseAndDrain => {
                self.is_closed = true;
                let drained = self.crew.call(move || queue.close_and_drain());
                self.unfinished -= drained.len();
                for item in drained {
                    assert_is(item, self.plain.pop().expect("no more than were there"));
                }
                assert_eq!(self.plain.len(), 0);
            }
        }
        self.check();
    }

    fn wait(&mut self, kind: Kind, future: Pin<Box<dyn Future<Output = Outcome> + Send>>) {
        let woken = Arc::new(Flag(AtomicBool::new(false)));
        self.poll(Waiting {
            kind,
            future,
            woken,
        });
    }

    fn poll(&mut self, mut waiting: Waiting) {
        let (polled, mut waiting) = self.crew.call(move || {
            // A new waker each time, as when a future moves from task to task.
            waiting.woken = Arc::new(Flag(AtomicBool::new(false)));
            let waker = Waker::from(Arc::clone(&waiting.woken));
            let polled = waiting
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&waker));
            (polled, waiting)
        });
        let expected = match waiting.kind {
            Kind::Put(_) => self.is_closed || self.has_room(),
            Kind::Get => self.is_closed || self.plain.len() > 0,
            Kind::Join => self.unfinished == 0,
        };
        assert_eq!(polled.is_ready(), expected, "{:?}", waiting.kind);
        match (polled, waiting.kind) {
            (Poll::Pending, _) => {
                let index = self.waiting.len() / 2;
                self.waiting.insert(index, waiting);
                return;
            }
            (Poll::Ready(Outcome::Put(Ok(()))), Kind::Put(item)) => {
                assert!(!self.is_closed);
                self.put(item);
            }
            (Poll::Ready(Outcome::Put(Err(refused))), Kind::Put(item)) => {
                assert!(self.is_closed);
                assert_is(refused.into_inner(), item);
            }
            (Poll::Ready(Outcome::Got(got)), Kind::Get) => match self.taken() {
                Some(item) => assert_is(got.unwrap(), item),
                None => assert_eq!(got.unwrap_err(), GetError),
            },
            (Poll::Ready(Outcome::Joined), Kind::Join) => {}
            (polled, kind) => unreachable!("{kind:?} gave {polled:?}"),
        }
        waiting.future = Box::pin(std::future::pending());
    }

    fn check(&self) {
        assert_eq!(self.queue.len(), self.plain.len());
        assert_eq!(self.queue.is_full(), !self.has_room());
        assert_eq!(self.queue.unfinished(), self.unfinished);
        assert_eq!(self.queue.is_closed(), self.is_closed);
        let some_and_all = |is_kind: fn(Kind) -> bool| {
            let mut woken = (self.waiting.iter())
                .filter(|waiting| is_kind(waiting.kind))
                .map(|waiting| waiting.woken.0.load(Ordering::SeqCst))
                .peekable();
            let nobody = woken.peek().is_none();
            let woken: Vec<_> = woken.collect();
            (nobody || woken.contains(&true), !woken.contains(&false))
        };
        let (some_put, all_put) = some_and_all(|kind| matches!(kind, Kind::Put(_)));
        let (some_get, all_get) = some_and_all(|kind| kind == Kind::Get);
        let (_, all_join) = some_and_all(|kind| kind == Kind::Join);
        assert!(some_put || !self.has_room(), "there is room, and all sleep");
        assert!(
            some_get || self.plain.len() == 0,
            "there are items, and all sleep"
        );
        assert!(
            all_join || self.unfinished > 0,
            "all is done, and one sleeps"
        );
        if self.is_closed {
            assert!(all_put, "the queue is closed, and one waits for room");
            assert!(
                all_get || self.plain.len() > 0,
                "the queue is at its end, and one sleeps"
            );
        }
    }
}

fn assert_is(got: Item, expected: Item) {
    assert_eq!(got.number, expected.number);
}

fn does_what_a_plain_collection_does<P, O>()
where
    P: Plain + 'static,
    O: Order<Item> + Send + Sync + 'static,
{
    limited(|| {
        let config = Config {
            cases: 200,
            failure_persistence: None,
            ..Config::default()
        };
        let steps = proptest::collection::vec(step(), 0..80);
        let cases = (1..5_usize, proptest::bool::ANY, steps);
        TestRunner::new(config)
            .run(&cases, |(capacity, is_bounded, steps)| {
                let queue = match is_bounded {
                    true => Queue::<Item, O>::bounded(capacity),
                    false => Queue::unbounded(),
                };
                let mut run = Run {
                    crew: Crew::new(3),
                    queue: Arc::new(queue),
                    capacity: if is_bounded { capacity } else { usize::MAX },
                    plain: P::default(),
                    unfinished: 0,
                    in_hand: 0,
                    is_closed: false,
                    waiting: Vec::new(),
                    next_number: 0,
                };
                steps.iter().for_each(|step| run.step(step));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn first_in_first_out() {
    does_what_a_plain_collection_does::<VecDeque<Item>, Fifo<Item>>();
}

#[test]
fn last_in_first_out() {
    does_what_a_plain_collection_does::<Vec<Item>, Lifo<Item>>();
}

#[test]
fn smallest_first() {
    does_what_a_plain_collection_does::<Heap, SmallestFirst<Item>>();
}
