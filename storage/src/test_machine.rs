//! A simulated machine for tests: a disk, an engine on it, and the tasks that belong to them.

use std::cell::RefCell;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use futures_lite::future::{block_on, or, poll_fn, yield_now};

use crate::disk::sim::SimDisk;
use crate::engine::{Background, Engine, EngineOptions, Spawn};
use crate::log::{CommitLog, LogOptions};

/// Starts the machine and runs `work` until it is done, or until the machine is turned off: then `None`.
pub(crate) fn run<T>(disk: &SimDisk, seed: u64, work: impl AsyncFnOnce(Engine<SimDisk>) -> T) -> Option<T> {
    let tasks: Rc<RefCell<Vec<Background>>> = Rc::default();
    let spawn: Spawn = {
        let tasks = Rc::clone(&tasks);
        Rc::new(move |task| tasks.borrow_mut().push(task))
    };
    let whole = async {
        let folder = Path::new("log");
        CommitLog::recover_all(disk, folder).await.unwrap();
        let log = LogOptions { segment_len: 256 << 10, ..LogOptions::default() };
        let options = EngineOptions { log, ..EngineOptions::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let engine = Engine::open(disk.clone(), folder, "0", options, spawn, bytes).await.unwrap();
        Some(work(engine).await)
    };
    let stopped = async {
        disk.stopped().await;
        None
    };
    let mut whole = Box::pin(or(stopped, whole));
    block_on(poll_fn(|context| {
        if let Poll::Ready(done) = whole.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let mut running = std::mem::take(&mut *tasks.borrow_mut());
        running.retain_mut(|task| Pin::new(task).poll(context).is_pending());
        let mut tasks = tasks.borrow_mut();
        if !tasks.is_empty() {
            // Begun by others just now, and not polled yet.
            context.waker().wake_by_ref();
        }
        tasks.append(&mut running);
        Poll::Pending
    }))
}

/// Waits until the background has nothing to do.
pub(crate) async fn settle(engine: &Engine<SimDisk>) {
    loop {
        let before = engine.disk().operations();
        for _ in 0..500 {
            yield_now().await;
        }
        if engine.disk().operations() == before {
            return;
        }
    }
}
