//! One attempt, from the outside: its folders, its environment, its keeper.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};
use std::thread;
use std::time::Duration;

use lfs_wrapper_state::StateDir;
use rustix::process::Signal;

use crate::Identity;
use crate::cgroup::{Base, Group};
use crate::dispatch::StepState;
use crate::keeper::{Command, Ended, KEEP, Message, OWN_PROGRAM, Order};
use crate::plan::Step;
use crate::process::read_marked;
use crate::record::{self, Outcome, Run};
use crate::triage::read_first_error;

/// Announces a phase in a script's output, and marks its processes.
const PHASE_MARK: &str = "LFS_PHASE_MARK";

const OUTPUT_HELD: &str = "a process outside a step holds its output open; what it still writes \
    is not in the log";

/// How often and how long apart leftovers are looked for, and killed.
const LEFTOVER_TRIES: u32 = 200;
const LEFTOVER_PAUSE: Duration = Duration::from_millis(10);

/// What an attempt is made of.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) state_dir: &'a StateDir,
    pub(crate) run: &'a Run,
    pub(crate) step: &'a Step,
    pub(crate) attempt: &'a record::Attempt,
    pub(crate) base: Option<&'a Base>,
}

/// An attempt under way.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) id: i64,
    pub(crate) keeper: Option<Identity>,
    /// Somebody asked for its end.
    pub(crate) cancelled: bool,
    /// Why it fails whatever its script does.
    pub(crate) trouble: Option<String>,
    /// What its keeper reported last.
    pub(crate) ended: Option<Ended>,
    commands: ChildStdin,
    cgroup: Option<PathBuf>,
    log: PathBuf,
    mark: String,
}

/// What is heard of a keeper.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It reports.
    Message(Message),
    /// It has ended.
    Gone,
}

/// An attempt that is over.
pub(crate) struct Attempted {
    pub(crate) outcome: Outcome,
    pub(crate) note: Option<String>,
}

impl Outcome {
    /// An attempt that came to nothing.
    pub(crate) fn failed(reason: String) -> Self {
        Self {
            state: StepState::Failed,
            reason: Some(reason),
            first_error: None,
            exits: None,
            ended: Ended::default(),
        }
    }
}

/// Where a step works: its script, and its build folder.
pub(crate) fn work_folder(state_dir: &StateDir, run: i64, step: &str) -> PathBuf {
    state_dir.work().join(format!("run-{run}")).join(step)
}

/// What is left of steps that were not completed stays.
pub(crate) fn remove_run_folder_if_empty(state_dir: &StateDir, run: i64) {
    let _ = fs::remove_dir(state_dir.work().join(format!("run-{run}")));
}

/// Removes a folder that may not be there.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Begins an attempt; what its keeper says goes to `tell`, its end last.
/// `begun` gets the keeper's pid before it starts anything.
pub(crate) fn start(
    setup: &Setup<'_>,
    tell: impl Fn(Heard) -> bool + Send + 'static,
    begun: impl FnOnce(u32),
) -> io::Result<Started> {
    let cgroup = make_group(setup)?;
    start_in(setup, cgroup.clone(), tell, begun).inspect_err(|_| {
        if let Some(folder) = &cgroup {
            // The first error is the one to tell.
            let _ = Group::at(folder).remove();
        }
    })
}

fn start_in(
    setup: &Setup<'_>,
    cgroup: Option<PathBuf>,
    tell: impl Fn(Heard) -> bool + Send + 'static,
    begun: impl FnOnce(u32),
) -> io::Result<Started> {
    let Setup { attempt, .. } = *setup;
    if let Some(folder) = attempt.log.parent() {
        fs::create_dir_all(folder)?;
    }
    let mark = render_mark(setup.state_dir.root(), attempt.id);
    let order = make_order(setup, cgroup.as_ref(), &mark)?;
    let mut child = spawn_keeper(&mark)?;
    let (Some(mut commands), Some(messages)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("the keeper has no pipes"));
    };
    let keeper = Identity::of(child.id());
    begun(child.id());
    thread::spawn(move || listen(child, messages, &tell));
    let mut line = serde_json::to_vec(&order)?;
    line.push(b'\n');
    commands.write_all(&line)?;
    Ok(Started {
        id: attempt.id,
        keeper,
        cancelled: false,
        trouble: None,
        ended: None,
        commands,
        cgroup,
        log: attempt.log.clone(),
        mark,
    })
}

/// The text that marks an attempt's phases and processes; whoever knows the
/// state folder and the attempt's number can make it again.
pub(crate) fn render_mark(state_root: &Path, attempt: i64) -> String {
    let text = format!("{} {attempt}", state_root.display());
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("@lfs-phase-{}@", &hash[..16])
}

fn make_group(setup: &Setup<'_>) -> io::Result<Option<PathBuf>> {
    let (Some(base), Some(folder)) = (setup.base, &setup.attempt.cgroup) else {
        return Ok(None);
    };
    base.make_group(folder)?;
    Ok(Some(folder.clone()))
}

