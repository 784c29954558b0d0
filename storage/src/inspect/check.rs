//! All that is found in a store's folder, as a report.

use std::collections::BTreeSet;
use std::path::Path;

use super::block::Looked;
use super::look::{Folder, InspectError, InspectOptions, content_of, look};
use super::report::{BlockReport, DamageReport, FileReport, LogReport, Report, Verdict};
use crate::block::header::{Compression, Encryption, HEAD_LEN};
use crate::disk::{Disk, PAGE_SIZE};
use crate::log::{Damage as LogDamage, Peek};
use crate::message::accounted_size;
use crate::store::file::{Action, Condition, DECISIONS};

/// Looks at all there is. Changes nothing.
///
/// # Errors
/// [`InspectError`]
pub async fn check<D: Disk>(disk: &D, options: &InspectOptions) -> Result<Report, InspectError> {
    let folder = look(disk, options).await?;
    let mut subjects: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut report = Report {
        folder: options.folder.display().to_string(),
        stream: folder.stream.map(|stream| stream.0.iter().map(|byte| format!("{byte:02x}")).collect()),
        lost: folder.lost.runs().collect(),
        ..Report::default()
    };
    let mut first = None;
    for block in &folder.blocks {
        let mut told = report_of(block);
        if block.is_used() {
            let content = content_of(disk, block, folder.log.as_ref()).await?;
            block.each_record(&content, |record| {
                told.messages += 1;
                told.bytes +=
                    accounted_size(record.subject.len(), record.headers.len(), record.payload.len());
                first = first.or(Some(record.seq));
                if !subjects.contains(record.subject) {
                    subjects.insert(record.subject.to_vec());
                }
            });
            report.last_seq = report.last_seq.max(block.left.last);
        }
        report.messages += told.messages;
        report.bytes += told.bytes;
        report.blocks.push(told);
    }
    report.first_seq = first.unwrap_or(report.last_seq + 1);
    report.subjects = subjects.len() as u64;
    report.files = folder.others.iter().map(|(path, condition)| file_report(path, *condition)).collect();
    report.log =
        folder.log.as_ref().zip(options.log.as_ref()).map(|(peek, at)| log_report(peek, at, &folder));
    report.verdict = verdict(&folder, &report);
    Ok(report)
}

fn report_of(block: &Looked) -> BlockReport {
    let (action, why) = row(block.condition);
    let mut damage: Vec<_> = block
        .damage
        .iter()
        .map(|(kind, range, lost)| DamageReport {
            what: kind.to_string(),
            from: range.start,
            to: range.end,
            lost: lost.runs().collect(),
        })
        .collect();
    if block.is_head_damaged {
        let what = "one of the two copies of the head is damaged".to_owned();
        damage.insert(0, DamageReport { what, from: 0, to: HEAD_LEN as u64, lost: Vec::new() });
    }
    BlockReport {
        file: name_of(&block.path),
        number: block.name.number,
        generation: block.header.generation,
        condition: words(block.condition),
        action: words(action),
        why,
        compression: match block.header.coding.compression {
            Compression::None => "not compressed",
            Compression::Snappy => "Snappy",
        },
        encryption: match block.header.coding.encryption {
            Encryption::None => "not encrypted",
            Encryption::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Encryption::Aes256Gcm => "AES-256-GCM",
        },
        first_seq: block.own.first,
        last_seq: block.own.last,
        messages: 0,
        bytes: 0,
        frames: block.frames,
        is_sealed: block.is_sealed,
        damage,
        torn_bytes: block.torn,
    }
}

fn file_report(path: &Path, condition: Condition) -> FileReport {
    let (action, why) = row(condition);
    let is_damage = action == Action::MoveAside && condition != Condition::UnfinishedRewrite;
    let (condition, action) = (words(condition), words(action));
    FileReport { file: name_of(path), condition, action, why, is_damage }
}

fn log_report(peek: &Peek, at: &Path, folder: &Folder) -> LogReport {
    let is_ours = |path: &Path| folder.blocks.iter().any(|block| block.path.file_name() == path.file_name());
    let files: Vec<_> = peek
        .files
        .iter()
        .filter(|(path, _)| is_ours(path))
        .map(|(path, pages)| (name_of(path), (pages.len() * PAGE_SIZE) as u64))
        .collect();
    LogReport {
        folder: at.display().to_string(),
        logs: peek.logs,
        batches: peek.batches,
        others: peek.files.len() - files.len(),
        files,
        damage: peek.damage.iter().map(log_damage).collect(),
    }
}

fn log_damage(damage: &LogDamage) -> String {
    match damage {
        LogDamage::Batches { log, batches, files } => {
            let (first, last) = (batches.start(), batches.end());
            let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            let of = if files.is_empty() { String::new() } else { format!(", of {}", files.join(", ")) };
            format!("log {log}: batches {first} to {last} cannot be read{of}")
        }
        LogDamage::Nameless { log, entries } => {
            format!("log {log}: {entries} entries of files whose names cannot be read")
        }
        LogDamage::Page { path, offset } => {
            format!("{}: the page at {offset} cannot be read", path.display())
        }
    }
}

fn verdict(folder: &Folder, report: &Report) -> Verdict {
    let is_damaged = !report.lost.is_empty()
        || report.blocks.iter().any(|block| !block.damage.is_empty())
        || report.files.iter().any(|file| file.is_damage)
        || report.log.as_ref().is_some_and(|log| !log.damage.is_empty());
    let is_unknown = folder.blocks.iter().any(|block| block.condition.action() == Action::Refuse)
        || folder.others.iter().any(|(_, condition)| condition.action() == Action::Refuse)
        || folder.log.as_ref().is_some_and(|log| log.newer.is_some());
    match (is_damaged, is_unknown) {
        (true, _) => Verdict::Damaged,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Clean,
    }
}

fn row(condition: Condition) -> (Action, &'static str) {
    let row = DECISIONS.iter().find(|(of, ..)| *of == condition);
    row.map(|(_, action, why)| (*action, *why)).expect("the table has a row for every condition")
}

/// `FooterMissing` becomes `footer missing`.
fn words(value: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{value:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
