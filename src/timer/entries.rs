//! What is due when: cheap to put in, and in order to take out.
//!
//! Most entries are for later, and many are forgotten before. So what is far off lies in heaps, one for
//! each [`WIDTH`] of time, in the order in which it came. When the time of a heap comes, all that is in
//! it goes to an ordered map, from which it is taken one by one, and so does what is put in for that time
//! from then on. That map is small, so it stays in the processor's caches.
//!
//! # Invariant
//! What is due before the *horizon* is in the map, and the rest in the heaps. The horizon only grows.

use std::collections::BTreeMap;
use std::mem;
use std::time::{Duration, Instant};

use super::alarm::Key;

/// For so long lasts the time of one heap.
const WIDTH: Duration = Duration::from_millis(16);

/// A heap with so many entries lets go of those that were taken out, if they are more than half.
const MANY: usize = 32;

/// Things `A` to be done, by [`Key`].
pub(super) struct Entries<A> {
    /// When the first heap's time begins.
    start: Instant,
    near: BTreeMap<Key, A>,
    /// Heaps before this one are gone.
    horizon: u128,
    far: BTreeMap<u128, Bucket<A>>,
}

/// What is due at about the same time. Never empty.
struct Bucket<A> {
    /// In the order of their numbers; with gaps for those that were taken out.
    entries: Vec<(Key, Option<A>)>,
    /// How many of them have not been taken out.
    left: usize,
    /// None of them is due before.
    earliest: Instant,
}

impl<A> Entries<A> {
    /// For entries that are due later than `start`, or at once.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            near: BTreeMap::new(),
            horizon: 0,
            far: BTreeMap::new(),
        }
    }

    /// Which heap an entry belongs to.
    fn heap_of(&self, deadline: Instant) -> u128 {
        let after = deadline.saturating_duration_since(self.start);
        after.as_millis() / WIDTH.as_millis()
    }

    /// Puts an entry in, whose number is greater than that of any other before.
    pub(super) fn insert(&mut self, key: Key, action: A) {
        let heap = self.heap_of(key.deadline);
        if heap < self.horizon {
            self.near.insert(key, action);
            return;
        }
        let heap = self.far.entry(heap).or_insert_with(|| Bucket {
            // Exactly, since there may be no other for that time.
            entries: Vec::with_capacity(1),
            left: 0,
            earliest: key.deadline,
        });
        heap.entries.push((key, Some(action)));
        heap.left += 1;
        heap.earliest = heap.earliest.min(key.deadline);
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut A> {
        let heap = self.heap_of(key.deadline);
        match heap < self.horizon {
            true => self.near.get_mut(&key),
            false => self.far.get_mut(&heap)?.find(key)?.as_mut(),
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<A> {
        let number = self.heap_of(key.deadline);
        if number < self.horizon {
            return self.near.remove(&key);
        }
        let heap = self.far.get_mut(&number)?;
        let action = heap.find(key)?.take()?;
        heap.left -= 1;
        if heap.left == 0 {
            self.far.remove(&number);
        } else if heap.entries.len() >= MANY && heap.left < heap.entries.len() / 2 {
            heap.entries.retain(|(_, action)| action.is_some());
            heap.entries.shrink_to(2 * heap.left);
        }
        Some(action)
    }

    /// Takes out the first entry if it is due at `now`: the one with the earliest deadline, and of those
    /// with the same the one that was put in first.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<A> {
        if self.near.is_empty() {
            self.advance(now);
        }
        let first = self.near.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    /// Moves the first heap to the map if its time has come.
    fn advance(&mut self, now: Instant) {
        let Some(heap) = self
            .far
            .first_entry()
            .filter(|heap| heap.get().earliest <= now)
        else {
            return;
        };
        self.horizon = heap.key() + 1;
        let entries = mem::take(&mut heap.remove().entries).into_iter();
        self.near = entries
            .filter_map(|(key, action)| Some((key, action?)))
            .collect();
    }

    /// Before this nothing is due; `None` if nothing ever is.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let near = self.near.first_key_value().map(|(key, _)| key.deadline);
        near.or_else(|| Some(self.far.first_key_value()?.1.earliest))
    }
}

impl<A> Bucket<A> {
    fn find(&mut self, key: Key) -> Option<&mut Option<A>> {
        let place = self
            .entries
            .binary_search_by_key(&key.number, |(key, _)| key.number);
        Some(&mut self.entries[place.ok()?].1)
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    /// Numbers without a pattern, the same each time.
    fn scrambled(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *seed >> 33
    }

    #[test]
    fn it_does_what_one_ordered_map_does() {
        for spread in [3, 40, 5_000] {
            let start = Instant::now();
            let (mut entries, mut plain) = (Entries::new(start), BTreeMap::new());
            let (mut seed, mut now) = (spread, start);
            let mut keys = Vec::new();
            for number in 0..20_000 {
                let after = Duration::from_micros(scrambled(&mut seed) % (spread * 1_000));
                let key = Key {
                    deadline: now + after,
                    number,
                };
                entries.insert(key, number);
                plain.insert(key, number);
                keys.push(key);
                let other = keys[scrambled(&mut seed) as usize % keys.len()];
                match scrambled(&mut seed) % 8 {
                    0..3 => assert_eq!(entries.remove(other), plain.remove(&other)),
                    3 => assert_eq!(entries.get_mut(other), plain.get_mut(&other)),
                    _ => {}
                }
                if scrambled(&mut seed) % 16 == 0 {
                    now += Duration::from_micros(scrambled(&mut seed) % (spread * 30));
                    while let Some(action) = entries.pop_due(now) {
                        let (first, expected) = plain.pop_first().unwrap();
                        assert!(action == expected && first.deadline <= now);
                    }
                    let first = plain.first_key_value();
                    assert!(first.is_none_or(|(first, _)| first.deadline > now));
                }
                let first = plain.first_key_value().map(|(key, _)| key.deadline);
                assert_eq!(entries.next_deadline().is_none(), first.is_none());
                assert!(first.is_none_or(|first| entries.next_deadline().unwrap() <= first));
            }
        }
    }

    #[test]
    fn what_was_taken_out_leaves_no_gaps_for_ever() {
        let start = Instant::now();
        let mut entries = Entries::new(start);
        let deadline = start + Duration::from_secs(3600);
        entries.insert(
            Key {
                deadline,
                number: 0,
            },
            (),
        );
        for number in 1..100_000 {
            let key = Key { deadline, number };
            entries.insert(key, ());
            assert_eq!(entries.remove(key), Some(()));
        }
        let (_, heap) = entries.far.first_key_value().unwrap();
        assert!(heap.left == 1 && heap.entries.capacity() <= 2 * MANY);
    }

    #[test]
    fn many_that_were_taken_out_leave_no_memory_behind() {
        let start = Instant::now();
        let mut entries = Entries::new(start);
        let deadline = start + Duration::from_secs(3600);
        let keys: Vec<_> = (0..100_000)
            .map(|number| Key { deadline, number })
            .collect();
        keys.iter().for_each(|key| entries.insert(*key, ()));
        for key in &keys[1..] {
            assert_eq!(entries.remove(*key), Some(()));
        }
        let (_, heap) = entries.far.first_key_value().unwrap();
        assert!(heap.left == 1 && heap.entries.capacity() <= 2 * MANY);
    }
}
