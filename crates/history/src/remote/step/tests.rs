//! Timelines: events, and what each leads to.

use super::*;

const TAKEN: Event = Event::Answered(Answer::Taken);
const REFUSED: Event = Event::Answered(Answer::Refused);
const UNREACHABLE: Event = failed(false, None);
const UNCLEAR: Event = failed(true, None);
const EVERY: Action = Action::Wait {
    min: Duration::from_secs(5),
    max: Duration::from_secs(5),
};

const fn failed(is_unclear: bool, after: Option<Duration>) -> Event {
    Event::Answered(Answer::Failed { is_unclear, after })
}

fn state(start: Start) -> State {
    State::new(&RemoteWrite {
        start,
        ..RemoteWrite::new("far", "http://localhost/")
    })
}

fn at(sent: TimeMsec, offered: TimeMsec) -> Position {
    Position {
        sent_until_msec: sent,
        offered_until_msec: offered,
    }
}

fn loaded(sent: TimeMsec, offered: TimeMsec) -> Event {
    Event::Loaded(Some(at(sent, offered)))
}

fn looked(durable: TimeMsec) -> Event {
    Event::Looked {
        durable_msec: Some(durable),
        deleted_msec: None,
        now_msec: 0,
    }
}

fn deleted(deleted: TimeMsec, durable: TimeMsec) -> Event {
    Event::Looked {
        durable_msec: Some(durable),
        deleted_msec: Some(deleted),
        now_msec: 0,
    }
}

fn batch(until_msec: TimeMsec, requests: &[u64]) -> Event {
    Event::Read {
        until_msec,
        requests: requests.to_vec(),
    }
}

fn read(after_msec: TimeMsec, until_msec: TimeMsec, is_whole: bool) -> Action {
    Action::Read {
        after_msec,
        until_msec,
        is_whole,
    }
}

fn wait(min_msec: u64, max_msec: u64) -> Action {
    Action::Wait {
        min: Duration::from_millis(min_msec),
        max: Duration::from_millis(max_msec),
    }
}

fn run(state: &mut State, timeline: impl IntoIterator<Item = (Event, Action)>) {
    for (index, (event, expected)) in timeline.into_iter().enumerate() {
        let shown = format!("{index}: {event:?}");
        assert_eq!(state.step(event), expected, "{shown}");
    }
}

fn noted(state: &mut State, which: Count) -> u64 {
    let notes = state.take_notes();
    let (found, others) = notes.into_iter().partition(|note| note.0 == which);
    state.notes = others;
    let found: Vec<(Count, u64)> = found;
    found.into_iter().map(|note| note.1).sum()
}

#[test]
fn a_batch_is_kept_as_offered_before_and_as_sent_after() {
    let mut state = state(Start::Now);
    assert_eq!(state.first(), Action::Load);
    run(
        &mut state,
        [
            (loaded(10, 10), Action::Look),
            (looked(30), read(10, 30, false)),
            (batch(20, &[4]), Action::Save(at(10, 20))),
            (Event::Saved, Action::Send(0)),
            (TAKEN, Action::Save(at(20, 20))),
            // There is more: at once.
            (Event::Saved, Action::Look),
            (looked(30), read(20, 30, false)),
            (batch(30, &[3, 2]), Action::Save(at(20, 30))),
            (Event::Saved, Action::Send(0)),
            (TAKEN, Action::Send(1)),
            (TAKEN, Action::Save(at(30, 30))),
            (Event::Saved, EVERY),
            (Event::Waited, Action::Look),
            (looked(30), EVERY),
        ],
    );
    assert_eq!(noted(&mut state, Count::Sent), 9);
    assert_eq!(state.place(), (30, 0));
}

#[test]
fn a_new_endpoint_begins_now_or_at_the_beginning() {
    let now = Action::Save(at(50, 50));
    run(
        &mut state(Start::Now),
        [
            (Event::Loaded(None), Action::Look),
            (deleted(20, 50), now),
            (Event::Saved, Action::Look),
            (deleted(20, 50), EVERY),
        ],
    );
    let mut from_all = state(Start::Beginning);
    run(
        &mut from_all,
        [
            (Event::Loaded(None), Action::Look),
            (deleted(20, 50), Action::Save(at(20, 20))),
            (Event::Saved, Action::Look),
            (deleted(20, 50), read(20, 50, false)),
        ],
    );
    assert_eq!(noted(&mut from_all, Count::LostGaps), 0);
}

