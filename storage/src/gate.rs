//! One at a time, in the order of asking, among the tasks of one executor.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A lock that is waited for, not spun on. Not `Send`: it orders tasks, not threads.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_held: Cell<bool>,
    /// Asked and not yet let in, by ticket.
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    tickets: Cell<u64>,
}

/// Whoever has it is inside. Leaving is dropping it.
#[derive(Debug)]
pub(crate) struct Pass<'a>(&'a Gate);

impl Gate {
    /// Waits for its turn. Dropping the future gives the turn up.
    pub(crate) async fn enter(&self) -> Pass<'_> {
        let ticket = self.tickets.get();
        self.tickets.set(ticket + 1);
        let place = Waiting { gate: self, ticket };
        poll_fn(|context| {
            let mut waiting = self.waiting.borrow_mut();
            let is_next = waiting.front().is_none_or(|(first, _)| *first >= ticket);
            if !self.is_held.get() && is_next {
                waiting.retain(|(other, _)| *other != ticket);
                self.is_held.set(true);
                return Poll::Ready(());
            }
            match waiting.iter_mut().find(|(other, _)| *other == ticket) {
                Some((_, waker)) => waker.clone_from(context.waker()),
                None => waiting.push_back((ticket, context.waker().clone())),
            }
            Poll::Pending
        })
        .await;
        drop(place);
        Pass(self)
    }

    fn wake_next(&self) {
        if !self.is_held.get()
            && let Some((_, waker)) = self.waiting.borrow().front()
        {
            waker.wake_by_ref();
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.is_held.set(false);
        self.0.wake_next();
    }
}

/// A place in the queue, given up when dropped.
struct Waiting<'a> {
    gate: &'a Gate,
    ticket: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let before = self.gate.waiting.borrow().len();
        self.gate.waiting.borrow_mut().retain(|(ticket, _)| *ticket != self.ticket);
        if self.gate.waiting.borrow().len() != before {
            self.gate.wake_next();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use futures_lite::future::{block_on, poll_once, yield_now, zip};

    use super::*;

    #[test]
    fn tasks_are_let_in_one_at_a_time_and_in_order() {
        let gate = Rc::new(Gate::default());
        let log = Rc::new(RefCell::new(Vec::new()));
        let task = |name: &'static str| {
            let (gate, log) = (Rc::clone(&gate), Rc::clone(&log));
            async move {
                let _pass = gate.enter().await;
                log.borrow_mut().push((name, "in"));
                yield_now().await;
                yield_now().await;
                log.borrow_mut().push((name, "out"));
            }
        };
        block_on(zip(zip(task("a"), task("b")), task("c")));
        assert_eq!(
            *log.borrow(),
            [("a", "in"), ("a", "out"), ("b", "in"), ("b", "out"), ("c", "in"), ("c", "out")]
        );
    }

    #[test]
    fn one_that_gives_up_lets_the_next_in() {
        block_on(async {
            let gate = Gate::default();
            let pass = gate.enter().await;
            let mut impatient = Box::pin(gate.enter());
            assert!(poll_once(&mut impatient).await.is_none());
            let mut patient = Box::pin(gate.enter());
            assert!(poll_once(&mut patient).await.is_none());
            drop(impatient);
            drop(pass);
            assert!(poll_once(&mut patient).await.is_some());
        });
    }
}
