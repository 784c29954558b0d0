use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);
const NONE: Rules = Rules { ack_policy: AckPolicy::None, max_deliver: None };
const ALL: Rules = Rules { ack_policy: AckPolicy::All, max_deliver: None };
const EXPLICIT: Rules = Rules { ack_policy: AckPolicy::Explicit, max_deliver: None };

fn pair(consumer: u64, stream: u64) -> SequencePair {
    SequencePair { consumer, stream }
}

fn delivered(consumer: u64, stream: u64, count: u64) -> Operation {
    Operation::Delivered { consumer, stream, count, timestamp: NOW }
}

fn acked(consumer: u64, stream: u64) -> Operation {
    Operation::Acked { consumer, stream }
}

/// The state after operations that are all taken.
fn after(rules: Rules, operations: &[Operation]) -> ConsumerState {
    let mut state = ConsumerState::default();
    for &operation in operations {
        assert_eq!(state.apply(rules, operation).refused, None, "{operation:?}");
    }
    state
}

// go: server/filestore_test.go TestFileStoreConsumerDeliveredUpdates
#[test]
fn without_acknowledgements_the_floor_is_what_was_delivered() {
    let mut state = ConsumerState::default();
    for (consumer, stream) in [(1, 100), (2, 110), (5, 130)] {
        let applied = state.apply(NONE, delivered(consumer, stream, 1));
        assert_eq!(applied, Applied { is_changed: true, refused: None });
        assert_eq!(state.delivered, pair(consumer, stream));
        assert_eq!(state.ack_floor, pair(consumer, stream));
        assert!(state.pending.is_empty());
    }
    let refused = Applied { is_changed: false, refused: Some(Refused::NoAckPolicy) };
    assert_eq!(state.apply(NONE, acked(1, 100)), refused);
    assert_eq!(state.apply(NONE, delivered(5, 130, 2)), refused);
}

#[test]
fn an_acknowledgement_of_all_settles_what_is_before_it() {
    let deliveries: Vec<_> = (1..=5).map(|seq| delivered(seq, seq * 10, 1)).collect();
    let mut state = after(ALL, &deliveries);
    let _ = state.apply(ALL, delivered(6, 20, 2));
    let _ = state.apply(ALL, delivered(7, 50, 2));
    assert_eq!(state.apply(ALL, acked(3, 30)), Applied { is_changed: true, refused: None });
    assert_eq!(state.ack_floor, pair(3, 30));
    assert_eq!(state.pending.keys().copied().collect::<Vec<_>>(), [40, 50]);
    assert_eq!(state.redelivered, BTreeMap::from([(50, 1)]));
    assert_eq!(state.apply(ALL, acked(2, 20)), Applied { is_changed: false, refused: None }, "an old one");
}

#[test]
fn the_last_acknowledgement_brings_the_floor_to_what_was_delivered() {
    let mut state = after(EXPLICIT, &[delivered(1, 3, 1), delivered(2, 5, 1), acked(2, 5)]);
    assert_eq!(state.ack_floor, pair(0, 0));
    let _ = state.apply(EXPLICIT, acked(1, 3));
    assert_eq!(state.ack_floor, pair(2, 5));
}

#[test]
fn a_redelivery_keeps_the_first_sequence_and_any_may_be_acknowledged() {
    let mut state = after(EXPLICIT, &[delivered(1, 3, 1), delivered(2, 4, 1), delivered(3, 3, 2)]);
    let later = Timestamp(NOW.0 + 1);
    let again = Operation::Delivered { consumer: 4, stream: 3, count: 3, timestamp: later };
    let _ = state.apply(EXPLICIT, again);
    assert_eq!(state.pending[&3], Pending { consumer: 1, timestamp: later });
    assert_eq!(state.redelivered, BTreeMap::from([(3, 2)]));
    let _ = state.apply(EXPLICIT, acked(4, 3));
    assert_eq!(state.ack_floor, pair(1, 3));
    assert!(state.redelivered.is_empty());
}

#[test]
fn what_was_delivered_too_often_is_no_longer_waited_for() {
    let rules = Rules { max_deliver: Some(2), ..EXPLICIT };
    let mut state = after(rules, &[delivered(1, 3, 1), delivered(2, 3, 2)]);
    assert!(state.pending.contains_key(&3));
    let _ = state.apply(rules, delivered(3, 3, 3));
    assert!(state.pending.is_empty());
    assert_eq!(state.redelivered, BTreeMap::from([(3, 2)]));
    let applied = state.apply(rules, acked(3, 3));
    assert_eq!(applied, Applied { is_changed: true, refused: Some(Refused::NotPending) });
    assert!(state.redelivered.is_empty());
}

