//! The load rig: the same bytes to nats-server and to natrium, in turn, and figures side by side.
//!
//! Every scenario of every round has servers that were just started, one after the other, so that what the machine does
//! meanwhile falls on all alike. A scenario whose messages do not all arrive fails, and so does the run.

mod bulk;
mod client;
mod connections;
mod error;
mod frames;
mod goal;
mod machine;
mod options;
mod report;
mod requests;
mod sample;
mod scenario;
mod server;
mod subscriptions;
mod tls;

use std::fs;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::RigError;
use crate::machine::Machine;
use crate::options::{DEFAULT_WRITE_SIZE, Options, Task, USAGE};
use crate::report::{Report, Runs, ScenarioResult};
use crate::sample::Sample;
use crate::scenario::{Scale, Scenario};
use crate::server::{Server, Variant};
use crate::tls::Certificate;

fn main() -> ExitCode {
    match options::parse() {
        Ok(Task::Help) => print!("{USAGE}"),
        Ok(Task::List) => {
            for scenario in scenario::all(Scale::Full, DEFAULT_WRITE_SIZE) {
                println!("{}", scenario.name);
            }
        }
        Ok(Task::Measure(options)) => match measure(&options) {
            Ok(true) => {}
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("natrium-perf: {error}");
                return ExitCode::FAILURE;
            }
        },
        Err(error) => {
            eprintln!("natrium-perf: {error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs everything and writes the results; false when a scenario failed.
fn measure(options: &Options) -> Result<bool, RigError> {
    look_for_binaries(options)?;
    raise_file_limit().map_err(RigError::io("raising the limit of open files"))?;
    let folder = tempfile::tempdir().map_err(RigError::io("making a folder for the certificate"))?;
    let certificate = Certificate::make(folder.path())?;
    let mut rig = Rig {
        options,
        certificate,
        report: Report { scenarios: Vec::new(), failures: Vec::new(), skipped: Vec::new() },
    };
    if options.reference.is_none() {
        rig.report.skipped.push("nats-server is not there: natrium alone, without ratios".to_owned());
    }
    let scenarios = scenario::all(options.scale, options.write_size);
    let wanted = |scenario: &Scenario| {
        options.only.is_empty() || options.only.iter().any(|text| scenario.name.contains(text))
    };
    for scenario in scenarios.into_iter().filter(wanted) {
        rig.run(scenario);
    }
    let report = rig.report;
    println!("{}", report.table());
    let (met, judged) = report.goals_met();
    println!("{met} of {judged} goals met, {} failures", report.failures.len());
    let (machine, command) = (Machine::look(), options::command_line());
    if let Some(path) = &options.markdown {
        fs::write(path, report.markdown(&machine, &command)).map_err(RigError::io("writing the Markdown"))?;
    }
    if let Some(path) = &options.json {
        let text = format!("{:#}\n", report.json(&machine, &command));
        fs::write(path, text).map_err(RigError::io("writing the JSON"))?;
    }
    Ok(report.failures.is_empty())
}

/// Before an hour is spent on half of a comparison.
fn look_for_binaries(options: &Options) -> Result<(), RigError> {
    if !options.natrium.exists() {
        let remedy = "build it with `cargo build --release` or name it with --natrium";
        return Err(RigError::NoBinary { path: options.natrium.clone(), remedy });
    }
    match &options.reference {
        Some(path) if !path.exists() => {
            let remedy = "name nats-server with --reference; `tests/run` installs it to .venv";
            Err(RigError::NoBinary { path: path.clone(), remedy })
        }
        Some(_) | None => Ok(()),
    }
}

struct Rig<'a> {
    options: &'a Options,
    certificate: Certificate,
    report: Report,
}

impl Rig<'_> {
    fn run(&mut self, scenario: Scenario) {
        let mut runs: Vec<Runs> = self
            .variants(&scenario)
            .into_iter()
            .map(|variant| Runs { variant, samples: Vec::new() })
            .collect();
        for round in 1..=self.options.rounds {
            for of_one in &mut runs {
                eprintln!("{}, {}, round {round}", scenario.name, of_one.variant.name());
                match self.once(&scenario, &of_one.variant) {
                    Ok(sample) => of_one.samples.push(sample),
                    Err(error) => self.note(&scenario, &of_one.variant, &error),
                }
            }
        }
        let goals = match self.options.scale {
            Scale::Full => scenario.goals,
            // So little load measures nothing.
            Scale::Quick => Vec::new(),
        };
        self.report.scenarios.push(ScenarioResult { name: scenario.name, goals, runs });
    }

    fn variants(&self, scenario: &Scenario) -> Vec<Variant> {
        let mut shards: Vec<u32> = self.options.shards.iter().chain(scenario.more_shards).copied().collect();
        shards.sort_unstable();
        shards.dedup();
        let reference =
            self.options.reference.iter().map(|binary| Variant::Reference { binary: binary.clone() });
        let natrium = shards
            .into_iter()
            .map(|shards| Variant::Natrium { binary: self.options.natrium.clone(), shards });
        reference.chain(natrium).collect()
    }

    fn once(&self, scenario: &Scenario, variant: &Variant) -> Result<Sample, RigError> {
        let certificate = scenario.tls.then_some(&self.certificate);
        let server = Server::start(variant, certificate)?;
        scenario.run(&server).inspect_err(|_| eprintln!("  the server's last words: {}", server.last_words()))
    }

    /// A natrium that refuses to start with TLS lacks it; anything else that goes wrong is a failure.
    fn note(&mut self, scenario: &Scenario, variant: &Variant, error: &RigError) {
        let line = format!("{}, {}: {error}", scenario.name, variant.name());
        let is_refusal = scenario.tls && !variant.is_reference() && matches!(error, RigError::Ended { .. });
        let lines = if is_refusal { &mut self.report.skipped } else { &mut self.report.failures };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}

/// The rig holds thousands of connections, and the servers inherit the limit.
fn raise_file_limit() -> Result<(), std::io::Error> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
