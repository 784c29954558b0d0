//! `test_parity.db`, an SQLite file with one table.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use crate::table::Row;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

const SCHEMA: &str = "CREATE TABLE go_tests (go_file TEXT NOT NULL, go_test TEXT NOT NULL, go_line INTEGER NOT NULL, \
    area TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, rust_file TEXT NOT NULL, rust_test TEXT NOT NULL, \
    notes TEXT NOT NULL, PRIMARY KEY (go_file, go_test))";

/// Writes the table anew; equal rows give an equal file.
pub(crate) fn write(path: &Path, rows: &[Row]) -> Result<(), DatabaseError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    transaction.execute(SCHEMA, [])?;
    for row in rows {
        transaction.execute(
            "INSERT INTO go_tests VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                row.go_file,
                row.go_test,
                row.go_line,
                row.area,
                row.kind,
                row.status,
                row.rust_file,
                row.rust_test,
                row.notes
            ],
        )?;
    }
    Ok(transaction.commit()?)
}

/// Where the file differs from `rows`, in words.
pub(crate) fn differences(path: &Path, rows: &[Row]) -> Result<Vec<String>, DatabaseError> {
    let stored = read(path)?;
    let mut differences: Vec<String> = rows
        .iter()
        .filter(|row| !stored.contains(row))
        .map(|row| format!("{} {}: the sources say {}", row.go_file, row.go_test, row.status))
        .collect();
    if stored.len() != rows.len() {
        differences.push(format!("{} rows are stored, {} are right", stored.len(), rows.len()));
    }
    Ok(differences)
}

fn read(path: &Path) -> Result<std::collections::BTreeSet<Row>, DatabaseError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(
        "SELECT go_file, go_test, go_line, area, kind, status, rust_file, rust_test, notes FROM go_tests",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Row {
            go_file: row.get(0)?,
            go_test: row.get(1)?,
            go_line: row.get(2)?,
            area: row.get(3)?,
            kind: row.get(4)?,
            status: row.get(5)?,
            rust_file: row.get(6)?,
            rust_test: row.get(7)?,
            notes: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_does_not_differ_and_a_change_does() {
        let path = std::env::temp_dir().join(format!("natrium-parity-{}.db", std::process::id()));
        let mut rows = vec![Row { go_test: "TestA".into(), status: "mapped".into(), ..Row::default() }];
        write(&path, &rows).unwrap();
        assert_eq!(differences(&path, &rows).unwrap(), Vec::<String>::new());
        rows[0].status = "unmapped".into();
        assert_eq!(differences(&path, &rows).unwrap().len(), 1);
        fs::remove_file(path).unwrap();
    }
}
