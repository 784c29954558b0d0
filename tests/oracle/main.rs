//! Plays every script under `tests/oracle` to the reference server and to natrium with 1 and 2 shards, and
//! compares the transcripts (see `README.md` beside this file).
//!
//! With `ORACLE_ONLY_REFERENCE=1` the reference is compared with itself: that tells whether a script is
//! deterministic, and needs no natrium.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use natrium_tests::oracle::{Script, play};
use natrium_tests::server::Launch;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = Arguments::from_args();
    // A script mostly waits: for a process to start, for an answer, for a timeout of the server.
    arguments.test_threads.get_or_insert(8);
    let only_reference = env::var_os("ORACLE_ONLY_REFERENCE").is_some_and(|value| value != "0");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle");
    let mut trials = Vec::new();
    for path in scripts(&folder)? {
        let name = path.strip_prefix(&folder)?.with_extension("").display().to_string();
        trials.push(Trial::test(name, move || compare(&path, only_reference)));
    }
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

fn compare(path: &Path, only_reference: bool) -> Result<(), Failed> {
    let script = Script::parse(&fs::read_to_string(path)?)?;
    let reference = play(&script, Launch::reference()?).map_err(|error| format!("reference: {error}"))?;
    let others = if only_reference {
        vec![("the reference again", Launch::reference()?)]
    } else {
        vec![("natrium, 1 shard", Launch::natrium(1)?), ("natrium, 2 shards", Launch::natrium(2)?)]
    };
    let mut failures = String::new();
    for (name, launch) in others {
        match play(&script, launch) {
            Ok(transcript) => {
                if let Some(difference) = reference.difference(&transcript) {
                    failures.push_str(&format!("reference (-) against {name} (+):\n{difference}"));
                }
            }
            Err(error) => failures.push_str(&format!("{name}: {error}\n")),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// All scripts, in the order of their names: `<topic>/<name>.txt`.
fn scripts(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut found = Vec::new();
    for topic in fs::read_dir(folder)? {
        let topic = topic?.path();
        if topic.is_dir() {
            for script in fs::read_dir(topic)? {
                let script = script?.path();
                found.extend(script.extension().is_some_and(|kind| kind == "txt").then_some(script));
            }
        }
    }
    found.sort();
    Ok(found)
}
