//! The timer's entries by deadline: cheap to insert, and taken out in order.
//!
//! Most entries are due later, and many are removed before that. So far deadlines are kept in
//! *buckets*, one for each [`WIDTH`] of time, unsorted. When the time of a bucket comes, its
//! entries move to an ordered map, from which they are taken one by one. An entry that is inserted
//! for that time from then on goes to the map too. The map is small, so it stays in the processor's
//! caches.
//!
//! # Invariant
//! An entry whose bucket lies before the *horizon* is in the map, and every other entry is in its
//! bucket. The horizon only grows.

use std::collections::BTreeMap;
use std::mem;
use std::time::{Duration, Instant};

/// The span of time that one bucket covers.
const WIDTH: Duration = Duration::from_millis(16);

/// The number of entries from which on a bucket closes the gaps that removed entries have left,
/// once these are more than half.
const MANY: usize = 32;

/// Identifies an entry. No other entry ever has the same key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    // The first field, so that keys are ordered by deadline.
    pub(super) deadline: Instant,
    pub(super) number: u64,
}

/// Actions `A`, by [`Key`].
pub(super) struct Entries<A> {
    /// The moment at which the time of the first bucket begins.
    start: Instant,
    /// The entries before the horizon.
    near: BTreeMap<Key, A>,
    /// The first bucket number whose entries have not moved to `near`.
    horizon: u128,
    /// The buckets from the horizon on, by number.
    far: BTreeMap<u128, Bucket<A>>,
}

/// The entries that are due in the same [`WIDTH`] of time. Never empty.
struct Bucket<A> {
    /// The entries in the order of their numbers, `None` for a removed one.
    entries: Vec<(Key, Option<A>)>,
    /// The number of entries that have not been removed.
    left: usize,
    /// A lower bound of the deadlines.
    earliest: Instant,
}

impl<A> Entries<A> {
    /// Creates an empty collection. The first bucket begins at `start`.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            near: BTreeMap::new(),
            horizon: 0,
            far: BTreeMap::new(),
        }
    }

    /// Returns the number of the bucket for `deadline`.
    fn bucket_number(&self, deadline: Instant) -> u128 {
        let after = deadline.saturating_duration_since(self.start);
        after.as_millis() / WIDTH.as_millis()
    }

    /// Inserts an entry. Its number must be greater than that of every entry inserted before.
    pub(super) fn insert(&mut self, key: Key, action: A) {
        let number = self.bucket_number(key.deadline);
        if number < self.horizon {
            self.near.insert(key, action);
            return;
        }
        let bucket = self.far.entry(number).or_insert_with(|| Bucket {
            // Exactly one, since no other entry may come for that time.
            entries: Vec::with_capacity(1),
            left: 0,
            earliest: key.deadline,
        });
        bucket.entries.push((key, Some(action)));
        bucket.left += 1;
        bucket.earliest = bucket.earliest.min(key.deadline);
    }

    /// Returns the action of the entry, unless the entry has been taken out.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut A> {
        let number = self.bucket_number(key.deadline);
        match number < self.horizon {
            true => self.near.get_mut(&key),
            false => self.far.get_mut(&number)?.find(key)?.as_mut(),
        }
    }

    /// Takes out the entry and returns its action; `None` if it has been taken out already.
    pub(super) fn remove(&mut self, key: Key) -> Option<A> {
        let number = self.bucket_number(key.deadline);
        if number < self.horizon {
            return self.near.remove(&key);
        }
        let bucket = self.far.get_mut(&number)?;
        let action = bucket.find(key)?.take()?;
        bucket.left -= 1;
        if bucket.left == 0 {
            self.far.remove(&number);
        } else if bucket.entries.len() >= MANY && bucket.left < bucket.entries.len() / 2 {
            bucket.entries.retain(|(_, action)| action.is_some());
            bucket.entries.shrink_to(2 * bucket.left);
        }
        Some(action)
    }

    /// Takes out the first entry if it is due at `now`. The first entry has the earliest deadline
    /// and, among entries with that deadline, the smallest number.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<A> {
        if self.near.is_empty() {
            self.advance(now);
        }
        let first = self.near.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    /// Moves the entries of the first bucket to the map if one of them may be due at `now`.
    fn advance(&mut self, now: Instant) {
        let Some(bucket) = self
            .far
            .first_entry()
            .filter(|bucket| bucket.get().earliest <= now)
        else {
            return;
        };
        self.horizon = bucket.key() + 1;
        let entries = mem::take(&mut bucket.remove().entries).into_iter();
        self.near = entries
            .filter_map(|(key, action)| Some((key, action?)))
            .collect();
    }

    /// Returns a moment before which no entry is due, or `None` if there are no entries.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let near = self.near.first_key_value().map(|(key, _)| key.deadline);
        near.or_else(|| Some(self.far.first_key_value()?.1.earliest))
    }
}

impl<A> Bucket<A> {
    /// Returns the place of the entry, which is `None` if the entry has been removed.
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

    /// Returns the next of a sequence of numbers without a pattern, equal in every run.
    fn scrambled(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *seed >> 33
    }

    #[test]
    fn entries_behave_like_one_ordered_map() {
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
    fn removed_entries_leave_no_gaps_forever() {
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
        let (_, bucket) = entries.far.first_key_value().unwrap();
        assert!(bucket.left == 1 && bucket.entries.capacity() <= 2 * MANY);
    }

    #[test]
    fn many_removed_entries_leave_no_memory_behind() {
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
        let (_, bucket) = entries.far.first_key_value().unwrap();
        assert!(bucket.left == 1 && bucket.entries.capacity() <= 2 * MANY);
    }
}
