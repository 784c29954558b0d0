//! The storage engine: streams of messages and the state of their consumers, kept by one executor.
//!
//! What is acknowledged is on stable storage, every byte on disk is under a checksum, and damage costs no more than what
//! was damaged. All I/O goes through [`disk::Disk`]; nothing else here names a file, a clock or a source of randomness:
//! time and entropy are arguments, so that a seeded simulation replays any failure.
//!
//! One executor owns a store; nothing is `Send` and nothing takes a lock.
#![expect(async_fn_in_trait, reason = "futures stay on the executor that made them; none has to be Send")]

pub mod block;
pub mod cache;
pub mod coding;
pub mod consumer;
pub mod disk;
pub mod engine;
mod gate;
pub mod inspect;
pub mod keys;
pub mod log;
pub mod message;
pub mod meta;
pub mod record;
pub mod schedule;
pub mod seq_set;
pub mod snapshot;
pub mod sources;
pub mod store;
pub mod subject_tree;
pub mod timer_wheel;
pub mod varint;

#[cfg(test)]
mod test_machine;