#[test]
fn what_is_imported_into_an_empty_history_is_not_of_now() {
    let looked = |durable_msec, now_msec| Event::Looked {
        durable_msec,
        deleted_msec: None,
        now_msec,
    };
    let mut empty = state(Start::Now);
    run(
        &mut empty,
        [
            (Event::Loaded(None), Action::Look),
            (looked(None, 40), Action::Save(at(40, 40))),
            (Event::Saved, Action::Look),
            (looked(None, 41), EVERY),
            (Event::Waited, Action::Look),
            (looked(Some(47), 50), read(40, 47, false)),
        ],
    );
    assert_eq!(empty.place(), (40, 7));
    // The monitor was away, and that time has been imported.
    let mut away = state(Start::Now);
    run(
        &mut away,
        [
            (Event::Loaded(None), Action::Look),
            (looked(Some(10), 40), Action::Save(at(40, 40))),
            (Event::Saved, Action::Look),
            (looked(Some(10), 41), EVERY),
        ],
    );
    assert!(!away.is_ahead());
}

#[test]
fn what_was_offered_may_be_read_again_in_parts() {
    let mut state = state(Start::Now);
    run(
        &mut state,
        [
            (loaded(10, 40), Action::Look),
            (looked(99), read(10, 40, true)),
            // Nothing is there so far.
            (batch(20, &[]), Action::Save(at(20, 40))),
            (Event::Saved, Action::Look),
            (looked(99), read(20, 40, true)),
            (batch(30, &[5]), Action::Send(0)),
            (REFUSED, Action::Save(at(30, 40))),
            (Event::Saved, Action::Look),
            (looked(99), read(30, 40, true)),
            (batch(40, &[6]), Action::Send(0)),
            (TAKEN, Action::Save(at(40, 40))),
            (Event::Saved, Action::Look),
            (looked(99), read(40, 99, false)),
        ],
    );
    assert_eq!(noted(&mut state, Count::RefusedAgain), 5);
}

#[test]
fn what_was_offered_before_a_restart_is_offered_again_as_it_was() {
    let mut state = state(Start::Now);
    run(
        &mut state,
        [
            (loaded(10, 20), Action::Look),
            (looked(99), read(10, 20, true)),
            (batch(20, &[5, 5]), Action::Send(0)),
            (REFUSED, Action::Send(1)),
            (TAKEN, Action::Save(at(20, 20))),
            (Event::Saved, Action::Look),
            (looked(99), read(20, 99, false)),
            (batch(99, &[5]), Action::Save(at(20, 99))),
            (Event::Saved, Action::Send(0)),
            (REFUSED, Action::Save(at(99, 99))),
        ],
    );
    assert_eq!(noted(&mut state, Count::RefusedAgain), 5);
    assert_eq!(noted(&mut state, Count::Refused), 5);
    assert_eq!(noted(&mut state, Count::Sent), 5);
}

#[test]
fn failures_are_retried_for_ever_with_longer_pauses() {
    let mut state = state(Start::Now);
    run(
        &mut state,
        [
            (loaded(0, 0), Action::Look),
            (looked(9), read(0, 9, false)),
            (batch(9, &[5]), Action::Save(at(0, 9))),
            (Event::Saved, Action::Send(0)),
        ],
    );
    let pauses = [
        30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 30_000, 30_000,
    ];
    for pause in pauses {
        run(
            &mut state,
            [
                (UNREACHABLE, wait(pause / 2, pause)),
                (Event::Waited, Action::Look),
                (looked(500), Action::Send(0)),
            ],
        );
    }
    assert_eq!(state.place(), (0, 500));
    for _ in 0..100 {
        state.step(UNREACHABLE);
        state.step(Event::Waited);
        state.step(looked(500));
    }
    // It never arrived, so that the refusal is the first.
    run(&mut state, [(REFUSED, Action::Save(at(9, 9)))]);
    assert_eq!(noted(&mut state, Count::Refused), 5);
    assert_eq!(noted(&mut state, Count::Retried), 112 * 5);
}

