//! The footer of a sealed block tells what its entries tell, no more and no less.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use natrium_model::Timestamp;
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::actor::{self, Actor};
use super::chance::Chance;
use super::model::{Kind, configured};
use crate::block::entry::{Entries, Entry};
use crate::block::footer::{TRAILER_LEN, Trailer, decode_summary, decode_table};
use crate::block::frame::FrameKind;
use crate::block::header::{Coding, Compression, Encryption, Header, StreamId};
use crate::block::scan::{Ending, Scan, scan};
use crate::block::spans::Spans;
use crate::block::summary::{Opening, Row, Summarizer, Summary};
use crate::coding::{BlockCipher, decode_frame};
use crate::disk::sim::{Faults, SimDisk};
use crate::engine::Engine;
use crate::keys::{BlockIdentity, StreamKey};
use crate::message::Limits;
use crate::seq_set::SeqSet;
use crate::store::Store;
use crate::store::file::{StoreOptions, frame_at};
use crate::test_machine;

/// What footers had, so that the tests can see that they had everything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub footers: u64,
    pub gone: u64,
    pub tombstones: u64,
    pub truncated: u64,
    pub timed: u64,
    pub erased: u64,
    pub cut: u64,
    pub spans: u64,
    pub sources: u64,
}

type Told = (Summary, Vec<Row>);

/// Compares the footers of a store that is closed with its entries.
pub(super) fn check(disk: &SimDisk, options: &StoreOptions, seen: &mut Seen) {
    for path in disk.files() {
        let path = Path::new(&path);
        if path.parent() == Some(&options.folder) && path.extension().is_some_and(|kind| kind == "blk") {
            // Of a file with a page that cannot be read, recovery took what it could.
            let Some(file) = disk.contents(path).map(Bytes::from) else { continue };
            check_block(&file, options, seen).unwrap_or_else(|| panic!("{path:?} cannot be read"));
        }
    }
}

/// `None` where something is not as it was written.
fn check_block(file: &Bytes, options: &StoreOptions, seen: &mut Seen) -> Option<()> {
    // A file is made ahead of its block, and has its head later.
    let Ok(header) = Header::decode(file) else { return Some(()) };
    let salt = header.salt;
    let trailer_at = file.len().checked_sub(TRAILER_LEN)?;
    let Some(trailer) = Trailer::decode(&file[trailer_at..], salt, file.len() as u64) else {
        return Some(());
    };
    let cipher = cipher_of(&header, options);
    let frame = |at, kind| frame_at(file, at as usize, at, kind, salt, cipher.as_ref());
    let (summary, spans) = decode_summary(&frame(trailer.summary_at, FrameKind::Summary)?)?;
    let rows = decode_table(&frame(trailer.table_at, FrameKind::Table)?, summary.subjects.len())?;
    let scan = scan(file, salt, Ending::Followed, |at, head, body| {
        decode_frame(head, body, cipher.as_ref(), salt, at).ok()
    });
    assert!(scan.damage.is_empty(), "{:?}", scan.damage);
    // A footer that was not finished may be between: the next try is behind it.
    assert!(scan.end <= trailer.table_at, "entries to {}, {trailer:?}", scan.end);
    check_spans(&spans, &scan, &rows);
    seen.footers += 1;
    seen.gone += u64::from(!summary.gone.is_empty());
    seen.tombstones += u64::from(!summary.tombstones.is_empty());
    seen.truncated += u64::from(summary.truncated.is_some());
    seen.timed += u64::from(!summary.expiring.is_empty() && !summary.due.is_empty());
    seen.sources += u64::from(!summary.sources.positions.is_empty());
    seen.spans += u64::from(spans.len() > 1);
    let mut summarizer =
        Summarizer::new(Opening { first: header.first, absorbed_below: header.absorbed_below, salt });
    let mut erased = SeqSet::default();
    for frame in &scan.frames {
        for entry in Entries::new(&frame.plain, salt) {
            let (at, len, entry) = entry.ok()?;
            if let Entry::Erased { seq } = entry {
                erased.insert(seq);
            }
            summarizer.entry(frame.head.at + at as u32, len as u32, &entry).expect("entries are in order");
        }
    }
    let mut told = (summary, rows);
    let mut scanned = summarizer.finish();
    erased.subtract(&told.0.gone);
    if !erased.is_empty() {
        // Overwritten since the block was sealed.
        seen.erased += 1;
        told = without(told, &erased, u64::MAX);
        scanned.0.last_timestamp = told.0.last_timestamp;
    }
    if told.0.last < scanned.0.last {
        // A later block says that the rest does not count.
        seen.cut += 1;
        let end = told.0.last;
        scanned = without(scanned, &SeqSet::default(), end);
    }
    assert_eq!(told.0, scanned.0, "the summary beside what its entries tell");
    assert_eq!(told.1, scanned.1, "the table beside what its entries tell");
    Some(())
}

