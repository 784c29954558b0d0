//! One store of a world, the model of it, and every state it has been in.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use natrium_model::Timestamp;

use super::chance::Chance;
use super::check;
use super::model::{Kind, MARKER, Model, Msg, SOURCES, configured, source_header};
use super::tell;
use crate::disk::sim::SimDisk;
use crate::message::{Discard, Limits, NEVER, Purge};
use crate::store::expire::Marker;
use crate::store::{Admission, CommitNumber, Store, StoreError};

/// What outlives a crash of the world: what was done, and how much of it was acknowledged.
pub(super) struct Actor {
    /// States in the order they were in force. A crash finds one that is not before the acknowledged one.
    pub history: Vec<Model>,
    /// States that the change under way may leave when it is interrupted, in their order.
    pub pending: Vec<Model>,
    /// Commits not known to be durable, with the place in the history each makes durable.
    commits: Vec<(CommitNumber, usize)>,
    pub acknowledged: usize,
    pub has_failed: bool,
    /// What the store is opened with.
    pub sources: BTreeSet<&'static str>,
    /// What it was opened with since it was found, whether or not that came to its end: others may be forgotten.
    opened_with: Vec<BTreeSet<&'static str>>,
}

pub(super) type Shared = Rc<RefCell<Actor>>;

/// What a step of a world may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Append,
    AppendAll,
    Skip,
    Remove,
    Erase,
    Purge,
    Compact,
    Truncate,
    SetLimits,
    SetSources,
    ApplySources,
    Expire,
    TakeDue,
    Wait,
    Get,
    Query,
    Counts,
}

impl Actor {
    pub(super) fn new(kind: Kind, limits: Limits, first_seq: u64) -> Self {
        Self {
            history: vec![Model::new(kind, limits, first_seq)],
            pending: Vec::new(),
            commits: Vec::new(),
            acknowledged: 0,
            has_failed: false,
            sources: BTreeSet::new(),
            opened_with: Vec::new(),
        }
    }

    /// What the next life opens the store with.
    pub(super) fn open_with(&mut self, sources: BTreeSet<&'static str>) {
        let before = std::mem::replace(&mut self.sources, sources);
        self.opened_with.push(before);
    }

    /// Sources that lives which ended while they opened the store may have left.
    pub(super) fn maybe_kept(&self) -> BTreeSet<BTreeSet<&'static str>> {
        let mut kept = BTreeSet::from([BTreeSet::from(SOURCES)]);
        for opened_with in &self.opened_with {
            let less = kept.iter().map(|kept| kept & opened_with).collect::<Vec<_>>();
            kept.extend(less);
        }
        kept
    }

    pub(super) fn now(&self) -> &Model {
        self.history.last().expect("there is always a state")
    }

    fn push(&mut self, models: impl IntoIterator<Item = Model>, commit: CommitNumber) {
        self.history.extend(models);
        self.commits.push((commit, self.history.len() - 1));
    }

    fn acknowledge(&mut self, commit: CommitNumber) {
        for &(other, place) in &self.commits {
            if other <= commit {
                self.acknowledged = self.acknowledged.max(place);
            }
        }
        self.commits.retain(|(other, _)| *other > commit);
    }

    /// The states a crash may have left, the newest first.
    pub(super) fn possible(&self) -> impl Iterator<Item = &Model> {
        self.pending.iter().rev().chain(self.history[self.acknowledged..].iter().rev())
    }

    /// A new life begins with what was found: `now`, made of one of `before`, which may be there still.
    pub(super) fn found(&mut self, before: Vec<Model>, now: Model) {
        self.history = before;
        self.history.push(now);
        self.pending.clear();
        self.commits.clear();
        self.acknowledged = 0;
        self.has_failed = false;
        self.opened_with.clear();
    }
}

