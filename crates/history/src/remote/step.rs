//! What to do next for one endpoint. Reads no clock and does nothing itself: an
//! event goes in, an action comes out.
//!
//! A batch is an interval of time. It is kept as offered before it is sent, and
//! as sent when all its requests are settled. After a restart in between, the
//! same interval is read again and cut into the same requests, so that an
//! endpoint which takes a request as a whole or not at all gets each one once:
//! where it has one already, it refuses it.

use std::time::Duration;

use lfs_wrapper_model::TimeMsec;

use super::feed::Position;
use super::settings::{RemoteWrite, Start};
use super::statistics::Count;

/// No endpoint is waited for longer than this because it says so.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The position that was kept.
    Loaded(Option<Position>),
    /// What the history has, and what time it is.
    Looked {
        durable_msec: Option<TimeMsec>,
        deleted_msec: Option<TimeMsec>,
        now_msec: TimeMsec,
    },
    /// A batch, and how many samples each of its requests has. It may end before
    /// what was asked for does, and be empty.
    Read {
        until_msec: TimeMsec,
        requests: Vec<u64>,
    },
    /// The position is kept.
    Saved,
    /// The endpoint's answer to the request.
    Answered(Answer),
    /// The time is over.
    Waited,
    /// The history or the position could not be read or kept.
    Broken,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is acknowledged.
    Taken,
    /// The endpoint will not take it, however often it is sent.
    Refused,
    /// Perhaps later.
    Failed {
        /// It may have been taken, and only the answer is missing.
        is_unclear: bool,
        /// When to come back, as the endpoint says.
        after: Option<Duration>,
    },
}

/// What to do, after which comes the event that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Load the position: `Loaded`.
    Load,
    /// Ask the history what it has: `Looked`.
    Look,
    /// Read a batch: `Read`. However many samples it has where `is_whole`.
    Read {
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        is_whole: bool,
    },
    /// Keep the position: `Saved`.
    Save(Position),
    /// Send this one of the batch's requests: `Answered`.
    Send(usize),
    /// Wait for a time between these: `Waited`.
    Wait { min: Duration, max: Duration },
}

/// What is known of one endpoint.
#[derive(Debug)]
pub(super) struct State {
    start: Start,
    every: Duration,
    pause_min: Duration,
    pause_max: Duration,
    is_new: bool,
    position: Position,
    durable_msec: Option<TimeMsec>,
    /// When the history was looked at last.
    now_msec: TimeMsec,
    /// What was there when it was first looked for.
    first_msec: Option<TimeMsec>,
    batch: Option<Batch>,
    /// There is more to read than what was read last.
    is_behind: bool,
    /// One after another, of whatever.
    failures: u32,
    /// What is to be done again.
    broken: Option<Action>,
    doing: Action,
    notes: Vec<(Count, u64)>,
}

/// A batch that is under way.
#[derive(Debug)]
struct Batch {
    until_msec: TimeMsec,
    requests: Vec<u64>,
    next: usize,
    /// It was offered before this program started.
    is_again: bool,
    /// The request that is next may have arrived.
    is_unclear: bool,
}

impl State {
    pub(super) fn new(settings: &RemoteWrite) -> Self {
        Self {
            start: settings.start,
            every: settings.every,
            pause_min: settings.pause_min,
            pause_max: settings.pause_max,
            is_new: false,
            position: Position::BEGINNING,
            durable_msec: None,
            now_msec: TimeMsec::MAX,
            first_msec: None,
            batch: None,
            is_behind: true,
            failures: 0,
            broken: None,
            doing: Action::Load,
            notes: Vec::new(),
        }
    }

    /// What to do first.
    pub(super) fn first(&self) -> Action {
        self.doing.clone()
    }

    /// What has to be counted since it was last asked.
    pub(super) fn take_notes(&mut self) -> Vec<(Count, u64)> {
        std::mem::take(&mut self.notes)
    }

    /// Up to where everything is settled, and how far behind that is.
    pub(super) fn place(&self) -> (TimeMsec, u64) {
        let sent_msec = self.position.sent_until_msec;
        let lag = match self.durable_msec {
            // Of what an endpoint never got, what was there first is not known here.
            Some(durable_msec) if sent_msec == TimeMsec::MIN => {
                span(self.first_msec.unwrap_or(durable_msec), durable_msec)
            }
            Some(durable_msec) => span(sent_msec, durable_msec),
            None => 0,
        };
        (sent_msec, lag)
    }

    /// The history ends before what is settled, and so does the present, which no
    /// time that passes explains.
    pub(super) fn is_ahead(&self) -> bool {
        let sent_msec = self.position.sent_until_msec;
        let is_before = |durable_msec| durable_msec < sent_msec;
        self.durable_msec.is_some_and(is_before) && self.now_msec < sent_msec
    }

    pub(super) fn step(&mut self, event: Event) -> Action {
        let action = match event {
            Event::Loaded(position) => self.start_at(position),
            Event::Looked {
                durable_msec,
                deleted_msec,
                now_msec,
            } => {
                self.durable_msec = durable_msec;
                self.now_msec = now_msec;
                self.first_msec = self.first_msec.or(durable_msec);
                match self.broken.take() {
                    Some(save @ Action::Save(_)) => save,
                    _ => self.plan(deleted_msec),
                }
            }
            Event::Read {
                until_msec,
                requests,
            } => self.begin(until_msec, requests),
            Event::Saved => self.after_save(),
            Event::Answered(answer) => self.settle(answer),
            Event::Waited => self.resume(),
            Event::Broken => {
                self.notes.push((Count::Failed, 1));
                // A position that waits to be kept goes on waiting.
                if self.broken.is_none() {
                    self.broken = Some(self.doing.clone());
                }
                self.pause(None)
            }
        };
        self.doing = action.clone();
        action
    }

