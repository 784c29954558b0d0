use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;

fn list(entries: &[&str]) -> Option<Vec<String>> {
    (!entries.is_empty()).then(|| entries.iter().map(|entry| (*entry).to_owned()).collect())
}

fn block(allow: &[&str], deny: &[&str]) -> Option<SubjectPermissionOptions> {
    Some(SubjectPermissionOptions { allow: list(allow), deny: list(deny) })
}

fn publish(allow: &[&str], deny: &[&str]) -> PermissionOptions {
    PermissionOptions { publish: block(allow, deny), ..PermissionOptions::default() }
}

fn subscribe(allow: &[&str], deny: &[&str]) -> PermissionOptions {
    PermissionOptions { subscribe: block(allow, deny), ..PermissionOptions::default() }
}

fn compile(options: &PermissionOptions) -> Permissions {
    Permissions::compile(options).unwrap()
}

fn may_subscribe(permissions: &Permissions, filter: &str, queue: &str) -> bool {
    let queue = (!queue.is_empty()).then_some(queue.as_bytes());
    permissions.subscribe_allowed(filter.as_bytes(), queue) != SubscribeDecision::Denied
}

// go: server/client_test.go TestQueueSubscribePermissions
#[test]
fn queue_entries_allow_and_deny_groups() {
    let cases = [
        (&["foo"][..], &[][..], "foo", "", true),
        (&["foo bar"], &[], "foo", "bar", true),
        (&["foo bar.*"], &[], "foo", "bar.fizz", true),
        (&["> bar.>"], &[], "whizz", "bar.bang", true),
        (&["> bar.>"], &[], "whizz", "", false),
        (&[">"], &["foo"], "foo", "bar", false),
        (&[">"], &["foo"], "bar", "", true),
        (&[">"], &[">"], "foo", "bar", false),
        (&["> v1.>"], &[], "foo", "v1.prod", true),
        (&[">"], &["> >"], "foo", "", true),
        (&[], &["> >"], "foo", "bar", false),
        (&[], &["> *.dev", "> *.stg"], "foo", "bar", true),
        (&["> *.dev", "> *.stg"], &[], "foo", "bar", false),
        (&[], &["foo >"], "foo", "bar", false),
        (&["foo bar"], &[], "foo", "fizz", false),
        (&["foo"], &[], "foo", "bar", true),
        (&[">"], &["admin.>", "> restricted"], "admin.secret", "workers", false),
    ];
    for (allow, deny, filter, queue, expected) in cases {
        let permissions = compile(&subscribe(allow, deny));
        assert_eq!(
            may_subscribe(&permissions, filter, queue),
            expected,
            "allow {allow:?} deny {deny:?}: {filter} {queue}"
        );
        if !expected {
            let queue = (!queue.is_empty()).then_some(queue);
            let violation = Violation::Subscribe {
                filter: filter.as_bytes(),
                queue: queue.map(str::as_bytes),
                sid: b"1",
            };
            let using = queue.map(|queue| format!(" using queue \"{queue}\"")).unwrap_or_default();
            assert_eq!(
                violation.to_string(),
                format!("Permissions Violation for Subscription to \"{filter}\"{using}")
            );
        }
    }
}

// go: server/client_test.go TestSplitSubjectQueue
#[test]
fn an_entry_is_a_subject_or_a_subject_and_a_queue() {
    for entry in ["foo bar", " foo bar ", "foo  bar"] {
        let permissions = compile(&subscribe(&[entry], &[]));
        assert!(may_subscribe(&permissions, "foo", "bar"), "{entry:?}");
        assert!(!may_subscribe(&permissions, "foo", ""), "{entry:?}");
        assert!(!may_subscribe(&permissions, "foo", "baz"), "{entry:?}");
    }
    let plain = compile(&subscribe(&["foo"], &[]));
    assert!(may_subscribe(&plain, "foo", "") && may_subscribe(&plain, "foo", "bar"));
    for entry in ["foo  bar fizz", "", "\t", "\n", " \t\r\n"] {
        let error = Permissions::compile(&subscribe(&[entry], &[])).unwrap_err();
        let expected = PermissionError::SubscribeAllow(InvalidFilter::Subject(entry.to_owned()));
        assert_eq!(error, expected);
    }
}

