//! Mappings of an account: where messages to a subject go instead, by weight.

use crate::grammar;
use crate::matching::is_subset;
use crate::transform::{Strictness, Transform, TransformError};

/// All mappings of one account, in the order they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mappings(Vec<Mapping>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    source: Box<[u8]>,
    is_literal: bool,
    everywhere: Weighted,
    /// Where messages of clients of these clusters go.
    clusters: Vec<(Box<str>, Weighted)>,
}

/// Destinations with the sum of the weights up to and with theirs. What is above the last sum goes nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Weighted(Vec<Share>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Share {
    /// Percent.
    weight: u8,
    /// The destination as it is written.
    subject: Box<str>,
    transform: Transform,
}

/// One place messages may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    pub subject: &'a str,
    /// Percent.
    pub weight: u8,
    /// Only for messages of clients of this cluster.
    pub cluster: Option<&'a str>,
}

/// What is wrong with a mapping; in the reference's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    #[error("invalid subject")]
    InvalidSource,
    #[error("duplicate entry for {0:?}")]
    Duplicate(String),
    #[error("individual weights need to be <= 100")]
    Weight,
    #[error("total weight needs to be <= 100")]
    TotalWeight,
    #[error(transparent)]
    Transform(#[from] TransformError),
}

const WHOLE: u8 = 100;

