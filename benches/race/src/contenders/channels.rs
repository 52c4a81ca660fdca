//! Bounded queues on which threads wait: workmill, crossbeam-channel, flume, kanal, async-channel,
//! std's, and a queue by hand.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, mpsc};

use workmill::JoinableQueue;

/// A bounded queue under comparison, by its two ends.
pub(crate) trait Queue {
    type Sender: Send;
    type Receiver: Send;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver);

    /// Waits until there is room for the item.
    fn put(sender: &Self::Sender, item: usize);

    /// Waits until there is an item.
    fn get(receiver: &Self::Receiver) -> usize;
}

impl Queue for JoinableQueue<usize> {
    type Sender = Arc<Self>;
    type Receiver = Arc<Self>;

    fn bounded(capacity: usize) -> (Arc<Self>, Arc<Self>) {
        let queue = Arc::new(Self::bounded(capacity));
        (Arc::clone(&queue), queue)
    }

    fn put(queue: &Arc<Self>, item: usize) {
        JoinableQueue::put(queue, item).expect("nobody closes it");
    }

    fn get(queue: &Arc<Self>) -> usize {
        JoinableQueue::get(queue).expect("nobody closes it")
    }
}

pub(crate) struct Crossbeam;

impl Queue for Crossbeam {
    type Sender = crossbeam_channel::Sender<usize>;
    type Receiver = crossbeam_channel::Receiver<usize>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        crossbeam_channel::bounded(capacity)
    }

    fn put(sender: &Self::Sender, item: usize) {
        sender.send(item).expect("receivers live");
    }

    fn get(receiver: &Self::Receiver) -> usize {
        receiver.recv().expect("senders live")
    }
}

pub(crate) struct Flume;

impl Queue for Flume {
    type Sender = flume::Sender<usize>;
    type Receiver = flume::Receiver<usize>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(capacity)
    }

    fn put(sender: &Self::Sender, item: usize) {
        sender.send(item).expect("receivers live");
    }

    fn get(receiver: &Self::Receiver) -> usize {
        receiver.recv().expect("senders live")
    }
}

pub(crate) struct Kanal;

impl Queue for Kanal {
    type Sender = kanal::Sender<usize>;
    type Receiver = kanal::Receiver<usize>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        kanal::bounded(capacity)
    }

    fn put(sender: &Self::Sender, item: usize) {
        sender.send(item).expect("receivers live");
    }

    fn get(receiver: &Self::Receiver) -> usize {
        receiver.recv().expect("senders live")
    }
}

pub(crate) struct AsyncChannel;

impl Queue for AsyncChannel {
    type Sender = async_channel::Sender<usize>;
    type Receiver = async_channel::Receiver<usize>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(capacity)
    }

    fn put(sender: &Self::Sender, item: usize) {
        sender.send_blocking(item).expect("receivers live");
    }

    fn get(receiver: &Self::Receiver) -> usize {
        receiver.recv_blocking().expect("senders live")
    }
}

/// The channel of std, whose receiver cannot be shared.
pub(crate) struct SyncChannel;

impl Queue for SyncChannel {
    type Sender = mpsc::SyncSender<usize>;
    type Receiver = mpsc::Receiver<usize>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::sync_channel(capacity)
    }

    fn put(sender: &Self::Sender, item: usize) {
        sender.send(item).expect("the receiver lives");
    }

    fn get(receiver: &Self::Receiver) -> usize {
        receiver.recv().expect("senders live")
    }
}

/// A queue of twenty lines, made of std's parts.
pub(crate) struct ByHand {
    items: Mutex<VecDeque<usize>>,
    capacity: usize,
    not_full: Condvar,
    not_empty: Condvar,
}

impl Queue for ByHand {
    type Sender = Arc<Self>;
    type Receiver = Arc<Self>;

    fn bounded(capacity: usize) -> (Arc<Self>, Arc<Self>) {
        let queue = Arc::new(Self {
            items: Mutex::new(VecDeque::with_capacity(capacity)),
            capacity,
            not_full: Condvar::new(),
            not_empty: Condvar::new(),
        });
        (Arc::clone(&queue), queue)
    }

    fn put(queue: &Arc<Self>, item: usize) {
        let items = queue.items.lock().expect("no panic under the lock");
        let is_full = |items: &mut VecDeque<_>| items.len() == queue.capacity;
        let items = queue.not_full.wait_while(items, is_full);
        items.expect("no panic under the lock").push_back(item);
        queue.not_empty.notify_one();
    }

    fn get(queue: &Arc<Self>) -> usize {
        let items = queue.items.lock().expect("no panic under the lock");
        let is_empty = |items: &mut VecDeque<_>| items.is_empty();
        let items = queue.not_empty.wait_while(items, is_empty);
        let item = items.expect("no panic under the lock").pop_front();
        queue.not_full.notify_one();
        item.expect("it is not empty")
    }
}
