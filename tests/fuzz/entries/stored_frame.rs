//! A frame: any bytes, and any body under checksums that are right.

use bytes::Bytes;
use natrium_storage::block::frame::{FRAME_HEAD_LEN, FrameHead, FrameKind};
use natrium_storage::block::header::Compression;
use natrium_storage::coding::{FRAME_PLAIN_MAX, FrameEncoder, FrameFields, decode_frame};

const SALT: u64 = 7;
const OFFSET: u64 = 8192;

pub(crate) fn run(input: &[u8]) {
    if let Some(head) = FrameHead::decode(input, SALT, OFFSET) {
        read(&head, &input[FRAME_HEAD_LEN..]);
    }
    let [choice, low, high, body @ ..] = input else { return };
    let head = FrameHead {
        kind: FrameKind::Entries,
        is_last: true,
        is_compressed: choice & 1 != 0,
        commit: 1,
        index: 0,
        stored_len: body.len() as u32,
        plain_len: u32::from(u16::from_le_bytes([*low, *high])),
        at: 1,
        body_checksum: FrameHead::checksum_of(body, SALT, OFFSET),
    };
    assert_eq!(FrameHead::decode(&head.encode(SALT, OFFSET), SALT, OFFSET), Some(head));
    read(&head, body);
    for compression in [Compression::None, Compression::Snappy] {
        let fields = FrameFields { kind: FrameKind::Entries, is_last: true, commit: 1, index: 0, at: 1 };
        let mut out = Vec::new();
        let head = FrameEncoder::new(compression, None).encode(fields, body, SALT, OFFSET, &mut out);
        assert!(out.len() <= FRAME_HEAD_LEN + body.len(), "stored longer than it was");
        assert_eq!(read(&head, &out[FRAME_HEAD_LEN..]).as_deref(), Some(body));
    }
}

fn read(head: &FrameHead, body: &[u8]) -> Option<Bytes> {
    let plain = decode_frame(head, Bytes::copy_from_slice(body), None, SALT, OFFSET).ok()?;
    assert_eq!(plain.len(), head.plain_len as usize);
    assert!(plain.len() <= FRAME_PLAIN_MAX);
    Some(plain)
}
