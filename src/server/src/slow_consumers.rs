//! Clients that do not keep up: who is given up, and what the log hears of it, in the reference's words.

use std::rc::Rc;
use std::time::Instant;

use log::info;
use natrium_broker::Conn;
use natrium_model::CloseReason;

use crate::backlog::Verdict;
use crate::client_task::Client;
use crate::shard::Shard;

impl Shard {
    /// Judges those whose output waits.
    pub(crate) fn judge_backlogs(&self, now: Instant) {
        let is_judged = |client: &&Rc<Client>| client.is_blocked() && client.closing().is_none();
        let blocked: Vec<Rc<Client>> = self.clients().iter().flatten().filter(is_judged).cloned().collect();
        let (deadline, policy) = (self.shared.rules.write_deadline, self.shared.rules.write_timeout);
        for client in blocked {
            let broker = self.broker.borrow();
            let conn = broker.conn(client.key);
            match client.judge_backlog(conn.outbox.pending(), deadline, policy, now) {
                Verdict::Patience => {}
                Verdict::Late => {
                    self.tell_late(&client, conn);
                    self.tally.slow_consumer(conn.account());
                    client.set_slow(true);
                }
                Verdict::Hopeless => {
                    self.tell_late(&client, conn);
                    client.close(CloseReason::SlowConsumerWriteDeadline);
                }
            }
        }
    }

    /// Gives a client up whose backlog is larger than allowed.
    pub(crate) fn give_up(&self, client: &Client) {
        if client.closing().is_none() {
            let name = client.connection.borrow();
            let max = self.shared.rules.max_pending;
            info!("{} - Slow Consumer Detected: MaxPending of {max} Exceeded", name.log_name());
        }
        client.close(CloseReason::SlowConsumerPendingBytes);
    }

    fn tell_late(&self, client: &Client, conn: &Conn) {
        let state = if client.is_slow() { "State" } else { "Detected" };
        info!(
            "{} - Slow Consumer {state}: WriteDeadline of {:?} exceeded with {} chunks of {} total bytes.",
            client.connection.borrow().log_name(),
            self.shared.rules.write_deadline,
            conn.outbox.chunks(),
            conn.outbox.pending(),
        );
    }
}

/// The socket took `bytes` more, and `pending` wait still.
pub(crate) fn written(client: &Client, bytes: usize, pending: usize, now: Instant) {
    if let Some(took) = client.advance(bytes, pending, now)
        && client.is_slow()
    {
        client.set_slow(false);
        let name = client.connection.borrow();
        info!("{} - Slow Consumer Recovered: Flush took {:.3}s", name.log_name(), took.as_secs_f64());
    }
}
