//! Rules in the form of Prometheus' rule files: read as they are, and ours
//! written so.

mod export;
mod read;
mod yaml;

use std::path::Path;

use lfs_wrapper_model::document::DocumentError;

use crate::document::{ExprCheck, Loaded, Source};
use crate::rule::Rule;

pub use export::render_prometheus;

/// What a rule file of Prometheus holds.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusRules {
    /// Its alerts.
    pub rules: Vec<Rule>,
    /// What is not evaluated, such as recording rules, with its place.
    pub warnings: Vec<String>,
}

/// The alerts of the rule file `text`, which was read from `path`. The error is
/// the first one.
pub fn parse_prometheus(
    path: &Path,
    text: &str,
    check: &dyn ExprCheck,
) -> Result<PrometheusRules, DocumentError> {
    let mut loaded = load(path, text, check);
    if loaded.errors.is_empty() {
        Ok(PrometheusRules {
            rules: loaded.rules,
            warnings: loaded.warnings,
        })
    } else {
        Err(loaded.errors.swap_remove(0))
    }
}

pub(crate) fn load(path: &Path, text: &str, check: &dyn ExprCheck) -> Loaded {
    let source = Source { path, text, check };
    let mut loaded = Loaded::default();
    let wrongs = read::read(&source, &mut loaded);
    loaded.errors = wrongs
        .into_iter()
        .map(|wrong| wrong.into_error(path, text))
        .collect();
    loaded
}
