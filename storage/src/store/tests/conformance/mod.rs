//! What the reference asserts of its stores, asserted of ours: in memory, and on disk in every coding.

mod basics;
mod case;
mod damage;
mod deletes;
mod encryption;
mod ends;
mod expiry;
mod limits;
mod pending;
mod purge;
mod recovery;
mod removal;
mod schedules;
mod sources;
mod subjects;
mod usage;
