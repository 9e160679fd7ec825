//! One run of a program, from its start until nothing of it is left.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lfs_wrapper_model::visible;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::report::BYTES_MAX;

/// What a program finds; nothing else of the environment is passed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LANG: &str = "C";

/// Names the run in the environment of whatever it starts.
const MARK: &str = "LFS_WRAPPER_COLLECTOR";

/// What a program leaves running has so long to end by itself.
const GRACE: Duration = Duration::from_millis(300);

/// What was killed has so long to be gone; what waits for a disk cannot be
/// ended before the disk answers.
const KILLED_MAX: Duration = Duration::from_secs(2);

/// Of what it writes to standard error, the end is kept.
const ERROR_BYTES_MAX: usize = 4096;
const ERROR_LINES_MAX: usize = 3;

/// How often it is looked for processes that left the group, since each look
/// may miss what was just started.
const SWEEPS_MAX: usize = 10;

/// The most of a process' environment that is looked at.
const ENVIRONMENT_BYTES_MAX: u64 = 256 * 1024;

/// Why a run gave nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Everything is to end.
    Stopped,
    /// What was wrong.
    Wrong(String),
    /// The same, and the process could not be ended.
    Lingers(String, Child),
}

/// How one run is done.
pub(super) struct Order<'a> {
    pub(super) command: &'a [String],
    pub(super) timeout: Duration,
    /// Unlike that of any other run.
    pub(super) mark: &'a str,
    /// Readable when everything is to end.
    pub(super) stop: BorrowedFd<'a>,
}

/// What the program wrote to its standard output, if it ended well.
pub(super) fn run(order: &Order<'_>) -> Result<Vec<u8>, Failure> {
    let wrong = |what: &str, error: io::Error| Failure::Wrong(format!("{what}: {error}"));
    let (program, arguments) = order
        .command
        .split_first()
        .ok_or_else(|| Failure::Wrong("no program".to_owned()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", PATH), ("LANG", LANG), (MARK, order.mark)])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| wrong(&format!("starting {program}"), error))?;
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty());
    let mut output = Output::of(&mut child);
    let listened = match &pidfd {
        Ok(pidfd) => output.listen(order, pidfd.as_fd()),
        Err(error) => Err(Failure::Wrong(format!("watching it: {error}"))),
    };
    // Nobody has waited for the leader yet, so the group is still its own.
    let _ = kill_process_group(pid, Signal::KILL);
    let status = wait_killed(&mut child, pidfd.ok().as_ref());
    end_marked(order.mark);
    let Some(status) = status else {
        let why = "it was killed and does not end".to_owned();
        return Err(Failure::Lingers(why, child));
    };
    listened?;
    output.judge(status)
}

/// `None` when it does not end.
fn wait_killed(child: &mut Child, pidfd: Option<&OwnedFd>) -> Option<ExitStatus> {
    if let Some(pidfd) = pidfd {
        let mut ended = [PollFd::new(pidfd, PollFlags::IN)];
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

/// What a program has written so far, and the pipes it writes to.
struct Output {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    text: Vec<u8>,
    errors: Vec<u8>,
}

impl Output {
    fn of(child: &mut Child) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            text: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Until the program has ended and nobody writes any more, or it may not go
    /// on.
    fn listen(&mut self, order: &Order<'_>, pidfd: BorrowedFd<'_>) -> Result<(), Failure> {
        let mut end = Instant::now() + order.timeout;
        let mut has_ended = false;
        while !has_ended || self.stdout.is_some() || self.stderr.is_some() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() && has_ended {
                return Ok(());
            }
            if left.is_zero() {
                let seconds = order.timeout.as_secs_f64();
                return Err(Failure::Wrong(format!(
                    "it was killed after its time limit of {seconds} s{}",
                    self.last_errors()
                )));
            }
            let ready = self.wait(order.stop, (!has_ended).then_some(pidfd), left);
            let ready = ready.map_err(|error| Failure::Wrong(format!("waiting: {error}")))?;
            if ready.stop {
                return Err(Failure::Stopped);
            }
            if ready.ended {
                has_ended = true;
                end = end.min(Instant::now() + GRACE);
            }
            self.take(&ready)?;
        }
        Ok(())
    }

    fn wait(
        &self,
        stop: BorrowedFd<'_>,
        pidfd: Option<BorrowedFd<'_>>,
        left: Duration,
    ) -> io::Result<Ready> {
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        let stderr = self.stderr.as_ref().map(AsFd::as_fd);
        let all = [Some(stop), pidfd, stdout, stderr];
        let mut watched: Vec<PollFd<'_>> = all
            .into_iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut watched, Some(&to_timespec(left))) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let mut watched = watched.iter();
        let mut next = |fd: Option<BorrowedFd<'_>>| {
            fd.is_some() && watched.next().is_some_and(|fd| !fd.revents().is_empty())
        };
        let [stop, ended, stdout, stderr] = all.map(&mut next);
        Ok(Ready {
            stop,
            ended,
            stdout,
            stderr,
        })
    }

    fn take(&mut self, ready: &Ready) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Wrong(format!("reading its output: {error}"));
        if ready.stdout && read_some(&mut self.stdout, &mut self.text).map_err(failed)? {
            self.stdout = None;
        }
        if ready.stderr && read_some(&mut self.stderr, &mut self.errors).map_err(failed)? {
            self.stderr = None;
        }
        let surplus = self.errors.len().saturating_sub(ERROR_BYTES_MAX);
        self.errors.drain(..surplus);
        if self.text.len() > BYTES_MAX {
            let message = format!("it wrote more than {BYTES_MAX} bytes");
            return Err(Failure::Wrong(message));
        }
        Ok(())
    }

    fn judge(self, status: ExitStatus) -> Result<Vec<u8>, Failure> {
        if status.success() {
            return Ok(self.text);
        }
        Err(Failure::Wrong(format!("{status}{}", self.last_errors())))
    }

    /// What it wrote last to standard error, as the end of a sentence.
    fn last_errors(&self) -> String {
        let text = String::from_utf8_lossy(&self.errors);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = lines.len().saturating_sub(ERROR_LINES_MAX);
        match lines.get(last..) {
            Some(lines) if !lines.is_empty() => {
                format!("; it said: {}", visible(&lines.join(" | ")))
            }
            _ => String::new(),
        }
    }
}

