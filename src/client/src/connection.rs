//! The input side of a client connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, error, trace};
use natrium_account::PeerCertificate;
use natrium_model::CloseReason;
use natrium_wire::{
    ConnectOptions, DecodeError, Decoded, Info, Limits, Op, decode, decode_plain_publish, encode,
};

use crate::farewell::farewell;
use crate::host::{Host, Published};
use crate::identity::{ClientIdentity, LogName, Origin};
use crate::keepalive::{Keepalive, Tick};
use crate::settings::ClientSettings;

mod handshake;
mod publishing;
mod redaction;
mod subscribing;
mod tracing;

use tracing::Text;
pub use tracing::{is_traced, tell_last_message, trace_delivery, trace_removal};

/// What a client says, understood and checked.
///
/// Owned by the task of its socket, on one shard. The shell sends [`Self::greet`]'s INFO, reads bytes, calls
/// [`Self::handle_input`], keeps what was not consumed, and calls again with more; it calls [`Self::handle_timeout`] when
/// [`Self::poll_timeout`] has come.
#[derive(Debug)]
pub struct Connection {
    settings: Arc<ClientSettings>,
    log_name: Arc<LogName>,
    started: Instant,
    limits: Limits,
    phase: Phase,
    options: ConnectOptions,
    nonce: String,
    certificate: Option<Arc<PeerCertificate>>,
    keepalive: Keepalive,
    user: Option<Arc<str>>,
    /// A CONNECT was read, or the client was let in without.
    connected: bool,
    /// The PING after CONNECT was answered: from then on INFO may come at any time.
    first_pong_sent: bool,
    last_activity: Instant,
    stats: Stats,
    /// When the log last heard that this client has too many subscriptions.
    max_subscriptions_logged: Option<Instant>,
    /// Holds the mapped subject of the publish at hand; kept for its allocation.
    mapped_subject: Vec<u8>,
}

/// What came in, refused publishes included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub in_messages: u64,
    /// Headers and bodies, without control lines.
    pub in_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing but CONNECT is taken until the deadline, and then nothing at all.
    AwaitingConnect {
        deadline: Instant,
    },
    /// A password is being verified elsewhere.
    Authenticating,
    Open,
}

/// How far the input was understood, and what the shell does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a dropped flow loses the reason to close"]
pub enum Flow {
    /// Read more; fewer than `needed` bytes in all, from the first unconsumed one, tell nothing new.
    Read { needed: usize },
    /// Keep the rest and call again when the pause is over.
    Paused(Pause),
    /// Write what waits in the outbox, then close.
    Close(CloseReason),
}

/// Why a connection's input is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// A password is being verified; [`Connection::authenticated`] ends it.
    Authenticating,
    /// A lane to another shard is full; it ends when the lane has room.
    LaneFull,
    /// A receiver is far behind; it ends by itself after this long.
    Congested(Duration),
}

impl Connection {
    /// A connection that was just accepted. `nonce` is what INFO will carry, empty for none.
    pub fn new(settings: Arc<ClientSettings>, origin: Origin, nonce: String, now: Instant) -> Self {
        let connection = Self {
            limits: Limits {
                max_control_line: settings.max_control_line,
                max_payload: settings.max_payload,
                headers: false,
            },
            phase: if settings.auth_required {
                Phase::AwaitingConnect { deadline: now + settings.auth_timeout }
            } else {
                Phase::Open
            },
            keepalive: Keepalive::new(settings.ping_interval, settings.ping_max, now),
            settings,
            log_name: Arc::new(LogName::new(origin)),
            started: now,
            options: ConnectOptions::default(),
            nonce,
            certificate: None,
            user: None,
            connected: false,
            first_pong_sent: false,
            last_activity: now,
            stats: Stats::default(),
            max_subscriptions_logged: None,
            mapped_subject: Vec::new(),
        };
        debug!("{} - Client connection created", connection.log_name);
        connection
    }

