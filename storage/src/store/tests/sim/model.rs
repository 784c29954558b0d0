//! What a store should hold, kept the plainest way there is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use natrium_model::Timestamp;

use crate::message::{
    Discard, Filter, Limits, Matching, NEVER, NewMessage, Purge, State, accounted_size,
    accounted_size_in_memory,
};
use crate::sources::{Source, SourcePosition, SourcePositions};
use crate::store::{Admission, Refusal};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Msg {
    pub subject: String,
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
    pub timestamp: Timestamp,
    pub expires: Option<Timestamp>,
    pub due: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Memory,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub kind: Kind,
    pub messages: BTreeMap<u64, Rc<Msg>>,
    pub last: u64,
    pub last_timestamp: Option<Timestamp>,
    pub limits: Limits,
    /// Scheduled messages that were not told of.
    pub due: BTreeMap<u64, Timestamp>,
    /// Sources that are configured.
    pub sources: BTreeSet<&'static str>,
    /// How far it has come in each: sequence and identity.
    pub positions: BTreeMap<&'static str, (u64, String)>,
}

impl Msg {
    pub(super) fn as_new(&self) -> NewMessage<'_> {
        NewMessage {
            subject: self.subject.as_bytes(),
            headers: &self.headers,
            payload: &self.payload,
            timestamp: self.timestamp,
            expires: self.expires,
            due: self.due,
        }
    }

    /// Where it was in a source, if it came from there: looked for the plainest way there is.
    fn position_in(&self, name: &str) -> Option<(u64, String)> {
        let text = std::str::from_utf8(&self.headers).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Nats-Stream-Source: "))?;
        let fields: Vec<&str> = line.split(' ').collect();
        let is_it = [fields[0], fields[2], fields[3]].join(" ") == name;
        is_it.then(|| (fields[1].parse().unwrap(), fields.get(5).unwrap_or(&"").to_string()))
    }

    /// Headers that begin so are a marker's.
    pub(super) fn is_marker(headers: &[u8]) -> bool {
        headers.starts_with(MARKER)
    }
}

/// Index names of sources, each of a stream of its own.
pub(super) const SOURCES: [&str; 4] = ["A > >", "B a.* >", "C:hash > x", "D > >"];

pub(super) fn configured<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> Vec<Source> {
    let source =
        |name: &&str| Source { index_name: name.as_bytes().into(), stream: name.as_bytes()[..1].into() };
    names.into_iter().map(source).collect()
}

/// The header of message `seq` of a source.
pub(super) fn source_header(name: &str, seq: u64, identity: &str) -> Vec<u8> {
    let (stream, rest) = name.split_once(' ').unwrap();
    let end = if identity.is_empty() { String::new() } else { format!(" {identity}") };
    format!("NATS/1.0\r\nNats-Stream-Source: {stream} {seq} {rest} orders.1{end}\r\n\r\n").into_bytes()
}

pub(super) const MARKER: &[u8] = b"NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\n\r\n";

impl Model {
    pub(super) fn new(kind: Kind, limits: Limits, first: u64) -> Self {
        Self {
            kind,
            messages: BTreeMap::new(),
            last: first - 1,
            last_timestamp: None,
            limits,
            due: BTreeMap::new(),
            sources: BTreeSet::new(),
            positions: BTreeMap::new(),
        }
    }

