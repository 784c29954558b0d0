//! A shard's own poll of its sockets, deadlines and rings of the bell, beside glommio's reactor.
//!
//! glommio's reactor enters the kernel several times for each time it sleeps: it sets and removes timers of its own, links its
//! rings, and arms a poll anew for each read (docs/decisions/0009). A shard that has nothing but sockets to wait for spends
//! more on that than on a message. So sockets are registered once, edge-triggered, with an epoll descriptor, and one task of
//! the executor, [`Driver`], waits there while no other task can run.
//!
//! Invariants:
//! - Whatever may wake a task of a shard is either of this module (sockets, [`timers`], [`bell`]) or is awaited within
//!   [`outside`], which makes the shard sleep in glommio's reactor instead, with the epoll descriptor watched there.
//! - Tasks run in one task queue, first in, first out. That is how the driver knows that nothing else can run: it was polled
//!   twice, and no other task in between.

mod bell;
mod tcp;
mod timers;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use glommio_ng::io::{PollState, PollableFd};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::time::Timespec;
use slab::Slab;

use crate::distribution::Distribution;
use bell::Bell;
pub(crate) use bell::Pull;
pub(crate) use tcp::Tcp;
pub(crate) use timers::Sleep;
use timers::Timers;

/// One shard's poll. Its tasks reach it by [`current`].
pub(crate) struct Network {
    epoll: OwnedFd,
    bell: Bell,
    timers: Timers,
    sockets: RefCell<Slab<Readiness>>,
    /// Filled by each wait; kept for its allocation.
    events: RefCell<Vec<Event>>,
    /// There is always something to read from it.
    ready: PollableFd<OwnedFd>,
    /// How often tasks were polled.
    polls: Cell<u64>,
    /// What is awaited of glommio's reactor.
    outside: Cell<usize>,
    /// The driver, while it has left sleeping to glommio's reactor. Whatever runs then wakes it: it may have set a deadline.
    absent: RefCell<Option<Waker>>,
    /// How long tasks ran between two looks at the sockets, in nanoseconds.
    stalls: RefCell<Distribution>,
    ended: Cell<bool>,
}

/// What the kernel has said of one socket, and who wants to know.
#[derive(Default)]
struct Readiness {
    readable: bool,
    writable: bool,
    /// The peer sends no more: there is always something to read, if only the end.
    hung_up: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The driver, between its polls.
struct Driver {
    network: Rc<Network>,
    /// [`Network::polls`] when it was polled last.
    polls: u64,
    /// Turns in which tasks ran since it looked at the sockets.
    turns: u32,
    /// When it looked at the sockets last, unless it left sleeping to glommio's reactor since.
    looked: Option<Instant>,
    /// The epoll descriptor as glommio's reactor watches it, and its watch while it does.
    watched: PollableFd<OwnedFd>,
    watch: Option<PollState>,
}

/// Events one wait takes.
const EVENTS: usize = 256;
/// Turns of tasks between two looks at the sockets: what a message wakes is done in fewer, and a look in between would be for
/// nothing.
const TURNS: u32 = 3;
/// What marks events of the bell and of the timers; sockets have their key in the slab.
const BELL: u64 = u64::MAX;
const TIMERS: u64 = u64::MAX - 1;
/// Says at once what is there.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

thread_local! {
    static CURRENT: RefCell<Option<Rc<Network>>> = const { RefCell::new(None) };
}

/// The network of the shard this runs on.
///
/// # Panics
/// Outside of a shard.
pub(crate) fn current() -> Rc<Network> {
    CURRENT.with_borrow(|current| current.clone().expect("only tasks of a shard use its network"))
}

/// Runs `main`, and whatever tasks it spawns, until it ends. To be called once on an executor, as its only task.
///
/// # Errors
/// If the kernel does not give what a network needs.
pub(crate) async fn run<T>(main: impl Future<Output = T>) -> io::Result<T> {
    let network = Rc::new(Network::new()?);
    CURRENT.set(Some(Rc::clone(&network)));
    let watched = PollableFd::new(network.epoll.try_clone()?).map_err(io::Error::from)?;
    let mut driver = Driver {
        network: Rc::clone(&network),
        // As if a task had run: glommio polls what it spawns at once, and `main` is still to come.
        polls: network.polls.get().wrapping_sub(1),
        turns: 0,
        looked: None,
        watched,
        watch: None,
    };
    let driving = glommio_ng::spawn_local(poll_fn(move |cx| driver.poll(cx)));
    let outcome = counted(Rc::clone(&network), main).await;
    network.ended.set(true);
    driving.await;
    CURRENT.set(None);
    Ok(outcome)
}

/// Runs `task` until it ends by itself. (A dropped glommio task is cancelled without a word.)
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    glommio_ng::spawn_local(counted(current(), task)).detach();
}

/// Awaits what glommio's reactor, and not this crate, will wake: an operation of a file, say.
///
/// A shard that has such to wait for sleeps in that reactor; one that is not told of it would sleep on.
///
/// # Panics
/// Outside of a shard.
pub async fn outside<T>(awaited: impl Future<Output = T>) -> T {
    struct Outside(Rc<Network>);
    impl Drop for Outside {
        fn drop(&mut self) {
            self.0.outside.update(|count| count - 1);
        }
    }
    let network = current();
    network.outside.update(|count| count + 1);
    let _outside = Outside(network);
    awaited.await
}

