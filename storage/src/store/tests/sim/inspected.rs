//! What is told of a store by who looks at it offline is what opening it finds.

use std::path::PathBuf;
use std::rc::Rc;

use crate::disk::sim::SimDisk;
use crate::inspect::{self, InspectError, InspectKey, InspectOptions, Report, Verdict};
use crate::message::State;
use crate::store::file::{Recovery, StoreOptions};
use crate::store::{Store, StoreError};

/// `None` where the store has no block yet.
pub(super) fn look(disk: &SimDisk, options: &StoreOptions, log: Option<&str>) -> Option<Report> {
    let key = options.key.as_ref().map_or(InspectKey::None, |key| InspectKey::Stream(Rc::clone(key)));
    let options = InspectOptions { folder: options.folder.clone(), log: log.map(PathBuf::from), key };
    match futures_lite::future::block_on(inspect::check(disk, &options)) {
        Err(InspectError::NoStore { .. }) => None,
        told => Some(told.unwrap()),
    }
}

/// One that was closed is clean, and holds what it held: `left`.
pub(super) fn check_closed(disk: &SimDisk, options: &StoreOptions, left: &State) {
    // All of it is in the blocks: the log has nothing to add.
    for log in [None, Some("log")] {
        let report = look(disk, options, log).expect("what it holds is in a block");
        assert_eq!(report.verdict, Verdict::Clean, "{report}");
        let told = (report.messages, report.bytes, report.first_seq, report.last_seq);
        assert_eq!(told, (left.messages, left.bytes, left.first_seq, left.last_seq), "{report}");
    }
}

/// One that rotted has the messages that were told. What opening it finds as lost was told as lost; the look, which reads
/// all, may know of more.
pub(super) async fn check_opened(report: &Report, store: &Store<SimDisk>, recovery: &Recovery) {
    let mut told = report.lost.iter();
    let is_told = |(first, last): (u64, u64)| told.any(|&(from, to)| from <= first && last <= to);
    assert!(recovery.lost.runs().all(is_told), "{:?} is lost\n{report}", recovery.lost);
    assert!(recovery.lost.is_empty() || report.verdict == Verdict::Damaged, "{report}");
    let mut readable = 0;
    for seq in 1..=store.last_seq() {
        match store.get(seq).await {
            Ok(message) => readable += u64::from(message.is_some()),
            Err(StoreError::Damaged { .. }) => assert_eq!(report.verdict, Verdict::Damaged, "{report}"),
            Err(error) => panic!("{seq}: {error}"),
        }
    }
    assert_eq!(report.messages, readable, "{report}");
}
