//! The plan's TOML document, and what is wrong with one, shown in its line.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::document::{self, DocumentError};
use lfs_wrapper_model::visible;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Book, Fault, Plan, Step, check};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no such file or folder.
    #[error(
        "reading the plan {path}: there is no such file; check the name, or make one with 'plan scripts'"
    )]
    NotFound {
        /// The name given.
        path: PathBuf,
    },
    /// It is there, but cannot be read.
    #[error("reading {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is read, and wrong.
    #[error("reading the plan {0}")]
    Document(#[from] DocumentError),
    /// A path that no plan can hold.
    #[error("making a plan from {}: the path is not UTF-8, which a plan must be; rename the folder", path.display())]
    NotUtf8 {
        /// The folder.
        path: PathBuf,
    },
    /// A script that nobody may execute.
    #[error("making a step of {path}: the script is not executable; run 'chmod +x {path}'")]
    NotExecutable {
        /// The script.
        path: PathBuf,
    },
    /// A folder without a single script.
    #[error(
        "making a plan from {path}: no script in this folder; a script begins with '#!', \
         or its name begins with a digit"
    )]
    NoScripts {
        /// The folder.
        path: PathBuf,
    },
}

impl PlanError {
    /// The error of reading or listing `path`.
    pub(super) fn of_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            Self::NotFound { path }
        } else {
            Self::Io { path, source }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    plan: Header,
    #[serde(default, rename = "step")]
    steps: Vec<Step>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    book: Option<Book>,
}

/// Where the ids and needs stand in the text, read only when one is wrong.
#[derive(Deserialize)]
struct Places {
    #[serde(default, rename = "step")]
    steps: Vec<StepPlaces>,
}

#[derive(Deserialize)]
struct StepPlaces {
    id: Spanned<String>,
    #[serde(default)]
    needs: Vec<Spanned<String>>,
}

/// Reads and checks the plan in the file `path`.
pub fn read(path: &Path) -> Result<Plan, PlanError> {
    let text = fs::read_to_string(path).map_err(|source| PlanError::of_io(path, source))?;
    Ok(parse(path, &text)?)
}

fn parse(path: &Path, text: &str) -> Result<Plan, DocumentError> {
    let Document { plan, steps } = document::parse(path, text)?;
    let plan = Plan {
        name: plan.name,
        book: plan.book,
        steps,
    };
    check(&plan).map_err(|fault| explain(path, text, &plan, &fault))?;
    Ok(plan)
}

/// The plan as a TOML document, which [`read`] reads back.
pub fn render(plan: &Plan) -> String {
    let document = Document {
        plan: Header {
            name: plan.name.clone(),
            book: plan.book.clone(),
        },
        steps: plan.steps.clone(),
    };
    toml::to_string_pretty(&document).unwrap_or_else(|error| {
        // Every field is a string, a number, or a list or table of these.
        unreachable!("a plan can always be written as TOML: {error}")
    })
}

fn explain(path: &Path, text: &str, plan: &Plan, fault: &Fault) -> DocumentError {
    let places = toml::from_str::<Places>(text).map_or_else(|_| Vec::new(), |places| places.steps);
    let id_span =
        |step: usize| -> Range<usize> { places.get(step).map_or(0..0, |place| place.id.span()) };
    let id = |step: usize| plan.steps.get(step).map_or("", |step| step.id.as_str());
    let at = |span, message: String| DocumentError::at(path, text, span, message);
    match fault {
        Fault::BadName => DocumentError::whole(
            path,
            format!("'{}' cannot be the name of a plan", visible(&plan.name)),
        )
        .with_help("use at most 100 characters, no '/', and no '.' at the beginning"),
        Fault::Empty => DocumentError::whole(path, "the plan has no step")
            .with_help("a step begins with [[step]] and has an id and a [[step.phase]]"),
        Fault::BadId { step } => at(
            id_span(*step),
            format!("'{}' cannot be the id of a step", id(*step)),
        )
        .with_help("use letters, digits and ._+-, beginning with a letter or digit, at most 100"),
        Fault::Duplicate { step } => at(
            id_span(*step),
            format!("a step with the id '{}' stands above already", id(*step)),
        ),
        Fault::UnknownNeed { step, need, near } => {
            let places = places.get(*step).map(|place| &place.needs);
            let place = places.and_then(|needs| needs.get(*need));
            let name = &plan.steps[*step].needs[*need];
            let error = at(
                place.map_or_else(|| id_span(*step), Spanned::span),
                format!(
                    "step '{}' needs '{name}', which is no step of this plan",
                    id(*step)
                ),
            );
            match near {
                Some(near) => error.with_help(format!("did you mean '{near}'?")),
                None => error,
            }
        }
        Fault::Cycle { steps } => at(
            id_span(steps[0]),
            format!(
                "these steps wait for each other: {}",
                render_cycle(steps, id)
            ),
        )
        .with_help("remove one of these needs"),
        Fault::NothingToRun { step } => at(
            id_span(*step),
            format!("step '{}' has nothing to run", id(*step)),
        )
        .with_help("give it at least one [[step.phase]], each with either a script or a file"),
    }
}

fn render_cycle<'a>(steps: &[usize], id: impl Fn(usize) -> &'a str) -> String {
    let circle = steps.iter().chain(steps.first());
    circle
        .map(|step| format!("'{}'", id(*step)))
        .collect::<Vec<_>>()
        .join(" needs ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        parse(Path::new("plan.toml"), text)
            .expect_err("the plan is wrong")
            .to_string()
    }

    const STEP: &str = "[[step]]\nid = \"a\"\n[[step.phase]]\nname = \"make\"\nscript = \"true\"\n";

    #[test]
    fn a_cycle_is_named_step_by_step() {
        let text = "[plan]\nname = \"p\"\n\
            [[step]]\nid = \"a\"\nneeds = [\"b\"]\nphase = [{ name = \"make\", script = \"\" }]\n\
            [[step]]\nid = \"b\"\nneeds = [\"a\"]\nphase = [{ name = \"make\", script = \"\" }]\n";
        assert_eq!(
            error_of(text),
            "plan.toml:4:6: these steps wait for each other: 'a' needs 'b' needs 'a'\n  \
             4 | id = \"a\"\n    |      ^^^\n  remove one of these needs"
        );
    }

    #[test]
    fn an_unknown_need_is_shown_where_it_stands() {
        let text = format!(
            "[plan]\nname = \"p\"\n{STEP}[[step]]\nid = \"gcc\"\nneeds = [\"a\", \"aa\"]\nphase = [{{ name = \"make\", script = \"\" }}]\n"
        );
        let error = error_of(&text);
        assert!(
            error.starts_with("plan.toml:10:15: step 'gcc' needs 'aa'"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        let text = format!("[plan]\nname = \"p\"\n{STEP}").replace("id =", "titel = \"x\"\nid =");
        let error = error_of(&text);
        assert!(error.ends_with("did you mean 'title'?"), "{error}");
    }

    #[test]
    fn a_rendered_plan_reads_back_the_same() {
        let text = "[plan]\nname = \"p\"\nbook = { kind = \"lfs\", version = \"12.3\", init = \"sysv\" }\n\
            [[step]]\nid = \"a\"\nuser = \"chroot\"\nsbu = 0.5\nsources = [{ file = \"a.tar\", md5 = \"00\" }]\n\
            [[step.phase]]\nname = \"make\"\nscript = '''\nmake \"x\\y\"\n'''\n";
        let plan = parse(Path::new("p"), text).unwrap();
        assert_eq!(parse(Path::new("p"), &render(&plan)).unwrap(), plan);
    }
}
