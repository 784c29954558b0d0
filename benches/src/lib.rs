//! The benches are in `benches/`; `cargo bench -p natrium-benches` runs them, with `-- --test` once each.
