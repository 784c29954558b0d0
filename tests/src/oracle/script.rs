//! The script language; `oracle/README.md` describes it for those who write scripts.

use std::time::Duration;

use super::escape;

/// A parsed script.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// Configuration both servers get, after the listen address.
    pub config: String,
    /// Command-line flags both servers get.
    pub flags: Vec<String>,
    pub steps: Vec<Step>,
}

/// One statement, with the line it stands on for messages.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub line: usize,
    pub action: Action,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens a connection and waits for the server's first line.
    Connect {
        client: String,
    },
    /// Opens a connection and waits for nothing.
    Open {
        client: String,
    },
    /// Lets time pass, so that the server reads what was sent so far by itself.
    Pause(Duration),
    /// Sends a signal to the server.
    Signal(Signal),
    Client {
        client: String,
        act: ClientAct,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub enum ClientAct {
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Sends the bytes one by one, each as a segment of its own.
    SendBytewise(Vec<u8>),
    /// Sends the bytes again and again, cut in two at each boundary in turn, with a PONG awaited after each.
    SendSplit(Vec<u8>),
    /// Awaits exactly these lines.
    Expect(Vec<Expected>),
    /// Awaits lines until one equals this.
    Await(Vec<u8>),
    /// Awaits this many bytes.
    AwaitBytes(usize),
    /// Sends PING and awaits PONG.
    Flush,
    /// Awaits the server's close.
    AwaitClose,
    /// Ends the client's side, keeps reading.
    HangUp,
    /// Closes the connection from the client's side without reading any further.
    Close,
}

/// What one received line has to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    /// These bytes, line end included.
    Line(Vec<u8>),
    /// `INFO` with at least these members; a member that is `null` here has to be absent.
    Info(serde_json::Map<String, serde_json::Value>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`
    Stop,
    /// `SIGUSR2`
    LameDuck,
}

/// A script that does not follow the language.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    pub line: usize,
    pub problem: String,
}

impl Script {
    /// # Errors
    /// The first statement that is wrong.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self { config: String::new(), flags: Vec::new(), steps: Vec::new() };
        let mut lines = text.lines().zip(1..);
        while let Some((text, line)) = lines.next() {
            let statement = text.trim_start();
            if statement.is_empty() || statement.starts_with('#') {
                continue;
            }
            let (word, rest) = statement.split_once(' ').unwrap_or((statement, ""));
            match word {
                "config" => loop {
                    match lines.next() {
                        Some(("end", _)) => break,
                        Some((text, _)) => script.config.extend([text, "\n"]),
                        None => return Err(ScriptError { line, problem: "config without end".into() }),
                    }
                },
                "flags" => script.flags.extend(rest.split_whitespace().map(String::from)),
                _ => {
                    let action = action(word, rest).map_err(|problem| ScriptError { line, problem })?;
                    script.steps.push(Step { line, action });
                }
            }
        }
        Ok(script)
    }
}

fn action(word: &str, rest: &str) -> Result<Action, String> {
    Ok(match word {
        "connect" => Action::Connect { client: client_name(rest)? },
        "open" => Action::Open { client: client_name(rest)? },
        "pause" => Action::Pause(milliseconds(rest)?),
        "signal" => Action::Signal(match rest {
            "stop" => Signal::Stop,
            "ldm" => Signal::LameDuck,
            _ => return Err(format!("unknown signal {rest:?}")),
        }),
        _ => Action::Client { client: client_name(word)?, act: client_act(rest)? },
    })
}

fn client_act(text: &str) -> Result<ClientAct, String> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match verb {
        ">" => ClientAct::Send(with_line_end(escape::decode(rest)?)),
        ">>" => ClientAct::Send(escape::decode(rest)?),
        "bytewise" => ClientAct::SendBytewise(escape::decode(rest)?),
        "split" => ClientAct::SendSplit(escape::decode(rest)?),
        "<" => ClientAct::Expect(expected(rest)?),
        "await" => ClientAct::Await(with_line_end(escape::decode(rest)?)),
        "bytes" => {
            ClientAct::AwaitBytes(rest.parse().map_err(|_| format!("{rest:?} is no number of bytes"))?)
        }
        "flush" => ClientAct::Flush,
        "closed" => ClientAct::AwaitClose,
        "hangup" => ClientAct::HangUp,
        "close" => ClientAct::Close,
        _ => return Err(format!("unknown verb {verb:?}")),
    })
}

fn expected(text: &str) -> Result<Vec<Expected>, String> {
    if let Some(json) = text.strip_prefix("INFO ") {
        let members = serde_json::from_str(json).map_err(|error| format!("INFO: {error}"))?;
        return Ok(vec![Expected::Info(members)]);
    }
    let bytes = with_line_end(escape::decode(text)?);
    Ok(bytes.split_inclusive(|&byte| byte == b'\n').map(|line| Expected::Line(line.to_vec())).collect())
}

fn client_name(word: &str) -> Result<String, String> {
    let is_name = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name { Ok(word.to_string()) } else { Err(format!("{word:?} is no statement and no client")) }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix("ms").and_then(|digits| digits.parse().ok());
    number.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no time such as 20ms"))
}

fn with_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_parse_with_their_lines() {
        let script = Script::parse(
            "# why\nflags --auth x\nconfig\n  a: 1\nend\n\nconnect a\na > PING\na < MSG x 1 2\\r\\nhi\npause 5ms\n",
        )
        .unwrap();
        assert_eq!(script.config, "  a: 1\n");
        assert_eq!(script.flags, ["--auth", "x"]);
        let client = || "a".to_string();
        let expected = vec![Expected::Line(b"MSG x 1 2\r\n".to_vec()), Expected::Line(b"hi\r\n".to_vec())];
        assert_eq!(
            script.steps,
            [
                Step { line: 7, action: Action::Connect { client: client() } },
                Step {
                    line: 8,
                    action: Action::Client { client: client(), act: ClientAct::Send(b"PING\r\n".to_vec()) }
                },
                Step {
                    line: 9,
                    action: Action::Client { client: client(), act: ClientAct::Expect(expected) }
                },
                Step { line: 10, action: Action::Pause(Duration::from_millis(5)) },
            ]
        );
    }

    #[test]
    fn what_is_no_statement_is_refused_with_its_line() {
        for text in
            ["\na frobnicate", "\nconnect", "\npause 5", "\nconfig\n a", "\na bytes x", "\na < INFO x"]
        {
            assert_eq!(Script::parse(text).unwrap_err().line, 2, "{text}");
        }
    }
}
