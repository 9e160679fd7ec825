use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use lfs_wrapper_api as api;
use lfs_wrapper_build::dispatch::RunState;
use lfs_wrapper_build::plan::{self, Plan, User};
use lfs_wrapper_build::record::{self, Options, Run};
use lfs_wrapper_build::recover;
use lfs_wrapper_build::supervisor::Supervisor;
use lfs_wrapper_daemon::convert;
use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::{Database, StateDir};
use rustix::process::Signal;

use super::find::{find_run, find_step};
use super::{Done, step_log};
use crate::failure::{Failure, Kind};
use crate::ledger;
use crate::output::{print, print_json, render_run_line, render_steps};
use crate::progress::Progress;
use crate::session::Session;
use crate::signals;
use crate::terminal::say;

/// What steps may know of the environment that the build was started in.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR"];

/// How often and how long apart it is looked whether a run has ended.
const STOP_TRIES: u32 = 600;
const STOP_PAUSE: Duration = Duration::from_millis(50);

/// Start builds, look at them, stop them, go on with them
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:  lfs-wrapper build start gnu.toml --sources ~/src")]
pub(crate) enum Build {
    Start(Box<Start>),
    /// Show a run and its steps
    #[command(after_help = "Example:  lfs-wrapper build status")]
    Status {
        /// The number of the run; the newest without it
        run: Option<i64>,
    },
    /// Go on with a run that was stopped, failed or lost
    ///
    /// What is completed is not done again.
    #[command(after_help = "Example:  lfs-wrapper build resume")]
    Resume {
        /// The number of the run; the newest that is not completed without it
        run: Option<i64>,
    },
    /// End a run in good order
    #[command(after_help = "Example:  lfs-wrapper build stop")]
    Stop {
        /// The number of the run; all that are under way without it
        run: Option<i64>,
    },
    Log(step_log::StepLog),
}

/// Run a plan, in the foreground
///
/// Ctrl-C ends it in good order, twice at once; 'build resume' goes on.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:  lfs-wrapper build start gnu.toml --root /tmp/root --sources ~/src"
)]
pub(crate) struct Start {
    /// The plan
    plan: PathBuf,
    /// Where the steps install into ($LFS); default: a folder in the state folder
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How the root is kept; this version writes straight into it
    #[arg(long, value_name = "MODE", default_value = "direct")]
    root_mode: RootMode,
    /// Where the sources lie ($LFS_SOURCES); default: 'sources' beside the plan
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
    /// Steps at once; default: as many as cores
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// After a failure, go on with what does not need the failed step
    #[arg(short, long)]
    keep_going: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do only these steps, as if what they need were done
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// Do this step and what it needs
    #[arg(long, value_name = "STEP", conflicts_with = "only")]
    until: Option<String>,
}

/// How the root is kept.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RootMode {
    /// Steps write straight into the root; nothing can be rolled back
    Direct,
}

pub(crate) fn run(session: &Session, command: Build) -> Done {
    match command {
        Build::Start(start) => begin(session, &start),
        Build::Status { run } => show(session, run),
        Build::Resume { run } => resume(session, run),
        Build::Stop { run } => stop(session, run),
        Build::Log(log) => step_log::run(session, &log),
    }
}

