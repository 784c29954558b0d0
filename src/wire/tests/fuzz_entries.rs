//! Runs the entries of the fuzz targets for a moment: over their corpus, its damaged copies, and random bytes.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../../tests/fuzz/entries/decode_client.rs"]
mod decode_client;
#[path = "../../../tests/fuzz/entries/proxy_protocol.rs"]
mod proxy_protocol;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let entries = folder.read_dir().expect("the corpus lies beside its target");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus in {folder:?}");
    paths.into_iter().map(|path| std::fs::read(path).expect("a readable file")).collect()
}

/// A file of the corpus with some of its bytes replaced and its end cut off.
fn damaged(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (select(corpus), vec((any::<Index>(), any::<u8>()), 0..4), any::<Index>()).prop_map(
        |(mut data, changes, end)| {
            for (at, byte) in changes {
                let at = at.index(data.len());
                data[at] = byte;
            }
            data.truncate(end.index(data.len() * 2 + 1));
            data
        },
    )
}

#[test]
fn the_corpora_pass() {
    corpus("decode_client").iter().for_each(|data| decode_client::run(data));
    corpus("proxy_protocol").iter().for_each(|data| proxy_protocol::run(data));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn clients_with_damaged_bytes_pass(data in damaged(corpus("decode_client"))) {
        decode_client::run(&data);
    }

    #[test]
    fn random_clients_pass(data in vec(any::<u8>(), 0..128)) {
        decode_client::run(&data);
    }

    #[test]
    fn damaged_proxy_headers_pass(data in damaged(corpus("proxy_protocol"))) {
        proxy_protocol::run(&data);
    }

    #[test]
    fn random_proxy_headers_pass(data in vec(any::<u8>(), 0..128)) {
        proxy_protocol::run(&data);
    }
}