// go: server/client_test.go TestClientSetPermissionsPublishDenyQueueQualifierFailsClosed
#[test]
fn a_queue_in_a_publish_list_lets_nobody_in() {
    let entry = "admin.secret workers";
    let refused = InvalidFilter::Subject(entry.to_owned());
    assert_eq!(Permissions::compile(&publish(&[], &[entry])), Err(PermissionError::PublishDeny(refused)));
}

#[test]
fn an_entry_with_a_queue_narrows_what_one_without_allows() {
    let permissions = compile(&subscribe(&["foo", "foo v1"], &[]));
    assert!(may_subscribe(&permissions, "foo", ""));
    assert!(may_subscribe(&permissions, "foo", "v1"));
    assert!(!may_subscribe(&permissions, "foo", "v2"));
}

// go: server/client_test.go TestClientSubscribeDenyWildcardOverlapBlocksDelivery
#[test]
fn a_wildcard_subscription_gets_nothing_that_a_deny_entry_overlaps() {
    let cases = [
        ("*.secret", "foo.*", "foo.secret", "foo.public"),
        ("foo.*.bar", "foo.baz.*", "foo.baz.bar", "foo.baz.qux"),
        ("*.*.bar", "foo.*.*", "foo.baz.bar", "foo.baz.qux"),
        ("a.>", "*.b", "a.b", "z.b"),
    ];
    let workers = Some(b"workers".as_slice());
    for (deny, filter, blocked, passed) in cases {
        let permissions = compile(&subscribe(&[">"], &[deny]));
        let decision = permissions.subscribe_allowed(filter.as_bytes(), workers);
        assert_eq!(decision, SubscribeDecision::AllowedInPart, "{deny} and {filter}");
        assert!(!permissions.delivery_allowed(blocked.as_bytes(), workers));
        assert!(permissions.delivery_allowed(passed.as_bytes(), workers));
    }
}

// go: server/client_test.go TestClientQueueScopedSubscribeDenyBlocksOnlyMatchingQueue
#[test]
fn a_deny_entry_with_a_queue_stops_deliveries_to_that_group_only() {
    let cases =
        [("admin.secret workers", "workers", "auditors"), ("admin.secret work.*", "work.prod", "audit.prod")];
    for (deny, denied, allowed) in cases {
        let permissions = compile(&subscribe(&[">"], &[deny]));
        let mut connection = ConnectionPermissions::new(Arc::new(permissions));
        for queue in [Some(denied.as_bytes()), Some(allowed.as_bytes()), None] {
            let decision = connection.subscribe_allowed(b"admin.*", queue);
            assert_eq!(decision, SubscribeDecision::AllowedInPart);
        }
        // Twice: computed, then remembered.
        for _ in 0..2 {
            assert!(!connection.delivery_allowed(b"admin.secret", Some(denied.as_bytes())));
            assert!(connection.delivery_allowed(b"admin.secret", Some(allowed.as_bytes())));
            assert!(connection.delivery_allowed(b"admin.secret", None));
        }
    }
}

#[test]
fn subscriptions_that_no_deny_entry_touches_need_no_filter() {
    let permissions = compile(&subscribe(&[], &["foo.secret", "bar q"]));
    assert_eq!(permissions.subscribe_allowed(b"foo.*", None), SubscribeDecision::AllowedInPart);
    assert_eq!(permissions.subscribe_allowed(b"foo.public", None), SubscribeDecision::Allowed);
    assert_eq!(permissions.subscribe_allowed(b"baz.>", None), SubscribeDecision::Allowed);
    assert_eq!(permissions.subscribe_allowed(b"bar", Some(b"p")), SubscribeDecision::Allowed);
    assert_eq!(permissions.subscribe_allowed(b"foo.secret", None), SubscribeDecision::Denied);
}

