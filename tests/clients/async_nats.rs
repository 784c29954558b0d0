//! What users do with async-nats, against natrium with 1, 2 and 4 shards.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::time::Duration;

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, PublishErrorKind, RequestErrorKind,
};
use futures_lite::StreamExt;
use natrium_tests::server::{Launch, Server};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const SHARDS: [u32; 3] = [1, 2, 4];

fn start(shards: u32, flags: &[&str]) -> Server {
    let mut launch = Launch::natrium(shards).expect("natrium is built");
    launch.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
    launch.start().expect("natrium starts")
}

async fn connect(server: &Server) -> Client {
    let address = server.client_address().to_string();
    // The client drops what a subscription has no room for.
    let options = ConnectOptions::new().subscription_capacity(64 * 1024);
    options.connect(address).await.expect("natrium lets clients in")
}

/// The server has acted on all that `client` sent: its `flush` ends when the bytes are in the socket, and a request
/// that nobody serves is answered in turn.
async fn settle(client: &Client) {
    let refused = within("answer", client.request("nobody", "".into())).await.unwrap_err();
    assert_eq!(refused.kind(), RequestErrorKind::NoResponders);
}

async fn connect_many(server: &Server, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(connect(server).await);
    }
    clients
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
}

/// Waits until the server has taken in what `client` said so far: its own flush ends at the socket.
async fn settled(client: &Client) {
    let refused = within("answer", client.request("nobody.listens", "".into())).await.unwrap_err();
    assert_eq!(refused.kind(), RequestErrorKind::NoResponders);
}

#[tokio::test]
async fn all_subscribers_get_what_is_published_with_its_headers() {
    const COUNT: usize = 500;
    for shards in SHARDS {
        let server = start(shards, &[]);
        let clients = connect_many(&server, 10).await;
        let mut subscriptions = Vec::new();
        for client in &clients {
            subscriptions.push(client.subscribe("orders.*").await.unwrap());
            settled(client).await;
        }
        for number in 0..COUNT {
            let mut headers = HeaderMap::new();
            headers.insert("N", number.to_string().as_str());
            let payload = number.to_string().into();
            clients[0].publish_with_headers("orders.new", headers, payload).await.unwrap();
        }
        for subscription in &mut subscriptions {
            for number in 0..COUNT {
                let message = within("message", subscription.next()).await.unwrap();
                assert_eq!(message.payload, number.to_string(), "{shards} shards");
                let headers = message.headers.expect("headers were sent");
                assert_eq!(headers.get("N").map(|value| value.as_str()), Some(number.to_string().as_str()));
            }
        }
    }
}

#[tokio::test]
async fn a_subscription_ends_after_its_last_message() {
    for shards in SHARDS {
        let server = start(shards, &[]);
        let [publisher, receiver] = [connect(&server).await, connect(&server).await];
        let mut few = receiver.subscribe("few").await.unwrap();
        few.unsubscribe_after(3).await.unwrap();
        settled(&receiver).await;
        for number in 0..5 {
            publisher.publish("few", number.to_string().into()).await.unwrap();
        }
        for number in 0..3 {
            assert_eq!(within("message", few.next()).await.unwrap().payload, number.to_string());
        }
        assert!(within("end", few.next()).await.is_none(), "{shards} shards");
    }
}

#[tokio::test]
async fn requests_are_shared_by_a_queue_group() {
    const REQUESTS: usize = 400;
    for shards in SHARDS {
        let server = start(shards, &[]);
        let asking = connect(&server).await;
        let (served, mut by_member) = mpsc::unbounded_channel();
        for (at, client) in connect_many(&server, 8).await.into_iter().enumerate() {
            let mut requests = client.queue_subscribe("service", "workers".into()).await.unwrap();
            settled(&client).await;
            let served = served.clone();
            tokio::spawn(async move {
                while let Some(request) = requests.next().await {
                    served.send(at).unwrap();
                    let reply = request.reply.expect("a request");
                    client.publish(reply, request.payload).await.unwrap();
                }
            });
        }
        for number in 0..REQUESTS {
            let answer = within("answer", asking.request("service", number.to_string().into())).await;
            assert_eq!(answer.unwrap().payload, number.to_string(), "{shards} shards");
        }
        let mut counts = [0; 8];
        while let Ok(at) = by_member.try_recv() {
            counts[at] += 1;
        }
        assert_eq!(counts.iter().sum::<usize>(), REQUESTS);
        assert!(counts.iter().all(|count| *count > 0), "{shards} shards: {counts:?}");
    }
}

#[tokio::test]
async fn a_drain_hands_over_what_is_on_its_way() {
    const COUNT: usize = 1_000;
    for shards in SHARDS {
        let server = start(shards, &[]);
        let [publisher, receiver] = [connect(&server).await, connect(&server).await];
        let work = receiver.subscribe("work").await.unwrap();
        settled(&receiver).await;
        for _ in 0..COUNT {
            publisher.publish("work", "x".into()).await.unwrap();
        }
        settle(&publisher).await;
        receiver.drain().await.unwrap();
        assert_eq!(within("end", work.count()).await, COUNT, "{shards} shards");
    }
}

#[tokio::test]
async fn a_payload_above_the_limit_is_refused() {
    let server = start(2, &[]);
    let client = connect(&server).await;
    let limit = client.server_info().max_payload;
    let mut own = client.subscribe("large").await.unwrap();
    client.publish("large", vec![0; limit].into()).await.unwrap();
    assert_eq!(within("message", own.next()).await.unwrap().payload.len(), limit);
    let refused = client.publish("large", vec![0; limit + 1].into()).await.unwrap_err();
    assert_eq!(refused.kind(), PublishErrorKind::MaxPayloadExceeded);
}

#[tokio::test]
async fn a_client_finds_its_server_again_after_a_restart() {
    for shards in SHARDS {
        let server = start(shards, &[]);
        let address = server.client_address();
        let (events, mut event) = mpsc::unbounded_channel();
        let client = ConnectOptions::new()
            .event_callback(move |event| {
                let events = events.clone();
                async move { drop(events.send(event)) }
            })
            .connect(address.to_string())
            .await
            .unwrap();
        let mut subscription = client.subscribe("after").await.unwrap();
        settle(&client).await;
        drop(server);
        while within("disconnect", event.recv()).await != Some(Event::Disconnected) {}
        let _restarted = start(shards, &["-p", &address.port().to_string()]);
        while within("reconnect", event.recv()).await != Some(Event::Connected) {}
        settle(&client).await;
        client.publish("after", "restart".into()).await.unwrap();
        assert_eq!(within("message", subscription.next()).await.unwrap().payload, "restart");
    }
}

#[tokio::test]
async fn credentials_are_checked() {
    let server = start(2, &["--user", "joe", "--pass", "secret"]);
    let address = server.client_address().to_string();
    let with = |user: &str, password: &str| {
        ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
    };
    with("joe", "secret").connect(&address).await.unwrap().flush().await.unwrap();
    let refused = with("joe", "wrong").connect(&address).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::AuthorizationViolation);
    let refused = async_nats::connect(&address).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::AuthorizationViolation);
}
