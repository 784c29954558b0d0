//! `--signal COMMAND[=PID|PIDFILE|PREFIX*]`: tells a running server to stop, reload, and so on.

mod command;
mod expression;
mod processes;

use std::io;

use rustix::process::{Pid, Signal};

pub use self::expression::TargetError;

use self::command::Command;
use self::expression::PidExpression;
use self::processes::{RunningProcesses, running_processes};
use crate::{Program, reason};

/// Does what the value of `--signal` says, on behalf of `program`.
///
/// # Errors
/// In the reference's words: an unknown command, a pid that is none, no process or several, or those that could not
/// be signalled.
pub fn send_signal(flag: &str, program: &Program) -> Result<(), SignalError> {
    let (command, pid) = split_flag(flag)?;
    let pid = pid.map(read_pid_file).unwrap_or_default();
    send_with(command, &pid, program, running_processes, rustix::process::kill_process)
}

#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error("invalid signal parameters: [{}]", .0.join(" "))]
    Parameters(Vec<String>),
    #[error("unknown signal {0:?}")]
    UnknownCommand(String),
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Some may have got their signal. The line break in front of each is the reference's.
    #[error("{}", refusals(.command, .refused))]
    Refused { command: String, refused: Vec<(Pid, io::Error)> },
}

fn refusals(command: &str, refused: &[(Pid, io::Error)]) -> String {
    refused
        .iter()
        .map(|(pid, error)| format!("\nsignal {command:?} {}: {}", pid.as_raw_pid(), reason(error)))
        .collect()
}

fn split_flag(flag: &str) -> Result<(&str, Option<&str>), SignalError> {
    let mut parts = flag.split('=');
    let command = parts.next().unwrap_or_default();
    let pid = parts.next();
    let rest: Vec<String> = parts.map(str::to_owned).collect();
    if rest.is_empty() { Ok((command, pid)) } else { Err(SignalError::Parameters(rest)) }
}

/// The content of the file of that name, or the name itself where there is none.
fn read_pid_file(name: &str) -> String {
    match std::fs::read_to_string(name) {
        // Files written by a shell end in a line break.
        Ok(content) => content.trim_end().to_owned(),
        Err(_) => name.to_owned(),
    }
}

