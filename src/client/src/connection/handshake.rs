//! From the first INFO to the account a client is let into.

use std::sync::Arc;
use std::time::Instant;

use log::{debug, error, trace};
use natrium_account::{Decision, Denial, Grant, HashOutcome, Presented};
use natrium_model::CloseReason;
use natrium_wire::{Info, encode};

use super::redaction::redacted;
use super::tracing::Text;
use super::{Connection, Flow, Pause, Phase};
use crate::farewell::farewell;
use crate::host::{Features, Host};
use crate::identity::ClientIdentity;

impl Connection {
    /// Writes the INFO that opens the conversation. Where TLS comes first, the shell calls this after the handshake.
    pub fn greet<H: Host>(&self, host: &mut H) {
        let info = self.greeting();
        host.outbox().write(|out| encode::info(out, &info));
    }

    /// The INFO that opens the conversation.
    pub fn greeting(&self) -> Info {
        let mut info = self.personal_info(&self.settings.info);
        info.nonce.clone_from(&self.nonce);
        info.auth_required &= !self.settings.no_auth_user;
        if self.settings.proxy_protocol {
            info.client_ip.clear();
        }
        info
    }

    /// The answer to a password check that was handed to [`Host::verify_password`]. The input that waits is given to
    /// [`Self::handle_input`] next.
    ///
    /// # Errors
    /// The reason to close.
    pub fn authenticated<H: Host>(
        &mut self,
        outcome: HashOutcome,
        now: Instant,
        host: &mut H,
    ) -> Result<(), CloseReason> {
        self.last_activity = now;
        match self.decided(outcome.resume(), host) {
            Ok(()) | Err(Flow::Read { .. } | Flow::Paused(_)) => Ok(()),
            Err(Flow::Close(reason)) => Err(reason),
        }
    }

    /// Whether what comes next is to be looked at: the client is let in, or begins to say who it is.
    pub(super) fn admit<H: Host>(&mut self, input: &[u8], now: Instant, host: &mut H) -> Result<(), Flow> {
        match (self.phase, input.first()) {
            (Phase::Open, _) | (Phase::AwaitingConnect { .. }, Some(b'C' | b'c')) => Ok(()),
            (Phase::Authenticating, _) => Err(Flow::Paused(Pause::Authenticating)),
            (Phase::AwaitingConnect { .. }, None) => Err(Flow::Read { needed: 1 }),
            (Phase::AwaitingConnect { .. }, Some(_)) => self.enter_without_connect(now, host),
        }
    }

    pub(super) fn connect<H: Host>(&mut self, json: &[u8], now: Instant, host: &mut H) -> Result<(), Flow> {
        trace!("{} - <<- [CONNECT {}]", self.log_name, Text(&redacted(json)));
        self.last_activity = now;
        self.keepalive.connected(now.saturating_duration_since(self.started), host.random(), now);
        if let Err(error) = self.options.read_over(json) {
            error!("{} - {error}", self.log_name);
            return Err(Flow::Close(CloseReason::ProtocolViolation));
        }
        self.limits.headers = self.settings.headers && self.options.headers;
        host.set_features(self.features());
        if self.connected {
            // It may lead into another account, where the subscriptions of this one have no place.
            host.unsubscribe_all();
        }
        let decision = host.authenticate(&self.presented(), &self.nonce);
        self.decided(decision, host)
    }

    fn decided<H: Host>(&mut self, decision: Decision, host: &mut H) -> Result<(), Flow> {
        match decision {
            Decision::Granted(grant) => {
                self.enter(&grant, host);
                self.welcome(host).map_err(Flow::Close)
            }
            Decision::Denied(denial) => Err(Flow::Close(self.deny(denial, host))),
            Decision::NeedsPasswordHash(job) => {
                self.phase = Phase::Authenticating;
                host.verify_password(job);
                Err(Flow::Paused(Pause::Authenticating))
            }
        }
    }

