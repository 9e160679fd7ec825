//! The graph of steps that a build works through: what it is, how it is
//! checked, read, written, and made from a folder of scripts.

mod check;
mod document;
mod scripts;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use check::{Fault, check};
pub use document::{PlanError, read, render};
pub use scripts::from_scripts;

/// A checked plan: ids are unique, every need exists, and nothing needs
/// itself, directly or in a circle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the plan is called.
    pub name: String,
    /// The book it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub book: Option<Book>,
    /// The steps, in the order in which one builder alone would run them.
    pub steps: Vec<Step>,
}

/// Which book, which version, for which init system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// `lfs` or `blfs`.
    pub kind: String,
    /// The release, as the book names it.
    pub version: String,
    /// `sysv` or `systemd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
}

/// One build script with what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in the plan; letters, digits and `._+-`, at most 100.
    pub id: String,
    /// The package it builds.
    #[serde(default)]
    pub package: String,
    /// The package's version.
    #[serde(default)]
    pub version: String,
    /// The book's chapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chapter: Option<u32>,
    /// What people read.
    #[serde(default)]
    pub title: String,
    /// As whom it runs; absent: as whoever runs the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Ids of the steps that must be completed before.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Estimated time, in standard build units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbu: Option<f64>,
    /// Estimated space it takes while it is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// After this long it is ended, and has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// The files it builds from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Its commands, in order.
    #[serde(default, rename = "phase")]
    pub phases: Vec<Phase>,
}

/// As whom a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum User {
    /// The unprivileged user of the book's chapters 5 and 6.
    Lfs,
    /// The host's root.
    Root,
    /// Root inside the new system.
    Chroot,
}

/// A file that a step builds from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name in the folder of sources; a script's metadata may give a
    /// pattern.
    pub file: String,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// MD5 as the book gives it, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-256, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// A part of a step with a name: shell text, or a file to execute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// `prepare`, `configure`, `make`, `test`, `install`, `adjust`, or a name
    /// of one's own.
    pub name: String,
    /// Shell text; all phases of a step run in one shell, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// An executable file, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl Plan {
    /// For each step, the places in `steps` of those it needs.
    pub fn needs(&self) -> Vec<Vec<usize>> {
        let place = |id: &String| self.steps.iter().position(|step| step.id == *id);
        self.steps
            .iter()
            .map(|step| step.needs.iter().filter_map(place).collect())
            .collect()
    }

    /// The graph in Graphviz' language.
    pub fn render_dot(&self) -> String {
        let mut lines = vec!["digraph plan {".to_owned(), "  rankdir=LR;".to_owned()];
        for step in &self.steps {
            lines.push(format!("  \"{}\";", step.id));
            for need in &step.needs {
                lines.push(format!("  \"{need}\" -> \"{}\";", step.id));
            }
        }
        lines.push("}\n".to_owned());
        lines.join("\n")
    }
}

impl Step {
    /// The title, or the best that stands in for it.
    pub fn display_title(&self) -> String {
        if !self.title.is_empty() {
            self.title.clone()
        } else if self.package.is_empty() {
            self.id.clone()
        } else {
            format!("{} {}", self.package, self.version)
                .trim()
                .to_owned()
        }
    }
}
