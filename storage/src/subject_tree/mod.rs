//! What a store knows of each subject: an adaptive radix tree from subjects to values.
//!
//! A subject is any byte string; only `.` means something, and only to filters. Branches hold 4, 16, 48 or 256 children
//! and the bytes all their subjects share; a leaf holds the bytes that are left. Both live in slabs and name each other
//! by 32-bit numbers, so that a leaf has a dense number of its own ([`LeafId`]) and takes 48 bytes with a value of 24.
//!
//! Invariants: a branch has at least two of children and end; the end of a branch is a leaf without text; every leaf and
//! branch is reached from the root exactly once.
//!
//! Nothing recurses: a tree is as deep as its longest subject.

mod filter;
mod node;
mod nodes;
mod slab;
mod text;
mod walk;

#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use node::{LEAVES_MAX, Place, Position, Ref};
use nodes::{Nodes, Step};
use slab::Slab;
use text::Text;

/// Number of a subject's leaf: the same as long as the subject is in the tree, and given to another one afterwards.
/// Numbers are dense: the tree has seen as many subjects at once as the highest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafId(pub u32);

/// A map from subjects to values that answers filters. At most 2^31 - 1 subjects.
#[derive(Debug)]
pub struct SubjectTree<T> {
    root: Ref,
    nodes: Nodes,
    leaves: Slab<Leaf<T>>,
    /// Bytes of texts too long to be in their leaf or branch.
    text_bytes: usize,
}

#[derive(Debug)]
struct Leaf<T> {
    value: T,
    /// What is left of the subject after the path.
    text: Text,
}

const _: () = assert!(size_of::<Leaf<[u64; 3]>>() == 48);

/// Where the number of a leaf or a branch is written.
#[derive(Clone, Copy)]
enum Link {
    Root,
    End { node: Ref },
    Child { node: Ref, byte: u8, position: Position },
}