    /// Understands as much of `input` as is whole and allowed. Returns how many bytes are done with; the rest is given
    /// again, followed by what came since.
    pub fn handle_input<H: Host>(&mut self, now: Instant, input: &[u8], host: &mut H) -> (usize, Flow) {
        let mut at = 0;
        let mut pause = Duration::ZERO;
        let flow = loop {
            if self.phase == Phase::Open {
                while let Some((message, consumed)) = decode_plain_publish(&input[at..], &self.limits) {
                    at += consumed;
                    if let Published::Congested { backlog } = self.publish(&message, now, host) {
                        pause = pause.max(congestion_pause(backlog));
                    }
                }
            }
            let rest = &input[at..];
            if let Err(flow) = self.admit(rest, now, host) {
                break flow;
            }
            match decode(rest, &self.limits) {
                Ok(Decoded::Op { op, consumed }) => {
                    if op == Op::Ping
                        && let Some(pause) = host.barrier()
                    {
                        break Flow::Paused(pause);
                    }
                    at += consumed;
                    match self.operation(op, now, host) {
                        Ok(Published::Done) => {}
                        Ok(Published::Congested { backlog }) => pause = pause.max(congestion_pause(backlog)),
                        Err(flow) => break flow,
                    }
                }
                Ok(Decoded::Incomplete { needed }) => break Flow::Read { needed },
                Err(error) => break Flow::Close(self.refuse_input(&error, rest, host)),
            }
        };
        match flow {
            Flow::Read { .. } if !pause.is_zero() => (at, Flow::Paused(Pause::Congested(pause))),
            Flow::Read { .. } | Flow::Paused(_) | Flow::Close(_) => (at, flow),
        }
    }

    /// Does what is due at `now`.
    ///
    /// # Errors
    /// The reason to close; what the client is told is in its outbox.
    pub fn handle_timeout<H: Host>(&mut self, now: Instant, host: &mut H) -> Result<(), CloseReason> {
        if self.auth_deadline().is_some_and(|deadline| deadline <= now) {
            debug!("{} - Authentication Timeout", self.log_name);
            return Err(self.bid_farewell(CloseReason::AuthenticationTimeout, host));
        }
        match self.keepalive.tick(now) {
            Tick::Nothing => {}
            Tick::SendPing => {
                trace!("{} - ->> [PING]", self.log_name);
                host.outbox().write(encode::ping);
            }
            Tick::Stale => {
                debug!("{} - Stale Client Connection - Closing", self.log_name);
                return Err(self.bid_farewell(CloseReason::StaleConnection, host));
            }
        }
        Ok(())
    }

    /// When [`Self::handle_timeout`] has something to do. May change after every call.
    pub fn poll_timeout(&self) -> Instant {
        let ping = self.keepalive.next();
        self.auth_deadline().map_or(ping, |deadline| deadline.min(ping))
    }

    /// Tells a client that takes news at any time what changed of the server. Others, and those still on their way in,
    /// are told nothing.
    pub fn push_info<H: Host>(&self, info: &Info, host: &mut H) {
        if self.takes_info() {
            let info = self.personal_info(info);
            host.outbox().write(|out| encode::info(out, &info));
        }
    }

    /// The connection is gone: the log learns why.
    pub fn closed(&self, reason: CloseReason) {
        debug!("{} - Client connection closed: {reason}", self.log_name);
    }

    /// The socket's peer was a proxy: the client itself is there.
    pub fn set_origin<H: Host>(&mut self, origin: Origin, host: &mut H) {
        self.log_name = Arc::new(LogName::new(origin));
        host.named(&self.log_name);
    }

    /// TLS is set up, and the client showed this certificate in it. The time to authenticate begins anew.
    pub fn tls_established(&mut self, certificate: Option<Arc<PeerCertificate>>, now: Instant) {
        self.certificate = certificate;
        if let Phase::AwaitingConnect { deadline } = &mut self.phase {
            *deadline = now + self.settings.auth_timeout;
        }
    }

    pub fn origin(&self) -> &Origin {
        self.log_name.origin()
    }

    /// What stands in front of log lines about this connection.
    pub fn log_name(&self) -> &Arc<LogName> {
        &self.log_name
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The round trip measured last; before any, the time CONNECT took to come.
    pub fn rtt(&self) -> Option<Duration> {
        self.keepalive.rtt()
    }

    /// When the client last published, subscribed, unsubscribed or connected.
    pub fn last_activity(&self) -> Instant {
        self.last_activity
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    /// What the client said of itself.
    pub fn identity(&self) -> ClientIdentity {
        ClientIdentity::of(&self.options)
    }

    /// Who the client is, as the monitoring documents show it.
    pub fn user(&self) -> Option<&Arc<str>> {
        self.user.as_ref()
    }

    /// Who the client was let in as or, before and when refused, says it is: as the monitoring documents show it.
    pub fn shown_user(&self) -> Option<&str> {
        self.user.as_deref().or_else(|| self.presented().shown_user())
    }

    /// What the client asked for, secrets included.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    fn auth_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitingConnect { deadline } => Some(deadline),
            Phase::Authenticating | Phase::Open => None,
        }
    }

