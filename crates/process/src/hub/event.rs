//! `Event` and `Latch`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::registry::{Handle, Registry};
use super::served::Served;
use super::wire::{Status, Verb, limit};

/// A flag that can be set and cleared, and that threads of several processes can wait for, made by
/// [`HubRef::event`](super::HubRef::event).
///
/// It is like Python's `multiprocessing.Event`, and has the methods of [`workmill::Event`], which
/// it is in the parent. A handle goes into the arguments of jobs. Its clones are the same event.
///
/// # Ordering
///
/// In a worker [`set`](Self::set) and [`clear`](Self::clear) do not wait for the parent. They take
/// effect in the order in which this process calls methods of the hub, and before its job ends. The
/// other methods wait for its answer, some microseconds at least.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::Event;
/// use workmill_process::{Hub, Jobs};
///
/// fn car(number: u32, green: Event) {
///     green.wait();
///     println!("car {number} passes");
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("car", car)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     let green = hub.event();
///     let cars = [1, 2].map(|number| hub.spawn(car, (number, green.clone())));
///     green.set();
///     for car in cars {
///         car.join()?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Event(Handle<workmill::Event>);

impl Event {
    pub(super) fn new(home: &Arc<Registry>) -> Self {
        let event = Arc::new(workmill::Event::new());
        let served = Served::Event(Arc::clone(&event));
        Self(home.add(event, served))
    }

    /// Sets the flag, and releases all waiters, those of other processes too. Setting a flag that
    /// is set has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let event = hub.event();
    /// event.set();
    /// event.wait(); // does not block
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self) {
        match &self.0 {
            Handle::Here { what, .. } => what.set(),
            Handle::There(there) => there.tell(Verb::Set, 0),
        }
    }

    /// Clears the flag. A wait that begins from now on is ended by the next [`set`](Self::set).
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let event = hub.event();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self) {
        match &self.0 {
            Handle::Here { what, .. } => what.clear(),
            Handle::There(there) => there.tell(Verb::Clear, 0),
        }
    }

    /// Returns `true` if the flag is set. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let event = hub.event();
    /// assert!(!event.is_set());
    /// event.set();
    /// assert!(event.is_set());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_set(&self) -> bool {
        match &self.0 {
            Handle::Here { what, .. } => what.is_set(),
            Handle::There(there) => there.number(Verb::IsSet, 0) != 0,
        }
    }

    /// Blocks until the flag is set.
    ///
    /// # Blocking
    ///
    /// Blocks until the flag is set, and in a worker at least until the parent has answered.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let event = hub.event();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| event.set()); // a process can do it, too
    ///     event.wait();
    /// });
    /// assert!(event.is_set());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) {
        match &self.0 {
            Handle::Here { what, .. } => what.wait(),
            Handle::There(there) => drop(there.ask(Verb::Wait, limit(None), 0)),
        }
    }

    /// Blocks until the flag is set, but no longer than `timeout`. Returns `false` if the time was
    /// over first. [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the flag is set or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let event = hub.event();
    /// assert!(!event.wait_timeout(Duration::from_millis(10))); // nobody has set it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        match &self.0 {
            Handle::Here { what, .. } => what.wait_timeout(timeout),
            Handle::There(there) => {
                let answer = there.ask(Verb::Wait, limit(Some(timeout)), 0).1;
                answer.status == Status::Yes
            }
        }
    }

    /// Waits until the flag is set, without blocking the thread. Dropping the future ends the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let event = hub.event();
    /// event.set();
    /// workmill_process::workmill::block_on(event.wait_async());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait_async(&self) {
        match &self.0 {
            Handle::Here { what, .. } => what.wait_async().await,
            Handle::There(there) => drop(there.ask_async(Verb::Wait, limit(None), 0).await),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event")
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode("event", 0, serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Handle::decode("event", deserializer).map(|(handle, _)| Self(handle))
    }
}

