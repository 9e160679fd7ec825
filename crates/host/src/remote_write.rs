//! `[[remote_write]]`: other engines that every sample is sent to.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::place::{Wrong, unplaced};

/// An engine that takes Prometheus remote write.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteWrite {
    /// Under which it is shown, and its position kept; no two have the same.
    pub name: Spanned<String>,
    /// Where to write, such as `https://host/api/v1/write`.
    pub url: Spanned<String>,
    /// Headers besides those of remote write.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A file with a bearer token.
    pub bearer_token_file: Option<Spanned<PathBuf>>,
    /// The user of HTTP's basic authentication; goes with `password_file`.
    pub user: Option<Spanned<String>>,
    /// The file with the password.
    pub password_file: Option<Spanned<PathBuf>>,
    /// Certificates (PEM) of those who may sign the engine's.
    pub ca_file: Option<PathBuf>,
    /// Lets credentials go to another machine without TLS.
    #[serde(default)]
    pub allow_plain_credentials: bool,
    /// Labels for each series that has none of the same name, such as the host.
    #[serde(default)]
    pub external_labels: BTreeMap<String, String>,
    /// Selectors, such as `{__name__=~"node_.*"}`; a series is sent where one of
    /// them matches, and all series where there are none.
    #[serde(default)]
    pub keep: Vec<Spanned<String>>,
    /// Where an engine begins that nothing was sent to yet.
    #[serde(default = "now")]
    pub start: Spanned<Start>,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// With what comes from now on.
    Now,
    /// With the oldest samples that are kept.
    Beginning,
}

fn now() -> Spanned<Start> {
    unplaced(Start::Now)
}

/// Whether a line (from 1) of a configuration may belong to a `remote_write`,
/// whose headers and address can hold secrets: it is behind one, and none of the
/// other tables has begun since.
pub(crate) fn may_have_secrets(text: &str, line: usize) -> bool {
    const OTHERS: [&str; 5] = ["monitor", "history", "thresholds", "channels", "collectors"];
    let is_other = |line: &str| {
        let line = line.trim_start();
        let name = line.trim_start_matches(['[', ' ']);
        let is_name = |other: &&str| {
            let rest = name.strip_prefix(*other);
            rest.is_some_and(|rest| rest.starts_with(['.', ']', ' ']))
        };
        line.starts_with('[') && OTHERS.iter().any(is_name)
    };
    let mut is_inside = false;
    for line in text.lines().take(line) {
        is_inside = line.contains("remote_write") || (is_inside && !is_other(line));
    }
    is_inside
}

pub(crate) fn check(all: &[RemoteWrite]) -> Result<(), Wrong> {
    let mut names = HashSet::new();
    for one in all {
        let name = one.name.get_ref();
        if name.is_empty() || !names.insert(name) {
            let message = format!("a remote_write without a name of its own: '{name}'");
            return Err((one.name.span(), message, "give each another name"));
        }
        let basic = (&one.user, &one.password_file);
        if let (Some(user), None) = basic {
            return Err((
                user.span(),
                "a user without a password".to_owned(),
                "give password_file as well",
            ));
        }
        if let (None, Some(file)) = basic {
            return Err((
                file.span(),
                "a password without a user".to_owned(),
                "give user as well",
            ));
        }
        if let (Some(token), Some(_)) = (&one.bearer_token_file, &one.user) {
            let message = "two ways to sign in".to_owned();
            return Err((token.span(), message, "give bearer_token_file or user"));
        }
    }
    Ok(())
}
