//! Subjects in the order of their bytes: all of them, or those that filters match.
//!
//! A walk keeps its own stack, as a tree is as deep as its longest subject and a client chooses the subjects.

use std::ops::{ControlFlow, Range};

use super::{
    LeafId, SubjectTree,
    filter::{Progress, Wanted},
    node::{Place, Ref},
};

/// Calls `f` for each subject that one of `filters` matches.
pub(super) fn walk_matches<T>(
    tree: &SubjectTree<T>,
    filters: &[&[u8]],
    f: impl FnMut(LeafId, &[u8], &T) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let alive = (0..filters.len()).map(|filter| Live { filter, at: Progress::START }).collect();
    let mut walk = Walk::new(tree, filters, alive, f);
    walk.run(0..filters.len())
}

/// Calls `f` for each subject.
pub(super) fn walk_all<T>(
    tree: &SubjectTree<T>,
    f: impl FnMut(LeafId, &[u8], &T) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let alive = Vec::from([Live { filter: 0, at: Progress::ALL }]);
    let filters = &[&[][..]];
    let mut walk = Walk::new(tree, filters, alive, f);
    walk.run(0..1)
}

/// How many leaves and branches a walk with `filters` comes by, and for how many filters at once it makes room.
#[cfg(test)]
pub(super) fn steps_of<T>(tree: &SubjectTree<T>, filters: &[&[u8]]) -> (usize, usize) {
    let alive = (0..filters.len()).map(|filter| Live { filter, at: Progress::START }).collect();
    let f = |_: LeafId, _: &[u8], _: &T| ControlFlow::Continue(());
    let mut walk = Walk::new(tree, filters, alive, f);
    assert!(walk.run(0..filters.len()).is_continue());
    (walk.steps, walk.alive.capacity())
}

struct Walk<'a, T, F> {
    #[cfg(test)]
    steps: usize,
    tree: &'a SubjectTree<T>,
    filters: &'a [&'a [u8]],
    /// The bytes that lead to where the walk is.
    path: Vec<u8>,
    /// The filters still in play, for each frame its own range, the last frame's at the end.
    alive: Vec<Live>,
    frames: Vec<Frame>,
    f: F,
}

/// A filter that has matched the path.
#[derive(Clone, Copy)]
struct Live {
    filter: usize,
    at: Progress,
}

/// A branch the walk is in.
struct Frame {
    node: Ref,
    /// Bytes of the path with the branch's own.
    path_len: usize,
    alive: Range<usize>,
    way: Way,
    /// Where to go on: see `Nodes::next_child`, or the least byte to look at, by `way`.
    cursor: u16,
}

/// How a branch's children are chosen.
#[derive(Clone, Copy)]
enum Way {
    /// A filter with `>` matches whatever is below: no more questions.
    All,
    /// Some filter takes any byte here: each child is tried.
    Each,
    /// Only the bytes the filters name are looked up.
    Named,
}

