//! Folders and the names in them: what lookups see, what is on stable storage, and the changes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::dice::Dice;
use super::inode::OpId;
use crate::disk::path::parts;
use crate::disk::{Cause, Entry, EntryKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FolderId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(FileId),
    Folder(FolderId),
}

const ROOT: FolderId = FolderId(0);

#[derive(Clone)]
pub(super) struct Names {
    folders: BTreeMap<FolderId, Folder>,
    /// Changes that are not durable yet, oldest first.
    pending: Vec<Change>,
    next_id: u64,
}

#[derive(Clone, Default)]
struct Folder {
    now: NameTable,
    durable: NameTable,
}

#[derive(Clone, Default)]
struct NameTable(BTreeMap<String, Node>);

impl NameTable {
    fn get(&self, name: &str) -> Option<Node> {
        self.0.get(name).copied()
    }

    fn set(&mut self, at: &Slot, node: Option<Node>) {
        match node {
            Some(node) => self.0.insert(at.name.clone(), node),
            None => self.0.remove(&at.name),
        };
    }
}

#[derive(Clone)]
struct Change {
    op: OpId,
    kind: ChangeKind,
    /// What a removal or a rename took a name from.
    replaced: Option<Node>,
}

#[derive(Clone)]
enum ChangeKind {
    Put { at: Slot, node: Node },
    Remove { at: Slot },
    Move { from: Slot, to: Slot, node: Node },
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    folder: FolderId,
    name: String,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { folders: BTreeMap::from([(ROOT, Folder::default())]), pending: Vec::new(), next_id: 1 }
    }

    pub(super) fn find(&self, path: &Path) -> Result<Node, Cause> {
        let mut node = Node::Folder(ROOT);
        for name in parts(path)? {
            let folder = as_folder(node)?;
            node = self.folders[&folder].now.get(name).ok_or(Cause::NotFound)?;
        }
        Ok(node)
    }

    pub(super) fn find_file(&self, path: &Path) -> Result<FileId, Cause> {
        match self.find(path)? {
            Node::File(file) => Ok(file),
            Node::Folder(_) => Err(Cause::Io(EISDIR)),
        }
    }

    /// Every file a lookup can reach, by path.
    pub(super) fn files(&self) -> Vec<(String, FileId)> {
        let (mut found, mut todo) = (Vec::new(), vec![(String::new(), ROOT)]);
        while let Some((above, folder)) = todo.pop() {
            for (name, &node) in &self.folders[&folder].now.0 {
                let path = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
                match node {
                    Node::File(file) => found.push((path, file)),
                    Node::Folder(folder) => todo.push((path, folder)),
                }
            }
        }
        found.sort();
        found
    }

    pub(super) fn list(&self, path: &Path) -> Result<Vec<Entry>, Cause> {
        let folder = match self.find(path) {
            Ok(node) => as_folder(node)?,
            Err(Cause::NotFound) => return Ok(Vec::new()),
            Err(cause) => return Err(cause),
        };
        let kind = |node: &Node| match node {
            Node::File(_) => EntryKind::File,
            Node::Folder(_) => EntryKind::Folder,
        };
        let now = &self.folders[&folder].now;
        Ok(now.0.iter().map(|(name, node)| Entry { name: name.clone(), kind: kind(node) }).collect())
    }

    pub(super) fn create_file(&mut self, op: OpId, path: &Path) -> Result<FileId, Cause> {
        let at = self.slot(path)?;
        if self.get(&at).is_some() {
            return Err(Cause::Exists);
        }
        let file = FileId(self.fresh_id());
        self.change(op, ChangeKind::Put { at, node: Node::File(file) }, None);
        Ok(file)
    }

    pub(super) fn create_folder(&mut self, op: OpId, path: &Path) -> Result<(), Cause> {
        if let Ok(Node::File(_)) = self.find(path) {
            return Err(Cause::Exists);
        }
        let mut above = ROOT;
        for name in parts(path)? {
            let at = Slot { folder: above, name: name.to_owned() };
            above = match self.get(&at) {
                Some(node) => as_folder(node)?,
                None => {
                    let folder = FolderId(self.fresh_id());
                    self.folders.insert(folder, Folder::default());
                    self.change(op, ChangeKind::Put { at, node: Node::Folder(folder) }, None);
                    folder
                }
            };
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, op: OpId, from: &Path, to: &Path) -> Result<(), Cause> {
        let node = self.find(from)?;
        let (from_at, to_at) = (self.slot(from)?, self.slot(to)?);
        if from_at == to_at {
            return Ok(());
        }
        if to.starts_with(from) {
            return Err(Cause::Io(EINVAL));
        }
        let replaced = self.get(&to_at);
        match (node, replaced) {
            (_, None) | (Node::File(_), Some(Node::File(_))) => {}
            (Node::File(_), Some(Node::Folder(_))) => return Err(Cause::Io(EISDIR)),
            (Node::Folder(_), Some(Node::File(_))) => return Err(Cause::Io(ENOTDIR)),
            (Node::Folder(_), Some(Node::Folder(other))) => self.check_empty(other)?,
        }
        self.change(op, ChangeKind::Move { from: from_at, to: to_at, node }, replaced);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, op: OpId, path: &Path) -> Result<(), Cause> {
        let file = self.find_file(path)?;
        let at = self.slot(path)?;
        self.change(op, ChangeKind::Remove { at }, Some(Node::File(file)));
        Ok(())
    }

    pub(super) fn remove_folder(&mut self, op: OpId, path: &Path) -> Result<(), Cause> {
        let folder = as_folder(self.find(path)?)?;
        let at = self.slot(path)?;
        self.check_empty(folder)?;
        self.change(op, ChangeKind::Remove { at }, Some(Node::Folder(folder)));
        Ok(())
    }

    /// Makes durable the changes in a folder that operations made for which `promised` holds. A rename that leaves it for
    /// another folder is all or nothing, and the promise is with the folder it goes to.
    pub(super) fn sync(
        &mut self,
        path: &Path,
        promised: impl Fn(OpId) -> bool,
        dice: &mut Dice,
    ) -> Result<(), Cause> {
        let folder = as_folder(self.find(path)?)?;
        let selected = self.pending.iter().map(|change| {
            promised(change.op)
                && (change.goes_to() == folder || change.leaves() == Some(folder) && dice.coin())
        });
        self.make_durable(selected.collect());
        Ok(())
    }

    /// A sync of a folder that failed: some of its changes are durable, the others wait on. Unlike pages, names are in the
    /// file system's journal: one that cannot be written any more ends the file system, and no later sync succeeds.
    pub(super) fn fail_sync(&mut self, path: &Path, dice: &mut Dice) -> Result<(), Cause> {
        let folder = as_folder(self.find(path)?)?;
        let kept = dice.index(self.pending.len() + 1);
        let selected =
            self.pending.iter().enumerate().map(|(at, change)| at < kept && change.goes_to() == folder);
        self.make_durable(selected.collect());
        Ok(())
    }

    /// What power loss leaves: of each folder's changes the first few, or with `in_any_order` any of them; never a
    /// change without those it was made on top of.
    pub(super) fn after_crash(&self, dice: &mut Dice, in_any_order: bool) -> Self {
        let mut left = self.clone();
        let lost_per_mille = [0, 100, 500, 1000][dice.index(4)];
        let mut ended = BTreeSet::new();
        let selected = self.pending.iter().map(|change| {
            let is_lost = dice.chance(lost_per_mille);
            if is_lost && !in_any_order {
                ended.insert(change.goes_to());
            }
            !is_lost && !ended.contains(&change.goes_to())
        });
        left.make_durable(selected.collect());
        left.pending.clear();
        for folder in left.folders.values_mut() {
            folder.now = folder.durable.clone();
        }
        left
    }

    pub(super) fn settle(&mut self) {
        self.make_durable(vec![true; self.pending.len()]);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Files that have a name, or may have one again after a crash.
    pub(super) fn reachable(&self) -> BTreeSet<FileId> {
        let named =
            self.folders.values().flat_map(|folder| folder.now.0.values().chain(folder.durable.0.values()));
        let pending = self.pending.iter().filter_map(|change| match &change.kind {
            ChangeKind::Put { node, .. } | ChangeKind::Move { node, .. } => Some(node),
            ChangeKind::Remove { .. } => None,
        });
        named
            .chain(pending)
            .filter_map(|node| match node {
                Node::File(file) => Some(*file),
                Node::Folder(_) => None,
            })
            .collect()
    }

    /// Takes a file's name away for good.
    pub(super) fn force_remove(&mut self, path: &Path) -> Result<(), Cause> {
        self.find_file(path)?;
        self.settle();
        self.remove_file(0, path)?;
        self.settle();
        Ok(())
    }

    /// A file's name that is durable at once, for a file that is there already or a new one.
    pub(super) fn force_create(&mut self, path: &Path) -> Result<FileId, Cause> {
        self.settle();
        let file = match self.find_file(path) {
            Ok(file) => file,
            Err(Cause::NotFound) => {
                if let Some(above) = path.parent() {
                    self.create_folder(0, above)?;
                }
                self.create_file(0, path)?
            }
            Err(cause) => return Err(cause),
        };
        self.settle();
        Ok(file)
    }

    /// Applies the selected changes to what is durable, and with them those they were made on top of.
    fn make_durable(&mut self, mut selected: Vec<bool>) {
        let (mut slots, mut folders) = (BTreeSet::new(), BTreeSet::new());
        for (change, selected) in self.pending.iter().zip(&mut selected).rev() {
            let in_the_way =
                change.slots().any(|slot| slots.contains(slot) || folders.contains(&slot.folder));
            *selected |= in_the_way;
            if *selected {
                slots.extend(change.slots().cloned());
                // A folder disappears only after all that was taken out of it.
                if let Some(Node::Folder(folder)) = change.replaced {
                    folders.insert(folder);
                }
            }
        }
        let mut selected = selected.into_iter();
        let folders = &mut self.folders;
        self.pending.retain(|change| {
            let is_selected = selected.next().expect("one for each change");
            if is_selected {
                change.apply(|at, node| {
                    folders.get_mut(&at.folder).expect("folders are kept").durable.set(at, node)
                });
            }
            !is_selected
        });
    }

    fn change(&mut self, op: OpId, kind: ChangeKind, replaced: Option<Node>) {
        let change = Change { op, kind, replaced };
        change
            .apply(|at, node| self.folders.get_mut(&at.folder).expect("folders are kept").now.set(at, node));
        self.pending.push(change);
    }

    /// The place of a name in a folder that is there.
    fn slot(&self, path: &Path) -> Result<Slot, Cause> {
        let mut names = parts(path)?;
        let name = names.pop().ok_or(Cause::Io(EBUSY))?.to_owned();
        let mut folder = ROOT;
        for name in names {
            folder = as_folder(self.folders[&folder].now.get(name).ok_or(Cause::NotFound)?)?;
        }
        Ok(Slot { folder, name })
    }

    fn get(&self, at: &Slot) -> Option<Node> {
        self.folders[&at.folder].now.get(&at.name)
    }

    fn check_empty(&self, folder: FolderId) -> Result<(), Cause> {
        if self.folders[&folder].now.0.is_empty() { Ok(()) } else { Err(Cause::NotEmpty) }
    }

    fn fresh_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

impl Change {
    fn apply(&self, mut set: impl FnMut(&Slot, Option<Node>)) {
        match &self.kind {
            ChangeKind::Put { at, node } => set(at, Some(*node)),
            ChangeKind::Remove { at } => set(at, None),
            ChangeKind::Move { from, to, node } => {
                set(from, None);
                set(to, Some(*node));
            }
        }
    }

    /// The folder whose sync promises this change.
    fn goes_to(&self) -> FolderId {
        match &self.kind {
            ChangeKind::Put { at, .. } | ChangeKind::Remove { at } => at.folder,
            ChangeKind::Move { to, .. } => to.folder,
        }
    }

    fn leaves(&self) -> Option<FolderId> {
        match &self.kind {
            ChangeKind::Put { .. } | ChangeKind::Remove { .. } => None,
            ChangeKind::Move { from, .. } => Some(from.folder),
        }
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        let (first, second) = match &self.kind {
            ChangeKind::Put { at, .. } | ChangeKind::Remove { at } => (at, None),
            ChangeKind::Move { from, to, .. } => (from, Some(to)),
        };
        [Some(first), second].into_iter().flatten()
    }
}

fn as_folder(node: Node) -> Result<FolderId, Cause> {
    match node {
        Node::Folder(folder) => Ok(folder),
        Node::File(_) => Err(Cause::Io(ENOTDIR)),
    }
}

const EBUSY: i32 = 16;
const ENOTDIR: i32 = 20;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;
