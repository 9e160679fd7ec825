//! Does what [`step`](super::step) says, for one endpoint, in a thread of its own.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lfs_wrapper_model::{TimeMsec, now_msec, render_rfc3339};

use super::ahead::{AHEAD_SAMPLES_MAX, Ahead};
use super::client::{Client, Outcome};
use super::feed::{Feed, Positions, Raw};
use super::message::{METADATA_MAX, Series, encode_metadata, encode_series, label, plan_requests};
use super::settings::{RemoteWrite, SettingsError};
use super::statistics::{Count, Statistics};
use super::step::{Action, Answer, Event, State};
use crate::labels::Labels;
use crate::source::ReadError;

/// Ends senders, from another thread.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Senders return soon: at the latest when the request that is under way has
    /// been answered or takes too long.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether they are to end; waits as long for it.
    fn wait(&self, time: Duration) -> bool {
        let guard = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .0
            .1
            .wait_timeout_while(guard, time, |is_stopped| !*is_stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Sends what a history has to one endpoint. Holds one batch and what was read with
/// it, of which there is a limit.
pub struct Sender {
    settings: RemoteWrite,
    client: Client,
    feed: Arc<dyn Feed>,
    positions: Arc<dyn Positions>,
    statistics: Arc<Statistics>,
    batch: Batch,
    ahead: Option<Ahead>,
    metadata_at: Option<Instant>,
}

/// The series of a batch, and how they are cut.
#[derive(Default)]
struct Batch {
    series: Vec<Series>,
    /// For each request, where its series begin and end.
    requests: Vec<(usize, usize)>,
    /// The request that was made last.
    body: Option<(usize, Vec<u8>)>,
}

impl Sender {
    /// Looks at the settings and the files they name, and sends nothing yet.
    pub fn new(
        settings: RemoteWrite,
        feed: Arc<dyn Feed>,
        positions: Arc<dyn Positions>,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            client: Client::new(&settings)?,
            settings,
            feed,
            positions,
            statistics: Arc::default(),
            batch: Batch::default(),
            ahead: None,
            metadata_at: None,
        })
    }

    /// Figures, which are kept up to date.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.statistics)
    }

    /// Sends until it is stopped. What is under way then is sent again after the
    /// next start, unless it was acknowledged.
    pub fn run(&mut self, stop: &Stop) {
        let mut state = State::new(&self.settings);
        let mut action = state.first();
        loop {
            let is_save = matches!(action, Action::Save(_));
            // A position is kept even so: the acknowledgement must not be lost.
            if !is_save && stop.wait(Duration::ZERO) {
                return;
            }
            let event = match action {
                Action::Wait { min, max } => {
                    if stop.wait(between(min, max)) {
                        return;
                    }
                    Event::Waited
                }
                action => self.apply(&action).unwrap_or_else(|error| {
                    self.statistics.set_error(&error.to_string());
                    Event::Broken
                }),
            };
            action = state.step(event);
            for (which, amount) in state.take_notes() {
                self.statistics.add(which, amount);
            }
            let (sent_until_msec, lag_msec) = state.place();
            self.statistics.set_place(sent_until_msec, lag_msec);
            if state.is_ahead() {
                let sent_until = render_rfc3339(sent_until_msec);
                self.statistics.set_error(&format!(
                    "the history ends before {sent_until}, up to where it has been sent; was the \
                     clock set back? Nothing is sent until it is later than that"
                ));
            }
        }
    }

    fn apply(&mut self, action: &Action) -> Result<Event, ReadError> {
        let name = &self.settings.name;
        Ok(match action {
            Action::Load => Event::Loaded(self.positions.load(name)?),
            Action::Look => Event::Looked {
                durable_msec: self.feed.durable_until()?,
                deleted_msec: self.feed.deleted_until()?,
                now_msec: now_msec(),
            },
            Action::Save(position) => {
                self.positions.save(name, *position)?;
                Event::Saved
            }
            Action::Read {
                after_msec,
                until_msec,
                is_whole,
            } => self.read(*after_msec, *until_msec, *is_whole)?,
            Action::Send(request) => Event::Answered(self.send(*request)),
            Action::Wait { .. } => Event::Waited,
        })
    }

    fn read(
        &mut self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        is_whole: bool,
    ) -> Result<Event, ReadError> {
        self.batch = Batch::default();
        let held = self.ahead.take();
        let held = held.filter(|held| !is_whole && held.is_of(after_msec, until_msec));
        let mut ahead = match held {
            Some(held) => held,
            None => self.read_ahead(after_msec, until_msec, is_whole)?,
        };
        let raw = ahead.take(match is_whole {
            true => usize::MAX,
            false => self.settings.samples_max,
        });
        self.ahead = Some(ahead).filter(|ahead| !ahead.is_empty());
        let until_msec = raw.until_msec;
        let (batch, samples) = self.cut(raw);
        self.batch = batch;
        Ok(Event::Read {
            until_msec,
            requests: samples,
        })
    }

    fn read_ahead(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        is_whole: bool,
    ) -> Result<Ahead, ReadError> {
        let samples_max = match is_whole {
            true => usize::MAX,
            false => self.settings.samples_max.max(AHEAD_SAMPLES_MAX),
        };
        let alternatives = &self.settings.keep;
        let keep = |labels: &Labels| {
            let mut alternatives = alternatives.iter();
            let is_any = alternatives.len() == 0;
            is_any || alternatives.any(|all| all.iter().all(|one| one.matches(labels)))
        };
        let raw = self.feed.raw(after_msec, until_msec, samples_max, &keep)?;
        Ok(Ahead::new(after_msec, raw))
    }

    fn cut(&self, raw: Raw) -> (Batch, Vec<u64>) {
        let (series, merged) = label(raw, &self.settings.external_labels);
        self.statistics.add(Count::Merged, merged);
        let plan = plan_requests(&series, self.settings.samples_max);
        let mut end = 0;
        let requests = plan.iter().map(|(count, _)| {
            let start = end;
            end += count;
            (start, end)
        });
        let requests = requests.collect();
        let samples = plan
            .iter()
            .map(|plan| u64::try_from(plan.1).unwrap_or(u64::MAX));
        let batch = Batch {
            series,
            requests,
            body: None,
        };
        (batch, samples.collect())
    }

    fn send(&mut self, request: usize) -> Answer {
        let body = match self.batch.body.take() {
            Some((made, body)) if made == request => Ok(body),
            _ => {
                let (start, end) = self.batch.requests.get(request).copied().unwrap_or((0, 0));
                encode_series(self.batch.series.get(start..end).unwrap_or_default())
            }
        };
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                let message = format!("cannot compress a request: {error}");
                self.statistics.set_refusal(&message);
                return Answer::Refused;
            }
        };
        let Outcome { answer, message } = self.client.send(&body);
        match answer {
            Answer::Failed { .. } => {
                self.statistics.set_error(&message);
                self.batch.body = Some((request, body));
            }
            Answer::Taken => {
                self.statistics.set_error("");
                self.send_metadata();
            }
            // The endpoint is there, and said its last word on this.
            Answer::Refused => {
                self.statistics.set_error("");
                self.statistics.set_refusal(&message);
            }
        }
        answer
    }

    /// Says what metrics are, now and then, in requests of their own; whether it
    /// arrives matters to no sample.
    fn send_metadata(&mut self) {
        let Some(every) = self.settings.metadata_every else {
            return;
        };
        let is_due = self.metadata_at.is_none_or(|last| last.elapsed() >= every);
        if !is_due {
            return;
        }
        self.metadata_at = Some(Instant::now());
        let all = self.feed.metadata().unwrap_or_default();
        for part in all.chunks(METADATA_MAX) {
            let Ok(body) = encode_metadata(part) else {
                return;
            };
            let Outcome { answer, message } = self.client.send(&body);
            if answer != Answer::Taken {
                self.statistics.set_error(&format!("metadata: {message}"));
                return;
            }
        }
    }
}

/// A time between two, by chance.
fn between(min: Duration, max: Duration) -> Duration {
    let room = max.saturating_sub(min);
    // Its keys are random, and the only chance that the standard library has.
    let chance = RandomState::new().hash_one(0) % 1024;
    min + room / 1024 * u32::try_from(chance).unwrap_or(0)
}