impl<'a, T, F: FnMut(LeafId, &[u8], &T) -> ControlFlow<()>> Walk<'a, T, F> {
    fn new(tree: &'a SubjectTree<T>, filters: &'a [&'a [u8]], alive: Vec<Live>, f: F) -> Self {
        Self {
            #[cfg(test)]
            steps: 0,
            tree,
            filters,
            path: Vec::with_capacity(64),
            alive,
            frames: Vec::with_capacity(32),
            f,
        }
    }

    fn run(&mut self, alive: Range<usize>) -> ControlFlow<()> {
        self.enter(self.tree.root, alive)?;
        while let Some(frame) = self.frames.last_mut() {
            self.path.truncate(frame.path_len);
            self.alive.truncate(frame.alive.end);
            let (node, alive, way) = (frame.node, frame.alive.clone(), frame.way);
            let next = match way {
                Way::All | Way::Each => self.tree.nodes.next_child(node, frame.cursor),
                Way::Named => self.next_named(),
            };
            let Some((cursor, byte, child)) = next else {
                self.frames.pop();
                continue;
            };
            self.frames.last_mut().expect("the frame is still there").cursor = cursor;
            self.path.push(byte);
            let alive = match way {
                Way::All => alive,
                Way::Each | Way::Named => self.survivors(alive, &[byte]),
            };
            self.enter(child, alive)?;
        }
        ControlFlow::Continue(())
    }

    /// Goes to `place`, which the path leads to and the `alive` filters have matched so far.
    fn enter(&mut self, place: Ref, alive: Range<usize>) -> ControlFlow<()> {
        if place == Ref::NONE || alive.is_empty() {
            return ControlFlow::Continue(());
        }
        #[cfg(test)]
        {
            self.steps += 1;
        }
        let tree = self.tree;
        if let Place::Leaf(id) = place.place() {
            let leaf = tree.leaves.get(id);
            let text = leaf.text.as_slice();
            self.path.extend_from_slice(text);
            let matches = self.alive[alive].iter().any(|live| {
                let filter = self.filters[live.filter];
                live.at.after(filter, text).is_some_and(|at| at.accepts(filter, &self.path))
            });
            return if matches {
                (self.f)(LeafId(id), &self.path, &leaf.value)
            } else {
                ControlFlow::Continue(())
            };
        }
        let head = tree.nodes.head(place);
        let prefix = head.prefix.as_slice();
        self.path.extend_from_slice(prefix);
        let alive = if prefix.is_empty() { alive } else { self.survivors(alive, prefix) };
        if alive.is_empty() {
            return ControlFlow::Continue(());
        }
        let (alive, way) = self.way(alive);
        self.frames.push(Frame {
            node: place,
            path_len: self.path.len(),
            alive: alive.clone(),
            way,
            cursor: 0,
        });
        // A branch's end adds no bytes, so it is a leaf like any other.
        self.enter_end(head.end, alive)
    }

    /// The leaf of the subject that ends with the path.
    fn enter_end(&mut self, end: Ref, alive: Range<usize>) -> ControlFlow<()> {
        if end == Ref::NONE {
            return ControlFlow::Continue(());
        }
        let Place::Leaf(id) = end.place() else { unreachable!("a branch ends in a leaf") };
        if self.alive[alive].iter().any(|live| live.at.accepts(self.filters[live.filter], &self.path)) {
            return (self.f)(LeafId(id), &self.path, &self.tree.leaves.get(id).value);
        }
        ControlFlow::Continue(())
    }

    /// The filters of `alive` that match `bytes` too, behind all others.
    fn survivors(&mut self, alive: Range<usize>, bytes: &[u8]) -> Range<usize> {
        let start = self.alive.len();
        for at in alive {
            let live = self.alive[at];
            if let Some(at) = live.at.after(self.filters[live.filter], bytes) {
                self.alive.push(Live { at, ..live });
            }
        }
        start..self.alive.len()
    }

    /// How to go on with `alive`, and which of them are needed for that.
    fn way(&self, alive: Range<usize>) -> (Range<usize>, Way) {
        let mut way = Way::Named;
        for at in alive.clone() {
            let live = self.alive[at];
            if live.at.is_all() {
                return (at..at + 1, Way::All);
            }
            if live.at.wanted(self.filters[live.filter]) == Wanted::Any {
                way = Way::Each;
            }
        }
        (alive, way)
    }

    /// The next child of the last frame under a byte that a filter names.
    fn next_named(&self) -> Option<(u16, u8, Ref)> {
        let frame = self.frames.last()?;
        let mut cursor = frame.cursor;
        loop {
            let byte = self.alive[frame.alive.clone()]
                .iter()
                .filter_map(|live| match live.at.wanted(self.filters[live.filter]) {
                    Wanted::Byte(byte) if u16::from(byte) >= cursor => Some(byte),
                    Wanted::Byte(_) | Wanted::Any | Wanted::Nothing => None,
                })
                .min()?;
            cursor = u16::from(byte) + 1;
            if let Some((_, child)) = self.tree.nodes.find_child(frame.node, byte) {
                return Some((cursor, byte, child));
            }
        }
    }
}
