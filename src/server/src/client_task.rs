//! The task of one client: reads, hands what it read to the state machine, and writes what could not leave at once.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use natrium_account::HashJob;
use natrium_broker::ConnKey;
use natrium_client::{Connection, Flow, Pause};
use natrium_config::options::client::WriteTimeout;
use natrium_model::{CloseReason, ConnId, Timestamp};
use natrium_shards::{Socket, sleep, spawn, spawn_blocking};

use crate::backlog::{Backlog, Verdict};
use crate::client_greeting;
use crate::pacing::{GATHERING_TIME, Pacing};
use crate::shard::Shard;

/// One client of a shard: what its task and the shard's own tasks both touch.
pub(crate) struct Client {
    pub(crate) key: ConnKey,
    pub(crate) id: ConnId,
    pub(crate) accepted_at: Timestamp,
    pub(crate) socket: RefCell<Socket>,
    pub(crate) connection: RefCell<Connection>,
    /// When the shard looks at the connection's timers next.
    pub(crate) scheduled: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    /// Output the kernel would not take at once.
    backlog: Cell<Option<Backlog>>,
    /// It was late and is tried again.
    slow: Cell<bool>,
    /// Its input is left alone.
    resting: Cell<bool>,
    pacing: Cell<Pacing>,
    /// TLS begins, or began, before INFO.
    tls_first: Cell<bool>,
    closing: Cell<Option<CloseReason>>,
}

/// Input that was read and not understood yet.
#[derive(Default)]
pub(crate) struct Unread {
    pub(crate) bytes: Vec<u8>,
    /// Fewer bytes than this tell nothing new.
    pub(crate) needed: usize,
    /// Nothing more will come.
    pub(crate) has_ended: bool,
}

/// Reads in a row before others have their turn.
const READS_PER_TURN: usize = 8;
/// Less free space than this in the shard's buffer is not worth a read.
const READ_BYTES_MIN: usize = 32 * 1024;

