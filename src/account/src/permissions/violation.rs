//! The words for what a client was not permitted to do.

use std::fmt;

use natrium_wire::quote::quoted;

/// Displays as the text between the quotes of `-ERR '...'`; none of these closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation<'a> {
    Publish {
        subject: &'a [u8],
    },
    /// The reply subject is one of the server's own (`_R_.`, `$JS.ACK.`, `_GR_.`).
    PublishReply {
        reply: &'a [u8],
    },
    Subscribe {
        filter: &'a [u8],
        queue: Option<&'a [u8]>,
        sid: &'a [u8],
    },
    /// More tokens than `max_subscription_tokens`.
    SubscribeTokens {
        filter: &'a [u8],
        sid: &'a [u8],
    },
}

impl Violation<'_> {
    /// The line the log gets.
    pub fn log_text(&self) -> String {
        match self {
            Self::Publish { subject } => format!("Publish Violation - Subject {}", quoted(subject)),
            Self::PublishReply { reply } => format!("Publish Violation - Reply {}", quoted(reply)),
            Self::Subscribe { filter, queue: None, sid } => {
                format!("Subscription Violation - Subject {}, SID {}", quoted(filter), sid.escape_ascii())
            }
            Self::Subscribe { filter, queue: Some(queue), sid } => format!(
                "Subscription Violation - Subject {}, Queue: {}, SID {}",
                quoted(filter),
                quoted(queue),
                sid.escape_ascii()
            ),
            Self::SubscribeTokens { filter, sid } => format!(
                "Subscription Violation Too Many Tokens - Subject {}, SID {}",
                quoted(filter),
                sid.escape_ascii()
            ),
        }
    }
}

impl fmt::Display for Violation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish { subject } => {
                write!(f, "Permissions Violation for Publish to {}", quoted(subject))
            }
            Self::PublishReply { reply } => {
                write!(f, "Permissions Violation for Publish with Reply of {}", quoted(reply))
            }
            Self::Subscribe { filter, queue, .. } => {
                write!(f, "Permissions Violation for Subscription to {}", quoted(filter))?;
                queue.map_or(Ok(()), |queue| write!(f, " using queue {}", quoted(queue)))
            }
            Self::SubscribeTokens { filter, .. } => {
                write!(f, "Permissions Violation for Subscription to {}, too many tokens", quoted(filter))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_references() {
        let cases = [
            (
                Violation::Publish { subject: b"r\"e\\p\xff" },
                r#"Permissions Violation for Publish to "r\"e\\p\xff""#,
                r#"Publish Violation - Subject "r\"e\\p\xff""#,
            ),
            (
                Violation::PublishReply { reply: b"_R_.x" },
                r#"Permissions Violation for Publish with Reply of "_R_.x""#,
                r#"Publish Violation - Reply "_R_.x""#,
            ),
            (
                Violation::Subscribe { filter: b"foo", queue: None, sid: b"1" },
                r#"Permissions Violation for Subscription to "foo""#,
                r#"Subscription Violation - Subject "foo", SID 1"#,
            ),
            (
                Violation::Subscribe { filter: b"foo", queue: Some(b"q1"), sid: b"1" },
                r#"Permissions Violation for Subscription to "foo" using queue "q1""#,
                r#"Subscription Violation - Subject "foo", Queue: "q1", SID 1"#,
            ),
            (
                Violation::SubscribeTokens { filter: b"a.b.c", sid: b"7" },
                r#"Permissions Violation for Subscription to "a.b.c", too many tokens"#,
                r#"Subscription Violation Too Many Tokens - Subject "a.b.c", SID 7"#,
            ),
        ];
        for (violation, error, log) in cases {
            assert_eq!(violation.to_string(), error);
            assert_eq!(violation.log_text(), log);
        }
    }
}
