//! The rules that hold: those that come with the program, and those of a
//! folder.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::document::DocumentError;

use crate::document::{self, ExprCheck, Loaded};
use crate::prometheus;
use crate::rule::{Origin, Rule};

/// The most files of rules in a folder.
pub const FILES_MAX: usize = 200;

/// The largest file of rules, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The rules that hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// No two have the same name.
    pub rules: Vec<Rule>,
    /// What stands in the files and is not evaluated, or not as it is written.
    pub warnings: Vec<String>,
}

/// One thing that is wrong with the rules of a folder.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A file or the folder cannot be read.
    #[error("reading the rules in {}: {source}; check its name, owner and mode", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Something in a file is wrong.
    #[error("reading the rules in {0}")]
    Document(#[from] DocumentError),
    /// Two files have a rule of one name.
    #[error(
        "{second}: a second rule '{name}'; the first one is at {first}; give each its own name"
    )]
    Twice {
        /// The name.
        name: String,
        /// File and line of the first.
        first: String,
        /// File and line of the second.
        second: String,
    },
    /// A file is larger than [`FILE_BYTES_MAX`], or is no file.
    #[error("reading the rules in {}: {what}", path.display())]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// All that is wrong with the rules of a folder.
#[derive(Debug)]
pub struct RulesErrors {
    /// In the order of the files; never empty.
    pub errors: Vec<RulesError>,
}

impl fmt::Display for RulesErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        f.write_str(&errors.join("\n"))
    }
}

impl std::error::Error for RulesErrors {}

impl RulesErrors {
    /// Whether all that is wrong is that there is no such file.
    pub fn is_not_found(&self) -> bool {
        self.errors.iter().all(|error| {
            let io = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
            matches!(error, RulesError::Io { source, .. } if io(source))
        })
    }
}

/// Adds to `built_in` the rules of `*.toml`, `*.yml` and `*.yaml` in `folder`,
/// in the order of their names; files that begin with a dot are left alone. A
/// rule with the name of a built-in one replaces it. A folder that is not there
/// has no rules. The error has everything that is wrong.
pub fn read_rules_folder(
    folder: &Path,
    built_in: Vec<Rule>,
    check: &dyn ExprCheck,
) -> Result<Rules, RulesErrors> {
    let mut errors = Vec::new();
    let mut files = Vec::new();
    let paths = rule_files(folder).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    for path in paths {
        match read_file(&path) {
            Ok(text) => {
                let mut loaded = load(&path, &text, check);
                errors.extend(loaded.errors.drain(..).map(RulesError::Document));
                files.push(loaded);
            }
            Err(error) => errors.push(error),
        }
    }
    let rules = merge(built_in, files, &mut errors);
    match errors.is_empty() {
        true => Ok(rules),
        false => Err(RulesErrors { errors }),
    }
}

/// The rules of one file, TOML or YAML by the end of its name.
pub fn read_rules_file(path: &Path, check: &dyn ExprCheck) -> Result<Rules, RulesErrors> {
    let mut errors = Vec::new();
    let loaded = match read_file(path) {
        Ok(text) => load(path, &text, check),
        Err(error) => {
            let errors = vec![error];
            return Err(RulesErrors { errors });
        }
    };
    errors.extend(loaded.errors.into_iter().map(RulesError::Document));
    match errors.is_empty() {
        true => Ok(Rules {
            rules: loaded.rules,
            warnings: loaded.warnings,
        }),
        false => Err(RulesErrors { errors }),
    }
}

fn load(path: &Path, text: &str, check: &dyn ExprCheck) -> Loaded {
    match is_yaml(path) {
        true => prometheus::load(path, text, check),
        false => document::load(path, text, check),
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end == "yml" || end == "yaml")
}

fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, RulesError> {
    let io = |source| RulesError::Io {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_toml = path.extension().is_some_and(|end| end == "toml");
        if !is_hidden && (is_toml || is_yaml(&path)) {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(RulesError::Refused {
                path: folder.to_owned(),
                what: format!("more than {FILES_MAX} files; put several rules into one"),
            });
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<String, RulesError> {
    let io = |source| RulesError::Io {
        path: path.to_owned(),
        source,
    };
    let refused = |what: String| RulesError::Refused {
        path: path.to_owned(),
        what,
    };
    let metadata = fs::metadata(path).map_err(io)?;
    // A pipe or a device would be waited for.
    if !metadata.is_file() {
        return Err(refused("it is no file; give a file of rules".to_owned()));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(refused(format!(
            "{} bytes are too many; give at most {FILE_BYTES_MAX}, in several files",
            metadata.len()
        )));
    }
    let bytes = fs::read(path).map_err(io)?;
    String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8; save it as UTF-8".to_owned()))
}

fn merge(built_in: Vec<Rule>, files: Vec<Loaded>, errors: &mut Vec<RulesError>) -> Rules {
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    let mut result = Rules {
        rules: built_in,
        warnings: Vec::new(),
    };
    let mut is_new = |name: &str, origin: &Origin| {
        let place = render_origin(origin);
        let Some(first) = places.get(name) else {
            places.insert(name.to_owned(), place);
            return true;
        };
        errors.push(RulesError::Twice {
            name: name.to_owned(),
            first: first.clone(),
            second: place,
        });
        false
    };
    for file in files {
        result.warnings.extend(file.warnings);
        for rule in file.rules {
            if is_new(&rule.name, &rule.origin) {
                match result.rules.iter_mut().find(|old| old.name == rule.name) {
                    Some(old) => *old = rule,
                    None => result.rules.push(rule),
                }
            }
        }
        for (name, origin) in file.disabled {
            if is_new(&name, &origin) {
                result.rules.retain(|rule| rule.name != name);
            }
        }
    }
    result
}

fn render_origin(origin: &Origin) -> String {
    match origin {
        Origin::BuiltIn => "the built-in rules".to_owned(),
        Origin::File { path, line } => format!("{path}:{line}"),
    }
}
