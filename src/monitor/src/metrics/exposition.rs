//! The OpenMetrics text format (version 1.0.0), as far as it is used here.
//!
//! A writer of our own: the field's crate (`prometheus-client`) keeps every number in a registry of atomics for the life
//! of the process and knows no summaries, while our numbers live on their shards and arrive as one snapshot.

use std::fmt::{Display, Write};

/// Metrics of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Ends with the unit, if there is one; without the `_total` of a counter's samples.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Empty for plain counts.
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Info,
    Summary,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Info => "info",
            Self::Summary => "summary",
        }
    }

    /// What the name of a family's one sample ends with. A summary has several.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Summary => "",
        }
    }
}

/// The text as it grows. A family's samples follow it directly.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    pub(super) fn family(&mut self, Family { name, kind, unit, help }: Family) {
        self.family = name;
        self.line(format_args!("# TYPE {name} {}", kind.as_str()));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {help}"));
    }

    pub(super) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (n, (name, value)) in labels.iter().enumerate() {
            self.text.push(if n == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(&mut self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }

    fn line(&mut self, rest: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{rest}").expect("a String takes every write");
    }
}

fn push_escaped(text: &mut String, value: &str) {
    for char in value.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            char => text.push(char),
        }
    }
}