/// What can be done without waiting.
#[derive(Default)]
struct Ready {
    stop: bool,
    ended: bool,
    stdout: bool,
    stderr: bool,
}

/// Reads what is there; true at the end.
fn read_some(from: &mut Option<impl Read>, to: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    let Some(from) = from else {
        return Ok(true);
    };
    match from.read(&mut buffer) {
        Ok(length) => {
            to.extend(buffer.iter().take(length));
            Ok(length == 0)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Kills every process that bears the mark: what left the group, however far
/// it is from its parent. One that also cleared its environment gets away.
fn end_marked(mark: &str) {
    let entry = format!("{MARK}={mark}");
    for _ in 0..SWEEPS_MAX {
        let mut found = false;
        for pid in read_pids() {
            if !is_marked(pid, entry.as_bytes()) {
                continue;
            }
            // The descriptor holds the process; only then is it looked at.
            let Some(pid_held) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
                continue;
            };
            if let Ok(pidfd) = pidfd_open(pid_held, PidfdFlags::empty())
                && is_marked(pid, entry.as_bytes())
            {
                found |= pidfd_send_signal(pidfd, Signal::KILL).is_ok();
            }
        }
        if !found {
            return;
        }
    }
}

fn read_pids() -> impl Iterator<Item = u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let to_pid = |name: OsString| name.to_str()?.parse().ok();
    entries
        .filter_map(move |entry| to_pid(entry.file_name()))
        .filter(move |pid| *pid != own)
}

/// Whether an entry of its environment is this one. Of a process that has ended
/// nothing is left to read.
fn is_marked(pid: u32, entry: &[u8]) -> bool {
    let mut environment = Vec::new();
    let file = File::open(format!("/proc/{pid}/environ"));
    let read = file.and_then(|file| {
        file.take(ENVIRONMENT_BYTES_MAX)
            .read_to_end(&mut environment)
    });
    read.is_ok()
        && environment
            .split(|byte| *byte == 0)
            .any(|other| other == entry)
}

#[cfg(test)]
mod tests;
