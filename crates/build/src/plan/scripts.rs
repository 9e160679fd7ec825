//! A plan from a folder of scripts: numbered, or with a header that says what
//! each one is.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::document::{DocumentError, nearest};

use super::check::is_id;
use super::{Fault, Phase, Plan, PlanError, Source, Step, User, check};

/// What is read of a script to find its header.
const SCRIPT_BYTES_MAX: u64 = 1024 * 1024;

const BEGIN: &str = "# METADATA_BEGIN";
const END: &str = "# METADATA_END";
const KEYS: [&str; 7] = [
    "NAME",
    "VERSION",
    "DESCRIPTION",
    "CATEGORY",
    "DEPENDS",
    "SOURCES",
    "USER",
];

/// One script of the folder, read.
struct Script {
    path: PathBuf,
    text: String,
    id: String,
    metadata: HashMap<String, (String, Range<usize>)>,
}

/// Makes a plan of the scripts in `folder`: files that begin with `#!` or
/// whose names begin with a digit. A script without `DEPENDS` in its header,
/// or without a header, needs the script before it in the sort order.
pub fn from_scripts(folder: &Path) -> Result<Plan, PlanError> {
    let folder = fs::canonicalize(folder).map_err(|source| PlanError::of_io(folder, source))?;
    if folder.to_str().is_none() {
        return Err(PlanError::NotUtf8 { path: folder });
    }
    let scripts = read_scripts(&folder)?;
    if scripts.is_empty() {
        return Err(PlanError::NoScripts { path: folder });
    }
    let mut steps: Vec<Step> = Vec::new();
    for script in &scripts {
        let before = steps.last().map(|step| step.id.clone());
        steps.push(script.to_step(before, &scripts)?);
    }
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let plan = Plan {
        name: name.to_string_lossy().trim_start_matches('.').to_owned(),
        book: None,
        steps,
    };
    check(&plan).map_err(|fault| explain(&folder, &plan, &scripts, &fault))?;
    Ok(plan)
}

