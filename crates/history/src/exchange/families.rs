//! Which family a series belongs to, by its name.

use std::collections::HashMap;

use lfs_wrapper_model::metric::MetricKind;

use crate::source::Metadata;

/// A text may name no more families than this; what comes later has no kind.
const FAMILIES_MAX: usize = 100_000;

/// What is known of metrics, by the family's name.
#[derive(Debug, Default)]
pub(super) struct Families(HashMap<String, (MetricKind, String)>);

impl Families {
    pub(super) fn insert(&mut self, metadata: Metadata) {
        if self.0.len() < FAMILIES_MAX || self.0.contains_key(&metadata.name) {
            self.0.insert(metadata.name, (metadata.kind, metadata.help));
        }
    }

    /// The family of the series `name`, and its kind; its own name where there
    /// is no other.
    pub(super) fn find<'name>(&self, name: &'name str) -> (&'name str, MetricKind) {
        if let Some((kind, _)) = self.0.get(name) {
            return (name, *kind);
        }
        for suffix in ["_bucket", "_sum", "_count"] {
            let Some(base) = name.strip_suffix(suffix) else {
                continue;
            };
            let kind = self.0.get(base).map(|known| known.0);
            if let Some(kind) = kind.filter(|kind| kind.suffixes().contains(&suffix)) {
                return (base, kind);
            }
        }
        (name, MetricKind::Untyped)
    }

    /// One sentence about a family; may be empty.
    pub(super) fn help(&self, family: &str) -> &str {
        self.0.get(family).map_or("", |known| known.1.as_str())
    }
}

impl FromIterator<Metadata> for Families {
    fn from_iter<I: IntoIterator<Item = Metadata>>(all: I) -> Self {
        let mut families = Self::default();
        for metadata in all {
            families.insert(metadata);
        }
        families
    }
}