/// The command is looked at last, as the reference does: a tool sees the same error of two.
fn send_with(
    command: &str,
    pid: &str,
    program: &Program,
    list: impl FnOnce() -> io::Result<RunningProcesses>,
    kill: impl Fn(Pid, Signal) -> rustix::io::Result<()>,
) -> Result<(), SignalError> {
    let expression: PidExpression = pid.parse()?;
    let targets = expression.targets(program, list)?;
    let signal =
        command.parse::<Command>().map_err(|_| SignalError::UnknownCommand(command.to_owned()))?.signal();
    let refused: Vec<_> =
        targets.into_iter().filter_map(|pid| Some((pid, kill(pid, signal).err()?.into()))).collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(SignalError::Refused { command: command.to_owned(), refused })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::processes::Process;
    use super::*;

    const OWN_PID: u32 = 900;

    fn program() -> Program {
        Program::new("nats-server", OWN_PID)
    }

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    /// What `send_with` answers while `running` and this program itself run, and the signals it sent.
    fn attempt(
        command: &str,
        expression: &str,
        running: &[i32],
        answer: rustix::io::Result<()>,
    ) -> (Result<(), String>, Vec<(i32, Signal)>) {
        let sent = RefCell::new(Vec::new());
        let list = || {
            let all = running.iter().copied().chain([900]);
            Ok(all.map(|raw| Process { pid: pid(raw), name: "nats-server".to_owned() }).collect())
        };
        let result = send_with(command, expression, &program(), list, |pid, signal| {
            sent.borrow_mut().push((pid.as_raw_pid(), signal));
            answer
        });
        (result.map_err(|error| error.to_string()), sent.into_inner())
    }

    fn refusal(command: &str, expression: &str, running: &[i32]) -> String {
        let (result, _) = attempt(command, expression, running, Err(rustix::io::Errno::SRCH));
        result.unwrap_err()
    }

    // go: server/signal_test.go TestProcessSignalNoProcesses
    #[test]
    fn without_a_process_there_is_an_error() {
        assert_eq!(refusal("stop", "", &[]), "no nats-server processes running");
    }

    // go: server/signal_test.go TestProcessSignalMultipleProcesses
    #[test]
    fn several_processes_are_listed_and_none_is_signalled() {
        let (result, sent) = attempt("stop", "", &[123, 456], Ok(()));
        assert_eq!(result.unwrap_err(), "multiple nats-server processes running:\n123\n456");
        assert_eq!(sent, []);
    }

    // go: server/signal_test.go TestProcessSignalMultipleProcessesGlob
    #[test]
    fn a_star_means_all_processes() {
        assert_eq!(
            refusal("stop", "*", &[123, 456]),
            "\nsignal \"stop\" 123: no such process\nsignal \"stop\" 456: no such process"
        );
    }

    // go: server/signal_test.go TestProcessSignalMultipleProcessesGlobPartial
    #[test]
    fn a_prefix_with_a_star_means_the_processes_that_begin_so() {
        assert_eq!(
            refusal("stop", "12*", &[123, 124, 456]),
            "\nsignal \"stop\" 123: no such process\nsignal \"stop\" 124: no such process"
        );
    }

    #[test]
    fn a_prefix_that_fits_none_is_no_error() {
        assert_eq!(attempt("stop", "7*", &[123], Ok(())), (Ok(()), Vec::new()));
    }

    // go: server/signal_test.go TestProcessSignalPgrepError
    #[test]
    fn processes_that_cannot_be_listed_are_an_error() {
        let list = || Err(io::Error::other("error"));
        let error = send_with("stop", "", &program(), list, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "unable to resolve pid, try providing one");
    }

    // go: server/signal_test.go TestProcessSignalResolveSingleProcess
    #[test]
    fn the_one_process_is_signalled() {
        assert_eq!(attempt("stop", "", &[123], Ok(())), (Ok(()), vec![(123, Signal::KILL)]));
    }

    // go: server/signal_test.go TestProcessSignalInvalidCommand
    #[test]
    fn an_unknown_command_is_an_error() {
        let (result, sent) = attempt("invalid", "123", &[123], Ok(()));
        assert_eq!(result.unwrap_err(), "unknown signal \"invalid\"");
        assert_eq!(sent, []);
    }

    // go: server/signal_test.go TestProcessSignalInvalidPid
    #[test]
    fn a_pid_that_is_no_number_is_an_error() {
        assert_eq!(refusal("stop", "abc", &[123]), "invalid pid: abc");
    }

    // go: server/signal_test.go TestProcessSignalQuitProcess
    // go: server/signal_test.go TestProcessSignalTermProcess
    // go: server/signal_test.go TestProcessSignalReopenProcess
    // go: server/signal_test.go TestProcessSignalReloadProcess
    // go: server/signal_test.go TestProcessSignalLameDuckMode
    #[test]
    fn a_process_named_by_its_pid_gets_the_signal_of_the_command() {
        let cases = [
            ("quit", Signal::INT),
            ("term", Signal::TERM),
            ("reopen", Signal::USR1),
            ("reload", Signal::HUP),
            ("ldm", Signal::USR2),
        ];
        for (command, signal) in cases {
            let outcome = attempt(command, "123", &[4, 5], Ok(()));
            assert_eq!(outcome, (Ok(()), vec![(123, signal)]), "{command}");
        }
    }

    #[test]
    fn the_flag_is_a_command_and_at_most_one_pid() {
        assert_eq!(split_flag("stop").unwrap(), ("stop", None));
        assert_eq!(split_flag("stop=12").unwrap(), ("stop", Some("12")));
        assert_eq!(split_flag("stop=1=2=3").unwrap_err().to_string(), "invalid signal parameters: [2 3]");
    }

    #[test]
    fn a_pid_may_be_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("natrium.pid");
        std::fs::write(&path, "123\n").unwrap();
        assert_eq!(read_pid_file(path.to_str().unwrap()), "123");
        assert_eq!(read_pid_file("123"), "123");
    }
}
