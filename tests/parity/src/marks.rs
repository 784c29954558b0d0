//! Marks in our sources: `// go: FILE TEST` above a Rust test, `# go: FILE TEST` in an oracle script.

use std::fs;
use std::io;
use std::path::Path;

use walkdir::WalkDir;

/// One of our tests claims to assert what a test of the reference asserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) go_file: String,
    pub(crate) go_test: String,
    pub(crate) rust_file: String,
    pub(crate) rust_test: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum MarkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Walk(#[from] walkdir::Error),
    #[error("{file}:{line}: {problem}")]
    Malformed { file: String, line: usize, problem: &'static str },
}

/// Finds all marks under `root`.
///
/// # Errors
/// A mark without both names, or one that does not stand above a test that runs.
pub(crate) fn scan(root: &Path) -> Result<Vec<Mark>, MarkError> {
    let mut marks = Vec::new();
    for folder in ["src", "shards", "storage", "tests", "perf"] {
        let folder = root.join(folder);
        if !folder.is_dir() {
            continue;
        }
        let is_ours = |name: &str| !matches!(name, "target" | "node_modules" | "fuzz");
        let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| entry.file_name().to_str().is_some_and(is_ours)) {
            let entry = entry?;
            let file = entry.path().strip_prefix(root).unwrap_or(entry.path()).display().to_string();
            match entry.path().extension().and_then(|extension| extension.to_str()) {
                Some("rs") => marks.extend(in_rust(&file, &fs::read_to_string(entry.path())?)?),
                Some("txt") if file.contains("oracle") => {
                    marks.extend(in_script(&file, &fs::read_to_string(entry.path())?)?);
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(marks)
}

fn in_rust(file: &str, text: &str) -> Result<Vec<Mark>, MarkError> {
    let mut marks = Vec::new();
    let mut waiting: Vec<(usize, &str)> = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(claim) = text.strip_prefix("// go: ") {
            waiting.push((line, claim));
        } else if waiting.is_empty() {
            continue;
        } else if text.starts_with("#[") {
            is_test |= text.starts_with("#[test]") || text.starts_with("#[tokio::test");
            is_ignored |= text.starts_with("#[ignore");
        } else if !text.starts_with("//") {
            let name = text.split_once("fn ").map(|(_, rest)| rest.split(['(', '<']).next().unwrap_or(rest));
            for (line, claim) in waiting.drain(..) {
                let malformed = |problem| MarkError::Malformed { file: file.to_owned(), line, problem };
                let name =
                    name.filter(|_| is_test).ok_or_else(|| malformed("the mark stands above no test"))?;
                if is_ignored {
                    return Err(malformed("the test is ignored"));
                }
                marks.push(mark(claim, file, name).ok_or_else(|| malformed("a mark is `go: FILE TEST`"))?);
            }
            (is_test, is_ignored) = (false, false);
        }
    }
    match waiting.first() {
        Some((line, _)) => Err(MarkError::Malformed {
            file: file.to_owned(),
            line: *line,
            problem: "the mark stands above no test",
        }),
        None => Ok(marks),
    }
}

fn in_script(file: &str, text: &str) -> Result<Vec<Mark>, MarkError> {
    let name = file.rsplit_once("oracle/").map_or(file, |(_, name)| name).trim_end_matches(".txt");
    let claims =
        (1..).zip(text.lines()).filter_map(|(line, text)| Some((line, text.strip_prefix("# go: ")?)));
    claims
        .map(|(line, claim)| {
            mark(claim, file, name).ok_or_else(|| MarkError::Malformed {
                file: file.to_owned(),
                line,
                problem: "a mark is `go: FILE TEST`",
            })
        })
        .collect()
}

fn mark(claim: &str, file: &str, test: &str) -> Option<Mark> {
    let mut words = claim.split_whitespace();
    let (go_file, go_test) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mark = Mark { go_file, go_test, rust_file: file.to_owned(), rust_test: test.to_owned() };
    words.next().is_none().then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Put together here so that this file carries no marks itself.
    fn source(attributes: &str) -> String {
        format!("// {}: a_test.go TestA\n// {}: a_test.go TestB\n{attributes}\nfn ours() {{}}\n", "go", "go")
    }

    #[test]
    fn one_test_may_carry_several_marks() {
        let marks = in_rust("x.rs", &source("#[test]")).unwrap();
        let names: Vec<_> =
            marks.iter().map(|mark| (mark.go_test.as_str(), mark.rust_test.as_str())).collect();
        assert_eq!(names, [("TestA", "ours"), ("TestB", "ours")]);
    }

    #[test]
    fn a_mark_above_no_test_that_runs_is_refused() {
        for attributes in ["", "#[inline]", "#[test]\n#[ignore]"] {
            assert!(in_rust("x.rs", &source(attributes)).is_err(), "{attributes:?}");
        }
        assert!(in_rust("x.rs", &format!("// {}: a_test.go TestA\n", "go")).is_err());
        assert!(in_rust("x.rs", &source("#[test]").replace(" TestB", "")).is_err());
    }

    #[test]
    fn a_script_carries_marks_too() {
        let marks =
            in_script("tests/oracle/ping/pong.txt", &format!("# {}: a_test.go TestA\nconnect a\n", "go"));
        assert_eq!(marks.unwrap()[0].rust_test, "ping/pong");
    }
}
