//! The branches of the tree, in four sizes.
//!
//! A branch holds the bytes all its subjects share from where its parent ends, perhaps the leaf of the subject that ends
//! right there, and a child for each byte that comes next. That byte belongs to the link, not to the child.

use super::text::Text;

/// A leaf or a branch, or neither, in four bytes: the top bit marks a leaf; below it two bits say which slab of branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ref(u32);

/// What a [`Ref`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Leaf(u32),
    N4(u32),
    N16(u32),
    N48(u32),
    N256(u32),
}

/// Leaves of a tree at most. [`Ref::NONE`] would be the one after.
pub(super) const LEAVES_MAX: u32 = (1 << 31) - 1;
/// Branches of one size in a tree at most.
pub(super) const NODES_MAX: u32 = 1 << KIND_SHIFT;
const KIND_SHIFT: u32 = 29;
const LEAF_BIT: u32 = 1 << 31;

impl Ref {
    pub(super) const NONE: Self = Self(u32::MAX);

    #[inline]
    pub(super) fn new(place: Place) -> Self {
        Self(match place {
            Place::Leaf(at) => LEAF_BIT | at,
            Place::N4(at) => at,
            Place::N16(at) => 1 << KIND_SHIFT | at,
            Place::N48(at) => 2 << KIND_SHIFT | at,
            Place::N256(at) => 3 << KIND_SHIFT | at,
        })
    }

    /// Not of [`Ref::NONE`], which reads as a leaf that cannot be.
    #[inline]
    pub(super) fn place(self) -> Place {
        if self.0 & LEAF_BIT != 0 {
            return Place::Leaf(self.0 & !LEAF_BIT);
        }
        let at = self.0 & (NODES_MAX - 1);
        match self.0 >> KIND_SHIFT {
            0 => Place::N4(at),
            1 => Place::N16(at),
            2 => Place::N48(at),
            _ => Place::N256(at),
        }
    }
}

/// What branches of all sizes have.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) prefix: Text,
    /// The leaf of the subject that ends after `prefix`; its own text is empty.
    pub(super) end: Ref,
    /// Children, without `end`.
    pub(super) count: u16,
}

/// A child's place in its branch: stays the same until a child is added or removed.
pub(super) type Position = u8;

/// A branch of one size.
pub(super) trait Branch {
    /// Children that fit.
    const MAX: usize;
    /// With so few children the next smaller size takes over. Well below what fits there: a child that comes and goes
    /// does not change the size each time.
    const FEW: usize;

    /// Without children, whatever the head says.
    fn empty(head: Head) -> Self;
    fn head(&self) -> &Head;
    fn head_mut(&mut self) -> &mut Head;
    fn into_head(self) -> Head;
    fn find(&self, byte: u8) -> Option<(Position, Ref)>;
    fn set(&mut self, position: Position, child: Ref);
    /// Where there is none under `byte` and [`Branch::MAX`] is not reached.
    fn add(&mut self, byte: u8, child: Ref);
    fn remove(&mut self, byte: u8, position: Position);
    /// The children in the order of their bytes: the first one at or after `cursor`, 0 in the beginning, and the cursor
    /// behind it.
    fn next(&self, cursor: u16) -> Option<(u16, u8, Ref)>;
}

/// Sorted bytes, searched from the front: 4 or 16 children.
#[derive(Debug)]
pub(super) struct Small<const N: usize> {
    head: Head,
    keys: [u8; N],
    children: [Ref; N],
}

impl<const N: usize> Branch for Small<N> {
    const MAX: usize = N;
    const FEW: usize = if N == 4 { 0 } else { 3 };

    fn empty(head: Head) -> Self {
        Self { head: Head { count: 0, ..head }, keys: [0; N], children: [Ref::NONE; N] }
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn into_head(self) -> Head {
        self.head
    }

    #[inline]
    fn find(&self, byte: u8) -> Option<(Position, Ref)> {
        // All of them, without a way out: this becomes one vector comparison.
        let mut equal = 0u32;
        for (at, &key) in self.keys.iter().enumerate() {
            equal |= u32::from(key == byte) << at;
        }
        equal &= (1 << self.head.count) - 1;
        if equal == 0 {
            return None;
        }
        let at = equal.trailing_zeros() as usize;
        Some((at as Position, self.children[at]))
    }

    fn set(&mut self, position: Position, child: Ref) {
        self.children[usize::from(position)] = child;
    }

    fn add(&mut self, byte: u8, child: Ref) {
        let count = usize::from(self.head.count);
        let at = self.keys[..count].iter().position(|key| *key > byte).unwrap_or(count);
        self.keys.copy_within(at..count, at + 1);
        self.children.copy_within(at..count, at + 1);
        self.keys[at] = byte;
        self.children[at] = child;
        self.head.count += 1;
    }

    fn remove(&mut self, _byte: u8, position: Position) {
        let (at, count) = (usize::from(position), usize::from(self.head.count));
        self.keys.copy_within(at + 1..count, at);
        self.children.copy_within(at + 1..count, at);
        self.head.count -= 1;
    }

    fn next(&self, cursor: u16) -> Option<(u16, u8, Ref)> {
        let at = usize::from(cursor);
        (cursor < self.head.count).then(|| (cursor + 1, self.keys[at], self.children[at]))
    }
}

/// A place for each byte, with the child's position plus one, and 48 children in no order.
#[derive(Debug)]
pub(super) struct Medium {
    head: Head,
    positions: [u8; 256],
    children: [Ref; 48],
}

impl Branch for Medium {
    const MAX: usize = 48;
    const FEW: usize = 12;