fn read_scripts(folder: &Path) -> Result<Vec<Script>, PlanError> {
    let list = |source| PlanError::of_io(folder, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(list)? {
        let path = entry.map_err(list)?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut scripts = Vec::new();
    for path in paths {
        scripts.extend(read_script(path)?);
    }
    Ok(scripts)
}

/// `None` for a file that is no script.
fn read_script(path: PathBuf) -> Result<Option<Script>, PlanError> {
    let failure = |source| PlanError::of_io(&path, source);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbered = name.starts_with(|first: char| first.is_ascii_digit());
    let mut file = File::open(&path).map_err(failure)?;
    let mut bytes = Vec::new();
    // Tarballs may lie beside the scripts.
    file.by_ref()
        .take(2)
        .read_to_end(&mut bytes)
        .map_err(failure)?;
    if !numbered && bytes != b"#!" {
        return Ok(None);
    }
    file.take(SCRIPT_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failure)?;
    let mode = fs::metadata(&path).map_err(failure)?.permissions().mode();
    if mode & 0o111 == 0 {
        return Err(PlanError::NotExecutable { path });
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let id = name.strip_suffix(".sh").unwrap_or(&name).to_owned();
    if !is_id(&id) {
        return Err(
            DocumentError::whole(&path, format!("'{id}' cannot be the id of a step"))
                .with_help("name the file with letters, digits and ._+- only")
                .into(),
        );
    }
    Ok(Some(Script {
        metadata: parse_metadata(&path, &text)?,
        path,
        text,
        id,
    }))
}

fn parse_metadata(
    path: &Path,
    text: &str,
) -> Result<HashMap<String, (String, Range<usize>)>, DocumentError> {
    let mut metadata = HashMap::new();
    let mut inside = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let span = start..start + line.trim_end().len();
        start += line.len();
        match line.trim_end() {
            BEGIN => inside = true,
            END => return Ok(metadata),
            line if inside => {
                let entry = line.trim_start_matches('#').trim();
                if entry.is_empty() {
                    continue;
                }
                let Some((key, value)) = entry.split_once('=') else {
                    return Err(DocumentError::at(path, text, span, "no '=' in this line")
                        .with_help("write '# KEY=value'"));
                };
                if !KEYS.contains(&key) {
                    let error = DocumentError::at(path, text, span, format!("unknown key '{key}'"));
                    return Err(match nearest(key, KEYS) {
                        Some(near) => error.with_help(format!("did you mean '{near}'?")),
                        None => error.with_help(format!("known keys: {}", KEYS.join(", "))),
                    });
                }
                let value = value.trim().trim_matches('"').to_owned();
                metadata.insert(key.to_owned(), (value, span));
            }
            _ => {}
        }
    }
    if inside {
        return Err(DocumentError::whole(
            path,
            format!("'{BEGIN}' without '{END}'"),
        ));
    }
    Ok(metadata)
}

impl Script {
    fn value(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(|(value, _)| value.as_str())
    }

    fn list(&self, key: &str) -> Option<impl Iterator<Item = &str>> {
        let separator = |c: char| c == ',' || c.is_whitespace();
        let value = self.value(key)?;
        Some(value.split(separator).filter(|word| !word.is_empty()))
    }

    fn at(&self, key: &str, message: String) -> DocumentError {
        let span = self
            .metadata
            .get(key)
            .map_or(0..0, |(_, span)| span.clone());
        DocumentError::at(&self.path, &self.text, span, message)
    }

    fn to_step(&self, before: Option<String>, all: &[Self]) -> Result<Step, DocumentError> {
        let id_of = |name: &str| {
            let named = all.iter().find(|script| script.value("NAME") == Some(name));
            named.map_or_else(|| name.to_owned(), |script| script.id.clone())
        };
        let needs = match self.list("DEPENDS") {
            Some(names) => names.map(id_of).collect(),
            None => before.into_iter().collect(),
        };
        let source = |file: &str| Source {
            file: file.to_owned(),
            url: None,
            md5: None,
            sha256: None,
            size_bytes: None,
        };
        let text = |key| self.value(key).unwrap_or_default().to_owned();
        let (package, version) = (text("NAME"), text("VERSION"));
        Ok(Step {
            id: self.id.clone(),
            title: format!("{package} {version}").trim().to_owned(),
            package,
            version,
            user: self.user()?,
            needs,
            sources: self
                .list("SOURCES")
                .into_iter()
                .flatten()
                .map(source)
                .collect(),
            phases: vec![Phase {
                name: "run".to_owned(),
                script: None,
                file: Some(self.path.clone()),
            }],
            ..Step::default()
        })
    }

    fn user(&self) -> Result<Option<User>, DocumentError> {
        match self.value("USER") {
            None | Some("") => Ok(None),
            Some("lfs") => Ok(Some(User::Lfs)),
            Some("root") => Ok(Some(User::Root)),
            Some("chroot") => Ok(Some(User::Chroot)),
            Some(other) => Err(self
                .at("USER", format!("'{other}' is no user of a step"))
                .with_help("write lfs, root or chroot, or leave the line out")),
        }
    }
}

fn explain(folder: &Path, plan: &Plan, scripts: &[Script], fault: &Fault) -> DocumentError {
    let id = |step: usize| &plan.steps[step].id;
    match fault {
        Fault::UnknownNeed { step, need, near } => {
            let name = &plan.steps[*step].needs[*need];
            let message = format!("'{name}' is neither the NAME of a script here nor a file name");
            let error = scripts[*step].at("DEPENDS", message);
            match near {
                Some(near) => error.with_help(format!("did you mean '{near}'?")),
                None => error,
            }
        }
        Fault::Cycle { steps } => {
            let circle: Vec<_> = steps
                .iter()
                .chain(steps.first())
                .map(|step| id(*step).as_str())
                .collect();
            scripts[steps[0]].at(
                "DEPENDS",
                format!(
                    "these scripts wait for each other: {}",
                    circle.join(" needs ")
                ),
            )
        }
        Fault::BadName => DocumentError::whole(folder, "its name cannot be the name of a plan")
            .with_help("rename the folder: at most 100 characters"),
        Fault::Duplicate { step } => DocumentError::whole(
            &scripts[*step].path,
            format!("another script makes the step '{}' already", id(*step)),
        ),
        Fault::Empty | Fault::BadId { .. } | Fault::NothingToRun { .. } => {
            // Each script was read as one step with an id and one phase.
            unreachable!("a folder's plan has only well-formed steps: {fault:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn folder(scripts: &[(&str, &str, u32)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text, mode) in scripts {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    fn header(lines: &str) -> String {
        format!("#!/bin/sh\n{BEGIN}\n{lines}\n{END}\ntrue\n")
    }

    #[test]
    fn without_headers_the_sort_order_is_the_order() {
        let folder = folder(&[
            ("10-b.sh", "#!/bin/sh\n", 0o755),
            ("05-a.sh", "#!/bin/sh\n", 0o755),
            ("README", "read me", 0o644),
            (".hidden", "#!/bin/sh\n", 0o755),
        ]);
        let plan = from_scripts(folder.path()).unwrap();
        let shape: Vec<_> = plan
            .steps
            .iter()
            .map(|s| (s.id.as_str(), s.needs.clone()))
            .collect();
        assert_eq!(shape, [("05-a", vec![]), ("10-b", vec!["05-a".to_owned()])]);
    }

    #[test]
    fn headers_give_names_and_needs() {
        let folder = folder(&[
            (
                "01-m4",
                &header(
                    "# NAME=m4\n# VERSION=1.4.19\n# DEPENDS=\n# SOURCES=m4-*.tar.xz, fix.patch",
                ),
                0o755,
            ),
            ("02-sed", &header("# NAME=sed\n# DEPENDS="), 0o755),
            (
                "03-bison",
                &header("# NAME=bison\n# DEPENDS=m4, sed\n# USER=root"),
                0o755,
            ),
        ]);
        let plan = from_scripts(folder.path()).unwrap();
        assert_eq!(plan.steps[0].title, "m4 1.4.19");
        assert_eq!(plan.steps[0].sources.len(), 2);
        assert!(plan.steps[1].needs.is_empty());
        assert_eq!(plan.steps[2].needs, ["01-m4", "02-sed"]);
        assert_eq!(plan.steps[2].user, Some(User::Root));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let table: [(&str, String, u32, &str); 5] = [
            (
                "01-a",
                "#!/bin/sh\n".to_owned(),
                0o644,
                "not executable; run 'chmod +x",
            ),
            (
                "01-a",
                header("# NAME=a\n# DEPEND=b"),
                0o755,
                "01-a:4:1: unknown key 'DEPEND'",
            ),
            (
                "01-a",
                header("# NAME=a\n# DEPENDS=nobody"),
                0o755,
                "01-a:4:1: 'nobody' is neither",
            ),
            ("01-a", header("# USER=jack"), 0o755, "'jack' is no user"),
            (
                "01-a",
                header("# NAME=a\n# DEPENDS=a"),
                0o755,
                "01-a needs 01-a",
            ),
        ];
        for (name, text, mode, expected) in table {
            let folder = folder(&[(name, &text, mode)]);
            let error = from_scripts(folder.path()).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
