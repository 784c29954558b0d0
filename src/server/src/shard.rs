//! What one shard owns, and its three standing tasks: letters from outside, lanes in, output out.

use std::cell::{Cell, Ref, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use natrium_account::{Accounts, Authenticator, ConnectionType, Nonce};
use natrium_broker::{Batch, Broker, ConnKey};
use natrium_client::{ClientSettings, Connection, Origin, congestion_pause};
use natrium_config::options::Options;
use natrium_config::options::client::WriteTimeout;
use natrium_model::{CloseReason, ConnId, Timestamp};
use natrium_shards::{LaneEnds, Mailbox, Socket, sleep, spawn};
use natrium_subject::MatchCaching;
use natrium_wire::Info;
use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::account_mappings::AccountMappings;
use crate::backlog::Backlog;
use crate::client_host::ClientHost;
use crate::client_task::{self, Client};
use crate::client_tls::ClientTls;
use crate::lane_traffic;
use crate::monitoring::{self, Desk, Endpoint, Question, Tally};
use crate::placement::Placement;
use crate::slow_consumers;

/// What all shards read and none changes.
pub(crate) struct Shared {
    pub(crate) shards: usize,
    pub(crate) settings: Arc<ClientSettings>,
    pub(crate) accounts: Accounts,
    pub(crate) mappings: AccountMappings,
    pub(crate) authenticator: Authenticator,
    pub(crate) placement: Placement,
    pub(crate) rules: Rules,
    pub(crate) tls: Option<ClientTls>,
}

/// The part of the configuration that shards act on.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Bytes that may wait for one client.
    pub(crate) max_pending: usize,
    pub(crate) write_deadline: Duration,
    pub(crate) write_timeout: WriteTimeout,
    /// Publishers rest when a receiver is behind.
    pub(crate) publisher_rest: bool,
    pub(crate) lame_duck_duration: Duration,
    pub(crate) lame_duck_grace_period: Duration,
    /// Closed connections a shard remembers.
    closed_clients_max: usize,
    caching: MatchCaching,
    /// How often deadlines are looked at.
    tick: Duration,
}

impl Rules {
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            max_pending: options.client.max_pending,
            write_deadline: options.client.write_deadline,
            write_timeout: options.client.write_timeout,
            publisher_rest: options.publisher_rest,
            lame_duck_duration: options.lame_duck_duration,
            lame_duck_grace_period: options.lame_duck_grace_period,
            closed_clients_max: options.max_closed_clients,
            caching: if options.match_cache { MatchCaching::On } else { MatchCaching::Off },
            tick: tick(options),
        }
    }
}

/// A fraction of the shortest period that is configured, within what a shard can afford.
fn tick(options: &Options) -> Duration {
    let mut period = options.client.ping_interval.min(options.client.write_deadline);
    if let Some(auth_timeout) = options.auth.timeout {
        period = period.min(auth_timeout);
    }
    (period / TICKS_A_PERIOD).clamp(TICK_MIN, TICK_MAX)
}

/// A word to a shard from outside.
pub(crate) enum Letter {
    Accepted {
        socket: socket2::Socket,
        address: SocketAddr,
        id: ConnId,
        /// Why it is told to go at once, if it is.
        refused: Option<CloseReason>,
    },
    /// Tell clients to go elsewhere, and send them away one after the other.
    LameDuck,
    /// Serve the monitoring endpoint over this connection.
    Monitor {
        socket: socket2::Socket,
        endpoint: Arc<Endpoint>,
    },
    /// Report what a monitoring request asks for.
    Report(Box<Question>),
    Shutdown,
}

/// One shard's state. Its tasks borrow from it for the length of one poll, never across an await.
pub(crate) struct Shard {
    index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) broker: RefCell<Broker>,
    pub(crate) lanes: LaneEnds<Batch>,
    /// By [`ConnKey::index`].
    clients: RefCell<Vec<Option<Rc<Client>>>>,
    /// Where all clients read into, one after the other. See [`client_task`].
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// Shards that were pushed to since the last flush, one bit each.
    to_wake: Cell<u64>,
    flush: Signal,
    /// Those written to last; kept for its allocation.
    flushed: Cell<Vec<ConnKey>>,
    /// Clients whose input rests until lanes have room.
    lane_waiters: RefCell<Vec<ConnKey>>,
    deadlines: RefCell<BinaryHeap<Reverse<(Instant, usize, u64)>>>,
    spare_buffers: RefCell<Vec<Vec<u8>>>,
    shutdown: Cell<bool>,
    pub(crate) tally: Tally,
    pub(crate) desk: Desk,
}

