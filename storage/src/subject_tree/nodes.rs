//! All branches of a tree, whatever their size: they grow and shrink here.

use super::{
    node::{Branch, Head, Large, Medium, NODES_MAX, Place, Position, Ref, Small},
    slab::Slab,
    text::Text,
};

#[derive(Debug)]
pub(super) struct Nodes {
    n4: Slab<Small<4>>,
    n16: Slab<Small<16>>,
    n48: Slab<Medium>,
    n256: Slab<Large>,
}

/// Where the rest of a subject goes from a branch.
pub(super) enum Step<'a> {
    /// It is not what all subjects of the branch share.
    Differs,
    /// It ends there, at this leaf if any.
    Ends(Ref),
    /// It goes on with `byte` and `rest`.
    GoesOn { byte: u8, rest: &'a [u8], child: Option<(Position, Ref)> },
}

/// Calls `$body` with `$node` a reference to the branch at `$place`.
macro_rules! at {
    ($nodes:expr, $place:expr, $get:ident, $node:ident => $body:expr) => {
        match $place.place() {
            Place::N4(at) => {
                let $node = $nodes.n4.$get(at);
                $body
            }
            Place::N16(at) => {
                let $node = $nodes.n16.$get(at);
                $body
            }
            Place::N48(at) => {
                let $node = $nodes.n48.$get(at);
                $body
            }
            Place::N256(at) => {
                let $node = $nodes.n256.$get(at);
                $body
            }
            Place::Leaf(_) => unreachable!("a leaf is no branch"),
        }
    };
}

impl Nodes {
    pub(super) const fn new() -> Self {
        Self { n4: Slab::new(), n16: Slab::new(), n48: Slab::new(), n256: Slab::new() }
    }

    /// A branch without children or end, of the smallest size.
    pub(super) fn insert(&mut self, prefix: Text) -> Ref {
        let node = Small::empty(Head { prefix, end: Ref::NONE, count: 0 });
        Ref::new(Place::N4(self.n4.insert(node, NODES_MAX)))
    }

    #[inline]
    pub(super) fn head(&self, node: Ref) -> &Head {
        at!(self, node, get, node => node.head())
    }

    #[inline]
    pub(super) fn head_mut(&mut self, node: Ref) -> &mut Head {
        at!(self, node, get_mut, node => node.head_mut())
    }

    #[inline]
    pub(super) fn find_child(&self, node: Ref, byte: u8) -> Option<(Position, Ref)> {
        at!(self, node, get, node => node.find(byte))
    }

    /// All that a descent asks of a branch, in one look.
    #[inline]
    pub(super) fn step<'a>(&self, node: Ref, rest: &'a [u8]) -> Step<'a> {
        at!(self, node, get, node => step(node, rest))
    }

    pub(super) fn set_child(&mut self, node: Ref, position: Position, child: Ref) {
        at!(self, node, get_mut, node => node.set(position, child));
    }

    /// See [`Branch::next`].
    pub(super) fn next_child(&self, node: Ref, cursor: u16) -> Option<(u16, u8, Ref)> {
        at!(self, node, get, node => if cursor < 256 { node.next(cursor) } else { None })
    }

    /// Where there is none under `byte` yet. What is returned takes the place of `node`, which may have grown.
    #[must_use = "the branch may have moved"]
    pub(super) fn add_child(&mut self, node: Ref, byte: u8, child: Ref) -> Ref {
        let node = self.with_room(node);
        at!(self, node, get_mut, node => node.add(byte, child));
        node
    }

    pub(super) fn remove_child(&mut self, node: Ref, byte: u8, position: Position) {
        at!(self, node, get_mut, node => node.remove(byte, position));
    }

    /// What is returned takes the place of `node`, which has few children for its size.
    #[must_use = "the branch may have moved"]
    pub(super) fn shrink(&mut self, node: Ref) -> Ref {
        let count = usize::from(self.head(node).count);
        match node.place() {
            Place::N16(at) if count <= Small::<16>::FEW => {
                let smaller = resized(self.n16.remove(at));
                Ref::new(Place::N4(self.n4.insert(smaller, NODES_MAX)))
            }
            Place::N48(at) if count <= Medium::FEW => {
                let smaller = resized(self.n48.remove(at));
                Ref::new(Place::N16(self.n16.insert(smaller, NODES_MAX)))
            }
            Place::N256(at) if count <= Large::FEW => {
                let smaller = resized(self.n256.remove(at));
                Ref::new(Place::N48(self.n48.insert(smaller, NODES_MAX)))
            }
            Place::N4(_) | Place::N16(_) | Place::N48(_) | Place::N256(_) => node,
            Place::Leaf(_) => unreachable!("a leaf is no branch"),
        }
    }

    /// Takes the branch out; its children stay where they are.
    pub(super) fn remove(&mut self, node: Ref) -> Head {
        match node.place() {
            Place::N4(at) => self.n4.remove(at).into_head(),
            Place::N16(at) => self.n16.remove(at).into_head(),
            Place::N48(at) => self.n48.remove(at).into_head(),
            Place::N256(at) => self.n256.remove(at).into_head(),
            Place::Leaf(_) => unreachable!("a leaf is no branch"),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.n4.memory_bytes() + self.n16.memory_bytes() + self.n48.memory_bytes() + self.n256.memory_bytes()
    }

    /// How many branches there are of each size, the smallest first.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 4] {
        [self.n4.len(), self.n16.len(), self.n48.len(), self.n256.len()]
    }

    /// `node` with room for one more child.
    fn with_room(&mut self, node: Ref) -> Ref {
        let count = usize::from(self.head(node).count);
        match node.place() {
            Place::N4(at) if count == Small::<4>::MAX => {
                let larger = resized(self.n4.remove(at));
                Ref::new(Place::N16(self.n16.insert(larger, NODES_MAX)))
            }
            Place::N16(at) if count == Small::<16>::MAX => {
                let larger = resized(self.n16.remove(at));
                Ref::new(Place::N48(self.n48.insert(larger, NODES_MAX)))
            }
            Place::N48(at) if count == Medium::MAX => {
                let larger = resized(self.n48.remove(at));
                Ref::new(Place::N256(self.n256.insert(larger, NODES_MAX)))
            }
            Place::N4(_) | Place::N16(_) | Place::N48(_) | Place::N256(_) => node,
            Place::Leaf(_) => unreachable!("a leaf is no branch"),
        }
    }
}

#[inline]
fn step<'a>(branch: &impl Branch, rest: &'a [u8]) -> Step<'a> {
    let head = branch.head();
    let Some(rest) = rest.strip_prefix(head.prefix.as_slice()) else { return Step::Differs };
    match rest.split_first() {
        None => Step::Ends(head.end),
        Some((&byte, rest)) => Step::GoesOn { byte, rest, child: branch.find(byte) },
    }
}

/// The same branch in another size that holds its children.
fn resized<A: Branch, B: Branch>(mut from: A) -> B {
    let head = from.head_mut();
    let moved = Head { prefix: std::mem::replace(&mut head.prefix, Text::EMPTY), end: head.end, count: 0 };
    let mut to = B::empty(moved);
    let mut cursor = 0;
    while cursor < 256
        && let Some((after, byte, child)) = from.next(cursor)
    {
        to.add(byte, child);
        cursor = after;
    }
    to
}
