//! Plays a script to one server.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::Duration;

use super::escape;
use super::script::{Action, ClientAct, Expected, Script, Signal, Step};
use super::transcript::{Ending, Transcript};
use crate::server::{Launch, LaunchError, Server};
use crate::wire::Connection;

/// Starts a server and plays `script` to it.
///
/// # Errors
/// The server did not start, or a step did not see what it waited for.
pub fn play(script: &Script, mut launch: Launch) -> Result<Transcript, PlayError> {
    launch.config.push_str(&script.config);
    launch.flags.extend(script.flags.iter().cloned());
    let server = launch.start()?;
    let mut stage = Stage { server, clients: BTreeMap::new(), transcript: Transcript::default() };
    for step in &script.steps {
        let outcome = stage.perform(&step.action);
        outcome.map_err(|surprise| stage.failure(step, surprise))?;
    }
    stage.finish()
}

/// Why a script could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("line {line}: {surprise}\nreceived so far:\n{transcript}server log:\n{log}")]
    Step { line: usize, surprise: Surprise, transcript: Transcript, log: String },
    #[error("end of script: {surprise}\nreceived so far:\n{transcript}server log:\n{log}")]
    Finish { surprise: Surprise, transcript: Transcript, log: String },
}

/// What a step met instead of what it waited for.
#[derive(Debug, thiserror::Error)]
pub enum Surprise {
    #[error("no client {0:?} is open")]
    NoClient(String),
    #[error("expected {expected}\n     but got {received}")]
    Line { expected: String, received: String },
    #[error("the server closed; expected {expected}")]
    Closed { expected: String },
    #[error("socket of {client}")]
    Socket { client: String, source: io::Error },
    #[error("nothing more came from the server to {client} in {READ_LIMIT:?}")]
    Silence { client: String },
    #[error("signal")]
    Signal(#[source] io::Error),
}

struct Stage {
    server: Server,
    clients: BTreeMap<String, Connection>,
    transcript: Transcript,
}

impl Stage {
    fn perform(&mut self, action: &Action) -> Result<(), Surprise> {
        match action {
            Action::Connect { client } => {
                self.open(client)?;
                self.act(client, &ClientAct::Expect(vec![Expected::Info(serde_json::Map::new())]))
            }
            Action::Open { client } => self.open(client),
            Action::Pause(time) => {
                thread::sleep(*time);
                Ok(())
            }
            Action::Signal(signal) => {
                let signal = match signal {
                    Signal::Stop => rustix::process::Signal::TERM,
                    Signal::LameDuck => rustix::process::Signal::USR2,
                };
                self.server.signal(signal).map_err(Surprise::Signal)
            }
            Action::Client { client, act } => self.act(client, act),
        }
    }

    fn open(&mut self, client: &str) -> Result<(), Surprise> {
        let connection = Connection::open(self.server.client_address(), READ_LIMIT)
            .map_err(|source| Surprise::Socket { client: client.to_string(), source })?;
        self.clients.insert(client.to_string(), connection);
        Ok(())
    }

    fn act(&mut self, client: &str, act: &ClientAct) -> Result<(), Surprise> {
        if *act == ClientAct::Close {
            let connection = self.clients.remove(client).ok_or_else(|| Surprise::NoClient(client.into()))?;
            self.transcript.record(client, connection.received(), Ending::ByClient);
            return Ok(());
        }
        let connection = self.clients.get_mut(client).ok_or_else(|| Surprise::NoClient(client.into()))?;
        converse(connection, act).map_err(|miss| miss.of(client))
    }

    /// Ends the clients' side of each connection that is still open and reads what the server had left.
    fn finish(mut self) -> Result<Transcript, PlayError> {
        for (name, mut connection) in std::mem::take(&mut self.clients) {
            let ending = if connection.has_ended() { Ending::ByServer } else { Ending::ByClient };
            let outcome = connection.hang_up().and_then(|()| connection.closed().map(drop));
            self.transcript.record(&name, connection.received(), ending);
            if let Err(error) = outcome {
                return Err(PlayError::Finish {
                    surprise: Miss::Socket(error).of(&name),
                    log: self.server.log(),
                    transcript: self.transcript,
                });
            }
        }
        Ok(self.transcript)
    }

