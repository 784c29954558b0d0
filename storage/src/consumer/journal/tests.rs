use natrium_model::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::entry::{Entry, EntryError};
use super::super::recover::{DamageCause, JournalError, Recovered};
use super::super::state::tests::{any_operation, any_rules};
use super::super::state::{AckPolicy, Pending, SequencePair};
use super::*;

const SALT: u64 = 0x5a17;
const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);
const EXPLICIT: Rules = Rules { ack_policy: AckPolicy::Explicit, max_deliver: None };

/// A journal and all it wrote.
struct Written {
    journal: Journal,
    bytes: Vec<u8>,
}

impl Written {
    /// With one consumer, number 1, of an empty state.
    fn new(rules: Rules) -> Self {
        let mut bytes = Vec::new();
        let mut journal = Journal::create(SALT, &mut bytes);
        journal.set(1, rules, ConsumerState::default(), &mut bytes).unwrap();
        Self { journal, bytes }
    }

    fn apply(&mut self, number: u64, operation: Operation) -> Applied {
        self.journal.apply(number, operation, &mut self.bytes).unwrap()
    }

    fn delivered(&mut self, consumer: u64, stream: u64, count: u64) {
        let applied = self.apply(1, Operation::Delivered { consumer, stream, count, timestamp: NOW });
        assert_eq!(applied.refused, None);
    }

    fn acked(&mut self, consumer: u64, stream: u64) -> Option<Refused> {
        self.apply(1, Operation::Acked { consumer, stream }).refused
    }

    fn set(&mut self, state: &ConsumerState) -> Result<bool, Refused> {
        self.journal.update(1, state.clone(), &mut self.bytes)
    }

    fn state(&self) -> &ConsumerState {
        self.journal.consumers().state(1).unwrap()
    }

    /// The journal is read back, whole, into the same states, and goes on.
    fn restart(&mut self) {
        let back = recovered(&self.bytes);
        assert_eq!((back.torn, &back.damage[..], back.behind.len()), (0, &[][..], 0));
        assert_eq!(back.journal.consumers(), self.journal.consumers());
        assert_eq!(back.journal.size(), self.journal.size());
        self.journal = back.journal;
    }
}

fn recovered(bytes: &[u8]) -> Recovered {
    Journal::recover(bytes, SALT).unwrap()
}

fn pair(consumer: u64, stream: u64) -> SequencePair {
    SequencePair { consumer, stream }
}

fn pending(seqs: impl IntoIterator<Item = u64>) -> BTreeMap<u64, Pending> {
    let entry =
        |(at, seq)| (seq, Pending { consumer: 0, timestamp: Timestamp(NOW.0 + at as i64 * 1_000_000_000) });
    seqs.into_iter().enumerate().map(entry).collect()
}

// go: server/filestore_test.go TestFileStoreConsumer
#[test]
fn states_that_can_be_are_taken_and_kept_and_others_are_refused() {
    let mut written = Written::new(Rules { ack_policy: AckPolicy::None, max_deliver: None });
    assert_eq!(written.state().delivered.consumer, 0);
    let mut state = ConsumerState::default();
    let update_and_check = |written: &mut Written, state: &ConsumerState| {
        assert_eq!(written.set(state), Ok(true));
        written.restart();
        assert_eq!(written.state(), state);
    };
    state.delivered = pair(1, 22);
    update_and_check(&mut written, &state);

    state.delivered = pair(100, 122);
    state.ack_floor = pair(50, 123);
    assert_eq!(written.set(&state), Err(Refused::FloorAboveDelivered));
    state.ack_floor = pair(200, 100);
    assert_eq!(written.set(&state), Err(Refused::FloorAboveDelivered));
    state.ack_floor = pair(50, 72);
    update_and_check(&mut written, &state);

    for outside in [70, 140, 72] {
        state.pending = pending([outside]);
        assert_eq!(written.set(&state), Err(Refused::PendingOutOfRange(outside)));
    }
    state.pending = pending([75, 80, 83, 90, 111]);
    update_and_check(&mut written, &state);
    state.pending.clear();
    state.redelivered = BTreeMap::from([(22, 3), (44, 8)]);
    update_and_check(&mut written, &state);
    state.pending = pending([75, 80, 83, 90, 111]);
    update_and_check(&mut written, &state);

    state.delivered = pair(10_000, 10_000);
    state.ack_floor = pair(100, 100);
    state.pending = pending((101..=9990).filter(|seq| seq % 6 != 0).take(8192));
    assert_eq!(state.pending.len(), 8192);
    update_and_check(&mut written, &state);
    state.pending.clear();
    state.ack_floor = pair(10_000, 10_000);
    update_and_check(&mut written, &state);
}

