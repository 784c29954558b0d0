use proptest::prelude::*;

use super::*;
use crate::select::{ConnSort, ConnState};

fn parse(target: &str) -> Result<Request, Response> {
    Request::parse(&BasePath::new(""), target, &mut RequestStats::default())
}

fn connz(target: &str) -> ConnSelection {
    match parse(target) {
        Ok(Request::Connz(selection)) => selection,
        other => panic!("{target} gave {other:?}"),
    }
}

fn refusal(target: &str) -> (u16, String) {
    let response = parse(target).expect_err(target);
    assert_eq!(response.content_type, "text/plain; charset=utf-8", "{target}");
    (response.status, String::from_utf8(response.body).unwrap())
}

// go: server/monitor_test.go TestMonitorConnzBadParams
// go: server/monitor_test.go TestMonitorRoutezWithBadParams
// go: server/monitor_test.go TestMonitorConnzSortBadRequest
// go: server/monitor_test.go TestMonitorConnzSortedByStopOnOpen
// go: server/monitor_test.go TestMonitorConnzSortedByReasonOnOpen
#[test]
fn bad_parameters_are_refused_in_the_references_words() {
    let cases = [
        (
            "/connz?auth=xxx",
            r#"Error decoding boolean for 'auth': strconv.ParseBool: parsing "xxx": invalid syntax"#,
        ),
        (
            "/connz?subs=xxx",
            r#"Error decoding boolean for 'subs': strconv.ParseBool: parsing "xxx": invalid syntax"#,
        ),
        (
            "/connz?offset=xxx",
            r#"Error decoding int for 'offset': strconv.Atoi: parsing "xxx": invalid syntax"#,
        ),
        (
            "/connz?limit=xxx",
            r#"Error decoding int for 'limit': strconv.Atoi: parsing "xxx": invalid syntax"#,
        ),
        ("/jsz?leader-only=true", "filtered response: not leader"),
        (
            "/jsz?leader-only=true&raft=xxx",
            r#"Error decoding boolean for 'raft': strconv.ParseBool: parsing "xxx": invalid syntax"#,
        ),
        ("/connz?limit=+", r#"Error decoding int for 'limit': strconv.Atoi: parsing " ": invalid syntax"#),
        (
            "/connz?limit=99999999999999999999",
            r#"Error decoding int for 'limit': strconv.Atoi: parsing "99999999999999999999": value out of range"#,
        ),
        (
            "/connz?cid=-1",
            r#"Error decoding uint64 for 'cid': strconv.ParseUint: parsing "-1": invalid syntax"#,
        ),
        (
            "/connz?cid=%2B1",
            r#"Error decoding uint64 for 'cid': strconv.ParseUint: parsing "+1": invalid syntax"#,
        ),
        (
            "/connz?cid=99999999999999999999",
            r#"Error decoding uint64 for 'cid': strconv.ParseUint: parsing "99999999999999999999": value out of range"#,
        ),
        (
            "/connz?limit=99999999999999999999x",
            r#"Error decoding int for 'limit': strconv.Atoi: parsing "99999999999999999999x": value out of range"#,
        ),
        (
            "/connz?auth=%FF",
            r#"Error decoding boolean for 'auth': strconv.ParseBool: parsing "\xff": invalid syntax"#,
        ),
        ("/connz?state=foo", "Error decoding state for foo"),
        ("/connz?state=xxx&sort=yyy", "Error decoding state for xxx"),
        ("/connz?sort=foo", "invalid sorting option: foo"),
        ("/connz?sort=stop", "sort by stop only valid on closed connections"),
        ("/connz?sort=stop&state=all", "sort by stop only valid on closed connections"),
        ("/connz?sort=reason", "sort by reason only valid on closed connections"),
        (
            "/routez?subs=xxx",
            r#"Error decoding boolean for 'subs': strconv.ParseBool: parsing "xxx": invalid syntax"#,
        ),
        ("/subsz?test=a.*", "invalid test subject, must be valid publish subject: a.*"),
        (
            "/healthz?js-enabled=x%00y",
            r#"Error decoding boolean for 'js-enabled': strconv.ParseBool: parsing "x\x00y": invalid syntax"#,
        ),
        (
            "/connz?subs=%C3%A9\"",
            r#"Error decoding boolean for 'subs': strconv.ParseBool: parsing "é\"": invalid syntax"#,
        ),
    ];
    for (target, text) in cases {
        assert_eq!(refusal(target), (400, text.to_owned()), "{target}");
    }
}

#[test]
fn sort_keys_are_the_references() {
    let cases = [
        ("cid", ConnSort::Id),
        ("start", ConnSort::Id),
        ("subs", ConnSort::Subscriptions),
        ("pending", ConnSort::Pending),
        ("msgs_to", ConnSort::MsgsTo),
        ("msgs_from", ConnSort::MsgsFrom),
        ("bytes_to", ConnSort::BytesTo),
        ("bytes_from", ConnSort::BytesFrom),
        ("last", ConnSort::Last),
        ("idle", ConnSort::Idle),
        ("uptime", ConnSort::Uptime),
        ("stop", ConnSort::Stop),
        ("reason", ConnSort::Reason),
        ("rtt", ConnSort::RoundTrip),
    ];
    for (key, sort) in cases {
        assert_eq!(connz(&format!("/connz?state=closed&sort={key}")).sort, sort, "{key}");
    }
}

#[test]
fn parameters_are_read_as_go_reads_them() {
    assert_eq!(connz("/connz"), ConnSelection::default());
    assert!(connz("/connz?auth=t&auth=q").auth, "the first value wins");
    assert!(!connz("/connz?subs=0;auth=1").auth, "a semicolon spoils its pair");
    assert!(connz("/connz?%61uth=%31&x=%zz").auth, "names are unescaped, broken pairs are skipped");
    assert_eq!(connz("/connz?user=a+b%2Bc").user, "a b+c");
    assert_eq!(connz("/connz?state=ALL").state, ConnState::All);
    assert_eq!(connz("/connz?state=any").state, ConnState::All);
    assert_eq!(connz("/connz?subs=Detail").subscriptions, SubscriptionsShown::Detail);
    assert_eq!(connz("/connz?offset=-1&limit=-4").page, Page::default());
    assert_eq!(connz("/connz?offset=3&limit=%2B5").page, Page { offset: 3, limit: 5 });
    let one = connz("/connz?cid=9&limit=7");
    assert_eq!((one.id, one.page.limit), (Some(ConnId(9)), 1));
    assert_eq!(connz("/connz?cid=0").id, None);
}

#[test]
fn pages_live_below_the_base_path() {
    let base = BasePath::new("/nats");
    let mut stats = RequestStats::default();
    assert_eq!(Request::parse(&base, "/nats", &mut stats), Ok(Request::Index));
    assert_eq!(Request::parse(&base, "/nats/varz?x=y", &mut stats), Ok(Request::Varz));
    for target in ["/", "/varz", "/nats/", "/natsvarz", "/nats/nope", "/nats/varz/"] {
        assert_eq!(Request::parse(&base, target, &mut stats).expect_err(target).status, 404, "{target}");
    }
    for configured in ["nats", "/nats/", "//nats", "/a/../nats"] {
        assert_eq!(BasePath::new(configured), base, "{configured}");
    }
    assert_eq!(BasePath::new(""), BasePath::new("/"));
}

#[test]
fn unclean_paths_are_sent_to_the_clean_one() {
    let response = parse("//varz?a=b&c").unwrap_err();
    assert_eq!(response.status, 307);
    assert_eq!(response.headers, [("Location", "/varz?a=b&c".to_owned())]);
    let body = String::from_utf8(response.body).unwrap();
    assert_eq!(body, "<a href=\"/varz?a=b&amp;c\">Temporary Redirect</a>.\n\n");
    let cases = [
        ("/a/../var%7a", "/var%7a"),
        ("/a//b%20c?x=%20", "/a/b%20c?x=%20"),
        ("//%2fvarz", "/%2fvarz"),
        ("/nope//", "/nope/"),
        ("//", "/"),
        ("//a<b>\"c", "/a%3Cb%3E%22c"),
    ];
    for (target, location) in cases {
        assert_eq!(parse(target).expect_err(target).headers, [("Location", location.to_owned())], "{target}");
    }
    assert_eq!(parse("/%2e%2e/varz").unwrap_err().status, 404);
    assert_eq!(parse("/var%7a"), Ok(Request::Varz));
    assert_eq!(parse("/%zz").unwrap_err().status, 400);
}

#[test]
fn unknown_pages_get_the_answer_of_gos_http_server() {
    let response = parse("/nope").unwrap_err();
    assert_eq!((response.status, response.content_type), (404, "text/plain; charset=utf-8"));
    assert_eq!(response.headers, [("X-Content-Type-Options", "nosniff".to_owned())]);
    assert_eq!(response.body, b"404 page not found\n");
}

#[test]
fn refused_requests_count_where_the_reference_counts_them() {
    let mut stats = RequestStats::default();
    let base = BasePath::new("");
    for page in
        ["connz", "routez", "gatewayz", "leafz", "subscriptionsz", "jsz", "accstatz", "ipqueuesz", "nope"]
    {
        let bad = format!("/{page}?subs=x&unused=x&accounts=x&all=x");
        assert!(Request::parse(&base, &bad, &mut stats).is_err(), "{bad}");
    }
    let counted: Vec<_> = stats.iter().collect();
    assert_eq!(counted, [("/accstatz", 1), ("/gatewayz", 1), ("/jsz", 1), ("/leafz", 1), ("/subsz", 1)]);
    assert!(Request::parse(&base, "/connz?sort=stop", &mut stats).is_err());
    assert!(stats.iter().any(|counted| counted == ("/connz", 1)), "an impossible order counts");
}

#[test]
fn only_what_a_page_shows_is_asked_for() {
    let needs = |target: &str| parse(target).unwrap().needs();
    assert_eq!(needs("/varz"), Needs { shards: true, ..Needs::default() });
    assert_eq!(needs("/healthz"), Needs::default());
    assert!(!needs("/connz").accounts);
    assert!(needs("/connz?acc=A").accounts);
    assert_eq!(needs("/subsz").subscriptions, None);
    assert!(needs("/subsz?subs=1").subscriptions.is_some());
}

proptest! {
    #[test]
    fn no_target_panics(target in "/(connz|subsz|healthz|varz|[a-z/.%]{0,9})\\?([a-z]{2,6}=[ -~]{0,8}&?){0,4}|.*") {
        let _ = parse(&target);
    }

    #[test]
    fn a_redirect_leads_to_a_clean_path(path in "(/|\\.|\\.\\.|[a-z]){0,12}") {
        let clean = clean_path(&path);
        prop_assert_eq!(clean_path(&clean), clean.clone());
        prop_assert!(clean.starts_with('/'));
    }
}