    fn failure(&mut self, step: &Step, surprise: Surprise) -> PlayError {
        for (name, connection) in &self.clients {
            let ending = if connection.has_ended() { Ending::ByServer } else { Ending::ByClient };
            self.transcript.record(name, connection.received(), ending);
        }
        PlayError::Step {
            line: step.line,
            surprise,
            transcript: std::mem::take(&mut self.transcript),
            log: self.server.log(),
        }
    }
}

/// A [`Surprise`] that does not know yet whose it is.
enum Miss {
    Line { expected: String, received: String },
    Closed { expected: String },
    Socket(io::Error),
}

impl Miss {
    fn of(self, client: &str) -> Surprise {
        let client = client.to_string();
        match self {
            Self::Line { expected, received } => Surprise::Line { expected, received },
            Self::Closed { expected } => Surprise::Closed { expected },
            Self::Socket(error) if error.kind() == io::ErrorKind::TimedOut => Surprise::Silence { client },
            Self::Socket(source) => Surprise::Socket { client, source },
        }
    }
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

fn converse(connection: &mut Connection, act: &ClientAct) -> Result<(), Miss> {
    match act {
        ClientAct::Send(bytes) => connection.send(bytes)?,
        ClientAct::SendBytewise(bytes) => {
            for byte in bytes.chunks(1) {
                connection.send(byte)?;
                thread::sleep(SEGMENT_GAP);
            }
        }
        ClientAct::SendSplit(bytes) => {
            for boundary in 1..bytes.len() {
                let (head, tail) = bytes.split_at(boundary);
                connection.send(head)?;
                thread::sleep(SEGMENT_GAP);
                connection.send(tail)?;
                flush(connection)?;
            }
        }
        ClientAct::Expect(lines) => {
            for expected in lines {
                expect(connection, expected)?;
            }
        }
        ClientAct::Await(line) => await_line(connection, line)?,
        ClientAct::AwaitBytes(count) => {
            let outcome = connection.bytes(*count)?;
            outcome.ok_or_else(|| Miss::Closed { expected: format!("{count} bytes") })?;
        }
        ClientAct::Flush => flush(connection)?,
        ClientAct::AwaitClose => drop(connection.closed()?),
        ClientAct::HangUp => connection.hang_up()?,
        ClientAct::Close => unreachable!("closing takes the connection itself and was done by the caller"),
    }
    Ok(())
}

fn flush(connection: &mut Connection) -> Result<(), Miss> {
    connection.send(b"PING\r\n")?;
    await_line(connection, b"PONG\r\n")
}

fn await_line(connection: &mut Connection, wanted: &[u8]) -> Result<(), Miss> {
    while let Some(line) = connection.line()? {
        if line == wanted {
            return Ok(());
        }
    }
    Err(Miss::Closed { expected: escape::encode(wanted) })
}

fn expect(connection: &mut Connection, expected: &Expected) -> Result<(), Miss> {
    let Some(line) = connection.line()? else {
        return Err(Miss::Closed { expected: describe(expected) });
    };
    let met = match expected {
        Expected::Line(bytes) => line == bytes,
        Expected::Info(members) => {
            let json = line.strip_prefix(b"INFO ").unwrap_or_default();
            let info = serde_json::from_slice::<serde_json::Map<_, _>>(json);
            info.is_ok_and(|info| {
                members.iter().all(|(name, value)| match info.get(name) {
                    Some(received) => received == value,
                    None => value.is_null(),
                })
            })
        }
    };
    if met {
        return Ok(());
    }
    Err(Miss::Line { expected: describe(expected), received: escape::encode(line) })
}

fn describe(expected: &Expected) -> String {
    match expected {
        Expected::Line(bytes) => escape::encode(bytes),
        Expected::Info(members) => format!("INFO with {}", serde_json::Value::from(members.clone())),
    }
}

/// Longer than any delay a script provokes (stale connections, authentication timeouts), and than a busy
/// machine needs to answer.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Time for the server to read what was sent, so that the next segment is a read of its own.
const SEGMENT_GAP: Duration = Duration::from_millis(3);
