//! A simulated machine for tests: a disk, an engine on it, and the tasks that belong to them.

use std::cell::RefCell;
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future::{or, yield_now};
use natrium_model::Timestamp;

use crate::disk::sim::{Faults, SimDisk};
use crate::engine::{Background, Engine, EngineOptions, Spawn};
use crate::log::{CommitLog, LogError, LogOptions};
use crate::message::NewMessage;
use crate::store::{Admission, Store};

/// A disk and what runs on it. Tasks are polled in turn, and only those that were woken.
pub(crate) struct Machine {
    disk: RefCell<SimDisk>,
    tasks: RefCell<Vec<Task>>,
}

struct Task {
    work: Background,
    bell: Arc<Bell>,
}

/// Whether somebody was woken.
struct Bell(AtomicBool);

impl Machine {
    pub(crate) fn new(disk: SimDisk) -> Rc<Self> {
        Rc::new(Self { disk: RefCell::new(disk), tasks: RefCell::default() })
    }

    pub(crate) fn disk(&self) -> SimDisk {
        self.disk.borrow().clone()
    }

    /// Recovers the log and opens an engine on it, whose tasks are the machine's.
    pub(crate) async fn engine(
        self: &Rc<Self>,
        options: EngineOptions,
        seed: [u8; 32],
    ) -> Result<Engine<SimDisk>, LogError> {
        let (disk, folder) = (self.disk(), Path::new("log"));
        let replay = CommitLog::recover_all(&disk, folder).await?;
        assert!(replay.damage.is_empty(), "{:?}", replay.damage);
        // Tasks hold engines, and engines this: it must not hold the tasks.
        let machine = Rc::downgrade(self);
        let spawn: Spawn = Rc::new(move |work| {
            if let Some(machine) = machine.upgrade() {
                machine.tasks.borrow_mut().push(Task { work, bell: Bell::rung() });
            }
        });
        Engine::open(disk, folder, "0", options, spawn, seed).await
    }

    /// Runs `life` and the tasks beside it until it is done, or until the disk is off: then `None`. Everything else is dropped
    /// where it stands.
    ///
    /// # Panics
    /// As [`Machine::run`].
    pub(crate) fn run_until_off<T>(&self, life: impl Future<Output = T>) -> Option<T> {
        let disk = self.disk();
        let off = async {
            disk.stopped().await;
            None
        };
        self.run(or(off, async { Some(life.await) }))
    }

    /// The same for a life that deals with its disk being off.
    ///
    /// # Panics
    /// If nobody is ready to do anything and nobody will be: a wake-up was forgotten.
    pub(crate) fn run<T>(&self, life: impl Future<Output = T>) -> T {
        let mut life = pin!(life);
        let bell = Bell::rung();
        let done = loop {
            if let Some(Poll::Ready(done)) = bell.poll(life.as_mut()) {
                break done;
            }
            let mut running = self.tasks.take();
            running.retain_mut(|task| !matches!(task.bell.poll(task.work.as_mut()), Some(Poll::Ready(()))));
            // Those that were begun meanwhile are first.
            self.tasks.borrow_mut().append(&mut running);
            let is_anyone_woken =
                bell.is_rung() || self.tasks.borrow().iter().any(|task| task.bell.is_rung());
            assert!(is_anyone_woken, "everybody waits and nobody is woken");
        };
        drop(self.tasks.take());
        done
    }

    /// The power goes and comes back: tasks end where they stand, and the disk has what it chose to keep.
    pub(crate) fn lose_power(&self) {
        drop(self.tasks.take());
        let left = self.disk().crash();
        self.disk.replace(left);
    }
}

impl Bell {
    fn rung() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    fn is_rung(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// One turn of `work`, if it was woken since its last.
    fn poll<T>(self: &Arc<Self>, work: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<Poll<T>> {
        let waker = Waker::from(Arc::clone(self));
        self.0.swap(false, Ordering::Relaxed).then(|| work.poll(&mut Context::from_waker(&waker)))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Starts the machine and runs `work` until it is done, or until the machine is turned off: then `None`.
pub(crate) fn run<T>(disk: &SimDisk, seed: u64, work: impl AsyncFnOnce(Engine<SimDisk>) -> T) -> Option<T> {
    let machine = Machine::new(disk.clone());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    machine.run_until_off(async { work(machine.engine(options(), bytes).await.unwrap()).await })
}

pub(crate) fn options() -> EngineOptions {
    let log = LogOptions { segment_len: 1 << 20, ..LogOptions::default() };
    EngineOptions { log, ..EngineOptions::default() }
}

/// Messages 1 to `count` of 400 bytes, over so many subjects, twenty to a commit.
pub(crate) async fn fill(store: &Store<SimDisk>, count: u64, subjects: u64) {
    for n in 1..=count {
        let subject = format!("s.{}", n % subjects);
        let message = NewMessage {
            subject: subject.as_bytes(),
            headers: b"",
            payload: &[n as u8; 400],
            timestamp: Timestamp(n as i64),
            expires: None,
            due: None,
        };
        let appended = store.append(&message, Admission::Checked).await.unwrap();
        if n.is_multiple_of(20) {
            store.committed(appended.commit).await.unwrap();
        }
    }
}

/// Waits until the background has nothing to do.
pub(crate) async fn settle(engine: &Engine<SimDisk>) {
    for _ in 0..1000 {
        let before = engine.disk().operations();
        for _ in 0..500 {
            yield_now().await;
        }
        if engine.disk().operations() == before {
            return;
        }
    }
    panic!("the background has no end");
}

#[test]
#[should_panic = "nobody is woken"]
fn a_task_that_nobody_will_wake_is_told() {
    Machine::new(SimDisk::new(1, Faults::default())).run(std::future::pending::<()>());
}