impl Mappings {
    /// Adds a mapping, or puts it in the place of the one that `source` has. What the weights leave of 100 percent stays at
    /// the source, unless the source is among the destinations: then it is lost, which is what tests of losses are made of.
    ///
    /// # Errors
    /// Subjects and functions that do not fit, destinations that are there twice, weights above 100 percent.
    pub fn add(&mut self, source: &str, destinations: &[Destination<'_>]) -> Result<(), MappingError> {
        if !grammar::is_valid_filter(source.as_bytes()) {
            return Err(MappingError::InvalidSource);
        }
        let mut everywhere: Vec<Share> = Vec::new();
        let mut clusters: Vec<(Box<str>, Vec<Share>)> = Vec::new();
        for (index, destination) in destinations.iter().enumerate() {
            if destinations[..index].iter().any(|other| other.subject == destination.subject) {
                return Err(MappingError::Duplicate(destination.subject.to_owned()));
            }
            if destination.weight > WHOLE {
                return Err(MappingError::Weight);
            }
            check(destination.subject)?;
            let share = Share::new(source, destination.subject, destination.weight)?;
            match destination.cluster.filter(|cluster| !cluster.is_empty()) {
                None => everywhere.push(share),
                Some(cluster) => match clusters.iter_mut().find(|(name, _)| **name == *cluster) {
                    Some((_, shares)) => shares.push(share),
                    None => clusters.push((cluster.into(), vec![share])),
                },
            }
        }
        let keeps_rest = !destinations.iter().any(|destination| destination.subject == source);
        let clusters = clusters
            .into_iter()
            .map(|(name, shares)| Ok((name, Weighted::new(shares, source, keeps_rest)?)))
            .collect::<Result<_, MappingError>>()?;
        let mapping = Mapping {
            source: source.as_bytes().into(),
            is_literal: grammar::is_literal(source.as_bytes()),
            everywhere: Weighted::new(everywhere, source, keeps_rest)?,
            clusters,
        };
        match self.0.iter_mut().find(|other| *other.source == *source.as_bytes()) {
            Some(other) => *other = mapping,
            None => self.0.push(mapping),
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sources with their destinations, the lightest first. Here a destination's weight is the sum of all up to it, and what
    /// the weights left of 100 percent is a destination too: as the reference keeps and shows them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = Destination<'_>>)> {
        self.0.iter().map(|mapping| {
            let everywhere = mapping.everywhere.destinations(None);
            let scoped = mapping.clusters.iter().flat_map(|(name, shares)| shares.destinations(Some(name)));
            (&*mapping.source, everywhere.chain(scoped))
        })
    }

    /// Appends to `out` what `subject` is mapped to; nothing, if the message is to be lost. `false` if no mapping is for it.
    /// The first mapping that matches decides. `cluster` is the publisher's.
    pub fn select(
        &self,
        subject: &[u8],
        cluster: Option<&str>,
        mut random: impl FnMut() -> u64,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(mapping) = self.0.iter().find(|mapping| mapping.is_for(subject)) else { return false };
        let scoped = cluster.and_then(|cluster| mapping.clusters.iter().find(|(name, _)| **name == *cluster));
        let weighted = scoped.map_or(&mapping.everywhere, |(_, weighted)| weighted);
        if let Some(transform) = weighted.pick(&mut random) {
            transform.apply(subject, random, out);
        }
        true
    }
}

impl Mapping {
    fn is_for(&self, subject: &[u8]) -> bool {
        if self.is_literal { *self.source == *subject } else { is_subset(subject, &self.source) }
    }
}

impl Share {
    fn new(source: &str, subject: &str, weight: u8) -> Result<Self, TransformError> {
        let transform = Transform::new(source, subject, Strictness::Lax)?;
        Ok(Self { weight, subject: subject.into(), transform })
    }
}

impl Weighted {
    fn new(mut shares: Vec<Share>, source: &str, keeps_rest: bool) -> Result<Self, MappingError> {
        let total: u32 = shares.iter().map(|share| u32::from(share.weight)).sum();
        let rest = u32::from(WHOLE).checked_sub(total).ok_or(MappingError::TotalWeight)?;
        if rest > 0 && keeps_rest {
            let rest = u8::try_from(rest).unwrap_or(WHOLE);
            shares.push(Share::new(source, &numbered(source), rest)?);
        }
        shares.sort_by_key(|share| share.weight);
        let mut sum = 0;
        for share in &mut shares {
            sum += share.weight;
            share.weight = sum;
        }
        Ok(Self(shares))
    }

    fn pick(&self, random: &mut impl FnMut() -> u64) -> Option<&Transform> {
        if let [Share { weight: WHOLE, transform, .. }] = self.0.as_slice() {
            return Some(transform);
        }
        let drawn = random() % u64::from(WHOLE);
        self.0.iter().find(|share| drawn < u64::from(share.weight)).map(|share| &share.transform)
    }

    fn destinations<'a>(&'a self, cluster: Option<&'a str>) -> impl Iterator<Item = Destination<'a>> {
        self.0.iter().map(move |share| Destination { subject: &share.subject, weight: share.weight, cluster })
    }
}

/// What the transform itself does not look at: white space, and what follows a `>`.
fn check(destination: &str) -> Result<(), TransformError> {
    let mut tail_seen = false;
    for token in destination.split('.') {
        let is_call = token.len() > 4 && token.starts_with("{{") && token.ends_with("}}");
        let has_blank = token.contains([' ', '\t', '\n', '\r', '\u{c}']);
        if token.is_empty() || tail_seen || (has_blank && !is_call) {
            return Err(TransformError::InvalidTransform(token.to_owned()));
        }
        tail_seen = token == ">";
    }
    Ok(())
}

/// The source as a destination: `$1`, `$2` for its wildcards.
fn numbered(source: &str) -> String {
    let mut stars = 0;
    let tokens: Vec<String> = source
        .split('.')
        .map(|token| {
            if token == "*" {
                stars += 1;
                format!("${stars}")
            } else {
                token.to_owned()
            }
        })
        .collect();
    tokens.join(".")
}

#[cfg(test)]
mod tests {
    use rand_core::{RngCore, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn to(subject: &str, weight: u8) -> Destination<'_> {
        Destination { subject, weight, cluster: None }
    }

    fn mapped(mappings: &Mappings, subject: &str, cluster: Option<&str>, random: u64) -> Option<String> {
        let mut out = Vec::new();
        let is_mapped = mappings.select(subject.as_bytes(), cluster, || random, &mut out);
        is_mapped.then(|| String::from_utf8(out).unwrap())
    }

    // go: server/accounts_test.go TestAccountBasicRouteMapping
    // go: server/accounts_test.go TestAccountWildcardRouteMapping
    #[test]
    fn the_first_mapping_that_matches_decides() {
        let mut mappings = Mappings::default();
        mappings.add("foo", &[to("bar", 100)]).unwrap();
        mappings.add("foo.*.*", &[to("bar.$2.$1", 100)]).unwrap();
        mappings.add("bar.*.>", &[to("baz.$1.>", 100)]).unwrap();
        assert_eq!(mapped(&mappings, "foo", None, 0).as_deref(), Some("bar"));
        assert_eq!(mapped(&mappings, "foo.1.2", None, 0).as_deref(), Some("bar.2.1"));
        assert_eq!(mapped(&mappings, "bar.x.1.2", None, 0).as_deref(), Some("baz.x.1.2"));
        assert_eq!(mapped(&mappings, "other", None, 0), None);
        mappings.add("foo", &[to("changed", 100)]).unwrap();
        assert_eq!(mapped(&mappings, "foo", None, 0).as_deref(), Some("changed"));
    }

    // go: server/accounts_test.go TestAccountSimpleWeightedRouteMapping
    // go: server/accounts_test.go TestAccountMultiWeightedRouteMappings
    #[test]
    fn messages_are_shared_out_by_weight() {
        let mut mappings = Mappings::default();
        mappings.add("foo", &[to("a", 10), to("b", 30), to("foo.rest.$x", 20)]).unwrap();
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..100_000 {
            let subject = mapped(&mappings, "foo", None, generator.next_u64()).unwrap();
            *counts.entry(subject).or_insert(0_u32) += 1;
        }
        let share = |subject: &str| counts[subject] / 1000;
        assert!((9..=11).contains(&share("a")) && (29..=31).contains(&share("b")), "{counts:?}");
        assert!((39..=41).contains(&share("foo")), "{counts:?}");
    }

    #[test]
    fn destinations_are_listed_with_the_sums_of_their_weights() {
        let mut mappings = Mappings::default();
        let scoped = Destination { cluster: Some("EAST"), ..to("e.$1", 50) };
        mappings.add("a.*", &[to("heavy.$1", 30), to("light.$1", 20), scoped]).unwrap();
        mappings.add("b", &[to("c", 100)]).unwrap();
        let listed: Vec<String> = mappings
            .iter()
            .flat_map(|(source, destinations)| {
                let source = source.escape_ascii().to_string();
                destinations.map(move |to| {
                    format!("{source} {} {} {}", to.subject, to.weight, to.cluster.unwrap_or_default())
                })
            })
            .collect();
        assert_eq!(
            listed,
            [
                "a.* light.$1 20 ",
                "a.* heavy.$1 50 ",
                "a.* a.$1 100 ",
                "a.* e.$1 50 EAST",
                "a.* a.$1 100 EAST",
                "b c 100 ",
            ]
        );
    }

    #[test]
    fn what_is_left_of_a_source_that_is_named_is_lost() {
        let mut mappings = Mappings::default();
        mappings.add("foo", &[to("foo", 50)]).unwrap();
        assert_eq!(mapped(&mappings, "foo", None, 49).as_deref(), Some("foo"));
        assert_eq!(mapped(&mappings, "foo", None, 50).as_deref(), Some(""));
    }

    #[test]
    fn a_cluster_may_have_its_own_destinations() {
        let mut mappings = Mappings::default();
        let here = Destination { cluster: Some("EAST"), ..to("east", 100) };
        mappings.add("foo.*", &[to("all.$1", 100), here]).unwrap();
        assert_eq!(mapped(&mappings, "foo.1", Some("EAST"), 0).as_deref(), Some("east"));
        assert_eq!(mapped(&mappings, "foo.1", Some("WEST"), 0).as_deref(), Some("all.1"));
        assert_eq!(mapped(&mappings, "foo.1", None, 0).as_deref(), Some("all.1"));
    }

    // go: server/sublist_test.go TestValidateDestinationSubject
    #[test]
    fn a_destination_fits_its_source() {
        for (source, destination) in [
            ("bar", "foo"),
            ("foo", "foo.bar"),
            ("*", "{{wildcard(1)}}"),
            ("foo.>", ">"),
            ("foo.*", "bar.{{wildcard(1)}}"),
            ("foo.>", "bar.>"),
            ("foo.*.>", "bar.{{wildcard(1)}}.>"),
            ("foo.*.bar", "bar.{{wildcard(1)}}.foo"),
            ("foo.bar.>", "foo.bar.foo.>"),
            ("*", "foo.{{wildcard(1)}}"),
            ("*", "foo.{{ wildcard(1) }}"),
            ("*", "foo.{{wildcard( 1 )}}"),
            ("*", "foo.{{partition(2,1)}}"),
            ("*.*", "foo.{{SplitFromLeft(2,1)}}"),
            ("*.*", "foo.{{SplitFromRight(2,1)}}"),
        ] {
            let added = Mappings::default().add(source, &[to(destination, 100)]);
            assert_eq!(added, Ok(()), "{source} {destination}");
        }
        for (source, destination) in [("*", "foo.{{unknown(1)}}"), ("foo", "foo..}"), ("foo", "foo. bar}")] {
            let added = Mappings::default().add(source, &[to(destination, 100)]);
            assert!(
                matches!(added, Err(MappingError::Transform(ref error)) if error.to_string().starts_with("invalid mapping destination: ")),
                "{source} {destination}: {added:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut mappings = Mappings::default();
        let mut error = |source: &str, destinations: &[Destination<'_>]| {
            mappings.add(source, destinations).unwrap_err().to_string()
        };
        assert_eq!(error("a..b", &[to("x", 100)]), "invalid subject");
        assert_eq!(error("a", &[to("x", 50), to("x", 50)]), "duplicate entry for \"x\"");
        assert_eq!(error("a", &[to("x", 101)]), "individual weights need to be <= 100");
        assert_eq!(error("a", &[to("x", 60), to("y", 60)]), "total weight needs to be <= 100");
        assert_eq!(error("a", &[to("x y", 1)]), "invalid mapping destination: invalid transform in x y");
        assert_eq!(error("a", &[to("", 1)]), "invalid mapping destination: invalid transform in ");
        assert_eq!(error("a.*", &[to("x.*", 1)]), "invalid subject");
        assert_eq!(
            error("a.*", &[to("x.{{nonsense(1)}}", 1)]),
            "invalid mapping destination: unknown function in {{nonsense(1)}}"
        );
        assert!(mappings.is_empty());
    }
}