/// A connection that was accepted.
struct Arrival {
    address: SocketAddr,
    id: ConnId,
    refused: Option<CloseReason>,
}

/// Wakes a task of this shard; wakes in between count once.
#[derive(Default)]
struct Signal {
    set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Bytes all clients read into. Larger reads spare system calls; beyond this the gain is gone.
const SCRATCH_BYTES: usize = 128 * 1024;
/// The longest rest between two clients that lame duck mode closes.
const LAME_DUCK_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How late a deadline may be noticed, and how late where the configuration's own periods are short.
const TICK_MAX: Duration = Duration::from_millis(200);
const TICK_MIN: Duration = Duration::from_millis(5);
/// Into how many ticks the shortest period is cut at least.
const TICKS_A_PERIOD: u32 = 5;
/// Deadlines that may outlive their clients, besides as many as there are clients.
const VOID_DEADLINES_MAX: usize = 1024;
/// Output buffers kept for the next busy client, and the size above which one is not kept.
const SPARE_BUFFERS: usize = 64;
const SPARE_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// Pieces of output one write takes.
const WRITE_SLICES: usize = 16;

impl Signal {
    fn raise(&self) {
        if !self.set.replace(true)
            && let Some(waker) = self.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.set.replace(false) {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Runs shard `index` until it is told to shut down.
pub(crate) async fn run(
    index: usize,
    shared: Arc<Shared>,
    lanes: LaneEnds<Batch>,
    mailbox: Mailbox<Letter>,
    seed: u64,
) {
    let rules = &shared.rules;
    let mut broker = Broker::new(index, shared.shards, rules.max_pending, rules.caching, seed);
    broker.set_trace_rules(shared.settings.trace);
    if !rules.publisher_rest {
        broker.skip_slow_receivers();
    }
    let tally = Tally::new(rules.closed_clients_max);
    let shard = Rc::new(Shard {
        index,
        shared,
        broker: RefCell::new(broker),
        lanes,
        clients: RefCell::default(),
        scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
        to_wake: Cell::new(0),
        flush: Signal::default(),
        flushed: Cell::default(),
        lane_waiters: RefCell::default(),
        deadlines: RefCell::default(),
        spare_buffers: RefCell::default(),
        shutdown: Cell::new(false),
        tally,
        desk: Desk::new(Instant::now()),
    });
    spawn(receive_from_lanes(Rc::clone(&shard)));
    spawn(flush_output(Rc::clone(&shard)));
    spawn(retry_full_lanes(Rc::clone(&shard)));
    spawn(watch_deadlines(Rc::clone(&shard)));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed.rotate_left(17));
    loop {
        match mailbox.receive().await {
            Letter::Accepted { socket, address, id, refused } => {
                shard.accept(socket, Arrival { address, id, refused }, &mut random);
            }
            Letter::LameDuck => spawn(send_clients_away(Rc::clone(&shard))),
            Letter::Monitor { socket, endpoint } => monitoring::serve(&shard, socket, endpoint),
            Letter::Report(question) => {
                // What other shards' clients listen to is shown too.
                shard.take_in(Instant::now());
                question.answer(monitoring::report(&shard, &question));
            }
            Letter::Shutdown => break,
        }
    }
    shard.close_all().await;
}

/// Takes in what other shards send, as it comes.
async fn receive_from_lanes(shard: Rc<Shard>) {
    shard.lanes.attend_inbox(|| shard.take_in(Instant::now())).await;
}

/// Once a turn: interest, then messages to other shards, then bytes to clients.
async fn flush_output(shard: Rc<Shard>) {
    loop {
        poll_fn(|cx| shard.flush.poll(cx)).await;
        shard.flush_now(&mut shard.broker.borrow_mut());
    }
}

/// Flushes again when a lane that was full has room.
async fn retry_full_lanes(shard: Rc<Shard>) {
    shard.lanes.attend_room(|| shard.flush.raise()).await;
}

async fn watch_deadlines(shard: Rc<Shard>) {
    loop {
        sleep(shard.shared.rules.tick).await;
        shard.do_what_is_due(Instant::now());
    }
}

/// Lame duck mode: clients learn that the server goes, and those that stay are closed one by one after a grace period, so
/// that they do not all turn to the same other server at once.
async fn send_clients_away(shard: Rc<Shard>) {
    shard.announce_lame_duck();
    let rules = &shard.shared.rules;
    sleep(rules.lame_duck_grace_period).await;
    let staying: Vec<Rc<Client>> = shard.clients.borrow().iter().flatten().cloned().collect();
    let span = rules.lame_duck_duration.saturating_sub(rules.lame_duck_grace_period);
    let count = u32::try_from(staying.len()).unwrap_or(u32::MAX).max(1);
    let pause = (span / count).min(LAME_DUCK_PAUSE_MAX);
    for client in staying {
        client.close(CloseReason::ServerShutdown);
        sleep(pause).await;
    }
}

impl Shard {
    fn announce_lame_duck(&self) {
        let info = Info { ldm: true, ..self.shared.settings.info.clone() };
        for client in self.clients.borrow().iter().flatten() {
            self.with_host(client.key, |host| client.connection.borrow().push_info(&info, host));
        }
        self.request_flush();
    }

    fn accept(
        self: &Rc<Self>,
        socket: socket2::Socket,
        Arrival { address, id, refused }: Arrival,
        random: &mut Xoshiro256PlusPlus,
    ) {
        let socket = match Socket::new(socket) {
            Ok(socket) if !self.shutdown.get() => socket,
            Ok(_) | Err(_) => return self.shared.placement.leave(self.index),
        };
        let now = Instant::now();
        let nonce = match self.shared.authenticator.needs_nonce() {
            true => Nonce::generate(random).as_str().to_owned(),
            false => String::new(),
        };
        let origin = Origin { id, address, connection_type: ConnectionType::Standard };
        let connection = Connection::new(Arc::clone(&self.shared.settings), origin, nonce, now);
        self.tally.accepted();
        let mut broker = self.broker.borrow_mut();
        let key = broker.add_conn();
        broker.conn_mut(key).log_name = Some(Arc::clone(connection.log_name()));
        drop(broker);
        let client = Rc::new(Client::new(key, id, socket, connection));
        let mut clients = self.clients.borrow_mut();
        if clients.len() <= key.index() {
            clients.resize(key.index() + 1, None);
        }
        clients[key.index()] = Some(Rc::clone(&client));
        drop(clients);
        spawn(client_task::run(Rc::clone(self), client, refused));
        self.flush.raise();
    }

    /// Calls `f` with the shard as client `key` sees it.
    pub(crate) fn with_host<R>(&self, key: ConnKey, f: impl FnOnce(&mut ClientHost<'_>) -> R) -> R {
        let mut broker = self.broker.borrow_mut();
        f(&mut ClientHost { shard: self, broker: &mut broker, key, job: None })
    }

    /// Drains the lanes into the broker.
    pub(crate) fn take_in(&self, now: Instant) {
        let mut congested = Vec::new();
        let mut broker = self.broker.borrow_mut();
        let drained = |messages| self.tally.drained(messages);
        lane_traffic::drain(&mut broker, &self.lanes, now, |broker| self.flush_if_due(broker), drained);
        broker.take_congested(&mut congested);
        drop(broker);
        if !self.shared.rules.publisher_rest {
            congested.clear();
        }
        for (key, backlog) in congested {
            if let Some(client) = self.client(key) {
                client_task::rest(self, &client, congestion_pause(backlog));
            }
        }
        self.request_flush();
    }

    /// Sees to it that what the broker has to say leaves at the end of this turn.
    pub(crate) fn request_flush(&self) {
        let broker = self.broker.borrow();
        if broker.has_dirty() || broker.has_staged() || self.to_wake.get() != 0 {
            self.flush.raise();
        }
    }

    pub(crate) fn remember_to_wake(&self, shards: u64) {
        self.to_wake.set(self.to_wake.get() | shards);
    }

    /// Whether publishers must rest; `key` is then woken when they need not any more.
    pub(crate) fn must_wait_for_lanes(&self, key: ConnKey) -> bool {
        let waits =
            self.shared.shards > 1 && lane_traffic::is_backed_up(&self.broker.borrow(), self.shared.shards);
        if waits {
            self.wait_for_lanes(key);
        }
        waits
    }

    pub(crate) fn wait_for_lanes(&self, key: ConnKey) {
        self.lane_waiters.borrow_mut().push(key);
        self.flush.raise();
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// All clients, by [`ConnKey::index`].
    pub(crate) fn clients(&self) -> Ref<'_, [Option<Rc<Client>>]> {
        Ref::map(self.clients.borrow(), Vec::as_slice)
    }

    /// Whether `client` is still here.
    pub(crate) fn has(&self, client: &Client) -> bool {
        self.client(client.key).is_some_and(|other| other.id == client.id)
    }

    fn client(&self, key: ConnKey) -> Option<Rc<Client>> {
        self.clients.borrow().get(key.index()).cloned().flatten()
    }

    /// Writes out within a turn what would else pile up in it.
    pub(crate) fn flush_if_due(&self, broker: &mut Broker) {
        if broker.is_flush_due() {
            self.flush_now(broker);
        }
    }

    fn flush_now(&self, broker: &mut Broker) {
        let pushed = lane_traffic::push(broker, &self.lanes, self.shared.shards);
        let mut reached = pushed.reached | self.to_wake.take();
        while reached != 0 {
            self.lanes.wake(reached.trailing_zeros() as usize);
            reached &= reached - 1;
        }
        if pushed.all_done {
            for client in self.lane_waiters.take().into_iter().filter_map(|key| self.client(key)) {
                client.wake();
            }
        }
        if !pushed.interest_done {
            // No client may be told anything before the other shards can know it. A full lane is being emptied, and
            // its receiver waits for nobody.
            return;
        }
        let mut dirty = self.flushed.take();
        broker.take_dirty(&mut dirty);
        let clients = self.clients.borrow();
        for key in &dirty {
            if let Some(Some(client)) = clients.get(key.index()) {
                self.write_out(broker, client);
            }
        }
        self.flushed.set(dirty);
    }

    /// Writes what the kernel takes of one client's output; the rest is left to its task.
    fn write_out(&self, broker: &mut Broker, client: &Client) {
        let conn = broker.conn_mut(client.key);
        if !client.is_blocked() {
            let mut socket = client.socket.borrow_mut();
            let mut flushed = 0;
            while !conn.outbox.is_empty() {
                let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
                let used = conn.outbox.fill(&mut slices);
                match socket.try_write(&slices[..used]) {
                    Some(Ok(written)) => {
                        conn.outbox.advance(written);
                        flushed += written;
                    }
                    Some(Err(_)) => return client.close(CloseReason::WriteError),
                    None => {
                        client.block(Backlog::new(conn.outbox.pending(), flushed > 0, Instant::now()));
                        break;
                    }
                }
            }
            if flushed > 0 {
                self.tally.flushed(flushed);
            }
        }
        if conn.has_overflowed() || conn.outbox.pending() > self.shared.rules.max_pending {
            self.give_up(client);
        }
        if let Some(buffer) = conn.outbox.reclaim() {
            self.keep_buffer(buffer);
        }
    }

    /// Writes the output of a client that could not take it all at once. Ready when nothing is left, or on failure.
    pub(crate) fn poll_write_out(&self, client: &Client, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut broker = self.broker.borrow_mut();
        let conn = broker.conn_mut(client.key);
        let mut socket = client.socket.borrow_mut();
        while !conn.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
            let used = conn.outbox.fill(&mut slices);
            match socket.poll_write(cx, &slices[..used]) {
                Poll::Ready(Ok(written)) => {
                    conn.outbox.advance(written);
                    slow_consumers::written(client, written, conn.outbox.pending(), Instant::now());
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if let Some(buffer) = conn.outbox.reclaim() {
            self.keep_buffer(buffer);
        }
        Poll::Ready(Ok(()))
    }

    /// Gives an outbox that has no memory a buffer that was used before.
    pub(crate) fn lend_buffer(&self, broker: &mut Broker, key: ConnKey) {
        let outbox = &mut broker.conn_mut(key).outbox;
        if outbox.wants_buffer()
            && let Some(buffer) = self.spare_buffers.borrow_mut().pop()
        {
            outbox.lend(buffer);
        }
    }

    fn keep_buffer(&self, buffer: Vec<u8>) {
        let mut spare = self.spare_buffers.borrow_mut();
        if spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BUFFER_BYTES_MAX {
            spare.push(buffer);
        }
    }

    /// Notes when the client is next to be looked at, if that is earlier than what is noted.
    pub(crate) fn schedule(&self, client: &Client) {
        let deadline = client.connection.borrow().poll_timeout();
        if client.scheduled.get().is_none_or(|scheduled| deadline < scheduled) {
            client.scheduled.set(Some(deadline));
            self.deadlines.borrow_mut().push(Reverse((deadline, client.key.index(), client.id.0)));
        }
    }

    fn do_what_is_due(&self, now: Instant) {
        loop {
            let mut deadlines = self.deadlines.borrow_mut();
            let Some(due) = deadlines.peek_mut().filter(|due| due.0.0 <= now) else { break };
            let Reverse((deadline, index, id)) = std::collections::binary_heap::PeekMut::pop(due);
            drop(deadlines);
            let client = self.clients.borrow().get(index).cloned().flatten();
            let Some(client) =
                client.filter(|client| client.id.0 == id && client.scheduled.get() == Some(deadline))
            else {
                continue;
            };
            client.scheduled.set(None);
            let outcome =
                self.with_host(client.key, |host| client.connection.borrow_mut().handle_timeout(now, host));
            match outcome {
                Ok(()) => self.schedule(&client),
                Err(reason) => client.close(reason),
            }
        }
        self.judge_backlogs(now);
        self.request_flush();
    }

    /// Ends a client whose task is over: its subscriptions go, and what the kernel takes of its output still leaves.
    pub(crate) fn remove(&self, client: &Client, reason: CloseReason) {
        let mut broker = self.broker.borrow_mut();
        self.remember(&broker, client, reason);
        if reason != CloseReason::WriteError && reason != CloseReason::ClientClosed {
            self.write_out(&mut broker, client);
        }
        client.connection.borrow().closed(reason);
        broker.remove_conn(client.key);
        drop(broker);
        self.clients.borrow_mut()[client.key.index()] = None;
        self.forget_void_deadlines();
        self.shared.placement.leave(self.index);
        self.request_flush();
    }

    /// The deadline of a client that is gone would stay until its time comes, minutes later. Once such are the most, they go.
    fn forget_void_deadlines(&self) {
        let mut deadlines = self.deadlines.borrow_mut();
        if deadlines.len() > 2 * self.broker.borrow().conn_count() + VOID_DEADLINES_MAX {
            let clients = self.clients.borrow();
            deadlines.retain(|Reverse((deadline, index, id))| {
                let client = clients.get(*index).and_then(Option::as_ref);
                client.is_some_and(|client| client.id.0 == *id && client.scheduled.get() == Some(*deadline))
            });
        }
    }

    /// Keeps what monitoring shows of a connection that is gone.
    fn remember(&self, broker: &Broker, client: &Client, reason: CloseReason) {
        let now = Timestamp::from_system(SystemTime::now());
        let connection = monitoring::closed_connection(self, broker, client, reason, now);
        self.tally.closed(broker.conn(client.key).account(), reason, connection);
    }

    /// Closes every client, and waits until all are gone.
    async fn close_all(&self) {
        self.shutdown.set(true);
        for client in self.clients.borrow().iter().flatten() {
            client.close(CloseReason::ServerShutdown);
        }
        while self.clients.borrow().iter().any(Option::is_some) {
            sleep(SHUTDOWN_POLL).await;
        }
    }
}

const SHUTDOWN_POLL: Duration = Duration::from_millis(1);