/// Returns when the kernel has what was asked of glommio's reactor before. That hands over what it has when no task can run
/// any more: a device may be idle so long.
///
/// # Panics
/// Outside of a shard.
pub async fn submitted() {
    let network = current();
    let mut asked = PollState::new();
    // What is asked of it last is done at once.
    let outcome = outside(poll_fn(|cx| network.ready.poll_readable(cx, &mut asked))).await;
    if let Err(error) = outcome {
        panic!("a poll of a valid descriptor failed: {error}");
    }
}

/// Shows how long tasks of this shard ran between two looks at its sockets, in nanoseconds: what one turn kept others waiting.
/// Turns in which a file or a blocking thread was waited for are not in it.
///
/// # Panics
/// Outside of a shard.
pub fn loop_stalls<R>(show: impl FnOnce(&Distribution) -> R) -> R {
    show(&current().stalls.borrow())
}

/// Lets the driver know that a task ran.
async fn counted<T>(network: Rc<Network>, task: impl Future<Output = T>) -> T {
    let mut task = pin!(task);
    poll_fn(|cx| {
        network.polls.set(network.polls.get().wrapping_add(1));
        let driver = network.absent.borrow_mut().take();
        driver.into_iter().for_each(Waker::wake);
        task.as_mut().poll(cx)
    })
    .await
}

/// Puts the waker of `cx` into its place.
fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

impl Network {
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let (bell, timers) = (Bell::new()?, Timers::new()?);
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, bell.descriptor(), EventData::new_u64(BELL), edge)?;
        epoll::add(&epoll, timers.descriptor(), EventData::new_u64(TIMERS), edge)?;
        Ok(Self {
            epoll,
            bell,
            timers,
            sockets: RefCell::default(),
            events: RefCell::new(Vec::with_capacity(EVENTS)),
            ready: PollableFd::new(eventfd(1, EventfdFlags::CLOEXEC)?).map_err(io::Error::from)?,
            polls: Cell::new(0),
            outside: Cell::new(0),
            absent: RefCell::default(),
            stalls: RefCell::default(),
            ended: Cell::new(false),
        })
    }

    /// Waits until the kernel has something to say, or not at all if `at_once`, and wakes whom it concerns.
    fn wait(&self, at_once: bool) {
        let mut events = self.events.borrow_mut();
        events.clear();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            at_once.then_some(&AT_ONCE),
        ) {
            // A signal, or work of glommio's rings: the driver waits again.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll_wait of a valid descriptor failed: {error}"),
        }
        let mut sockets = self.sockets.borrow_mut();
        for event in events.iter() {
            match event.data.u64() {
                // Who rang is asked below, each time.
                BELL => {}
                TIMERS => self.timers.rang(),
                key => {
                    if let Some(readiness) = usize::try_from(key).ok().and_then(|key| sockets.get_mut(key)) {
                        readiness.note(event.flags);
                    }
                }
            }
        }
    }
}

impl Readiness {
    fn note(&mut self, flags: EventFlags) {
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        self.hung_up |= broken || flags.contains(EventFlags::RDHUP);
        if self.hung_up || flags.contains(EventFlags::IN) {
            self.readable = true;
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        if broken || flags.contains(EventFlags::OUT) {
            self.writable = true;
            self.writer.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let network = Rc::clone(&self.network);
        if network.ended.get() {
            return Poll::Ready(());
        }
        let ran = network.polls.get() != self.polls;
        self.polls = network.polls.get();
        network.bell.awake();
        let rang = network.bell.wake_rung();
        self.turns += 1;
        if (ran || rang) && self.turns < TURNS {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.turns = 0;
        if network.outside.get() > 0 {
            return self.leave_sleeping(cx);
        }
        self.watch = None;
        let may_sleep = !ran && !rang && network.bell.fall_asleep();
        let now = Instant::now();
        if let Some(looked) = self.looked {
            let stall = now.saturating_duration_since(looked).as_nanos();
            network.stalls.borrow_mut().record(u64::try_from(stall).unwrap_or(u64::MAX));
        }
        if may_sleep {
            network.timers.arm(now);
        }
        network.wait(!may_sleep);
        network.bell.awake();
        network.bell.wake_rung();
        let now = Instant::now();
        self.looked = Some(now);
        network.timers.wake_due(now);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Leaves sleeping, and deciding whether to, to glommio's reactor.
    fn leave_sleeping(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.looked = None;
        self.network.wait(true);
        self.network.timers.wake_due(Instant::now());
        self.network.timers.arm(Instant::now());
        let watch = self.watch.get_or_insert_with(PollState::new);
        let ready = match self.watched.poll_readable(cx, watch) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => panic!("a watch of a valid descriptor failed: {error}"),
        };
        if ready || !self.network.bell.fall_asleep() {
            cx.waker().wake_by_ref();
        } else {
            *self.network.absent.borrow_mut() = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
