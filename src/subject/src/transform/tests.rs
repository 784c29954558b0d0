use proptest::prelude::*;

use super::*;

fn transform(source: &str, destination: &str) -> Transform {
    Transform::new(source, destination, Strictness::Lax)
        .unwrap_or_else(|error| panic!("{source} -> {destination}: {error}"))
}

fn apply(transform: &Transform, subject: &str, random: u64) -> String {
    let mut out = Vec::new();
    transform.apply(subject.as_bytes(), || random, &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn assert_becomes(source: &str, destination: &str, subject: &str, expected: &str) {
    assert_eq!(apply(&transform(source, destination), subject, 0), expected, "{source} -> {destination}");
}

// go: server/subject_transform_test.go TestSubjectTransforms
#[test]
fn destinations_that_do_not_fit_are_refused() {
    use Strictness::{Lax, Reversible};
    for (source, destination, strictness) in [
        ("foo..", "bar", Lax),
        ("foo.*", "bar.*", Lax),
        ("foo.*", "bar.$2", Lax),
        ("foo.*", "bar.$1.>", Lax),
        ("foo.>", "bar.baz", Lax),
        ("foo.*.*", "bar.$2", Reversible),
        ("foo.*", "foo.$foo", Reversible),
        ("foo.*", "bar.{{Partition(2,1)}}", Reversible),
        ("foo.*", "foo.{{wildcard(2)}}", Lax),
        ("foo.*", "foo.{{unimplemented(1)}}", Lax),
        ("foo.*", "foo.{{partition()}}", Lax),
        ("foo.*", "foo.{{random()}}", Lax),
        ("foo.*", "foo.{{wildcard(foo)}}", Lax),
        ("foo.*", "foo.{{wildcard()}}", Lax),
        ("foo.*", "foo.{{wildcard(1,2)}}", Lax),
        ("foo.*", "foo.{{ wildcard5) }}", Lax),
        ("foo.*", "foo.{{splitLeft(2,2}}", Lax),
        ("foo", "bla.{{wildcard(1)}}", Lax),
        ("foo.*", "foo.{{partition(2147483648)}}", Lax),
        ("foo.*", "foo.{{random(2147483648)}}", Lax),
        ("foo.*", "foo.{{split(1,a b)}}", Lax),
        ("foo.*", "foo.{{left(1)}}", Lax),
        ("foo.*", "foo.{{left(1,2,3)}}", Lax),
        ("foo.*", "foo.{{WILDCARD(1)}}", Lax),
    ] {
        assert!(Transform::new(source, destination, strictness).is_err(), "{source} -> {destination}");
    }
    for (source, destination) in [
        ("foo.*.*", "bar.$2"),
        ("foo.*.*", "bar.{{partition(1)}}"),
        ("foo.*.*", "bar.{{random(5)}}"),
        ("*", "{{splitfromleft(1,1)}}"),
        ("*.*", "{{partition(10,1,2)}}"),
        ("foo.*.*", "foo.{{wildcard(1)}}.{{wildcard(2)}}.{{partition(5,1,2)}}"),
        ("foo.*", "foo.{{partition(2147483647)}}"),
        ("foo.bar", "foo.{{random(2147483647)}}"),
        ("foo.bar", "baz.{{partition(10)}}"),
    ] {
        transform(source, destination);
    }
    Transform::new("foo.*", "bar.{{Wildcard(1)}}", Reversible).unwrap();
}

// go: server/subject_transform_test.go TestSubjectTransforms
#[test]
fn tokens_go_where_the_destination_says() {
    for (source, destination, subject, expected) in [
        ("", "prefix.>", "foo", "prefix.foo"),
        ("foo", "bar", "foo", "bar"),
        ("foo.*.bar.*.baz", "req.$2.$1", "foo.A.bar.B.baz", "req.B.A"),
        ("foo.*.bar.*.baz", "req.{{wildcard(2)}}.{{wildcard(1)}}", "foo.A.bar.B.baz", "req.B.A"),
        ("baz.>", "my.pre.>", "baz.1.2.3", "my.pre.1.2.3"),
        ("*", "foo.bar.$1", "foo", "foo.bar.foo"),
        (">", ">", "a.b", "a.b"),
        ("*", "{{splitfromleft(1,3)}}", "12345", "123.45"),
        ("*", "{{SplitFromRight(1,3)}}", "12345", "12.345"),
        ("*", "{{SliceFromLeft(1,3)}}", "1234567890", "123.456.789.0"),
        ("*", "{{SliceFromRight(1,3)}}", "1234567890", "1.234.567.890"),
        ("*", "{{split(1,-)}}", "-abc-def--ghi-", "abc.def.ghi"),
        ("*", "{{split(1,-)}}", "abc-def--ghi-", "abc.def.ghi"),
        ("*.*", "{{split(2,-)}}.{{splitfromleft(1,2)}}", "foo.-abc-def--ghij-", "abc.def.ghij.fo.o"),
        ("*", "{{right(1,1)}}", "1234", "4"),
        ("*", "{{right(1,3)}}", "1234", "234"),
        ("*", "{{right(1,6)}}", "1234", "1234"),
        ("*", "{{left(1,1)}}", "1234", "1"),
        ("*", "{{left(1,3)}}", "1234", "123"),
        ("*", "{{left(1,6)}}", "1234", "1234"),
        ("*", "{{left(1,-1)}}", "1234", "1234"),
        ("*", "bar.{{partition(0)}}", "baz", "bar.0"),
        ("*", "bar.{{partition(10, 0)}}", "foo", "bar.3"),
        ("*.*", "bar.{{partition(10)}}", "foo.bar", "bar.6"),
        ("*", "bar.{{partition(10)}}", "foo", "bar.3"),
        ("*", "bar.{{partition(10)}}", "baz", "bar.0"),
        ("*", "bar.{{partition(10)}}", "qux", "bar.9"),
        ("*", "bar.{{random(0)}}", "qux", "bar.0"),
        ("foo.bar", "baz.{{partition(10)}}", "foo.bar", "baz.6"),
        ("foo.baz", "qux.{{partition(10)}}", "foo.baz", "qux.4"),
        ("test.subject", "result.{{partition(5)}}", "test.subject", "result.0"),
    ] {
        assert_becomes(source, destination, subject, expected);
    }
}

#[test]
fn random_numbers_stay_below_their_ceiling() {
    let transform = transform("*", "bar.{{random(6)}}");
    for random in (0..1000).map(|step: u64| step.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
        let number: u32 = apply(&transform, "qux", random).strip_prefix("bar.").unwrap().parse().unwrap();
        assert!(number < 6);
    }
}

// go: server/subject_transform_test.go TestSubjectTransformDoesntPanicTransformingMissingToken
#[test]
fn a_subject_that_is_too_short_harms_nothing() {
    assert_eq!(apply(&transform("foo.*", "one.two.{{wildcard(1)}}"), "foo", 0), "one.two.");
    assert_eq!(apply(&transform("a.b.>", "x.>"), "a", 0), "x");
}

fn pieces(token: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = token.chars().collect();
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

proptest! {
    /// Wildcards in any order, against doing it token by token.
    #[test]
    fn wildcards_are_placed_as_numbered(
        tokens in prop::collection::vec("[a-c]{1,4}", 1..6),
        order in prop::collection::vec(0_usize..6, 1..6),
    ) {
        let source = vec!["*"; tokens.len()].join(".");
        let order: Vec<usize> = order.into_iter().map(|at| at % tokens.len()).collect();
        let destination: Vec<String> = order.iter().map(|at| format!("${}", at + 1)).collect();
        let expected: Vec<&str> = order.iter().map(|at| tokens[*at].as_str()).collect();
        let made = apply(&transform(&source, &destination.join(".")), &tokens.join("."), 0);
        prop_assert_eq!(made, expected.join("."));
    }

    #[test]
    fn slices_are_those_of_a_naive_model(token in "[a-z]{1,12}", size in 1_usize..14) {
        let left = apply(&transform("*", &format!("{{{{slicefromleft(1,{size})}}}}")), &token, 0);
        prop_assert_eq!(left, pieces(&token, size).join("."));
        let backwards: String = token.chars().rev().collect();
        let mut expected: Vec<String> =
            pieces(&backwards, size).iter().map(|piece| piece.chars().rev().collect()).collect();
        expected.reverse();
        let right = apply(&transform("*", &format!("{{{{slicefromright(1,{size})}}}}")), &token, 0);
        prop_assert_eq!(right, expected.join("."));
    }

    #[test]
    fn no_destination_breaks_the_reader(source in "[a*>.]{0,8}", destination in "[a$1*>.{}(), -]{0,24}") {
        if let Ok(transform) = Transform::new(&source, &destination, Strictness::Lax) {
            apply(&transform, "a.b.c", 5);
        }
    }

    #[test]
    fn no_call_breaks_the_reader(name in "(wildcard|partition|split|left|random|sliceFromLeft)", arguments in "[0-9,. -]{0,12}") {
        let destination = format!("{{{{{name}({arguments})}}}}");
        if let Ok(transform) = Transform::new("*.*", &destination, Strictness::Lax) {
            apply(&transform, "ab.c", 5);
        }
    }
}
