//! What to start next and when a run is over: a pure function of what has
//! happened. It starts no process, reads no clock and writes no record.

use serde::{Deserialize, Serialize};

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Ended with exit code 0.
    Completed,
    /// Ended otherwise, or ran out of time.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Its supervisor died; how far it came nobody knows.
    Lost,
    /// Not begun, because a step it needs has failed.
    Skipped,
}

impl StepState {
    const ALL: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Lost,
        Self::Skipped,
    ];

    /// The word as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Lost => "LOST",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The state that `word` stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunState {
    /// Under way.
    Running,
    /// Every step is completed.
    Completed,
    /// At least one step has failed.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// Its supervisor died.
    Lost,
}

impl RunState {
    const ALL: [Self; 5] = [
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The word as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Lost => "LOST",
        }
    }

    /// The state that `word` stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What happened. Steps are given by their place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The run begins, or goes on.
    Begin,
    /// A step's attempt is over.
    Ended {
        /// The step.
        step: usize,
        /// How: completed, failed, cancelled or lost.
        state: StepState,
    },
    /// Somebody wants the run to end; a second time: at once.
    Stop,
    /// The run cannot be recorded any more.
    Break,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Begin an attempt.
    Launch(usize),
    /// Record that the step is not begun at all.
    Skip(usize),
    /// Ask a running attempt to end.
    Stop(usize),
    /// End a running attempt now.
    Kill(usize),
    /// The run is over.
    Finish(RunState),
}

/// Why no further step is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Stopped,
    Broken,
}

/// The state of a run.
#[derive(Debug)]
pub struct Dispatch {
    needs: Vec<Vec<usize>>,
    states: Vec<StepState>,
    jobs: usize,
    keep_going: bool,
    closing: Option<Closing>,
    finished: bool,
}

impl Dispatch {
    /// A run of steps of which each needs the given others; steps that are
    /// completed already are not done again, all others are.
    pub fn new(
        needs: Vec<Vec<usize>>,
        states: &[StepState],
        jobs: usize,
        keep_going: bool,
    ) -> Self {
        let kept = |state: &StepState| match state {
            StepState::Completed => StepState::Completed,
            _ => StepState::Pending,
        };
        Self {
            needs,
            states: states.iter().map(kept).collect(),
            jobs: jobs.max(1),
            keep_going,
            closing: None,
            finished: false,
        }
    }

    /// The state of each step.
    pub fn states(&self) -> &[StepState] {
        &self.states
    }

