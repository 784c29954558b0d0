//! From one request to what all shards say to it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use futures_lite::future;
use natrium_model::Timestamp;
use natrium_monitor::{AccountCounters, Collected, Needs, Process, RequestStats, Snapshots};
use natrium_shards::{MailboxSender, mailbox, sleep, spawn_blocking};

use super::endpoint::{Endpoint, Moment};
use super::report::ShardReport;
use super::usage::{CpuMeter, Usage};
use crate::shard::Letter;

/// What the shard that serves the endpoint keeps for it.
pub(crate) struct Desk {
    pub(super) requests: RefCell<RequestStats>,
    /// HTTP connections now.
    pub(super) connections: Cell<usize>,
    cpu: CpuMeter,
}

/// What a shard is asked for.
pub(crate) struct Question {
    pub(super) needs: Needs,
    pub(super) now: Timestamp,
    answer: MailboxSender<ShardReport>,
}

/// A shard did not answer in time.
pub(super) struct Silence;

/// How long a request waits for the shards. Below the patience of the probes and scrapers that ask (5 s and more), so that
/// they read what is wrong.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);

impl Desk {
    pub(crate) fn new(now: Instant) -> Self {
        Self { requests: RefCell::default(), connections: Cell::new(0), cpu: CpuMeter::new(now) }
    }

    /// Everything that the answer to a request with `needs` is written from.
    pub(super) async fn collect(&self, endpoint: &Endpoint, needs: &Needs) -> Result<Snapshots, Silence> {
        let process = self.process(endpoint).await;
        let now = Timestamp::from_system(SystemTime::now());
        let reports = ask_all(endpoint, needs, now).await?;
        let requests = self.requests.borrow().clone();
        let mut snapshots = Snapshots {
            server: endpoint.server(Moment { now, process, requests }),
            shards: Vec::new(),
            accounts: Vec::new(),
            connections: Collected::default(),
            subscriptions: Collected::default(),
        };
        let mut accounts: Vec<AccountCounters> = Vec::new();
        for report in reports {
            snapshots.shards.extend(report.shard);
            accounts.resize(accounts.len().max(report.accounts.len()), AccountCounters::default());
            for (sum, counters) in accounts.iter_mut().zip(&report.accounts) {
                *sum += *counters;
            }
            snapshots.connections.add(report.connections.total, report.connections.entries);
            snapshots.subscriptions.add(report.subscriptions.total, report.subscriptions.entries);
        }
        snapshots.accounts = endpoint.accounts(&accounts);
        Ok(snapshots)
    }

    async fn process(&self, endpoint: &Endpoint) -> Process {
        let usage = spawn_blocking(Usage::read).await;
        let percent = self.cpu.percent(usage.cpu_time, Instant::now());
        usage.process(percent, endpoint.cores(), endpoint.program().to_owned())
    }
}

impl Question {
    /// Hands over the answer. Whoever asked may have gone.
    pub(crate) fn answer(&self, report: ShardReport) {
        let _ = self.answer.send(report);
    }
}

/// The reports of all shards, in the order of their numbers; none where nothing of the shards is needed.
async fn ask_all(endpoint: &Endpoint, needs: &Needs, now: Timestamp) -> Result<Vec<ShardReport>, Silence> {
    if *needs == Needs::default() {
        return Ok(Vec::new());
    }
    let shards = &endpoint.shards;
    let (answer, answers) = mailbox(shards.len());
    for shard in shards {
        let question = Question { needs: needs.clone(), now, answer: answer.clone() };
        shard.send(Letter::Report(Box::new(question))).map_err(|_| Silence)?;
    }
    let all = async {
        let mut reports = Vec::with_capacity(shards.len());
        while reports.len() < shards.len() {
            reports.push(answers.receive().await);
        }
        reports.sort_unstable_by_key(|report: &ShardReport| report.index);
        Ok(reports)
    };
    let silence = async {
        sleep(ANSWER_LIMIT).await;
        Err(Silence)
    };
    future::or(all, silence).await
}
