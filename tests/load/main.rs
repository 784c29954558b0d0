//! The server under load and abuse: many connections, and some that die at the worst moment.
//!
//! Every test starts servers of its own and looks at them as an operator would: sockets, the monitoring endpoint, and
//! `/proc`. What is asserted is what was delivered, in which order, and that memory and descriptors come back. Tests run
//! one at a time, because each wants the machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod fan_out;
mod killed_mid_frame;
mod many_connections;
mod process;
mod site;
mod soak;
