//! A word to one task that there is something to do.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

#[derive(Debug, Default)]
pub(super) struct Signal {
    is_set: Cell<bool>,
    is_ended: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Signal {
    pub(super) fn set(&self) {
        self.is_set.set(true);
        self.wake();
    }

    /// No word will come any more.
    pub(super) fn end(&self) {
        self.is_ended.set(true);
        self.wake();
    }

    /// Waits for a word; `false` once there will be none.
    pub(super) async fn wait(&self) -> bool {
        poll_fn(|context| {
            if self.is_ended.get() {
                return Poll::Ready(false);
            }
            if self.is_set.replace(false) {
                return Poll::Ready(true);
            }
            *self.waiting.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    #[must_use]
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.get()
    }

    fn wake(&self) {
        if let Some(waiting) = self.waiting.borrow_mut().take() {
            waiting.wake();
        }
    }
}
