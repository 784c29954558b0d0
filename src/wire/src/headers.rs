//! A message's header block: `NATS/1.0[ status]`, CR LF, `name: value` lines, and an empty line.
//!
//! Names are matched by case, a name may come more than once and the first counts. A block is whatever a client put
//! into its HPUB; nothing here expects it to be well-formed.

use memchr::memmem;

/// The first line of a block, with its end.
pub const VERSION_LINE: &[u8] = b"NATS/1.0\r\n";

/// A header block as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    pub fn new(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// The text after the version in the first line, without blanks around it: `503`, `100 Idle Heartbeat`. `None`
    /// where there is none.
    pub fn status(&self) -> Option<&'a [u8]> {
        let first = self.0.split(|byte| *byte == b'\r').next()?;
        let status = first.strip_prefix(VERSION)?.trim_ascii();
        (!status.is_empty()).then_some(status)
    }

    /// The value of the first header `name`, without the blanks in front of it.
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        lines(self.0).find_map(|line| value_of(line.text(self.0), name))
    }

    /// All headers in their order. What is no `name: value` line is passed over.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let block = self.0;
        lines(block).filter_map(move |line| {
            let text = line.text(block);
            let colon = memchr::memchr(b':', text)?;
            Some((&text[..colon], without_leading_blanks(&text[colon + 1..])))
        })
    }
}

/// Appends a header to `block`, which becomes a block if it is empty. Line ends in `value` become blanks, and the blanks
/// around it go, so that no value can add a line.
pub fn append(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if block.len() > LINE_END.len() {
        block.truncate(block.len() - LINE_END.len());
    } else {
        block.clear();
        block.extend_from_slice(VERSION_LINE);
    }
    push_line(block, name, value);
    block.extend_from_slice(LINE_END);
}

/// Gives the first header `name` another value where it stands, or appends it.
pub fn set(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let found = lines(block).find(|line| value_of(line.text(block), name).is_some());
    let Some(line) = found else {
        return append(block, name, value);
    };
    let mut start = line.start + name.len() + 1;
    // Whoever wrote the header without a blank after the colon gets it back so.
    if block.get(start) == Some(&b' ') {
        start += 1;
    }
    let value = one_line(value);
    block.splice(start..line.stop, value);
}

/// Removes every header `name`. A block without headers and status is left empty.
pub fn remove(block: &mut Vec<u8>, name: &[u8]) {
    remove_where(block, |line| value_of(line, name).is_some());
}

/// Removes every header whose name starts with `prefix`. A block without headers and status is left empty.
pub fn remove_prefixed(block: &mut Vec<u8>, prefix: &[u8]) {
    remove_where(block, |line| line.starts_with(prefix));
}

/// The block that answers a request nobody listens to.
pub fn push_no_responders(out: &mut Vec<u8>, subject: &[u8]) {
    out.extend_from_slice(NO_RESPONDERS_START);
    out.extend_from_slice(subject);
    out.extend_from_slice(NO_RESPONDERS_END);
}

/// Bytes that [`push_no_responders`] appends.
pub fn no_responders_size(subject: &[u8]) -> usize {
    NO_RESPONDERS_START.len() + subject.len() + NO_RESPONDERS_END.len()
}

/// One header line: `start..stop` is its text, its line end follows.
#[derive(Clone, Copy)]
struct Line {
    start: usize,
    stop: usize,
}

impl Line {
    fn text<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        &block[self.start..self.stop]
    }
}

/// The lines after the first, without the empty one at the end. The last line may lack its end.
fn lines(block: &[u8]) -> impl Iterator<Item = Line> + use<'_> {
    let mut start = memmem::find(block, LINE_END).map(|at| at + LINE_END.len());
    core::iter::from_fn(move || {
        let from = start.filter(|from| *from < block.len())?;
        let end = memmem::find(&block[from..], LINE_END).map(|at| from + at);
        start = end.map(|end| end + LINE_END.len());
        Some(Line { start: from, stop: end.unwrap_or(block.len()) })
    })
    .filter(|line| line.start < line.stop)
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(without_leading_blanks(value))
}

