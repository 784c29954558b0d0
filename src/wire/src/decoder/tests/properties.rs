use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::model;
use super::*;

/// What a connection does: keeps what is not whole, and calls again when enough has come.
fn decode_pieces(pieces: &[&[u8]], limits: &Limits) -> (Vec<String>, Option<DecodeError>) {
    let (mut ops, mut kept, mut enough) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut at = 0;
        while kept.len() - at >= enough {
            let decoded = decode(&kept[at..], limits);
            if let Some((message, consumed)) = decode_plain_publish(&kept[at..], limits) {
                assert_eq!(decoded, Ok(Decoded::Op { op: Op::Publish(message), consumed }));
            }
            match decoded {
                Ok(Decoded::Op { op, consumed }) => {
                    ops.push(model::shown(&op));
                    at += consumed;
                    assert!(consumed > 0 && at <= kept.len());
                    enough = 0;
                }
                Ok(Decoded::Incomplete { needed }) => {
                    assert!(needed > kept.len() - at);
                    enough = needed;
                }
                Err(error) => return (ops, Some(error)),
            }
        }
        kept.drain(..at);
    }
    (ops, None)
}

fn pieces<'a>(input: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

/// Operations as clients write them, and not quite so.
fn operation() -> impl Strategy<Value = Vec<u8>> {
    let blank = select(vec![" ", " ", " ", "\t", "  ", "\r", ""]);
    let word = "[a-z.*>$0-9]{0,12}|\\PC{1,3}";
    let end = select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", " \r\n"]);
    let payload = vec(any::<u8>(), 0..24);
    let size_is_off = prop_oneof![9 => Just(0_i64), 1 => -2..3_i64];
    let line = (
        select(vec![
            "SUB", "UNSUB", "PING", "PONG", "+OK", "-ERR", "CONNECT", "INFO", "sub", "HMSG", "PUB", "HPUB",
        ]),
        vec((blank.clone(), word), 0..4),
        end.clone(),
    )
        .prop_map(|(verb, words, end)| {
            let words: String = words.into_iter().map(|(blank, word)| format!("{blank}{word}")).collect();
            format!("{verb}{words}{end}").into_bytes()
        });
    let publish =
        (word, proptest::option::of(word), 0..8_usize, any::<bool>(), payload, size_is_off, end.clone(), end)
            .prop_map(|(subject, reply, header_len, has_headers, payload, off, end, payload_end)| {
                let verb = if has_headers { "HPUB" } else { "Pub" };
                let reply = reply.map_or(String::new(), |reply| format!("{reply} "));
                let header_len = if has_headers { format!("{header_len} ") } else { String::new() };
                let size = payload.len() as i64 + off;
                let mut op = format!("{verb} {subject} {reply}{header_len}{size}{end}").into_bytes();
                op.extend(payload);
                op.extend(payload_end.bytes());
                op
            });
    prop_oneof![2 => line, 3 => publish]
}

fn limits() -> impl Strategy<Value = Limits> {
    let max_control_line = prop_oneof![2 => Just(4096_usize), 1 => 0..40_usize];
    let max_payload = prop_oneof![3 => Just(1000_usize), 1 => 0..20_usize];
    (max_control_line, max_payload, prop_oneof![4 => Just(true), 1 => Just(false)]).prop_map(
        |(max_control_line, max_payload, headers)| Limits { max_control_line, max_payload, headers },
    )
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let changed_byte = proptest::option::of((any::<Index>(), any::<u8>()));
    let operations = (vec(operation(), 0..8), changed_byte).prop_map(|(operations, changed_byte)| {
        let mut input = operations.concat();
        if let Some((at, byte)) = changed_byte.filter(|_| !input.is_empty()) {
            let at = at.index(input.len());
            input[at] = byte;
        }
        input
    });
    prop_oneof![8 => operations, 1 => vec(any::<u8>(), 0..64)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// However the bytes are cut, the operations and the error are those of the byte-by-byte model.
    #[test]
    fn any_pieces_give_what_the_model_gives(
        input in input(),
        limits in limits(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let expected = model::decode_all(&input, &limits);
        prop_assert_eq!(&decode_pieces(&[&input], &limits), &expected);
        prop_assert_eq!(&decode_pieces(&pieces(&input, &cuts), &limits), &expected);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&decode_pieces(&single, &limits), &expected);
    }

    /// A message that is written as a client writes it is read as it was.
    #[test]
    fn what_a_client_publishes_arrives(
        subject in "[!-~]{1,40}",
        reply in proptest::option::of("[!-~]{1,40}"),
        payload in vec(any::<u8>(), 0..200),
        header_len in proptest::option::of(any::<Index>()),
    ) {
        let header = header_len.map(|len| len.index(payload.len() + 1));
        let mut input = if header.is_some() { b"HPUB ".to_vec() } else { b"PUB ".to_vec() };
        input.extend(subject.bytes());
        input.extend(reply.iter().flat_map(|reply| [" ", reply].concat().into_bytes()));
        input.extend(header.iter().flat_map(|len| format!(" {len}").into_bytes()));
        input.extend(format!(" {}\r\n", payload.len()).bytes());
        input.extend(&payload);
        input.extend(b"\r\n");
        let expected = Publish {
            subject: subject.as_bytes(),
            reply: reply.as_deref().map(str::as_bytes),
            header_len: header.unwrap_or(0),
            payload: &payload,
            has_headers: header.is_some(),
        };
        prop_assert_eq!(whole(&input), Op::Publish(expected));
    }
}
