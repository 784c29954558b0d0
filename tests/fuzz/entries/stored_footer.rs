//! The parts of a block's footer, a set of sequences and a block's head: any bytes, as they are and as the body of another.

use natrium_storage::block::footer::{decode_summary, decode_table, encode_summary};
use natrium_storage::block::header::Header;
use natrium_storage::block::sources::ToldSources;
use natrium_storage::seq_set::SeqSet;

pub(crate) fn run(input: &[u8]) {
    if let Some((summary, spans)) = decode_summary(input) {
        let mut again = Vec::new();
        encode_summary(&summary, &spans, &mut again);
        let read = decode_summary(&again);
        assert!(
            read.is_some_and(|(read, _)| read == summary),
            "what is read is written so that it is read again"
        );
    }
    if let Some((told, _)) = ToldSources::decode(input) {
        let mut again = Vec::new();
        told.encode(&mut again);
        assert_eq!(ToldSources::decode(&again), Some((told, &[][..])));
    }
    if let Ok(set) = SeqSet::decode(input) {
        let mut again = Vec::new();
        set.encode(&mut again);
        assert!(SeqSet::decode(&again).is_ok_and(|read| read == set));
    }
    let subjects = input.first().map_or(0, |&byte| usize::from(byte));
    let _ = decode_table(input.get(1..).unwrap_or_default(), subjects);
    let _ = Header::decode(input);
}
