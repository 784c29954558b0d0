//! All chance of the simulated disk comes from here.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::content::{ALL_SECTORS, Sectors};

#[derive(Clone)]
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `bound - 1`. The bias of the remainder is of no weight for bounds far below 2^64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        self.0.next_u64() % bound
    }

    pub(super) fn index(&mut self, bound: usize) -> usize {
        self.below(bound as u64) as usize
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }

    /// Any sectors of a page: often none or all, as a device that tears seldom tears everywhere.
    pub(super) fn sectors(&mut self) -> Sectors {
        match self.below(4) {
            0 => 0,
            1 => ALL_SECTORS,
            _ => self.below(256) as Sectors,
        }
    }
}
