//! The load rig of the storage engine: what it reaches on the disk at hand, beside bare loops on the same disk in the same
//! run.
//!
//! Every scenario of every round runs in a process of its own, so that its CPU and memory are its own. One that loses a
//! message fails, and so does the run.

mod append;
mod bare;
mod error;
mod figures;
#[path = "../../src/machine.rs"]
mod machine;
mod options;
mod process;
mod query;
mod read;
mod recovery;
mod rig;
mod scenario;
mod streams;
mod watched;

use std::fs;
use std::process::ExitCode;

use crate::error::RigError;
use crate::figures::Report;
use crate::machine::Machine;
use crate::options::{Options, Task, USAGE};
use crate::scenario::SCENARIOS;

fn main() -> ExitCode {
    let done = match options::parse() {
        Ok(Task::Help) => {
            print!("{USAGE}");
            Ok(true)
        }
        Ok(Task::List) => {
            for scenario in SCENARIOS {
                println!("{}", scenario.name);
            }
            Ok(true)
        }
        Ok(Task::Part(part)) => part.run().map(|()| true),
        Ok(Task::Measure(options)) => measure(&options),
        Err(error) => {
            eprintln!("natrium-perf-storage: {error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("natrium-perf-storage: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything and prints the results; false when a scenario failed.
fn measure(options: &Options) -> Result<bool, RigError> {
    process::raise_file_limit()?;
    let mut report = Report::new(options.scale);
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|text| name.contains(text));
    for round in 1..=options.rounds {
        for scenario in SCENARIOS.iter().filter(|scenario| wanted(scenario.name)) {
            if round > scenario.rounds_max {
                continue;
            }
            eprintln!("{}, round {round}", scenario.name);
            match scenario.run_apart(options) {
                Ok(figures) => report.add(scenario.name, figures),
                Err(error) => report.fail(scenario.name, &error),
            }
        }
    }
    println!("{}", report.table());
    if let Some(path) = &options.markdown {
        let text = report.markdown(&Machine::look(), &options::command_line());
        fs::write(path, text).map_err(RigError::io("writing the Markdown"))?;
    }
    Ok(!report.has_failures())
}
