//! Lanes: bounded queues between each pair of shards, lock-free, with at most one wake-up for all that was pushed in a turn.
//!
//! A lane carries two kinds of cargo. *Control* says what a shard is interested in; *data* are messages. Whoever takes a
//! piece of data has taken all control that was pushed before it: data is popped first and handed out after the control
//! that is there by then.
//!
//! A lane is full when it holds so many pieces of data or so many bytes. That bounds what a receiver drains in one turn too.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use crossbeam_queue::ArrayQueue;

use crate::network::Pull;

/// What arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parcel<T> {
    Control(T),
    Data(T),
}

/// One shard's ends of all its lanes.
pub struct LaneEnds<T> {
    shard: usize,
    /// `[from][to]`.
    lanes: Arc<[Vec<Lane<T>>]>,
    doors: Arc<[Door]>,
}

struct Lane<T> {
    control: ArrayQueue<T>,
    /// With the bytes of each piece.
    data: ArrayQueue<(T, usize)>,
    data_bytes: AtomicUsize,
    data_bytes_max: usize,
    /// Empty cargo on its way back, to be filled again.
    returned: ArrayQueue<T>,
    /// The sender found a queue full and wants to know of room.
    sender_waits: AtomicBool,
}

/// Where a shard is woken.
#[derive(Default)]
struct Door {
    /// Something was pushed since the shard last looked.
    inbox: AtomicBool,
    /// The shard was called since then.
    called: AtomicBool,
    inbox_waker: AtomicWaker,
    /// A lane that was full has room.
    room: AtomicBool,
    room_waker: AtomicWaker,
}

/// Pieces of control a lane holds; there is at most one piece a turn and the receiver never waits for anybody.
const CONTROL_CAPACITY: usize = 1024;

/// Joins each pair of `shards`. A lane takes data until it holds `pieces` of it or at least `bytes`.
pub fn lanes<T>(shards: usize, pieces: usize, bytes: usize) -> Vec<LaneEnds<T>> {
    let lane = |_| Lane {
        control: ArrayQueue::new(CONTROL_CAPACITY),
        data: ArrayQueue::new(pieces),
        data_bytes: AtomicUsize::new(0),
        data_bytes_max: bytes,
        returned: ArrayQueue::new(pieces),
        sender_waits: AtomicBool::new(false),
    };
    let lanes: Arc<[Vec<Lane<T>>]> = (0..shards).map(|_| (0..shards).map(lane).collect()).collect();
    let doors: Arc<[Door]> = (0..shards).map(|_| Door::default()).collect();
    (0..shards)
        .map(|shard| LaneEnds { shard, lanes: Arc::clone(&lanes), doors: Arc::clone(&doors) })
        .collect()
}

impl<T> LaneEnds<T> {
    /// Pushes control for shard `to`, who finds it when it next looks, and need not be woken for it. Returns how many pieces
    /// wait there now: a shard that sleeps long is to be woken for some number of them.
    ///
    /// # Errors
    /// Gives it back if the lane is full; [`Self::attend_room`] tells when it is not.
    pub fn push_control(&self, to: usize, cargo: T) -> Result<usize, T> {
        let lane = &self.lanes[self.shard][to];
        lane.push(cargo, |cargo| lane.control.push(cargo))?;
        self.doors[to].inbox.store(true, Ordering::SeqCst);
        Ok(lane.control.len())
    }

    /// Pushes data of so many `bytes` for shard `to`, who learns of it at [`Self::wake`].
    ///
    /// # Errors
    /// Gives it back if the lane is full; [`Self::attend_room`] tells when it is not.
    pub fn push_data(&self, to: usize, cargo: T, bytes: usize) -> Result<(), T> {
        let lane = &self.lanes[self.shard][to];
        lane.push(cargo, |cargo| {
            if lane.data_bytes.load(Ordering::SeqCst) >= lane.data_bytes_max {
                return Err(cargo);
            }
            lane.data_bytes.fetch_add(bytes, Ordering::SeqCst);
            lane.data.push((cargo, bytes)).map_err(|(cargo, bytes)| {
                lane.data_bytes.fetch_sub(bytes, Ordering::SeqCst);
                cargo
            })
        })
    }

    /// Tells shard `to` of what was pushed. The first call since it last looked wakes it.
    pub fn wake(&self, to: usize) {
        let door = &self.doors[to];
        door.inbox.store(true, Ordering::SeqCst);
        if !door.called.swap(true, Ordering::SeqCst) {
            door.inbox_waker.wake();
        }
    }

    /// Cargo that came back empty from shard `to`.
    pub fn take_returned(&self, to: usize) -> Option<T> {
        self.lanes[self.shard][to].returned.pop()
    }

