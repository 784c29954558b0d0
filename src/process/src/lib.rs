//! What other processes see of a server: its pid file, its ports file, and the signals it is sent.
//!
//! What decides takes the running processes and the addresses of the machine as arguments; the functions that look at
//! `/proc`, at the network interfaces or at files are the thin layer above.

mod operating_system;
mod pid_file;
mod ports_file;
mod program;
mod signal;

pub use operating_system::reason;
pub use pid_file::{PidFileError, write_pid_file};
pub use ports_file::{Ports, PortsFile, PortsFileError, interface_addresses, listener_urls};
pub use program::Program;
pub use signal::{SignalError, TargetError, send_signal};
