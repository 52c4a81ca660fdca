//! The door to slab: values under keys, which gives its memory back when many values have gone.

use slab::Slab;

/// The memory that is kept when nothing is there is enough for this many values.
const KEPT: usize = 64;

pub(crate) struct Registry<T>(Slab<T>);

impl<T> Registry<T> {
    pub(crate) fn new() -> Self {
        Self(Slab::new())
    }

    /// Adds a value and returns its key.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> usize {
        self.0.insert(value)
    }

    /// Takes out the value under `key`, if there is one.
    #[inline]
    pub(crate) fn take(&mut self, key: usize) -> Option<T> {
        let taken = self.0.try_remove(key);
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0 = Slab::new();
        }
        taken
    }

    /// Returns the value under `key`, if there is one.
    pub(crate) fn get(&self, key: usize) -> Option<&T> {
        self.0.get(key)
    }

    /// Returns the value under `key`, if there is one.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.0.get_mut(key)
    }

    /// Returns the keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.0.iter_mut()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|(_, value)| value)
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn many_values_that_are_gone_leave_no_memory_behind() {
        let mut registry = Registry::new();
        let keys: Vec<_> = (0..100_000).map(|n| registry.insert(n)).collect();
        for key in keys {
            assert_eq!(registry.take(key), Some(key));
        }
        assert!(registry.0.capacity() <= KEPT && registry.take(0).is_none());
    }
}
