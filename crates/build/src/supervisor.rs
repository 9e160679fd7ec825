//! The supervisor: the loop round the dispatcher. It starts keepers, hears
//! from them, and writes everything down before it acts on it.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::{Database, DatabaseError, StateDir, is_full};

use crate::Identity;
use crate::attempt::{self, Attempted, Heard, Started};
use crate::cgroup::Base;
use crate::dispatch::{Dispatch, Effect, Event, RunState, StepState};
use crate::exits::{ExitLedger, Exits, exits_file};
use crate::keeper::{Command, Message};
use crate::plan::Plan;
use crate::progress::{RunView, read_view};
use crate::record::{self, Outcome, Run};
use crate::{recover, status_file};

/// How often status files are written anew and the observer is shown the run.
const TICK: Duration = Duration::from_secs(1);

/// Changes are shown no more often: reading a whole run back takes its time.
const SHOW_PAUSE: Duration = Duration::from_millis(200);

/// How often and how long apart a run is tried to be taken up that somebody
/// cleans up.
const TAKE_TRIES: u32 = 400;
const TAKE_PAUSE: Duration = Duration::from_millis(50);

/// What the loop waits for.
#[derive(Debug)]
pub(crate) enum Input {
    /// A keeper reports.
    Keeper(usize, Message),
    /// A keeper has ended.
    KeeperGone(usize),
    /// Somebody wants the run to end.
    Stop,
}

/// Asks a supervised run to end: once to end in good order, a second time to
/// end at once.
#[derive(Clone, Debug)]
pub struct StopHandle(Sender<Input>);

impl StopHandle {
    /// Asks.
    pub fn stop(&self) {
        // A run that is over needs no asking.
        let _ = self.0.send(Input::Stop);
    }
}

/// What the person who watches gets to see.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A sentence about something that is not as it should be.
    Note(String),
    /// The run, after a change and once a second.
    View(&'a RunView<'a>),
}

/// Why a run could not be supervised to its end.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The state database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// This process cannot even see itself.
    #[error("looking at /proc/self/stat: it cannot be read; mount procfs on /proc")]
    NoProc,
    /// There is no such run.
    #[error("resuming run {run}: there is no run with this number; see 'build status'")]
    NoRun {
        /// The number.
        run: i64,
    },
    /// Somebody works on it.
    #[error(
        "resuming run {run}: process {pid} works on it already, or cleans up after it; \
         wait, or end it first with 'build stop {run}'"
    )]
    Busy {
        /// The number.
        run: i64,
        /// Who works on it.
        pid: u32,
    },
    /// There is nothing left to do.
    #[error("resuming run {run}: every step of it is completed")]
    NothingLeft {
        /// The number.
        run: i64,
    },
    /// The disk is full, or the database cannot be written for another reason.
    #[error(
        "recording run {run}: {why}; the build was stopped, what was recorded is kept; \
         make room and go on with 'build resume {run}'"
    )]
    Unrecordable {
        /// The number.
        run: i64,
        /// What went wrong.
        why: String,
    },
}

/// One run and everything needed to do it.
#[derive(Debug)]
pub struct Supervisor<'a> {
    state_dir: &'a StateDir,
    database: &'a Database,
    plan: Plan,
    run: Run,
    dispatch: Dispatch,
    base: Result<Base, String>,
    attempts: Vec<Option<Started>>,
    sender: Sender<Input>,
    inputs: Receiver<Input>,
    notes: Vec<String>,
    /// Why the run cannot be recorded any more, and whether the dispatcher
    /// knows.
    broken: Option<String>,
    break_told: bool,
    /// The state that each step's status file shows.
    shown: Vec<Option<StepState>>,
    ledger: Option<Box<dyn ExitLedger>>,
}

