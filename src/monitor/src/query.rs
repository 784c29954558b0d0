//! From the path and query of an HTTP request to what is asked for, with the reference's refusals.

mod params;

use natrium_model::ConnId;

use crate::request_stats::RequestStats;
use crate::respond::Response;
use crate::select::{
    ConnSelection, ConnSort, ConnState, LIMIT_DEFAULT, Page, SubSelection, SubscriptionsShown,
};
use params::Params;

/// One request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Index,
    Varz,
    Connz(ConnSelection),
    /// With the subscriptions only if a selection is given; the account limits the numbers too.
    Subsz {
        account: String,
        page: Page,
        list: Option<SubSelection>,
    },
    Routez,
    Gatewayz,
    Leafz,
    Accountz {
        account: Option<String>,
    },
    Accstatz {
        unused: bool,
    },
    Healthz(HealthCheck),
    Jsz,
    Raftz,
    Ipqueuesz,
    Stacksz,
    Expvarz,
    Metrics,
}

/// What `/healthz` is to look at. Its `js-` parameters narrow the check of a JetStream that is not there yet: they are
/// checked and have no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck {
    pub account: String,
    pub stream: String,
    pub consumer: String,
    /// Answer with a list of errors in place of one text.
    pub details: bool,
}

/// Which parts of [`Snapshots`](crate::Snapshots) an answer needs besides the server's own facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub shards: bool,
    pub accounts: bool,
    /// Each shard picks from its connections, and from its ring of closed ones, with
    /// [`ConnSelection::choose`].
    pub connections: Option<ConnSelection>,
    /// Each shard picks from its subscriptions with [`SubSelection::choose`].
    pub subscriptions: Option<SubSelection>,
}

impl Request {
    /// Parses the request target in its origin form (`/connz?sort=subs`) and counts it.
    ///
    /// The method does not matter, as in the reference. `base` is where the pages live.
    ///
    /// # Errors
    /// The answer to a request that cannot be served: 400 with the reference's text for a bad parameter, 404 for a page
    /// that does not exist, 307 for a path that is not clean.
    pub fn parse(base: &BasePath, target: &str, stats: &mut RequestStats) -> Result<Self, Response> {
        let (raw_path, raw_query) = target.split_once('?').unwrap_or((target, ""));
        let Some(path) = params::unescape_path(raw_path) else {
            return Err(Response::text(400, "400 Bad Request"));
        };
        // An escaped slash or dot is a letter like any other.
        let clean = clean_path(raw_path);
        if clean != raw_path {
            return Err(Response::redirect(&clean, raw_query));
        }
        let Some(page) = std::str::from_utf8(&path).ok().and_then(|path| base.page(path)) else {
            return Err(Response::not_found());
        };
        parse_page(page, &Params::new(raw_query), stats)
    }

    pub fn needs(&self) -> Needs {
        let none = Needs::default();
        match self {
            Self::Varz | Self::Metrics | Self::Stacksz => Needs { shards: true, ..none },
            // The account's name is looked up: an unknown one gives an answer of its own.
            Self::Connz(selection) => Needs {
                accounts: !selection.account.is_empty(),
                connections: Some(selection.clone()),
                ..none
            },
            Self::Subsz { list, .. } => Needs { accounts: true, subscriptions: list.clone(), ..none },
            Self::Accountz { .. } | Self::Accstatz { .. } => Needs { accounts: true, ..none },
            Self::Index
            | Self::Routez
            | Self::Gatewayz
            | Self::Leafz
            | Self::Healthz(_)
            | Self::Jsz
            | Self::Raftz
            | Self::Ipqueuesz
            | Self::Expvarz => none,
        }
    }
}

/// Where the pages live: `http_base_path`, with a slash before and none behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    pub fn new(configured: &str) -> Self {
        let clean = clean_path(&format!("/{configured}"));
        let trimmed = clean.trim_end_matches('/');
        Self(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
    }

    /// `page`, such as `/varz`, below this path.
    pub(crate) fn join(&self, page: &str) -> String {
        format!("{}{page}", self.0.trim_end_matches('/'))
    }

    /// The page that `path` names: `/` for the base itself, `/varz` for the page below it.
    fn page<'p>(&self, path: &'p str) -> Option<&'p str> {
        if path == self.0 {
            return Some("/");
        }
        path.strip_prefix(self.0.trim_end_matches('/')).filter(|page| page.len() > 1 && page.starts_with('/'))
    }
}

