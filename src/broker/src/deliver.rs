//! One message to one subscription.

use std::time::Instant;

use bytes::Bytes;
use natrium_client::{is_traced, tell_last_message, trace_delivery};
use natrium_wire::{Publish, encode};

use crate::batch::SHARED_PAYLOAD_BYTES_MIN;
use crate::broker::{Broker, mark_dirty};
use crate::conns::ConnKey;
use crate::interest::NONE;

/// A message on its way to several receivers.
pub(crate) struct Delivery<'a> {
    pub(crate) message: Publish<'a>,
    /// The publisher, where it lives on this shard.
    pub(crate) publisher: Option<ConnKey>,
    /// The payload by reference, made by the first who wants it.
    pub(crate) shared: Option<Bytes>,
    pub(crate) now: Instant,
    /// How often it was copied into an outbox.
    pub(crate) copies: usize,
    /// Bytes that wait for the receiver that is furthest behind; of those that are not far behind nothing is said.
    pub(crate) backlog: usize,
}

impl<'a> Delivery<'a> {
    /// The payload by reference, if it is large enough to be worth it.
    pub(crate) fn shared(&mut self) -> Option<&Bytes> {
        let payload = self.message.payload;
        if payload.len() < SHARED_PAYLOAD_BYTES_MIN {
            return None;
        }
        Some(self.shared.get_or_insert_with(|| Bytes::copy_from_slice(payload)))
    }
}

impl Broker {
    /// Hands the message to all plain subscriptions of the list that begins with `first`. Returns how many took it.
    pub(crate) fn deliver_to_list(&mut self, first: u32, delivery: &mut Delivery<'_>) -> usize {
        let mut key = first;
        let mut count = 0;
        while key != NONE {
            count += usize::from(self.deliver(key, delivery));
            key = self.subscriptions[key as usize].next;
        }
        count
    }

    /// Hands the message to one subscription. `false` where it may not have it.
    #[inline]
    pub(crate) fn deliver(&mut self, key: u32, delivery: &mut Delivery<'_>) -> bool {
        let subscription = &mut self.subscriptions[key as usize];
        let conn_key = subscription.conn;
        let conn = &mut self.conns[conn_key.index()];
        if conn.overflowed || (!conn.features.echo && delivery.publisher == Some(conn_key)) {
            return false;
        }
        if self.skips_slow && conn.outbox.pending() > self.max_pending / 4 * 3 {
            return false;
        }
        let message = &delivery.message;
        if let Some(permissions) = &mut conn.permissions {
            if subscription.delivery_checked {
                let group = self.groups.get(subscription.group as usize);
                let queue = group.map(|group| self.names.text(group.name));
                if !permissions.delivery_allowed(message.subject, queue) {
                    return false;
                }
            }
            if let Some(reply) = message.reply {
                permissions.reply_delivered(reply, delivery.now);
            }
        }
        if subscription.max > 0 {
            if subscription.delivered >= subscription.max {
                return false;
            }
            if subscription.delivered + 1 == subscription.max {
                self.scratch.expired.push(key);
                if let Some(name) = &conn.log_name {
                    tell_last_message(name, subscription.max, subscription.sid.as_bytes());
                }
            }
        }
        subscription.delivered += 1;
        conn.out_messages += 1;
        conn.delivered_at = Some(delivery.now);
        let strip = message.header_len > 0 && !conn.features.headers;
        let shown = if strip { message.without_headers() } else { *message };
        conn.out_bytes += shown.payload.len() as u64;
        let totals = &mut self.accounts[conn.account.0 as usize].totals;
        totals.out_messages += 1;
        totals.out_bytes += shown.payload.len() as u64;
        let sid = subscription.sid.as_bytes();
        if is_traced()
            && let Some(name) = &conn.log_name
        {
            trace_delivery(name, &shown, sid, self.trace);
        }
        match delivery.shared() {
            Some(shared) => {
                let payload = shared.slice(shared.len() - shown.payload.len()..);
                conn.outbox.write(|out| encode::message_head(out, &shown, sid));
                conn.outbox.write_shared(payload);
                conn.outbox.write(|out| out.extend_from_slice(b"\r\n"));
            }
            None => {
                delivery.copies += 1;
                if delivery.copies == COPIES_TO_SHARE {
                    self.scratch.shared.set(&delivery.message);
                }
                if delivery.copies >= COPIES_TO_SHARE && !strip {
                    conn.outbox.write(|out| self.scratch.shared.write(out, sid));
                } else {
                    conn.outbox.write(|out| encode::message(out, &shown, sid));
                }
            }
        }
        self.unflushed += shown.payload.len() + MESSAGE_HEAD_BYTES;
        let pending = conn.outbox.pending();
        if pending > BACKLOG_BYTES.min(self.max_pending / 4 * 3) {
            delivery.backlog = delivery.backlog.max(pending);
            conn.stalls += 1;
            // The shell judges a slow consumer after it tried to write. What comes within one turn has its own bound.
            conn.overflowed = pending > self.max_pending.saturating_mul(OVERFLOW_FACTOR);
        }
        mark_dirty(&mut self.conns, &mut self.dirty, conn_key);
        true
    }

    /// Ends the subscriptions that have just had their last message.
    pub(crate) fn remove_expired(&mut self) {
        while let Some(key) = self.scratch.expired.pop() {
            self.remove_subscription(key);
        }
    }
}

/// The copy of a message from which on it is put together once for all that follow.
const COPIES_TO_SHARE: usize = 2;
/// What a message costs in an outbox besides its payload, about.
const MESSAGE_HEAD_BYTES: usize = 32;
/// Bytes that wait for one receiver before its publishers rest a little. A longer backlog makes nobody faster: it only
/// falls out of the processor's caches before it is sent.
const BACKLOG_BYTES: usize = 1024 * 1024;
/// How often `max_pending` may pile up for one connection within one turn.
const OVERFLOW_FACTOR: usize = 2;
