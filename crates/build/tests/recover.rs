//! Cleaning up after a supervisor that died.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lfs_wrapper_build::Identity;
use lfs_wrapper_build::dispatch::{RunState, StepState};
use lfs_wrapper_build::plan::{Phase, Plan, Step};
use lfs_wrapper_build::record::{self, Options};
use lfs_wrapper_build::recover::recover;
use lfs_wrapper_state::{Database, StateDir};
use tempfile::TempDir;

/// A run with an attempt under way, as the work of `supervisor`.
fn begin(database: &Database, supervisor: &Identity) -> i64 {
    let plan = Plan {
        name: "test".to_owned(),
        book: None,
        steps: vec![Step {
            id: "a".to_owned(),
            phases: vec![Phase {
                name: "make".to_owned(),
                script: Some(String::new()),
                file: None,
            }],
            ..Step::default()
        }],
    };
    let options = Options {
        root: "/nowhere".into(),
        sources: None,
        jobs: 1,
        keep_going: false,
        environment: None,
        command: None,
    };
    let run = record::begin_run(database, &plan, &options, supervisor, 6).unwrap();
    record::begin_attempt(database, run, "a", |_| ("/nowhere/log".into(), None)).unwrap();
    run
}

fn dead() -> Identity {
    "no-such-boot:1:1".parse().unwrap()
}

#[test]
fn a_clean_up_that_was_begun_and_not_finished_is_finished() {
    let folder = TempDir::new().unwrap();
    let dir = StateDir::open(folder.path(), &folder.path().join("run")).unwrap();
    let database = Database::open(&dir).unwrap();
    let current = Identity::current().unwrap();
    let run = begin(&database, &dead());
    assert!(record::claim_run(&database, run, &dead(), &current).unwrap());
    // Nobody else can claim it, and this process has not forgotten it.
    assert!(!record::claim_run(&database, run, &dead(), &current).unwrap());
    assert_eq!(recover(&dir, &database).unwrap(), [run]);
    let run = record::read_run(&database, run).unwrap().unwrap();
    assert_eq!((run.state, run.supervisor), (RunState::Lost, None));
    assert_eq!(run.steps[0].state, StepState::Lost);
    assert_eq!(recover(&dir, &database).unwrap(), [0; 0]);
}

#[test]
fn a_run_whose_supervisor_lives_is_left_alone_and_numbers_rise() {
    let folder = TempDir::new().unwrap();
    let dir = StateDir::open(folder.path(), &folder.path().join("run")).unwrap();
    let database = Database::open(&dir).unwrap();
    let current = Identity::current().unwrap();
    assert_eq!(begin(&database, &current), 7);
    assert_eq!(begin(&database, &current), 8);
    assert_eq!(recover(&dir, &database).unwrap(), [0; 0]);
}