/// Spans hold whole frames, each of them once, and begin with the records they say.
fn check_spans(spans: &Spans, scan: &Scan, rows: &[Row]) {
    let mut frames = scan.frames.iter().peekable();
    for span in spans.iter() {
        let (mut at, mut end) = (span.at, u64::from(span.offset));
        while let Some(frame) = frames.next_if(|frame| frame.head.at < span.at + span.len) {
            assert!(end == frame.offset || at > span.at, "{span:?} does not begin with its frame");
            assert_eq!(frame.head.at, at, "{span:?}");
            at += frame.plain.len() as u32;
            end = frame.offset + frame.head.len_on_disk();
        }
        assert_eq!((at, end), (span.at + span.len, u64::from(span.offset + span.disk_len)), "{span:?}");
        let records = rows.iter().filter(|row| (span.at..at).contains(&row.at));
        let later = rows.iter().filter(|row| row.at >= at);
        assert!(records.clone().all(|row| row.delta >= span.delta), "{span:?} begins behind a record");
        assert!(later.clone().all(|row| row.delta >= span.delta), "{span:?} begins behind one of the next");
    }
    assert!(frames.next().is_none(), "no span has the last frames");
}

fn without((summary, mut rows): Told, gone: &SeqSet, end: u64) -> Told {
    let subjects = summary.subjects.iter().map(|totals| totals.subject.clone()).collect();
    let times = summary.times().into_iter().filter(|times| times.seq <= end).collect();
    let mut left = Summary {
        last: summary.last.min(end),
        messages: 0,
        bytes: 0,
        record_bytes: 0,
        subjects: Vec::new(),
        expiring: Vec::new(),
        due: Vec::new(),
        ..summary
    };
    left.gone.union(gone);
    left.gone.remove_from(left.last + 1);
    rows.retain(|row| left.first + u64::from(row.delta) <= end);
    left.assemble(rows, subjects, times)
}

fn cipher_of(header: &Header, options: &StoreOptions) -> Option<BlockCipher> {
    let encryption = header.coding.encryption;
    if encryption == Encryption::None {
        return None;
    }
    let identity = BlockIdentity {
        stream: header.stream,
        number: header.number,
        generation: header.generation,
        encryption,
    };
    let key = options.key.as_ref()?.unwrap_block_key(&header.wrapped_key, identity)?;
    BlockCipher::new(encryption, &key)
}

/// Two lives of a store without a crash, each with a look at what it left.
async fn history(engine: &Engine<SimDisk>, coding: Coding, seed: u64, seen: &mut Seen) {
    let mut chance = Chance::new(seed);
    let mut options = StoreOptions::new(PathBuf::from("stream"), StreamId([1; 16]));
    options.coding = coding;
    options.key = Some(Rc::new(StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(seed))));
    options.block_len = [4_000, 20_000, 150_000][chance.index(3)];
    options.limits = if chance.one_in(3) { actor::limits(&mut chance) } else { Limits::default() };
    let actor = Rc::new(RefCell::new(Actor::new(Kind::File, options.limits, 1)));
    for life in 0..2 {
        let (store, recovery) = Store::open(engine.clone(), options.clone()).await.unwrap();
        assert!(recovery.lost.is_empty(), "{recovery:?}");
        for step in 0..300 {
            let now = Timestamp(1_000_000 + life * 300 + step);
            actor::step(&store, &actor, &mut chance, now).await;
        }
        store.close().await.unwrap();
        check(engine.disk(), &options, seen);
        let mut actor = actor.borrow_mut();
        options.limits = actor.now().limits;
        options.sources = configured(&actor.now().sources);
        let mut found = actor.now().reopened();
        found.configure(found.sources.clone());
        actor.found(Vec::new(), found);
    }
}

#[test]
fn a_footer_tells_what_a_scan_of_its_block_tells() {
    for encryption in [Encryption::None, Encryption::ChaCha20Poly1305, Encryption::Aes256Gcm] {
        for compression in [Compression::None, Compression::Snappy] {
            let coding = Coding { compression, encryption };
            let mut seen = Seen::default();
            for seed in 1..=HISTORIES {
                let disk = SimDisk::new(seed, Faults::default());
                test_machine::run(&disk, seed, async |engine| {
                    history(&engine, coding, seed, &mut seen).await
                })
                .expect("nobody turns it off");
            }
            let Seen { footers, gone, tombstones, truncated, timed, erased, cut, spans, sources } = seen;
            assert!(footers > 2 * HISTORIES, "{coding:?}: {seen:?}");
            let is_all =
                [gone, tombstones, truncated, timed, cut, spans, sources].iter().all(|&count| count > 0);
            assert!(is_all, "{coding:?} leaves something out: {seen:?}");
            // Others are rewritten, for what is erased in them cannot be overwritten.
            assert_eq!(erased > 0, coding == Coding::default(), "{seen:?}");
        }
    }
}

/// Of each coding.
const HISTORIES: u64 = 40;