    fn empty(head: Head) -> Self {
        Self { head: Head { count: 0, ..head }, positions: [0; 256], children: [Ref::NONE; 48] }
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn into_head(self) -> Head {
        self.head
    }

    #[inline]
    fn find(&self, byte: u8) -> Option<(Position, Ref)> {
        let position = self.positions[usize::from(byte)].checked_sub(1)?;
        Some((position, self.children[usize::from(position)]))
    }

    fn set(&mut self, position: Position, child: Ref) {
        self.children[usize::from(position)] = child;
    }

    fn add(&mut self, byte: u8, child: Ref) {
        self.children[usize::from(self.head.count)] = child;
        self.head.count += 1;
        // At most 48.
        self.positions[usize::from(byte)] = self.head.count as u8;
    }

    fn remove(&mut self, byte: u8, position: Position) {
        self.positions[usize::from(byte)] = 0;
        self.head.count -= 1;
        let last = self.head.count as u8;
        if position != last {
            // The last one moves into the hole.
            let moved = self.positions.iter_mut().find(|at| **at == last + 1);
            *moved.expect("each child has the place of its byte") = position + 1;
            self.children[usize::from(position)] = self.children[usize::from(last)];
        }
        self.children[usize::from(last)] = Ref::NONE;
    }

    fn next(&self, cursor: u16) -> Option<(u16, u8, Ref)> {
        let from = usize::from(cursor);
        let at = from + self.positions[from..].iter().position(|position| *position != 0)?;
        Some((at as u16 + 1, at as u8, self.children[usize::from(self.positions[at]) - 1]))
    }
}

/// A child for each byte.
#[derive(Debug)]
pub(super) struct Large {
    head: Head,
    children: [Ref; 256],
}

impl Branch for Large {
    const MAX: usize = 256;
    const FEW: usize = 40;

    fn empty(head: Head) -> Self {
        Self { head: Head { count: 0, ..head }, children: [Ref::NONE; 256] }
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn into_head(self) -> Head {
        self.head
    }

    #[inline]
    fn find(&self, byte: u8) -> Option<(Position, Ref)> {
        let child = self.children[usize::from(byte)];
        (child != Ref::NONE).then_some((byte, child))
    }

    fn set(&mut self, position: Position, child: Ref) {
        self.children[usize::from(position)] = child;
    }

    fn add(&mut self, byte: u8, child: Ref) {
        self.children[usize::from(byte)] = child;
        self.head.count += 1;
    }

    fn remove(&mut self, byte: u8, _position: Position) {
        self.children[usize::from(byte)] = Ref::NONE;
        self.head.count -= 1;
    }

    fn next(&self, cursor: u16) -> Option<(u16, u8, Ref)> {
        let from = usize::from(cursor);
        let at = from + self.children[from..].iter().position(|child| *child != Ref::NONE)?;
        Some((at as u16 + 1, at as u8, self.children[at]))
    }
}

const _: () = assert!(size_of::<Small<4>>() == 56);
const _: () = assert!(size_of::<Small<16>>() == 112);
const _: () = assert!(size_of::<Medium>() == 480);
const _: () = assert!(size_of::<Large>() == 1056);

#[cfg(test)]
mod tests {
    use super::*;

    fn child(at: u32) -> Ref {
        Ref::new(Place::Leaf(at))
    }

    fn empty<B: Branch>() -> B {
        B::empty(Head { prefix: Text::new(b"prefix"), end: Ref::NONE, count: 0 })
    }

    fn children(branch: &impl Branch) -> Vec<(u8, Ref)> {
        let (mut cursor, mut children) = (0, Vec::new());
        while cursor < 256
            && let Some((after, byte, child)) = branch.next(cursor)
        {
            children.push((byte, child));
            cursor = after;
        }
        children
    }

