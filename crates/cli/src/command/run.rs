use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use lfs_wrapper_build::plan::{Phase, Plan, Step, check};
use lfs_wrapper_build::record::Options;
use lfs_wrapper_build::recover;
use lfs_wrapper_build::supervisor::{Notice, Supervisor};
use lfs_wrapper_build::triage::strip_time;
use lfs_wrapper_daemon::convert;
use lfs_wrapper_model::now_msec;

use super::Done;
use super::build::finish;
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::signals;

/// How often the log of the command is looked at.
const FOLLOW_PAUSE: Duration = Duration::from_millis(50);

/// Run any command as a run of one step, watched and accounted like a build
///
/// Its output, both streams together, goes to standard output and to the log.
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper run --id kernel -- make -j4")]
pub(crate) struct Run {
    /// What to call the step; default: the name of the program
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// End it, as failed, after this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) fn run(session: &Session, run: Run) -> Done {
    let command: Vec<String> = run
        .command
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<_, _>>()
        .map_err(|word| {
            let message = format!(
                "running {}: this version takes commands in UTF-8 only",
                word.display()
            );
            Failure::new(Kind::Usage, message)
        })?;
    let program = Path::new(&command[0]).file_name().unwrap_or_default();
    let id = run
        .id
        .unwrap_or_else(|| program.to_string_lossy().into_owned());
    let plan = plan_of_one(&id, &command, run.timeout)?;
    let folder =
        env::current_dir().map_err(|error| Failure::io("asking for the current folder", &error))?;
    let (state_dir, database) = session.open()?;
    recover::recover(&state_dir, &database)?;
    let options = Options {
        root: folder.clone(),
        sources: None,
        jobs: 1,
        keep_going: false,
        environment: None,
        command: Some((command, folder)),
    };
    let supervisor = Supervisor::begin(&state_dir, &database, plan, &options)?;
    let signals = signals::catch()?;
    let handle = supervisor.stop_handle();
    thread::spawn(move || {
        while signals.recv().is_ok() {
            handle.stop();
        }
    });
    let follower = Follower::start();
    let ended = supervisor.supervise(&mut |notice| match notice {
        Notice::Note(note) if session.verbose > 0 => eprintln!("note: {note}"),
        Notice::Note(_) => {}
        Notice::View(view) => {
            if let Some(attempt) = view
                .steps
                .first()
                .and_then(|step| step.step.attempt.as_ref())
            {
                follower.follow(&attempt.log);
            }
        }
    })?;
    follower.finish();
    let ended = convert::run(&ended, now_msec());
    if session.quiet {
        return Ok(match ended.state {
            "COMPLETED" => std::process::ExitCode::SUCCESS,
            "CANCELLED" => Kind::Interrupted.into(),
            _ => Kind::Bad.into(),
        });
    }
    finish(session, &ended)
}

fn plan_of_one(id: &str, command: &[String], timeout: Option<u64>) -> Result<Plan, Failure> {
    let shown = command.join(" ");
    let plan = Plan {
        name: id.to_owned(),
        book: None,
        steps: vec![Step {
            id: id.to_owned(),
            title: shown.clone(),
            timeout_seconds: timeout,
            phases: vec![Phase {
                name: "run".to_owned(),
                script: Some(shown),
                file: None,
            }],
            ..Step::default()
        }],
    };
    check(&plan).map_err(|_| {
        let message = format!(
            "'{id}' cannot be the id of a step; give one with --id: letters, digits and ._+-"
        );
        Failure::new(Kind::Usage, message)
    })?;
    Ok(plan)
}

/// Copies the log, without its times, to standard output while it grows.
struct Follower {
    paths: mpsc::Sender<PathBuf>,
    thread: thread::JoinHandle<()>,
}

impl Follower {
    fn start() -> Self {
        let (paths, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let _ = copy_lines(&receiver);
        });
        Self { paths, thread }
    }

    /// Called again and again with the same path; the first time counts.
    fn follow(&self, log: &Path) {
        let _ = self.paths.send(log.to_owned());
    }

    /// After the command has ended: what is left of its log is copied.
    fn finish(self) {
        drop(self.paths);
        let _ = self.thread.join();
    }
}

fn copy_lines(paths: &mpsc::Receiver<PathBuf>) -> io::Result<()> {
    let Ok(path) = paths.recv() else {
        return Ok(());
    };
    let mut log = None;
    let mut line = Vec::new();
    loop {
        // Asked first: what was written before the end is read after it.
        let ended = loop {
            match paths.try_recv() {
                Ok(_) => {}
                Err(mpsc::TryRecvError::Empty) => break false,
                Err(mpsc::TryRecvError::Disconnected) => break true,
            }
        };
        if log.is_none() {
            log = File::open(&path).ok().map(BufReader::new);
        }
        if let Some(log) = &mut log {
            while log.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
                let text = String::from_utf8_lossy(&line);
                io::stdout()
                    .lock()
                    .write_all(strip_time(&text).as_bytes())?;
                line.clear();
            }
        }
        if ended {
            return Ok(());
        }
        thread::sleep(FOLLOW_PAUSE);
    }
}
