//! `disable_sublist_cache`, as `/subsz` shows it.

use crate::web::Monitored;

/// Matches that are cached after each of two accounts had a message delivered to a wildcard, and how many matches there
/// were.
fn cached(shards: u32, more: &str) -> (u64, u64) {
    let server = Monitored::natrium(
        shards,
        &format!(
            "accounts {{ synadia {{ users [{{user: a, password: p}}] }}, nats.io {{ users [{{user: b, password: p}}] }} }}
            no_sys_acc = true
            {more}"
        ),
    );
    let mut clients = Vec::new();
    for user in ["a", "b"] {
        let mut client = server.client(&format!("{{\"user\":\"{user}\",\"pass\":\"p\"}}"));
        client.say("SUB foo.* 1\r\nPUB foo.bar 5\r\nHello\r\n");
        client.await_line("Hello");
        clients.push(client);
    }
    let subsz = server.json("/subsz");
    (subsz["num_cache"].as_u64().unwrap(), subsz["num_matches"].as_u64().unwrap())
}

// go: server/opts_test.go TestSublistNoCacheConfigOnAccounts
#[test]
fn no_account_caches_where_none_may() {
    for shards in [1, 2] {
        let (without, matches) = cached(shards, "disable_sublist_cache: true");
        assert!(without == 0 && matches >= 2, "{without} cached of {matches}");
        let (with, _) = cached(shards, "");
        assert!(with > 0, "the page shows what is cached");
    }
}
