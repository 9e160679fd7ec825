use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use clap::Args;
use include_dir::{Dir, DirEntry, include_dir};
use lfs_wrapper_api as api;
use lfs_wrapper_build::plan::{self, Plan};
use lfs_wrapper_build::recover;
use lfs_wrapper_build::supervisor::Supervisor;
use lfs_wrapper_state::{Database, StateDir};

use super::build::{check_can_run, finish, options, supervise};
use super::{Done, up};
use crate::failure::{Failure, Kind};
use crate::ledger;
use crate::session::Session;
use crate::signals;
use crate::terminal::say;

static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples");

/// See it all at work: the monitor, its page, and a real build under supervision
///
/// Builds a few small packages that are part of the program, or with --sources
/// GNU m4, sed, gzip and grep from their tarballs, into a folder in the state
/// folder. Then it stays up until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper quickstart --exit")]
pub(crate) struct Quickstart {
    /// Build the packages whose tarballs are in this folder
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
    /// End after the build
    #[arg(long)]
    exit: bool,
    /// Where to serve the page and the API; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(session: &Session, quickstart: &Quickstart) -> Done {
    let signals = signals::catch()?;
    let (state_dir, database) = session.open()?;
    // First, since only one may work in the folder of examples.
    let monitor = up::start(session, state_dir.clone(), &database, quickstart.listen)?;
    let done = build(session, quickstart, &state_dir, &database, signals).and_then(|run| {
        let code = finish(session, &run)?;
        if run.state != "CANCELLED" && !quickstart.exit {
            if !session.quiet {
                let address = monitor.address();
                say(&format!("still at http://{address}/ until Ctrl-C"));
            }
            up::wait(&signals::catch()?);
        }
        Ok(code)
    });
    monitor.stop();
    done
}

fn build(
    session: &Session,
    quickstart: &Quickstart,
    state_dir: &StateDir,
    database: &Database,
    signals: Receiver<()>,
) -> Result<api::Run, Failure> {
    recover::recover(state_dir, database)?;
    let folder = state_dir.root().join("quickstart");
    unpack(&EXAMPLES, &folder).map_err(|error| {
        Failure::io(
            format!("unpacking the examples into {}", folder.display()),
            &error,
        )
    })?;
    let (plan, sources) = choose(&folder, quickstart.sources.as_deref())?;
    check_can_run(&plan)?;
    let options = options(folder.join("root"), Some(sources), None, true);
    let supervisor = ledger::attach(
        session,
        Supervisor::begin(state_dir, database, plan, &options)?,
    );
    supervise(session, supervisor, signals)
}

/// Writes the examples out, over those of an earlier start.
fn unpack(folder: &Dir<'_>, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in folder.entries() {
        let path = to.join(entry.path().file_name().unwrap_or_default());
        match entry {
            DirEntry::Dir(folder) => unpack(folder, &path)?,
            DirEntry::File(file) => {
                fs::write(&path, file.contents())?;
                // Modes are not embedded; scripts say what they are.
                let script = file.contents().starts_with(b"#!");
                let mode = if script { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}

/// The plan and the folder with its sources.
fn choose(folder: &Path, sources: Option<&Path>) -> Result<(Plan, PathBuf), Failure> {
    let Some(sources) = sources else {
        let example = folder.join("quickstart");
        let plan = plan::read(&example.join("plan.toml"))?;
        return Ok((plan, example.join("sources")));
    };
    let what = || format!("looking for tarballs in {}", sources.display());
    let sources = fs::canonicalize(sources).map_err(|error| Failure::io(what(), &error))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&sources).map_err(|error| Failure::io(what(), &error))? {
        let entry = entry.map_err(|error| Failure::io(what(), &error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    let mut plan = plan::from_scripts(&folder.join("gnu"))?;
    let wanted: Vec<String> = plan.steps.iter().map(|step| step.package.clone()).collect();
    plan.steps.retain(|step| {
        let tarball = format!("{}-", step.package);
        names
            .iter()
            .any(|name| name.starts_with(&tarball) && name.contains(".tar."))
    });
    if plan.steps.is_empty() {
        let message = format!(
            "{}: no tarball of {}; get one, like m4-1.4.19.tar.xz, or leave --sources out",
            what(),
            wanted.join(", ")
        );
        return Err(Failure::new(Kind::NotFound, message));
    }
    Ok((plan, sources))
}
