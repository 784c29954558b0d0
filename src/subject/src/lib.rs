//! Subjects: their grammar, matching, the interest structure, queue groups, transforms and mappings.
//!
//! Subjects are `&[u8]` throughout: clients may send any bytes. Nothing here does I/O, names a clock or draws random
//! numbers of its own.

mod filter_map;
pub mod grammar;
mod mapping;
mod matching;
mod transform;

pub use filter_map::{FilterId, FilterMap, FilterMapStats, MatchCaching};
pub use grammar::{
    SEPARATOR, STAR, TAIL, has_no_empty_token, is_literal, is_valid_filter, is_valid_filter_text,
    is_valid_literal, is_valid_queue_name, is_valid_subject, token_at, token_count, tokens,
};
pub use mapping::{Destination, MappingError, Mappings};
pub use matching::{collides, is_subset, matches};
pub use transform::{Strictness, Transform, TransformError};