#[test]
fn what_is_older_than_the_floor_changes_nothing() {
    let mut state = after(EXPLICIT, &[delivered(1, 3, 1), acked(1, 3)]);
    let before = state.clone();
    let nothing = Applied { is_changed: false, refused: None };
    assert_eq!(state.apply(EXPLICIT, delivered(1, 3, 1)), nothing);
    assert_eq!(state.apply(EXPLICIT, acked(1, 3)), nothing);
    assert_eq!(state, before);
}

#[test]
fn starting_points_move_as_they_should() {
    let mut state = after(EXPLICIT, &[Operation::Started { stream: 7 }]);
    assert_eq!((state.delivered, state.ack_floor), (pair(0, 7), pair(0, 7)));
    let _ = state.apply(EXPLICIT, Operation::Skipped { stream: 9 });
    assert_eq!((state.delivered, state.ack_floor), (pair(0, 9), pair(0, 7)));
    let applied = state.apply(EXPLICIT, Operation::Skipped { stream: 8 });
    assert!(!applied.is_changed, "never back");
    let _ = state.apply(NONE, Operation::Skipped { stream: 12 });
    assert_eq!((state.delivered, state.ack_floor), (pair(0, 12), pair(0, 12)));
    let _ = state.apply(EXPLICIT, delivered(1, 13, 1));
    let _ = state.apply(EXPLICIT, Operation::Reset { stream: 2 });
    assert_eq!(state, after(EXPLICIT, &[Operation::Started { stream: 2 }]));
}

#[test]
fn counts_of_redelivery_are_forgotten_below_the_streams_first() {
    let mut state = ConsumerState { redelivered: BTreeMap::from([(3, 1), (5, 2)]), ..Default::default() };
    assert!(!state.apply(EXPLICIT, Operation::RedeliveredForgotten { below: 3 }).is_changed);
    assert!(state.apply(EXPLICIT, Operation::RedeliveredForgotten { below: 5 }).is_changed);
    assert_eq!(state.redelivered, BTreeMap::from([(5, 2)]));
}

/// The rules again, step by step over every sequence, as they are told rather than as they are done.
#[derive(Clone, Debug, Default, PartialEq)]
struct Naive(ConsumerState);

impl Naive {
    fn apply(&mut self, rules: Rules, operation: Operation) -> Option<Refused> {
        let state = &mut self.0;
        match operation {
            Operation::Delivered { consumer, stream, count, timestamp } => {
                if rules.ack_policy == AckPolicy::None {
                    if count != 1 {
                        return Some(Refused::NoAckPolicy);
                    }
                    if consumer > state.ack_floor.consumer {
                        for pair in [&mut state.delivered, &mut state.ack_floor] {
                            pair.consumer = pair.consumer.max(consumer);
                            pair.stream = pair.stream.max(stream);
                        }
                    }
                    return None;
                }
                if consumer <= state.ack_floor.consumer {
                    return None;
                }
                if stream > state.delivered.stream {
                    state.pending.insert(stream, Pending { consumer, timestamp });
                    state.delivered.stream = stream;
                } else {
                    state.pending.entry(stream).and_modify(|pending| pending.timestamp = timestamp);
                }
                state.delivered.consumer = state.delivered.consumer.max(consumer);
                if count > 1 {
                    if rules.max_deliver.is_some_and(|max| max < count) {
                        state.pending.remove(&stream);
                    }
                    let before = state.redelivered.get(&stream).copied().unwrap_or(0);
                    state.redelivered.insert(stream, before.max(count - 1));
                }
                None
            }
            Operation::Acked { consumer, stream } => {
                if rules.ack_policy == AckPolicy::None {
                    return Some(Refused::NoAckPolicy);
                }
                state.redelivered.remove(&stream);
                if consumer <= state.ack_floor.consumer {
                    return None;
                }
                let Some(pending) = state.pending.get(&stream).copied() else {
                    return Some(Refused::NotPending);
                };
                if rules.ack_policy == AckPolicy::All {
                    let floor = state.ack_floor.stream;
                    state.ack_floor = pair(consumer, stream);
                    if stream.wrapping_sub(floor) > state.pending.len() as u64 {
                        for seq in
                            (0..=stream).filter(|seq| state.pending.contains_key(seq)).collect::<Vec<_>>()
                        {
                            state.pending.remove(&seq);
                            state.redelivered.remove(&seq);
                        }
                    } else {
                        for seq in (floor + 1..=stream).rev() {
                            if state.pending.is_empty() {
                                break;
                            }
                            state.pending.remove(&seq);
                            state.redelivered.remove(&seq);
                        }
                    }
                    return None;
                }
                state.pending.remove(&stream);
                let named = if pending.consumer > 0 { consumer.min(pending.consumer) } else { consumer };
                if state.pending.is_empty() {
                    state.ack_floor = state.delivered;
                } else if named == state.ack_floor.consumer + 1 {
                    state.ack_floor = pair(named, stream);
                    if state.delivered.consumer > named {
                        for seq in stream + 1..=state.delivered.stream {
                            if let Some(next) = state.pending.get(&seq) {
                                if next.consumer > 0 {
                                    state.ack_floor = pair(next.consumer - 1, seq - 1);
                                }
                                break;
                            }
                        }
                    }
                }
                None
            }
            Operation::Skipped { stream } => {
                if stream > state.delivered.stream {
                    state.delivered.stream = stream;
                    if rules.ack_policy == AckPolicy::None {
                        state.ack_floor.stream = stream;
                    }
                }
                None
            }
            Operation::Started { stream } => {
                state.delivered.stream = stream;
                state.ack_floor.stream = stream;
                None
            }
            Operation::Reset { stream } => {
                *state = ConsumerState::default();
                state.delivered.stream = stream;
                state.ack_floor.stream = stream;
                None
            }
            Operation::RedeliveredForgotten { below } => {
                state.redelivered.retain(|&seq, _| seq >= below);
                None
            }
        }
    }
}

