//! From a request and the snapshots to the answer.

use std::borrow::Cow;

use crate::documents::{accounts, cluster, connz, healthz, index, process, subsz, varz};
use crate::query::{BasePath, Request};
use crate::snapshot::Snapshots;
use crate::{json, metrics};

/// One HTTP answer, to be sent with `Date` and `Content-Length`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    /// Headers besides the content type.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// A document any web page may read, as in the reference.
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        let headers = vec![("Access-Control-Allow-Origin", "*".to_owned())];
        Self { status, content_type: "application/json", headers, body }
    }

    pub(crate) fn text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        let body = text.into().into_owned().into_bytes();
        Self { status, content_type: "text/plain; charset=utf-8", headers: Vec::new(), body }
    }

    pub(crate) fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::text(400, text)
    }

    pub(crate) fn not_found() -> Self {
        let headers = vec![("X-Content-Type-Options", "nosniff".to_owned())];
        Self { headers, ..Self::text(404, "404 page not found\n") }
    }

    pub(crate) fn html(status: u16, body: String) -> Self {
        Self {
            status,
            content_type: "text/html; charset=utf-8",
            headers: Vec::new(),
            body: body.into_bytes(),
        }
    }
}

/// Answers `request` from `source`, which holds at least what [`Request::needs`] named.
pub fn respond(request: &Request, base: &BasePath, source: &Snapshots) -> Response {
    let server = &source.server;
    match request {
        Request::Index => Response::html(200, index::page(base)),
        Request::Varz => Response::json(200, json::pretty(&varz::document(source))),
        Request::Connz(selection) => Response::json(200, connz::document(selection, source)),
        Request::Subsz { account, page, list } => {
            Response::json(200, json::pretty(&subsz::document(account, *page, list.as_ref(), source)))
        }
        Request::Routez => Response::json(200, json::pretty(&cluster::routez(server))),
        Request::Gatewayz => Response::json(200, json::pretty(&cluster::gatewayz(server))),
        Request::Leafz => Response::json(200, json::pretty(&cluster::leafz(server))),
        Request::Accountz { account: None } => Response::json(200, json::pretty(&accounts::names(source))),
        Request::Accountz { account: Some(name) } => match accounts::detail(name, source) {
            Some(document) => Response::json(200, json::pretty(&document)),
            None => Response::bad_request(format!("Account {name} does not exist")),
        },
        Request::Accstatz { unused } => {
            Response::json(200, json::pretty(&accounts::traffic(*unused, source)))
        }
        Request::Healthz(check) => {
            let (status, document) = healthz::document(check, server);
            Response::json(status, json::compact(&document))
        }
        Request::Jsz => Response::json(200, json::pretty(&cluster::jsz(server))),
        // The reference's answer of a server without JetStream.
        Request::Raftz => Response::text(404, "No Raft nodes registered"),
        // No queue between threads has a name here; lanes are in `/metrics`.
        Request::Ipqueuesz => Response::json(200, b"{}".to_vec()),
        Request::Stacksz => Response::text(200, process::shards(&source.shards)),
        Request::Expvarz => Response {
            content_type: "application/json; charset=utf-8",
            headers: Vec::new(),
            ..Response::json(200, json::compact(&process::variables(server)))
        },
        Request::Metrics => Response {
            status: 200,
            content_type: metrics::CONTENT_TYPE,
            headers: Vec::new(),
            body: metrics::text(source).into_bytes(),
        },
    }
}
