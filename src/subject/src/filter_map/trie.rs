//! The wildcard filters, token by token.
//!
//! All edges with a literal token live in one hash table keyed by parent node and token: a node with a million
//! children costs what they cost, and one with none costs no table. The `*` edge and the filter that ends in `>` are
//! fields of their node.

use std::num::NonZeroU32;

use hashbrown::HashTable;
use memchr::memchr_iter;

use super::{
    FilterId,
    hash::{ShortHash, SubjectHasher},
    text::SmallText,
};
use crate::grammar::{SEPARATOR, STAR, TAIL, tokens};

#[derive(Debug)]
pub(crate) struct Trie {
    /// The root is always there. A freed node keeps its place, named by `free`.
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    edges: HashTable<Edge>,
    hasher: SubjectHasher,
}

/// What a walk remembers; kept between walks for its memory.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Where each token of the subject starts and ends.
    tokens: Vec<(usize, usize)>,
    /// Branches not yet taken: a node, and how many tokens lead to it.
    branches: Vec<(NodeId, usize)>,
}

/// Index into `nodes`, plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeId(NonZeroU32);

#[derive(Debug)]
struct Node {
    parent: NodeId,
    star: Option<NodeId>,
    literal_children: u32,
    /// The filter that ends at this node.
    exact: Option<FilterId>,
    /// The filter whose `>` follows this node.
    tail: Option<FilterId>,
    /// Of the edge that leads here; empty for the root and for a star edge.
    token: SmallText,
}

/// The edge to `child`. Its parent and its token stand in that node.
#[derive(Debug)]
struct Edge {
    hash: ShortHash,
    child: NodeId,
}

impl Trie {
    pub(crate) fn new(hasher: SubjectHasher) -> Self {
        Self {
            nodes: vec![Node::new(NodeId::ROOT, SmallText::EMPTY)],
            free: Vec::new(),
            edges: HashTable::new(),
            hasher,
        }
    }

    /// Adds the wildcard `filter`, which must be valid, under `id`.
    pub(crate) fn insert(&mut self, filter: &[u8], id: FilterId) {
        let mut node = NodeId::ROOT;
        for token in tokens(filter) {
            if token == [TAIL] {
                self.node_mut(node).tail = Some(id);
                return;
            }
            node = if token == [STAR] { self.star_or_new(node) } else { self.child_or_new(node, token) };
        }
        self.node_mut(node).exact = Some(id);
    }

    /// Takes out the wildcard `filter` and the nodes that led to it alone. Does nothing if `id` is not there.
    pub(crate) fn remove(&mut self, filter: &[u8], id: FilterId) {
        let mut node = NodeId::ROOT;
        let mut ends_in_tail = false;
        for token in tokens(filter) {
            if token == [TAIL] {
                ends_in_tail = true;
                break;
            }
            let next = if token == [STAR] { self.node(node).star } else { self.child(node, token) };
            let Some(next) = next else { return };
            node = next;
        }
        let end = self.node_mut(node);
        let place = if ends_in_tail { &mut end.tail } else { &mut end.exact };
        if *place == Some(id) {
            *place = None;
            self.prune(node);
        }
    }

    /// Calls `found` with each filter that matches `subject` until it returns false.
    ///
    /// A subject with an empty token matches nothing; its wildcard characters stand for themselves.
    pub(crate) fn walk(&self, subject: &[u8], walk: &mut Walk, mut found: impl FnMut(FilterId) -> bool) {
        if !walk.start(subject) {
            return;
        }
        while let Some((mut id, mut depth)) = walk.branches.pop() {
            loop {
                let node = self.node(id);
                let Some(&(start, end)) = walk.tokens.get(depth) else {
                    if node.exact.is_some_and(|filter| !found(filter)) {
                        return;
                    }
                    break;
                };
                if node.tail.is_some_and(|filter| !found(filter)) {
                    return;
                }
                depth += 1;
                // The star is taken at once if it is the only way on.
                let literal =
                    if node.literal_children == 0 { None } else { self.child(id, &subject[start..end]) };
                id = match (literal, node.star) {
                    (Some(literal), Some(star)) => {
                        walk.branches.push((star, depth));
                        literal
                    }
                    (Some(next), None) | (None, Some(next)) => next,
                    (None, None) => break,
                };
            }
        }
    }

    fn star_or_new(&mut self, parent: NodeId) -> NodeId {
        if let Some(star) = self.node(parent).star {
            return star;
        }
        let star = self.allocate(Node::new(parent, SmallText::EMPTY));
        self.node_mut(parent).star = Some(star);
        star
    }

