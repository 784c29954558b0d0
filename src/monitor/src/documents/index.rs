//! `/`: a page of links, and the page that leads from an unclean path to the clean one.

use natrium_model::version;

use crate::query::BasePath;
use crate::respond::Response;

/// The index: the pages the reference's index has, and ours.
pub(crate) fn page(base: &BasePath) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>natrium {natrium}</title>\n\
         <style>body {{ font: 16px/1.6 system-ui, sans-serif; margin: 2em }} code {{ color: #777 }}</style>\n\
         </head>\n<body>\n<h1>natrium {natrium}</h1>\n<p>Compatible with nats-server {reference}</p>\n<ul>\n",
        natrium = version::NATRIUM,
        reference = version::REFERENCE,
    );
    for (title, path) in PAGES {
        let link = base.join(path);
        html += &format!("<li><a href=\".{}\">{title}</a> <code>{path}</code></li>\n", escaped(&link));
    }
    html + "</ul>\n</body>\n</html>\n"
}

impl Response {
    /// To `path`, with the query it came with.
    pub(crate) fn redirect(path: &str, raw_query: &str) -> Self {
        let mut location = percent_encoded(path);
        if !raw_query.is_empty() {
            location.push('?');
            location.push_str(raw_query);
        }
        let body = format!("<a href=\"{}\">Temporary Redirect</a>.\n\n", escaped(&location));
        Self { headers: vec![("Location", location)], ..Self::html(307, body) }
    }
}

/// Titles and paths in the reference's order.
const PAGES: [(&str, &str); 13] = [
    ("General", "/varz"),
    ("JetStream", "/jsz"),
    ("Connections", "/connz"),
    ("Accounts", "/accountz"),
    ("Account Stats", "/accstatz"),
    ("Subscriptions", "/subsz"),
    ("Routes", "/routez"),
    ("LeafNodes", "/leafz"),
    ("Gateways", "/gatewayz"),
    ("Raft Groups", "/raftz"),
    ("Health Probe", "/healthz"),
    ("Expvar", "/debug/vars"),
    ("Metrics", "/metrics"),
];

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;")
}

/// A path, whose escapes stay, without the bytes that may not stand in a header.
fn percent_encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => out += &format!("%{byte:02X}"),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}