pub(in crate::consumer) fn any_operation() -> impl Strategy<Value = Operation> {
    let seq = 0..40u64;
    prop_oneof![
        12 => (seq.clone(), seq.clone(), 0..5u64, any::<i32>()).prop_map(|(consumer, stream, count, at)| {
            Operation::Delivered { consumer, stream, count, timestamp: Timestamp(NOW.0 + i64::from(at)) }
        }),
        12 => (seq.clone(), seq.clone()).prop_map(|(consumer, stream)| acked(consumer, stream)),
        1 => seq.clone().prop_map(|stream| Operation::Skipped { stream }),
        1 => seq.clone().prop_map(|stream| Operation::Started { stream }),
        1 => seq.clone().prop_map(|stream| Operation::Reset { stream }),
        1 => seq.prop_map(|below| Operation::RedeliveredForgotten { below }),
    ]
}

pub(in crate::consumer) fn any_rules() -> impl Strategy<Value = Rules> {
    let policy = prop_oneof![Just(AckPolicy::None), Just(AckPolicy::All), Just(AckPolicy::Explicit)];
    (policy, proptest::option::of(1..4u64))
        .prop_map(|(ack_policy, max_deliver)| Rules { ack_policy, max_deliver })
}

/// Deliveries of a consumer that works, so that there is much to acknowledge.
fn working() -> impl Strategy<Value = Vec<Operation>> {
    vec((1..3u64, any::<bool>(), 0..8u64, any_operation()), 0..60).prop_map(|steps| {
        let (mut consumer, mut stream) = (0, 0);
        let mut operations = Vec::new();
        for (step, delivers, back, other) in steps {
            if delivers {
                consumer += 1;
                stream += step;
                operations.push(delivered(consumer, stream, 1));
            } else if back < 6 {
                let stream = u64::saturating_sub(stream, back);
                operations.push(acked(u64::saturating_sub(consumer, back / 2), stream));
                if back == 5 {
                    consumer += 1;
                    operations.push(delivered(consumer, stream, 2));
                }
            } else {
                operations.push(other);
            }
        }
        operations
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_are_those_told_step_by_step(
        rules in any_rules(),
        operations in prop_oneof![working(), vec(any_operation(), 0..60)],
    ) {
        let (mut state, mut naive) = (ConsumerState::default(), Naive::default());
        for operation in operations {
            let before = state.clone();
            let applied = state.apply(rules, operation);
            prop_assert_eq!(applied.refused, naive.apply(rules, operation), "{:?}", operation);
            prop_assert_eq!(&state, &naive.0, "{:?}", operation);
            prop_assert!(applied.is_changed || before == state, "{:?} changed unseen", operation);
        }
    }
}
