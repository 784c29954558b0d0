//! How far a stream has come in its sources.

use super::case::{Case, Change, everywhere, on_disk, plain};
use crate::message::NewMessage;
use crate::sources::{Source, SourcePosition, SourcePositions};

fn source(stream: &str, filter: &str) -> Source {
    Source {
        index_name: format!("{stream} {filter} >").into_bytes().into(),
        stream: stream.as_bytes().into(),
    }
}

/// Puts a message with the header `Nats-Stream-Source: value`.
async fn put(case: &Case, value: &str) -> u64 {
    let headers = format!("NATS/1.0\r\nNats-Stream-Source: {value}\r\n\r\n");
    let message = NewMessage { headers: headers.as_bytes(), ..case.message("foo.bar", b"") };
    case.put_with(&message).await
}

/// Sequence and identity, by index name.
fn known(case: &Case) -> Vec<(String, u64, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let known = case.store().sources().into_iter();
    known.map(|(name, position)| (text(&name), position.seq, text(&position.identity))).collect()
}

fn check(case: &Case, expected: &[(&str, u64, &str)]) {
    let known = known(case);
    let known: Vec<_> = known.iter().map(|(name, seq, id)| (&name[..], *seq, &id[..])).collect();
    assert_eq!(known, expected, "{:?}", case.kind);
}

fn positions(all: &[(&str, u64, &str)]) -> SourcePositions {
    let position = |&(name, seq, id): &(&str, u64, &str)| {
        (name.as_bytes().into(), SourcePosition { seq, identity: id.as_bytes().into() })
    };
    all.iter().map(position).collect()
}

/// A restart, and a crash.
async fn survives(case: &Case, expected: &[(&str, u64, &str)]) {
    check(case, expected);
    case.restart().await;
    check(case, expected);
    case.crash().await;
    check(case, expected);
}

const FROM_ORIGIN: Change = |options| options.sources = vec![source("ORIGIN", ">")];
const IN_SMALL_BLOCKS: Change = |options| {
    options.sources = vec![source("ORIGIN", ">")];
    options.block_len = 256;
};
const FROM_ORIGIN_1: Change = |options| options.sources = vec![source("ORIGIN1", ">")];

// go: server/store_test.go TestStoreSourcesOnlyTracksConfiguredSources
#[test]
fn only_sources_that_are_configured_are_tracked() {
    everywhere(FROM_ORIGIN_1, async |case| {
        put(case, "ORIGIN1 5 > > foo.a IDENT1").await;
        put(case, "ORIGIN2 7 > > foo.b IDENT2").await;
        put(case, "ORIGIN3 9").await;
        case.put("foo", "no headers").await;
        survives(case, &[("ORIGIN1 > >", 5, "IDENT1")]).await;
        assert_eq!(case.store().with(|ledger| ledger.sources.tracked()), 1);
        // A later message counts, also where its sequence is lower: the source was made anew.
        put(case, "ORIGIN1 2 > > foo.a IDENT3").await;
        survives(case, &[("ORIGIN1 > >", 2, "IDENT3")]).await;
    });
}

// go: server/filestore_test.go TestFileStoreSourcesRecovery
#[test]
fn sequence_and_identity_outlive_a_restart() {
    everywhere(IN_SMALL_BLOCKS, async |case| {
        for seq in 1..=10 {
            put(case, &format!("ORIGIN {seq} > > foo.bar IDENTITY1")).await;
        }
        assert!(case.blocks() >= 2);
        survives(case, &[("ORIGIN > >", 10, "IDENTITY1")]).await;
    });
}

#[test]
fn messages_that_are_gone_are_still_told_of() {
    everywhere(IN_SMALL_BLOCKS, async |case| {
        for seq in 1..=10 {
            put(case, &format!("ORIGIN {seq} > > foo.bar ID")).await;
        }
        let expected = [("ORIGIN > >", 10, "ID")];
        assert!(case.erase(10).await);
        survives(case, &expected).await;
        case.remove_all(5..=9).await;
        survives(case, &expected).await;
        case.settle().await;
        assert_eq!(case.purge_all().await, 4);
        case.settle().await;
        survives(case, &expected).await;
        assert_eq!(case.compact(1000).await, 0);
        survives(case, &expected).await;
    });
}