// go: server/client_test.go TestClientSetPermissionsClearsStaleMsgDenyState
#[test]
fn rules_set_anew_leave_nothing_of_the_old_ones() {
    let denying = compile(&subscribe(&[], &["foo.secret"]));
    assert_eq!(denying.subscribe_allowed(b"foo.*", None), SubscribeDecision::AllowedInPart);
    let empty = compile(&PermissionOptions::default());
    assert_eq!(empty.subscribe_allowed(b"foo.*", None), SubscribeDecision::Allowed);
    assert!(empty.delivery_allowed(b"foo.secret", None));
}

#[test]
fn publishing_follows_allow_and_deny() {
    let permissions = compile(&publish(&["*.*"], &["SYS.*", "bar.baz", "foo.*"]));
    for (subject, expected) in [
        ("SANDBOX.foo", true),
        ("baz.bar", true),
        ("foo", false),
        ("foo.bar", false),
        ("foo.bar.baz", false),
        ("bar.baz", false),
        ("SYS.1", false),
        // Wildcards published literally are tokens like others.
        ("baz.*", true),
        ("*.>", true),
        ("foo.>", false),
    ] {
        assert_eq!(permissions.publish_allowed(subject.as_bytes()), expected, "{subject}");
    }
    assert!(permissions.restricts_publishing());
}

#[test]
fn a_subject_with_an_empty_token_is_in_no_list() {
    let allowing = compile(&publish(&[">"], &[]));
    let denying = compile(&publish(&[], &[">"]));
    for subject in ["", ".", "foo.", ".foo", "foo..bar"] {
        assert!(!allowing.publish_allowed(subject.as_bytes()), "{subject:?}");
        assert!(denying.publish_allowed(subject.as_bytes()), "{subject:?}");
    }
}

#[test]
fn an_empty_list_is_no_list() {
    let empty = SubjectPermissionOptions { allow: Some(Vec::new()), deny: Some(Vec::new()) };
    let permissions = compile(&PermissionOptions {
        publish: Some(empty.clone()),
        subscribe: Some(empty),
        allow_responses: None,
    });
    assert!(permissions.publish_allowed(b"foo"));
    assert!(!permissions.restricts_publishing());
    assert_eq!(permissions.subscribe_allowed(b"foo", None), SubscribeDecision::Allowed);
}

#[test]
fn allow_responses_without_a_list_allows_nothing_else() {
    let responses = ResponsePermissionOptions { max: 1, expires: Duration::from_secs(120) };
    for deny in [&[][..], &["bar"]] {
        let permissions =
            compile(&PermissionOptions { allow_responses: Some(responses), ..publish(&[], deny) });
        assert!(!permissions.publish_allowed(b"foo"));
    }
    let permissions =
        compile(&PermissionOptions { allow_responses: Some(responses), ..publish(&["foo"], &[]) });
    assert!(permissions.publish_allowed(b"foo"));
    assert!(!permissions.publish_allowed(b"bar"));
}

#[test]
fn response_limits_take_zero_as_the_default_and_less_as_none() {
    let limit = |max, expires| {
        let responses = ResponsePermissionOptions { max, expires };
        let options = PermissionOptions { allow_responses: Some(responses), ..PermissionOptions::default() };
        compile(&options).response_limit().unwrap()
    };
    let second = Duration::from_secs(1);
    assert_eq!(limit(0, second), ResponseLimit { max: Some(1), expires: Some(second) });
    assert_eq!(limit(-1, Duration::ZERO), ResponseLimit { max: None, expires: None });
}