impl Client {
    pub(crate) fn new(key: ConnKey, id: ConnId, socket: Socket, connection: Connection) -> Self {
        Self {
            key,
            id,
            socket: RefCell::new(socket),
            connection: RefCell::new(connection),
            accepted_at: Timestamp::from_system(SystemTime::now()),
            scheduled: Cell::new(None),
            waker: RefCell::new(None),
            backlog: Cell::new(None),
            slow: Cell::new(false),
            resting: Cell::new(false),
            pacing: Cell::default(),
            tls_first: Cell::new(false),
            closing: Cell::new(None),
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn with_pacing<R>(&self, f: impl FnOnce(&mut Pacing) -> R) -> R {
        let mut pacing = self.pacing.get();
        let result = f(&mut pacing);
        self.pacing.set(pacing);
        result
    }

    /// Why it is to end, if it is.
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        self.closing.get()
    }

    /// Ends the client; the first reason stands.
    pub(crate) fn close(&self, reason: CloseReason) {
        if self.closing.get().is_none() {
            self.closing.set(Some(reason));
        }
        self.wake();
    }

    pub(crate) fn is_tls_first(&self) -> bool {
        self.tls_first.get()
    }

    pub(crate) fn set_tls_first(&self, first: bool) {
        self.tls_first.set(first);
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.slow.get()
    }

    pub(crate) fn set_slow(&self, slow: bool) {
        self.slow.set(slow);
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.backlog.get().is_some()
    }

    /// The kernel took all there was.
    pub(crate) fn unblock(&self) {
        self.backlog.set(None);
    }

    /// The kernel takes no more.
    pub(crate) fn block(&self, backlog: Backlog) {
        if self.backlog.replace(Some(backlog)).is_none() {
            self.wake();
        }
    }

    /// The kernel took `bytes` more, and `pending` wait still. How long the batch took, if this was the end of one.
    pub(crate) fn advance(&self, bytes: usize, pending: usize, now: Instant) -> Option<Duration> {
        let mut backlog = self.backlog.get()?;
        let took = backlog.written(bytes, pending, now);
        self.backlog.set(Some(backlog));
        took
    }

    pub(crate) fn judge_backlog(
        &self,
        pending: usize,
        deadline: Duration,
        policy: WriteTimeout,
        now: Instant,
    ) -> Verdict {
        let Some(mut backlog) = self.backlog.get() else { return Verdict::Patience };
        let verdict = backlog.judge(pending, deadline, policy, now);
        self.backlog.set(Some(backlog));
        verdict
    }
}

/// Leaves a publisher's input alone for a while.
pub(crate) fn rest(shard: &Shard, client: &Rc<Client>, pause: Duration) {
    if client.resting.replace(true) {
        return;
    }
    shard.tally.stalled();
    wake_after(pause, client);
}

/// Lets small writes of a client gather before they are read.
fn gather(client: &Rc<Client>) {
    if !client.resting.replace(true) {
        wake_after(GATHERING_TIME, client);
    }
}

fn wake_after(pause: Duration, client: &Rc<Client>) {
    let client = Rc::clone(client);
    spawn(async move {
        sleep(pause).await;
        client.resting.set(false);
        client.wake();
    });
}

/// Serves `client` until it goes or is closed; one that is `refused` hears why.
pub(crate) async fn run(shard: Rc<Shard>, client: Rc<Client>, refused: Option<CloseReason>) {
    let mut unread = Unread::default();
    let reason = match client_greeting::greet(&shard, &client, &mut unread, refused).await {
        Ok(()) => {
            shard.schedule(&client);
            poll_fn(|cx| poll(&shard, &client, &mut unread, cx)).await
        }
        Err(reason) => reason,
    };
    shard.remove(&client, reason);
}

fn poll(
    shard: &Rc<Shard>,
    client: &Rc<Client>,
    unread: &mut Unread,
    cx: &mut Context<'_>,
) -> Poll<CloseReason> {
    remember_waker(client, cx);
    for _ in 0..READS_PER_TURN {
        if let Some(reason) = client.closing.get() {
            return Poll::Ready(reason);
        }
        if client.is_blocked() {
            match shard.poll_write_out(client, cx) {
                Poll::Ready(Ok(())) => client.unblock(),
                Poll::Ready(Err(_)) => return Poll::Ready(CloseReason::WriteError),
                Poll::Pending => {}
            }
        }
        if client.resting.get() || shard.must_wait_for_lanes(client.key) {
            return Poll::Pending;
        }
        match read(shard, client, unread, cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(reason)) => return Poll::Ready(reason),
            Poll::Pending => return Poll::Pending,
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Reads once and handles what came, behind what was left from before.
///
/// An idle client holds no buffer: everything is read into the shard's own, and only what is not understood yet is kept. A
/// large payload gets a buffer of its own, so that it is not moved with each read.
fn read(
    shard: &Rc<Shard>,
    client: &Rc<Client>,
    unread: &mut Unread,
    cx: &mut Context<'_>,
) -> Poll<Result<(), CloseReason>> {
    let mut scratch = shard.scratch.borrow_mut();
    let kept = unread.bytes.len();
    // What waited for a pause to end is handled before more is read.
    let is_complete = kept > 0 && kept >= unread.needed;
    let own_buffer = unread.needed.max(kept) + READ_BYTES_MIN > scratch.len();
    let read = if is_complete {
        0
    } else {
        let target = if own_buffer {
            unread.bytes.resize(unread.needed.max(kept + READ_BYTES_MIN), 0);
            &mut unread.bytes[kept..]
        } else {
            &mut scratch[kept..]
        };
        let outcome = client.socket.borrow_mut().poll_read(cx, target);
        if own_buffer {
            let read = if let Poll::Ready(Ok(read)) = &outcome { *read } else { 0 };
            unread.bytes.truncate(kept + read);
        }
        match outcome {
            // What it said before is answered before its end is noticed: a turn goes by in which output leaves.
            Poll::Ready(Ok(0)) if !mem::replace(&mut unread.has_ended, true) => {
                shard.request_flush();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(CloseReason::ClientClosed)),
            Poll::Ready(Ok(read)) => read,
            Poll::Ready(Err(_)) => return Poll::Ready(Err(CloseReason::ReadError)),
            Poll::Pending => {
                client.with_pacing(Pacing::idle);
                return Poll::Pending;
            }
        }
    };
    let now = Instant::now();
    if !is_complete && client.with_pacing(|pacing| pacing.read(read, now)) {
        gather(client);
    }
    // Whatever made the client send this, its consequences have reached our lanes.
    if shard.lanes.inbox_pending() {
        shard.take_in(now);
    }
    let (flow, job) = if own_buffer || is_complete {
        let (consumed, flow, job) = handle(shard, client, &unread.bytes, now);
        unread.bytes.drain(..consumed);
        (flow, job)
    } else {
        scratch[..kept].copy_from_slice(&unread.bytes);
        let input = &scratch[..kept + read];
        let (consumed, flow, job) = handle(shard, client, input, now);
        unread.bytes.clear();
        unread.bytes.extend_from_slice(&input[consumed..]);
        (flow, job)
    };
    if unread.bytes.is_empty() {
        unread.bytes = Vec::new();
    }
    drop(scratch);
    shard.schedule(client);
    shard.request_flush();
    unread.needed = 0;
    match flow {
        Flow::Read { needed } => unread.needed = needed.max(unread.bytes.len() + 1),
        Flow::Paused(Pause::Congested(pause)) => rest(shard, client, pause),
        Flow::Paused(Pause::LaneFull) => {
            shard.wait_for_lanes(client.key);
            return Poll::Pending;
        }
        Flow::Paused(Pause::Authenticating) => {
            if let Some(job) = job {
                verify(shard, client, job);
            }
        }
        Flow::Close(reason) => return Poll::Ready(Err(reason)),
    }
    Poll::Ready(Ok(()))
}

fn handle(shard: &Shard, client: &Client, input: &[u8], now: Instant) -> (usize, Flow, Option<HashJob>) {
    shard.with_host(client.key, |host| {
        shard.lend_buffer(host.broker, client.key);
        let mut connection = client.connection.borrow_mut();
        let before = connection.stats();
        let (consumed, flow) = connection.handle_input(now, input, host);
        shard.tally.received(host.broker.conn(client.key).account(), before, connection.stats());
        drop(connection);
        shard.flush_if_due(host.broker);
        (consumed, flow, host.job.take())
    })
}

/// Lets a thread that may block compare a password; the client's input rests until then.
fn verify(shard: &Rc<Shard>, client: &Rc<Client>, job: HashJob) {
    client.resting.set(true);
    let (shard, client) = (Rc::clone(shard), Rc::clone(client));
    spawn(async move {
        let outcome = spawn_blocking(move || job.run()).await;
        if client.closing.get().is_none() && shard.has(&client) {
            let now = Instant::now();
            let answer = shard.with_host(client.key, |host| {
                client.connection.borrow_mut().authenticated(outcome, now, host)
            });
            if let Err(reason) = answer {
                client.close(reason);
            }
            shard.request_flush();
        }
        client.resting.set(false);
        client.wake();
    });
}

pub(crate) fn remember_waker(client: &Client, cx: &Context<'_>) {
    let mut waker = client.waker.borrow_mut();
    match waker.as_mut() {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}
