mod admission;
mod delivery;
mod patterns;
mod properties;
mod times;

use natrium_model::Timestamp;

use super::Refusal;
use super::pattern::{Due, Pattern};
use super::rfc3339;
use super::zone::Zones;

/// A header block of these lines.
fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("NATS/1.0\r\n{lines}\r\n").into_bytes()
}

fn at(text: &str) -> Timestamp {
    rfc3339::parse(text.as_bytes()).unwrap().timestamp()
}

fn pattern(text: &str, zone: Option<&str>) -> Result<Option<Pattern>, Refusal> {
    let mut lines = vec![("Nats-Schedule", text)];
    lines.extend(zone.map(|zone| ("Nats-Schedule-Time-Zone", zone)));
    Pattern::of(natrium_wire::Headers::new(&block(&lines)), &Zones::bundled())
}

/// The next time, and whether another follows.
fn next(text: &str, zone: Option<&str>, after: Timestamp, now: Timestamp) -> Result<(Due, bool), Refusal> {
    let pattern = pattern(text, zone)?.unwrap();
    Ok((pattern.next(after, now)?, pattern.repeats()))
}