    /// A client that speaks before it connects is let in if the configuration has a user for that.
    fn enter_without_connect<H: Host>(&mut self, now: Instant, host: &mut H) -> Result<(), Flow> {
        match host.authenticate_without_connect(self.certificate.as_deref()) {
            Decision::Granted(grant) => {
                self.last_activity = now;
                self.enter(&grant, host);
                self.connected = true;
                Ok(())
            }
            Decision::Denied(denial) => Err(Flow::Close(self.deny(denial, host))),
            // A client that presents nothing cannot present what has this hash.
            Decision::NeedsPasswordHash(_) => Err(Flow::Close(self.deny(Denial::NoAuthUserHashed, host))),
        }
    }

    fn enter<H: Host>(&mut self, grant: &Grant, host: &mut H) {
        self.phase = Phase::Open;
        self.user.clone_from(&grant.user);
        host.bind(grant, self.features());
    }

    /// The rest of a CONNECT, once the client is known.
    fn welcome<H: Host>(&mut self, host: &mut H) -> Result<(), CloseReason> {
        if self.options.new_account || !self.options.account.is_empty() {
            return Err(self.refuse_entry(CloseReason::AuthenticationViolation, host));
        }
        if !self.connected {
            self.connected = true;
            let user = self.presented().label().or_else(|| Some(format!("user:{}", self.user.as_ref()?)));
            let identity = ClientIdentity::of(&self.options);
            Arc::make_mut(&mut self.log_name).connected(&identity, host.account().0, user.as_deref());
            host.named(&self.log_name);
        }
        if !(0..=PROTOCOL_MAX).contains(&self.options.protocol) {
            return Err(self.refuse_options(CloseReason::BadClientProtocolVersion, host));
        }
        if self.options.no_responders && !self.limits.headers {
            return Err(self.refuse_options(CloseReason::NoRespondersRequiresHeaders, host));
        }
        self.acknowledge(host);
        Ok(())
    }

    fn deny<H: Host>(&self, denial: Denial, host: &mut H) -> CloseReason {
        debug!("{} - {denial}", self.log_name);
        self.refuse_entry(denial.close_reason(), host)
    }

    fn refuse_entry<H: Host>(&self, reason: CloseReason, host: &mut H) -> CloseReason {
        error!("{} - {}", self.log_name, self.presented().refusal_text());
        self.bid_farewell(reason, host)
    }

    fn refuse_options<H: Host>(&self, reason: CloseReason, host: &mut H) -> CloseReason {
        error!("{} - {}", self.log_name, farewell(reason).unwrap_or_default());
        self.bid_farewell(reason, host)
    }

    /// The INFO that follows the first PONG tells a client that can take it where it has come in.
    pub(super) fn send_connect_info<H: Host>(&self, host: &mut H) {
        if !self.takes_info() {
            return;
        }
        let mut info = self.personal_info(&self.settings.info);
        let (account, is_system) = host.account();
        account.clone_into(&mut info.remote_account);
        info.acc_is_sys = is_system;
        info.connect_info = true;
        host.outbox().write(|out| encode::info(out, &info));
    }

    pub(super) fn takes_info(&self) -> bool {
        self.first_pong_sent && self.options.protocol >= PROTOCOL_WITH_INFO
    }

    /// `info` with what concerns this client alone.
    pub(super) fn personal_info(&self, info: &Info) -> Info {
        let origin = self.origin();
        Info {
            client_id: origin.id.0,
            client_ip: origin.address.ip().to_string(),
            auth_required: self.settings.auth_required,
            ..info.clone()
        }
    }

    fn features(&self) -> Features {
        Features {
            echo: self.options.echo,
            headers: self.limits.headers,
            no_responders: self.options.no_responders,
        }
    }

    pub(super) fn presented(&self) -> Presented<'_> {
        Presented {
            user: &self.options.user,
            pass: &self.options.pass,
            token: &self.options.auth_token,
            nkey: &self.options.nkey,
            sig: &self.options.sig,
            // Only operator mode reads it; elsewhere it counts as absent.
            jwt: "",
            certificate: self.certificate.as_deref(),
            connection_type: self.origin().connection_type,
        }
    }
}

const PROTOCOL_WITH_INFO: i64 = 1;
/// The highest `protocol` a client may ask for.
const PROTOCOL_MAX: i64 = PROTOCOL_WITH_INFO;
