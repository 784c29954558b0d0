//! The server `natrium`: start-up, signals, and the wiring of everything to shards.

mod account_mappings;
mod backlog;
mod client_greeting;
mod client_host;
mod client_settings;
mod client_task;
mod client_tls;
mod host_port;
mod lane_traffic;
mod monitoring;
mod pacing;
mod placement;
mod server;
mod shard;
mod signals;
mod slow_consumers;
mod store_command;
mod traces;
mod usage;

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use natrium_config::flags::{self, Command, Invocation};
use natrium_config::language::System;
use natrium_config::options::Options;
use natrium_process::Program;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, rest)) = arguments.split_first().filter(|(first, _)| *first == "store") {
        return store_command::run(rest);
    }
    match flags::parse(&arguments) {
        Ok(Command::Run(invocation)) => run(&invocation),
        Ok(Command::Help) => {
            println!("{}", usage::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::TlsHelp) => {
            println!("{}", usage::TLS);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("nats-server: v{}", natrium_model::version::REFERENCE);
            println!("natrium: v{}", natrium_model::version::NATRIUM);
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error),
    }
}

fn run(invocation: &Invocation) -> ExitCode {
    if let Some(signal) = &invocation.signal {
        return match natrium_process::send_signal(signal, &Program::current()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        };
    }
    let loaded = match invocation.load(&System) {
        Ok(loaded) => loaded,
        Err(error) => return failure(&error),
    };
    for warning in &loaded.warnings {
        eprintln!("natrium: {warning}");
    }
    let options = loaded.options;
    match (&invocation.config, invocation.check_only) {
        (Some(path), true) => check(path, &options, loaded.warnings.is_empty()),
        (Some(_) | None, _) => match server::run(invocation, &options) {
            Ok(code) => code,
            Err(error) => failure(&error),
        },
    }
}

/// `-t`: as the reference, a warning is a failure here.
fn check(path: &Path, options: &Options, without_warnings: bool) -> ExitCode {
    if let Err(error) = server::check(options) {
        return failure(&error);
    }
    if !without_warnings {
        return ExitCode::FAILURE;
    }
    let digest = options.digest.as_deref().unwrap_or_default();
    eprintln!("natrium: configuration file {} is valid ({digest})", path.display());
    ExitCode::SUCCESS
}

fn failure(error: &dyn Display) -> ExitCode {
    eprintln!("natrium: {error}");
    ExitCode::FAILURE
}
