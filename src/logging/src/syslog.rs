//! `syslog` and `remote_syslog`: lines as Go's `log/syslog` sends them, which is what the reference uses.

mod connection;
mod frame;
mod target;

use std::io;
use std::time::{Duration, Instant};

use natrium_process::Program;

use crate::LoggingError;
use crate::line::Line;

use self::connection::Connection;
use self::frame::Framing;
pub(crate) use self::target::Target;

#[derive(Debug)]
pub(crate) struct Syslog {
    target: Target,
    framing: Framing,
    link: Link,
}

#[derive(Debug)]
enum Link {
    Up(Connection),
    /// Lines are refused until then: each attempt may take [`connection::PATIENCE`].
    Down {
        try_at: Instant,
    },
}

impl Syslog {
    /// # Errors
    /// If nobody listens there.
    pub(crate) fn open(target: Target, program: &Program) -> Result<Self, LoggingError> {
        let connection = Connection::open(&target).map_err(LoggingError::Syslog)?;
        let framing = Framing::new(&target, program);
        Ok(Self { target, framing, link: Link::Up(connection) })
    }

    /// A connection that fails is made anew once, at once, and then once a second.
    pub(crate) fn write(&mut self, line: &Line) -> io::Result<()> {
        let frame = self.framing.frame(line);
        match &mut self.link {
            Link::Up(connection) => {
                if connection.send(&frame).is_ok() {
                    return Ok(());
                }
            }
            Link::Down { try_at } if Instant::now() < *try_at => {
                return Err(io::Error::new(io::ErrorKind::NotConnected, "syslog is not connected"));
            }
            Link::Down { .. } => {}
        }
        let sent = Connection::open(&self.target).and_then(|mut connection| {
            connection.send(&frame)?;
            Ok(connection)
        });
        match sent {
            Ok(connection) => {
                self.link = Link::Up(connection);
                Ok(())
            }
            Err(error) => {
                self.link = Link::Down { try_at: Instant::now() + RECONNECT_PAUSE };
                Err(error)
            }
        }
    }
}

const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
