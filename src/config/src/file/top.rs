//! The keys that stand at the top of a file.

use std::num::NonZeroUsize;
use std::time::Duration;

use natrium_model::limits;

use crate::language::{Data, Map, Value};
use crate::options::Options;
use crate::options::client::WriteTimeout;
use crate::options::monitoring::Listen;

use super::accounts;
use super::authorization::{self, Names};
use super::listen::{address, port};
use super::mappings;
use super::not_yet::Block;
use super::report::{Report, set};
use super::tls;

/// More shards than this do not fit the masks of interest.
const SHARDS_MAX: i64 = 64;
const LAME_DUCK_DURATION_MIN: Duration = Duration::from_secs(30);

/// The monitoring endpoint's keys, which come in any order.
#[derive(Default)]
struct Monitoring {
    host: Option<String>,
    http: Option<u16>,
    https: Option<u16>,
}

pub(super) fn read(map: &Map, report: &mut Report) -> Options {
    let mut options = Options::default();
    let mut names = Names::default();
    let mut monitoring = Monitoring::default();
    for (key, entry) in map.iter() {
        let value = &entry.value;
        let lower = key.to_ascii_lowercase();
        let read = client(&lower, value, &mut options, report)
            || logging(&lower, value, &mut options, report)
            || self::monitoring(&lower, value, &mut options, &mut monitoring, report)
            || process(&lower, value, &mut options, report)
            || identity(&lower, value, &mut options, &mut names, report)
            || switched_off(&lower, value);
        if !read {
            report.not_read(Block::Top, key, entry);
        }
    }
    let host = monitoring.host.unwrap_or_else(|| options.client.listen.host.clone());
    let listen = |port: Option<u16>| port.map(|port| Listen { host: host.clone(), port });
    options.monitoring.http = listen(monitoring.http);
    options.monitoring.https = listen(monitoring.https);
    check(&options, map, report);
    options
}

/// The listener for clients. Whether the key is one of these.
fn client(key: &str, value: &Value, options: &mut Options, report: &mut Report) -> bool {
    let client = &mut options.client;
    match key {
        "listen" => {
            if let Some(address) = address(key, value, report) {
                set(&mut client.listen.host, address.host.filter(|host| !host.is_empty()));
                if let Some(port) = port(key, address.port, value, report) {
                    client.listen.port = port.unwrap_or(limits::CLIENT_PORT);
                }
            }
        }
        "host" | "net" => {
            set(&mut client.listen.host, report.string(key, value).filter(|host| !host.is_empty()));
        }
        "port" => {
            let number = report.integer(key, value);
            if let Some(port) = number.and_then(|number| port(key, number, value, report)) {
                client.listen.port = port.unwrap_or(limits::CLIENT_PORT);
            }
        }
        "client_advertise" => {
            client.advertise = report.string(key, value).filter(|text| !text.is_empty());
        }
        "tls" => client.tls = tls::read(value, report),
        "allow_non_tls" => set(&mut client.allow_non_tls, report.bool(key, value)),
        "proxy_protocol" => set(&mut client.proxy_protocol, report.bool(key, value)),
        "no_header_support" => set(&mut client.headers, report.bool(key, value).map(|off| !off)),
        "max_control_line" => {
            set(&mut client.max_control_line, report.size(key, value, limits::MAX_CONTROL_LINE));
        }
        "max_payload" => set(&mut client.max_payload, report.size(key, value, limits::MAX_PAYLOAD)),
        "max_pending" => {
            let pending = report.limit(key, value);
            set(&mut client.max_pending, pending.map(|limit| limit.unwrap_or(limits::MAX_PENDING)));
        }
        "max_connections" | "max_conn" => {
            let max = report.integer(key, value);
            // Less than nothing is nobody, too.
            set(&mut client.max_connections, max.map(|max| usize::try_from(max).unwrap_or(0)));
        }
        "max_subscriptions" | "max_subs" => set(&mut client.max_subscriptions, report.limit(key, value)),
        "max_sub_tokens" | "max_subscription_tokens" => match report.integer(key, value) {
            Some(1..=255) => set(&mut client.max_subscription_tokens, report.limit(key, value)),
            Some(number) if number > 255 => report.error(value, format!("{key} value is too big")),
            Some(_) => report.error(value, format!("{key} value can not be negative")),
            None => {}
        },
        "ping_interval" => set(
            &mut client.ping_interval,
            report.duration(key, value).map(|interval| or(interval, limits::PING_INTERVAL)),
        ),
        "ping_max" => {
            let max = report.limit(key, value).flatten();
            set(&mut client.ping_max, max.map(|max| u32::try_from(max).unwrap_or(u32::MAX)));
        }
        "write_deadline" => set(
            &mut client.write_deadline,
            report.duration(key, value).map(|deadline| or(deadline, limits::WRITE_DEADLINE)),
        ),
        "write_timeout" => match report.string(key, value).as_deref() {
            Some("default") => client.write_timeout = WriteTimeout::Default,
            Some("close") => client.write_timeout = WriteTimeout::Close,
            Some("retry") => client.write_timeout = WriteTimeout::Retry,
            Some(_) => report.error(value, "write_timeout must be 'default', 'close' or 'retry'"),
            None => {}
        },
        _ => return false,
    }
    true
}