    fn remove(branch: &mut impl Branch, byte: u8) {
        let (position, _) = branch.find(byte).unwrap();
        branch.remove(byte, position);
    }

    /// Fills `B` to the brim in no order, and empties it from the middle.
    fn fill_and_empty<B: Branch>() {
        let mut branch = empty::<B>();
        assert_eq!((branch.find(b'a'), children(&branch)), (None, vec![]));
        let bytes: Vec<u8> = (0..B::MAX).map(|at| (at * 101 + 7) as u8).collect();
        for (at, &byte) in bytes.iter().enumerate() {
            branch.add(byte, child(at as u32));
            assert_eq!(usize::from(branch.head().count), at + 1);
        }
        let mut expected: Vec<_> =
            bytes.iter().enumerate().map(|(at, &byte)| (byte, child(at as u32))).collect();
        expected.sort_unstable_by_key(|(byte, _)| *byte);
        assert_eq!(children(&branch), expected);
        for (byte, known) in expected.clone() {
            let (position, found) = branch.find(byte).unwrap();
            assert_eq!(found, known);
            branch.set(position, child(1000 + u32::from(byte)));
            assert_eq!(branch.find(byte), Some((position, child(1000 + u32::from(byte)))));
        }
        while !expected.is_empty() {
            let (byte, _) = expected.remove(expected.len() / 2);
            remove(&mut branch, byte);
            assert_eq!(branch.find(byte), None);
            let left: Vec<_> =
                expected.iter().map(|(byte, _)| (*byte, child(1000 + u32::from(*byte)))).collect();
            assert_eq!(children(&branch), left);
        }
        assert_eq!((branch.head().count, branch.into_head().prefix.as_slice()), (0, &b"prefix"[..]));
    }

    // go: server/stree/stree_test.go TestNodeIterMethods
    // go: server/stree/stree_test.go TestDeleteChildEdgeCasesMore
    #[test]
    fn branches_of_all_sizes_hold_what_fits() {
        fill_and_empty::<Small<4>>();
        fill_and_empty::<Small<16>>();
        fill_and_empty::<Medium>();
        fill_and_empty::<Large>();
    }

    // go: server/stree/stree_test.go TestNode256Operations
    #[test]
    fn the_largest_branch_is_never_too_small() {
        assert_eq!(Large::MAX, 256);
        let mut branch = empty::<Large>();
        assert_eq!(branch.find(b'a'), None);
        branch.add(b'a', child(42));
        assert_eq!((branch.find(b'a'), branch.head().count), (Some((b'a', child(42))), 1));
        assert_eq!(children(&branch), [(b'a', child(42))]);
        branch.add(b'c', child(44));
        branch.add(b'b', child(43));
        assert_eq!(branch.next(0), Some((u16::from(b'a') + 1, b'a', child(42))));
        assert_eq!(children(&branch), [(b'a', child(42)), (b'b', child(43)), (b'c', child(44))]);
    }

    // go: server/stree/stree_test.go TestSubjectTreeNode48
    #[test]
    fn the_last_child_fills_the_hole_of_one_that_is_gone() {
        let mut branch = empty::<Medium>();
        for (at, byte) in (0..).zip(*b"ABC") {
            branch.add(byte, child(at));
            assert_eq!(branch.find(byte), Some((at as u8, child(at))));
        }
        remove(&mut branch, b'A');
        assert_eq!(branch.find(b'A'), None);
        assert_eq!(branch.find(b'B'), Some((1, child(1))), "untouched");
        assert_eq!(branch.find(b'C'), Some((0, child(2))), "where A was");
        assert_eq!(branch.children[2], Ref::NONE);
        assert_eq!(children(&branch), [(b'B', child(1)), (b'C', child(2))]);
        branch.add(255, child(3));
        assert_eq!(branch.find(255), Some((2, child(3))));
        assert_eq!(children(&branch).last(), Some(&(255, child(3))));
    }

    #[test]
    fn a_reference_says_what_it_is_of() {
        for at in [0, 1, NODES_MAX - 1] {
            for place in [Place::N4(at), Place::N16(at), Place::N48(at), Place::N256(at), Place::Leaf(at)] {
                assert_eq!(Ref::new(place).place(), place);
            }
        }
        assert_eq!(Ref::new(Place::Leaf(LEAVES_MAX - 1)).place(), Place::Leaf(LEAVES_MAX - 1));
        assert_eq!(Ref::new(Place::Leaf(LEAVES_MAX)), Ref::NONE);
    }
}