/// A latch that opens once it has been counted down to zero, by threads of several processes, and
/// stays open. Made by [`HubRef::latch`](super::HubRef::latch).
///
/// It has the methods of [`workmill::Latch`], which it is in the parent. A handle goes into the
/// arguments of jobs. Its clones are the same latch. A process that dies has not counted down.
///
/// In a worker [`count_down`](Self::count_down) does not wait for the parent. The other methods
/// wait for its answer, some microseconds at least.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::Latch;
/// use workmill_process::{Hub, Jobs};
///
/// fn mill(all_milled: Latch) {
///     all_milled.count_down();
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("mill", mill)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     let all_milled = hub.latch(3);
///     for _sack in 0..3 {
///         hub.spawn(mill, all_milled.clone());
///     }
///     all_milled.wait();
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Latch(Handle<workmill::Latch>);

impl Latch {
    pub(super) fn new(home: &Arc<Registry>, count: usize) -> Self {
        let latch = Arc::new(workmill::Latch::new(count));
        let served = Served::Latch(Arc::clone(&latch));
        Self(home.add(latch, served))
    }

    /// Counts down by one, and opens the latch if the count becomes 0. It does nothing to an open
    /// latch. A worker does not wait for the parent: the call takes effect in the order in which
    /// its process calls methods of the hub.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let latch = hub.latch(1);
    /// latch.count_down();
    /// latch.count_down(); // it is open already, and stays so
    /// assert_eq!(latch.count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count_down(&self) {
        match &self.0 {
            Handle::Here { what, .. } => what.count_down(),
            Handle::There(there) => there.tell(Verb::CountDown, 0),
        }
    }

    /// Returns the number of calls of [`count_down`](Self::count_down) that are left until the
    /// latch opens. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let latch = hub.latch(3);
    /// latch.count_down();
    /// assert_eq!(latch.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count(&self) -> usize {
        match &self.0 {
            Handle::Here { what, .. } => what.count(),
            Handle::There(there) => there.number(Verb::Count, 0),
        }
    }

    /// Returns `true` if the latch is open.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let latch = hub.latch(1);
    /// assert!(!latch.is_open());
    /// latch.count_down();
    /// assert!(latch.is_open());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_open(&self) -> bool {
        match &self.0 {
            Handle::Here { what, .. } => what.is_open(),
            Handle::There(_) => self.wait_timeout(Duration::ZERO),
        }
    }

    /// Blocks until the latch is open.
    ///
    /// # Blocking
    ///
    /// Blocks until the count is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let latch = hub.latch(2);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| latch.count_down());
    ///     scope.spawn(|| latch.count_down());
    ///     latch.wait();
    /// });
    /// assert!(latch.is_open());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) {
        match &self.0 {
            Handle::Here { what, .. } => what.wait(),
            Handle::There(there) => drop(there.ask(Verb::Wait, limit(None), 0)),
        }
    }

    /// Blocks until the latch is open, but no longer than `timeout`. Returns `false` if the time
    /// was over first. [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the count is 0 or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let latch = hub.latch(2);
    /// latch.count_down();
    /// assert!(!latch.wait_timeout(Duration::from_millis(10))); // one is missing
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        match &self.0 {
            Handle::Here { what, .. } => what.wait_timeout(timeout),
            Handle::There(there) => {
                let answer = there.ask(Verb::Wait, limit(Some(timeout)), 0).1;
                answer.status == Status::Yes
            }
        }
    }

    /// Waits until the latch is open, without blocking the thread. Dropping the future ends the
    /// wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let latch = hub.latch(1);
    /// latch.count_down();
    /// workmill_process::workmill::block_on(latch.wait_async());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait_async(&self) {
        match &self.0 {
            Handle::Here { what, .. } => what.wait_async().await,
            Handle::There(there) => drop(there.ask_async(Verb::Wait, limit(None), 0).await),
        }
    }

    /// Counts down by one, and then blocks until the latch is open.
    ///
    /// # Blocking
    ///
    /// Blocks until the count is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let all_are_here = hub.latch(2);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| all_are_here.arrive_and_wait());
    ///     all_are_here.arrive_and_wait(); // blocks until the other is here, too
    /// });
    /// assert!(all_are_here.is_open());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arrive_and_wait(&self) {
        self.count_down();
        self.wait();
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Latch")
    }
}

impl Serialize for Latch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode("latch", 0, serializer)
    }
}

impl<'de> Deserialize<'de> for Latch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Handle::decode("latch", deserializer).map(|(handle, _)| Self(handle))
    }
}
