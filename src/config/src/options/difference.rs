//! What changed between two configurations.

use super::Options;

/// Names of the parts that differ and that a running server cannot change: all but logging and the files that tell of the
/// server. Empty if there are none.
pub fn changes_to_start_with(old: &Options, new: &Options) -> Vec<&'static str> {
    let Options {
        server_name,
        shards,
        client,
        auth,
        mappings,
        logging: _,
        monitoring,
        lame_duck_duration,
        lame_duck_grace_period,
        pid_file: _,
        ports_file_dir: _,
        max_closed_clients,
        tags,
        metadata,
        match_cache,
        publisher_rest,
        features,
        connect_error_reports,
        reconnect_error_reports,
        profiling_port,
        digest: _,
    } = old;
    let parts = [
        (*server_name != new.server_name, "server_name"),
        (*shards != new.shards, "shards"),
        (client.tls != new.client.tls, "tls"),
        (
            super::client::ClientOptions { tls: None, ..client.clone() }
                != super::client::ClientOptions { tls: None, ..new.client.clone() },
            "the client listener and its limits",
        ),
        (*auth != new.auth, "authorization or accounts"),
        (*mappings != new.mappings, "mappings"),
        (*monitoring != new.monitoring, "monitoring"),
        (*lame_duck_duration != new.lame_duck_duration, "lame_duck_duration"),
        (*lame_duck_grace_period != new.lame_duck_grace_period, "lame_duck_grace_period"),
        (*max_closed_clients != new.max_closed_clients, "max_closed_clients"),
        (*tags != new.tags, "server_tags"),
        (*metadata != new.metadata, "server_metadata"),
        (*match_cache != new.match_cache, "disable_sublist_cache"),
        (*publisher_rest != new.publisher_rest, "no_fast_producer_stall"),
        (*features != new.features, "feature_flags"),
        (*connect_error_reports != new.connect_error_reports, "connect_error_reports"),
        (*reconnect_error_reports != new.reconnect_error_reports, "reconnect_error_reports"),
        (*profiling_port != new.profiling_port, "prof_port"),
    ];
    parts.into_iter().filter(|(differs, _)| *differs).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_and_files_may_change_and_the_rest_is_named() {
        let old = Options::default();
        let mut new = old.clone();
        new.logging.debug = true;
        new.ports_file_dir = Some("elsewhere".into());
        new.pid_file = Some("another".into());
        new.digest = Some("sha256:x".to_owned());
        assert!(changes_to_start_with(&old, &new).is_empty());
        new.client.max_payload += 1;
        new.tags.push("x".to_owned());
        assert_eq!(changes_to_start_with(&old, &new), ["the client listener and its limits", "server_tags"]);
    }
}
