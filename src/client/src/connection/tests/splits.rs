//! How the network cuts a conversation must not show.

use proptest::prelude::*;

use super::fixture::TestClient;
use super::*;

/// Everything that can be seen of a conversation: the calls, what the client read, how it ended, and the counters.
fn conversation(pieces: &[&[u8]]) -> (Vec<String>, String, Option<CloseReason>, Stats) {
    let mut client = TestClient::new();
    let mut ended = None;
    for piece in pieces {
        match client.send_bytes(piece) {
            Flow::Close(reason) => {
                ended = Some(reason);
                break;
            }
            Flow::Read { needed } => assert!(needed > client.unread.len()),
            Flow::Paused(pause) => panic!("paused for {pause:?}"),
        }
    }
    (client.calls(), client.answer(), ended, client.connection.stats())
}

fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "CONNECT {\"headers\":true,\"protocol\":1,\"pedantic\":false}\r\n",
        "CONNECT {\"verbose\":false}\r\n",
        "PING\r\n",
        "pong\r\n",
        "PUB a 2\r\nhi\r\n",
        "PUB a.b reply 5\r\n\r\n\r\nx\r\n",
        "PUB a..b 0\r\n\r\n",
        "PUB $NRG.x 1\r\nx\r\n",
        "HPUB h 12 12\r\nNATS/1.0\r\n\r\n\r\n",
        "SUB a 1\r\n",
        "sub a.> q 2\n",
        "SUB a..b 3\r\n",
        "UNSUB 1\r\n",
        "UNSUB 2 7\r\n",
        "+OK\r\n",
        "INFO {}\r\n",
        "HMSG x\r\n\r\n",
    ])
}

fn last() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "PUB a 2\r\nhix\r\n",
        "FOO\r\n",
        "-ERR 'x'\r\n",
        "PUB a 9999\r\n",
        "UNSUB\r\n",
        "CONNECT {\"protocol\":7}\r\n",
        "CONNECT []\r\n",
        "INFO x\r\n",
    ])
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_conversation(
        lines in prop::collection::vec(line(), 0..12),
        last in last(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let whole = [lines.concat(), last.to_owned()].concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
        prop_assert_eq!(conversation(&pieces), conversation(&[&whole]));
    }
}

// go: server/split_test.go TestSplitBufferSubOp
// go: server/split_test.go TestSplitBufferUnsubOp
#[test]
fn a_subscription_may_come_byte_by_byte() {
    let mut client = TestClient::new();
    for byte in b"SUB foo 1\r\nUNSUB 1\r\nUNSUB 1024\r\n" {
        assert!(matches!(client.send_bytes(&[*byte]), Flow::Read { .. }));
    }
    assert_eq!(client.calls(), ["subscribe foo 1", "unsubscribe 1 None", "unsubscribe 1024 None"]);
    assert_eq!(client.host.subscription_count(), 0);
}

#[test]
fn any_bytes_end_in_an_answer() {
    proptest!(|(input in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200)| {
        let at = at.min(input.len());
        let _ = conversation(&[&input[..at], &input[at..]]);
    });
}