// go: server/filestore_test.go TestFileStoreConsumerRedeliveredLost
#[test]
fn counts_of_redelivery_survive_restarts() {
    let mut written = Written::new(EXPLICIT);
    for count in 1..=4 {
        written.delivered(count, 1, count);
    }
    written.delivered(5, 2, 1);
    written.restart();
    assert!(!written.state().redelivered.is_empty());
    written.delivered(6, 2, 2);
    written.delivered(7, 3, 1);
    written.restart();
    assert!(!written.state().redelivered.is_empty());
    assert_eq!(written.state().pending.len(), 3);
    assert_eq!(written.acked(7, 3), None);
    assert_eq!(written.acked(6, 2), None);
    written.restart();
    assert!(!written.state().redelivered.is_empty());
    assert_eq!(written.acked(4, 1), None);
    assert!(written.state().pending.is_empty());
    assert!(written.state().redelivered.is_empty());
}

// go: server/filestore_test.go TestFileStoreConsumerUpdateAcksFlushesRedelivered
#[test]
fn a_refused_acknowledgement_ends_a_count_of_redelivery_for_good() {
    let mut written = Written::new(Rules { max_deliver: Some(1), ..EXPLICIT });
    written.delivered(1, 1, 1);
    written.delivered(2, 1, 2);
    written.restart();
    assert!(written.state().pending.is_empty());
    assert_eq!(written.state().redelivered.len(), 1);
    assert_eq!(written.acked(2, 1), Some(Refused::NotPending));
    written.restart();
    assert!(written.state().redelivered.is_empty());
}

// go: server/filestore_test.go TestFileStoreConsumerDeliveredAndAckUpdates
#[test]
fn deliveries_and_acknowledgements_move_the_floor_and_are_kept() {
    let mut written = Written::new(EXPLICIT);
    let mut waiting = 0;
    let deliver = |written: &mut Written, waiting: &mut usize, consumer, stream| {
        written.delivered(consumer, stream, 1);
        *waiting += 1;
        assert_eq!(written.state().delivered, pair(consumer, stream));
        assert_eq!(written.state().pending.len(), *waiting);
    };
    for (consumer, stream) in [(1, 100), (2, 110), (3, 130), (4, 150), (5, 165)] {
        deliver(&mut written, &mut waiting, consumer, stream);
    }
    assert_eq!(written.acked(3, 101), Some(Refused::NotPending));
    assert_eq!(written.acked(1, 1), Some(Refused::NotPending));
    let ack = |written: &mut Written, waiting: &mut usize, acked: (u64, u64), floor: (u64, u64)| {
        assert_eq!(written.acked(acked.0, acked.1), None);
        *waiting -= 1;
        assert_eq!(written.state().pending.len(), *waiting);
        assert_eq!(written.state().ack_floor, pair(floor.0, floor.1));
    };
    for (acked, floor) in [
        ((1, 100), (1, 109)),
        ((3, 130), (1, 109)),
        ((2, 110), (3, 149)),
        ((5, 165), (3, 149)),
        ((4, 150), (5, 165)),
    ] {
        ack(&mut written, &mut waiting, acked, floor);
    }
    for (consumer, stream) in [(6, 170), (7, 171), (8, 172), (9, 173), (10, 200)] {
        deliver(&mut written, &mut waiting, consumer, stream);
    }
    ack(&mut written, &mut waiting, (7, 171), (5, 165));
    ack(&mut written, &mut waiting, (8, 172), (5, 165));
    written.restart();
}

// go: server/filestore_test.go TestFileStoreConsumerStoreEncodeAfterRestart
#[test]
fn a_state_that_was_put_in_place_survives_a_restart() {
    let mut written = Written::new(EXPLICIT);
    let state = ConsumerState { delivered: pair(22, 22), ack_floor: pair(11, 11), ..Default::default() };
    assert_eq!(written.set(&state), Ok(true));
    written.restart();
    assert_eq!(*written.state(), state);
}

