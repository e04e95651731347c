//! What every caller of an instance touches on every call, one piece for each few threads.
//!
//! A counter that two processors write in turn costs each of them a trip to the other's cache, some fifty times what
//! adding costs. Split up, each thread finds its piece in its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// One `T` for each few threads; who wants the whole looks at all of them.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use external_core::Sharded;
///
/// let hits: Sharded<AtomicU64> = Sharded::default();
/// hits.here().fetch_add(1, Ordering::Relaxed);
/// assert_eq!(hits.iter().map(|shard| shard.load(Ordering::Relaxed)).sum::<u64>(), 1);
/// ```
pub struct Sharded<T> {
    shards: Box<[Line<T>]>,
}

/// Alone on its cache line: two of 64 bytes, since processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Line<T>(T);

/// Which shard a call began on, so that it ends there also when its task has moved to another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard(usize);

impl<T> Sharded<T> {
    /// Twice as many shards as processors, 8 at least: threads that are numbered in a row seldom share one.
    pub fn new(mut make: impl FnMut() -> T) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        let shards = (processors * 2).next_power_of_two().clamp(8, 128);
        Self { shards: (0..shards).map(|_| Line(make())).collect() }
    }

    /// This thread's shard.
    #[must_use]
    #[inline]
    pub fn here(&self) -> &T {
        self.at(self.shard())
    }

    /// Which shard is this thread's.
    #[must_use]
    #[inline]
    pub fn shard(&self) -> Shard {
        Shard(thread_number() & (self.shards.len() - 1))
    }

    /// A shard that [`shard`](Self::shard) has named.
    #[must_use]
    #[inline]
    pub fn at(&self, shard: Shard) -> &T {
        // There are a power of two, so this is never out of bounds, whichever instance named the shard.
        &self.shards[shard.0 & (self.shards.len() - 1)].0
    }

    /// All shards.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().map(|line| &line.0)
    }
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T> std::fmt::Debug for Sharded<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sharded").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

thread_local! {
    // What needs neither to be made nor to be dropped is found without a question.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// Threads are numbered as they come, from 1.
#[inline]
fn thread_number() -> usize {
    match NUMBER.get() {
        0 => number_this_thread(),
        number => number,
    }
}

#[cold]
fn number_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(number);
    number
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn threads_that_follow_each_other_have_different_shards() {
        let sharded: Sharded<AtomicU64> = Sharded::default();
        let number = || std::thread::spawn(thread_number).join().unwrap();
        let (one, two) = (number(), number());
        assert_ne!(one, two);
        assert!(sharded.iter().count() >= 8);
    }

    #[test]
    fn a_call_that_moves_ends_where_it_began() {
        let sharded: Sharded<AtomicU64> = Sharded::default();
        let shard = sharded.shard();
        sharded.at(shard).fetch_add(1, Ordering::Relaxed);
        std::thread::scope(|scope| {
            scope.spawn(|| sharded.at(shard).fetch_sub(1, Ordering::Relaxed));
        });
        assert!(sharded.iter().all(|shard| shard.load(Ordering::Relaxed) == 0));
    }
}