// As in the reference, where no truncation changes what is known.
#[test]
fn a_truncation_takes_nothing_back() {
    everywhere(IN_SMALL_BLOCKS, async |case| {
        for seq in 1..=10 {
            put(case, &format!("ORIGIN {seq} > > foo.bar")).await;
        }
        case.truncate(3).await;
        survives(case, &[("ORIGIN > >", 10, "")]).await;
        put(case, "ORIGIN 4 > > foo.bar").await;
        survives(case, &[("ORIGIN > >", 4, "")]).await;
        case.truncate(0).await;
        survives(case, &[("ORIGIN > >", 4, "")]).await;
    });
}

// go: server/filestore_test.go TestFileStoreSourcesStaleConfig
#[test]
fn a_source_that_is_configured_no_more_is_forgotten() {
    on_disk(
        |options| options.sources = vec![source("ORIGIN1", ">"), source("ORIGIN2", ">")],
        async |case| {
            // Where nothing is known, nothing is told.
            check(case, &[]);
            case.put("foo", "").await;
            case.new_block().await;
            case.flush().await;
            assert!(!case.store().with(|ledger| ledger.sources.are_told_of()));
            put(case, "ORIGIN1 1 > > foo.a").await;
            put(case, "ORIGIN2 1 > > foo.b").await;
            survives(case, &[("ORIGIN1 > >", 1, ""), ("ORIGIN2 > >", 1, "")]).await;
            let both = case.options.borrow().sources.clone();
            case.stop().await;
            case.options.borrow_mut().sources.truncate(1);
            case.start().await;
            survives(case, &[("ORIGIN1 > >", 1, "")]).await;
            // Nothing of it lingers in the blocks.
            case.options.borrow_mut().sources = both.clone();
            survives(case, &[("ORIGIN1 > >", 1, "")]).await;
            case.store().set_sources(&[]).await.unwrap();
            check(case, &[]);
            case.new_block().await;
            survives(case, &[]).await;
            case.store().set_sources(&both).await.unwrap();
            put(case, "ORIGIN2 9 > > foo.b").await;
            survives(case, &[("ORIGIN2 > >", 9, "")]).await;
        },
    );
}

#[test]
fn sources_change_while_a_store_is_open() {
    everywhere(FROM_ORIGIN_1, async |case| {
        put(case, "ORIGIN1 5 > > a").await;
        put(case, "ORIGIN2 5 a.* > a").await;
        let sources = [source("ORIGIN1", ">"), source("ORIGIN2", "a.*")];
        case.store().set_sources(&sources).await.unwrap();
        case.options.borrow_mut().sources = sources.to_vec();
        check(case, &[("ORIGIN1 > >", 5, "")]);
        put(case, "ORIGIN2 6 a.* > a").await;
        survives(case, &[("ORIGIN1 > >", 5, ""), ("ORIGIN2 a.* >", 6, "")]).await;
        case.store().set_sources(&sources[1..]).await.unwrap();
        case.options.borrow_mut().sources = sources[1..].to_vec();
        put(case, "ORIGIN1 6 > > a").await;
        survives(case, &[("ORIGIN2 a.* >", 6, "")]).await;
    });
}

// go: server/filestore_test.go TestFileStoreSourcesRecoveredFromOutdatedState
#[test]
fn what_came_after_a_block_was_sealed_is_told_by_the_entries_behind() {
    let change: Change = |options| {
        options.sources = (1..=3).map(|n| source(&format!("ORIGIN{n}"), &format!("s{n}.>"))).collect();
        options.block_len = 256;
    };
    for expires in [false, true] {
        on_disk(change, async |case| {
            let store_round = async |seq: u64| {
                for n in 1..=3 {
                    let headers =
                        format!("NATS/1.0\r\nNats-Stream-Source: ORIGIN{n} {seq} s{n}.> > s{n}.x\r\n\r\n");
                    let subject = format!("s{n}.x");
                    let message = case.message(&subject, b"");
                    let expires = expires.then(|| natrium_model::Timestamp(case.now().0 + 3_600_000_000_000));
                    case.put_with(&NewMessage { headers: headers.as_bytes(), expires, ..message }).await;
                }
            };
            for seq in 1..=15 {
                store_round(seq).await;
            }
            // Footers tell of the first fifteen.
            case.settle().await;
            for seq in 16..=30 {
                store_round(seq).await;
            }
            assert!(case.blocks() >= 2);
            let last = |n| format!("ORIGIN{n} s{n}.> >");
            let names = [last(1), last(2), last(3)];
            survives(case, &names.each_ref().map(|name| (&name[..], 30, ""))).await;
        });
    }
}

