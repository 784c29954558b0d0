//! `/healthz`: whether the server serves.

use serde::Serialize;

use crate::query::HealthCheck;
use crate::snapshot::ServerSnapshot;

#[derive(Serialize)]
pub(crate) struct Healthz {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    error: &'static str,
}

/// Status code and document.
pub(crate) fn document(check: &HealthCheck, server: &ServerSnapshot) -> (u16, Healthz) {
    if check.account.is_empty() && !check.stream.is_empty() {
        let text = "\"account\" must not be empty when checking stream health";
        return (400, Healthz::failed("BAD_REQUEST", text, check.details));
    }
    if check.stream.is_empty() && !check.consumer.is_empty() {
        let text = "\"stream\" must not be empty when checking consumer health";
        return (400, Healthz::failed("BAD_REQUEST", text, check.details));
    }
    if !server.ready {
        let text = "failed to be ready for connections after 1ms: server";
        return (500, Healthz::failed("CONNECTION", text, check.details));
    }
    // Without JetStream there is nothing to be unhealthy, whatever account or stream is asked for.
    (200, Healthz { status: "ok", error: None, errors: Vec::new() })
}

impl Healthz {
    fn failed(kind: &'static str, error: &'static str, details: bool) -> Self {
        if details {
            Self { status: "error", error: None, errors: vec![Problem { kind, error }] }
        } else {
            Self { status: "error", error: Some(error), errors: Vec::new() }
        }
    }
}