// go: server/client_test.go TestResponsePermissions
#[test]
fn responses_pass_while_their_limits_last() {
    let start = some_instant();
    let (hour, short) = (Duration::from_secs(3600), Duration::from_millis(100));
    // Limits, and when each response is tried: the answers.
    let cases = [
        (2, hour, &[(Duration::ZERO, true), (Duration::ZERO, true), (Duration::ZERO, false)][..]),
        (3, Duration::ZERO, &[(Duration::ZERO, true), (Duration::from_millis(50), true)]),
        (1000, short, &[(Duration::ZERO, true), (Duration::from_millis(200), false)]),
        (-1, short, &[(Duration::ZERO, true), (Duration::from_millis(200), false)]),
    ];
    for (max, expires, tries) in cases {
        let responses = ResponsePermissionOptions { max, expires };
        let options = PermissionOptions { allow_responses: Some(responses), ..PermissionOptions::default() };
        let mut service = ConnectionPermissions::new(Arc::new(compile(&options)));
        assert!(!service.publish_allowed(b"reply", start));
        service.reply_delivered(b"reply", start);
        for (after, expected) in tries {
            assert_eq!(
                service.publish_allowed(b"reply", start + *after),
                *expected,
                "max {max} after {after:?}"
            );
        }
    }
}

#[test]
fn a_reply_is_tracked_only_where_the_rules_do_not_allow_it_already() {
    let now = some_instant();
    let responses = ResponsePermissionOptions { max: 1, expires: Duration::from_secs(120) };
    let options = PermissionOptions { allow_responses: Some(responses), ..publish(&["open.>"], &["open.x"]) };
    let mut connection = ConnectionPermissions::new(Arc::new(compile(&options)));
    connection.reply_delivered(b"_INBOX.1", now);
    connection.reply_delivered(b"open.a", now);
    connection.reply_delivered(b"open.x", now);
    for _ in 0..3 {
        assert!(connection.publish_allowed(b"open.a", now));
    }
    for reply in [b"_INBOX.1".as_slice(), b"open.x"] {
        assert!(connection.publish_allowed(reply, now));
        assert!(!connection.publish_allowed(reply, now));
    }
    assert!(!connection.publish_allowed(b"_INBOX.2", now));
}

