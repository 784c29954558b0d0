//! The server `natrium`: start-up, signals, and the wiring of everything to shards.

mod client_host;
mod client_task;
mod flags;
mod lane_traffic;
mod log_lines;
mod placement;
mod server;
mod shard;

use std::process::ExitCode;

use flags::Command;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match flags::parse(&arguments) {
        Ok(Command::Run(options)) => match server::run(&options) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("natrium: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Help) => {
            println!("{}", flags::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("nats-server: v{}", natrium_model::version::REFERENCE);
            println!("natrium: v{}", natrium_model::version::NATRIUM);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
