//! The scenarios by name, each run in a process of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::RigError;
use crate::figures::Figures;
use crate::options::Options;
use crate::{append, query, read, recovery, streams};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    /// So little that it measures nothing.
    Quick,
}

impl Scale {
    pub(crate) fn of<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Fewer rounds for what takes long.
    pub(crate) rounds_max: u32,
    run: fn(&Path, Scale) -> Result<Figures, RigError>,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "append, 128 B, 1,000 in flight", rounds_max: 9, run: append::small },
    Scenario { name: "append, 16 KiB, 1,000 in flight", rounds_max: 9, run: append::large },
    Scenario { name: "append, one at a time", rounds_max: 9, run: append::one_at_a_time },
    Scenario { name: "1,000 streams", rounds_max: 9, run: streams::thousand },
    Scenario { name: "1,000 streams, a slower sync", rounds_max: 9, run: streams::thousand_slow },
    Scenario { name: "read, 128 B", rounds_max: 9, run: read::all },
    Scenario { name: "recovery, 1 subject", rounds_max: 3, run: recovery::one_subject },
    Scenario { name: "recovery, a subject a message", rounds_max: 3, run: recovery::many_subjects },
    Scenario { name: "queries", rounds_max: 3, run: query::all },
];

/// One scenario, or a part of one that has to be a process of its own.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) scale: Scale,
}

impl Scenario {
    /// Runs it in a process of its own and a folder of its own.
    ///
    /// # Errors
    /// If it fails.
    pub(crate) fn run_apart(&self, options: &Options) -> Result<Figures, RigError> {
        let folder = tempfile::Builder::new()
            .prefix("natrium-perf-storage-")
            .tempdir_in(&options.folder)
            .map_err(RigError::io("making a folder"))?;
        let part =
            Part { name: self.name.to_owned(), folder: folder.path().to_owned(), scale: options.scale };
        let output = part.command()?.output().map_err(RigError::io("starting a part"))?;
        if !output.status.success() {
            return Err(RigError::Part { part: part.name, status: output.status.to_string() });
        }
        Ok(Figures::read(&String::from_utf8_lossy(&output.stdout)))
    }
}

impl Part {
    /// Does what it is called, and prints its figures.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn run(&self) -> Result<(), RigError> {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == self.name);
        let figures = match scenario {
            Some(scenario) => (scenario.run)(&self.folder, self.scale)?,
            None => recovery::part(&self.name, &self.folder, self.scale)?,
        };
        print!("{}", figures.lines());
        Ok(())
    }

    /// This program, to run the part.
    ///
    /// # Errors
    /// If this program cannot be found.
    pub(crate) fn command(&self) -> Result<Command, RigError> {
        let program = env::current_exe().map_err(RigError::io("finding this program"))?;
        let mut command = Command::new(program);
        command.arg("--part").arg(&self.name).arg("--folder").arg(&self.folder).stderr(Stdio::inherit());
        if self.scale == Scale::Quick {
            command.arg("--quick");
        }
        Ok(command)
    }
}
