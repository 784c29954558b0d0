//! Operations that go on when nobody waits for them any more.
//!
//! The runtime cancels what is dropped, and an operation that waits for its turn would never have one. The task started here
//! takes over what was begun and dropped.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Orphan = Pin<Box<dyn Future<Output = ()>>>;

/// Where dropped operations go.
#[derive(Default)]
pub(super) struct Carrier {
    new: RefCell<Vec<Orphan>>,
    waker: RefCell<Option<Waker>>,
    is_closed: Cell<bool>,
}

impl Carrier {
    /// Carries out what is handed over, until closed and done.
    pub(super) async fn run(self: Rc<Self>) {
        let mut orphans: Vec<Orphan> = Vec::new();
        poll_fn(|context| {
            loop {
                orphans.append(&mut self.new.borrow_mut());
                orphans.retain_mut(|orphan| orphan.as_mut().poll(context).is_pending());
                if self.new.borrow().is_empty() {
                    break;
                }
            }
            if self.is_closed.get() && orphans.is_empty() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Ends [`Self::run`] once all is carried out.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.wake();
    }

    /// An operation that is carried out to its end once it was polled.
    pub(super) fn carry<T: 'static>(self: &Rc<Self>, work: impl Future<Output = T> + 'static) -> Carried<T> {
        Carried { work: Some(Box::pin(work)), is_begun: false, carrier: Rc::clone(self) }
    }

    fn wake(&self) {
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

pub(super) struct Carried<T: 'static> {
    work: Option<Pin<Box<dyn Future<Output = T>>>>,
    is_begun: bool,
    carrier: Rc<Carrier>,
}

impl<T> Future for Carried<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.is_begun = true;
        let work = self.work.as_mut().expect("a future is not polled after its end");
        let outcome = std::task::ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(outcome)
    }
}

impl<T> Drop for Carried<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && self.is_begun
        {
            let orphan = async move {
                drop(work.await);
            };
            self.carrier.new.borrow_mut().push(Box::pin(orphan));
            self.carrier.wake();
        }
    }
}