// go: server/filestore_test.go TestFileStoreResetConsumerToStreamState
#[test]
fn an_old_state_is_refused_unless_it_is_forced() {
    let mut written = Written::new(Rules { ack_policy: AckPolicy::None, max_deliver: None });
    let state = ConsumerState { delivered: pair(5, 5), ack_floor: pair(5, 5), ..Default::default() };
    assert_eq!(written.set(&state), Ok(true));
    assert_eq!(*written.state(), state);
    let older = ConsumerState { delivered: pair(1, 4), ack_floor: pair(1, 3), ..Default::default() };
    assert_eq!(written.set(&older), Err(Refused::Old));
    assert_eq!(*written.state(), state);
    let rules = written.journal.consumers().rules(1).unwrap();
    written.journal.set(1, rules, older.clone(), &mut written.bytes).unwrap();
    assert_eq!(*written.state(), older);
    written.restart();
}

/// A checkpoint of `state`, encoded and decoded.
fn through_bytes(state: &ConsumerState) -> ConsumerState {
    let place = Place { salt: SALT, offset: 77 };
    let mut bytes = b"before".to_vec();
    entry::encode_checkpoint(3, EXPLICIT, state, place, &mut bytes);
    let (entry, took) = entry::decode(&bytes[6..], place).unwrap();
    assert_eq!(took, bytes.len() - 6);
    let Entry::Checkpoint { consumer: 3, rules: EXPLICIT, state } = entry else { panic!("{entry:?}") };
    state
}

// go: server/filestore_test.go TestFileStoreConsumerEncodeDecodeRedelivered
#[test]
fn redelivered_above_what_was_delivered_is_kept() {
    let state = ConsumerState {
        delivered: pair(100, 100),
        ack_floor: pair(50, 50),
        redelivered: BTreeMap::from([(122, 3), (144, 8)]),
        ..Default::default()
    };
    assert_eq!(through_bytes(&state), state);
}

// go: server/filestore_test.go TestFileStoreConsumerEncodeDecodePendingBelowStreamAckFloor
#[test]
fn pending_below_the_floor_is_kept() {
    let at = |consumer: u64| Pending {
        consumer,
        timestamp: Timestamp(NOW.0 + (consumer as i64 - 1190) * 1_000_000_000),
    };
    let state = ConsumerState {
        delivered: pair(1192, 10_185),
        ack_floor: pair(1189, 10_815),
        pending: BTreeMap::from([(10_782, at(1190)), (10_810, at(1191)), (10_815, at(1192))]),
        ..Default::default()
    };
    assert_eq!(through_bytes(&state), state);
}

/// The state that the reference's bytes tell of: something pending whose consumer sequence was never delivered, and a
/// redelivery of what is at the floor.
// go: server/filestore_test.go TestFileStoreBadConsumerState
#[test]
fn a_state_that_should_not_be_is_still_read() {
    let state = ConsumerState {
        delivered: pair(3, 2),
        ack_floor: pair(1, 1),
        pending: BTreeMap::from([(2, Pending { consumer: 4, timestamp: NOW })]),
        redelivered: BTreeMap::from([(1, 1)]),
    };
    assert_eq!(through_bytes(&state), state);
}

