//! The configuration: its language, the flags of the command line, and the checked options they make.

pub mod options;