fn parse_page(page: &str, params: &Params<'_>, stats: &mut RequestStats) -> Result<Request, Response> {
    // Whether a refused request counts differs from page to page in the reference; the order of the lines keeps it.
    Ok(match page {
        "/" => {
            stats.count("/");
            Request::Index
        }
        "/varz" => {
            stats.count("/varz");
            Request::Varz
        }
        "/connz" => {
            let selection = conn_selection(params)?;
            stats.count("/connz");
            Request::Connz(ConnSelection {
                sort: conn_sort(&params.text("sort"), selection.state)?,
                ..selection
            })
        }
        "/subsz" | "/subscriptionsz" => {
            stats.count("/subsz");
            subsz(params)?
        }
        "/routez" => {
            subscriptions_shown(params)?;
            stats.count("/routez");
            Request::Routez
        }
        "/gatewayz" => {
            stats.count("/gatewayz");
            subscriptions_shown(params)?;
            params.bool("accs")?;
            Request::Gatewayz
        }
        "/leafz" => {
            stats.count("/leafz");
            params.bool("subs")?;
            Request::Leafz
        }
        "/accountz" => {
            stats.count("/accountz");
            Request::Accountz { account: Some(params.text("acc")).filter(|account| !account.is_empty()) }
        }
        "/accstatz" => {
            stats.count("/accstatz");
            Request::Accstatz { unused: params.bool("unused")? }
        }
        "/healthz" => {
            stats.count("/healthz");
            health_check(params)?
        }
        "/jsz" => {
            stats.count("/jsz");
            jsz(params)?
        }
        "/raftz" => Request::Raftz,
        "/ipqueuesz" => {
            params.bool("all")?;
            Request::Ipqueuesz
        }
        "/stacksz" => Request::Stacksz,
        "/debug/vars" => Request::Expvarz,
        "/metrics" => {
            stats.count("/metrics");
            Request::Metrics
        }
        _ => return Err(Response::not_found()),
    })
}

fn conn_selection(params: &Params<'_>) -> Result<ConnSelection, Response> {
    let auth = params.bool("auth")?;
    let subscriptions = subscriptions_shown(params)?;
    let mut page = page(params)?;
    let id = Some(params.u64("cid")?).filter(|id| *id > 0).map(ConnId);
    if id.is_some() {
        page.limit = 1;
    }
    let state = conn_state(params)?;
    Ok(ConnSelection {
        sort: ConnSort::default(),
        state,
        auth,
        subscriptions,
        page,
        id,
        user: params.text("user"),
        account: params.text("acc"),
        mqtt_client: params.text("mqtt_client"),
    })
}

/// The order of the connections, the last parameter the reference looks at.
fn conn_sort(text: &str, state: ConnState) -> Result<ConnSort, Response> {
    let Some(sort) = ConnSort::parse(text) else {
        return Err(Response::bad_request(format!("invalid sorting option: {text}")));
    };
    let only_closed = matches!(sort, ConnSort::Stop | ConnSort::Reason);
    if only_closed && state != ConnState::Closed {
        return Err(Response::bad_request(format!("sort by {text} only valid on closed connections")));
    }
    Ok(sort)
}

fn conn_state(params: &Params<'_>) -> Result<ConnState, Response> {
    let text = params.text("state");
    match text.to_lowercase().as_str() {
        "" | "open" => Ok(ConnState::Open),
        "closed" => Ok(ConnState::Closed),
        "any" | "all" => Ok(ConnState::All),
        _ => Err(Response::bad_request(format!("Error decoding state for {text}"))),
    }
}

fn subscriptions_shown(params: &Params<'_>) -> Result<SubscriptionsShown, Response> {
    if params.text("subs").to_lowercase() == "detail" {
        return Ok(SubscriptionsShown::Detail);
    }
    Ok(if params.bool("subs")? { SubscriptionsShown::Filters } else { SubscriptionsShown::None })
}

fn subsz(params: &Params<'_>) -> Result<Request, Response> {
    let listed = params.bool("subs")?;
    let page = page(params)?;
    let test = params.text("test");
    if !test.is_empty() && !natrium_subject::is_valid_literal(test.as_bytes()) {
        let text = format!("invalid test subject, must be valid publish subject: {test}");
        return Err(Response::bad_request(text));
    }
    let account = params.text("acc");
    let list = listed.then(|| SubSelection { page, account: account.clone(), test });
    Ok(Request::Subsz { account, page, list })
}

fn health_check(params: &Params<'_>) -> Result<Request, Response> {
    for name in ["js-enabled", "js-enabled-only", "js-server-only", "js-meta-only"] {
        params.bool(name)?;
    }
    Ok(Request::Healthz(HealthCheck {
        details: params.bool("details")?,
        account: params.text("account"),
        stream: params.text("stream"),
        consumer: params.text("consumer"),
    }))
}

/// Without JetStream the parameters are only checked, in the reference's order, and a leader is not here.
fn jsz(params: &Params<'_>) -> Result<Request, Response> {
    for name in ["accounts", "streams", "consumers", "direct-consumers", "config"] {
        params.bool(name)?;
    }
    params.int("offset")?;
    params.int("limit")?;
    let leader_only = params.bool("leader-only")?;
    for name in ["raft", "stream-leader-only"] {
        params.bool(name)?;
    }
    if leader_only {
        return Err(Response::bad_request("filtered response: not leader".to_owned()));
    }
    Ok(Request::Jsz)
}

/// A negative offset is none, and a limit that is not positive is the default, as in the reference.
fn page(params: &Params<'_>) -> Result<Page, Response> {
    let offset = params.int("offset")?;
    let limit = params.int("limit")?;
    Ok(Page {
        offset: usize::try_from(offset).unwrap_or(0),
        limit: usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT),
    })
}

/// `path` without empty, `.` and `..` elements; a final slash stays. The form Go's HTTP server insists on.
fn clean_path(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => {
                elements.pop();
            }
            name => elements.push(name),
        }
    }
    let mut clean = format!("/{}", elements.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    clean
}

#[cfg(test)]
mod tests;
