//! What a running server can be told.

use std::str::FromStr;

use rustix::process::Signal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Ends at once, without a farewell to anybody.
    Stop,
    /// Ends in order.
    Quit,
    /// Ends in order, unless lame duck mode is already doing so.
    Term,
    /// Opens the log file anew.
    Reopen,
    /// Reads the configuration again.
    Reload,
    /// `ldm`: sends the clients away little by little, then ends.
    LameDuckMode,
}

impl Command {
    pub(super) fn signal(self) -> Signal {
        match self {
            Self::Stop => Signal::KILL,
            Self::Quit => Signal::INT,
            Self::Term => Signal::TERM,
            Self::Reopen => Signal::USR1,
            Self::Reload => Signal::HUP,
            Self::LameDuckMode => Signal::USR2,
        }
    }
}

/// The text is no command.
#[derive(Debug)]
pub(super) struct UnknownCommand;

impl FromStr for Command {
    type Err = UnknownCommand;

    fn from_str(text: &str) -> Result<Self, UnknownCommand> {
        match text {
            "stop" => Ok(Self::Stop),
            "quit" => Ok(Self::Quit),
            "term" => Ok(Self::Term),
            "reopen" => Ok(Self::Reopen),
            "reload" => Ok(Self::Reload),
            "ldm" => Ok(Self::LameDuckMode),
            _ => Err(UnknownCommand),
        }
    }
}
