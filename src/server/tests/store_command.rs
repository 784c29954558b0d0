//! `natrium store` on folders that the library wrote: plain, encrypted, damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Output};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use natrium_model::Timestamp;
use natrium_storage::block::header::{Coding, Compression, Encryption, StreamId};
use natrium_storage::disk::blocking::BlockingDisk;
use natrium_storage::engine::{Background, Engine, EngineOptions};
use natrium_storage::keys::{KeyRing, ServerKey, StreamIdentity, StreamKey};
use natrium_storage::log::LogOptions;
use natrium_storage::message::NewMessage;
use natrium_storage::meta::{self, Meta, Owner};
use natrium_storage::store::file::StoreOptions;
use natrium_storage::store::{Admission, Store};
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};

const KEY: &str = "s3cr3t";
const MESSAGES: u64 = 300;

/// Folders of an account's streams, as a server keeps them.
struct Data {
    root: PathBuf,
}

impl Data {
    fn new(test: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-command-{test}"));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("log")).unwrap();
        Self { root: root.canonicalize().unwrap() }
    }

    fn folder(&self, stream: &str) -> PathBuf {
        self.root.join("A/streams").join(stream).join("msgs")
    }

    /// Writes a stream and closes it. Its stream key lies beside its messages where it is encrypted.
    fn stream(&self, name: &str, encryption: Encryption) {
        let folder = Path::new("A/streams").join(name);
        let id = StreamId([name.len() as u8; 16]);
        let mut options = StoreOptions::new(folder.join("msgs"), id);
        options.block_len = 20_000;
        options.coding = Coding { compression: Compression::Snappy, encryption };
        let disk = BlockingDisk::new(&self.root);
        run(|spawn| async move {
            let engine_options =
                EngineOptions { cache_bytes: 1 << 20, open_files_max: 8, log: LogOptions::default() };
            let log = Path::new("log");
            let engine = Engine::open(disk.clone(), log, name, engine_options, spawn, [7; 32]).await.unwrap();
            fs::create_dir_all(self.root.join(&folder)).unwrap();
            if encryption != Encryption::None {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
                let key = StreamKey::generate(&mut rng);
                let identity = StreamIdentity { account: "A", stream: name, id };
                let body = ring().wrap(&key, identity, &mut rng);
                let meta = Meta { owner: Owner::Key, stream: id, revision: 1, created: Timestamp(1), body };
                meta::replace(&disk, &folder.join("meta.key"), &meta, None, &mut rng).await.unwrap();
                options.key = Some(Rc::new(key));
            }
            let (store, _) = Store::open(engine.clone(), options).await.unwrap();
            for n in 1..=MESSAGES {
                let payload: Vec<u8> = (0..200u64).map(|at| (n * at * 31) as u8).collect();
                let message = NewMessage {
                    subject: b"orders.new",
                    headers: b"",
                    payload: &payload,
                    timestamp: Timestamp(n as i64),
                    expires: None,
                    due: None,
                };
                let appended = store.append(&message, Admission::Checked).await.unwrap();
                store.committed(appended.commit).await.unwrap();
            }
            store.close().await.unwrap();
            engine.close().await.unwrap();
        });
    }

