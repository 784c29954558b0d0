//! Comparing a store with the model: everything there is to read and to ask.

use natrium_model::Timestamp;

use super::chance::Chance;
use super::model::{Model, Msg};
use crate::disk::sim::SimDisk;
use crate::message::{Filter, Matching, Message, State};
use crate::store::Store;
use crate::store::query::Counting;
use crate::store::read::Cursor;

type Subject = Store<SimDisk>;

/// All of it.
pub(super) async fn all(store: &Subject, model: &Model, chance: &mut Chance) {
    counts(store, model).await;
    for seq in model.first().saturating_sub(2)..=model.last + 2 {
        let read = store.get(seq).await.unwrap();
        assert_eq!(
            read.map(|message| plain(&message)),
            model.messages.get(&seq).map(|m| (**m).clone()),
            "{seq}"
        );
    }
    let mut read = Vec::new();
    let mut cursor = Cursor::default();
    loop {
        let from = read.last().map_or(0, |&seq| seq + 1);
        let more = store.read(&mut cursor, from, 7, 2000).await.unwrap();
        if more.is_empty() {
            break;
        }
        read.extend(more.iter().map(|message| message.seq));
    }
    assert_eq!(read, model.seqs(Filter::All, 0), "reading on");
    for _ in 0..4 {
        query(store, model, chance).await;
    }
}

/// The counts. Where no message ever was, a gap that was made by hand has the time 0, until the store is opened again.
pub(super) async fn state(store: &Subject) -> State {
    let state = store.state().await.unwrap();
    State { last_timestamp: state.last_timestamp.filter(|timestamp| timestamp.0 != 0), ..state }
}

/// The counts, against the content.
pub(super) async fn counts(store: &Subject, model: &Model) {
    assert_eq!(state(store).await, model.state());
    assert_eq!(store.deleted_runs(), model.deleted_runs(), "deleted");
    assert_eq!(store.last_seq(), model.last);
    assert_eq!(store.sources(), model.source_positions(), "sources");
    let totals: Vec<_> = store
        .subject_totals(Filter::All)
        .into_iter()
        .map(|(subject, messages)| (String::from_utf8(subject.to_vec()).unwrap(), messages))
        .collect();
    assert_eq!(totals, model.subjects(Filter::All).into_iter().collect::<Vec<_>>(), "totals");
}

/// One filter and one place, and all that can be asked about them.
pub(super) async fn query(store: &Subject, model: &Model, chance: &mut Chance) {
    let from = chance.below(model.last + 3);
    let texts: Vec<&[u8]> = FILTERS[chance.index(FILTERS.len())].iter().map(|text| text.as_bytes()).collect();
    let filter = match &texts[..] {
        [] => Filter::All,
        [one] => Filter::Subject(one),
        many => Filter::Any(many),
    };
    let what = format!(
        "{:?} from {from}",
        FILTERS
            .iter()
            .find(|f| f.len() == texts.len() && f.iter().zip(&texts).all(|(a, b)| a.as_bytes() == *b))
    );
    let matching = model.seqs(filter, from);
    assert_eq!(store.next(filter, from).await.unwrap(), matching.first().copied(), "next, {what}");
    let before = model.seqs(filter, 0).into_iter().rfind(|&seq| seq <= from);
    assert_eq!(store.previous(filter, from).await.unwrap(), before, "previous, {what}");
    let pending = store.pending(filter, from, Counting::All).await.unwrap();
    assert_eq!(pending, matching.len() as u64, "pending, {what}");
    let last = model.last_of_each(filter, u64::MAX);
    let pending_last = last.iter().filter(|&&seq| seq >= from).count() as u64;
    assert_eq!(
        store.pending(filter, from, Counting::LastPerSubject).await.unwrap(),
        pending_last,
        "pending of the last, {what}"
    );
    let expected = Matching {
        messages: matching.len() as u64,
        first_seq: matching.first().copied().unwrap_or(0),
        last_seq: matching.last().copied().unwrap_or(0),
    };
    assert_eq!(store.matching(filter, from).await.unwrap(), expected, "matching, {what}");
    assert_eq!(store.last_of_each(filter, None, None).await.unwrap(), last, "last of each, {what}");
    assert_eq!(
        store.last_of_each(filter, Some(from), None).await.unwrap(),
        model.last_of_each(filter, from),
        "last of each until, {what}"
    );
    let states = store.subjects_state(filter).await.unwrap();
    let expected: Vec<_> = model
        .subjects(filter)
        .into_keys()
        .map(|subject| (subject.clone().into_bytes(), model.subject_state(&subject)))
        .collect();
    assert_eq!(
        states.into_iter().map(|(subject, state)| (subject.to_vec(), state)).collect::<Vec<_>>(),
        expected,
        "states, {what}"
    );
    let subject = SUBJECTS[chance.index(SUBJECTS.len())];
    let last_of = model.subject_state(subject);
    assert_eq!(
        store.last_of(subject.as_bytes()).await.unwrap(),
        (last_of.messages > 0).then_some(last_of.last_seq),
        "last of {subject}"
    );
    let time = model.messages.range(from..).next().map_or(Timestamp(0), |(_, message)| message.timestamp);
    let time = Timestamp(time.0 + chance.below(2) as i64);
    assert_eq!(store.seq_at(time).await.unwrap(), model.seq_at(time), "at {time:?}");
}

pub(super) fn plain(message: &Message) -> Msg {
    Msg {
        subject: String::from_utf8(message.subject.to_vec()).unwrap(),
        headers: message.headers.to_vec(),
        payload: message.payload.to_vec(),
        timestamp: message.timestamp,
        expires: message.expires,
        due: message.due,
    }
}

pub(super) const SUBJECTS: [&str; 10] =
    ["a", "a.b", "a.c", "a.b.c", "orders.1", "orders.2", "orders.12", "orders.2.x", "z", "orders"];

/// None is all; filters of one list do not overlap.
const FILTERS: [&[&str]; 12] = [
    &[],
    &[">"],
    &["a"],
    &["a.*"],
    &["a.>"],
    &["orders.*"],
    &["*"],
    &["nobody"],
    &["*.2.>"],
    &["a.b", "orders.1"],
    &["a.*", "orders.2.x", "z"],
    &["orders.>", "a.b.c"],
];
