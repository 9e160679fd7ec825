//! One run of a program that gets text on its standard input, from its start
//! until it and its process group are gone.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::Wrong;
use super::text::{cut, plain};

/// What a program finds; nothing else of the environment is passed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LANG: &str = "C.UTF-8";

/// Of what it writes to standard error, the beginning is kept; the rest is read
/// and thrown away.
const ERROR_BYTES_MAX: usize = 4096;

/// As much of its first line is shown.
const SHOWN_BYTES_MAX: usize = 300;

/// What was killed has so long to be gone; what waits for a disk cannot be
/// ended before the disk answers.
const KILLED_MAX: Duration = Duration::from_secs(2);

/// How a program is run.
pub(super) struct Order<'a> {
    /// The program and its arguments; never empty.
    pub(super) command: &'a [String],
    /// Variables besides `PATH` and `LANG`.
    pub(super) environment: &'a [(&'a str, String)],
    /// Its standard input.
    pub(super) input: &'a [u8],
    pub(super) timeout: Duration,
}

/// Whether there is anything to run, and no path from the current folder.
pub(super) fn check(command: &[String]) -> Result<(), Wrong> {
    const HELP: &str = "give a program's absolute path, and its arguments";
    match command.first().map(String::as_str) {
        None | Some("") => Err(Wrong("no program to run".to_owned(), HELP)),
        Some(program) if program.contains('/') && !program.starts_with('/') => {
            Err(Wrong(format!("{program} is not an absolute path"), HELP))
        }
        Some(_) => Ok(()),
    }
}

/// Runs it until it ends or its time is up; then whatever is left of its process
/// group is killed. An error says what it did instead of ending well.
pub(super) fn run(order: &Order<'_>) -> Result<(), String> {
    let (program, arguments) = order.command.split_first().ok_or("no program to run")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", PATH), ("LANG", LANG)])
        .envs(order.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("starting {program}: {error}"))?;
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty());
    let mut talk = Talk::of(&mut child, order.input);
    let ended = match &pidfd {
        Ok(pidfd) => talk.go_on(order.timeout, pidfd.as_fd()),
        Err(error) => Err((*error).into()),
    };
    // Nobody has waited for the leader yet, so the group is still its own.
    let _ = kill_process_group(pid, Signal::KILL);
    let status = wait_killed(&mut child, pidfd.ok().as_ref().map(AsFd::as_fd));
    let seconds = order.timeout.as_secs_f64();
    match (ended, status) {
        (_, None) => Err(format!("{program} was killed and does not end")),
        (Err(error), _) => Err(format!("watching {program}: {error}")),
        (Ok(false), _) => Err(format!(
            "{program} was killed after its time limit of {seconds} s{}",
            talk.first_line()
        )),
        (Ok(true), Some(status)) if status.success() => Ok(()),
        (Ok(true), Some(status)) => Err(format!("{program}: {status}{}", talk.first_line())),
    }
}

/// `None` when it does not end.
fn wait_killed(child: &mut Child, pidfd: Option<BorrowedFd<'_>>) -> Option<ExitStatus> {
    if let Some(pidfd) = pidfd {
        let mut ended = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
        let _ = poll(&mut ended, Some(&to_timespec(KILLED_MAX)));
    }
    child.try_wait().ok().flatten()
}

fn to_timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: i64::from(u32::MAX),
        tv_nsec: 0,
    })
}

/// What is still to be written to a program, and what it said so far.
struct Talk<'a> {
    stdin: Option<ChildStdin>,
    stderr: Option<ChildStderr>,
    rest: &'a [u8],
    said: Vec<u8>,
}

impl<'a> Talk<'a> {
    fn of(child: &mut Child, input: &'a [u8]) -> Self {
        Self {
            stdin: child.stdin.take(),
            stderr: child.stderr.take(),
            rest: input,
            said: Vec::new(),
        }
    }

    /// True when the program ended by itself, false when its time is up. What it
    /// left running in its group is not waited for.
    fn go_on(&mut self, timeout: Duration, pidfd: BorrowedFd<'_>) -> io::Result<bool> {
        if let Some(stdin) = &self.stdin {
            // It may never read: then a write must not wait for it.
            fcntl_setfl(stdin, fcntl_getfl(stdin)? | OFlags::NONBLOCK)?;
        }
        if let Some(stderr) = &self.stderr {
            fcntl_setfl(stderr, fcntl_getfl(stderr)? | OFlags::NONBLOCK)?;
        }
        let end = Instant::now() + timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let has_ended = self.wait(pidfd, left)?;
            self.write_some();
            self.read_some();
            if has_ended {
                return Ok(true);
            }
        }
    }

    /// Until something can be done or the time is up; true when it has ended.
    fn wait(&self, pidfd: BorrowedFd<'_>, left: Duration) -> io::Result<bool> {
        let mut watched = vec![PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
        if let Some(stdin) = &self.stdin {
            watched.push(PollFd::new(stdin, PollFlags::OUT));
        }
        if let Some(stderr) = &self.stderr {
            watched.push(PollFd::new(stderr, PollFlags::IN));
        }
        match poll(&mut watched, Some(&to_timespec(left))) {
            Ok(_) => Ok(watched.first().is_some_and(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A program need not read what it is told.
    fn write_some(&mut self) {
        let Some(stdin) = &mut self.stdin else {
            return;
        };
        match stdin.write(self.rest) {
            Ok(length) => self.rest = self.rest.get(length..).unwrap_or_default(),
            Err(error) if is_for_later(&error) => {}
            Err(_) => self.rest = &[],
        }
        if self.rest.is_empty() {
            self.stdin = None;
        }
    }

    fn read_some(&mut self) {
        let mut buffer = [0; 4096];
        let Some(stderr) = &mut self.stderr else {
            return;
        };
        match stderr.read(&mut buffer) {
            Ok(length) if length > 0 => {
                let room = ERROR_BYTES_MAX - self.said.len();
                self.said.extend(buffer.iter().take(length.min(room)));
            }
            Err(error) if is_for_later(&error) => {}
            _ => self.stderr = None,
        }
    }

    /// What it said first, as the end of a sentence.
    fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.said);
        match text.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("; it said: {}", cut(&plain(line.trim()), SHOWN_BYTES_MAX)),
            None => String::new(),
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
