use std::collections::HashMap;

use lfs_wrapper_model::document::nearest;

use super::{Phase, Plan, Step};

/// The longest id, which also becomes the name of files and control groups.
const ID_LENGTH_MAX: usize = 100;

/// What makes a plan one that cannot be run. Steps are given by their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing to do.
    Empty,
    /// The plan's name cannot be the name of a folder.
    BadName,
    /// The id cannot be the name of a file.
    BadId {
        /// The step.
        step: usize,
    },
    /// Two steps have one id.
    Duplicate {
        /// The second of them.
        step: usize,
    },
    /// A need that no step answers.
    UnknownNeed {
        /// The step that has it.
        step: usize,
        /// Its place among the step's needs.
        need: usize,
        /// The id most like it.
        near: Option<String>,
    },
    /// Steps that wait for each other: each needs the next, the last the first.
    Cycle {
        /// The circle, beginning with its first step in the plan.
        steps: Vec<usize>,
    },
    /// A step without phases, or a phase with neither a script nor a file.
    NothingToRun {
        /// The step.
        step: usize,
    },
}

/// Looks for the first thing that makes `plan` one that cannot be run.
pub fn check(plan: &Plan) -> Result<(), Fault> {
    if !is_name(&plan.name) {
        return Err(Fault::BadName);
    }
    if plan.steps.is_empty() {
        return Err(Fault::Empty);
    }
    let mut places = HashMap::new();
    for (place, step) in plan.steps.iter().enumerate() {
        if !is_id(&step.id) {
            return Err(Fault::BadId { step: place });
        }
        if places.insert(step.id.as_str(), place).is_some() {
            return Err(Fault::Duplicate { step: place });
        }
        if step.phases.is_empty() || !step.phases.iter().all(is_runnable) {
            return Err(Fault::NothingToRun { step: place });
        }
    }
    for (place, step) in plan.steps.iter().enumerate() {
        check_needs(place, step, &places)?;
    }
    match find_cycle(&plan.needs()) {
        Some(steps) => Err(Fault::Cycle { steps }),
        None => Ok(()),
    }
}

/// Letters, digits and `._+-`, beginning with a letter or a digit.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    id.len() <= ID_LENGTH_MAX
        && id.bytes().all(plain)
        && id.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// One part of a path, and readable: its default root is a folder of this name.
fn is_name(name: &str) -> bool {
    (1..=ID_LENGTH_MAX).contains(&name.len())
        && !name.starts_with('.')
        && !name
            .chars()
            .any(|character| character == '/' || character.is_control())
}

fn is_runnable(phase: &Phase) -> bool {
    phase.script.is_some() != phase.file.is_some()
}

fn check_needs(place: usize, step: &Step, places: &HashMap<&str, usize>) -> Result<(), Fault> {
    let unknown = |id: &String| !places.contains_key(id.as_str());
    match step.needs.iter().position(unknown) {
        Some(need) => Err(Fault::UnknownNeed {
            step: place,
            need,
            near: nearest(&step.needs[need], places.keys().copied()).map(str::to_owned),
        }),
        None => Ok(()),
    }
}

/// Depth first with the path kept beside: a need that is on the path closes a
/// circle. Without recursion, since a plan may be a chain of thousands.
fn find_cycle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut done = vec![false; needs.len()];
    let mut on_path = vec![false; needs.len()];
    for start in 0..needs.len() {
        if done[start] {
            continue;
        }
        let mut path = vec![(start, 0)];
        on_path[start] = true;
        while let Some((step, next)) = path.last_mut() {
            let step = *step;
            let Some(&need) = needs[step].get(*next) else {
                done[step] = true;
                on_path[step] = false;
                path.pop();
                continue;
            };
            *next += 1;
            if on_path[need] {
                let circle = path.iter().map(|(step, _)| *step);
                return Some(from_first(
                    circle.skip_while(|step| *step != need).collect(),
                ));
            }
            if !done[need] {
                on_path[need] = true;
                path.push((need, 0));
            }
        }
    }
    None
}

fn from_first(mut circle: Vec<usize>) -> Vec<usize> {
    let first = (0..circle.len()).min_by_key(|place| circle[*place]);
    circle.rotate_left(first.unwrap_or(0));
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(steps: &[(&str, &[&str])]) -> Plan {
        let step = |(id, needs): &(&str, &[&str])| Step {
            id: (*id).to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            phases: vec![Phase {
                name: "make".to_owned(),
                script: Some("true".to_owned()),
                file: None,
            }],
            ..Step::default()
        };
        Plan {
            name: "test".to_owned(),
            book: None,
            steps: steps.iter().map(step).collect(),
        }
    }

    #[test]
    fn each_fault_is_found() {
        type Row<'a> = (&'a [(&'a str, &'a [&'a str])], Result<(), Fault>);
        let table: [Row<'_>; 9] = [
            (&[], Err(Fault::Empty)),
            (&[("a", &[]), ("b", &["a"])], Ok(())),
            (&[("b", &["a"]), ("a", &[])], Ok(())),
            (&[("a/b", &[])], Err(Fault::BadId { step: 0 })),
            (&[("a", &[]), ("a", &[])], Err(Fault::Duplicate { step: 1 })),
            (
                &[("binutils", &[]), ("gcc", &["binutil"])],
                Err(Fault::UnknownNeed {
                    step: 1,
                    need: 0,
                    near: Some("binutils".to_owned()),
                }),
            ),
            (&[("a", &["a"])], Err(Fault::Cycle { steps: vec![0] })),
            (
                &[
                    ("x", &[]),
                    ("a", &["x", "b"]),
                    ("b", &["c"]),
                    ("c", &["x", "a"]),
                ],
                Err(Fault::Cycle {
                    steps: vec![1, 2, 3],
                }),
            ),
            (
                // Two ways to one step are no circle.
                &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])],
                Ok(()),
            ),
        ];
        for (steps, expected) in table {
            assert_eq!(check(&plan(steps)), expected, "{steps:?}");
        }
    }

    #[test]
    fn a_name_is_one_part_of_a_path() {
        for name in ["", "..", "/usr", "a/../../b", "a\nb", ".hidden"] {
            let mut plan = plan(&[("a", &[])]);
            plan.name = name.to_owned();
            assert_eq!(check(&plan), Err(Fault::BadName), "{name:?}");
        }
    }

    #[test]
    fn a_phase_is_a_script_or_a_file_and_not_both() {
        let mut both = plan(&[("a", &[])]);
        both.steps[0].phases[0].file = Some("/bin/true".into());
        assert_eq!(check(&both), Err(Fault::NothingToRun { step: 0 }));
        both.steps[0].phases[0].script = None;
        assert_eq!(check(&both), Ok(()));
    }
}
