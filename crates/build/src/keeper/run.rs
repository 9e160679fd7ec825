use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Command as Process, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage as ResourceUsage, UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus};

use super::log::{Report, write_log};
use super::{Command, Ended, LAUNCH, Measured, Message, OWN_PROGRAM, Order, Rung};
use crate::cgroup::Group;
use crate::process::{Identity, read_descendants};

/// The hidden first argument that makes the program a keeper.
pub const KEEP: &str = "__keep";

/// Of steps; any other command keeps its caller's.
const UMASK: &str = "022";

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// What a script starts at its very end, as `> >(tee log)` does, may finish
/// this much later than the script.
const STRAY_GRACE: Duration = Duration::from_millis(300);

/// How long the end of the output is waited for after everything has ended.
const LOG_GRACE: Duration = Duration::from_secs(2);

/// Between two looks at processes that should have ended.
const SWEEP_PAUSE: Duration = Duration::from_millis(2);

/// Everything an attempt started, and how to end it.
#[derive(Clone)]
struct Brood {
    group: Option<Group>,
}

impl Brood {
    /// All processes of the attempt but those that wait to be reaped.
    fn read(&self) -> Vec<Identity> {
        read_descendants(std::process::id())
    }

    fn terminate(&self) {
        for process in self.read() {
            process.signal(Signal::TERM);
            // A stopped process would never see it.
            process.signal(Signal::CONT);
        }
    }

    fn kill(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
        for process in self.read() {
            process.signal(Signal::KILL);
        }
    }
}

/// Writes to the supervisor, which may be gone.
fn send(message: &Message) {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

/// The whole life of a keeper.
pub fn keep() -> ExitCode {
    match read_order().and_then(|order| run(&order)) {
        Ok(ended) => {
            send(&Message::Ended(ended));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let why = error.to_string();
            send(&Message::NotStarted { why });
            ExitCode::FAILURE
        }
    }
}

fn read_order() -> io::Result<Order> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    serde_json::from_str(&line).map_err(io::Error::from)
}

fn run(order: &Order) -> io::Result<Ended> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let (output, script_end) = io::pipe()?;
    let started = Instant::now();
    let leader = start(order, script_end)?;
    let identity = Identity::of(leader).map(|identity| identity.to_string());
    send(&Message::Started {
        leader: identity.unwrap_or_default(),
    });
    let (log_end, log_ended) = mpsc::channel();
    let (path, mark) = (order.log.clone(), order.phase_mark.clone());
    thread::spawn(move || log_end.send(write_log(output, &path, &mark, forward)));
    let brood = Brood {
        group: order.cgroup.as_deref().map(Group::at),
    };
    let timed_out = Arc::new(AtomicBool::new(false));
    let control = Control {
        brood: brood.clone(),
        timed_out: Arc::clone(&timed_out),
        deadline: order
            .timeout_seconds
            // A limit beyond the end of the clock is none.
            .and_then(|seconds| started.checked_add(Duration::from_secs(seconds))),
    };
    let (sender, commands) = mpsc::channel();
    thread::spawn(move || listen(&sender));
    thread::spawn(move || control.run(&commands));

    let status = wait_for(leader)?;
    let wall_usec = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let strays = sweep(&brood)?;
    // Nobody of the attempt holds the script's end of the pipe any more.
    let log_dropped_bytes = log_ended.recv_timeout(LOG_GRACE);
    Ok(Ended {
        exit_code: status.exit_status(),
        signal: status.terminating_signal(),
        timed_out: timed_out.load(Ordering::Relaxed),
        wall_usec,
        strays,
        output_held: log_dropped_bytes.is_err(),
        log_dropped_bytes: log_dropped_bytes.unwrap_or_default(),
        ..measure(brood.group.as_ref())
    })
}