// go: server/filestore_test.go TestFileStoreSourcesRecoveredOneMessageAfterFlush
#[test]
fn one_message_behind_what_a_block_begins_with_counts() {
    on_disk(FROM_ORIGIN, async |case| {
        for seq in 1..=5 {
            put(case, &format!("ORIGIN {seq} > > foo.bar")).await;
        }
        case.new_block().await;
        case.settle().await;
        put(case, "ORIGIN 6 > > foo.bar").await;
        case.crash().await;
        check(case, &[("ORIGIN > >", 6, "")]);
    });
}

// go: server/filestore_test.go TestFileStoreSourcesRecoveredFromPre210Header
#[test]
fn a_header_of_before_2_10_names_the_stream() {
    everywhere(FROM_ORIGIN, async |case| {
        put(case, "ORIGIN 1 > > foo.bar ID").await;
        put(case, "ORIGIN 9").await;
        // Which life of the stream it was, it does not say.
        survives(case, &[("ORIGIN > >", 9, "")]).await;
        put(case, "$JS.ACK.ORIGIN.C.1.22.3.4.5").await;
        survives(case, &[("ORIGIN > >", 22, "")]).await;
        put(case, "ORIGIN x > >").await;
        put(case, "ORIGIN 23 >").await;
        survives(case, &[("ORIGIN > >", 22, "")]).await;
    });
}

#[test]
fn what_another_replica_knows_replaces_what_is_known() {
    everywhere(FROM_ORIGIN_1, async |case| {
        let apply = async |all: &[(&str, u64, &str)]| {
            case.store().apply_sources(&positions(all)).await.unwrap();
            check(case, all);
        };
        apply(&[("ORIGIN1 > >", 5, "IDENT1")]).await;
        // Back as well.
        apply(&[("ORIGIN1 > >", 2, "OLD")]).await;
        survives(case, &[("ORIGIN1 > >", 2, "OLD")]).await;
        case.store().apply_sources(&SourcePositions::new()).await.unwrap();
        check(case, &[("ORIGIN1 > >", 2, "OLD")]);
        apply(&[("OTHER > >", 9, "")]).await;
        put(case, "OTHER 10 > > a").await;
        put(case, "ORIGIN1 3 > > a").await;
        check(case, &[("ORIGIN1 > >", 3, ""), ("OTHER > >", 10, "")]);
        // Where nothing is sourced, nothing is tracked.
        case.store().set_sources(&[]).await.unwrap();
        case.store().apply_sources(&positions(&[("ORIGIN1 > >", 5, "")])).await.unwrap();
        check(case, &[]);
    });
}

/// Of blocks that are sealed no message is read.
#[test]
fn recovery_reads_the_last_block_alone() {
    plain(IN_SMALL_BLOCKS, async |case| {
        for seq in 1..=200 {
            put(case, &format!("ORIGIN {seq} > > foo.bar")).await;
        }
        case.settle().await;
        case.restart().await;
        assert!(case.recovery().blocks >= 20 && case.recovery().scanned <= 1, "{:?}", case.recovery());
        check(case, &[("ORIGIN > >", 200, "")]);
    });
}

/// A block that was rewritten tells what it told, where it has to.
#[test]
fn a_rewritten_block_tells_what_it_told() {
    on_disk(FROM_ORIGIN, async |case| {
        case.fill(100, "foo", "x".repeat(1000)).await;
        put(case, "ORIGIN 7 > > foo.bar ID").await;
        case.new_block().await;
        case.settle().await;
        case.remove_all((11..=101).filter(|seq| *seq != 50)).await;
        case.settle().await;
        assert!(case.store().with(|ledger| ledger.blocks[0].generation) > 0, "it was not rewritten");
        case.stop().await;
        // Nobody else tells it.
        let last = case.files().pop().unwrap();
        case.disk().zero(&last, 8192, case.disk().contents(&last).unwrap().len() as u64 - 8192);
        case.start().await;
        check(case, &[("ORIGIN > >", 7, "ID")]);
    });
}
