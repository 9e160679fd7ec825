use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use lfs_wrapper_build::plan::{Phase, Plan, Step, check};
use lfs_wrapper_build::record::Options;
use lfs_wrapper_build::recover;
use lfs_wrapper_build::supervisor::{Notice, Supervisor};
use lfs_wrapper_daemon::convert;
use lfs_wrapper_model::now_msec;

use super::Done;
use super::build::{exit_code, finish};
use crate::failure::{Failure, Kind};
use crate::ledger;
use crate::session::Session;
use crate::signals;
use crate::terminal::say;

/// How often the log of the command is looked at.
const FOLLOW_PAUSE: Duration = Duration::from_millis(50);

/// Run any command as a run of one step, watched and accounted like a build
///
/// Its output, both streams together and line by line, goes to the log and to
/// standard output (with --json: to standard error). Its standard input is
/// empty. A failed one is tried again with 'build resume RUN'.
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
    let command = in_utf8(run.command)?;
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
    let signals = signals::catch()?;
    let supervisor = ledger::attach(
        session,
        Supervisor::begin(&state_dir, &database, plan, &options)?,
    );
    signals::stop_with(signals, supervisor.stop_handle());
    let follower = Follower::start(session.json);
    let ended = supervisor.supervise(&mut |notice| match notice {
        Notice::Note(note) if session.verbose > 0 => say(&format!("note: {note}")),
        Notice::Note(_) => {}
        Notice::View(view) => {
            let step = view.steps.first();
            if let Some(attempt) = step.and_then(|step| step.step.attempt.as_ref()) {
                follower.follow(&attempt.log);
            }
        }
    })?;
    follower.finish();
    let ended = convert::run(&ended, now_msec());
    if session.quiet && !session.json {
        return Ok(exit_code(&ended));
    }
    finish(session, &ended)
}

fn in_utf8(command: Vec<OsString>) -> Result<Vec<String>, Failure> {
    let words = command.into_iter().map(OsString::into_string);
    words.collect::<Result<_, _>>().map_err(|word| {
        let message = format!(
            "running {}: this version takes commands in UTF-8 only",
            word.display()
        );
        Failure::new(Kind::Usage, message)
    })
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

/// Copies the log, without its times, to standard output or standard error
/// while it grows.
struct Follower {
    paths: mpsc::Sender<PathBuf>,
    thread: thread::JoinHandle<()>,
}

impl Follower {
    fn start(to_stderr: bool) -> Self {
        let (paths, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            // A reader that has gone away does not end the command.
            let _ = if to_stderr {
                copy_lines(&receiver, &mut io::stderr())
            } else {
                copy_lines(&receiver, &mut io::stdout())
            };
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

fn copy_lines(paths: &mpsc::Receiver<PathBuf>, out: &mut impl Write) -> io::Result<()> {
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
                // Every line begins with its time and a blank.
                let text = line.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or(&line);
                out.write_all(text)?;
                line.clear();
            }
            out.flush()?;
        }
        if ended {
            return Ok(());
        }
        thread::sleep(FOLLOW_PAUSE);
    }
}
