//! Black-box tests: natrium and the reference server under one harness.
//!
//! [`server`] starts either binary as a process, [`wire`] is a raw client that hides nothing of the
//! protocol, and [`oracle`] plays one script to both and compares what each of them answered, byte by byte.
//! Nothing here links natrium's own crates: what is asserted is what any client would see.

pub mod oracle;
pub mod server;
pub mod wire;
