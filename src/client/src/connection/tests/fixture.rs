//! A client at a connection whose host writes down what it is asked.

use std::collections::HashMap;
use std::io::IoSlice;

use natrium_account::{
    Accounts, Authenticator, ConnectionPermissions, ConnectionType, ConnectionTypes, Decision, Grant,
    HashJob, Presented,
};
use natrium_config::options::auth::{
    AuthOptions, Credential, PermissionOptions, SubjectPermissionOptions, UserOptions,
};
use natrium_model::ConnId;
use natrium_wire::Publish;

use super::*;
use crate::host::{Features, Subscribed};
use crate::outbox::Outbox;
use crate::settings::TraceRules;

pub(crate) fn settings() -> ClientSettings {
    ClientSettings {
        info: Info { server_id: "S".into(), proto: 1, max_payload: 1024, headers: true, ..Info::default() },
        max_control_line: 4096,
        max_payload: 1024,
        max_subscriptions: None,
        max_subscription_tokens: None,
        ping_interval: Duration::from_secs(120),
        ping_max: 2,
        auth_timeout: Duration::from_secs(2),
        auth_required: false,
        no_auth_user: false,
        headers: true,
        proxy_protocol: false,
        trace: TraceRules::default(),
    }
}

pub(super) fn user(name: &str, password: &str) -> UserOptions {
    UserOptions {
        credential: Credential::Password { user: name.into(), password: password.into() },
        permissions: None,
        allowed_connection_types: Vec::new(),
        proxy_required: false,
    }
}

pub(super) fn permissions(
    publish: SubjectPermissionOptions,
    subscribe: SubjectPermissionOptions,
) -> PermissionOptions {
    PermissionOptions { publish: Some(publish), subscribe: Some(subscribe), allow_responses: None }
}

pub(super) fn allow(subjects: &[&str]) -> SubjectPermissionOptions {
    SubjectPermissionOptions { allow: Some(owned(subjects)), deny: None }
}

pub(super) fn deny(subjects: &[&str]) -> SubjectPermissionOptions {
    SubjectPermissionOptions { allow: None, deny: Some(owned(subjects)) }
}

fn owned(subjects: &[&str]) -> Vec<String> {
    subjects.iter().map(|subject| (*subject).to_owned()).collect()
}

/// A server that lets in whom `auth` names.
pub(super) fn guarded(auth: &AuthOptions) -> TestClient {
    let no_auth_user = auth.no_auth_user.is_some();
    TestClient::with(ClientSettings { auth_required: true, no_auth_user, ..settings() }, auth)
}

pub(super) struct TestClient {
    pub(super) connection: Connection,
    pub(super) host: RecordingHost,
    pub(super) now: Instant,
    /// What the connection has not taken yet.
    pub(super) unread: Vec<u8>,
}

impl TestClient {
    pub(super) fn new() -> Self {
        Self::with(settings(), &AuthOptions::default())
    }

    /// A client that has sent CONNECT with `json`; nothing is said or recorded of it any more.
    pub(super) fn connected(settings: ClientSettings, json: &str) -> Self {
        let mut client = Self::with(settings, &AuthOptions::default());
        assert_eq!(client.send(&format!("CONNECT {json}\r\n")), Flow::Read { needed: 1 });
        client.answer();
        client.host.calls.clear();
        client
    }

    pub(super) fn with(settings: ClientSettings, auth: &AuthOptions) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let now = Instant::now();
        let origin = Origin {
            id: ConnId(7),
            address: "127.0.0.1:4000".parse().unwrap(),
            connection_type: ConnectionType::Standard,
        };
        let connection = Connection::new(Arc::new(settings), origin, "NONCE".into(), now);
        Self { connection, host: RecordingHost::new(auth), now, unread: Vec::new() }
    }

    pub(super) fn send(&mut self, input: &str) -> Flow {
        self.send_bytes(input.as_bytes())
    }

    pub(super) fn send_bytes(&mut self, input: &[u8]) -> Flow {
        self.unread.extend_from_slice(input);
        let (consumed, flow) = self.connection.handle_input(self.now, &self.unread, &mut self.host);
        self.unread.drain(..consumed);
        flow
    }

    /// Runs the password check that waits.
    pub(super) fn verify(&mut self) -> Result<(), CloseReason> {
        let job = self.host.jobs.pop().expect("a check was asked for");
        self.connection.authenticated(job.run(), self.now, &mut self.host)
    }

    /// Lets time pass and does what is due.
    pub(super) fn wait(&mut self, duration: Duration) -> Result<(), CloseReason> {
        self.now += duration;
        self.connection.handle_timeout(self.now, &mut self.host)
    }

    /// What the client reads.
    pub(super) fn answer(&mut self) -> String {
        let outbox = &mut self.host.outbox;
        let mut slices = [IoSlice::new(&[]); 8];
        let used = outbox.fill(&mut slices);
        let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        outbox.advance(bytes.len());
        String::from_utf8(bytes).unwrap()
    }

    /// Sends, and gives what the client reads, if the connection goes on.
    pub(super) fn ask(&mut self, input: &str) -> String {
        assert_eq!(self.send(input), Flow::Read { needed: 1 }, "after {input:?}");
        self.answer()
    }

    /// Sends what ends the connection, and gives the reason and what the client reads last.
    pub(super) fn fail(&mut self, input: &str) -> (CloseReason, String) {
        match self.send(input) {
            Flow::Close(reason) => (reason, self.answer()),
            flow @ (Flow::Read { .. } | Flow::Paused(_)) => panic!("{input:?} gave {flow:?}"),
        }
    }

    pub(super) fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.host.calls)
    }
}