fn or(duration: Duration, default: Duration) -> Duration {
    if duration.is_zero() { default } else { duration }
}

fn logging(key: &str, value: &Value, options: &mut Options, report: &mut Report) -> bool {
    let logging = &mut options.logging;
    match key {
        "debug" => set(&mut logging.debug, report.bool(key, value)),
        "trace" => set(&mut logging.trace, report.bool(key, value)),
        "trace_verbose" => {
            set(&mut logging.trace_verbose, report.bool(key, value));
            logging.trace = logging.trace_verbose;
        }
        "trace_headers" => {
            set(&mut logging.trace_headers, report.bool(key, value));
            logging.trace = logging.trace_headers;
        }
        "max_traced_msg_len" => set(&mut logging.traced_payload_max, report.limit(key, value)),
        "logtime" => set(&mut logging.time, report.bool(key, value)),
        "logtime_utc" => set(&mut logging.utc, report.bool(key, value)),
        "logfile" | "log_file" => {
            logging.file = report.string(key, value).filter(|path| !path.is_empty()).map(Into::into);
        }
        "logfile_size_limit" | "log_size_limit" => {
            let limit = report.integer(key, value).and_then(|limit| u64::try_from(limit).ok());
            logging.file_size_limit = limit.filter(|&limit| limit > 0);
        }
        "logfile_max_num" | "log_max_num" => set(&mut logging.file_max_num, report.limit(key, value)),
        "syslog" => set(&mut logging.syslog, report.bool(key, value)),
        "remote_syslog" => {
            logging.remote_syslog = report.string(key, value).filter(|url| !url.is_empty());
        }
        _ => return false,
    }
    true
}

fn monitoring(
    key: &str,
    value: &Value,
    options: &mut Options,
    monitoring: &mut Monitoring,
    report: &mut Report,
) -> bool {
    match key {
        "http" | "https" => {
            if let Some(address) = address(key, value, report) {
                set(&mut monitoring.host, address.host.filter(|host| !host.is_empty()).map(Some));
                let port = port(key, address.port, value, report).flatten();
                if key == "http" {
                    monitoring.http = port;
                } else {
                    monitoring.https = port;
                }
            }
        }
        "http_port" | "monitor_port" | "https_port" => {
            let number = report.integer(key, value);
            let port = number.and_then(|number| port(key, number, value, report)).flatten();
            if key == "https_port" {
                monitoring.https = port;
            } else {
                monitoring.http = port;
            }
        }
        "http_base_path" => {
            options.monitoring.base_path = report.string(key, value).filter(|path| !path.is_empty());
        }
        _ => return false,
    }
    true
}

/// The process and what it leaves behind.
fn process(key: &str, value: &Value, options: &mut Options, report: &mut Report) -> bool {
    match key {
        "shards" => match report.integer(key, value) {
            Some(count @ 1..=SHARDS_MAX) => {
                options.shards = usize::try_from(count).ok().and_then(NonZeroUsize::new);
            }
            Some(_) => report.error(value, format!("\"shards\" must be 1 to {SHARDS_MAX}")),
            None => {}
        },
        "pidfile" | "pid_file" => {
            options.pid_file = report.string(key, value).filter(|path| !path.is_empty()).map(Into::into);
        }
        "ports_file_dir" => {
            options.ports_file_dir =
                report.string(key, value).filter(|path| !path.is_empty()).map(Into::into);
        }
        "lame_duck_duration" => {
            if let Some(duration) = report.strict_duration(key, value) {
                if duration < LAME_DUCK_DURATION_MIN {
                    report.error(
                        value,
                        format!("invalid lame_duck_duration of {duration:?}, minimum is 30 seconds"),
                    );
                } else {
                    options.lame_duck_duration = duration;
                }
            }
        }
        "lame_duck_grace_period" => {
            set(&mut options.lame_duck_grace_period, report.strict_duration(key, value));
        }
        "max_closed_clients" => {
            let limit = report.limit(key, value);
            set(
                &mut options.max_closed_clients,
                limit.map(|limit| limit.unwrap_or(limits::MAX_CLOSED_CLIENTS)),
            );
        }
        "connect_error_reports" => {
            let reports = report.limit(key, value);
            set(
                &mut options.connect_error_reports,
                reports.map(|reports| reports.unwrap_or(limits::CONNECT_ERROR_REPORTS)),
            );
        }
        "reconnect_error_reports" => {
            let reports = report.limit(key, value);
            set(
                &mut options.reconnect_error_reports,
                reports.map(|reports| reports.unwrap_or(limits::RECONNECT_ERROR_REPORTS)),
            );
        }
        "prof_port" => {
            let number = report.integer(key, value);
            options.profiling_port = number.and_then(|number| port(key, number, value, report)).flatten();
        }
        "disable_sublist_cache" | "no_sublist_cache" => {
            set(&mut options.match_cache, report.bool(key, value).map(|off| !off));
        }
        "no_fast_producer_stall" => {
            set(&mut options.publisher_rest, report.bool(key, value).map(|off| !off));
        }
        _ => return false,
    }
    true
}