#[test]
fn the_endpoint_may_say_when_to_come_back() {
    let mut state = state(Start::Now);
    let later = |seconds| failed(true, Some(Duration::from_secs(seconds)));
    run(
        &mut state,
        [
            (loaded(0, 0), Action::Look),
            (looked(9), read(0, 9, false)),
            (batch(9, &[5]), Action::Save(at(0, 9))),
            (Event::Saved, Action::Send(0)),
            (later(7), wait(7_000, 7_015)),
            (Event::Waited, Action::Look),
            (looked(9), Action::Send(0)),
            (later(1 << 40), wait(3_600_000, 3_600_030)),
        ],
    );
}

#[test]
fn a_refusal_behind_an_unclear_answer_is_no_loss() {
    let mut state = state(Start::Now);
    run(
        &mut state,
        [
            (loaded(0, 0), Action::Look),
            (looked(9), read(0, 9, false)),
            (batch(9, &[5, 6]), Action::Save(at(0, 9))),
            (Event::Saved, Action::Send(0)),
            (UNCLEAR, wait(15, 30)),
            (Event::Waited, Action::Look),
            (looked(9), Action::Send(0)),
            (UNREACHABLE, wait(30, 60)),
            (Event::Waited, Action::Look),
            (looked(9), Action::Send(0)),
            (REFUSED, Action::Send(1)),
            (REFUSED, Action::Save(at(9, 9))),
        ],
    );
    assert_eq!(noted(&mut state, Count::RefusedAgain), 5);
    assert_eq!(noted(&mut state, Count::Refused), 6);
}

#[test]
fn what_became_too_old_is_lost_and_it_goes_on() {
    let mut state = state(Start::Now);
    run(
        &mut state,
        [
            (loaded(10, 20), Action::Look),
            // A part of what was offered is gone.
            (deleted(15, 99), Action::Save(at(15, 20))),
            (Event::Saved, Action::Look),
            (deleted(15, 99), read(15, 20, true)),
            (batch(20, &[]), Action::Save(at(20, 20))),
            (Event::Saved, Action::Look),
            (deleted(50, 99), Action::Save(at(50, 50))),
            (Event::Saved, Action::Look),
            (deleted(50, 99), read(50, 99, false)),
        ],
    );
    assert_eq!(noted(&mut state, Count::LostGaps), 2);
    assert_eq!(noted(&mut state, Count::LostMsec), 35);
}

#[test]
fn what_cannot_be_read_or_kept_is_tried_again_and_counts_as_a_failure() {
    let mut state = state(Start::Now);
    run(
        &mut state,
        [
            (Event::Broken, wait(15, 30)),
            (Event::Waited, Action::Load),
            (loaded(0, 0), Action::Look),
            (looked(9), read(0, 9, false)),
            (Event::Broken, wait(30, 60)),
            (Event::Waited, Action::Look),
            (looked(300), read(0, 300, false)),
        ],
    );
    assert_eq!(noted(&mut state, Count::Failed), 2);
    assert_eq!(state.place(), (0, 300));
    run(
        &mut state,
        [
            (batch(9, &[1]), Action::Save(at(0, 9))),
            (Event::Broken, wait(15, 30)),
            (Event::Waited, Action::Look),
            // Not even this goes.
            (Event::Broken, wait(30, 60)),
            (Event::Waited, Action::Look),
            (looked(400), Action::Save(at(0, 9))),
            (Event::Broken, wait(60, 120)),
            (Event::Waited, Action::Look),
            (looked(500), Action::Save(at(0, 9))),
            (Event::Saved, Action::Send(0)),
        ],
    );
    assert_eq!(noted(&mut state, Count::Failed), 3);
    assert_eq!(state.place(), (0, 500));
}

#[test]
fn an_interval_without_samples_is_passed_over() {
    run(
        &mut state(Start::Now),
        [
            (loaded(0, 0), Action::Look),
            (looked(9), read(0, 9, false)),
            (batch(9, &[]), Action::Save(at(9, 9))),
            (Event::Saved, EVERY),
        ],
    );
}

#[test]
fn a_history_that_ends_before_what_was_sent_is_waited_for() {
    let mut state = state(Start::Now);
    run(
        &mut state,
        [(loaded(50, 50), Action::Look), (looked(20), EVERY)],
    );
    assert!(state.is_ahead());
    assert_eq!(state.place(), (50, 0));
    run(
        &mut state,
        [
            (Event::Waited, Action::Look),
            (looked(60), read(50, 60, false)),
        ],
    );
    assert!(!state.is_ahead());
}
