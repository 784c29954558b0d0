//! Names of queue groups as small numbers, so that groups of one name on different filters compare in one step.

use hashbrown::{DefaultHashBuilder, HashMap};
use slab::Slab;

/// A queue group's name on this shard. Not the same number on another shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueName(u32);

/// The names in use, counted by their users.
#[derive(Debug, Default)]
pub(crate) struct QueueNames {
    names: Slab<(Box<[u8]>, usize)>,
    index: HashMap<Box<[u8]>, QueueName, DefaultHashBuilder>,
}

impl QueueNames {
    /// The number of `text`, with one more user.
    pub(crate) fn acquire(&mut self, text: &[u8]) -> QueueName {
        if let Some(&name) = self.index.get(text) {
            self.names[name.key()].1 += 1;
            return name;
        }
        let key = self.names.insert((text.into(), 1));
        let name =
            QueueName(u32::try_from(key).expect("fewer names than subscriptions, which are counted in u32"));
        self.index.insert(text.into(), name);
        name
    }

    /// One user less; the last one takes the name with it.
    pub(crate) fn release(&mut self, name: QueueName) {
        let users = &mut self.names[name.key()].1;
        *users -= 1;
        if *users == 0 {
            let (text, _) = self.names.remove(name.key());
            self.index.remove(&text);
        }
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<QueueName> {
        self.index.get(text).copied()
    }

    pub(crate) fn text(&self, name: QueueName) -> &[u8] {
        &self.names[name.key()].0
    }
}

impl QueueName {
    fn key(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lives_as_long_as_its_users() {
        let mut names = QueueNames::default();
        let workers = names.acquire(b"workers");
        assert_eq!(names.acquire(b"workers"), workers);
        assert_ne!(names.acquire(b"others"), workers);
        names.release(workers);
        assert_eq!(names.find(b"workers"), Some(workers));
        assert_eq!(names.text(workers), b"workers");
        names.release(workers);
        assert_eq!(names.find(b"workers"), None);
    }
}