pub(super) struct RecordingHost {
    pub(super) calls: Vec<String>,
    /// What deliveries are traced under.
    pub(super) name: String,
    pub(super) outbox: Outbox,
    pub(super) barriers: Vec<Pause>,
    pub(super) published: Published,
    pub(super) mappings: HashMap<&'static [u8], &'static [u8]>,
    pub(super) jobs: Vec<HashJob>,
    /// How the client came.
    pub(super) connection_type: ConnectionType,
    authenticator: Authenticator,
    accounts: Accounts,
    account: natrium_model::AccountId,
    permissions: Option<ConnectionPermissions>,
    subscriptions: Vec<Vec<u8>>,
}

impl RecordingHost {
    fn new(auth: &AuthOptions) -> Self {
        let accounts = Accounts::from_options(auth).unwrap();
        Self {
            calls: Vec::new(),
            name: String::new(),
            outbox: Outbox::default(),
            barriers: Vec::new(),
            published: Published::Done,
            mappings: HashMap::new(),
            jobs: Vec::new(),
            connection_type: ConnectionType::Standard,
            authenticator: Authenticator::new(auth, &accounts, ConnectionTypes::NONE).unwrap(),
            accounts,
            account: natrium_model::AccountId::GLOBAL,
            permissions: None,
            subscriptions: Vec::new(),
        }
    }

    fn record(&mut self, call: String) {
        self.calls.push(call);
    }
}

impl Host for RecordingHost {
    fn publish(&mut self, message: &Publish<'_>, _now: Instant) -> Published {
        let reply = message.reply.map_or(String::new(), |reply| format!(" {}", reply.escape_ascii()));
        let call = format!(
            "publish {}{reply} {}+{:?}",
            message.subject.escape_ascii(),
            message.header_len,
            message.body().escape_ascii().to_string()
        );
        self.record(call);
        self.published
    }

    fn subscribe(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        delivery_checked: bool,
    ) -> Subscribed {
        if !natrium_subject::grammar::is_valid_filter(subject) {
            return Subscribed::InvalidSubject;
        }
        if !self.subscriptions.iter().any(|known| known == sid) {
            self.subscriptions.push(sid.to_vec());
        }
        let queue = queue.map_or(String::new(), |queue| format!(" {}", queue.escape_ascii()));
        let checked = if delivery_checked { " checked" } else { "" };
        self.record(format!("subscribe {}{queue} {}{checked}", subject.escape_ascii(), sid.escape_ascii()));
        Subscribed::Done
    }

    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        if max.is_none() {
            self.subscriptions.retain(|known| known != sid);
        }
        self.record(format!("unsubscribe {} {max:?}", sid.escape_ascii()));
    }

    fn unsubscribe_all(&mut self) {
        self.subscriptions.clear();
        self.record("unsubscribe all".to_owned());
    }

    fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    fn permissions(&mut self) -> Option<&mut ConnectionPermissions> {
        self.permissions.as_mut()
    }

    fn bind(&mut self, grant: &Grant, features: Features) {
        self.account = grant.account;
        self.permissions = grant.permissions.clone().map(ConnectionPermissions::new);
        let Features { echo, headers, no_responders } = features;
        let call = format!(
            "bind {} {:?} echo={echo} headers={headers} no_responders={no_responders}",
            self.account().0,
            grant.user.as_deref().unwrap_or_default()
        );
        self.record(call);
    }

    fn set_features(&mut self, _features: Features) {}

    fn named(&mut self, name: &Arc<LogName>) {
        self.name = name.to_string();
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    fn authenticate(&mut self, presented: &Presented<'_>, nonce: &str) -> Decision {
        assert_eq!(nonce, "NONCE");
        self.authenticator.authenticate(presented, nonce.as_bytes())
    }

    fn authenticate_without_connect(&mut self, certificate: Option<&PeerCertificate>) -> Decision {
        self.authenticator.authenticate_without_connect(self.connection_type, certificate)
    }

    fn verify_password(&mut self, job: HashJob) {
        self.jobs.push(job);
    }

    fn barrier(&mut self) -> Option<Pause> {
        self.record("barrier".to_owned());
        self.barriers.pop()
    }

    fn random(&mut self) -> u64 {
        0
    }

    fn account(&self) -> (&str, bool) {
        let account = self.accounts.get(self.account).expect("grants name accounts that are there");
        (account.name(), self.accounts.system() == Some(self.account))
    }

    fn map_subject(&mut self, subject: &[u8], out: &mut Vec<u8>) -> bool {
        assert!(out.is_empty());
        let Some(mapped) = self.mappings.get(subject) else { return false };
        out.extend_from_slice(mapped);
        true
    }
}