#[test]
fn invalid_entries_are_named_with_their_list() {
    let error = |options: &PermissionOptions| Permissions::compile(options).unwrap_err().to_string();
    assert_eq!(error(&publish(&["foo."], &[])), r#"publish allow: subject "foo." is not a valid subject"#);
    assert_eq!(error(&publish(&[], &["foo q"])), r#"publish deny: subject "foo q" is not a valid subject"#);
    assert_eq!(
        error(&subscribe(&["foo a b"], &[])),
        r#"subscribe allow: subject "foo a b" is not a valid subject"#
    );
    assert_eq!(
        error(&subscribe(&["foo..x q"], &[])),
        r#"subscribe allow: subject "foo..x" is not a valid subject"#
    );
    assert_eq!(error(&subscribe(&[], &["foo q."])), r#"subscribe deny: queue "q." is not a valid queue"#);
}

fn some_instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    Instant::now()
}

/// The rules as the documentation puts them, one entry at a time and on token lists.
mod model {
    pub(super) fn matches(filter: &str, subject: &str) -> bool {
        let (filter, subject): (Vec<_>, Vec<_>) = (filter.split('.').collect(), subject.split('.').collect());
        match filter.iter().position(|token| *token == ">") {
            Some(tail) => subject.len() > tail && zip_matches(&filter[..tail], &subject[..tail]),
            None => subject.len() == filter.len() && zip_matches(&filter, &subject),
        }
    }

    fn zip_matches(filter: &[&str], subject: &[&str]) -> bool {
        filter.iter().zip(subject).all(|(wanted, token)| *wanted == "*" || wanted == token)
    }

    pub(super) fn in_list(list: &[String], subject: &str, queue: Option<&str>, default: bool) -> bool {
        if list.is_empty() {
            return default;
        }
        let split: Vec<(&str, Option<&str>)> = list
            .iter()
            .map(|entry| entry.split_once(' ').map_or((&**entry, None), |(s, q)| (s, Some(q))))
            .collect();
        let of_subject: Vec<Option<&str>> =
            split.iter().filter(|(filter, _)| matches(filter, subject)).map(|(_, queue)| *queue).collect();
        let plain = of_subject.iter().any(Option::is_none);
        let queues: Vec<&str> = of_subject.iter().flatten().copied().collect();
        match queue {
            // As an allow list, entries with a queue overrule those without; as a deny list they add to them.
            Some(queue) if !queues.is_empty() => {
                queues.iter().any(|wanted| matches(wanted, queue)) || (!default && plain)
            }
            Some(_) | None => plain,
        }
    }
}

fn tokens(alphabet: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(alphabet), 1..4).prop_map(|tokens| tokens.join("."))
}

fn literal() -> impl Strategy<Value = String> {
    tokens(&["a", "b", "c"])
}

fn filter() -> impl Strategy<Value = String> {
    (tokens(&["a", "b", "c", "*"]), any::<bool>())
        .prop_map(|(text, tail)| if tail { text + ".>" } else { text })
}

fn queue_entry() -> impl Strategy<Value = String> {
    (filter(), prop::option::of(filter()))
        .prop_map(|(subject, queue)| queue.map_or(subject.clone(), |queue| format!("{subject} {queue}")))
}

proptest! {
    #[test]
    fn publishing_agrees_with_the_naive_reading(
        allow in prop::collection::vec(filter(), 0..4),
        deny in prop::collection::vec(filter(), 0..4),
        subjects in prop::collection::vec(literal(), 1..40),
    ) {
        let options = PermissionOptions {
            publish: Some(SubjectPermissionOptions { allow: Some(allow.clone()), deny: Some(deny.clone()) }),
            ..PermissionOptions::default()
        };
        let mut connection = ConnectionPermissions::new(Arc::new(compile(&options)));
        let now = some_instant();
        for subject in subjects {
            let expected =
                model::in_list(&allow, &subject, None, true) && !model::in_list(&deny, &subject, None, false);
            prop_assert_eq!(connection.publish_allowed(subject.as_bytes(), now), expected, "{}", subject);
        }
    }

    #[test]
    fn subscribing_agrees_with_the_naive_reading(
        allow in prop::collection::vec(queue_entry(), 0..4),
        deny in prop::collection::vec(queue_entry(), 0..4),
        subject in literal(),
        queue in prop::option::of(literal()),
    ) {
        let options = PermissionOptions {
            subscribe: Some(SubjectPermissionOptions { allow: Some(allow.clone()), deny: Some(deny.clone()) }),
            ..PermissionOptions::default()
        };
        let expected = model::in_list(&allow, &subject, queue.as_deref(), true)
            && !model::in_list(&deny, &subject, queue.as_deref(), false);
        let decision = compile(&options).subscribe_allowed(subject.as_bytes(), queue.as_deref().map(str::as_bytes));
        prop_assert_eq!(decision != SubscribeDecision::Denied, expected);
    }

    /// However broad the subscription: nothing denied is delivered, and nothing else is held back.
    #[test]
    fn what_a_subscription_gets_is_what_it_could_have_subscribed_to_literally(
        deny in prop::collection::vec(queue_entry(), 0..4),
        subject in literal(),
        masks in prop::collection::vec(any::<bool>(), 4),
        queue in prop::option::of(literal()),
    ) {
        let wide: Vec<&str> =
            subject.split('.').zip(&masks).map(|(token, mask)| if *mask { "*" } else { token }).collect();
        let mut wide = wide.join(".");
        if masks[3] {
            wide.replace_range(wide.rfind('.').map_or(0, |dot| dot + 1).., ">");
        }
        let deny: Vec<&str> = deny.iter().map(String::as_str).collect();
        let permissions = compile(&subscribe(&[], &deny));
        let queue = queue.as_deref().map(str::as_bytes);
        let delivered = match permissions.subscribe_allowed(wide.as_bytes(), queue) {
            SubscribeDecision::Denied => return Ok(()),
            SubscribeDecision::Allowed => true,
            SubscribeDecision::AllowedInPart => permissions.delivery_allowed(subject.as_bytes(), queue),
        };
        let literally = permissions.subscribe_allowed(subject.as_bytes(), queue) != SubscribeDecision::Denied;
        prop_assert_eq!(delivered, literally);
    }
}