/// One random step. `false` once the store has failed.
pub(super) async fn step(
    store: &Store<SimDisk>,
    actor: &Shared,
    chance: &mut Chance,
    now: Timestamp,
) -> bool {
    let which = draw(chance);
    let model = actor.borrow().now().clone();
    let some_seq = |chance: &mut Chance| {
        let first = model.first().saturating_sub(2);
        first + chance.below(model.last + 4 - first)
    };
    let done: Result<(Vec<Model>, CommitNumber), StoreError> = match which {
        Step::Append => append(store, &model, chance, now).await,
        Step::AppendAll => append_all(store, &model, chance, now).await,
        Step::Skip => {
            let count = chance.below(4) * chance.below(10);
            let mut next = model.clone();
            next.skip(count, now);
            store.skip(None, count, now).await.map(|appended| {
                assert_eq!(appended.seq, next.last, "skip");
                (vec![next], appended.commit)
            })
        }
        Step::Remove => {
            let seq = some_seq(chance);
            let mut next = model.clone();
            let is_there = next.remove(seq);
            store.remove(seq).await.map(|commit| {
                assert_eq!(commit.is_some(), is_there, "removal of {seq}");
                (commit.map(|_| next).into_iter().collect(), commit.unwrap_or(0))
            })
        }
        Step::Erase => {
            let seq = some_seq(chance);
            let mut next = model.clone();
            let is_there = next.remove(seq);
            actor.borrow_mut().pending = vec![next.clone()];
            let erased = store.erase(seq).await;
            erased.map(|was_there| {
                assert_eq!(was_there, is_there, "erasure of {seq}");
                if was_there {
                    let mut actor = actor.borrow_mut();
                    actor.history.push(next);
                    actor.acknowledged = actor.history.len() - 1;
                }
                (Vec::new(), 0)
            })
        }
        Step::Purge => {
            let subject = PURGES[chance.index(PURGES.len())];
            let below = chance.one_in(3).then(|| some_seq(chance));
            let keep = (below.is_none() && chance.one_in(2)).then(|| chance.below(5));
            let purge = Purge { subject: subject.map(str::as_bytes), below, keep };
            let mut next = model.clone();
            let expected = next.purge(purge);
            let is_compaction = matches!(subject, None | Some("" | ">")) && keep.unwrap_or(0) == 0;
            let mut steps = turns(&model, below.filter(|_| is_compaction).unwrap_or(0));
            steps.push(next);
            actor.borrow_mut().pending = steps.clone();
            store.purge(purge).await.map(|(purged, commit)| {
                assert_eq!(purged, expected, "{purge:?}");
                (steps, commit)
            })
        }
        Step::Compact => {
            let seq = some_seq(chance) + if chance.one_in(8) { chance.below(30) } else { 0 };
            let mut next = model.clone();
            let expected = next.compact(seq);
            let mut steps = turns(&model, seq);
            steps.push(next);
            actor.borrow_mut().pending = steps.clone();
            store.compact(seq).await.map(|(purged, commit)| {
                assert_eq!(purged, expected, "compaction to {seq}");
                (steps, commit)
            })
        }
        Step::Truncate => {
            let seq =
                if chance.one_in(5) { some_seq(chance) } else { model.last.saturating_sub(chance.below(12)) };
            let mut next = model.clone();
            next.truncate(seq);
            store.truncate(seq).await.map(|commit| (vec![next], commit))
        }
        Step::SetLimits => {
            let mut next = model.clone();
            next.limits = limits(chance);
            let steps = next.limit_steps();
            actor.borrow_mut().pending = steps.clone();
            store.set_limits(next.limits).await.map(|commit| (steps, commit))
        }
        Step::SetSources => {
            let mut next = model.clone();
            next.configure(sources(chance));
            let is_other = next.positions != model.positions;
            let configured = configured(&next.sources);
            let commit = store.set_sources(&configured).await;
            if !is_other && commit.is_ok() {
                // What is configured is not stored.
                actor.borrow_mut().history.last_mut().expect("a state").sources = next.sources;
                Ok((Vec::new(), 0))
            } else {
                commit.map(|commit| (vec![next], commit))
            }
        }
        Step::ApplySources => {
            let mut next = model.clone();
            let all: BTreeSet<_> = SOURCES.into_iter().filter(|_| chance.one_in(2)).collect();
            let known = |name| (name, (chance.below(9), ["", "X"][chance.index(2)].to_owned()));
            let other = Model { positions: all.into_iter().map(known).collect(), ..model.clone() };
            let applied = other.source_positions();
            if !applied.is_empty() && !model.sources.is_empty() {
                // Others than those that are configured too, and they are tracked from then on.
                next.positions = other.positions;
                next.positions.retain(|_, (seq, _)| *seq > 0);
            }
            store.apply_sources(&applied).await.map(|commit| (vec![next], commit))
        }
        Step::Expire => expire(store, &model, chance, now).await,
        Step::TakeDue => {
            let mut next = model.clone();
            let expected = next.take_due(now);
            let mut told = store.take_due(now, usize::MAX);
            told.sort_unstable();
            assert_eq!(told, expected, "due at {now:?}");
            *actor.borrow_mut().history.last_mut().expect("a state") = next;
            Ok((Vec::new(), 0))
        }
        Step::Wait => {
            let last = actor.borrow().commits.last().copied();
            match last {
                None => Ok((Vec::new(), 0)),
                Some((commit, _)) => store.committed(commit).await.map(|()| {
                    actor.borrow_mut().acknowledge(commit);
                    (Vec::new(), 0)
                }),
            }
        }
        Step::Get => {
            let seq = some_seq(chance);
            store.get(seq).await.map(|read| {
                let expected = model.messages.get(&seq).map(|message| (**message).clone());
                assert_eq!(read.map(|message| check::plain(&message)), expected, "message {seq}");
                (Vec::new(), 0)
            })
        }
        Step::Query => {
            check::query(store, &model, chance).await;
            Ok((Vec::new(), 0))
        }
        Step::Counts => {
            check::counts(store, &model).await;
            Ok((Vec::new(), 0))
        }
    };
    tell(|| match &done {
        Ok((models, commit)) => {
            let after = models.last().map(|model| (model.first(), model.last, model.messages.len()));
            format!("{which:?}: commit {commit}, first, last and count {after:?}")
        }
        Err(error) => format!("{which:?}: {error}"),
    });
    let mut actor = actor.borrow_mut();
    match done {
        Ok((models, commit)) => {
            actor.pending.clear();
            if !models.is_empty() {
                actor.push(models, commit);
            }
            true
        }
        Err(StoreError::Refused(_)) => true,
        // The message is gone durably, and what overwrites it is not written.
        Err(StoreError::Log(_)) if which == Step::Erase => {
            let gone = std::mem::take(&mut actor.pending);
            actor.history.extend(gone);
            actor.acknowledged = actor.history.len() - 1;
            true
        }
        Err(StoreError::Failed(_)) => {
            actor.has_failed = true;
            false
        }
        Err(other) => panic!("{which:?}: {other}"),
    }
}