impl<T> Default for SubjectTree<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SubjectTree<T> {
    #[must_use]
    pub const fn new() -> Self {
        Self { root: Ref::NONE, nodes: Nodes::new(), leaves: Slab::new(), text_bytes: 0 }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn get(&self, subject: &[u8]) -> Option<&T> {
        self.find(subject).map(|id| self.by_id(id))
    }

    #[must_use]
    pub fn get_mut(&mut self, subject: &[u8]) -> Option<&mut T> {
        self.find(subject).map(|id| self.by_id_mut(id))
    }

    /// The leaf of `subject`, whose wildcard characters stand for themselves.
    #[must_use]
    pub fn find(&self, subject: &[u8]) -> Option<LeafId> {
        let mut at = self.root;
        let mut rest = subject;
        loop {
            if at == Ref::NONE {
                return None;
            }
            if let Place::Leaf(id) = at.place() {
                return (self.leaves.get(id).text.as_slice() == rest).then_some(LeafId(id));
            }
            (at, rest) = match self.nodes.step(at, rest) {
                Step::Differs => return None,
                Step::Ends(end) => (end, &rest[..0]),
                Step::GoesOn { rest, child, .. } => (child?.1, rest),
            };
        }
    }

    /// The value of a subject that is there.
    ///
    /// # Panics
    /// Where the subject was removed and no other took its number.
    #[must_use]
    pub fn by_id(&self, id: LeafId) -> &T {
        &self.leaves.get(id.0).value
    }

    /// # Panics
    /// As [`SubjectTree::by_id`].
    #[must_use]
    pub fn by_id_mut(&mut self, id: LeafId) -> &mut T {
        &mut self.leaves.get_mut(id.0).value
    }

    /// The leaf of `subject`, made with `value` where there is none: one descent for both.
    pub fn entry(&mut self, subject: &[u8], value: impl FnOnce() -> T) -> (LeafId, &mut T) {
        let id = self.find_or_insert(subject, value);
        (id, self.by_id_mut(id))
    }

    /// The value that was there before.
    pub fn insert(&mut self, subject: &[u8], value: T) -> Option<T> {
        let mut value = Some(value);
        let (_, place) = self.entry(subject, || value.take().expect("asked for once"));
        value.map(|value| std::mem::replace(place, value))
    }

    /// Takes `subject` out; its number is free for another one.
    pub fn remove(&mut self, subject: &[u8]) -> Option<(LeafId, T)> {
        let mut at = self.root;
        let mut rest = subject;
        let (mut link, mut above) = (Link::Root, Link::Root);
        let id = loop {
            if at == Ref::NONE {
                return None;
            }
            if let Place::Leaf(id) = at.place() {
                if self.leaves.get(id).text.as_slice() != rest {
                    return None;
                }
                break id;
            }
            above = link;
            (link, at, rest) = match self.nodes.step(at, rest) {
                Step::Differs => return None,
                Step::Ends(end) => (Link::End { node: at }, end, &rest[..0]),
                Step::GoesOn { byte, rest, child } => {
                    let (position, child) = child?;
                    (Link::Child { node: at, byte, position }, child, rest)
                }
            };
        };
        let leaf = self.leaves.remove(id);
        self.text_bytes -= leaf.text.heap_bytes();
        match link {
            Link::Root => self.root = Ref::NONE,
            Link::End { node } => {
                self.nodes.head_mut(node).end = Ref::NONE;
                self.tidy(node, above);
            }
            Link::Child { node, byte, position } => {
                self.nodes.remove_child(node, byte, position);
                self.tidy(node, above);
            }
        }
        Some((LeafId(id), leaf.value))
    }

    /// Calls `f` for each subject in the order of bytes, until it breaks.
    pub fn for_each(&self, f: impl FnMut(LeafId, &[u8], &T) -> ControlFlow<()>) -> ControlFlow<()> {
        walk::walk_all(self, f)
    }

    /// Calls `f` for each subject that `filter` matches, as `natrium_subject::matches` has it, in the order of bytes, until
    /// it breaks. A filter without wildcards costs one descent; otherwise the cost grows with what is found and the
    /// branches in which the filter has matched so far.
    pub fn for_each_match(
        &self,
        filter: &[u8],
        mut f: impl FnMut(LeafId, &[u8], &T) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if natrium_subject::is_literal(filter) {
            return match self.find(filter) {
                Some(id) => f(id, filter, self.by_id(id)),
                None => ControlFlow::Continue(()),
            };
        }
        walk::walk_matches(self, &[filter], f)
    }

    /// Calls `f` once for each subject that at least one of `filters` matches, in the order of bytes, until it breaks.
    pub fn for_each_match_any(
        &self,
        filters: &[&[u8]],
        f: impl FnMut(LeafId, &[u8], &T) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match filters {
            [filter] => self.for_each_match(filter, f),
            _ => walk::walk_matches(self, filters, f),
        }
    }

    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes allocated for the tree, not counting what the values themselves point to.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.nodes.memory_bytes() + self.leaves.memory_bytes() + self.text_bytes
    }

    fn find_or_insert(&mut self, subject: &[u8], value: impl FnOnce() -> T) -> LeafId {
        let mut at = self.root;
        let mut rest = subject;
        let mut link = Link::Root;
        loop {
            if at == Ref::NONE {
                let id = self.new_leaf(rest, value());
                self.set(link, leaf_ref(id));
                return id;
            }
            if let Place::Leaf(id) = at.place() {
                let text = self.leaves.get(id).text.as_slice();
                if text == rest {
                    return LeafId(id);
                }
                at = self.split_leaf(id, common_len(text, rest));
                self.set(link, at);
            }
            match self.nodes.step(at, rest) {
                Step::Differs => {
                    let common = common_len(self.nodes.head(at).prefix.as_slice(), rest);
                    at = self.split_node(at, common);
                    self.set(link, at);
                }
                Step::Ends(end) => {
                    link = Link::End { node: at };
                    (at, rest) = (end, &rest[..0]);
                }
                Step::GoesOn { byte, rest: after, child: Some((position, child)) } => {
                    link = Link::Child { node: at, byte, position };
                    (at, rest) = (child, after);
                }
                Step::GoesOn { byte, rest, child: None } => {
                    let id = self.new_leaf(rest, value());
                    let node = self.nodes.add_child(at, byte, leaf_ref(id));
                    if node != at {
                        self.set(link, node);
                    }
                    return id;
                }
            }
        }
    }

