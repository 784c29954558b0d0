//! What is wrong with a client's bytes, and who is told what about it.

use core::ops::Range;

use crate::quote::{quoted, snippet};

/// Why a client's bytes cannot be understood. All of these end the connection.
///
/// Ranges and offsets count from the start of the input that was given to [`decode`](crate::decode).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No operation has the byte `at` in this place, or a payload is not followed by CR LF.
    #[error("unknown protocol operation at byte {at}")]
    UnknownOperation { at: usize },
    /// Raised as soon as the arguments are too long, line end or not.
    #[error("a control line with arguments above the maximum of {max} bytes")]
    ControlLineExceeded { max: usize },
    /// Raised by the control line, before the payload is there.
    #[error("a payload of {size} bytes, above the maximum of {max}")]
    PayloadExceeded { size: usize, max: usize },
    #[error("HPUB without negotiated headers")]
    HeadersNotSupported,
    #[error("PUB takes a subject, an optional reply and a size")]
    PublishArguments { args: Range<usize> },
    #[error("PUB with a size that is not a number of 1 to 9 digits")]
    PublishSize { args: Range<usize> },
    #[error("HPUB takes a subject, an optional reply, a header size and a total size")]
    HeaderPublishArguments { args: Range<usize> },
    #[error("HPUB with a header size that is not a number of 1 to 9 digits")]
    HeaderSize { args: Range<usize> },
    #[error("HPUB with a total size that is not a number of 1 to 9 digits")]
    TotalSize { args: Range<usize> },
    #[error("HPUB with a header size above its total size")]
    HeaderSizeAboveTotal { args: Range<usize> },
    #[error("SUB takes a subject, an optional queue and a sid")]
    SubscribeArguments { args: Range<usize> },
    #[error("UNSUB takes a sid and an optional maximum")]
    UnsubscribeArguments { args: Range<usize> },
}

impl DecodeError {
    /// The text of the `-ERR` that the client gets before the connection closes; `None` where the reference closes
    /// without a word.
    pub fn client_text(&self) -> Option<&'static str> {
        match self {
            Self::UnknownOperation { .. } => Some("Unknown Protocol Operation"),
            Self::ControlLineExceeded { .. } => Some("maximum control line exceeded"),
            Self::PayloadExceeded { .. } => Some("Maximum Payload Violation"),
            Self::HeadersNotSupported
            | Self::PublishArguments { .. }
            | Self::PublishSize { .. }
            | Self::HeaderPublishArguments { .. }
            | Self::HeaderSize { .. }
            | Self::TotalSize { .. }
            | Self::HeaderSizeAboveTotal { .. }
            | Self::SubscribeArguments { .. }
            | Self::UnsubscribeArguments { .. } => None,
        }
    }

    /// What the log says of this error, in the reference's words. `input` is what [`decode`](crate::decode) was given.
    pub fn log_text(&self, input: &[u8]) -> String {
        let args = |range: &Range<usize>| quoted(input.get(range.clone()).unwrap_or_default());
        match self {
            Self::UnknownOperation { at } => {
                format!(
                    "Client parser ERROR, i={at}: proto='{}...'",
                    snippet(*at, UNKNOWN_SNIPPET_SIZE, input)
                )
            }
            Self::ControlLineExceeded { .. } => "maximum control line exceeded".to_owned(),
            Self::PayloadExceeded { size, max } => format!("maximum payload exceeded: {size} vs {max}"),
            Self::HeadersNotSupported => "message headers not supported".to_owned(),
            Self::PublishArguments { args: range } => format!("processPub Parse Error: {}", args(range)),
            Self::PublishSize { args: range } => format!("processPub Bad or Missing Size: {}", args(range)),
            Self::HeaderPublishArguments { args: range } => {
                format!("processHeaderPub Parse Error: {}", args(range))
            }
            Self::HeaderSize { args: range } => {
                format!("processHeaderPub Bad or Missing Header Size: {}", args(range))
            }
            Self::TotalSize { args: range } => {
                format!("processHeaderPub Bad or Missing Total Size: {}", args(range))
            }
            Self::HeaderSizeAboveTotal { args: range } => {
                format!("processHeaderPub Header Size larger then TotalSize: {}", args(range))
            }
            Self::SubscribeArguments { args: range } => format!("processSub Parse Error: {}", args(range)),
            Self::UnsubscribeArguments { args: range } => {
                format!("processUnsub Parse Error: {}", args(range))
            }
        }
    }
}

/// Bytes of input shown in the log line of an unknown operation.
const UNKNOWN_SNIPPET_SIZE: usize = 32;
