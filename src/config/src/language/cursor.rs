//! A place in a text that is being read.

use std::sync::Arc;

use super::Position;

pub(super) struct Cursor<'a> {
    text: &'a str,
    file: Arc<str>,
    /// Bytes read.
    offset: usize,
    line: u32,
    column: u32,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, file: Arc<str>) -> Self {
        // Editors of some systems begin a file so.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { text, file, offset: 0, line: 1, column: 1 }
    }

    pub(super) fn position(&self) -> Position {
        Position { file: Arc::clone(&self.file), line: self.line, column: self.column }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// What stands between `start` and here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.offset]
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.offset += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    /// Takes `expected` if it is next.
    pub(super) fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn take_while(&mut self, mut accept: impl FnMut(char) -> bool) -> &'a str {
        let start = self.offset;
        while self.peek().is_some_and(&mut accept) {
            self.bump();
        }
        self.since(start)
    }

    /// `#` and `//` begin one, and the line's end ends it.
    pub(super) fn at_comment(&self) -> bool {
        self.rest().starts_with('#') || self.rest().starts_with("//")
    }

    pub(super) fn skip_comment(&mut self) {
        self.take_while(|c| !is_newline(c));
    }

    /// Skips white space, line ends and comments.
    pub(super) fn skip_blank(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.at_comment() {
                return;
            }
            self.skip_comment();
        }
    }

    /// Skips spaces and tabs.
    pub(super) fn skip_spaces(&mut self) {
        self.take_while(is_space);
    }
}

pub(super) fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

pub(super) fn is_key_separator(c: char) -> bool {
    matches!(c, '=' | ':')
}
