//! A shard's deadlines, in one timer of the kernel that is set anew only when the earliest of them changes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

pub(super) struct Timers {
    timerfd: OwnedFd,
    /// When the kernel's timer rings, if it is set.
    armed: Cell<Option<Instant>>,
    waiting: RefCell<BTreeMap<Deadline, Waker>>,
    /// Counts the sleeps, so that equal deadlines are told apart and fire in the order they were set.
    last: Cell<u64>,
}

type Deadline = (Instant, u64);

/// Ends when its time has come.
pub(crate) struct Sleep {
    network: Rc<super::Network>,
    deadline: Deadline,
}

impl Timers {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self {
            timerfd: timerfd_create(TimerfdClockId::Monotonic, flags)?,
            armed: Cell::new(None),
            waiting: RefCell::default(),
            last: Cell::new(0),
        })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.timerfd.as_fd()
    }

    /// Sees to it that the kernel's timer rings no later than the earliest deadline.
    pub(super) fn arm(&self, now: Instant) {
        let Some((earliest, _)) = self.waiting.borrow().keys().next().copied() else { return };
        if self.armed.get().is_some_and(|armed| armed <= earliest) {
            return;
        }
        // Zero would disarm it.
        let left = earliest.saturating_duration_since(now).max(Duration::from_nanos(1));
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        let once = Itimerspec { it_interval: Timespec::default(), it_value: left };
        timerfd_settime(&self.timerfd, TimerfdTimerFlags::empty(), &once)
            .expect("the descriptor is a timer's");
        self.armed.set(Some(earliest));
    }

    /// The kernel's timer rang.
    pub(super) fn rang(&self) {
        self.armed.set(None);
    }

    /// Wakes those whose time has come.
    pub(super) fn wake_due(&self, now: Instant) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(earliest) = waiting.first_entry() {
            if earliest.key().0 > now {
                return;
            }
            earliest.remove().wake();
        }
    }
}

impl Sleep {
    pub(crate) fn new(duration: Duration) -> Self {
        let network = super::current();
        let number = network.timers.last.get().wrapping_add(1);
        network.timers.last.set(number);
        // A time too far to be told is as good as thirty years.
        let now = Instant::now();
        let at = now.checked_add(duration).unwrap_or(now + Duration::from_secs(1 << 30));
        Self { network, deadline: (at, number) }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline.0 <= Instant::now() {
            return Poll::Ready(());
        }
        let before = self.network.timers.waiting.borrow_mut().insert(self.deadline, cx.waker().clone());
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.network.timers.waiting.borrow_mut().remove(&self.deadline);
        drop(waker);
    }
}