#[test]
fn the_layout_is_the_one_written_down() {
    let mut written = Written::new(EXPLICIT);
    assert_eq!(&written.bytes[..16], b"NTRCONS\0\x01\0\0\0\0\0\0\0");
    assert_eq!(&written.bytes[24..35], &[10, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(written.bytes.len(), 24 + 11 + 8);
    let before = written.bytes.len();
    written.delivered(1, 300, 1);
    written.acked(1, 300);
    let expected = [&[14, 3, 1, 1, 0xac, 2, 1][..], &NOW.0.to_le_bytes()].concat();
    assert_eq!(&written.bytes[before..before + 15], &expected);
    assert_eq!(&written.bytes[before + 23..before + 29], &[5, 4, 1, 1, 0xac, 2]);
    let before = written.bytes.len();
    for operation in
        [Operation::Skipped { stream: 301 }, Operation::Started { stream: 5 }, Operation::Reset { stream: 6 }]
    {
        let _ = written.apply(1, operation);
    }
    assert_eq!(&written.bytes[before..before + 5], &[4, 5, 1, 0xad, 2]);
    assert_eq!(&written.bytes[before + 13..before + 17], &[3, 6, 1, 5]);
    assert_eq!(&written.bytes[before + 25..before + 29], &[3, 7, 1, 6]);
    let before = written.bytes.len();
    assert!(written.journal.remove(1, &mut written.bytes));
    assert_eq!(&written.bytes[before..before + 3], &[2, 2, 1]);
}

#[test]
fn nothing_is_written_for_what_changes_nothing() {
    let mut written = Written::new(EXPLICIT);
    let len = written.bytes.len();
    assert_eq!(written.acked(1, 1), Some(Refused::NotPending));
    let _ = written.apply(1, Operation::Skipped { stream: 0 });
    assert_eq!(written.journal.apply(2, Operation::Reset { stream: 0 }, &mut written.bytes), None);
    assert!(!written.journal.remove(2, &mut written.bytes));
    assert!(!written.journal.set_rules(2, EXPLICIT, &mut written.bytes));
    assert_eq!(written.journal.update(2, ConsumerState::default(), &mut written.bytes), Ok(false));
    assert_eq!(written.bytes.len(), len);
}

#[test]
fn rules_that_changed_hold_from_there_on_also_after_a_restart() {
    let mut written = Written::new(EXPLICIT);
    written.delivered(1, 1, 1);
    written.delivered(2, 1, 2);
    assert_eq!(written.state().pending.len(), 1);
    assert!(written.journal.set_rules(1, Rules { max_deliver: Some(2), ..EXPLICIT }, &mut written.bytes));
    written.delivered(3, 1, 3);
    assert!(written.state().pending.is_empty());
    written.restart();
    assert_eq!(written.journal.consumers().rules(1).unwrap().max_deliver, Some(2));
}

#[test]
fn a_rewrite_is_due_when_the_journal_outgrew_its_states_and_keeps_them() {
    let mut written = Written::new(EXPLICIT);
    let mut seq = 0;
    while !written.journal.is_rewrite_due() {
        seq += 1;
        written.delivered(seq, seq, 1);
        written.acked(seq, seq);
    }
    assert!(seq > 1000, "rewritten after {seq} messages");
    let mut bytes = Vec::new();
    let journal = written.journal.rewrite(SALT + 1, &mut bytes);
    assert!(bytes.len() < 100, "{} bytes of one empty state", bytes.len());
    assert_eq!(journal.size(), bytes.len() as u64);
    assert!(!journal.is_rewrite_due());
    assert_eq!(Journal::recover(&bytes, SALT + 1).unwrap().journal.consumers(), written.journal.consumers());
    assert_eq!(Journal::recover(&bytes, SALT).unwrap_err(), JournalError::Damaged);
}

#[test]
fn states_that_are_large_make_a_rewrite_less_urgent() {
    let mut written = Written::new(EXPLICIT);
    for seq in 1..=20_000 {
        written.delivered(seq, seq, 1);
        let checkpoint_len = 6 * seq;
        let is_due = written.journal.size() > REWRITE_LEN_MIN.max(REWRITE_FACTOR * (checkpoint_len + 40));
        assert_eq!(written.journal.is_rewrite_due(), is_due, "{seq}");
    }
    let mut bytes = Vec::new();
    let journal = written.journal.rewrite(SALT, &mut bytes);
    assert!(!journal.is_rewrite_due(), "{} bytes", bytes.len());
}

/// Three consumers, of which one has a checkpoint after ten operations. Returns where each entry begins.
fn three() -> (Written, Vec<u64>) {
    let mut written = Written::new(EXPLICIT);
    let mut places = vec![HEAD_LEN as u64];
    for number in [2, 3] {
        places.push(written.journal.size());
        written.journal.set(number, EXPLICIT, ConsumerState::default(), &mut written.bytes).unwrap();
    }
    for seq in 1..=10 {
        for number in 1..=3 {
            places.push(written.journal.size());
            let operation = Operation::Delivered { consumer: seq, stream: seq, count: 1, timestamp: NOW };
            let _ = written.apply(number, operation);
        }
    }
    places.push(written.journal.size());
    assert!(written.journal.set_rules(3, EXPLICIT, &mut written.bytes));
    (written, places)
}

#[test]
fn damage_costs_redelivery_and_never_a_message() {
    let (written, places) = three();
    // The delivery of message 4 to consumer 2.
    let (from, to) = (places[3 + 3 * 3 + 1], places[3 + 3 * 3 + 2]);
    for bit in from * 8..to * 8 {
        let mut damaged = written.bytes.clone();
        damaged[bit as usize / 8] ^= 1 << (bit % 8);
        let back = recovered(&damaged);
        assert_eq!(back.torn, 0);
        assert_eq!(back.damage.len(), 1, "bit {bit}");
        assert_eq!(back.damage[0].bytes, from..to, "bit {bit}");
        assert_eq!(back.behind, [1, 2].into());
        let delivered = |number| back.journal.consumers().state(number).unwrap().delivered;
        assert_eq!(delivered(1), pair(4, 4), "before the damage");
        assert_eq!(delivered(2), pair(3, 3), "before the damage");
        assert_eq!(delivered(3), pair(10, 10), "its checkpoint comes later");
        assert!(back.unknown.is_empty());
        assert!(back.journal.is_rewrite_due());
        assert_eq!(back.journal.size(), written.journal.size());
    }
}

#[test]
fn a_piece_that_is_missing_is_seen() {
    let (written, places) = three();
    let (from, to) = (places[9] as usize, places[10] as usize);
    let shorter = [&written.bytes[..from], &written.bytes[to..]].concat();
    let back = recovered(&shorter);
    assert_eq!(back.torn, (shorter.len() - from) as u64, "no entry behind it is in its place");
    let mut zeroed = written.bytes.clone();
    zeroed[from..to].fill(0);
    let back = recovered(&zeroed);
    assert_eq!(back.damage[0].bytes, from as u64..to as u64);
    assert_eq!(back.damage[0].cause, DamageCause::NoEntry);
}

#[test]
fn a_consumer_whose_beginning_is_damaged_is_named() {
    let (mut written, places) = three();
    written.bytes[places[1] as usize + 2] ^= 1;
    let back = recovered(&written.bytes);
    assert_eq!(back.unknown, [2].into());
    assert_eq!(back.behind, [1].into());
    assert!(back.journal.consumers().state(2).is_none());
}

#[test]
fn a_journal_of_another_kind_salt_or_version_is_refused() {
    let written = Written::new(EXPLICIT);
    assert_eq!(Journal::recover(&[], SALT).unwrap_err(), JournalError::NotAJournal);
    assert_eq!(Journal::recover(&[0; 100], SALT).unwrap_err(), JournalError::NotAJournal);
    assert_eq!(Journal::recover(&written.bytes, SALT + 1).unwrap_err(), JournalError::Damaged);
    let mut newer = written.bytes;
    newer[8] = 2;
    let checksum = xxh64(&newer[..16], SALT);
    newer[16..HEAD_LEN].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(Journal::recover(&newer, SALT).unwrap_err(), JournalError::Version(2));
    for bit in 0..HEAD_LEN * 8 {
        let mut damaged = newer.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = Journal::recover(&damaged, SALT).unwrap_err();
        let expected = if bit < 64 { JournalError::NotAJournal } else { JournalError::Damaged };
        assert_eq!(error, expected, "bit {bit}");
    }
}

/// What a store does with its consumers.
#[derive(Clone, Debug)]
enum Step {
    Apply(u64, Operation),
    Make(u64, Rules),
    SetRules(u64, Rules),
    Remove(u64),
    Update(u64, ConsumerState),
    Rewrite,
    Restart,
}

fn any_state() -> impl Strategy<Value = ConsumerState> {
    let seqs = (0..30u64, 0..30u64, 0..30u64, 0..30u64);
    let entries = proptest::collection::btree_map(any::<u64>(), (any::<u64>(), any::<i64>()), 0..5);
    let redelivered = proptest::collection::btree_map(any::<u64>(), any::<u64>(), 0..5);
    (seqs, entries, redelivered).prop_map(|((a, b, c, d), entries, redelivered)| {
        let ack_floor = pair(a, b);
        let delivered = pair(a + c, b + d);
        let inside = |seq: u64| if d == 0 { None } else { Some(b + 1 + seq % d) };
        let pending = entries.into_iter().filter_map(|(seq, (consumer, timestamp))| {
            Some((inside(seq)?, Pending { consumer, timestamp: Timestamp(timestamp) }))
        });
        ConsumerState { delivered, ack_floor, pending: pending.collect(), redelivered }
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let number = 0..4u64;
    prop_oneof![
        30 => (number.clone(), any_operation()).prop_map(|(number, operation)| Step::Apply(number, operation)),
        3 => (number.clone(), any_rules()).prop_map(|(number, rules)| Step::Make(number, rules)),
        1 => (number.clone(), any_rules()).prop_map(|(number, rules)| Step::SetRules(number, rules)),
        1 => number.clone().prop_map(Step::Remove),
        2 => (number, any_state()).prop_map(|(number, state)| Step::Update(number, state)),
        1 => Just(Step::Rewrite),
        1 => Just(Step::Restart),
    ]
}

/// Plays the steps, and returns the last journal with its states after each entry: by the journal's length then.
fn play(steps: Vec<Step>) -> (Vec<u8>, u64, Vec<(usize, Consumers)>) {
    let (mut bytes, mut salt) = (Vec::new(), SALT);
    let mut journal = Journal::create(salt, &mut bytes);
    let mut history = vec![(bytes.len(), Consumers::default())];
    for step in steps {
        match step {
            Step::Apply(number, operation) => drop(journal.apply(number, operation, &mut bytes)),
            Step::Make(number, rules) => {
                journal.set(number, rules, ConsumerState::default(), &mut bytes).unwrap();
            }
            Step::SetRules(number, rules) => drop(journal.set_rules(number, rules, &mut bytes)),
            Step::Remove(number) => drop(journal.remove(number, &mut bytes)),
            Step::Update(number, state) => drop(journal.update(number, state, &mut bytes)),
            Step::Rewrite => {
                salt += 1;
                bytes.clear();
                journal = journal.rewrite(salt, &mut bytes);
                // The states of a rewrite come in one write; its parts are looked at by no one.
                history.clear();
            }
            Step::Restart => {
                let back = Journal::recover(&bytes, salt).unwrap();
                assert_eq!((back.torn, back.damage.len(), back.behind.len()), (0, 0, 0));
                assert_eq!(back.journal.consumers(), journal.consumers());
                journal = back.journal;
            }
        }
        assert_eq!(journal.size(), bytes.len() as u64);
        if history.last().is_none_or(|(len, _)| *len != bytes.len()) {
            history.push((bytes.len(), journal.consumers().clone()));
        } else {
            assert_eq!(&history.last().unwrap().1, journal.consumers(), "changed and not journaled");
        }
    }
    (bytes, salt, history)
}

proptest! {
    #[test]
    fn a_journal_cut_anywhere_gives_the_states_before(steps in vec(any_step(), 0..60)) {
        let (bytes, salt, history) = play(steps);
        let (first, _) = history.first().cloned().unwrap_or((bytes.len(), Consumers::default()));
        for cut in first..=bytes.len() {
            let back = Journal::recover(&bytes[..cut], salt).unwrap();
            let (len, states) = history.iter().rfind(|(len, _)| *len <= cut).unwrap();
            prop_assert_eq!(back.journal.consumers(), states, "cut at {}", cut);
            prop_assert_eq!((back.journal.size(), back.torn), (*len as u64, (cut - len) as u64));
            prop_assert!(back.damage.is_empty() && back.behind.is_empty() && back.unknown.is_empty());
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..300), flips in vec(any::<prop::sample::Index>(), 0..4)) {
        let place = Place { salt: SALT, offset: 0 };
        let _ = entry::decode(&bytes, place);
        let (mut written, _) = three();
        written.bytes.extend(&bytes);
        for flip in flips {
            let at = HEAD_LEN + flip.index(written.bytes.len() - HEAD_LEN);
            written.bytes[at] ^= 1 << (at % 8);
        }
        let _ = recovered(&written.bytes);
    }

    #[test]
    fn bodies_of_any_bytes_are_read_without_panic(body in vec(any::<u8>(), 1..100), kind in 1..9u8) {
        let mut bytes = vec![body.len() as u8, kind];
        bytes.extend(&body[1..]);
        let place = Place { salt: SALT, offset: 5 };
        let checksum = xxh64(&bytes, place.seed());
        bytes.extend_from_slice(&checksum.to_le_bytes());
        match entry::decode(&bytes, place) {
            Ok((_, took)) => prop_assert_eq!(took, bytes.len()),
            Err(error) => prop_assert_eq!(error, EntryError::Invalid),
        }
    }
}