    fn start_at(&mut self, position: Option<Position>) -> Action {
        self.is_new = position.is_none();
        self.position = position.unwrap_or(Position::BEGINNING);
        Action::Look
    }

    /// After a pause. How far behind it is, is looked at each time, also where
    /// nothing gets better.
    fn resume(&mut self) -> Action {
        match self.broken.take() {
            Some(Action::Load) => Action::Load,
            Some(save @ Action::Save(_)) => {
                self.broken = Some(save);
                Action::Look
            }
            _ => Action::Look,
        }
    }

    fn plan(&mut self, deleted: Option<TimeMsec>) -> Action {
        let durable = self.durable_msec;
        if self.is_new {
            self.is_new = false;
            let until = match self.start {
                // What is not durable yet, or is imported, is of before too.
                Start::Now => durable.max(Some(self.now_msec)),
                Start::Beginning => deleted,
            };
            self.position = until.map_or(Position::BEGINNING, Position::settled);
            return Action::Save(self.position);
        }
        if let Some(batch) = &self.batch {
            return Action::Send(batch.next);
        }
        let Position {
            sent_until_msec: after_msec,
            offered_until_msec,
        } = self.position;
        if let Some(deleted) = deleted.filter(|deleted| *deleted > after_msec) {
            return self.lose(deleted);
        }
        if offered_until_msec > after_msec {
            self.is_behind = true;
            return Action::Read {
                after_msec,
                until_msec: offered_until_msec,
                is_whole: true,
            };
        }
        match durable.filter(|durable| *durable > after_msec) {
            Some(until_msec) => Action::Read {
                after_msec,
                until_msec,
                is_whole: false,
            },
            None => self.wait_for_more(),
        }
    }

    /// What has become too old is not sent any more.
    fn lose(&mut self, deleted_msec: TimeMsec) -> Action {
        let sent_msec = self.position.sent_until_msec;
        self.notes.push((Count::LostGaps, 1));
        if sent_msec != TimeMsec::MIN {
            let lost = span(sent_msec, deleted_msec);
            self.notes.push((Count::LostMsec, lost));
        }
        let offered_until_msec = self.position.offered_until_msec.max(deleted_msec);
        self.is_behind = true;
        self.position = Position {
            sent_until_msec: deleted_msec,
            offered_until_msec,
        };
        Action::Save(self.position)
    }

    fn begin(&mut self, until_msec: TimeMsec, requests: Vec<u64>) -> Action {
        self.failures = 0;
        let is_again = self.position.offered_until_msec > self.position.sent_until_msec;
        self.is_behind = is_again
            || self
                .durable_msec
                .is_some_and(|durable| durable > until_msec);
        if requests.is_empty() {
            return self.pass(until_msec);
        }
        let offered_msec = self.position.offered_until_msec.max(until_msec);
        self.position.offered_until_msec = offered_msec;
        self.batch = Some(Batch {
            until_msec,
            requests,
            next: 0,
            is_again,
            is_unclear: false,
        });
        if is_again {
            return Action::Send(0);
        }
        Action::Save(self.position)
    }

    fn after_save(&mut self) -> Action {
        match &self.batch {
            Some(batch) => Action::Send(batch.next),
            None if self.is_behind => Action::Look,
            None => self.wait_for_more(),
        }
    }

    fn settle(&mut self, answer: Answer) -> Action {
        let Some(batch) = &mut self.batch else {
            return Action::Look;
        };
        let samples = batch.requests.get(batch.next).copied().unwrap_or(0);
        self.notes.push((Count::Requests, 1));
        match answer {
            Answer::Taken => self.notes.push((Count::Sent, samples)),
            Answer::Refused if batch.is_again || batch.is_unclear => {
                self.notes.push((Count::RefusedAgain, samples));
            }
            Answer::Refused => self.notes.push((Count::Refused, samples)),
            Answer::Failed { is_unclear, after } => {
                batch.is_unclear |= is_unclear;
                self.notes.push((Count::Failed, 1));
                self.notes.push((Count::Retried, samples));
                return self.pause(after);
            }
        }
        self.failures = 0;
        batch.next += 1;
        batch.is_unclear = false;
        if batch.next < batch.requests.len() {
            return Action::Send(batch.next);
        }
        let until_msec = batch.until_msec;
        self.batch = None;
        self.pass(until_msec)
    }

    /// Everything up to here is settled. What was offered before a restart may
    /// reach further.
    fn pass(&mut self, until_msec: TimeMsec) -> Action {
        self.position = Position {
            sent_until_msec: until_msec,
            offered_until_msec: self.position.offered_until_msec.max(until_msec),
        };
        Action::Save(self.position)
    }

    fn wait_for_more(&mut self) -> Action {
        self.failures = 0;
        Action::Wait {
            min: self.every,
            max: self.every,
        }
    }

    /// Each pause is twice as long as the one before, up to a limit, and a part
    /// of it is left to chance, so that many senders do not come back at once.
    fn pause(&mut self, after: Option<Duration>) -> Action {
        let factor = 1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let pause = self.pause_min.saturating_mul(factor).min(self.pause_max);
        let after = after.unwrap_or_default().min(RETRY_AFTER_MAX);
        Action::Wait {
            min: after.max(pause / 2),
            max: after.saturating_add(pause / 2).max(pause),
        }
    }
}

/// From one moment to a later one.
fn span(from_msec: TimeMsec, to_msec: TimeMsec) -> u64 {
    u64::try_from(to_msec.saturating_sub(from_msec)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