/// What is many is taken out in turns, from the first on: the states between.
fn turns(model: &Model, below: u64) -> Vec<Model> {
    let mut step = model.clone();
    let gone = model.messages.range(..below).map(|(&seq, _)| seq);
    gone.map(|seq| {
        step.remove(seq);
        step.clone()
    })
    .collect()
}

async fn append(
    store: &Store<SimDisk>,
    model: &Model,
    chance: &mut Chance,
    now: Timestamp,
) -> Result<(Vec<Model>, CommitNumber), StoreError> {
    let message = message(chance, now);
    let admission = match chance.below(6) {
        0 => Admission::Forced,
        1 => Admission::Rollup,
        _ => Admission::Checked,
    };
    let refusal = model.refusal(&message, admission);
    match store.append(&message.as_new(), admission).await {
        Ok(appended) => {
            assert_eq!(refusal, None, "a message that is to be refused is in");
            let mut next = model.clone();
            assert_eq!(appended.seq, next.push(&message));
            assert_eq!(Some(appended.timestamp), next.last_timestamp);
            next.enforce(Some(&message.subject));
            Ok((vec![next], appended.commit))
        }
        Err(StoreError::Refused(found)) => {
            assert_eq!(Some(found), refusal);
            Err(StoreError::Refused(found))
        }
        Err(error) => Err(error),
    }
}

async fn append_all(
    store: &Store<SimDisk>,
    model: &Model,
    chance: &mut Chance,
    now: Timestamp,
) -> Result<(Vec<Model>, CommitNumber), StoreError> {
    let messages: Vec<Msg> = (0..chance.below(7)).map(|_| message(chance, now)).collect();
    let refusal = messages.iter().find_map(|message| model.refusal(message, Admission::Checked));
    let new: Vec<_> = messages.iter().map(Msg::as_new).collect();
    match store.append_all(&new, Admission::Checked).await {
        Ok(appended) => {
            assert_eq!(refusal, None, "messages that are to be refused are in");
            let mut next = model.clone();
            let seqs: Vec<u64> = messages.iter().map(|message| next.push(message)).collect();
            assert_eq!(appended.iter().map(|appended| appended.seq).collect::<Vec<_>>(), seqs);
            for message in &messages {
                next.enforce(Some(&message.subject));
            }
            Ok(match appended.last() {
                Some(last) => (vec![next], last.commit),
                None => (Vec::new(), 0),
            })
        }
        Err(StoreError::Refused(found)) => {
            assert_eq!(Some(found), refusal);
            Err(StoreError::Refused(found))
        }
        Err(error) => Err(error),
    }
}

/// Lets at most one message expire: which one, the store says, and whether that was right, the model.
async fn expire(
    store: &Store<SimDisk>,
    model: &Model,
    chance: &mut Chance,
    now: Timestamp,
) -> Result<(Vec<Model>, CommitNumber), StoreError> {
    let marker = Marker { headers: MARKER, ttl_ns: 40, is_marker: Msg::is_marker };
    let marker = chance.one_in(2).then_some(marker);
    let expired = store.expire(now, 1, marker).await?;
    let Some(&seq) = expired.removed.first() else {
        assert!(!model.anything_expires(now), "something was to expire at {now:?}");
        return Ok((Vec::new(), 0));
    };
    assert!(model.may_expire(seq, now), "{seq} was not to expire at {now:?}");
    let gone = model.messages[&seq].clone();
    let mut next = model.clone();
    next.remove(seq);
    let is_last = next.subject_state(&gone.subject).messages == 0;
    if let Some(marker) = marker
        && is_last
        && !Msg::is_marker(&gone.headers)
    {
        let left = Msg {
            subject: gone.subject.clone(),
            headers: MARKER.to_vec(),
            payload: Vec::new(),
            timestamp: now,
            expires: Some(Timestamp(now.0 + marker.ttl_ns)),
            due: None,
        };
        assert_eq!(expired.markers, [next.push(&left)]);
        next.enforce(Some(&gone.subject));
    } else {
        assert_eq!(expired.markers, [0_u64; 0]);
    }
    Ok((vec![next], expired.commit))
}

