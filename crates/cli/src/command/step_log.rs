use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use lfs_wrapper_build::dispatch::StepState;

use super::Done;
use super::find::find_attempt;
use crate::failure::Failure;
use crate::session::Session;

/// How often a followed log is looked at.
const FOLLOW_PAUSE: Duration = Duration::from_millis(100);

/// Show the log of a step
#[derive(Debug, Args)]
#[command(after_help = "Example:  lfs-wrapper build log 01-m4 -f")]
pub(crate) struct StepLog {
    /// The id of the step
    step: String,
    /// The number of the run; the newest that has the step without it
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
    /// Go on until the step has ended
    #[arg(short, long)]
    follow: bool,
}

pub(crate) fn run(session: &Session, log: &StepLog) -> Done {
    let (_, database) = session.open()?;
    let attempt = find_attempt(&database, log.run, &log.step)?;
    let what = || format!("reading the log {}", attempt.log.display());
    let mut file = File::open(&attempt.log).map_err(|error| Failure::io(what(), &error))?;
    loop {
        // Asked before the log is read, so that its end is read too.
        let attempt = find_attempt(&database, log.run, &log.step)?;
        let running = attempt.state == StepState::Running;
        if !copy(&mut file).map_err(|error| Failure::io(what(), &error))? {
            return Ok(ExitCode::SUCCESS);
        }
        if !log.follow || !running {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(FOLLOW_PAUSE);
    }
}

/// Copies what is there to standard output; `false` when nobody reads it.
fn copy(file: &mut File) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match io::copy(file, &mut out).and_then(|_| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}