/// Who the server is, and who may use it.
fn identity(key: &str, value: &Value, options: &mut Options, names: &mut Names, report: &mut Report) -> bool {
    match key {
        "server_name" => match report.string(key, value) {
            Some(name) if name.contains(' ') => report.error(value, "server name cannot contain spaces"),
            Some(name) => options.server_name = Some(name).filter(|name| !name.is_empty()),
            None => {}
        },
        "server_tags" => {
            for tag in report.strings(key, value).into_iter().flatten() {
                let tag = tag.trim().to_lowercase();
                if !tag.is_empty() && !options.tags.contains(&tag) {
                    options.tags.push(tag);
                }
            }
        }
        "server_metadata" => {
            for (name, entry) in report.map(key, value).into_iter().flat_map(Map::iter) {
                if let Some(text) = report.string(name, &entry.value) {
                    options.metadata.insert(name.to_owned(), text);
                }
            }
        }
        "feature_flags" => {
            for (name, entry) in report.map(key, value).into_iter().flat_map(Map::iter) {
                match entry.value.data {
                    Data::Bool(is_on) => {
                        options.features.0.insert(name.to_owned(), is_on);
                    }
                    _ => report.error(
                        &entry.value,
                        format!(
                            "error parsing feature flag {name:?}: expected bool, got {}",
                            entry.value.data.kind()
                        ),
                    ),
                }
            }
        }
        "mappings" | "maps" => options.mappings = mappings::read(key, value, report),
        "accounts" => accounts::read(value, &mut options.auth, names, report),
        "authorization" => authorization::read(value, &mut options.auth, names, report),
        "no_auth_user" => {
            options.auth.no_auth_user = report.string(key, value).filter(|name| !name.is_empty());
        }
        "system_account" | "system" => {
            options.auth.system_account = report.string(key, value).filter(|name| !name.is_empty());
        }
        "no_system_account" | "no_system" | "no_sys_acc" => {
            set(&mut options.auth.no_system_account, report.bool(key, value));
        }
        _ => return false,
    }
    true
}

/// Something that is not built yet and not wanted either.
fn switched_off(key: &str, value: &Value) -> bool {
    match (key, &value.data) {
        ("jetstream" | "ocsp" | "ocsp_cache", Data::Bool(false)) => true,
        ("jetstream", Data::String(text)) => text.eq_ignore_ascii_case("disabled"),
        ("jetstream", Data::Map(map)) => {
            let enabled = map.get("enabled").or_else(|| map.get("enable"));
            enabled.is_some_and(|enabled| enabled.data == Data::Bool(false))
        }
        _ => false,
    }
}

/// What must fit together.
fn check(options: &Options, map: &Map, report: &mut Report) {
    let at = |names: &[&str]| {
        let found = map.iter().find(|(key, _)| names.contains(&key.to_ascii_lowercase().as_str()));
        found.map(|(_, entry)| entry.value.at.clone())
    };
    let mut error = |names: &[&str], text: String| {
        report.errors.push(super::Finding { at: at(names), text });
    };
    let client = &options.client;
    if client.max_payload > client.max_pending {
        error(
            &["max_payload", "max_pending"],
            format!(
                "max_payload ({}) cannot be higher than max_pending ({})",
                client.max_payload, client.max_pending
            ),
        );
    }
    if options.lame_duck_grace_period >= options.lame_duck_duration {
        error(
            &["lame_duck_grace_period", "lame_duck_duration"],
            format!(
                "lame duck grace period ({:?}) should be strictly lower than lame duck duration ({:?})",
                options.lame_duck_grace_period, options.lame_duck_duration
            ),
        );
    }
    if let (Some(http), Some(https)) = (&options.monitoring.http, &options.monitoring.https) {
        error(
            &["https", "https_port"],
            format!("can't specify both HTTP ({}) and HTTPs ({}) ports", http.port, https.port),
        );
    }
    if options.monitoring.https.is_some() && client.tls.is_none() {
        error(&["https", "https_port"], "HTTPS monitoring needs a tls block".to_owned());
    }
}