/// What is durable is still readable once the store has failed, and nothing else is given out.
pub(super) async fn check_failed(store: &Store<SimDisk>, actor: &Shared) {
    let model = actor.borrow().now().clone();
    let durable = store.durable_seq();
    let message = message(&mut Chance::new(1), Timestamp(1));
    if let Ok(appended) = store.append(&message.as_new(), Admission::Forced).await {
        assert!(store.committed(appended.commit).await.is_err(), "a failed store acknowledges");
    }
    // A change that failed halfway is part of what is in memory: only what it cannot have touched is compared.
    let acknowledged = actor.borrow().history[actor.borrow().acknowledged].clone();
    let pending = actor.borrow().pending.clone();
    for (seq, message) in &model.messages {
        let is_sure = pending.iter().all(|pending| pending.messages.get(seq) == Some(message));
        if *seq > durable || !is_sure || acknowledged.messages.get(seq) != Some(message) {
            continue;
        }
        match store.get(*seq).await {
            Ok(Some(read)) => assert_eq!(check::plain(&read), **message, "{seq}"),
            // The last change before the failure may have had no answer.
            Ok(None) => {}
            Err(error) => panic!("{seq} of {durable}: {error}"),
        }
    }
}

fn draw(chance: &mut Chance) -> Step {
    match chance.below(100) {
        0..40 => Step::Append,
        40..47 => Step::AppendAll,
        47..50 => Step::Skip,
        50..60 => Step::Remove,
        60..62 => Step::Erase,
        62..66 => Step::Purge,
        66..68 => Step::Compact,
        68..70 => Step::Truncate,
        70..72 => Step::SetLimits,
        72 => Step::SetSources,
        73 => Step::ApplySources,
        74..78 => Step::Expire,
        78..80 => Step::TakeDue,
        80..88 => Step::Wait,
        88..93 => Step::Get,
        93..98 => Step::Query,
        _ => Step::Counts,
    }
}

pub(super) fn message(chance: &mut Chance, now: Timestamp) -> Msg {
    let len = match chance.below(40) {
        0 => 70_000,
        1..4 => 5_000,
        4..10 => 900,
        _ => chance.index(200),
    };
    let len = if len > 1000 { len - chance.index(500) } else { len };
    let headers = match chance.below(8) {
        0..2 => b"NATS/1.0\r\nA: b\r\n\r\n".to_vec(),
        2..5 => {
            let name = SOURCES[chance.index(SOURCES.len())];
            source_header(name, chance.below(1000), ["", "ID", "LATER"][chance.index(3)])
        }
        _ => Vec::new(),
    };
    let expires = match chance.below(12) {
        0 => Some(NEVER),
        1..3 => Some(Timestamp(now.0 + 1 + chance.below(60) as i64)),
        _ => None,
    };
    Msg {
        subject: check::SUBJECTS[chance.index(check::SUBJECTS.len())].to_owned(),
        headers,
        payload: chance.bytes(len),
        timestamp: Timestamp(now.0 - chance.below(2) as i64 * chance.below(5) as i64),
        expires,
        due: chance.one_in(12).then(|| Timestamp(now.0 + chance.below(50) as i64)),
    }
}

/// Some of them, often all.
pub(super) fn sources(chance: &mut Chance) -> BTreeSet<&'static str> {
    let are_all = chance.one_in(2);
    SOURCES.into_iter().filter(|_| are_all || chance.one_in(2)).collect()
}

pub(super) fn limits(chance: &mut Chance) -> Limits {
    Limits {
        max_messages: chance.one_in(4).then(|| 5 + chance.below(60)),
        max_bytes: chance.one_in(4).then(|| 300 + chance.below(30_000)),
        max_age_ns: chance.one_in(4).then(|| 20 + chance.below(200)),
        max_messages_per_subject: chance.one_in(4).then(|| 1 + chance.below(9)),
        discard: match chance.below(4) {
            0 => Discard::New,
            1 => Discard::NewPerSubject,
            _ => Discard::Old,
        },
    }
}

const PURGES: [Option<&str>; 9] = [
    None,
    Some(""),
    Some(">"),
    Some("a"),
    Some("a.*"),
    Some("orders.>"),
    Some("orders.2"),
    Some("*"),
    Some("no"),
];
