//! A writer on the real disk that is killed at any moment: whatever it said was durable is there when its store is opened
//! again. `NATRIUM_KILLS` says how often.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use natrium_model::Timestamp;
use natrium_shards::{on_shard, spawn};
use natrium_storage::block::header::StreamId;
use natrium_storage::disk::uring::UringDisk;
use natrium_storage::engine::{Background, Engine, EngineOptions};
use natrium_storage::log::{CommitLog, LogOptions};
use natrium_storage::message::{Limits, NewMessage};
use natrium_storage::store::file::StoreOptions;
use natrium_storage::store::{Admission, Store};

/// The writer, when the test below starts it: says each sequence that is durable, and never ends of itself.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    run(PathBuf::from(folder), |store| async move {
        for round in 0u64.. {
            let mut last = None;
            for _ in 0..=round % 7 {
                let payload = payload(store.last_seq() + 1);
                let message = NewMessage {
                    subject: b"a.b",
                    headers: b"",
                    payload: &payload,
                    timestamp: Timestamp(store.last_seq() as i64),
                    expires: None,
                    due: None,
                };
                last = Some(store.append(&message, Admission::Checked).await.unwrap());
            }
            let last = last.expect("one was appended at least");
            store.committed(last.commit).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "\n{DURABLE}{}", last.seq).unwrap();
            out.flush().unwrap();
        }
    });
}

#[test]
fn what_a_killed_writer_said_was_durable_is_there() {
    let program = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
    let kills = std::env::var("NATRIUM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut chance = u64::from(std::process::id());
    let mut durable = 0;
    for kill in 0..kills {
        // Any moment: after so many answers, and some turns more.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let answers = (chance >> 33) % 150;
        let mut child = Command::new(&program)
            .args(["writer", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        let mut listen = |durable: &mut u64| {
            let Some(line) = lines.next() else { return false };
            if let Some(seq) = line.unwrap().strip_prefix(DURABLE) {
                *durable = seq.parse().unwrap();
                told += 1;
            }
            told <= answers
        };
        while listen(&mut durable) {}
        for _ in 0..(chance >> 20) % 200_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said before the end counts too.
        for line in lines {
            if let Some(seq) = line.unwrap().strip_prefix(DURABLE) {
                // The last line may have been cut off, and then says less than was meant.
                durable = durable.max(seq.parse().unwrap_or(0));
            }
        }
        run(folder.path().to_owned(), move |store| async move {
            let state = store.state().await.unwrap();
            assert!(store.lost().is_empty(), "kill {kill}: {:?} lost", store.lost());
            assert!(
                state.last_seq >= durable,
                "kill {kill}: {durable} was durable, {} is the last",
                state.last_seq
            );
            assert_eq!(state.messages, state.last_seq + 1 - state.first_seq, "kill {kill}");
            assert!(state.messages <= MESSAGES_MAX, "kill {kill}: {} messages", state.messages);
            for seq in state.first_seq..=state.last_seq {
                let message = store.get(seq).await.unwrap().expect("between the first and the last");
                assert_eq!(message.payload[..], payload(seq), "kill {kill}, message {seq}");
            }
        });
    }
    assert!(durable > 0, "the writer wrote");
}

/// Opens the store in a folder and does `work` with it; the store is left as it is.
fn run<F: Future<Output = ()> + 'static>(
    folder: PathBuf,
    work: impl FnOnce(Store<UringDisk>) -> F + Send + 'static,
) {
    let life = move || async move {
        let disk = UringDisk::open(&folder, 64).await.expect(WORKS);
        CommitLog::recover_all(&disk, Path::new("log")).await.expect(WORKS);
        let log = LogOptions { segment_len: 256 << 10, fold_at: 32 << 10, ..LogOptions::default() };
        let options = EngineOptions { log, ..EngineOptions::default() };
        let beside = Rc::new(|task: Background| spawn(task));
        let engine = Engine::open(disk, Path::new("log"), "0", options, beside, seed()).await.expect(WORKS);
        let mut options = StoreOptions::new(PathBuf::from("stream"), StreamId([3; 16]));
        options.block_len = 100_000;
        options.limits = Limits { max_messages: Some(MESSAGES_MAX), ..Limits::default() };
        let (store, _) = Store::open(engine.clone(), options).await.expect(WORKS);
        work(store).await;
    };
    on_shard(life).expect(WORKS);
}

/// Another one in each life: names of files come from it.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    seed
}

/// Of any length up to 3 KiB, and different for each sequence.
fn payload(seq: u64) -> Vec<u8> {
    let len = (seq.wrapping_mul(2_654_435_761) >> 7) % 3000;
    (0..len).map(|at| (seq.wrapping_mul(31) + at) as u8).collect()
}

const FOLDER: &str = "NATRIUM_KILL_FOLDER";
const DURABLE: &str = "durable ";
const MESSAGES_MAX: u64 = 2000;
/// Of each run of the tests.
const KILLS: u64 = 10;
const WORKS: &str = "the disk of the test works";
