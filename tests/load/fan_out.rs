//! One publisher and very many subscriptions.

use std::collections::HashMap;

use crate::client::Client;
use crate::site::Site;

const CONNECTIONS: usize = 100;
const SUBSCRIPTIONS: u64 = 100;
const MESSAGES: usize = 100;

// go: test/fanout_test.go TestNoRaceHighFanoutOrdering
#[test]
fn each_of_ten_thousand_subscriptions_gets_everything_in_order() {
    for shards in [1, 2, 4] {
        let site = Site::start(shards, "");
        let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| site.client()).collect();
        let subscriptions: String = (0..SUBSCRIPTIONS).map(|sid| format!("SUB inbox {sid}\r\n")).collect();
        for client in &mut clients {
            client.say(&subscriptions);
            client.flush();
        }
        let mut publisher = site.client();
        for number in 0..MESSAGES {
            publisher.publish("inbox", number.to_string().as_bytes());
        }
        for client in &mut clients {
            let mut next: HashMap<u64, usize> = HashMap::new();
            for _ in 0..MESSAGES * SUBSCRIPTIONS as usize {
                let message = client.message().unwrap();
                let expected = next.entry(message.sid).or_default();
                assert_eq!(message.payload, expected.to_string().as_bytes(), "sid {}", message.sid);
                *expected += 1;
            }
            assert_eq!(next.len(), SUBSCRIPTIONS as usize);
            client.flush();
        }
    }
}