    /// Damages a message in the middle of the first block.
    fn damage(&self, stream: &str) {
        let mut files: Vec<_> =
            fs::read_dir(self.folder(stream)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut content = fs::read(&files[0]).unwrap();
        content[8192 + 3000] ^= 4;
        fs::write(&files[0], content).unwrap();
    }

    fn run(&self, verb: &str, stream: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_natrium"));
        command
            .args(["store", verb, "--json"])
            .arg(self.folder(stream))
            .arg("--log")
            .arg(self.root.join("log"));
        command.env("STORE_KEY", KEY).args(more).output().unwrap()
    }

    /// The exit code and the report.
    fn check(&self, stream: &str, more: &[&str]) -> (i32, Value) {
        let output = self.run("check", stream, more);
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code().unwrap(), report)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn ring() -> KeyRing {
    KeyRing { current: ServerKey::new(KEY).unwrap(), previous: None }
}

/// Runs `work` and what it starts. The disk never lets anybody wait, so all of it can be asked again and again.
fn run<F: Future<Output = ()>>(work: impl FnOnce(Rc<dyn Fn(Background)>) -> F) {
    let started: Rc<RefCell<Vec<Background>>> = Rc::default();
    let new = Rc::clone(&started);
    let mut work = pin!(work(Rc::new(move |task| new.borrow_mut().push(task))));
    let mut context = Context::from_waker(Waker::noop());
    while work.as_mut().poll(&mut context) == Poll::Pending {
        let mut tasks = std::mem::take(&mut *started.borrow_mut());
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        started.borrow_mut().append(&mut tasks);
    }
}

#[test]
fn a_plain_stream_is_clean_with_and_without_a_key() {
    let data = Data::new("plain");
    data.stream("PLAIN", Encryption::None);
    for key in [&[][..], &["--key-env", "STORE_KEY"]] {
        let (code, report) = data.check("PLAIN", key);
        assert_eq!((code, &report["verdict"]), (0, &json!("clean")), "{report}");
        assert_eq!(
            (&report["messages"], &report["last_seq"]),
            (&json!(MESSAGES), &json!(MESSAGES)),
            "{report}"
        );
    }
}

#[test]
fn an_encrypted_stream_is_looked_into_with_its_key_alone() {
    let data = Data::new("encrypted");
    data.stream("SECRET", Encryption::ChaCha20Poly1305);
    let conditions = |report: &Value| -> Vec<String> {
        let blocks = report["blocks"].as_array().unwrap();
        blocks.iter().map(|block| block["condition"].as_str().unwrap().to_owned()).collect()
    };

    let (code, report) = data.check("SECRET", &[]);
    assert_eq!(
        (code, &report["verdict"], &report["messages"]),
        (2, &json!("unknown"), &json!(0)),
        "{report}"
    );
    assert!(conditions(&report).iter().all(|condition| condition == "no key"), "{report}");

    let (code, report) = data.check("SECRET", &["--key-env", "STORE_KEY"]);
    assert_eq!((code, &report["verdict"]), (0, &json!("clean")), "{report}");
    assert_eq!(report["messages"], json!(MESSAGES), "{report}");

    let wrong = data.root.join("wrong");
    fs::write(&wrong, "another\n").unwrap();
    let (code, report) = data.check("SECRET", &["--key-file", wrong.to_str().unwrap()]);
    assert_eq!(
        (code, &report["verdict"], &report["messages"]),
        (2, &json!("unknown"), &json!(0)),
        "{report}"
    );
    assert!(conditions(&report).iter().all(|condition| condition == "wrong key"), "{report}");

    // The key is bound to the stream: another name for it is another key.
    let (code, report) = data.check("SECRET", &["--key-env", "STORE_KEY", "--stream", "OTHER"]);
    assert_eq!((code, &report["verdict"]), (2, &json!("unknown")), "{report}");

    let right = data.root.join("right");
    fs::write(&right, format!("{KEY}\n")).unwrap();
    let dumped = data.run("dump", "SECRET", &["--key-file", right.to_str().unwrap()]);
    assert_eq!(dumped.status.code(), Some(0), "{dumped:?}");
    assert_eq!(String::from_utf8(dumped.stdout).unwrap().lines().count() as u64, MESSAGES);
}

#[test]
fn a_copy_elsewhere_is_opened_where_it_is_said_whose_it_is() {
    let data = Data::new("copy");
    data.stream("SECRET", Encryption::Aes256Gcm);
    let copy = data.root.join("copy");
    fs::rename(data.folder("SECRET"), &copy).unwrap();
    let key = data.root.join("A/streams/SECRET/meta.key");
    let check = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_natrium"));
        command.args(["store", "check", "--json", "--key-env", "STORE_KEY"]).arg(&copy);
        command.env("STORE_KEY", KEY).args(more).output().unwrap()
    };
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("give --account and --stream"), "{told}");
    let names = ["--account", "A", "--stream", "SECRET", "--stream-key", key.to_str().unwrap()];
    let output = check(&names);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["messages"], json!(MESSAGES));
}

#[test]
fn a_damaged_stream_is_told_of_and_repaired() {
    for (name, encryption) in [("BROKEN", Encryption::None), ("BROKEN_TOO", Encryption::Aes256Gcm)] {
        let data = Data::new(name);
        data.stream(name, encryption);
        data.damage(name);
        let key = ["--key-env", "STORE_KEY"];
        let (code, report) = data.check(name, &key);
        assert_eq!((code, &report["verdict"]), (1, &json!("damaged")), "{report}");
        let lost = |report: &Value| -> u64 {
            let runs = report["lost"].as_array().unwrap();
            runs.iter().map(|run| run[1].as_u64().unwrap() + 1 - run[0].as_u64().unwrap()).sum()
        };
        assert!(lost(&report) > 0, "{report}");
        assert_eq!(report["messages"].as_u64().unwrap() + lost(&report), MESSAGES, "{report}");

        let output = data.run("repair", name, &key);
        let repaired: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(repaired["repaired"]["rewritten"].as_array().unwrap().len(), 1, "{repaired}");
        // What is lost stays known.
        let (code, after) = data.check(name, &key);
        assert_eq!((code, lost(&after)), (1, lost(&report)), "{after}");
        assert_eq!(after["messages"], report["messages"], "{after}");
        let damaged = |block: &Value| !block["damage"].as_array().unwrap().is_empty();
        assert!(!after["blocks"].as_array().unwrap().iter().any(damaged), "{after}");
    }
}