fn start(order: &Order, output: io::PipeWriter) -> io::Result<u32> {
    let mut process = Process::new(OWN_PROGRAM);
    let cgroup = order
        .cgroup
        .as_deref()
        .map_or_else(OsString::new, OsString::from);
    process
        .arg0("lfs-wrapper")
        .arg(LAUNCH)
        .arg(cgroup)
        .arg(std::process::id().to_string())
        .arg(order.environment.as_ref().map_or("", |_| UMASK))
        .args(&order.command)
        .current_dir(&order.folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    if let Some(environment) = &order.environment {
        process.env_clear().envs(environment);
    }
    Ok(process.spawn()?.id())
}

fn forward(report: Report) {
    send(&match report {
        Report::Phase(name) => Message::Phase { name },
        Report::Failed(error) => Message::LogFailed {
            why: error.to_string(),
        },
    });
}

/// Passes the supervisor's commands on; its end is a `Kill`.
fn listen(commands: &Sender<Command>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if let Some(command) = Command::parse(line.trim()) {
            let _ = commands.send(command);
        }
    }
    let _ = commands.send(Command::Kill);
}

/// Ends the attempt when it is told to, or when its time is over.
struct Control {
    brood: Brood,
    timed_out: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Control {
    fn run(mut self, commands: &Receiver<Command>) {
        let mut kill_at: Option<Instant> = None;
        loop {
            let next = [self.deadline, kill_at].into_iter().flatten().min();
            let command = match next {
                Some(next) => {
                    let left = next.saturating_duration_since(Instant::now());
                    commands.recv_timeout(left)
                }
                None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match command {
                Ok(Command::Stop) => {
                    self.brood.terminate();
                    kill_at.get_or_insert(Instant::now() + GRACE);
                }
                Ok(Command::Kill) => self.brood.kill(),
                Err(RecvTimeoutError::Disconnected) => return self.brood.kill(),
                Err(RecvTimeoutError::Timeout)
                    if kill_at.is_some_and(|at| at <= Instant::now()) =>
                {
                    self.brood.kill();
                    // Should it not have helped, it is tried again.
                    kill_at = Some(Instant::now() + GRACE);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.timed_out.store(true, Ordering::Relaxed);
                    self.deadline = None;
                    self.brood.terminate();
                    kill_at.get_or_insert(Instant::now() + GRACE);
                }
            }
        }
    }
}

/// Waits for the script, reaping whatever else ends before it.
fn wait_for(leader: u32) -> io::Result<WaitStatus> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if i64::from(pid.as_raw_pid()) == i64::from(leader) => {
                return Ok(status);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends and reaps what the script left behind. Returns how many there were.
fn sweep(brood: &Brood) -> io::Result<u64> {
    let patience = Instant::now() + STRAY_GRACE;
    let mut strays = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => {
                if Instant::now() >= patience {
                    strays.get_or_insert(brood.read().len() as u64);
                    brood.kill();
                }
                thread::sleep(SWEEP_PAUSE);
            }
            Err(Errno::CHILD) => return Ok(strays.unwrap_or(0)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The accounts of everything that was reaped, each from the best rung.
fn measure(group: Option<&Group>) -> Ended {
    let reaped = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
    let grouped = group.map(Group::read_usage).unwrap_or_default();
    Ended {
        cpu_usec: best(grouped.cpu_usec, reaped.as_ref().map(cpu_usec)),
        reaped_cpu_usec: reaped
            .as_ref()
            .map(cpu_usec)
            .map(|(user, system)| user + system),
        memory_peak_bytes: best(
            grouped.memory_peak_bytes,
            reaped
                .as_ref()
                .map(|usage| unsigned(usage.max_rss()) * 1024),
        ),
        io_bytes: best(grouped.io_bytes, reaped.as_ref().map(io_bytes)),
        ..Ended::default()
    }
}

fn best<T>(cgroup: Option<T>, wait4: Option<T>) -> Option<Measured<T>> {
    let from = |source| move |value| Measured { value, source };
    cgroup
        .map(from(Rung::Cgroup))
        .or_else(|| wait4.map(from(Rung::Wait4)))
}

fn cpu_usec(usage: &ResourceUsage) -> (u64, u64) {
    (
        unsigned(usage.user_time().num_microseconds()),
        unsigned(usage.system_time().num_microseconds()),
    )
}

/// getrusage(2) counts in blocks of 512 bytes.
fn io_bytes(usage: &ResourceUsage) -> (u64, u64) {
    (
        unsigned(usage.block_reads()) * 512,
        unsigned(usage.block_writes()) * 512,
    )
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