impl<'a> Supervisor<'a> {
    /// A new run of `plan`.
    pub fn begin(
        state_dir: &'a StateDir,
        database: &'a Database,
        plan: Plan,
        options: &record::Options,
    ) -> Result<Self, SuperviseError> {
        let supervisor = Identity::current().ok_or(SuperviseError::NoProc)?;
        let run = record::begin_run(
            database,
            &plan,
            options,
            &supervisor,
            last_logged(state_dir),
        )
        .and_then(|run| record::read_run(database, run))
        .map_err(|error| database.error(error))?
        .ok_or(SuperviseError::NoRun { run: 0 })?;
        Ok(Self::new(state_dir, database, plan, run))
    }

    /// A run that has ended before it was completed.
    pub fn resume(
        state_dir: &'a StateDir,
        database: &'a Database,
        run: i64,
    ) -> Result<Self, SuperviseError> {
        let fail = |error| database.error(error);
        let find = || record::read_run(database, run).map_err(fail);
        let current = Identity::current().ok_or(SuperviseError::NoProc)?;
        for tries_left in (0..TAKE_TRIES).rev() {
            recover::recover(state_dir, database)?;
            let found = find()?.ok_or(SuperviseError::NoRun { run })?;
            if found.state == RunState::Completed {
                return Err(SuperviseError::NothingLeft { run });
            }
            if record::take_run(database, run, &current).map_err(fail)? {
                break;
            }
            // Somebody may be cleaning up after a supervisor that died.
            if found.state == RunState::Running || tries_left == 0 {
                let pid = found.supervisor.map_or(0, |supervisor| supervisor.pid);
                return Err(SuperviseError::Busy { run, pid });
            }
            thread::sleep(TAKE_PAUSE);
        }
        let plan = record::read_plan(database, run).map_err(fail)?;
        let run = find()?.ok_or(SuperviseError::NoRun { run })?;
        Ok(Self::new(state_dir, database, plan, run))
    }

    fn new(state_dir: &'a StateDir, database: &'a Database, plan: Plan, run: Run) -> Self {
        let states: Vec<StepState> = run.steps.iter().map(|step| step.state).collect();
        let (sender, inputs) = mpsc::channel();
        Self {
            base: Base::find(state_dir.root()),
            dispatch: Dispatch::new(
                plan.needs(),
                &states,
                run.options.jobs,
                run.options.keep_going,
            ),
            attempts: states.iter().map(|_| None).collect(),
            shown: vec![None; states.len()],
            state_dir,
            database,
            plan,
            run,
            sender,
            inputs,
            notes: Vec::new(),
            broken: None,
            break_told: false,
            ledger: None,
        }
    }

    /// Has every process of the run written down in `ledger`.
    pub fn with_ledger(mut self, ledger: Box<dyn ExitLedger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// For whoever may want to end the run.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(self.sender.clone())
    }

    /// Does the run to its end and returns how it ended, with its records.
    pub fn supervise(
        mut self,
        observe: &mut dyn FnMut(&Notice<'_>),
    ) -> Result<Run, SuperviseError> {
        if let Err(why) = &self.base {
            self.notes.push(format!(
                "no control group for the steps ({why}): their accounts come from wait4"
            ));
        }
        let mut finished = self.react(Event::Begin);
        self.show(observe);
        let (mut shown, mut changed) = (Instant::now(), false);
        while finished.is_none() {
            let due = shown + if changed { SHOW_PAUSE } else { TICK };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Also when there is always something to hear.
                self.show(observe);
                (shown, changed) = (Instant::now(), false);
            } else if let Ok(input) = self.inputs.recv_timeout(left) {
                finished = self.take(input);
                changed = true;
            }
        }
        let state = finished.unwrap_or(RunState::Failed);
        let (id, why) = (self.run.id, self.broken.clone());
        self.record(|database| record::end_run(database, id, state, why.as_deref()));
        if let Ok(base) = &self.base {
            base.remove_if_empty();
        }
        attempt::remove_run_folder_if_empty(self.state_dir, id);
        self.show(observe);
        match self.broken {
            Some(why) => Err(SuperviseError::Unrecordable { run: id, why }),
            None => Ok(self.run),
        }
    }

