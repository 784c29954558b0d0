//! The end of a server that sends its clients away.

use rustix::process::Signal;

use crate::await_that;
use crate::web::{Client, Monitored, PATIENCE};

/// Far longer than a test waits.
const LONG: &str = "lame_duck_duration: \"60m\", lame_duck_grace_period: \"30m\"";

fn each_server(config: &str) -> [Monitored; 3] {
    [Monitored::reference(config), Monitored::natrium(1, config), Monitored::natrium(2, config)]
}

#[test]
fn without_clients_it_is_over_at_once() {
    for mut server in each_server(LONG) {
        server.server.signal(Signal::USR2).unwrap();
        assert_eq!(server.server.await_exit(PATIENCE).unwrap(), Some(0));
    }
}

#[test]
fn all_are_closed_after_the_grace_period_and_then_the_server_ends() {
    for mut server in each_server("lame_duck_duration: \"30s\", lame_duck_grace_period: \"1s\"") {
        let mut clients = [(); 4].map(|()| server.client("{\"verbose\":false}"));
        // A second word changes nothing.
        server.server.signal(Signal::USR2).unwrap();
        server.server.signal(Signal::USR2).unwrap();
        clients.iter_mut().for_each(Client::closed);
        assert_eq!(server.server.await_exit(PATIENCE).unwrap(), Some(0));
        await_that("the log", || server.server.log(), |log| log.contains("Closing existing clients"));
    }
}

#[test]
fn it_can_still_be_stopped() {
    for mut server in each_server(LONG) {
        let mut client = server.client("{\"verbose\":false,\"protocol\":1}");
        server.server.signal(Signal::USR2).unwrap();
        while !client.line().contains("\"ldm\":true") {}
        server.server.signal(Signal::INT).unwrap();
        assert_eq!(server.server.await_exit(PATIENCE).unwrap(), Some(0));
        client.closed();
    }
}
