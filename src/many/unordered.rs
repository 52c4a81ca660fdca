//! Handles that are returned in the order in which their tasks end.

use std::collections::VecDeque;
use std::task::Waker;

use super::ended::Ended;
use crate::handle::Awaited;
use crate::pool::Registry;
use crate::trampoline;
use crate::wait::{Cause, Deadline, block_until};

/// The number of wakers that are kept for keys which are not in use.
const KEPT_WAKERS: usize = 64;

/// Handles, each with something that belongs to it.
pub(super) struct Unordered<K, H: Awaited> {
    handles: Registry<(K, H)>,
    len: usize,
    /// The key that was used last. Its handle may be gone.
    newest: usize,
    /// The wakers of the keys. A key that is used again uses its waker again.
    wakers: Vec<Waker>,
    /// The keys of those that have ended, first to last.
    next: VecDeque<usize>,
    /// Room for the keys that are taken next.
    taken: Vec<usize>,
    ended: Ended,
}

impl<K, H: Awaited> Unordered<K, H> {
    pub(super) fn new() -> Self {
        Self {
            handles: Registry::new(),
            len: 0,
            newest: 0,
            wakers: Vec::new(),
            next: VecDeque::new(),
            taken: Vec::new(),
            ended: Ended::new(),
        }
    }

    /// Returns the number of handles.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of handles whose tasks are not known to have ended.
    pub(super) fn in_flight(&self) -> usize {
        self.len - self.next.len()
    }

    /// Finds out which tasks have ended.
    pub(super) fn look(&mut self) {
        self.take_keys(None);
    }

    pub(super) fn insert(&mut self, with: K, handle: H) {
        self.leave_parent();
        let key = self.handles.insert((with, handle));
        self.len += 1;
        if key >= self.wakers.len() {
            // Keys are given out from the lowest, so this is the next one.
            self.wakers.push(self.ended.waker(key));
        }
        self.newest = key;
        let handle = self.handles.get_mut(key).map(|(_, handle)| handle);
        if handle.is_some_and(|handle| handle.poll_end(&self.wakers[key]) || handle.is_forked()) {
            // Those that have ended meanwhile came before.
            self.take_keys(None);
            self.next.push_back(key);
        }
    }

    /// Takes the keys that were told. If there are none, `waker` is called when there are.
    fn take_keys(&mut self, waker: Option<&Waker>) {
        self.leave_parent();
        if waker.is_some() || self.ended.has_any() {
            self.ended.take(&mut self.taken, waker);
            self.next.extend(self.taken.drain(..));
        }
    }

    /// In a child of the process in which this was made, begins anew, since the lock may be held
    /// forever: those that have ended, or never will in this process, come next, and the others are
    /// waited for.
    #[inline]
    fn leave_parent(&mut self) {
        if self.ended.is_forked() {
            self.begin_anew();
        }
    }

    #[cold]
    fn begin_anew(&mut self) {
        self.ended = Ended::new();
        let count = self.wakers.len();
        self.wakers = (0..count).map(|key| self.ended.waker(key)).collect();
        self.next.clear();
        self.taken.clear();
        for (key, (_, handle)) in self.handles.iter_mut() {
            if handle.is_forked() || handle.poll_end(&self.wakers[key]) {
                self.next.push_back(key);
            }
        }
    }

    /// Returns a handle whose task has ended, and takes it out. If there is none, `waker` is called
    /// when there is.
    pub(super) fn poll_next(&mut self, waker: Option<&Waker>) -> Option<(K, H)> {
        if self.next.is_empty() {
            self.take_keys(waker);
        }
        let key = self.next.pop_front()?;
        let taken = self.handles.take(key);
        debug_assert!(taken.is_some(), "a key is told once");
        self.len -= 1;
        if self.len == 0 && self.wakers.len() > KEPT_WAKERS {
            self.wakers = Vec::new();
            self.next = VecDeque::new();
            self.taken = Vec::new();
        }
        taken
    }

    /// Returns a handle whose task has ended, if there is one.
    pub(super) fn try_next(&mut self) -> Option<(K, H)> {
        // A call that this thread has put off may end a task.
        self.poll_next(None).or_else(|| {
            trampoline::catch_up();
            self.poll_next(None)
        })
    }

    /// Blocks until a task has ended, but no longer than until `deadline`, and returns its handle.
    /// Returns `None` when the time is over, or if there is no handle.
    pub(super) fn next(&mut self, deadline: Deadline) -> Option<(K, H)> {
        self.wait(deadline, |this| this.len == 0 || !this.next.is_empty());
        self.poll_next(None)
    }

    /// Blocks until `is_over` returns `true`, but no longer than until `deadline`. It is called
    /// after tasks have ended.
    pub(super) fn wait(&mut self, deadline: Deadline, is_over: impl Fn(&Self) -> bool) {
        self.take_keys(None);
        if is_over(self) || self.look_for_a_while() && is_over(self) {
            return;
        }
        block_until(Cause::Arrival, deadline, |waker| {
            self.poll_until(waker, &is_over).then_some(())
        });
    }

    /// Returns `true` if `is_over` does. If not, `waker` is called when another task has ended.
    pub(super) fn poll_until(&mut self, waker: &Waker, is_over: impl Fn(&Self) -> bool) -> bool {
        loop {
            let before = self.next.len();
            self.take_keys(Some(waker));
            if is_over(self) {
                return true;
            }
            // If there were keys, no waker was left.
            if self.next.len() == before {
                return false;
            }
        }
    }

    /// Looks until a task has ended, which returns `true`, or until it is time to park.
    fn look_for_a_while(&mut self) -> bool {
        let Some((_, handle)) = self.handles.get(self.newest) else {
            return false;
        };
        let found = handle.look_for_a_while(&mut || self.ended.has_any());
        if found {
            self.take_keys(None);
        }
        found
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &H)> {
        self.handles
            .iter()
            .map(|(_, (with, handle))| (with, handle))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut H)> {
        self.handles
            .iter_mut()
            .map(|(_, (with, handle))| (&*with, handle))
    }

    /// Returns all handles that were not returned, in no particular order.
    pub(super) fn into_rest(mut self) -> Vec<(K, H)> {
        self.iter_mut()
            .for_each(|(_, handle)| handle.stop_waiting());
        self.handles.into_values().collect()
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;
    use crate::ThreadPoolExecutor;
    use crate::handle::JoinHandle;

    #[test]
    fn nothing_grows_with_tasks_that_have_ended_and_were_collected() {
        const IN_FLIGHT: usize = 50;
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let mut handles = Unordered::<usize, JoinHandle<usize>>::new();
        for n in 0..1_000_000_usize {
            if handles.len() == IN_FLIGHT {
                let (number, handle) = handles.next(Deadline::NEVER).unwrap();
                assert_eq!(handle.join().unwrap(), number);
            }
            handles.insert(n, pool.submit(move || n));
        }
        assert_eq!(handles.wakers.len(), IN_FLIGHT);
        assert!(handles.next.capacity() <= 4 * IN_FLIGHT);
        assert!(handles.taken.capacity() <= 4 * IN_FLIGHT);
        // Many at once leave nothing behind either.
        (0..100_000).for_each(|n| handles.insert(n, pool.submit(move || n)));
        while handles.next(Deadline::NEVER).is_some() {}
        assert!(handles.wakers.is_empty() && handles.next.capacity() == 0);
    }
}
