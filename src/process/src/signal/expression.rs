//! Which processes the part of `--signal` after the `=` means.

use std::io;
use std::str::FromStr;

use rustix::process::Pid;

use super::processes::RunningProcesses;
use crate::Program;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PidExpression {
    /// Nothing given: the one server that runs.
    Only,
    Exactly(Pid),
    /// `*` or `12*`: each server whose pid begins with these digits.
    StartingWith(String),
}

impl PidExpression {
    /// The processes to signal. `list` is asked only where the expression does not name one process.
    ///
    /// # Errors
    /// If there is none, or several and no `*`.
    pub(super) fn targets(
        &self,
        program: &Program,
        list: impl FnOnce() -> io::Result<RunningProcesses>,
    ) -> Result<Vec<Pid>, TargetError> {
        let servers = || list().map(|running| running.servers(program)).map_err(TargetError::Unlisted);
        let none = || TargetError::NoProcess { name: program.name.clone() };
        match self {
            Self::Exactly(pid) => Ok(vec![*pid]),
            Self::Only => {
                let pids = servers()?;
                match pids.len() {
                    0 => Err(none()),
                    1 => Ok(pids),
                    _ => Err(TargetError::SeveralProcesses { name: program.name.clone(), pids }),
                }
            }
            Self::StartingWith(digits) => {
                let mut pids = servers()?;
                if pids.is_empty() {
                    return Err(none());
                }
                pids.retain(|pid| pid.as_raw_pid().to_string().starts_with(digits));
                Ok(pids)
            }
        }
    }
}

/// The reference also takes signs and leading zeros: `-1` then signals every process of the machine, and the others
/// none without a word. Here they are no pids.
impl FromStr for PidExpression {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (digits, starred) = text.strip_suffix('*').map_or((text, false), |digits| (digits, true));
        if digits.is_empty() {
            return Ok(if starred { Self::StartingWith(String::new()) } else { Self::Only });
        }
        // `Pid::from_raw` must not see a negative number.
        let number = digits.parse().ok().filter(|number: &i32| *number > 0 && digits == number.to_string());
        match number.and_then(Pid::from_raw) {
            Some(_) if starred => Ok(Self::StartingWith(digits.to_owned())),
            Some(pid) => Ok(Self::Exactly(pid)),
            None => Err(TargetError::InvalidPid(digits.to_owned())),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("invalid pid: {0}")]
    InvalidPid(String),
    #[error("unable to resolve pid, try providing one")]
    Unlisted(#[source] io::Error),
    #[error("no {name} processes running")]
    NoProcess { name: String },
    #[error("multiple {name} processes running:{}", lines(.pids))]
    SeveralProcesses { name: String, pids: Vec<Pid> },
}

fn lines(pids: &[Pid]) -> String {
    pids.iter().map(|pid| format!("\n{}", pid.as_raw_pid())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_signal_a_group_or_everything_is_no_pid() {
        for text in ["0", "-1", "-123", "+5", "007", "12x", "99999999999", "0*", " 5", "**"] {
            assert!(matches!(text.parse::<PidExpression>(), Err(TargetError::InvalidPid(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_pid_in_digits_names_itself(raw in 1..=i32::MAX) {
            let expected = PidExpression::Exactly(Pid::from_raw(raw).unwrap());
            prop_assert_eq!(raw.to_string().parse::<PidExpression>().unwrap(), expected);
        }

        #[test]
        fn no_text_is_taken_for_a_pid_but_its_own_digits(text in ".*") {
            if let Ok(PidExpression::Exactly(pid)) = text.parse() {
                prop_assert_eq!(pid.as_raw_pid().to_string(), text);
            }
        }
    }
}
