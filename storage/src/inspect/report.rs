//! What was found, for people and for programs.

use std::fmt;

use serde::Serialize;

/// A store's folder. Sequences come as runs of first and last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub folder: String,
    /// Identity of the stream's life, in hexadecimal digits.
    pub stream: Option<String>,
    pub verdict: Verdict,
    pub messages: u64,
    /// In the accounting of limits.
    pub bytes: u64,
    pub subjects: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    /// Messages that were acknowledged and cannot be read.
    pub lost: Vec<(u64, u64)>,
    pub blocks: Vec<BlockReport>,
    /// Files that are no blocks of the store.
    pub files: Vec<FileReport>,
    pub log: Option<LogReport>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    #[default]
    Clean,
    /// Some of it cannot be looked into: it is encrypted, or of another version.
    Unknown,
    Damaged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockReport {
    pub file: String,
    pub number: u64,
    pub generation: u64,
    /// As in the table of recovery.
    pub condition: String,
    /// What opening the store does with it, and why.
    pub action: String,
    pub why: &'static str,
    pub compression: &'static str,
    pub encryption: &'static str,
    pub first_seq: u64,
    pub last_seq: u64,
    /// Messages of it that the store has.
    pub messages: u64,
    pub bytes: u64,
    pub frames: usize,
    pub is_sealed: bool,
    pub damage: Vec<DamageReport>,
    /// Bytes at its end of a commit that was never acknowledged.
    pub torn_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamageReport {
    pub what: String,
    /// Bytes of the file, the second one behind the last.
    pub from: u64,
    pub to: u64,
    pub lost: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    pub file: String,
    pub condition: String,
    pub action: String,
    pub why: &'static str,
    pub is_damage: bool,
}

/// What the commit log would bring into the store's files at the next start. It is part of the report already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogReport {
    pub folder: String,
    pub logs: u64,
    pub batches: u64,
    /// Files of this store, and the bytes for each.
    pub files: Vec<(String, u64)>,
    /// Files of others.
    pub others: usize,
    pub damage: Vec<String>,
}

impl Verdict {
    /// Of the program that says so.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Damaged => 1,
            Self::Unknown => 2,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.folder)?;
        if let Some(stream) = &self.stream {
            writeln!(f, "stream {stream}")?;
        }
        let Self { messages, bytes, subjects, first_seq, last_seq, .. } = self;
        writeln!(
            f,
            "{messages} messages, {bytes} bytes, {subjects} subjects, sequences {first_seq} to {last_seq}"
        )?;
        for block in &self.blocks {
            writeln!(
                f,
                "{}: {}, {}; generation {}, {} frames, {} messages, sequences {} to {}, {}, {}",
                block.file,
                block.condition,
                block.action,
                block.generation,
                block.frames,
                block.messages,
                block.first_seq,
                block.last_seq,
                block.compression,
                block.encryption,
            )?;
            for damage in &block.damage {
                let lost = Runs(&damage.lost);
                writeln!(f, "  damaged: bytes {} to {}: {}{lost}", damage.from, damage.to, damage.what)?;
            }
            if block.torn_bytes > 0 {
                writeln!(
                    f,
                    "  ends with {} bytes of a commit that was never acknowledged",
                    block.torn_bytes
                )?;
            }
        }
        for file in &self.files {
            writeln!(f, "{}: {}, {}: {}", file.file, file.condition, file.action, file.why)?;
        }
        if let Some(log) = &self.log {
            writeln!(f, "log {}: {} logs, {} batches needed", log.folder, log.logs, log.batches)?;
            for (file, bytes) in &log.files {
                writeln!(f, "  would write {bytes} bytes to {file}")?;
            }
            if log.others > 0 {
                writeln!(f, "  and to {} files of other stores", log.others)?;
            }
            for damage in &log.damage {
                writeln!(f, "  damaged: {damage}")?;
            }
        }
        if !self.lost.is_empty() {
            writeln!(f, "lost messages{}", Runs(&self.lost))?;
        }
        match self.verdict {
            Verdict::Clean => writeln!(f, "clean"),
            Verdict::Damaged => writeln!(f, "damaged"),
            Verdict::Unknown => writeln!(f, "cannot tell: some of it is encrypted or of another version"),
        }
    }
}

struct Runs<'a>(&'a [(u64, u64)]);

impl fmt::Display for Runs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { ": " } else { ", " })?;
            if first == last { write!(f, "{first}")? } else { write!(f, "{first}-{last}")? }
        }
        Ok(())
    }
}