fn without_leading_blanks(value: &[u8]) -> &[u8] {
    let blanks = value.iter().take_while(|byte| **byte == b' ').count();
    &value[blanks..]
}

/// One pass over the block, however many lines go: a client chose their number.
fn remove_where(block: &mut Vec<u8>, is_removed: impl Fn(&[u8]) -> bool) {
    let mut from = memmem::find(block, LINE_END).map_or(block.len(), |at| at + LINE_END.len());
    let mut kept = from;
    while from < block.len() {
        let (stop, end) = match memmem::find(&block[from..], LINE_END) {
            Some(at) => (from + at, from + at + LINE_END.len()),
            None => (block.len(), block.len()),
        };
        if !is_removed(&block[from..stop]) {
            block.copy_within(from..end, kept);
            kept += end - from;
        }
        from = end;
    }
    if kept == block.len() {
        return;
    }
    block.truncate(kept);
    if block.len() <= VERSION_LINE.len() + LINE_END.len() {
        block.clear();
    }
}

fn push_line(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.extend_from_slice(name);
    block.extend_from_slice(b": ");
    block.extend(one_line(value));
    block.extend_from_slice(LINE_END);
}

fn one_line(value: &[u8]) -> impl Iterator<Item = u8> + use<'_> {
    value.trim_ascii().iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte })
}

