//! The bell: how other threads wake tasks of a shard.
//!
//! A task that waits for other threads is polled with a waker of ours ([`Pull`]), which notes that it was pulled and rings.
//! Ringing costs an atomic swap while the shard is awake, and a write to its eventfd when it sleeps; while it stays asleep,
//! further rings cost the swap again.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rustix::event::{EventfdFlags, eventfd};

/// A shard's own end.
pub(super) struct Bell {
    shared: Arc<Shared>,
    /// Tasks that other threads may wake. A handful: one for each mailbox and two for the lanes.
    pulls: RefCell<Vec<Waiting>>,
}

struct Shared {
    state: AtomicU8,
    /// Watched edge-triggered, so that nobody need read it.
    eventfd: OwnedFd,
}

struct Waiting {
    pull: Arc<PullState>,
    task: Option<Waker>,
}

struct PullState {
    shared: Arc<Shared>,
    pulled: AtomicBool,
}

/// One task's waker for other threads; where it is dropped, pulling it is without effect.
pub(crate) struct Pull {
    network: Rc<super::Network>,
    state: Arc<PullState>,
    waker: Waker,
}

/// Awake, and nobody rang since it last looked.
const QUIET: u8 = 0;
/// Somebody rang.
const RUNG: u8 = 1;
/// Asleep: whoever rings writes to the eventfd.
const ASLEEP: u8 = 2;

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Shared { state: AtomicU8::new(QUIET), eventfd };
        Ok(Self { shared: Arc::new(shared), pulls: RefCell::default() })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.shared.eventfd.as_fd()
    }

    /// Wakes the tasks whose pull was pulled. Whether anybody rang.
    pub(super) fn wake_rung(&self) -> bool {
        if self.shared.state.load(Ordering::Relaxed) == QUIET {
            return false;
        }
        self.shared.state.store(QUIET, Ordering::SeqCst);
        for waiting in self.pulls.borrow_mut().iter_mut() {
            if waiting.pull.pulled.swap(false, Ordering::SeqCst) {
                waiting.task.take().into_iter().for_each(Waker::wake);
            }
        }
        true
    }

    /// Whether the shard may sleep now: nobody rang. From here on a ring is written to the descriptor, until [`Self::awake`].
    pub(super) fn fall_asleep(&self) -> bool {
        self.shared.state.compare_exchange(QUIET, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// The shard is awake. Whether somebody rang meanwhile stays noted.
    pub(super) fn awake(&self) {
        // Fails where somebody rang.
        let _ = self.shared.state.compare_exchange(ASLEEP, QUIET, Ordering::SeqCst, Ordering::SeqCst);
    }
}

impl Shared {
    fn ring(&self) {
        if self.state.swap(RUNG, Ordering::SeqCst) == ASLEEP {
            // It fails only where more rings wait than it can count, and then it is readable already.
            let _ = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
        }
    }
}

impl Wake for PullState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.pulled.swap(true, Ordering::SeqCst) {
            self.shared.ring();
        }
    }
}

impl Pull {
    /// A pull for a task of this shard.
    pub(crate) fn new() -> Self {
        let network = super::current();
        let shared = Arc::clone(&network.bell.shared);
        let state = Arc::new(PullState { shared, pulled: AtomicBool::new(false) });
        network.bell.pulls.borrow_mut().push(Waiting { pull: Arc::clone(&state), task: None });
        let waker = Waker::from(Arc::clone(&state));
        Self { network, state, waker }
    }

    /// Polls with a waker that other threads may use.
    pub(crate) fn poll<T>(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut pulls = self.network.bell.pulls.borrow_mut();
        let own = pulls.iter_mut().find(|waiting| Arc::ptr_eq(&waiting.pull, &self.state));
        super::remember(&mut own.expect("it is there until it is dropped").task, cx);
        drop(pulls);
        poll(&mut Context::from_waker(&self.waker))
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        let mut pulls = self.network.bell.pulls.borrow_mut();
        let own = pulls.iter().position(|waiting| Arc::ptr_eq(&waiting.pull, &self.state));
        let own = own.map(|own| pulls.swap_remove(own));
        drop(pulls);
        drop(own);
    }
}
