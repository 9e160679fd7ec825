//! How far a run is and how long it will still take.

use crate::dispatch::StepState;

/// What is known about a step's duration.
#[derive(Clone, Debug)]
pub struct StepTime {
    /// How the step stands.
    pub state: StepState,
    /// What it needs, by place.
    pub needs: Vec<usize>,
    /// What it took when it was last completed on this machine.
    pub known_seconds: Option<f64>,
    /// The plan's estimate in standard build units.
    pub sbu: Option<f64>,
    /// How long it has been running, or ran.
    pub elapsed_seconds: Option<f64>,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// 0 to 100; below 100 until it is really done.
    pub percent: f64,
    /// Time left.
    pub eta_seconds: f64,
}

/// What is not done shows as less than everything.
const PERCENT_MAX_UNDONE: f64 = 99.0;

/// The expected duration of each step; `None` where nothing is known at all:
/// no step of the plan has ended, here or before.
pub fn derive_durations(steps: &[StepTime]) -> Vec<Option<f64>> {
    let ended = || {
        steps.iter().filter_map(|step| match step.state {
            StepState::Completed => step.elapsed_seconds.map(|seconds| (seconds, step.sbu)),
            _ => step.known_seconds.map(|seconds| (seconds, step.sbu)),
        })
    };
    let (seconds, units) = ended()
        .filter_map(|(seconds, sbu)| Some((seconds, sbu?)))
        .fold((0.0, 0.0), |sum, (seconds, sbu)| {
            (sum.0 + seconds, sum.1 + sbu)
        });
    let seconds_per_unit = (units > 0.0).then_some(seconds / units);
    let (count, total) = ended().fold((0_u32, 0.0), |sum, (seconds, _)| {
        (sum.0 + 1, sum.1 + seconds)
    });
    let mean = (count > 0).then_some(total / f64::from(count));
    let duration = |step: &StepTime| {
        let by_plan = || Some(step.sbu? * seconds_per_unit?);
        step.known_seconds.or_else(by_plan).or(mean)
    };
    steps.iter().map(duration).collect()
}

/// How far the running step `step` is.
pub fn derive_step_progress(step: &StepTime, duration: Option<f64>) -> Option<Progress> {
    let (elapsed, duration) = (step.elapsed_seconds?, duration?);
    let percent = 100.0 * elapsed / duration.max(elapsed).max(f64::MIN_POSITIVE);
    Some(Progress {
        percent: percent.min(PERCENT_MAX_UNDONE),
        eta_seconds: (duration - elapsed).max(0.0),
    })
}

/// How far the run is with `jobs` steps at once: the time left is the longest
/// chain of steps that wait for each other, or all the work shared out,
/// whichever is more.
pub fn derive_run_progress(
    steps: &[StepTime],
    durations: &[Option<f64>],
    jobs: usize,
) -> Option<Progress> {
    let durations: Vec<f64> = durations.iter().copied().collect::<Option<_>>()?;
    let left = |place: usize| {
        let (step, duration) = (&steps[place], durations[place]);
        match step.state {
            StepState::Completed => 0.0,
            StepState::Running => (duration - step.elapsed_seconds.unwrap_or(0.0)).max(0.0),
            _ => duration,
        }
    };
    let work: f64 = durations.iter().sum();
    let work_left: f64 = (0..steps.len()).map(left).sum();
    let percent = 100.0 * (1.0 - work_left / work.max(f64::MIN_POSITIVE));
    let done = steps.iter().all(|step| step.state == StepState::Completed);
    #[expect(clippy::cast_precision_loss, reason = "nobody runs 2^52 steps at once")]
    let shared = work_left / jobs.max(1) as f64;
    Some(Progress {
        percent: if done {
            100.0
        } else {
            percent.min(PERCENT_MAX_UNDONE)
        },
        eta_seconds: longest_chain(steps, left).max(shared),
    })
}

fn longest_chain(steps: &[StepTime], left: impl Fn(usize) -> f64) -> f64 {
    // A step may stand before what it needs: the longest way to each one
    // settles after as many rounds as the longest chain has steps.
    let mut ends = vec![0.0_f64; steps.len()];
    loop {
        let mut changed = false;
        for place in 0..steps.len() {
            let begin = steps[place]
                .needs
                .iter()
                .map(|need| ends[*need])
                .fold(0.0, f64::max);
            let end = begin + left(place);
            if end > ends[place] {
                ends[place] = end;
                changed = true;
            }
        }
        if !changed {
            return ends.into_iter().fold(0.0, f64::max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(state: StepState, needs: &[usize], sbu: Option<f64>, elapsed: Option<f64>) -> StepTime {
        StepTime {
            state,
            needs: needs.to_vec(),
            known_seconds: None,
            sbu,
            elapsed_seconds: elapsed,
        }
    }

    #[test]
    fn nothing_is_estimated_before_anything_is_known() {
        let steps = [step(StepState::Running, &[], Some(1.0), Some(3.0))];
        assert_eq!(derive_durations(&steps), [None]);
        assert_eq!(derive_run_progress(&steps, &[None], 1), None);
    }

    #[test]
    fn the_first_completed_step_scales_the_others() {
        let steps = [
            step(StepState::Completed, &[], Some(2.0), Some(10.0)),
            step(StepState::Running, &[], Some(4.0), Some(5.0)),
            step(StepState::Pending, &[1], Some(1.0), None),
            step(StepState::Pending, &[], None, None),
        ];
        let durations = derive_durations(&steps);
        assert_eq!(durations, [Some(10.0), Some(20.0), Some(5.0), Some(10.0)]);
        let progress = derive_run_progress(&steps, &durations, 2).unwrap();
        // The chain: 15 left of the second step, then 5; shared out: 30 / 2.
        assert!((progress.eta_seconds - 20.0).abs() < 1e-9);
        assert!((progress.percent - 100.0 * 15.0 / 45.0).abs() < 1e-9);
        let one = derive_step_progress(&steps[1], durations[1]).unwrap();
        assert_eq!((one.percent, one.eta_seconds), (25.0, 15.0));
    }

    #[test]
    fn what_takes_longer_than_expected_is_not_done() {
        let mut late = step(StepState::Running, &[], None, Some(50.0));
        late.known_seconds = Some(10.0);
        let durations = derive_durations(std::slice::from_ref(&late));
        let one = derive_step_progress(&late, durations[0]).unwrap();
        assert_eq!((one.percent, one.eta_seconds), (99.0, 0.0));
        let run = derive_run_progress(&[late], &durations, 1).unwrap();
        assert_eq!((run.percent, run.eta_seconds), (99.0, 0.0));
    }
}
