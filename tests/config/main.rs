//! The same configurations given to natrium and to the reference with `-t`: both accept or both refuse, and what both
//! accept has the same digest.

use std::path::{Path, PathBuf};
use std::process::Command;

use natrium_tests::server::Launch;

/// What one server said of one file.
struct Verdict {
    accepted: bool,
    text: String,
}

// go: server/server_test.go TestServerConfigLastLineComments
#[test]
fn both_servers_judge_configurations_alike() {
    let reference = Launch::reference().expect("the reference server").binary().to_owned();
    let natrium = Launch::natrium(1).expect("natrium").binary().to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrong = Vec::new();
    let cases =
        include_str!("cases.txt").lines().skip_while(|line| line.starts_with('#')).collect::<Vec<_>>();
    for (index, case) in cases.split(|line| *line == "----").enumerate() {
        let (expected, text) = case.split_first().expect("a case begins with what is expected");
        let path = folder.path().join(format!("{index}.conf"));
        std::fs::write(&path, text.join("\n")).expect("a file in our folder");
        let verdicts = [("reference", verdict(&reference, &path)), ("natrium", verdict(&natrium, &path))];
        for (name, verdict) in &verdicts {
            if let Err(why) = verdict.is_as(name, expected) {
                wrong.push(format!("{name}: {why}\n{}\n  said: {}", text.join("\n"), verdict.text));
            }
        }
        let [(_, reference), (_, natrium)] = &verdicts;
        if reference.accepted && natrium.accepted && reference.digest() != natrium.digest() {
            wrong.push(format!("digests differ\n{}\n{}\n{}", text.join("\n"), reference.text, natrium.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn verdict(binary: &PathBuf, path: &Path) -> Verdict {
    let output = Command::new(binary).arg("-t").arg("-c").arg(path).output().expect("the server runs");
    Verdict { accepted: output.status.success(), text: String::from_utf8_lossy(&output.stderr).into_owned() }
}

impl Verdict {
    /// `accept`, `early`, or `refuse` and words that stand in the message, in any case.
    fn is_as(&self, server: &str, expected: &str) -> Result<(), String> {
        let (word, words) = expected.split_once(' ').unwrap_or((expected, ""));
        let accepted = match word {
            "accept" => true,
            "refuse" => false,
            "early" => server == "reference",
            other => panic!("a case begins with accept, refuse or early, not {other:?}"),
        };
        if self.accepted != accepted {
            return Err(format!("should have said otherwise to {word:?}"));
        }
        if !self.text.to_lowercase().contains(&words.to_lowercase()) {
            return Err(format!("does not say {words:?}"));
        }
        Ok(())
    }

    fn digest(&self) -> Option<&str> {
        let start = self.text.find("sha256:")?;
        self.text[start..].split(')').next()
    }
}