    /// Gives emptied cargo back to the shard it came from.
    pub fn give_back(&self, from: usize, cargo: T) {
        // A full queue means that enough cargo is on its way already.
        drop(self.lanes[from][self.shard].returned.push(cargo));
    }

    /// Whether something was pushed since the last [`Self::drain`].
    #[inline]
    pub fn inbox_pending(&self) -> bool {
        self.doors[self.shard].inbox.load(Ordering::Acquire)
    }

    /// Calls `then` each time something was pushed, for ever.
    pub async fn attend_inbox(&self, then: impl FnMut()) {
        attend(|cx| self.poll_inbox(cx), then).await;
    }

    /// Calls `then` each time a lane that was found full has room again, for ever.
    pub async fn attend_room(&self, then: impl FnMut()) {
        attend(|cx| self.poll_room(cx), then).await;
    }

    /// Ready when something was pushed.
    fn poll_inbox(&self, cx: &mut Context<'_>) -> Poll<()> {
        let door = &self.doors[self.shard];
        door.inbox_waker.register(cx.waker());
        if door.called.load(Ordering::SeqCst) || self.inbox_pending() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Hands out everything that has arrived by now: each lane in its order, and control before data that was pushed after
    /// it. What arrives meanwhile waits for the next time.
    pub fn drain(&self, mut f: impl FnMut(usize, Parcel<T>)) {
        // What is pushed between the two is popped below. A call in between stays noted, and the task it wakes looks for
        // the note: nobody calls again before it is taken away here.
        self.doors[self.shard].called.store(false, Ordering::SeqCst);
        self.doors[self.shard].inbox.store(false, Ordering::SeqCst);
        for from in (0..self.lanes.len()).filter(|from| *from != self.shard) {
            let lane = &self.lanes[from][self.shard];
            for left in (0..=lane.data.len()).rev() {
                let data = if left > 0 { lane.data.pop() } else { None };
                while let Some(control) = lane.control.pop() {
                    f(from, Parcel::Control(control));
                }
                let Some((data, bytes)) = data else { break };
                lane.data_bytes.fetch_sub(bytes, Ordering::SeqCst);
                f(from, Parcel::Data(data));
            }
            if lane.sender_waits.swap(false, Ordering::SeqCst) {
                self.doors[from].room.store(true, Ordering::Release);
                self.doors[from].room_waker.wake();
            }
        }
    }

    /// Ready once a lane that was found full has room again.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let door = &self.doors[self.shard];
        door.room_waker.register(cx.waker());
        if door.room.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Calls `then` each time `poll`, which other shards wake, is ready.
async fn attend(poll: impl Fn(&mut Context<'_>) -> Poll<()>, mut then: impl FnMut()) {
    let pull = Pull::new();
    loop {
        poll_fn(|cx| pull.poll(cx, |cx| poll(cx))).await;
        then();
    }
}

impl<T> Lane<T> {
    fn push(&self, cargo: T, push: impl Fn(T) -> Result<(), T>) -> Result<(), T> {
        let Err(cargo) = push(cargo) else { return Ok(()) };
        self.sender_waits.store(true, Ordering::SeqCst);
        // The receiver may have made room just before it could see that we wait.
        push(cargo).inspect(|()| self.sender_waits.store(false, Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn nothing_is_lost_or_reordered_under_backpressure() {
        const COUNT: u64 = 200_000;
        let mut ends = lanes::<u64>(2, 4, usize::MAX);
        let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
        let sending = thread::spawn(move || {
            for number in 0..COUNT {
                let mut cargo = number;
                while let Err(back) = sender.push_data(1, cargo, 1) {
                    cargo = back;
                    sender.wake(1);
                    thread::yield_now();
                }
                sender.wake(1);
            }
        });
        let mut next = 0;
        while next < COUNT {
            receiver.drain(|from, parcel| {
                assert_eq!((from, parcel), (0, Parcel::Data(next)));
                next += 1;
            });
        }
        sending.join().unwrap();
    }

    #[test]
    fn control_never_comes_after_data_that_follows_it() {
        const COUNT: u64 = 100_000;
        let mut ends = lanes::<u64>(2, 8, 5);
        let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
        let sending = thread::spawn(move || {
            for number in 1..=COUNT {
                while sender.push_control(1, number).is_err() {
                    thread::yield_now();
                }
                while sender.push_data(1, number, 1).is_err() {
                    thread::yield_now();
                }
            }
        });
        let (mut control, mut data) = (0, 0);
        while data < COUNT {
            receiver.drain(|_, parcel| match parcel {
                Parcel::Control(number) => control = number,
                Parcel::Data(number) => {
                    assert!(control >= number, "data {number} overtook its control, {control} was the last");
                    data = number;
                }
            });
        }
        sending.join().unwrap();
    }

    #[test]
    fn control_waits_without_a_call_until_somebody_looks() {
        let mut ends = lanes::<u8>(2, 1, 1);
        let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(receiver.poll_inbox(&mut cx).is_pending());
        assert_eq!(sender.push_control(1, 1), Ok(1));
        assert_eq!(sender.push_control(1, 2), Ok(2));
        assert!(!woken.0.load(Ordering::SeqCst) && receiver.inbox_pending());
        // What is not called for yet must not keep a later call from being heard.
        sender.push_data(1, 3, 1).unwrap();
        sender.wake(1);
        assert!(woken.0.load(Ordering::SeqCst));
        let mut arrived = Vec::new();
        receiver.drain(|_, parcel| arrived.push(parcel));
        assert_eq!(arrived, [Parcel::Control(1), Parcel::Control(2), Parcel::Data(3)]);
        assert!(!receiver.inbox_pending());
    }

    #[test]
    fn a_sender_that_found_a_lane_full_learns_of_room() {
        let mut ends = lanes::<u8>(2, 1, 1);
        let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
        let mut cx = Context::from_waker(Waker::noop());
        sender.push_data(1, 1, 1).unwrap();
        assert_eq!(sender.push_data(1, 2, 1), Err(2));
        assert!(sender.poll_room(&mut cx).is_pending());
        receiver.drain(|_, _| {});
        assert!(sender.poll_room(&mut cx).is_ready());
        sender.push_data(1, 2, 1).unwrap();
    }

    // go: server/ipqueue_test.go TestIPQueuePush
    #[test]
    fn only_the_first_call_wakes_until_somebody_looked() {
        let mut ends = lanes::<u8>(2, 10, 100);
        let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        for round in 0..2 {
            assert!(receiver.poll_inbox(&mut Context::from_waker(&waker)).is_pending());
            for (number, wakes) in [(1, true), (2, false)] {
                sender.push_data(1, number, 1).unwrap();
                sender.wake(1);
                assert_eq!(woken.0.swap(false, Ordering::SeqCst), wakes, "{number} of round {round}");
            }
            let mut arrived = Vec::new();
            receiver.drain(|_, parcel| arrived.push(parcel));
            assert_eq!(arrived, [Parcel::Data(1), Parcel::Data(2)]);
        }
    }

    // go: server/ipqueue_test.go TestIPQueueSizeCalculationWithLimits
    #[test]
    fn a_lane_takes_so_many_pieces_or_so_many_bytes() {
        for (pieces, bytes) in [(5, usize::MAX), (100, 16 * 5)] {
            let mut ends = lanes::<u8>(2, pieces, bytes);
            let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
            let taken = (0..10).filter(|&number| sender.push_data(1, number, 16).is_ok());
            assert_eq!(taken.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
            let mut arrived = 0;
            receiver.drain(|_, _| arrived += 1);
            assert_eq!(arrived, 5);
        }
    }

    #[test]
    fn a_lane_is_full_when_it_holds_so_many_bytes() {
        let mut ends = lanes::<u8>(2, 10, 100);
        let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
        let mut cx = Context::from_waker(Waker::noop());
        sender.push_data(1, 1, 99).unwrap();
        // One piece may be of any size.
        sender.push_data(1, 2, 500).unwrap();
        assert_eq!(sender.push_data(1, 3, 1), Err(3));
        let mut arrived = Vec::new();
        receiver.drain(|_, parcel| arrived.push(parcel));
        assert_eq!(arrived, [Parcel::Data(1), Parcel::Data(2)]);
        assert!(sender.poll_room(&mut cx).is_ready());
        sender.push_data(1, 3, 1).unwrap();
    }

    #[test]
    fn what_arrives_while_a_lane_is_drained_waits_for_the_next_time() {
        let mut ends = lanes::<u8>(2, 10, 100);
        let (receiver, sender) = (ends.pop().unwrap(), ends.pop().unwrap());
        sender.push_data(1, 1, 1).unwrap();
        let mut arrived = Vec::new();
        receiver.drain(|_, parcel| {
            arrived.push(parcel);
            sender.push_data(1, 2, 1).unwrap();
            sender.wake(1);
        });
        assert_eq!(arrived, [Parcel::Data(1)]);
        assert!(receiver.inbox_pending());
        receiver.drain(|_, parcel| arrived.push(parcel));
        assert_eq!(arrived, [Parcel::Data(1), Parcel::Data(2)]);
    }
}