    fn child_or_new(&mut self, parent: NodeId, token: &[u8]) -> NodeId {
        if let Some(child) = self.child(parent, token) {
            return child;
        }
        let child = self.allocate(Node::new(parent, token.into()));
        let hash = self.hasher.edge(parent.0.get(), token);
        self.edges.insert_unique(hash.widened(), Edge { hash, child }, |edge| edge.hash.widened());
        self.node_mut(parent).literal_children += 1;
        child
    }

    fn child(&self, parent: NodeId, token: &[u8]) -> Option<NodeId> {
        let hash = self.hasher.edge(parent.0.get(), token);
        let edge = self.edges.find(hash.widened(), |edge| {
            let child = self.node(edge.child);
            edge.hash == hash && child.parent == parent && *child.token == *token
        })?;
        Some(edge.child)
    }

    /// Frees `node` and its ancestors as far up as nothing else needs them.
    fn prune(&mut self, mut id: NodeId) {
        while id != NodeId::ROOT && self.node(id).is_needless() {
            let parent = self.node(id).parent;
            if self.node(parent).star == Some(id) {
                self.node_mut(parent).star = None;
            } else {
                self.node_mut(parent).literal_children -= 1;
                let hash = self.hasher.edge(parent.0.get(), &self.node(id).token);
                if let Ok(edge) = self.edges.find_entry(hash.widened(), |edge| edge.child == id) {
                    edge.remove();
                }
            }
            self.node_mut(id).token = SmallText::EMPTY;
            self.free.push(id);
            id = parent;
        }
    }

    fn allocate(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.free.pop() {
            *self.node_mut(id) = node;
            return id;
        }
        self.nodes.push(node);
        let number = u32::try_from(self.nodes.len()).ok().and_then(NonZeroU32::new);
        NodeId(number.expect("memory holds fewer than 2^32 nodes, and one was just pushed"))
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }
}

impl Walk {
    /// Sets out from the root; false if `subject` has an empty token.
    fn start(&mut self, subject: &[u8]) -> bool {
        self.tokens.clear();
        self.branches.clear();
        let mut start = 0;
        for end in memchr_iter(SEPARATOR, subject).chain([subject.len()]) {
            if start == end {
                return false;
            }
            self.tokens.push((start, end));
            start = end + 1;
        }
        self.branches.push((NodeId::ROOT, 0));
        true
    }
}

impl NodeId {
    const ROOT: Self = Self(NonZeroU32::MIN);

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Node {
    fn new(parent: NodeId, token: SmallText) -> Self {
        Self { parent, star: None, literal_children: 0, exact: None, tail: None, token }
    }

    fn is_needless(&self) -> bool {
        self.star.is_none() && self.literal_children == 0 && self.exact.is_none() && self.tail.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{FilterId, SubjectHasher, Trie, Walk};

    #[test]
    fn removal_leaves_the_root_alone() {
        let filters: [&[u8]; 6] = [b"a.*", b"a.>", b"a.*.c.>", b"*.*.*", b">", b"a.b.*"];
        let mut trie = Trie::new(SubjectHasher::with_seed(1));
        for round in 0..3 {
            for (index, filter) in filters.iter().enumerate() {
                trie.insert(filter, FilterId::new(index));
            }
            let mut found = 0;
            trie.walk(b"a.b.c.d", &mut Walk::default(), |_| {
                found += 1;
                true
            });
            assert_eq!(found, 3, "a.>, a.*.c.> and > match");
            for (index, filter) in filters.iter().enumerate() {
                trie.remove(filter, FilterId::new(index));
            }
            assert_eq!(trie.nodes.len() - trie.free.len(), 1, "round {round}");
            assert_eq!(trie.edges.len(), 0, "round {round}");
        }
    }

    // go: server/sublist_test.go TestSublistRemoveCleanupWildcards
    // go: server/sublist_test.go TestSublistRemoveCleanupWildcardsNoCache
    // go: server/gsl/gsl_test.go TestGenericSublistRemoveCleanupWildcards
    #[test]
    fn a_removed_filter_takes_its_levels_along() {
        let filter = b"a.b.*.d.e.>";
        let mut trie = Trie::new(SubjectHasher::with_seed(1));
        trie.insert(filter, FilterId::new(0));
        assert_eq!(trie.nodes.len(), 6, "the root and a level for each token but the last");
        trie.remove(filter, FilterId::new(0));
        assert_eq!((trie.nodes.len() - trie.free.len(), trie.edges.len()), (1, 0));
    }

    #[test]
    fn a_walk_stops_when_told() {
        let mut trie = Trie::new(SubjectHasher::with_seed(1));
        trie.insert(b"a.*", FilterId::new(0));
        trie.insert(b">", FilterId::new(1));
        let mut found = 0;
        trie.walk(b"a.b", &mut Walk::default(), |_| {
            found += 1;
            false
        });
        assert_eq!(found, 1);
    }
}