    pub(super) fn size(&self, message: &Msg) -> u64 {
        let (subject, headers, payload) =
            (message.subject.len(), message.headers.len(), message.payload.len());
        match self.kind {
            Kind::File => accounted_size(subject, headers, payload),
            Kind::Memory => accounted_size_in_memory(subject, headers, payload),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.messages.values().map(|message| self.size(message)).sum()
    }

    pub(super) fn first(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(self.last + 1)
    }

    pub(super) fn state(&self) -> State {
        let first_seq = self.first();
        State {
            messages: self.messages.len() as u64,
            bytes: self.bytes(),
            first_seq,
            first_timestamp: self.messages.values().next().map(|message| message.timestamp),
            last_seq: self.last,
            last_timestamp: self.last_timestamp,
            subjects: self.subjects(Filter::All).len() as u64,
            deleted: self.last + 1 - first_seq - self.messages.len() as u64,
        }
    }

    fn of_subject(&self, subject: &str) -> impl Iterator<Item = u64> {
        self.messages.iter().filter(move |(_, message)| message.subject == subject).map(|(&seq, _)| seq)
    }

    pub(super) fn refusal(&self, message: &Msg, admission: Admission) -> Option<Refusal> {
        let limits = self.limits;
        if limits.discard == Discard::Old || admission == Admission::Forced {
            return None;
        }
        let of_subject = self.of_subject(&message.subject).count() as u64;
        let replaces = limits.max_messages_per_subject.is_some_and(|max| of_subject > 0 && of_subject >= max);
        if replaces && limits.discard == Discard::NewPerSubject && admission != Admission::Rollup {
            return Some(Refusal::MaxMessagesPerSubject);
        }
        if limits.max_messages.is_some_and(|max| self.messages.len() as u64 >= max) && !replaces {
            return Some(Refusal::MaxMessages);
        }
        let size = self.size(message);
        let freed = if replaces {
            self.of_subject(&message.subject).next().map_or(0, |first| self.size(&self.messages[&first]))
        } else {
            0
        };
        let is_full = limits.max_bytes.is_some_and(|max| self.bytes() + size > max);
        (is_full && freed < size).then_some(Refusal::MaxBytes)
    }

    /// Appends without a look at the limits.
    pub(super) fn push(&mut self, message: &Msg) -> u64 {
        self.last += 1;
        let timestamp = self.last_timestamp.map_or(message.timestamp, |last| last.max(message.timestamp));
        self.last_timestamp = Some(timestamp);
        if let Some(due) = message.due {
            self.due.insert(self.last, due);
        }
        let origin = SOURCES.iter().find_map(|&name| Some((name, message.position_in(name)?)));
        if let Some((name, position)) = origin
            && !self.sources.is_empty()
            && (self.sources.contains(name) || self.positions.contains_key(name))
        {
            self.positions.insert(name, position);
        }
        self.messages.insert(self.last, Rc::new(Msg { timestamp, ..message.clone() }));
        self.last
    }

    pub(super) fn remove(&mut self, seq: u64) -> bool {
        self.due.remove(&seq);
        self.messages.remove(&seq).is_some()
    }

    /// Takes out what is too much, of `subject` first.
    pub(super) fn enforce(&mut self, subject: Option<&str>) {
        loop {
            let limits = self.limits;
            let of_subject = subject.and_then(|subject| {
                let max = limits.max_messages_per_subject?;
                (self.of_subject(subject).count() as u64 > max)
                    .then(|| self.of_subject(subject).next())
                    .flatten()
            });
            // A store that discards new messages keeps those it has.
            let is_over = limits.discard == Discard::Old
                && (limits.max_messages.is_some_and(|max| self.messages.len() as u64 > max)
                    || limits.max_bytes.is_some_and(|max| self.bytes() > max));
            let oldest = is_over.then(|| self.messages.keys().next().copied()).flatten();
            let Some(seq) = of_subject.or(oldest) else { return };
            self.remove(seq);
        }
    }

    pub(super) fn skip(&mut self, count: u64, now: Timestamp) {
        if count > 0 {
            self.last += count;
            // The time of the last message stays what it is.
            let timestamp = self.last_timestamp.unwrap_or(now);
            self.last_timestamp = Some(timestamp).filter(|timestamp| timestamp.0 != 0);
        }
    }

    pub(super) fn configure(&mut self, sources: BTreeSet<&'static str>) {
        self.positions.retain(|name, _| sources.contains(name));
        self.sources = sources;
    }

    /// What is told of its sources.
    pub(super) fn source_positions(&self) -> SourcePositions {
        let known = self.positions.iter().filter(|(_, (seq, _))| *seq > 0);
        let position = |(seq, identity): &(u64, String)| SourcePosition {
            seq: *seq,
            identity: identity.as_bytes().into(),
        };
        known.map(|(name, at)| (name.as_bytes().into(), position(at))).collect()
    }

    /// The states a change of the limits goes through.
    pub(super) fn limit_steps(&self) -> Vec<Self> {
        let mut steps = Vec::new();
        let mut model = self.clone();
        if let Some(max) = self.limits.max_messages_per_subject {
            for (subject, messages) in self.subjects(Filter::All) {
                if messages > max {
                    model.enforce(Some(&subject));
                    steps.push(model.clone());
                }
            }
        }
        model.enforce(None);
        steps.push(model);
        steps
    }

    pub(super) fn truncate(&mut self, seq: u64) {
        if seq >= self.last {
            return;
        }
        for gone in self.messages.split_off(&(seq + 1)).into_keys() {
            self.due.remove(&gone);
        }
        self.last = seq;
        self.last_timestamp = self.messages.values().next_back().map(|message| message.timestamp);
    }

    /// How many messages a purge takes.
    pub(super) fn purge(&mut self, purge: Purge<'_>) -> u64 {
        let filter = match purge.subject {
            None | Some(b"" | b">") => Filter::All,
            Some(subject) => Filter::Subject(subject),
        };
        let keep = purge.keep.unwrap_or(0);
        if purge.below == Some(1) {
            return 0;
        }
        if let (Filter::All, Some(below), 0) = (filter, purge.below.filter(|&below| below > 0), keep) {
            return self.compact(below);
        }
        let until = purge.below.filter(|&below| below > 0).unwrap_or(u64::MAX);
        let matching = self.seqs(filter, 0);
        let many = if keep == 0 { usize::MAX } else { matching.len().saturating_sub(keep as usize) };
        let gone: Vec<u64> = matching.into_iter().filter(|&seq| seq < until).take(many).collect();
        for &seq in &gone {
            self.remove(seq);
        }
        gone.len() as u64
    }

    pub(super) fn compact(&mut self, seq: u64) -> u64 {
        let gone: Vec<u64> = self.messages.range(..seq).map(|(&seq, _)| seq).collect();
        for &seq in &gone {
            self.remove(seq);
        }
        if seq > self.last + 1 {
            let now = self.last_timestamp.unwrap_or(Timestamp(0));
            self.skip(seq - 1 - self.last, now);
        }
        gone.len() as u64
    }

    /// Whether the message's time has come. By age the oldest goes first.
    pub(super) fn may_expire(&self, seq: u64, now: Timestamp) -> bool {
        let Some(message) = self.messages.get(&seq) else { return false };
        let by_age = self.limits.max_age_ns.is_some_and(|age| {
            message.expires != Some(NEVER) && message.timestamp.0.saturating_add(age as i64) <= now.0
        });
        by_age || message.expires.is_some_and(|expires| expires != NEVER && expires <= now)
    }

    pub(super) fn anything_expires(&self, now: Timestamp) -> bool {
        self.messages.keys().any(|&seq| self.may_expire(seq, now))
    }

    pub(super) fn seqs(&self, filter: Filter<'_>, from: u64) -> Vec<u64> {
        let matching =
            self.messages.range(from..).filter(|(_, message)| filter.matches(message.subject.as_bytes()));
        matching.map(|(&seq, _)| seq).collect()
    }

    pub(super) fn subjects(&self, filter: Filter<'_>) -> BTreeMap<String, u64> {
        let mut subjects = BTreeMap::new();
        for message in self.messages.values().filter(|message| filter.matches(message.subject.as_bytes())) {
            *subjects.entry(message.subject.clone()).or_default() += 1;
        }
        subjects
    }

    pub(super) fn last_of_each(&self, filter: Filter<'_>, until: u64) -> Vec<u64> {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (&seq, message) in self.messages.range(..=until) {
            if filter.matches(message.subject.as_bytes()) {
                last.insert(&message.subject, seq);
            }
        }
        last.into_values().collect::<BTreeSet<u64>>().into_iter().collect()
    }

