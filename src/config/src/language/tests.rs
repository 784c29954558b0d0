use std::collections::HashMap;
use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Files and variables of a test.
#[derive(Default)]
struct Desk {
    files: HashMap<&'static str, &'static str>,
    variables: HashMap<&'static str, &'static str>,
}

impl Surroundings for Desk {
    fn read(&self, path: &Path) -> io::Result<String> {
        let text = path.to_str().and_then(|path| self.files.get(path));
        text.map(|text| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }
}

fn read_with(text: &str, desk: &Desk) -> Result<Map, String> {
    parse(text, Path::new("test.conf"), desk).map_err(|error| error.to_string())
}

fn read(text: &str) -> Map {
    read_with(text, &Desk::default()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn refused(text: &str) -> String {
    match read_with(text, &Desk::default()) {
        Ok(map) => panic!("{text:?} gave {map:?}"),
        Err(error) => error,
    }
}

/// The map in a form that is easily compared.
fn shown(map: &Map) -> String {
    let entries: Vec<_> =
        map.iter().map(|(key, entry)| format!("{key}={}", shown_data(&entry.value.data))).collect();
    entries.join(" ")
}

fn shown_data(data: &Data) -> String {
    match data {
        Data::Bool(value) => value.to_string(),
        Data::Integer(value) => value.to_string(),
        Data::Float(value) => format!("{value:?}"),
        Data::String(value) => format!("{value:?}"),
        Data::DateTime(value) => format!("@{value}"),
        Data::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| shown_data(&value.data)).collect();
            format!("[{}]", values.join(" "))
        }
        Data::Map(map) => format!("{{{}}}", shown(map)),
    }
}

#[track_caller]
fn assert_reads(text: &str, expected: &str) {
    assert_eq!(shown(&read(text)), expected, "{text}");
}

// go: conf/lex_test.go TestPlainValue
// go: conf/lex_test.go TestSimpleKeyBoolValues
// go: conf/lex_test.go TestColonKeySep
// go: conf/lex_test.go TestWhitespaceKeySep
// go: conf/lex_test.go TestNonBool
// go: conf/parse_test.go TestSimpleTopLevel
// go: conf/parse_test.go TestBools
#[test]
fn words_numbers_and_booleans() {
    assert_reads("foo='1'; bar=2.2; baz=true; boo=22", r#"foo="1" bar=2.2 baz=true boo=22"#);
    for yes in ["true", "TRUE", "yes", "Yes", "on", "oN"] {
        assert_reads(&format!("foo={yes}"), "foo=true");
        assert_reads(&format!("foo: {yes}"), "foo=true");
        assert_reads(&format!("foo {yes}"), "foo=true");
    }
    for no in ["false", "no", "off", "OFF"] {
        assert_reads(&format!("foo={no}"), "foo=false");
    }
    assert_reads("a = 'true'", r#"a="true""#);
    assert_reads("a = truely", r#"a="truely""#);
}

// go: conf/lex_test.go TestConvenientIntegerValues
// go: conf/lex_test.go TestSimpleKeyNegativeIntegerValues
// go: conf/parse_test.go TestConvenientNumbers
#[test]
fn units_are_powers_of_1000_or_1024() {
    assert_reads(
        "k = 8k\nkb = 4kb\nki = 3ki\nkib = 4ki\nm = 1m\nmb = 2MB\ng = 2g\ngb = 22GB\n",
        "k=8000 kb=4096 ki=3072 kib=4096 m=1000000 mb=2097152 g=2000000000 gb=23622320128",
    );
    assert_reads("tb = 22TB\npb = 22PB", "tb=24189255811072 pb=24769797950537728");
    assert_reads("a = -4k; b = -1; c = -1.5", "a=-4000 b=-1 c=-1.5");
    assert_reads("a = 10s; b = 2m; c = 5kilo", r#"a="10s" b=2000000 c="5kilo""#);
    assert!(refused("a = 9223372036854775808").contains("out of range"));
    assert!(refused("a = 10e").contains("out of range"));
}

// go: conf/lex_test.go TestUnquotedIPAddr
// go: conf/lex_test.go TestDateValues
// go: conf/lex_test.go TestStringStartingWithNumber
// go: conf/lex_test.go TestBadFloatValues
#[test]
fn addresses_and_dates_are_told_from_numbers() {
    assert_reads("listen: 127.0.0.1:4222", r#"listen="127.0.0.1:4222""#);
    assert_reads("a = 10.0.0.1", r#"a="10.0.0.1""#);
    assert_reads("a = 2016-05-04T18:53:41Z", "a=@2016-05-04T18:53:41Z");
    for wrong in
        ["2016-05-04T18:53:41", "2016-13-04T18:53:41Z", "2015-02-29T00:00:00Z", "16-05-04", "2016-05-04 1"]
    {
        assert!(refused(&format!("a = {wrong}")).contains("expected a date"), "{wrong}");
    }
    for wrong in ["1.", "-1.", ".5", "-.5", "-x"] {
        refused(&format!("a = {wrong}"));
    }
}

// go: conf/lex_test.go TestSimpleMap
// go: conf/lex_test.go TestMultilineMap
// go: conf/lex_test.go TestNestedWhitespaceMaps
// go: conf/lex_test.go TestOptionalSemicolons
// go: conf/lex_test.go TestSemicolonChaining
// go: conf/lex_test.go TestJSONCompat
// go: conf/parse_test.go TestSample1
// go: conf/lex_test.go TestNestedMaps
#[test]
fn maps_end_their_values_in_four_ways() {
    let expected = r#"foo={host={ip="127.0.0.1" port=4242} servers=["a.com" "b.com" "c.com"]}"#;
    assert_reads(
        "foo  {\n  host {\n    ip   = '127.0.0.1'\n    port = 4242\n  }\n  servers = [ \"a.com\", \"b.com\", \"c.com\"]\n}",
        expected,
    );
    assert_reads("foo{x}: 1", "foo{x}=1");
    assert_reads("foo = {host: {ip='127.0.0.1'; port: 4242,}, servers=[a.com, b.com\nc.com]}", expected);
    assert_reads(
        r#"{"foo":{"host":{"ip":"127.0.0.1","port":4242},"servers":["a.com","b.com","c.com"]}}"#,
        expected,
    );
    assert_reads("a = 1, b = 2; c = 3 }", "a=1 b=2 c=3");
    assert_reads("a = 1\n}\n", "a=1");
}

// go: conf/lex_test.go TestDoubleNestedMapsNewLines
// go: conf/lex_test.go TestArrayOfMaps
// go: conf/parse_test.go TestSample2
// go: conf/parse_test.go TestSample3
// go: conf/parse_test.go TestSample4
// go: conf/parse_test.go TestSample5
#[test]
fn maps_arrays_and_strings_nest_over_lines() {
    assert_reads(
        "\nsystems {\n  allinone {\n    description: \"This is a description.\"\n  }\n}\n",
        r#"systems={allinone={description="This is a description."}}"#,
    );
    assert_reads(
        "\nauthorization {\n    users = [\n      {user: alice, password: foo}\n      {user: bob,   password: bar}\n\
         \x20   ]\n    timeout: 0.5\n}\n",
        r#"authorization={users=[{user="alice" password="foo"} {user="bob" password="bar"}] timeout=0.5}"#,
    );
    assert_reads(
        "\ncluster {\n  port: 4244\n\n  authorization {\n    user: route_user\n    password: top_secret\n\
         \x20   timeout: 1\n  }\n\n  # Routes.\n  # More of them.\n\n  // Another comment.\n\n  routes = [\n\
         \x20   nats-route://foo:bar@apcera.me:4245\n    nats-route://foo:bar@apcera.me:4246\n  ]\n}\n",
        r#"cluster={port=4244 authorization={user="route_user" password="top_secret" timeout=1} routes=["nats-route://foo:bar@apcera.me:4245" "nats-route://foo:bar@apcera.me:4246"]}"#,
    );
    assert_reads(
        "foo  {\n  expr = '(true == \"false\")'\n  text = 'This is a multi-line\ntext block.'\n}\n",
        r#"foo={expr="(true == \"false\")" text="This is a multi-line\ntext block."}"#,
    );
    assert_reads(
        "  array [\n    { abc: 123 }\n    { xyz: \"word\" }\n  ]\n",
        r#"array=[{abc=123} {xyz="word"}]"#,
    );
    assert_reads("  now = 2016-05-04T18:53:41Z\n  gmt = false\n\n", "now=@2016-05-04T18:53:41Z gmt=false");
}

// go: conf/lex_test.go TestArrays
// go: conf/lex_test.go TestMultilineArraysNoSep
// go: conf/lex_test.go TestMultilineArrays
#[test]
fn arrays_hold_anything() {
    assert_reads("foo = [1, 2, 3, 'bar']", r#"foo=[1 2 3 "bar"]"#);
    assert_reads(
        "foo = [\n # top level\n 1, // One\n 2\n 3 # Three\n 'bar', \"bar\"\n]",
        r#"foo=[1 2 3 "bar" "bar"]"#,
    );
    assert_reads(
        "\n# top level comment\nfoo = [\n 1 // foo\n 2\n 3\n 'bar'\n \"bar\"\n]\n",
        r#"foo=[1 2 3 "bar" "bar"]"#,
    );
    assert_reads("foo = [[1k, 2], {a: [ ]}, 1.5]", "foo=[[1000 2] {a=[]} 1.5]");
    assert!(refused("a = [,]").contains("1:6: expected a value, found ','"));
    assert!(refused("a = [1 2]").contains("expected ',' or ']'"));
    assert!(refused("a = [1,").contains("end of file in an array"));
}

// go: conf/lex_test.go TestTopValuesWithComments
// go: conf/lex_test.go TestComments
#[test]
fn comments_end_with_their_line() {
    for text in ["foo = 123 // x", "foo=123 # y\n", "# a\n// b\nfoo 123", "foo = 123; # c", "foo = 123//c"] {
        // Without a space the comment's signs belong to the word.
        if text.ends_with("//c") {
            assert_reads(text, r#"foo="123//c""#);
        } else {
            assert_reads(text, "foo=123");
        }
    }
    assert_reads("m = { # here\n a: 1 # there\n // and\n b: 2 }", "m={a=1 b=2}");
    assert_reads("url = nats://a:b@c#d", r#"url="nats://a:b@c#d""#);
}

// go: conf/lex_test.go TestSimpleKeyStringValues
// go: conf/lex_test.go TestComplexStringValues
// go: conf/lex_test.go TestSimpleKeyIntegerValues
// go: conf/lex_test.go TestSimpleKeyFloatValues
#[test]
fn separators_and_line_ends_do_not_change_a_value() {
    for text in ["foo = \"bar\"", "foo = 'bar'", "foo='bar'", "foo='bar'\r\n", "foo=\t'bar'\t"] {
        assert_reads(text, r#"foo="bar""#);
    }
    assert_reads(r"foo = 'bar\r\n  \t'", r#"foo="bar\\r\\n  \\t""#);
    for (value, expected) in [("123", "foo=123"), ("22.2", "foo=22.2")] {
        for text in [format!("foo = {value}"), format!("foo={value}"), format!("foo={value}\r\n")] {
            assert_reads(&text, expected);
        }
    }
}

// go: conf/lex_test.go TestCompoundStringSE
// go: conf/lex_test.go TestCompoundStringEE
// go: conf/lex_test.go TestCompoundStringSEE
// go: conf/lex_test.go TestCompoundStringSES
// go: conf/lex_test.go TestCompoundStringEES
// go: conf/lex_test.go TestCompoundStringESE
#[test]
fn escapes_stand_anywhere_in_a_string() {
    for (value, expected) in [
        (r#""start\\""#, r#"foo="start\\""#),
        (r"\x45\x71", r#"foo="Eq""#),
        (r"start\x45\x71", r#"foo="startEq""#),
        (r"start\x7Cend", r#"foo="start|end""#),
        (r"\x3c\x3eend", r#"foo="<>end""#),
        (r"\x3cmiddle\x3E", r#"foo="<middle>""#),
    ] {
        assert_reads(&format!("foo = {value}"), expected);
    }
}

// go: conf/lex_test.go TestBadBinaryStringEndingAfterZeroHexChars
// go: conf/lex_test.go TestBadBinaryStringWithZeroHexChars
#[test]
fn an_escape_in_hexadecimal_has_two_digits() {
    for (text, column) in [("foo = xyz\\x\n", 7), ("foo = xyz\\xF\n", 7), ("foo = \"[\\x]\"", 7)] {
        let expected = format!("test.conf:1:{column}: expected two hexadecimal digits after \\x");
        assert_eq!(refused(text), expected, "{text}");
    }
}

// go: conf/lex_test.go TestRawString
// go: conf/lex_test.go TestBadStringEscape
// go: conf/lex_test.go TestBadBinaryStringEndingAfterOneHexChar
// go: conf/lex_test.go TestBadBinaryStringWithOneHexChar
// go: conf/lex_test.go TestDanglingQuotedString
// go: conf/lex_test.go TestDanglingSingleQuotedString
// go: conf/lex_test.go TestEscapedString
// go: conf/lex_test.go TestCompoundStringES
// go: conf/lex_test.go TestNonQuotedStrings
// go: conf/lex_test.go TestBinaryString
#[test]
fn strings_and_their_escapes() {
    assert_reads(r#"a = "x\ty\n\r\"\\\x41" "#, r#"a="x\ty\n\r\"\\A""#);
    assert_reads(r"a = 'x\ty'", r#"a="x\\ty""#);
    assert_reads(r"a = e\tf\x22 ", r#"a="e\tf\"""#);
    assert_reads("a = \"two\nlines\"", r#"a="two\nlines""#);
    assert_reads("a = \"\u{e9}\\xc3\\xa9\"", "a=\"\u{e9}\u{e9}\"");
    for wrong in [r#"a = "\q""#, r#"a = "\xg1""#, r#"a = "\x4"#, r#"a = "\xff""#, r#"a = ""#, r"a = '"] {
        assert!(refused(wrong).starts_with("test.conf:1:5: "), "{wrong}");
    }
}

// go: conf/lex_test.go TestBlockString
// go: conf/lex_test.go TestBlockStringMultiLine
// go: conf/lex_test.go TestBlockStringEOF
// go: conf/lex_test.go TestBlockDanglingParens
// go: conf/parse_test.go TestBlocks
#[test]
fn a_block_ends_with_a_lone_parenthesis() {
    assert_reads("a (\nkey (1)\n  )x\n)\nb 2", "a=\"\\nkey (1)\\n  )x\\n\" b=2");
    assert_reads("a (\nlast\n)", "a=\"\\nlast\\n\"");
    assert!(refused("a (\nnever").contains("end of file in a block"));
}

// go: conf/lex_test.go TestVariableValues
// go: conf/lex_test.go TestNonVariable
// go: conf/parse_test.go TestSimpleVariable
// go: conf/parse_test.go TestParseFileWithChecksDigestPreservesConfigKeyUsedAsVariable
// go: conf/parse_test.go TestNestedVariable
// go: conf/parse_test.go TestMissingVariable
// go: conf/parse_test.go TestBcryptVariable
#[test]
fn variables_are_looked_for_from_the_inside_out() {
    assert_reads("index = 22\nfoo = $index", "index=22 foo=22");
    assert_reads(
        "index = 22\nnest { index = 33; foo = $index }\nbar = $index",
        "index=22 nest={index=33 foo=33} bar=22",
    );
    assert_eq!(refused("foo=$index"), "test.conf:1:5: variable reference for 'index' can not be found");
    assert_reads("password: $2a$11$ooo", r#"password="$2a$11$ooo""#);
    assert_reads("a = '$b'", r#"a="$b""#);
    assert_reads("port = 4222\nmonitor_port = $port", "port=4222 monitor_port=4222");
    let map = read("index = {a: 1}\nfoo = [$index]");
    let used: Vec<_> = map.iter().map(|(key, entry)| (key, entry.is_variable)).collect();
    assert_eq!(used, [("index", true), ("foo", false)]);
}

// go: conf/parse_test.go TestEnvVariable
// go: conf/parse_test.go TestEnvVariableString
// go: conf/parse_test.go TestEnvVariableStringStartingWithNumber
// go: conf/parse_test.go TestEnvVariableStringStartingWithNumberAndSizeUnit
// go: conf/parse_test.go TestEnvVariableStringStartingWithNumberUsingQuotes
#[test]
fn the_environment_speaks_the_same_language() {
    let variables = [
        ("NUMBER", "22"),
        ("WORD", "xyz"),
        ("SIZE", "3kb"),
        ("MIXED", "3xyz"),
        ("QUOTED", "'3xyz'"),
        ("LIST", "[1, 'a']"),
        ("MAP", "{a: 1}"),
        ("EMPTY", ""),
        ("OTHER", "$NUMBER"),
        ("CYCLE", "$CYCLE2"),
        ("CYCLE2", "$CYCLE"),
        ("WRONG", "[1"),
        ("TWO", "a b"),
    ];
    let desk = Desk { variables: variables.into(), ..Desk::default() };
    let value = |name: &str| read_with(&format!("a = ${name}"), &desk).map(|map| shown(&map));
    assert_eq!(value("NUMBER").unwrap(), "a=22");
    assert_eq!(value("WORD").unwrap(), r#"a="xyz""#);
    assert_eq!(value("SIZE").unwrap(), "a=3072");
    assert_eq!(value("MIXED").unwrap(), r#"a="3xyz""#);
    assert_eq!(value("QUOTED").unwrap(), r#"a="3xyz""#);
    assert_eq!(value("LIST").unwrap(), r#"a=[1 "a"]"#);
    assert_eq!(value("MAP").unwrap(), "a={a=1}");
    assert_eq!(value("EMPTY").unwrap(), r#"a="""#);
    assert_eq!(value("OTHER").unwrap(), "a=22");
    assert!(value("CYCLE").unwrap_err().contains("variable reference cycle for 'CYCLE'"));
    assert!(value("WRONG").unwrap_err().contains("$WRONG:1:3: unexpected end of file in an array"));
    assert!(value("TWO").unwrap_err().contains("after the value"));
}

// go: conf/parse_test.go TestIncludes
// go: conf/parse_test.go TestIncludeVariablesWithChecks
// go: conf/lex_test.go TestInclude
// go: conf/lex_test.go TestMapInclude
#[test]
fn files_are_included_where_they_are_named() {
    let files = [
        ("top.conf", "listen: 1\ninclude 'sub/auth.conf' # users\nmap { include \"sub/deep.conf\"; z: 1 }"),
        ("sub/auth.conf", "auth { include ./more.conf }"),
        ("sub/./more.conf", "user: u"),
        ("sub/deep.conf", "x = 1\ny = $x"),
        ("self.conf", "include self.conf"),
        ("broken.conf", "a = 1\ninclude sub/broken.conf"),
        ("sub/broken.conf", "\n\n b = {"),
    ];
    let desk = Desk { files: files.into(), ..Desk::default() };
    let file = |name: &str| parse_file(Path::new(name), &desk).map_err(|error| error.to_string());
    assert_eq!(shown(&file("top.conf").unwrap()), r#"listen=1 auth={user="u"} map={x=1 y=1 z=1}"#);
    assert_eq!(file("self.conf").unwrap_err(), "self.conf:1:9: \"self.conf\" includes itself");
    assert_eq!(file("broken.conf").unwrap_err(), "sub/broken.conf:3:7: unexpected end of file in a map");
    assert!(file("none.conf").unwrap_err().contains("cannot read \"none.conf\""));
    let missing = read_with("a = 1\n  include gone.conf", &desk).unwrap_err();
    assert!(missing.starts_with("test.conf:2:11: cannot read"), "{missing}");
    assert_reads("included = 2", "included=2");
}

// go: conf/parse_test.go TestParseWithNoValuesIncludes
#[test]
fn an_included_file_may_be_empty_but_not_nonsense() {
    let text = "accounts {\n foo { include 'foo.conf' }\n quux { include 'quux.conf' }\n}";
    let with = |quux: &'static str| {
        let files = [("foo.conf", ""), ("quux.conf", quux)].into();
        read_with(text, &Desk { files, ..Desk::default() })
    };
    for nonsense in ["?????????????", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let error = with(nonsense).unwrap_err();
        assert!(error.starts_with("quux.conf:1:") && error.contains(nonsense), "{error}");
    }
    let comments = "\n   # just some comments,\n   # and no key values also ok.\n";
    assert_eq!(shown(&with(comments).unwrap()), "accounts={foo={} quux={}}");
}

// go: conf/parse_test.go TestJSONParseCompat
#[test]
fn json_is_a_configuration_too() {
    assert_reads(
        r#"
        {
          "http_port": 8227,
          "port": 4227,
          "write_deadline": "1h",
          "cluster": {
            "port": 6222,
            "routes": [
              "nats://127.0.0.1:4222",
              "nats://127.0.0.1:4223"
            ]
          }
        }
        "#,
        r#"http_port=8227 port=4227 write_deadline="1h" cluster={port=6222 routes=["nats://127.0.0.1:4222" "nats://127.0.0.1:4223"]}"#,
    );
    assert_reads(
        "{\n\"jetstream\": {\n\"store_dir\": \"/tmp/nats\"\n\"max_mem\": 1000000,\n},\n\"port\": 4222\n}",
        r#"jetstream={store_dir="/tmp/nats" max_mem=1000000} port=4222"#,
    );
    assert_reads("{}", "");
    assert_reads("\n   {\n   }\n", "");
    let files = [
        ("foo.json", r#"{ "users": [ {"user": "foo"} ] }"#),
        ("bar.json", "{\n \"users\": [ {\"user\": \"bar\"} ]\n}"),
        ("quux.json", "{}"),
    ];
    let text = "accounts {\n foo  { include 'foo.json'  }\n bar  { include 'bar.json'  }\n quux { include 'quux.json' }\n}";
    let map = read_with(text, &Desk { files: files.into(), ..Desk::default() }).unwrap();
    let expected = r#"accounts={foo={users=[{user="foo"}]} bar={users=[{user="bar"}]} quux={}}"#;
    assert_eq!(shown(&map), expected);
}

// go: conf/lex_test.go TestQuotedKeys
// go: conf/lex_test.go TestQuotedKeysWithSpace
// go: conf/lex_test.go TestMapQuotedKeys
// go: conf/lex_test.go TestSpecialCharsMapQuotedKeys
// go: conf/lex_test.go TestEmptyStringDQ
// go: conf/lex_test.go TestEmptyStringSQ
#[test]
fn keys_may_be_quoted() {
    assert_reads("'a b' = 1; \"c\" = \"\"; 'd': ''", "a b=1 c=\"\" d=\"\"");
    assert_reads("m { 'x.>' = 1, \"y*\\\": 2 }", "m={x.>=1 y*\\=2}");
}

// go: conf/parse_test.go TestParseWithNoValuesEmptyConfigsAreValid
// go: conf/parse_test.go TestParseWithTrailingBracketsAreValid
#[test]
fn nothing_and_a_bracket_too_many_are_let_pass() {
    for text in ["", "\n\n", "# nothing", "{}", "  { }  ", "{ a = 1 }\n}", "}"] {
        read(text);
    }
}

#[test]
fn what_is_there_twice_has_its_last_value() {
    assert_reads("a = 1\nb = 2\na = 3", "a=3 b=2");
}

#[test]
fn values_stand_where_their_keys_stand() {
    let map = read("a = 1\n  bb {\n    c = [1,\n 2] }");
    let at = |value: &Value| (value.at.line, value.at.column);
    assert_eq!(at(map.get("a").unwrap()), (1, 1));
    let nested = map.get("bb").unwrap();
    assert_eq!(at(nested), (2, 3));
    let Data::Map(inner) = &nested.data else { panic!("{nested:?}") };
    let list = inner.get("c").unwrap();
    assert_eq!(at(list), (3, 5));
    let Data::Array(values) = &list.data else { panic!("{list:?}") };
    assert_eq!(at(&values[1]), (4, 2));
}

// go: conf/lex_test.go TestBadKey
// go: conf/lex_test.go TestKeyDanglingQuotedString
// go: conf/lex_test.go TestKeyDanglingSingleQuotedString
// go: conf/lex_test.go TestMapDanglingBracket
// go: conf/parse_test.go TestParserNoInfiniteLoop
// go: conf/parse_test.go TestParseWithNoValuesAreInvalid
#[test]
fn what_is_no_configuration_is_refused() {
    for text in [
        "aaaaaaaaaaaaaaaaaaaaaaa",
        "a:",
        "a: \n1",
        "a:,",
        "{a}",
        "a {b}",
        "m { a: 1",
        "m { a: 1 b: 2 }",
        "a = 1 b = 2",
        "= 1",
        "m { : 1 }",
        "m { ] }",
        "A@@Føøøø?˛ø:{øøøø˙˙",
        "include 9/82/2..",
        "include",
        "include \n",
        "include 'x",
        "'a",
        "\"a",
        "m { 'a",
        "m { \"a",
        "}a = 1",
    ] {
        let error = refused(text);
        assert!(error.starts_with("test.conf:"), "{text:?}: {error}");
    }
    let deep = format!("a = {}", "[".repeat(100_000));
    assert!(refused(&deep).contains("more than 64"));
}

/// The digests the reference (2.15.1) shows for these files.
// go: conf/parse_test.go TestParseDigest
#[test]
fn the_digest_is_the_references() {
    let cases = include_str!("testdata/digests.txt");
    let mut seen = 0;
    for case in cases.split("----\n").filter(|case| !case.trim().is_empty()) {
        let (expected, text) = case.split_once('\n').unwrap();
        assert_eq!(digest(&read(text)), expected, "{text}");
        seen += 1;
    }
    assert!(seen >= 4);
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in "[\\x00-\\x7f\u{e9}]{0,60}") {
        let _ = read_with(&text, &Desk::default());
    }

    #[test]
    fn nothing_made_of_its_signs_breaks_the_parser(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "a", "{", "}", "[", "]", "(", ")\n", "\n", " ", "=", ":", ",", ";", "#", "//", "\"", "'", "$a", "1",
                "1k", "1.5", "-", "\\", "include ", "2016-05-04T18:53:41Z", "true", "\\x4",
            ]),
            0..40,
        )
    ) {
        let _ = read_with(&parts.concat(), &Desk::default());
    }

    /// Whatever is written in the language's own form is read back as it was.
    #[test]
    fn strings_come_back_as_they_were(text in "\\PC{0,40}") {
        let quoted: String = text.chars().flat_map(|c| match c {
            '"' => vec!['\\', '"'],
            '\\' => vec!['\\', '\\'],
            c => vec![c],
        }).collect();
        let map = read(&format!("a = \"{quoted}\""));
        prop_assert_eq!(&map.get("a").unwrap().data, &Data::String(text));
    }
}