    #[inline]
    fn operation<H: Host>(&mut self, op: Op<'_>, now: Instant, host: &mut H) -> Result<Published, Flow> {
        match op {
            Op::Publish(message) => return Ok(self.publish(&message, now, host)),
            Op::Subscribe { subject, queue, sid } => self.subscribe(subject, queue, sid, now, host),
            Op::Unsubscribe { sid, max } => self.unsubscribe(sid, max, now, host),
            Op::Ping => self.answer_ping(now, host),
            Op::Pong => {
                trace!("{} - <<- [PONG]", self.log_name);
                self.keepalive.pong(now);
            }
            Op::Connect(json) => self.connect(json, now, host)?,
            Op::Info(json) => {
                if let Err(error) = Info::read(json) {
                    error!("{} - {error}", self.log_name);
                    return Err(Flow::Close(CloseReason::ProtocolViolation));
                }
            }
            Op::Ok => {}
            Op::Err(text) => {
                error!("{} - Client Error {}", self.log_name, Text(text));
                return Err(Flow::Close(CloseReason::ParseError));
            }
        }
        Ok(Published::Done)
    }

    fn answer_ping<H: Host>(&mut self, now: Instant, host: &mut H) {
        trace!("{} - <<- [PING]", self.log_name);
        self.keepalive.input(now);
        trace!("{} - ->> [PONG]", self.log_name);
        host.outbox().write(encode::pong);
        if self.connected && !self.first_pong_sent {
            self.first_pong_sent = true;
            self.send_connect_info(host);
        }
    }

    fn refuse_input<H: Host>(&self, error: &DecodeError, input: &[u8], host: &mut H) -> CloseReason {
        if let Some(text) = error.client_text() {
            self.write_error(text, host);
        }
        error!("{} - {}", self.log_name, error.log_text(input));
        match error {
            DecodeError::ControlLineExceeded { .. } => CloseReason::MaxControlLineExceeded,
            DecodeError::PayloadExceeded { .. } => CloseReason::MaxPayloadExceeded,
            DecodeError::UnknownOperation { .. }
            | DecodeError::HeadersNotSupported
            | DecodeError::PublishArguments { .. }
            | DecodeError::PublishSize { .. }
            | DecodeError::HeaderPublishArguments { .. }
            | DecodeError::HeaderSize { .. }
            | DecodeError::TotalSize { .. }
            | DecodeError::HeaderSizeAboveTotal { .. }
            | DecodeError::SubscribeArguments { .. }
            | DecodeError::UnsubscribeArguments { .. } => CloseReason::ProtocolViolation,
        }
    }

    #[inline]
    fn acknowledge<H: Host>(&self, host: &mut H) {
        if self.options.verbose {
            trace!("{} - ->> [OK]", self.log_name);
            host.outbox().write(encode::ok);
        }
    }

    /// Tells the client why it is left, where the reference does.
    pub fn bid_farewell<H: Host>(&self, reason: CloseReason, host: &mut H) -> CloseReason {
        if let Some(text) = farewell(reason) {
            self.write_error(text, host);
        }
        reason
    }

    fn write_error<H: Host>(&self, text: &str, host: &mut H) {
        trace!("{} - ->> [-ERR {text}]", self.log_name);
        host.outbox().write(|out| encode::err(out, text));
    }

    /// A message or a change of interest came.
    #[inline]
    fn note_activity(&mut self, now: Instant) {
        self.keepalive.input(now);
        self.last_activity = now;
    }
}

/// How long a publisher rests when `backlog` bytes wait for one of its receivers.
///
/// A receiver that takes what it gets has caught up by then. One that takes nothing makes its publishers slower and slower, so
/// that a moment without the processor does not bring it to `max_pending`; it gets there all the same, in seconds, and is
/// closed. (The reference waits 2 to 5 ms, at most 10 ms a read, from three quarters of `max_pending` on.)
#[must_use]
pub fn congestion_pause(backlog: usize) -> Duration {
    let micros = PAUSE_MICROS_PER_MIB.saturating_mul(backlog as u64) / (1024 * 1024);
    Duration::from_micros(micros.max(1)).min(PAUSE_MAX)
}

/// About what the kernel takes of a socket's output on loopback: 2 GB a second.
const PAUSE_MICROS_PER_MIB: u64 = 500;
const PAUSE_MAX: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
