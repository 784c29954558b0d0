//! What goes wrong, by chance and by script.

use std::path::Path;

use super::dice::Dice;
use crate::disk::{Cause, Operation};

/// The world a simulated disk lives in.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// How many times an operation lets others run before it is done, at most.
    pub yields_max: u32,
    /// A page with an unsynced write may be unreadable after a crash, until written anew.
    pub unreadable_pages: bool,
    /// A crash keeps any of a folder's unsynced names, not the first few.
    pub names_in_any_order: bool,
    /// Bytes the files may have together; more is [`Cause::NoSpace`]. `None`: no end.
    pub capacity: Option<u64>,
    /// Operations that fail by chance.
    pub chances: Vec<Chance>,
}

/// One in so many operations of a kind fails.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    pub operation: Operation,
    pub cause: Cause,
    pub per_mille: u32,
}

/// Operations that fail by script.
///
/// What a failure leaves: of a write, none, a part or all of its sectors ([`Cause::NoSpace`] and [`Cause::ShortWrite`]: its
/// first pages); of an allocation, a part; of a sync, some of what was pending is durable, the rest never will be and a
/// later sync reports success. All others leave nothing.
#[derive(Clone, Debug)]
pub struct Script {
    pub operation: Operation,
    /// A part of the path; an empty one is in every path.
    pub path_has: String,
    /// How many that match are let through first.
    pub skip: u32,
    /// How many fail then.
    pub times: u32,
    pub cause: Cause,
}

impl Faults {
    /// A world where nothing fails, and where a crash is as mild or as harsh as the seed says.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            yields_max: dice.below(6) as u32,
            unreadable_pages: dice.coin(),
            names_in_any_order: dice.coin(),
            ..Self::default()
        }
    }

    /// The cause by which an operation shall fail.
    pub(super) fn strike(&self, operation: Operation, dice: &mut Dice) -> Option<Cause> {
        let mut chances = self.chances.iter().filter(|chance| chance.operation == operation);
        chances.find(|chance| dice.chance(chance.per_mille)).map(|chance| chance.cause)
    }
}

/// The cause by which the first script that matches makes an operation fail. Scripts that are played out are removed.
pub(super) fn play(scripts: &mut Vec<Script>, operation: Operation, path: &Path) -> Option<Cause> {
    let path = path.to_string_lossy();
    let at = scripts
        .iter()
        .position(|script| script.operation == operation && path.contains(script.path_has.as_str()))?;
    let script = &mut scripts[at];
    if script.skip > 0 {
        script.skip -= 1;
        return None;
    }
    let cause = script.cause;
    script.times = script.times.saturating_sub(1);
    if script.times == 0 {
        scripts.remove(at);
    }
    Some(cause)
}
