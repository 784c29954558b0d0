//! What each client saw, without what may differ from one start of a server to the next.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::escape;

/// All that the clients of one script saw, by client name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    clients: BTreeMap<String, Seen>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    lines: Vec<String>,
    ending: Ending,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By the server, before the client had ended its side.
    ByServer,
    /// By the client, or at the end of the script.
    ByClient,
}

impl Transcript {
    /// Adds all that one client received.
    pub(super) fn record(&mut self, client: &str, received: &[u8], ending: Ending) {
        let lines = received.split_inclusive(|&byte| byte == b'\n').map(normalise).collect();
        self.clients.insert(client.to_string(), Seen { lines, ending });
    }

    /// The first difference for each client, or `None` if both saw the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let mut differences = String::new();
        for name in
            self.clients.keys().chain(other.clients.keys().filter(|name| !self.clients.contains_key(*name)))
        {
            let (ours, theirs) = (self.clients.get(name), other.clients.get(name));
            if ours == theirs {
                continue;
            }
            let line = |seen: Option<&Seen>, at: usize| match seen {
                None => "(no such client)".to_string(),
                Some(seen) => match seen.lines.get(at) {
                    Some(line) => line.clone(),
                    None => format!("({})", seen.ending),
                },
            };
            let longest =
                [ours, theirs].into_iter().flatten().map(|seen| seen.lines.len()).max().unwrap_or(0);
            let at = (0..=longest).find(|&at| line(ours, at) != line(theirs, at)).unwrap_or(longest);
            differences.push_str(&format!(
                "client {name}, line {}:\n  - {}\n  + {}\n",
                at + 1,
                line(ours, at),
                line(theirs, at)
            ));
        }
        (!differences.is_empty()).then_some(differences)
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, seen) in &self.clients {
            writeln!(f, "{name}:")?;
            for line in &seen.lines {
                writeln!(f, "  {line}")?;
            }
            writeln!(f, "  ({})", seen.ending)?;
        }
        Ok(())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByServer => "closed by the server",
            Self::ByClient => "open to the end",
        })
    }
}

/// A received line as script text, `INFO` with its members sorted and without what identifies one server.
fn normalise(line: &[u8]) -> String {
    let info = line.strip_prefix(b"INFO ").and_then(|json| serde_json::from_slice::<Info>(json).ok());
    match info {
        Some(info) => format!("INFO {}", Value::from(without_identity(info))),
        None => escape::encode(line),
    }
}

type Info = BTreeMap<String, Value>;

/// That a member is there is compared; its value is not.
fn without_identity(mut info: Info) -> serde_json::Map<String, Value> {
    // Only a released build names the commit it was made from.
    info.remove("git_commit");
    // The key of auth callouts, which natrium does not have yet (docs/compat.md).
    info.remove("xkey");
    for name in IDENTITY {
        if let Some(value) = info.get_mut(*name) {
            *value = Value::from(format!("<{name}>"));
        }
    }
    info.into_iter().collect()
}

/// Members of `INFO` that differ between servers, or between two starts of one.
const IDENTITY: &[&str] =
    &["server_id", "server_name", "version", "go", "port", "client_id", "nonce", "xkey", "connect_urls"];

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(received: &[u8], ending: Ending) -> Transcript {
        let mut transcript = Transcript::default();
        transcript.record("a", received, ending);
        transcript
    }

    #[test]
    fn identities_and_the_order_of_members_are_no_difference() {
        let one = transcript(b"INFO {\"server_id\":\"N1\",\"port\":1,\"proto\":1} \r\n", Ending::ByClient);
        let two = transcript(b"INFO {\"proto\":1,\"port\":2,\"server_id\":\"N2\"}\r\n", Ending::ByClient);
        assert_eq!(one.difference(&two), None);
    }

    #[test]
    fn a_missing_member_is_a_difference() {
        let one = transcript(b"INFO {\"nonce\":\"x\",\"proto\":1}\r\n", Ending::ByClient);
        let two = transcript(b"INFO {\"proto\":1}\r\n", Ending::ByClient);
        assert!(one.difference(&two).is_some());
    }

    #[test]
    fn bytes_and_endings_are_compared() {
        let one = transcript(b"PONG\r\n", Ending::ByClient);
        assert!(one.difference(&transcript(b"PONG\n", Ending::ByClient)).is_some());
        assert!(one.difference(&transcript(b"PONG\r\n", Ending::ByServer)).is_some());
        assert!(one.difference(&transcript(b"PONG\r\nPONG\r\n", Ending::ByClient)).is_some());
        assert!(one.difference(&Transcript::default()).is_some());
        assert_eq!(one.difference(&transcript(b"PONG\r\n", Ending::ByClient)), None);
    }
}
