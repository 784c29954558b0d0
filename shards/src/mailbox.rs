//! A mailbox: words to a shard from any thread, for what is not on a message's path.

use std::sync::Arc;
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use crossbeam_queue::ArrayQueue;

use crate::network::Pull;

/// Makes a mailbox that holds up to `capacity` letters.
pub fn mailbox<T>(capacity: usize) -> (MailboxSender<T>, Mailbox<T>) {
    let shared = Arc::new(Shared { letters: ArrayQueue::new(capacity), waker: AtomicWaker::new() });
    (MailboxSender(Arc::clone(&shared)), Mailbox(shared))
}

pub struct Mailbox<T>(Arc<Shared<T>>);

pub struct MailboxSender<T>(Arc<Shared<T>>);

struct Shared<T> {
    letters: ArrayQueue<T>,
    waker: AtomicWaker,
}

impl<T> Mailbox<T> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(letter) = self.0.letters.pop() {
            return Poll::Ready(letter);
        }
        self.0.waker.register(cx.waker());
        self.0.letters.pop().map_or(Poll::Pending, Poll::Ready)
    }

    /// The next letter. May be dropped: a letter that was not handed out stays in the box.
    pub async fn receive(&self) -> T {
        let pull = Pull::new();
        std::future::poll_fn(|cx| pull.poll(cx, |cx| self.poll(cx))).await
    }
}

impl<T> MailboxSender<T> {
    /// # Errors
    /// Gives the letter back if the box is full.
    pub fn send(&self, letter: T) -> Result<(), T> {
        self.0.letters.push(letter)?;
        self.0.waker.wake();
        Ok(())
    }
}

impl<T> Clone for MailboxSender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
