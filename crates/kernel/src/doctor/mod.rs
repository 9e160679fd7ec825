//! What the running kernel, its configuration, the privileges and the mounts
//! allow to be measured; what is missing, what that costs, and what would
//! switch it on. Each capability is tried, not concluded from the kernel's
//! configuration; that only says why something is not there.

mod accounting;
mod basic;
pub(crate) mod config;
mod events;
mod group;
pub(crate) mod group_probe;
#[cfg(test)]
mod group_tests;
mod hardware;
pub(crate) mod host;
mod isolation;
mod limits;
mod live;
pub(crate) mod mount;
pub(crate) mod netlink_probe;
mod network;
mod option;
mod pressure;
mod process;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tree;

use std::path::PathBuf;

use crate::doctor::config::KernelConfig;
use crate::doctor::host::Host;
use crate::doctor::live::Live;
use crate::roots::Roots;

/// How much depends on a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing works without it.
    Required,
    /// Something that most users look at is absent or coarse without it.
    Recommended,
    /// It adds detail.
    Optional,
}

/// Whether a capability can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// All of it.
    Available,
    /// Some of it.
    Limited {
        /// What holds the rest back.
        why: String,
    },
    /// None of it.
    Missing {
        /// What holds it back.
        why: String,
    },
}

/// One thing the kernel may or may not allow to be measured or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// A stable name in kebab-case.
    pub id: &'static str,
    /// What it belongs to, for grouping; capabilities of one subject stand
    /// together.
    pub subject: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How much depends on it.
    pub level: Level,
    /// Whether it can be used.
    pub status: Status,
    /// What a user loses without it.
    pub needed_for: &'static str,
    /// The option or command that switches it on; always there unless it is
    /// available.
    pub how: Option<String>,
    /// The file or the error that the status was concluded from.
    pub evidence: String,
}

/// Which kernel it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// What uname(2) calls its release (`6.18.2`).
    pub release: Option<String>,
    /// The file its configuration was found in.
    pub config_origin: Option<PathBuf>,
}

/// Capabilities of one subject.
struct Subject {
    title: &'static str,
    checks: &'static [Check],
}

/// A capability and how it is tried.
struct Check {
    id: &'static str,
    title: &'static str,
    level: Level,
    needed_for: &'static str,
    probe: fn(&Host<'_>) -> Finding,
}

/// What a trial came to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    status: Status,
    how: Option<String>,
    evidence: String,
}

impl Finding {
    fn available(evidence: impl Into<String>) -> Self {
        Self {
            status: Status::Available,
            how: None,
            evidence: evidence.into(),
        }
    }

    fn limited(
        why: impl Into<String>,
        how: impl Into<String>,
        evidence: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Limited { why: why.into() },
            how: Some(how.into()),
            evidence: evidence.into(),
        }
    }

    fn missing(
        why: impl Into<String>,
        how: impl Into<String>,
        evidence: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Missing { why: why.into() },
            how: Some(how.into()),
            evidence: evidence.into(),
        }
    }
}

const SUBJECTS: [Subject; 9] = [
    basic::SUBJECT,
    pressure::SUBJECT,
    group::SUBJECT,
    process::SUBJECT,
    accounting::SUBJECT,
    network::SUBJECT,
    hardware::SUBJECT,
    isolation::SUBJECT,
    limits::SUBJECT,
];

/// Tries every capability, in the order in which people read them. A control
/// group is made and removed where this user may make one; nothing else is
/// changed.
pub fn examine(roots: &Roots) -> Vec<Capability> {
    examine_with(roots, &Live::default())
}

/// Reads which kernel runs and where its configuration is.
pub fn read_kernel(roots: &Roots) -> Kernel {
    let release = host::read_release(roots, Live::default().read);
    let config = KernelConfig::read(roots, release.as_deref());
    Kernel {
        release,
        config_origin: config.map(|config| config.origin),
    }
}

fn examine_with(roots: &Roots, live: &Live) -> Vec<Capability> {
    let host = Host::read(roots, live);
    let try_subject = |subject: &Subject| {
        let title = subject.title;
        let try_check = |check: &Check| render_capability(title, check, (check.probe)(&host));
        subject.checks.iter().map(try_check).collect::<Vec<_>>()
    };
    SUBJECTS.iter().flat_map(try_subject).collect()
}

fn render_capability(subject: &'static str, check: &Check, finding: Finding) -> Capability {
    Capability {
        id: check.id,
        subject,
        title: check.title,
        level: check.level,
        status: finding.status,
        needed_for: check.needed_for,
        how: finding.how,
        evidence: finding.evidence,
    }
}