    fn new_leaf(&mut self, text: &[u8], value: T) -> LeafId {
        let text = Text::new(text);
        self.text_bytes += text.heap_bytes();
        LeafId(self.leaves.insert(Leaf { value, text }, LEAVES_MAX))
    }

    /// A branch with the first `common` bytes of the leaf's text, and the leaf below it with the rest.
    fn split_leaf(&mut self, id: u32, common: usize) -> Ref {
        let leaf = self.leaves.get_mut(id);
        let text = std::mem::replace(&mut leaf.text, Text::EMPTY);
        let (prefix, rest) = text.as_slice().split_at(common);
        let (prefix, rest) = (Text::new(prefix), rest.split_first());
        if let Some((_, after)) = rest {
            leaf.text = Text::new(after);
        }
        self.text_bytes += prefix.heap_bytes() + leaf.text.heap_bytes();
        self.text_bytes -= text.heap_bytes();
        let node = self.nodes.insert(prefix);
        match rest {
            None => self.nodes.head_mut(node).end = leaf_ref(LeafId(id)),
            Some((&byte, _)) => return self.nodes.add_child(node, byte, leaf_ref(LeafId(id))),
        }
        node
    }

    /// A branch with the first `common` bytes of `below`'s prefix, fewer than it has, and `below` in it with the rest.
    fn split_node(&mut self, below: Ref, common: usize) -> Ref {
        let head = self.nodes.head_mut(below);
        let prefix = std::mem::replace(&mut head.prefix, Text::EMPTY);
        let (front, back) = prefix.as_slice().split_at(common);
        let (&byte, back) = back.split_first().expect("the branch shares fewer bytes than it has");
        head.prefix = Text::new(back);
        let front = Text::new(front);
        self.text_bytes += front.heap_bytes() + head.prefix.heap_bytes();
        self.text_bytes -= prefix.heap_bytes();
        let node = self.nodes.insert(front);
        self.nodes.add_child(node, byte, below)
    }

    /// Restores the invariants of `node`, which has just lost a child or its end and is written at `link`.
    fn tidy(&mut self, node: Ref, link: Link) {
        let head = self.nodes.head(node);
        let (count, end) = (head.count, head.end);
        let only = match (count, end == Ref::NONE) {
            (0, false) => {
                let prefix = self.nodes.remove(node).prefix;
                // The end had no text, so the bytes are counted once, before and after.
                self.text_mut(end, |text| *text = prefix);
                end
            }
            (1, true) => {
                let (_, byte, child) = self.nodes.next_child(node, 0).expect("one child is left");
                let front = self.nodes.remove(node).prefix;
                let (mut before, mut after) = (front.heap_bytes(), 0);
                self.text_mut(child, |text| {
                    before += text.heap_bytes();
                    *text = Text::joined(front.as_slice(), byte, text.as_slice());
                    after = text.heap_bytes();
                });
                self.text_bytes += after;
                self.text_bytes -= before;
                child
            }
            _ => self.nodes.shrink(node),
        };
        if only != node {
            self.set(link, only);
        }
    }

    /// The text of a leaf or a branch.
    fn text_mut(&mut self, at: Ref, f: impl FnOnce(&mut Text)) {
        match at.place() {
            Place::Leaf(id) => f(&mut self.leaves.get_mut(id).text),
            Place::N4(_) | Place::N16(_) | Place::N48(_) | Place::N256(_) => {
                f(&mut self.nodes.head_mut(at).prefix)
            }
        }
    }

    fn set(&mut self, link: Link, to: Ref) {
        match link {
            Link::Root => self.root = to,
            Link::End { node } => self.nodes.head_mut(node).end = to,
            Link::Child { node, position, .. } => self.nodes.set_child(node, position, to),
        }
    }
}

fn leaf_ref(id: LeafId) -> Ref {
    Ref::new(Place::Leaf(id.0))
}

fn common_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