    /// Takes one event in and says what follows from it.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        if self.finished {
            return Vec::new();
        }
        let mut effects = match event {
            Event::Begin => Vec::new(),
            Event::Ended { step, state } => {
                self.states[step] = state;
                self.skip_dependents()
            }
            Event::Stop => self.close(Closing::Stopped),
            Event::Break => self.close(Closing::Broken),
        };
        effects.extend(self.launch());
        effects.extend(self.finish());
        effects
    }

    fn running(&self) -> Vec<usize> {
        let steps = self.states.iter().enumerate();
        steps
            .filter(|(_, state)| **state == StepState::Running)
            .map(|(step, _)| step)
            .collect()
    }

    fn close(&mut self, closing: Closing) -> Vec<Effect> {
        let again = self.closing.is_some();
        self.closing.get_or_insert(closing);
        let effect = if again { Effect::Kill } else { Effect::Stop };
        self.running().into_iter().map(effect).collect()
    }

    /// Steps that can never begin now, nearest first.
    fn skip_dependents(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        loop {
            let hopeless = (0..self.states.len()).find(|step| {
                let blocked = |need: &usize| {
                    use StepState::{Failed, Lost, Skipped};
                    matches!(self.states[*need], Failed | Lost | Skipped)
                };
                self.states[*step] == StepState::Pending && self.needs[*step].iter().any(blocked)
            });
            let Some(step) = hopeless else {
                return effects;
            };
            self.states[step] = StepState::Skipped;
            effects.push(Effect::Skip(step));
        }
    }

    fn has(&self, state: StepState) -> bool {
        self.states.contains(&state)
    }

    fn has_trouble(&self) -> bool {
        self.has(StepState::Failed) || self.has(StepState::Lost)
    }

    fn launch(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.closing.is_some() || (self.has_trouble() && !self.keep_going) {
            return effects;
        }
        let mut free = self.jobs.saturating_sub(self.running().len());
        for step in 0..self.states.len() {
            let done = |need: &usize| self.states[*need] == StepState::Completed;
            if free > 0
                && self.states[step] == StepState::Pending
                && self.needs[step].iter().all(done)
            {
                self.states[step] = StepState::Running;
                effects.push(Effect::Launch(step));
                free -= 1;
            }
        }
        effects
    }

    /// With nothing running after everything that can be launched was, the
    /// run is over.
    fn finish(&mut self) -> Option<Effect> {
        if !self.running().is_empty() {
            return None;
        }
        self.finished = true;
        let completed = self
            .states
            .iter()
            .all(|state| *state == StepState::Completed);
        Some(Effect::Finish(match self.closing {
            _ if completed => RunState::Completed,
            Some(Closing::Stopped) => RunState::Cancelled,
            Some(Closing::Broken) => RunState::Failed,
            None if self.has(StepState::Failed) => RunState::Failed,
            None => RunState::Lost,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use Effect::{Finish, Kill, Launch, Skip, Stop};
    use StepState::{Cancelled, Completed, Failed};

    fn ended(step: usize, state: StepState) -> Event {
        Event::Ended { step, state }
    }

    /// a, b; c needs a and b; d needs c; e alone.
    fn diamond(jobs: usize, keep_going: bool) -> Dispatch {
        let needs = vec![vec![], vec![], vec![0, 1], vec![2], vec![]];
        Dispatch::new(needs, &[StepState::Pending; 5], jobs, keep_going)
    }

    /// A timeline: each event with the effects expected of it.
    fn play(mut dispatch: Dispatch, timeline: &[(Event, &[Effect])]) {
        for (number, (event, expected)) in timeline.iter().enumerate() {
            assert_eq!(
                dispatch.step(*event),
                *expected,
                "event {number}: {event:?}"
            );
        }
    }

    #[test]
    fn steps_start_when_what_they_need_is_completed_and_a_place_is_free() {
        play(
            diamond(2, false),
            &[
                (Event::Begin, &[Launch(0), Launch(1)]),
                (ended(1, Completed), &[Launch(4)]),
                (ended(0, Completed), &[Launch(2)]),
                (ended(4, Completed), &[]),
                (ended(2, Completed), &[Launch(3)]),
                (ended(3, Completed), &[Finish(RunState::Completed)]),
            ],
        );
    }

    #[test]
    fn after_a_failure_nothing_new_starts_and_what_runs_may_finish() {
        play(
            diamond(2, false),
            &[
                (Event::Begin, &[Launch(0), Launch(1)]),
                (ended(0, Failed), &[Skip(2), Skip(3)]),
                (ended(1, Completed), &[Finish(RunState::Failed)]),
            ],
        );
    }

    #[test]
    fn keep_going_does_what_can_still_be_done() {
        play(
            diamond(2, true),
            &[
                (Event::Begin, &[Launch(0), Launch(1)]),
                (ended(0, Failed), &[Skip(2), Skip(3), Launch(4)]),
                (ended(1, Completed), &[]),
                (ended(4, Completed), &[Finish(RunState::Failed)]),
            ],
        );
    }

    #[test]
    fn the_second_stop_is_not_patient() {
        play(
            diamond(2, false),
            &[
                (Event::Begin, &[Launch(0), Launch(1)]),
                (Event::Stop, &[Stop(0), Stop(1)]),
                (ended(0, Cancelled), &[]),
                (Event::Stop, &[Kill(1)]),
                (ended(1, Cancelled), &[Finish(RunState::Cancelled)]),
            ],
        );
    }

    #[test]
    fn a_run_that_cannot_be_recorded_ends_as_failed() {
        play(
            diamond(1, true),
            &[
                (Event::Begin, &[Launch(0)]),
                (Event::Break, &[Stop(0)]),
                (
                    ended(0, Failed),
                    &[Skip(2), Skip(3), Finish(RunState::Failed)],
                ),
            ],
        );
    }

    #[test]
    fn resuming_leaves_out_what_is_completed() {
        let states = [
            Completed,
            Failed,
            StepState::Skipped,
            StepState::Skipped,
            Completed,
        ];
        let needs = vec![vec![], vec![], vec![0, 1], vec![2], vec![]];
        play(
            Dispatch::new(needs, &states, 4, false),
            &[
                (Event::Begin, &[Launch(1)]),
                (ended(1, Completed), &[Launch(2)]),
            ],
        );
    }

    proptest! {
        /// Any plan, any outcomes, any order of endings: it finishes, never
        /// runs more than it may, and starts nothing before what it needs.
        #[test]
        fn every_run_comes_to_its_end(
            edges in proptest::collection::vec((0_usize..30, 0_usize..30), 0..60),
            outcomes in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 30),
            jobs in 1_usize..5,
            keep_going: bool,
        ) {
            let mut needs = vec![Vec::new(); 30];
            for (a, b) in edges {
                if a < b {
                    needs[b].push(a);
                }
            }
            let mut dispatch = Dispatch::new(needs.clone(), &[StepState::Pending; 30], jobs, keep_going);
            let mut running: Vec<usize> = Vec::new();
            let mut finished = None;
            let mut event = Event::Begin;
            for (good, pick) in outcomes.iter().cycle().take(31) {
                for effect in dispatch.step(event) {
                    match effect {
                        Launch(step) => {
                            prop_assert!(needs[step].iter().all(|need| dispatch.states()[*need] == Completed));
                            running.push(step);
                        }
                        Finish(state) => finished = Some(state),
                        Skip(_) => {}
                        Stop(_) | Kill(_) => prop_assert!(false, "nobody asked for {effect:?}"),
                    }
                }
                prop_assert!(running.len() <= jobs);
                if running.is_empty() {
                    break;
                }
                let step = running.swap_remove(pick.index(running.len()));
                event = ended(step, if *good { Completed } else { Failed });
            }
            prop_assert!(finished.is_some());
        }
    }
}
