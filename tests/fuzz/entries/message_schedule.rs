//! What a message's headers say of schedules and sources: any bytes.

use bytes::Bytes;
use natrium_model::Timestamp;
use natrium_storage::message::Message;
use natrium_storage::schedule::{Allowed, Publication, Zones, admit, deliver};
use natrium_storage::sources::header::Origin;

pub(crate) fn run(input: &[u8]) {
    let now = Timestamp(1_700_000_000_123_456_789);
    let zones = Zones::bundled();
    let _ = Origin::of(input);
    let publication = Publication { subject: b"schedules.a", headers: input, now };
    let allowed = Allowed { schedules: true, ttl: true, subjects: &[b">"] };
    let Ok(admitted) = admit(&publication, &allowed, &zones) else { return };
    let Some(due) = admitted.due else { return };
    let schedule = Message {
        seq: 1,
        subject: Bytes::from_static(b"schedules.a"),
        headers: Bytes::copy_from_slice(&admitted.headers),
        payload: Bytes::from_static(b"x"),
        timestamp: now,
        expires: None,
        due: Some(due.at),
    };
    let delivered = deliver(&schedule, due.at, due.at, None, &zones);
    // A block whose last line has no end takes what is appended for a part of it.
    assert!(
        delivered.is_ok() || !input.ends_with(b"\r\n\r\n"),
        "what was admitted is delivered: {delivered:?}"
    );
}
