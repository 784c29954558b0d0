//! A store that was closed is clean to who looks at it offline, and holds what it held.

use std::path::PathBuf;
use std::rc::Rc;

use crate::disk::sim::SimDisk;
use crate::inspect::{self, InspectKey, InspectOptions, Verdict};
use crate::message::State;
use crate::store::file::StoreOptions;

/// `left` is the store's state when it was closed.
pub(super) fn check(disk: &SimDisk, options: &StoreOptions, left: &State) {
    let key = options.key.as_ref().map_or(InspectKey::None, |key| InspectKey::Stream(Rc::clone(key)));
    let mut options = InspectOptions { folder: options.folder.clone(), log: None, key };
    // All of it is in the blocks: the log has nothing to add.
    for log in [None, Some(PathBuf::from("log"))] {
        options.log = log;
        let report = futures_lite::future::block_on(inspect::check(disk, &options)).unwrap();
        assert_eq!(report.verdict, Verdict::Clean, "{report}");
        let told = (report.messages, report.bytes, report.first_seq, report.last_seq);
        assert_eq!(told, (left.messages, left.bytes, left.first_seq, left.last_seq), "{report}");
    }
}