fn begin(session: &Session, start: &Start) -> Done {
    let RootMode::Direct = start.root_mode;
    let plan = select(plan::read(&start.plan)?, start)?;
    check_can_run(&plan)?;
    if start.dry_run && session.json {
        print_json(&plan)?;
        return Ok(ExitCode::SUCCESS);
    }
    if start.dry_run {
        for (number, step) in plan.steps.iter().enumerate() {
            print(&format!(
                "{:>4}  {}  {}\n",
                number + 1,
                step.id,
                step.display_title()
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (state_dir, database) = session.open()?;
    let root = match &start.root {
        Some(root) => absolute(root)?,
        None => state_dir.root().join("roots").join(&plan.name),
    };
    check_root(&root)?;
    let sources = match &start.sources {
        Some(sources) => Some(existing_folder(sources)?),
        None => beside(&start.plan),
    };
    let options = options(
        root,
        sources,
        start.jobs.map(NonZeroUsize::get),
        start.keep_going,
    );
    let signals = signals::catch()?;
    recover::recover(&state_dir, &database)?;
    let supervisor = ledger::attach(
        session,
        Supervisor::begin(&state_dir, &database, plan, &options)?,
    );
    finish(session, &supervise(session, supervisor, signals)?)
}

/// How a run of a plan is done, on this machine and in this environment.
pub(crate) fn options(
    root: PathBuf,
    sources: Option<PathBuf>,
    jobs: Option<usize>,
    keep_going: bool,
) -> Options {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let inherited = INHERITED.into_iter().filter_map(|name| {
        let value = env::var(name).ok()?;
        Some((name.to_owned(), value))
    });
    Options {
        root,
        sources,
        jobs: jobs.unwrap_or(cores).max(1),
        keep_going,
        environment: Some(inherited.collect::<BTreeMap<_, _>>()),
        command: None,
    }
}

/// The steps that were asked for.
fn select(mut plan: Plan, start: &Start) -> Result<Plan, Failure> {
    let mut wanted: Vec<String> = Vec::new();
    for id in &start.only {
        wanted.push(find_step(&plan, id)?.id.clone());
    }
    if let Some(until) = &start.until {
        let mut waiting = vec![find_step(&plan, until)?.id.clone()];
        while let Some(id) = waiting.pop() {
            if !wanted.contains(&id) {
                waiting.extend(find_step(&plan, &id)?.needs.iter().cloned());
                wanted.push(id);
            }
        }
    }
    if !wanted.is_empty() {
        plan.steps.retain(|step| wanted.contains(&step.id));
        for step in &mut plan.steps {
            step.needs.retain(|need| wanted.contains(need));
        }
    }
    Ok(plan)
}

/// What this version, this user and this moment cannot run.
pub(crate) fn check_can_run(plan: &Plan) -> Result<(), Failure> {
    for step in &plan.steps {
        let id = &step.id;
        match step.user {
            Some(User::Lfs | User::Chroot) => {
                let what = format!(
                    "starting plan '{}': step '{id}' is to run as another user or in the new system, which this version cannot do yet",
                    plan.name
                );
                return Err(Failure::new(Kind::Environment, what));
            }
            Some(User::Root) if !rustix::process::geteuid().is_root() => {
                let what = format!(
                    "starting plan '{}': step '{id}' must run as root; start the build as root",
                    plan.name
                );
                return Err(Failure::new(Kind::Permission, what));
            }
            Some(User::Root) | None => {}
        }
        for file in step.phases.iter().filter_map(|phase| phase.file.as_deref()) {
            check_executable(id, file)?;
        }
    }
    Ok(())
}

fn check_executable(step: &str, file: &Path) -> Result<(), Failure> {
    let what = format!("starting step '{step}' from {}", file.display());
    let data = fs::metadata(file).map_err(|error| Failure::io(&what, &error))?;
    let executable = rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    if data.is_file() && executable {
        return Ok(());
    }
    let help = format!(
        "{what}: it is not executable; run 'chmod +x {}'",
        file.display()
    );
    Err(Failure::new(Kind::Permission, help))
}

fn check_root(root: &Path) -> Result<(), Failure> {
    if root.parent().is_some() {
        return Ok(());
    }
    let message =
        "installing into /: that is this system, not a new one; give a folder with --root";
    Err(Failure::new(Kind::Usage, message))
}

/// `path` from the root of the file system on: symbolic links and `..` are
/// resolved in the part that exists, and may not be in the part that does not.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failure = |error| Failure::io(format!("resolving {}", path.display()), &error);
    let given = std::path::absolute(path).map_err(failure)?;
    for existing in given.ancestors() {
        let Ok(resolved) = fs::canonicalize(existing) else {
            continue;
        };
        let rest = given.strip_prefix(existing).unwrap_or(Path::new(""));
        if rest
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            // Joining nothing would add a slash.
            return Ok(if rest.as_os_str().is_empty() {
                resolved
            } else {
                resolved.join(rest)
            });
        }
    }
    let message = format!(
        "resolving {}: it goes up from a folder that does not exist",
        path.display()
    );
    Err(Failure::new(Kind::Usage, message))
}

fn existing_folder(path: &Path) -> Result<PathBuf, Failure> {
    let what = || format!("looking for sources in {}", path.display());
    let path = fs::canonicalize(path).map_err(|error| Failure::io(what(), &error))?;
    if path.is_dir() {
        return Ok(path);
    }
    Err(Failure::new(
        Kind::NotFound,
        format!("{}: it is no folder", what()),
    ))
}

fn beside(plan: &Path) -> Option<PathBuf> {
    let sources = fs::canonicalize(plan).ok()?.with_file_name("sources");
    sources.is_dir().then_some(sources)
}

/// Does a run to its end, with its progress on standard error; signals stop it.
pub(crate) fn supervise(
    session: &Session,
    supervisor: Supervisor<'_>,
    signals: Receiver<()>,
) -> Result<api::Run, Failure> {
    signals::stop_with(signals, supervisor.stop_handle());
    let mut progress = Progress::new(session);
    let run = supervisor.supervise(&mut |notice| progress.show(notice))?;
    Ok(convert::run(&run, now_msec()))
}

/// Shows how a run ended; the exit status says it too.
pub(crate) fn finish(session: &Session, run: &api::Run) -> Done {
    print_run(session, run)?;
    Ok(exit_code(run))
}

/// The exit status that says how a run ended.
pub(crate) fn exit_code(run: &api::Run) -> ExitCode {
    match run.state {
        "COMPLETED" => ExitCode::SUCCESS,
        "CANCELLED" => Kind::Interrupted.into(),
        _ => Kind::Bad.into(),
    }
}

fn print_run(session: &Session, run: &api::Run) -> Result<(), Failure> {
    if session.json {
        return print_json(run);
    }
    let style = session.style();
    print(&format!(
        "{}\n{}",
        render_run_line(style, run),
        render_steps(style, run)
    ))
}

fn show(session: &Session, run: Option<i64>) -> Done {
    let (state_dir, database) = session.open()?;
    recover::recover(&state_dir, &database)?;
    let run = find_run(&database, run)?;
    print_run(session, &convert::run(&run, now_msec()))?;
    Ok(ExitCode::SUCCESS)
}

fn resume(session: &Session, run: Option<i64>) -> Done {
    let (state_dir, database) = session.open()?;
    recover::recover(&state_dir, &database)?;
    let run = match run {
        Some(run) => run,
        None => newest_unfinished(&database)?,
    };
    let signals = signals::catch()?;
    let supervisor = ledger::attach(session, Supervisor::resume(&state_dir, &database, run)?);
    if !session.quiet {
        say(&format!("resuming run {run}"));
    }
    finish(session, &supervise(session, supervisor, signals)?)
}

fn newest_unfinished(database: &Database) -> Result<i64, Failure> {
    const LOOKED_AT: u32 = 1000;
    let runs = record::list_runs(database, LOOKED_AT).map_err(|error| database.error(error))?;
    let found = runs
        .iter()
        .filter(|run| run.options.command.is_none())
        .find(|run| !matches!(run.state, RunState::Completed | RunState::Running));
    found.map(|run| run.id).ok_or_else(|| {
        Failure::new(
            Kind::NotFound,
            "resuming a build: there is none that was stopped, failed or lost; \
             a single command goes on with 'build resume RUN'",
        )
    })
}

fn stop(session: &Session, run: Option<i64>) -> Done {
    let (state_dir, database) = session.open()?;
    recover::recover(&state_dir, &database)?;
    let running = record::list_supervised(&database).map_err(|error| database.error(error))?;
    let asked: Vec<&Run> = running
        .iter()
        .filter(|one| one.state == RunState::Running && run.is_none_or(|id| one.id == id))
        .collect();
    if asked.is_empty() {
        let message = match run {
            Some(run) => {
                format!("stopping run {run}: it is not under way; see 'build status {run}'")
            }
            None => "stopping the build: no run is under way".to_owned(),
        };
        return Err(Failure::new(Kind::NotFound, message));
    }
    for run in asked {
        session.audit(
            &database,
            "build",
            &format!("run {} asked to stop", run.id),
            "done",
        )?;
        if let Some(supervisor) = &run.supervisor {
            supervisor.signal(Signal::TERM);
        }
        wait_for_end(&state_dir, &database, run)?;
        if !session.quiet {
            say(&format!("run {} has ended", run.id));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Until the run has ended and so has its supervisor, or the latter has
/// something else to do.
fn wait_for_end(state_dir: &StateDir, database: &Database, run: &Run) -> Result<(), Failure> {
    let mut ended = false;
    for _ in 0..STOP_TRIES {
        // It may also have died instead.
        recover::recover(state_dir, database)?;
        let found = record::read_run(database, run.id).map_err(|error| database.error(error))?;
        let gone = run
            .supervisor
            .as_ref()
            .is_none_or(|supervisor| !supervisor.is_alive());
        ended = found.is_none_or(|run| run.supervisor.is_none());
        if ended && gone {
            return Ok(());
        }
        thread::sleep(STOP_PAUSE);
    }
    if ended {
        return Ok(());
    }
    let message = format!(
        "stopping run {}: it has not ended in time; try 'build stop {}' again",
        run.id, run.id
    );
    Err(Failure::new(Kind::Bad, message))
}
