//! One life of a machine: an executor, an engine on a disk, and the tasks that belong to it.

use std::cell::RefCell;
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::Broken;
use super::chance::Chance;
use crate::disk::sim::SimDisk;
use crate::engine::{Background, Engine, EngineOptions, Spawn};
use crate::log::{CommitLog, LogError, LogOptions};

#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `life` and what it starts until it is done, or until the disk is off: then `None`, and everything is dropped where it
/// stands.
///
/// # Panics
/// If nobody is ready to do anything and nobody will be: a wake-up was forgotten.
pub(super) fn run<T, F: Future<Output = T>>(disk: &SimDisk, life: impl FnOnce(Spawn) -> F) -> Option<T> {
    let tasks: Rc<RefCell<Vec<Background>>> = Rc::default();
    let spawn: Spawn = {
        let tasks = Rc::clone(&tasks);
        Rc::new(move |task| tasks.borrow_mut().push(task))
    };
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut life = pin!(life(spawn));
    loop {
        bell.0.store(false, Ordering::Relaxed);
        if let Poll::Ready(done) = life.as_mut().poll(&mut context) {
            return Some(done);
        }
        let mut running = std::mem::take(&mut *tasks.borrow_mut());
        running.retain_mut(|task| Pin::new(task).poll(&mut context).is_pending());
        let has_new = !tasks.borrow().is_empty();
        tasks.borrow_mut().extend(running);
        if disk.is_stopped() {
            return None;
        }
        assert!(has_new || bell.0.load(Ordering::Relaxed), "everybody waits and nobody is woken");
    }
}

/// An engine with little room, so that all that can fill up or wrap does.
pub(super) async fn engine(
    disk: &SimDisk,
    spawn: Spawn,
    chance: &mut Chance,
    broken: Broken,
) -> Result<Engine<SimDisk>, LogError> {
    let folder = Path::new("log");
    let replay = CommitLog::recover_all(disk, folder).await?;
    assert!(replay.damage.is_empty(), "{:?}", replay.damage);
    let log = LogOptions {
        segment_len: [64 << 10, 128 << 10, 1 << 20][chance.index(3)],
        segments: 2 + chance.index(3),
        fold_at: [4 << 10, 32 << 10, 256 << 10][chance.index(3)],
        folds_in_flight: 1 + chance.index(3),
        without_page_rule: broken == Broken::PageRule,
    };
    let options = EngineOptions {
        cache_bytes: [4 << 10, 64 << 10, 8 << 20][chance.index(3)],
        open_files_max: 1 + chance.index(6),
        log,
    };
    Engine::open(disk.clone(), folder, "0", options, spawn, chance.seed()).await
}