    fn show(&mut self, observe: &mut dyn FnMut(&Notice<'_>)) {
        // Else what was read before is still the best there is to show.
        if let Ok(Some(run)) = record::read_run(self.database, self.run.id) {
            self.run = run;
        }
        let now = now_msec();
        let view = read_view(&self.run, now);
        let folder = self.state_dir.status_files();
        for (step, shown) in view.steps.iter().zip(&mut self.shown) {
            let state = step.step.state;
            if state != StepState::Running && *shown == Some(state) {
                continue;
            }
            *shown = Some(state);
            let written = status_file::write(&folder, self.run.id, step, now);
            if let Err(error) = written {
                let path = status_file::path(&folder, &step.step.id);
                self.notes
                    .push(format!("writing {}: {error}", path.display()));
            }
        }
        for note in self.notes.drain(..) {
            observe(&Notice::Note(note));
        }
        observe(&Notice::View(&view));
    }

    fn take(&mut self, input: Input) -> Option<RunState> {
        match input {
            Input::Stop => self.react(Event::Stop),
            Input::Keeper(step, message) => self.hear(step, message),
            Input::KeeperGone(step) => self.close(step),
        }
    }

    fn react(&mut self, event: Event) -> Option<RunState> {
        let mut events = VecDeque::from([event]);
        let mut finished = None;
        loop {
            // Before anything else, so that nothing new begins.
            if self.broken.is_some() && !self.break_told {
                self.break_told = true;
                events.push_front(Event::Break);
            }
            let Some(event) = events.pop_front() else {
                return finished;
            };
            for effect in self.dispatch.step(event) {
                match effect {
                    Effect::Launch(step) => events.extend(self.launch(step)),
                    Effect::Skip(step) => {
                        let (run, id) = (self.run.id, self.plan.steps[step].id.clone());
                        self.record(|database| record::skip_step(database, run, &id));
                    }
                    Effect::Stop(step) => self.cancel(step, Command::Stop),
                    Effect::Kill(step) => self.cancel(step, Command::Kill),
                    Effect::Finish(state) => finished = Some(state),
                }
            }
        }
    }

    fn cancel(&mut self, step: usize, command: Command) {
        if let Some(attempt) = &mut self.attempts[step] {
            attempt.cancelled = true;
            attempt.send(command);
        }
    }

    /// Begins an attempt; the event is the end of one that could not begin.
    fn launch(&mut self, step: usize) -> Option<Event> {
        let failed = Event::Ended {
            step,
            state: StepState::Failed,
        };
        let (run, id) = (self.run.id, self.plan.steps[step].id.clone());
        let logs = self.state_dir.logs().join(format!("run-{run}"));
        let base = self.base.clone().ok();
        let place = |number: i64| -> (PathBuf, Option<PathBuf>) {
            let name = format!("run-{run}.{id}.{number}");
            let group = base.as_ref().map(|base| base.group_folder(&name));
            (logs.join(format!("{id}.{number}.log")), group)
        };
        let Some(attempt) =
            self.record(|database| record::begin_attempt(database, run, &id, place))
        else {
            return Some(failed);
        };
        let sender = self.sender.clone();
        let setup = attempt::Setup {
            state_dir: self.state_dir,
            run: &self.run,
            step: &self.plan.steps[step],
            attempt: &attempt,
            base: base.as_ref(),
        };
        let tell = move |heard| sender.send(input_of(step, heard)).is_ok();
        let ledger = &mut self.ledger;
        let begun = |keeper| {
            if let Some(ledger) = ledger {
                ledger.begin(attempt.id, keeper, &exits_file(&attempt.log));
            }
        };
        match attempt::start(&setup, tell, begun) {
            Ok(started) => {
                let keeper = started.keeper.clone();
                self.record(|database| record::set_keeper(database, attempt.id, keeper.as_ref()));
                self.attempts[step] = Some(started);
                None
            }
            Err(error) => {
                let mut outcome = Outcome::failed(format!("it could not be started: {error}"));
                outcome.exits = self.end_ledger(attempt.id);
                self.end(step, attempt.id, &outcome);
                Some(failed)
            }
        }
    }

    fn hear(&mut self, step: usize, message: Message) -> Option<RunState> {
        let attempt = self.attempts[step].as_mut()?;
        let id = attempt.id;
        match message {
            Message::Started { leader } => {
                self.record(|database| record::set_leader(database, id, &leader));
            }
            Message::Phase { name } => {
                self.record(|database| record::set_phase(database, id, &name));
            }
            Message::NotStarted { why } => {
                attempt.trouble = Some(format!("it could not be started: {why}"));
            }
            Message::LogFailed { why } => {
                let why = format!("its log could not be written: {why}");
                attempt.trouble = Some(why.clone());
                attempt.send(Command::Stop);
                let step = &self.plan.steps[step].id;
                self.broken.get_or_insert(format!("step '{step}': {why}"));
            }
            Message::Ended(ended) => attempt.ended = Some(ended),
        }
        (self.broken.is_some() && !self.break_told)
            .then(|| self.react(Event::Break))
            .flatten()
    }

    /// A keeper is gone: its attempt is over, in whatever way.
    fn close(&mut self, step: usize) -> Option<RunState> {
        let started = self.attempts[step].take()?;
        let id = started.id;
        let Attempted { mut outcome, note } = started.finish();
        self.notes.extend(note);
        outcome.exits = self.end_ledger(id);
        let state = outcome.state;
        self.end(step, id, &outcome);
        if state == StepState::Completed {
            let folder =
                attempt::work_folder(self.state_dir, self.run.id, &self.plan.steps[step].id);
            if let Err(error) = attempt::remove_folder(&folder) {
                self.notes
                    .push(format!("removing {}: {error}", folder.display()));
            }
        }
        self.react(Event::Ended { step, state })
    }

    fn end_ledger(&mut self, attempt: i64) -> Option<Exits> {
        self.ledger.as_mut()?.end(attempt)
    }

    fn end(&mut self, step: usize, attempt: i64, outcome: &Outcome) {
        let (run, id) = (self.run.id, self.plan.steps[step].id.clone());
        self.record(|database| record::end_attempt(database, run, &id, attempt, outcome));
    }

    /// Writes something down. On a full disk the reserve is given up for it;
    /// when that does not help either, the run is broken.
    fn record<T>(
        &mut self,
        write: impl FnOnce(&Database) -> rusqlite::Result<T> + Clone,
    ) -> Option<T> {
        let mut result = write.clone()(self.database);
        if result.as_ref().is_err_and(is_full) {
            let why = "no space left on the disk of the state database";
            self.broken.get_or_insert(why.to_owned());
            if self.database.release_reserve() {
                result = write(self.database);
            }
        }
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.broken
                    .get_or_insert(self.database.error(error).to_string());
                None
            }
        }
    }
}

/// The highest run that has logs: a database that was begun anew must not give
/// its number again, or the logs would be written over.
fn last_logged(state_dir: &StateDir) -> i64 {
    let entries = fs::read_dir(state_dir.logs())
        .into_iter()
        .flatten()
        .flatten();
    let number = |name: &str| name.strip_prefix("run-")?.parse().ok();
    entries
        .filter_map(|entry| number(entry.file_name().to_str()?))
        .max()
        .unwrap_or(0)
}

fn input_of(step: usize, heard: Heard) -> Input {
    match heard {
        Heard::Message(message) => Input::Keeper(step, message),
        Heard::Gone => Input::KeeperGone(step),
    }
}
