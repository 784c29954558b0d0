//! The table of the reference's tests, joined with our marks and with what cannot apply.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::marks::Mark;

/// A row of `go_tests.csv`.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct GoTest {
    pub(crate) go_file: String,
    pub(crate) go_test: String,
    pub(crate) go_line: u32,
    pub(crate) area: String,
    pub(crate) kind: String,
}

/// A row of `not_applicable/<area>.csv`.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Exemption {
    pub(crate) go_file: String,
    pub(crate) go_test: String,
    pub(crate) reason: String,
}

/// A row of the table `go_tests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) go_file: String,
    pub(crate) go_test: String,
    pub(crate) go_line: u32,
    pub(crate) area: String,
    pub(crate) kind: String,
    /// `mapped`, `unmapped` or `not_applicable`.
    pub(crate) status: String,
    /// Where several tests stand for one, the first; the others are in the notes.
    pub(crate) rust_file: String,
    pub(crate) rust_test: String,
    pub(crate) notes: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Csv(#[from] csv::Error),
    #[error("{place}: the reference has no test {go_file} {go_test}")]
    Unknown { place: String, go_file: String, go_test: String },
    #[error("{go_file} {go_test} is mapped by {rust_file} and not applicable at once")]
    Both { go_file: String, go_test: String, rust_file: String },
    #[error("{go_file} {go_test} is not applicable without a reason")]
    NoReason { go_file: String, go_test: String },
}

pub(crate) fn read_go_tests(path: &Path) -> Result<Vec<GoTest>, TableError> {
    Ok(csv::Reader::from_path(path)?.deserialize().collect::<Result<_, _>>()?)
}

/// Reads every file of the folder.
pub(crate) fn read_exemptions(folder: &Path) -> Result<Vec<Exemption>, TableError> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "csv")) {
        for row in csv::Reader::from_path(path)?.deserialize() {
            all.push(row?);
        }
    }
    Ok(all)
}

/// # Errors
/// A mark or an exemption of a test that the reference does not have, and tests that are both.
pub(crate) fn build(
    go_tests: &[GoTest],
    marks: &[Mark],
    exemptions: &[Exemption],
) -> Result<Vec<Row>, TableError> {
    let mut rows: Vec<Row> = go_tests.iter().map(unmapped).collect();
    let index: BTreeMap<(String, String), usize> =
        rows.iter().enumerate().map(|(at, row)| ((row.go_file.clone(), row.go_test.clone()), at)).collect();
    let find = |go_file: &str, go_test: &str, place: &str| {
        let key = (go_file.to_owned(), go_test.to_owned());
        let unknown = || TableError::Unknown {
            place: place.to_owned(),
            go_file: go_file.to_owned(),
            go_test: go_test.to_owned(),
        };
        index.get(&key).copied().ok_or_else(unknown)
    };
    for mark in marks {
        let row = &mut rows[find(&mark.go_file, &mark.go_test, &mark.rust_file)?];
        if row.status == "mapped" {
            let separator = if row.notes.is_empty() { "also " } else { ", " };
            row.notes += &format!("{separator}{} {}", mark.rust_file, mark.rust_test);
        } else {
            row.status = "mapped".to_owned();
            (row.rust_file, row.rust_test) = (mark.rust_file.clone(), mark.rust_test.clone());
        }
    }
    for Exemption { go_file, go_test, reason } in exemptions.iter().cloned() {
        let row = &mut rows[find(&go_file, &go_test, "not_applicable")?];
        if row.status == "mapped" {
            return Err(TableError::Both { go_file, go_test, rust_file: row.rust_file.clone() });
        }
        if reason.trim().is_empty() {
            return Err(TableError::NoReason { go_file, go_test });
        }
        row.status = "not_applicable".to_owned();
        row.notes = reason;
    }
    Ok(rows)
}

fn unmapped(test: &GoTest) -> Row {
    Row {
        go_file: test.go_file.clone(),
        go_test: test.go_test.clone(),
        go_line: test.go_line,
        area: test.area.clone(),
        kind: test.kind.clone(),
        status: "unmapped".to_owned(),
        ..Row::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go_tests() -> Vec<GoTest> {
        let test = |name: &str| GoTest {
            go_file: "a_test.go".into(),
            go_test: name.into(),
            go_line: 1,
            area: "client".into(),
            kind: "internal".into(),
        };
        ["TestA", "TestB", "TestC"].map(test).to_vec()
    }

    fn mark(go_test: &str) -> Mark {
        Mark {
            go_file: "a_test.go".into(),
            go_test: go_test.into(),
            rust_file: "x.rs".into(),
            rust_test: "ours".into(),
        }
    }

    fn exemption(go_test: &str, reason: &str) -> Exemption {
        Exemption { go_file: "a_test.go".into(), go_test: go_test.into(), reason: reason.into() }
    }

    #[test]
    fn each_test_has_one_status() {
        let rows = build(&go_tests(), &[mark("TestA")], &[exemption("TestB", "Windows")]).unwrap();
        let statuses: Vec<_> = rows.iter().map(|row| row.status.as_str()).collect();
        assert_eq!(statuses, ["mapped", "not_applicable", "unmapped"]);
    }

    #[test]
    fn claims_that_cannot_be_true_are_refused() {
        assert!(matches!(build(&go_tests(), &[mark("TestZ")], &[]), Err(TableError::Unknown { .. })));
        let both = build(&go_tests(), &[mark("TestA")], &[exemption("TestA", "why")]);
        assert!(matches!(both, Err(TableError::Both { .. })));
        let silent = build(&go_tests(), &[], &[exemption("TestA", " ")]);
        assert!(matches!(silent, Err(TableError::NoReason { .. })));
    }
}
