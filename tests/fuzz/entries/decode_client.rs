//! Bytes of a client, as a connection meets them: whole, and cut in two.

use natrium_wire::{
    ConnectOptions, DecodeError, Decoded, Headers, Info, Limits, Op, decode, decode_plain_publish,
};

/// The first two bytes choose the limits and the cut; the rest is what the client sends.
pub(crate) fn run(data: &[u8]) {
    let [choice, cut, input @ ..] = data else {
        return;
    };
    let limits = Limits {
        max_control_line: if choice & 1 == 0 { 4096 } else { usize::from(choice >> 3) },
        max_payload: if choice & 2 == 0 { 1 << 20 } else { usize::from(choice >> 2) },
        headers: choice & 4 == 0,
    };
    let whole = feed(&[input], &limits);
    let (left, right) = input.split_at(usize::from(*cut).min(input.len()));
    assert_eq!(feed(&[left, right], &limits), whole, "the cut at {} shows", left.len());
}

/// What a connection does with its reads: the bytes consumed, the number of operations, and the error that ended them.
fn feed(pieces: &[&[u8]], limits: &Limits) -> (usize, usize, Option<DecodeError>) {
    let (mut kept, mut at, mut count, mut enough) = (Vec::new(), 0, 0, 0);
    for piece in pieces {
        kept.extend_from_slice(piece);
        while kept.len() - at >= enough {
            let rest = &kept[at..];
            let decoded = decode(rest, limits);
            if let Some((message, consumed)) = decode_plain_publish(rest, limits) {
                assert_eq!(decoded, Ok(Decoded::Op { op: Op::Publish(message), consumed }));
            }
            match decoded {
                Ok(Decoded::Op { op, consumed }) => {
                    assert!(0 < consumed && consumed <= rest.len(), "{consumed} of {}", rest.len());
                    understand(&op);
                    at += consumed;
                    count += 1;
                    enough = 0;
                }
                Ok(Decoded::Incomplete { needed }) => {
                    assert!(needed > rest.len(), "{needed} needed, {} there", rest.len());
                    enough = needed;
                }
                Err(error) => {
                    assert!(!error.log_text(rest).is_empty());
                    return (at, count, Some(error));
                }
            }
        }
    }
    (at, count, None)
}

/// Goes on to read what an operation carries.
fn understand(op: &Op<'_>) {
    match op {
        Op::Publish(message) => {
            let headers = Headers::new(message.header());
            if let Some((name, _)) = headers.iter().next() {
                assert!(headers.value(name).is_some());
                let mut block = message.header().to_vec();
                natrium_wire::headers::set(&mut block, name, b"value");
                assert_eq!(Headers::new(&block).value(name), Some(&b"value"[..]));
                natrium_wire::headers::remove(&mut block, name);
                assert_eq!(Headers::new(&block).value(name), None);
            }
        }
        Op::Connect(json) => {
            let _ = ConnectOptions::default().read_over(json);
        }
        Op::Info(json) => {
            if let Ok(info) = Info::read(json) {
                let mut line = Vec::new();
                natrium_wire::json::write(&mut line, &info);
                assert_eq!(Info::read(&line).expect("what we write we read"), info);
            }
        }
        Op::Subscribe { sid, .. } | Op::Unsubscribe { sid, .. } => assert!(!sid.is_empty()),
        Op::Ping | Op::Pong | Op::Ok | Op::Err(_) => {}
    }
}