const VERSION: &[u8] = b"NATS/1.0";
const LINE_END: &[u8] = b"\r\n";
const NO_RESPONDERS_START: &[u8] = b"NATS/1.0 503\r\nNats-Subject: ";
const NO_RESPONDERS_END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"NATS/1.0\r\n\r\n";

    fn block(headers: &[(&str, &str)]) -> Vec<u8> {
        let mut block = EMPTY.to_vec();
        for (name, value) in headers {
            append(&mut block, name.as_bytes(), value.as_bytes());
        }
        block
    }

    /// The block as a sender writes it that puts no blank after the colon.
    fn without_blanks(block: &[u8]) -> Vec<u8> {
        block.iter().copied().filter(|byte| *byte != b' ').collect()
    }

    fn shown(block: &[u8]) -> &str {
        core::str::from_utf8(block).unwrap()
    }

    const EXPECTATIONS: [(&str, &str); 7] = [
        ("a", "1"),
        ("Nats-Expected-Stream", "my-stream"),
        ("Nats-Expected-Last-Sequence", "22"),
        ("b", "2"),
        ("Nats-Expected-Last-Subject-Sequence", "24"),
        ("Nats-Expected-Last-Msg-Id", "1"),
        ("c", "3"),
    ];
    const SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
    const SUBJECT_SEQUENCE_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

    // go: server/client_test.go TestRemoveHeaderIfPrefixPresent
    #[test]
    fn headers_go_by_prefix() {
        let mut block = block(&EXPECTATIONS);
        remove_prefixed(&mut block, b"Nats-Expected-");
        assert_eq!(shown(&block), "NATS/1.0\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n");
    }

    // go: server/client_test.go TestRemoveHeaderIfPrefixPresentSkipsValueMatches
    #[test]
    fn a_prefix_inside_a_value_is_no_header() {
        let mut block = block(&[
            ("X-Note", "see Nats-Expected-Stream below"),
            ("Nats-Expected-Stream", "my-stream"),
            ("Nats-Expected-Last-Sequence", "22"),
            ("c", "3"),
        ]);
        remove_prefixed(&mut block, b"Nats-Expected-");
        assert_eq!(shown(&block), "NATS/1.0\r\nX-Note: see Nats-Expected-Stream below\r\nc: 3\r\n\r\n");
    }

    // go: server/client_test.go TestRemoveHeaderIfPresentSkipsValueMatches
    #[test]
    fn a_name_inside_a_value_is_no_header() {
        let note = ("X-Note", "Nats-Msg-Id is set below");
        let mut block = block(&[note, ("Nats-Msg-Id", "real-id"), ("c", "3")]);
        remove(&mut block, b"Nats-Msg-Id");
        assert_eq!(shown(&block), "NATS/1.0\r\nX-Note: Nats-Msg-Id is set below\r\nc: 3\r\n\r\n");
    }

    // go: server/client_test.go TestRemoveHeaderIfPresentDuplicates
    #[test]
    fn every_header_of_a_name_goes() {
        let mut block = block(&[("a", "1"), ("a", "2"), ("c", "3"), ("a", "4"), ("a", "5")]);
        remove(&mut block, b"a");
        assert_eq!(shown(&block), "NATS/1.0\r\nc: 3\r\n\r\n");
    }

    // go: server/client_test.go TestSliceHeader
    #[test]
    fn a_value_is_found_by_its_name() {
        let block = block(&EXPECTATIONS);
        assert_eq!(Headers::new(&block).value(SUBJECT_SEQUENCE.as_bytes()), Some(&b"24"[..]));
    }

    // go: server/client_test.go TestSliceHeaderOrderingPrefix
    #[test]
    fn a_longer_name_in_front_hides_nothing() {
        let block = block(&[(SUBJECT_SEQUENCE_SUBJECT, "foo"), (SUBJECT_SEQUENCE, "24")]);
        assert_eq!(Headers::new(&block).value(SUBJECT_SEQUENCE.as_bytes()), Some(&b"24"[..]));
    }

    // go: server/client_test.go TestSliceHeaderOrderingSuffix
    #[test]
    fn a_name_that_ends_alike_hides_nothing() {
        let block = block(&[("Previous-Nats-Msg-Id", "user"), ("Nats-Msg-Id", "control")]);
        assert_eq!(Headers::new(&block).value(b"Nats-Msg-Id"), Some(&b"control"[..]));
    }

    // go: server/client_test.go TestRemoveHeaderIfPresentOrderingPrefix
    #[test]
    fn removing_spares_a_longer_name() {
        let mut both = block(&[(SUBJECT_SEQUENCE_SUBJECT, "foo"), (SUBJECT_SEQUENCE, "24")]);
        remove(&mut both, SUBJECT_SEQUENCE.as_bytes());
        assert_eq!(both, block(&[(SUBJECT_SEQUENCE_SUBJECT, "foo")]));
    }

    // go: server/client_test.go TestRemoveHeaderIfPresentOrderingSuffix
    #[test]
    fn removing_spares_a_name_that_ends_alike() {
        let mut both = block(&[("Previous-Nats-Msg-Id", "user"), ("Nats-Msg-Id", "control")]);
        remove(&mut both, b"Nats-Msg-Id");
        assert_eq!(both, block(&[("Previous-Nats-Msg-Id", "user")]));
    }

    #[test]
    fn removing_the_last_header_leaves_nothing() {
        let mut one = block(&[("a", "1")]);
        remove(&mut one, b"a");
        assert!(one.is_empty());
        let mut none = EMPTY.to_vec();
        remove(&mut none, b"a");
        assert_eq!(none, EMPTY);
        let mut with_status = b"NATS/1.0 503\r\na: 1\r\n\r\n".to_vec();
        remove(&mut with_status, b"a");
        assert_eq!(shown(&with_status), "NATS/1.0 503\r\n\r\n");
    }

    // go: server/client_test.go TestSetHeaderOrderingPrefix
    // go: server/client_test.go TestSetHeaderOrderingSuffix
    #[test]
    fn setting_changes_the_exact_name_in_place() {
        for (other, name) in
            [(SUBJECT_SEQUENCE_SUBJECT, SUBJECT_SEQUENCE), ("Previous-Nats-Msg-Id", "Nats-Msg-Id")]
        {
            let mut changed = block(&[(other, "foo"), (name, "24")]);
            let expected = block(&[(other, "foo"), (name, "12")]);
            let mut trimmed = without_blanks(&changed);
            set(&mut changed, name.as_bytes(), b"12");
            assert_eq!(shown(&changed), shown(&expected));
            set(&mut trimmed, name.as_bytes(), b"12");
            assert_eq!(trimmed, without_blanks(&expected));
        }
    }

    // go: server/client_test.go TestSetHeaderDoesNotOverwriteUnderlyingBuffer
    // go: server/client_test.go TestClientSetHeaderDoesNotMutateInputMsg
    #[test]
    fn a_value_may_grow_shrink_or_be_new_and_the_message_stays() {
        let message = b"NATS/1.0\r\nKey1: Val1\r\nKey2: Val2\r\n\r\nthis is the message body\r\n".to_vec();
        let header_len = message.len() - b"this is the message body\r\n".len();
        for (name, value, expected) in [
            ("Key1", "Val1Updated", "NATS/1.0\r\nKey1: Val1Updated\r\nKey2: Val2\r\n\r\n"),
            ("Key1", "v1", "NATS/1.0\r\nKey1: v1\r\nKey2: Val2\r\n\r\n"),
            ("Key3", "Val3", "NATS/1.0\r\nKey1: Val1\r\nKey2: Val2\r\nKey3: Val3\r\n\r\n"),
        ] {
            let before = message.clone();
            let mut changed = message[..header_len].to_vec();
            set(&mut changed, name.as_bytes(), value.as_bytes());
            assert_eq!(shown(&changed), expected);
            assert_eq!(message, before);
        }
        let mut replaced = message[..header_len].to_vec();
        remove(&mut replaced, b"Key1");
        append(&mut replaced, b"Key1", b"{newvalue}");
        assert_eq!(shown(&replaced), "NATS/1.0\r\nKey2: Val2\r\nKey1: {newvalue}\r\n\r\n");
    }

    #[test]
    fn a_first_header_makes_the_block() {
        let mut block = Vec::new();
        append(&mut block, b"a", b"1");
        assert_eq!(shown(&block), "NATS/1.0\r\na: 1\r\n\r\n");
        let mut block = Vec::new();
        set(&mut block, b"a", b"1");
        assert_eq!(shown(&block), "NATS/1.0\r\na: 1\r\n\r\n");
    }

    #[test]
    fn a_value_cannot_add_a_line() {
        let mut block = Vec::new();
        append(&mut block, b"a", b" 1\r\nb: 2\n");
        assert_eq!(shown(&block), "NATS/1.0\r\na: 1  b: 2\r\n\r\n");
    }

    #[test]
    fn names_match_by_case_and_the_first_counts() {
        let block = block(&[("A", "0"), ("a", "1"), ("a", "2")]);
        assert_eq!(Headers::new(&block).value(b"a"), Some(&b"1"[..]));
        assert_eq!(Headers::new(&block).value(b"x"), None);
    }

    #[test]
    fn headers_are_listed_in_order() {
        let block = b"NATS/1.0 100 Idle\r\na:  1\r\nnonsense\r\nb:\r\n\r\n";
        let listed: Vec<_> = Headers::new(block).iter().collect();
        assert_eq!(listed, [(&b"a"[..], &b"1"[..]), (b"b", b"")]);
        assert_eq!(Headers::new(block).status(), Some(&b"100 Idle"[..]));
        assert_eq!(Headers::new(EMPTY).status(), None);
    }

    #[test]
    fn a_block_without_an_end_is_read_as_far_as_it_goes() {
        assert_eq!(Headers::new(b"NATS/1.0\r\na: 1").value(b"a"), Some(&b"1"[..]));
        assert_eq!(Headers::new(b"").value(b"a"), None);
        assert_eq!(Headers::new(b"a: 1\r\n").value(b"a"), None);
        let mut open = b"NATS/1.0\r\na: 1\r\nb: 2".to_vec();
        remove(&mut open, b"b");
        assert_eq!(shown(&open), "NATS/1.0\r\na: 1\r\n");
    }

    #[test]
    fn many_equal_headers_are_removed_in_one_pass() {
        let mut block = VERSION_LINE.to_vec();
        block.extend(b"a:\r\n".repeat(200_000));
        block.extend_from_slice(LINE_END);
        remove(&mut block, b"a");
        assert!(block.is_empty());
    }
}
