//! How far a file's commits are durable, and who waits for that.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::LogError;

/// Counts steps, each one durable or none of them yet; ends with a failure or never.
#[derive(Debug, Default)]
pub(super) struct Progress(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    /// All steps up to this one are done.
    done: u64,
    /// What became of the steps above `done`.
    failed: Option<LogError>,
    /// Ascending by step.
    waiters: VecDeque<Waiter>,
    /// The next waiter's.
    next_id: u64,
}

#[derive(Debug)]
struct Waiter {
    step: u64,
    id: u64,
    waker: Waker,
}

impl Progress {
    pub(super) fn done(&self) -> u64 {
        self.0.borrow().done
    }

    pub(super) fn failed(&self) -> Option<LogError> {
        self.0.borrow().failed.clone()
    }

    pub(super) fn is_failed(&self) -> bool {
        self.0.borrow().failed.is_some()
    }

    /// A ticket of what was not taken.
    pub(super) fn refusal(error: LogError) -> Ticket {
        let progress = Rc::new(Self::default());
        progress.fail(&error);
        progress.ticket(1)
    }

    /// Steps up to `step` are done.
    pub(super) fn advance(&self, step: u64) {
        let mut state = self.0.borrow_mut();
        state.done = state.done.max(step);
        while state.waiters.front().is_some_and(|waiter| waiter.step <= step) {
            state.waiters.pop_front().expect("looked at").waker.wake();
        }
    }

    /// Steps that are not done will not be. The first failure stays.
    pub(super) fn fail(&self, error: &LogError) {
        let mut state = self.0.borrow_mut();
        state.failed.get_or_insert_with(|| error.clone());
        for waiter in state.waiters.drain(..) {
            waiter.waker.wake();
        }
    }

    /// A future of the moment `step` is done.
    pub(super) fn ticket(self: &Rc<Self>, step: u64) -> Ticket {
        Ticket { progress: self.clone(), step, waits_as: None }
    }
}

/// Resolves when what it was given for is durable, or is known not to become so.
///
/// Dropping it changes nothing: what was handed to the log is written all the same.
#[derive(Debug)]
#[must_use = "nothing is durable before the ticket says so"]
pub struct Ticket {
    progress: Rc<Progress>,
    step: u64,
    /// The id of its waiter.
    waits_as: Option<u64>,
}

impl Ticket {
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.progress.done() >= self.step
    }
}

impl Future for Ticket {
    type Output = Result<(), LogError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let step = self.step;
        let progress = self.progress.clone();
        let mut state = progress.0.borrow_mut();
        if state.done >= step {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = &state.failed {
            return Poll::Ready(Err(error.clone()));
        }
        if let Some(waiter) = state.waiters.iter_mut().rev().find(|waiter| Some(waiter.id) == self.waits_as) {
            waiter.waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        let id = state.next_id;
        state.next_id += 1;
        let at = state.waiters.partition_point(|waiter| waiter.step <= step);
        state.waiters.insert(at, Waiter { step, id, waker: cx.waker().clone() });
        self.waits_as = Some(id);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(ticket: &mut Ticket, count: &Arc<Count>) -> Poll<Result<(), String>> {
        let waker = Waker::from(count.clone());
        Pin::new(ticket)
            .poll(&mut Context::from_waker(&waker))
            .map(|result| result.map_err(|error| error.to_string()))
    }

    #[test]
    fn tickets_resolve_in_order_and_wake_their_own() {
        let progress = Rc::new(Progress::default());
        let counts: Vec<Arc<Count>> = (0..3).map(|_| Arc::default()).collect();
        let mut tickets: Vec<Ticket> = (1..=3).map(|step| progress.ticket(step)).collect();
        for at in [2, 0, 1, 0] {
            assert_eq!(poll(&mut tickets[at], &counts[at]), Poll::Pending);
        }
        progress.advance(2);
        let woken: Vec<u32> = counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect();
        assert_eq!(woken, [1, 1, 0]);
        assert_eq!(poll(&mut tickets[0], &counts[0]), Poll::Ready(Ok(())));
        assert_eq!(poll(&mut tickets[2], &counts[2]), Poll::Pending);
        progress.fail(&LogError::Closed);
        assert_eq!(counts[2].0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut tickets[2], &counts[2]), Poll::Ready(Err(LogError::Closed.to_string())));
        assert_eq!(poll(&mut tickets[1], &counts[1]), Poll::Ready(Ok(())), "durable stays durable");
    }

    #[test]
    fn two_that_wait_for_one_step_are_both_woken() {
        let progress = Rc::new(Progress::default());
        let counts: Vec<Arc<Count>> = (0..2).map(|_| Arc::default()).collect();
        let mut tickets = [progress.ticket(1), progress.ticket(1)];
        for at in [0, 1, 1, 0] {
            assert_eq!(poll(&mut tickets[at], &counts[at]), Poll::Pending);
        }
        progress.advance(1);
        assert_eq!(counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_dropped_ticket_leaves_the_others_alone() {
        let progress = Rc::new(Progress::default());
        let count = Arc::<Count>::default();
        let mut first = progress.ticket(1);
        let mut second = progress.ticket(2);
        assert_eq!(poll(&mut first, &count), Poll::Pending);
        assert_eq!(poll(&mut second, &count), Poll::Pending);
        drop(first);
        progress.advance(1);
        assert_eq!(poll(&mut second, &count), Poll::Pending);
        progress.advance(2);
        assert_eq!(poll(&mut second, &count), Poll::Ready(Ok(())));
    }
}