    pub(super) fn subject_state(&self, subject: &str) -> Matching {
        let seqs: Vec<u64> = self.of_subject(subject).collect();
        Matching {
            messages: seqs.len() as u64,
            first_seq: seqs.first().copied().unwrap_or(0),
            last_seq: seqs.last().copied().unwrap_or(0),
        }
    }

    pub(super) fn deleted_runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for seq in (self.first()..=self.last).filter(|seq| !self.messages.contains_key(seq)) {
            match runs.last_mut() {
                Some(run) if run.1 + 1 == seq => run.1 = seq,
                _ => runs.push((seq, seq)),
            }
        }
        runs
    }

    pub(super) fn seq_at(&self, time: Timestamp) -> u64 {
        let found = self.messages.iter().find(|(_, message)| message.timestamp >= time);
        found.map_or(self.last + 1, |(&seq, _)| seq)
    }

    /// As a store that was opened again has it: what was told of is told of again.
    pub(super) fn reopened(&self) -> Self {
        let mut model = self.clone();
        model.due = self.messages.iter().filter_map(|(&seq, message)| Some((seq, message.due?))).collect();
        model
    }

    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<(u64, Timestamp)> {
        let told: Vec<_> =
            self.due.iter().filter(|(_, due)| **due <= now).map(|(&seq, &due)| (seq, due)).collect();
        for (seq, _) in &told {
            self.due.remove(seq);
        }
        told
    }
}