fn make_order(setup: &Setup<'_>, cgroup: Option<&PathBuf>, mark: &str) -> io::Result<Order> {
    let Setup {
        state_dir,
        run,
        step,
        attempt,
        ..
    } = *setup;
    let order = |command, folder, environment| Order {
        command,
        folder,
        environment,
        cgroup: cgroup.cloned(),
        log: attempt.log.clone(),
        phase_mark: mark.to_owned(),
        timeout_seconds: step.timeout_seconds,
    };
    if let Some((command, folder)) = &run.options.command {
        return Ok(order(command.clone(), folder.clone(), None));
    }
    let work = work_folder(state_dir, run.id, &step.id);
    remove_folder(&work)?;
    let folder = work.join("build");
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(&run.options.root)?;
    let script = work.join("script");
    fs::write(&script, render_script(step))?;
    let command = vec![
        "bash".to_owned(),
        "-e".to_owned(),
        script.to_string_lossy().into_owned(),
    ];
    let environment = step_environment(setup, mark);
    Ok(order(command, folder, Some(environment)))
}

/// The phases of a step as one shell script that announces each.
fn render_script(step: &Step) -> String {
    let mut script = format!("# Step '{}', written by lfs-wrapper.\n", step.id);
    for phase in &step.phases {
        let name = quote(&phase.name);
        script.push_str(&format!("printf '%s %s\\n' \"${PHASE_MARK}\" {name}\n"));
        if let Some(text) = &phase.script {
            script.push_str(text);
        } else if let Some(file) = &phase.file {
            script.push_str(&quote(&file.to_string_lossy()));
        }
        script.push('\n');
    }
    script
}

/// `text` as one word of the shell.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn step_environment(setup: &Setup<'_>, mark: &str) -> BTreeMap<String, String> {
    let options = &setup.run.options;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs = (cores / options.jobs.max(1)).max(1);
    let mut environment = options.environment.clone().unwrap_or_default();
    let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
    set("LC_ALL", "C".to_owned());
    set("TZ", "UTC".to_owned());
    set("LFS", options.root.to_string_lossy().into_owned());
    if let Some(sources) = &options.sources {
        set("LFS_SOURCES", sources.to_string_lossy().into_owned());
    }
    set("LFS_STEP", setup.step.id.clone());
    set("LFS_JOBS", jobs.to_string());
    set("MAKEFLAGS", format!("-j{jobs}"));
    set(PHASE_MARK, mark.to_owned());
    environment
}

fn spawn_keeper(mark: &str) -> io::Result<Child> {
    Process::new(OWN_PROGRAM)
        .arg0("lfs-wrapper")
        .arg(KEEP)
        .env(PHASE_MARK, mark)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C at the terminal is for the supervisor alone.
        .process_group(0)
        .spawn()
}

fn listen(mut child: Child, messages: ChildStdout, tell: &impl Fn(Heard) -> bool) {
    for line in BufReader::new(messages).lines().map_while(Result::ok) {
        if let Ok(message) = serde_json::from_str::<Message>(&line) {
            tell(Heard::Message(message));
        }
    }
    // How it ended is told by whether it sent its last message.
    let _ = child.wait();
    tell(Heard::Gone);
}

impl Started {
    pub(crate) fn send(&mut self, command: Command) {
        // A keeper that is gone is heard of in its own way.
        let _ = writeln!(self.commands, "{}", command.as_str());
    }

    /// After the keeper's end: nothing of the attempt is left behind, and how
    /// it came out is known.
    pub(crate) fn finish(self) -> Attempted {
        let left = end_leftovers(self.cgroup.as_deref(), &self.mark, self.ended.is_none());
        let (state, reason) = self.judge();
        let failed = state == StepState::Failed;
        let first_error = failed.then(|| read_first_error(&self.log).ok().flatten());
        let held = self.ended.as_ref().is_some_and(|ended| ended.output_held);
        let note = held.then(|| OUTPUT_HELD.to_owned());
        Attempted {
            outcome: Outcome {
                state,
                reason,
                first_error: first_error.flatten(),
                exits: None,
                ended: self.ended.unwrap_or_default(),
            },
            note: left.err().or(note),
        }
    }

    fn judge(&self) -> (StepState, Option<String>) {
        let Some(ended) = &self.ended else {
            return match &self.trouble {
                Some(trouble) => (StepState::Failed, Some(trouble.clone())),
                None => (
                    StepState::Lost,
                    Some("its keeper was killed; everything it had started was ended".to_owned()),
                ),
            };
        };
        if let Some(trouble) = &self.trouble {
            return (StepState::Failed, Some(trouble.clone()));
        }
        if ended.timed_out {
            return (
                StepState::Failed,
                Some("it ran into its time limit".to_owned()),
            );
        }
        match (ended.exit_code, self.cancelled) {
            (Some(0), _) => (StepState::Completed, None),
            (_, true) => (StepState::Cancelled, None),
            _ => (StepState::Failed, None),
        }
    }
}

/// Ends whatever an attempt has left: its control group goes, and, where its
/// keeper cannot have seen to it, every process that bears its mark. The error
/// says what could not be ended.
pub(crate) fn end_leftovers(
    cgroup: Option<&Path>,
    mark: &str,
    keeper_failed: bool,
) -> Result<(), String> {
    if keeper_failed {
        end_marked(mark)?;
    }
    let Some(folder) = cgroup else {
        return Ok(());
    };
    Group::at(folder)
        .remove()
        .map_err(|error| format!("removing the control group {}: {error}", folder.display()))
}

fn end_marked(mark: &str) -> Result<(), String> {
    let variable = format!("{PHASE_MARK}={mark}");
    for _ in 0..LEFTOVER_TRIES {
        let left = read_marked(&variable);
        if left.is_empty() {
            return Ok(());
        }
        for process in left {
            process.signal(Signal::KILL);
        }
        thread::sleep(LEFTOVER_PAUSE);
    }
    Err("processes of the attempt do not end; see 'ps'".to_owned())
}
