//! Counting permits: never more than allowed, never lost.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many at a time. Whoever takes one gives it back; guards further out see to that.
#[derive(Debug)]
pub(crate) struct Permits<C = AtomicU32> {
    limit: u32,
    taken: C,
}

/// An atomic number, so that a checker of interleavings can put its own in.
pub(crate) trait Count {
    fn zero() -> Self;
    fn get(&self) -> u32;
    /// Puts `next` in the place of `current`, or says what is there instead.
    fn replace(&self, current: u32, next: u32) -> Result<(), u32>;
    fn subtract_one(&self);
}

impl Count for AtomicU32 {
    fn zero() -> Self {
        Self::new(0)
    }

    fn get(&self) -> u32 {
        self.load(Ordering::SeqCst)
    }

    fn replace(&self, current: u32, next: u32) -> Result<(), u32> {
        self.compare_exchange(current, next, Ordering::SeqCst, Ordering::SeqCst).map(drop)
    }

    fn subtract_one(&self) {
        self.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<C: Count> Permits<C> {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, taken: C::zero() }
    }

    /// Takes a permit if one is left.
    pub(crate) fn try_take(&self) -> bool {
        let mut taken = self.taken.get();
        while taken < self.limit {
            match self.taken.replace(taken, taken + 1) {
                Ok(()) => return true,
                Err(now) => taken = now,
            }
        }
        false
    }

    /// Gives back a permit that was taken.
    pub(crate) fn give_back(&self) {
        self.taken.subtract_one();
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> u32 {
        self.taken.get()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shuttle::sync::atomic::AtomicU32 as Shuttled;
    use shuttle::thread;

    use super::*;

    impl Count for Shuttled {
        fn zero() -> Self {
            Self::new(0)
        }

        fn get(&self) -> u32 {
            self.load(Ordering::SeqCst)
        }

        fn replace(&self, current: u32, next: u32) -> Result<(), u32> {
            self.compare_exchange(current, next, Ordering::SeqCst, Ordering::SeqCst).map(drop)
        }

        fn subtract_one(&self) {
            self.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn never_more_than_allowed_and_none_lost_in_any_interleaving() {
        let check = || {
            let permits = Arc::new(Permits::<Shuttled>::new(2));
            let holders = Arc::new(Shuttled::new(0));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (permits, holders) = (permits.clone(), holders.clone());
                    thread::spawn(move || {
                        for _ in 0..2 {
                            if permits.try_take() {
                                assert!(holders.fetch_add(1, Ordering::SeqCst) < 2, "a third holder");
                                thread::yield_now();
                                holders.fetch_sub(1, Ordering::SeqCst);
                                permits.give_back();
                            }
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(permits.taken(), 0, "a permit was lost");
            assert!(permits.try_take() && permits.try_take() && !permits.try_take());
        };
        shuttle::check_random(check, 2000);
        shuttle::check_pct(check, 2000, 3);
    }
}
