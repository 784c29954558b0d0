//! What is done with each file that is found in a store's folder at start, and why. Nothing that may hold messages is ever
//! deleted: what is not used is moved aside and told of.

/// What is found of a file, the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The name is none of ours.
    ForeignName,
    /// It was being written to take a block's place.
    UnfinishedRewrite,
    /// It has no bytes, or not enough for a head.
    TooShort,
    /// There is nothing in it, from its first byte to its last.
    Zeros,
    /// Both copies of the head are damaged, or it is no block.
    NoHead,
    /// The head is of another version of the format.
    OtherVersion,
    /// The head names another stream, or another life of this one.
    OtherStream,
    /// The head's number or salt is not that of the name.
    WrongName,
    /// It is encrypted, and there is no key.
    NoKey,
    /// It is encrypted, and the key does not open it.
    WrongKey,
    /// There is another file of the same number, of a later generation.
    Superseded,
    /// All of it was deleted, by what later blocks say.
    Dead,
    /// All of it was taken back: a later block begins below it.
    TakenBack,
    /// It has a footer that can be read.
    Sealed,
    /// It has no footer and others follow: the writer stopped while it was sealed, or the footer is damaged.
    FooterMissing,
    /// It has a head, no commit in it is whole, and no later block has one.
    NeverBegun,
    /// It is the last one: it may end with a commit that was not finished.
    Last,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is part of the store as its footer says.
    Use,
    /// It is part of the store as its entries say, and sealed anew.
    Scan,
    /// It is part of the store up to its last whole commit, and written on.
    Continue,
    /// It is moved into the folder `aside`, and told of.
    MoveAside,
    /// It is left where it is, and told of.
    Leave,
    /// Its removal had begun, durably: it is finished.
    FinishRemoval,
    /// The store is not opened, and nothing is changed.
    Refuse,
}

pub const DECISIONS: [(Condition, Action, &str); 17] = [
    (Condition::ForeignName, Action::Leave, "somebody put it there; it is in nobody's way"),
    (
        Condition::UnfinishedRewrite,
        Action::MoveAside,
        "the block it was to replace is still there, for that one is removed only once this one has its name",
    ),
    (
        Condition::TooShort,
        Action::MoveAside,
        "a block gets its name once its head is on disk: something cut it",
    ),
    (
        Condition::Zeros,
        Action::FinishRemoval,
        "it was made ahead and never begun, or its head did not come to the disk: nothing in it was acknowledged",
    ),
    (
        Condition::NoHead,
        Action::MoveAside,
        "without the salt no checksum can be checked; what it held is told as lost by the gap it leaves",
    ),
    (
        Condition::OtherVersion,
        Action::Refuse,
        "another program can read it; this one must not write beside it",
    ),
    (Condition::OtherStream, Action::MoveAside, "it belongs to something unknown here"),
    (Condition::WrongName, Action::MoveAside, "it was copied or renamed; the block of that name is another"),
    (Condition::NoKey, Action::Refuse, "the operator has the key; the data is not lost"),
    (Condition::WrongKey, Action::Refuse, "the operator has another key; the data is not lost"),
    (
        Condition::Superseded,
        Action::FinishRemoval,
        "the rewritten block got its name once it was whole and durable: this one was about to be removed",
    ),
    (
        Condition::Dead,
        Action::FinishRemoval,
        "a durable entry of a later block says that nothing in it is left",
    ),
    (Condition::TakenBack, Action::FinishRemoval, "a durable entry of a later block takes all of it back"),
    (Condition::Sealed, Action::Use, "the footer is under a checksum, and follows from the entries"),
    (
        Condition::FooterMissing,
        Action::Scan,
        "a later block was written to, so all of this one had become durable: what cannot be read is lost, not torn",
    ),
    (
        Condition::NeverBegun,
        Action::FinishRemoval,
        "nothing in it was acknowledged, nor what its head tells of the blocks before; what is in it is kept aside",
    ),
    (
        Condition::Last,
        Action::Continue,
        "a last commit without its end was never acknowledged, and is cut off; what is behind it is kept aside",
    ),
];

impl Condition {
    #[must_use]
    pub fn action(self) -> Action {
        let row = DECISIONS.iter().find(|(condition, ..)| *condition == self);
        row.map(|(_, action, _)| *action).expect("the table has a row for every condition")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_one_row() {
        for (at, (condition, action, _)) in DECISIONS.iter().enumerate() {
            assert_eq!(DECISIONS.iter().position(|(other, ..)| other == condition), Some(at));
            assert_eq!(condition.action(), *action);
        }
        // Exhaustive: a new condition must be thought about here.
        let last = match Condition::Last {
            Condition::ForeignName
            | Condition::UnfinishedRewrite
            | Condition::TooShort
            | Condition::Zeros
            | Condition::NoHead
            | Condition::OtherVersion
            | Condition::OtherStream
            | Condition::WrongName
            | Condition::NoKey
            | Condition::WrongKey
            | Condition::Superseded
            | Condition::Dead
            | Condition::TakenBack
            | Condition::Sealed
            | Condition::FooterMissing
            | Condition::NeverBegun
            | Condition::Last => Condition::Last as usize,
        };
        assert_eq!(last + 1, DECISIONS.len());
    }
}
