//! The command line.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::scenario::{Part, Scale};

pub(crate) const USAGE: &str = "\
Loads the storage engine and bare loops on the same disk; prints medians, ratios and goals.

Usage: natrium-perf-storage [options]

    --folder PATH      on the disk to be measured (default: beside this program)
    --rounds N         runs of each scenario (default: 5)
    --only TEXT        scenarios with this in their name; may be given again
    --quick            one round of next to nothing: does everything still work?
    --markdown FILE    the table with commit, machine and command
    --list             names of the scenarios
-h, --help             this text
";

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) folder: PathBuf,
    pub(crate) rounds: u32,
    pub(crate) only: Vec<String>,
    pub(crate) scale: Scale,
    pub(crate) markdown: Option<PathBuf>,
}

pub(crate) enum Task {
    Measure(Options),
    /// What this program runs itself for, in a process of its own.
    Part(Part),
    List,
    Help,
}

/// # Errors
/// What is wrong with the command line, for the person who wrote it.
pub(crate) fn parse() -> Result<Task, lexopt::Error> {
    let (mut folder, mut rounds, mut part) = (None, None, None);
    let (mut only, mut scale, mut markdown) = (Vec::new(), Scale::Full, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("folder") => folder = Some(PathBuf::from(parser.value()?)),
            Long("rounds") => rounds = Some(parser.value()?.parse()?),
            Long("only") => only.push(parser.value()?.string()?),
            Long("quick") => scale = Scale::Quick,
            Long("markdown") => markdown = Some(parser.value()?.into()),
            Long("part") => part = Some(parser.value()?.string()?),
            Long("list") => return Ok(Task::List),
            Short('h') | Long("help") => return Ok(Task::Help),
            Short(_) | Long(_) | Value(_) => return Err(argument.unexpected()),
        }
    }
    let folder = match folder {
        Some(folder) => folder,
        None => env::current_exe()
            .ok()
            .and_then(|program| Some(program.parent()?.to_owned()))
            .ok_or("this program is in no folder: name one with --folder")?,
    };
    if let Some(name) = part {
        return Ok(Task::Part(Part { name, folder, scale }));
    }
    let rounds = rounds.unwrap_or(match scale {
        Scale::Quick => 1,
        Scale::Full => 5,
    });
    Ok(Task::Measure(Options { folder, rounds, only, scale, markdown }))
}

/// The command as it was given, for the record.
pub(crate) fn command_line() -> String {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let words = words.iter().map(|word| word.to_string_lossy().into_owned());
    ["cargo run --release -p natrium-perf-storage --".to_owned()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
