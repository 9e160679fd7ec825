//! Calls that may never return, because a disk or a server behind them does not
//! answer: each is waited for only so long.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long a call is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Threads that may wait for what does not answer, before no more are risked.
const STUCK_MAX: usize = 8;

/// What may not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// List a folder.
    List(PathBuf),
    /// Read a file.
    Read(PathBuf),
}

impl Call {
    fn path(&self) -> &Path {
        match self {
            Self::List(path) | Self::Read(path) => path,
        }
    }
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// The paths in a folder, and why these are not all.
    Listed(io::Result<Listing>),
    /// A file's text.
    Read(io::Result<Content>),
}

#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) paths: Vec<PathBuf>,
    pub(super) is_cut: bool,
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) text: Vec<u8>,
    pub(super) mtime_seconds: f64,
}

/// What may happen while something is waited for.
#[derive(Debug)]
pub(super) enum Event {
    /// Everything is to end.
    Stop,
    /// The worker with this number has done its call.
    Answered(u64, Answer),
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Called {
    Answered(Answer),
    /// It does not return, or one before it at the same path has not.
    Stuck,
    /// No thread can be had.
    Failed(io::Error),
    /// Everything is to end.
    Stopped,
}

/// A thread that does one call after the other; it ends when this goes and its
/// call has returned, which is not waited for.
struct Worker {
    number: u64,
    calls: Sender<Call>,
}

type Work = dyn Fn(Call) -> Answer + Send + Sync;

/// Does calls on a thread that is left behind when it does not answer.
pub(super) struct Patience {
    events: Sender<Event>,
    received: Receiver<Event>,
    worker: Option<Worker>,
    /// Those that were left behind, each at a path.
    stuck: HashMap<PathBuf, Worker>,
    workers: u64,
    answer_max: Duration,
}

impl Patience {
    /// `events` is where [`Event::Stop`] may be sent, `received` its other end.
    pub(super) fn new(events: Sender<Event>, received: Receiver<Event>) -> Self {
        Self {
            events,
            received,
            worker: None,
            stuck: HashMap::new(),
            workers: 0,
            answer_max: ANSWER_MAX,
        }
    }

    #[cfg(test)]
    pub(super) fn with_answer_max(mut self, answer_max: Duration) -> Self {
        self.answer_max = answer_max;
        self
    }

    /// Waits for `work` of `call`, but not for ever.
    pub(super) fn call(&mut self, call: Call, work: &Arc<Work>) -> Called {
        let path = call.path().to_owned();
        if self.wait(Instant::now()) {
            return Called::Stopped;
        }
        if self.stuck.contains_key(&path) || self.stuck.len() >= STUCK_MAX {
            return Called::Stuck;
        }
        let worker = match self.take_worker(work) {
            Ok(worker) => worker,
            Err(error) => return Called::Failed(error),
        };
        // A worker ends only after this has let go of it.
        let _ = worker.calls.send(call);
        let end = Instant::now() + self.answer_max;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(Event::Answered(number, answer)) if number == worker.number => {
                    self.worker = Some(worker);
                    return Called::Answered(answer);
                }
                Ok(Event::Answered(number, _)) => self.release(number),
                Ok(Event::Stop) => return Called::Stopped,
                Err(RecvTimeoutError::Timeout) => {
                    self.stuck.insert(path, worker);
                    return Called::Stuck;
                }
                Err(RecvTimeoutError::Disconnected) => return Called::Stopped,
            }
        }
    }

    /// Waits until then; true when everything is to end.
    pub(super) fn wait(&mut self, end: Instant) -> bool {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(Event::Answered(number, _)) => self.release(number),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// One that was left behind has come back after all.
    fn release(&mut self, number: u64) {
        self.stuck.retain(|_, worker| worker.number != number);
    }

    fn take_worker(&mut self, work: &Arc<Work>) -> io::Result<Worker> {
        if let Some(worker) = self.worker.take() {
            return Ok(worker);
        }
        self.workers += 1;
        let number = self.workers;
        let (calls, received) = mpsc::channel();
        let (events, work) = (self.events.clone(), Arc::clone(work));
        thread::Builder::new()
            .name("textfile-read".to_owned())
            .spawn(move || {
                for call in received {
                    if events.send(Event::Answered(number, work(call))).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Worker { number, calls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than a call that is not stuck needs.
    const LONG: Duration = Duration::from_secs(60);

    fn patience() -> (Patience, Sender<Event>) {
        let (events, received) = mpsc::channel();
        (Patience::new(events.clone(), received), events)
    }

    fn read(path: &str) -> Call {
        Call::Read(path.into())
    }

    /// Answers with the path; a path with "stuck" in it waits until the sender
    /// goes.
    fn work(held: Receiver<()>) -> Arc<Work> {
        let held = std::sync::Mutex::new(held);
        Arc::new(move |call| {
            if call.path().to_string_lossy().contains("stuck") {
                let _ = held.lock().map(|held| held.recv());
            }
            Answer::Read(Ok(Content {
                text: call.path().as_os_str().as_encoded_bytes().to_vec(),
                mtime_seconds: 0.0,
            }))
        })
    }

    #[track_caller]
    fn text_of(called: Called) -> Vec<u8> {
        match called {
            Called::Answered(Answer::Read(Ok(content))) => content.text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_does_not_return_is_left_behind_until_it_does() {
        let (patience, _events) = patience();
        let mut patience = patience.with_answer_max(LONG);
        let (hold, held) = mpsc::channel::<()>();
        let work = work(held);
        assert_eq!(text_of(patience.call(read("/a"), &work)), b"/a");
        patience.answer_max = Duration::from_millis(50);
        assert!(matches!(
            patience.call(read("/stuck"), &work),
            Called::Stuck
        ));
        patience.answer_max = LONG;
        // Neither waited for again, nor in the way of others.
        assert!(matches!(
            patience.call(read("/stuck"), &work),
            Called::Stuck
        ));
        assert_eq!(text_of(patience.call(read("/b"), &work)), b"/b");
        drop(hold);
        let end = Instant::now() + LONG;
        while !patience.stuck.is_empty() && Instant::now() < end {
            assert!(!patience.wait(Instant::now() + Duration::from_millis(10)));
        }
        assert_eq!(text_of(patience.call(read("/stuck"), &work)), b"/stuck");
    }

    #[test]
    fn so_many_are_left_behind_and_no_more() {
        let (patience, _events) = patience();
        let mut patience = patience.with_answer_max(Duration::from_millis(1));
        let (_hold, held) = mpsc::channel::<()>();
        let work = work(held);
        for index in 0..STUCK_MAX + 3 {
            let path = format!("/stuck{index}");
            assert!(matches!(patience.call(read(&path), &work), Called::Stuck));
        }
        assert_eq!(patience.workers, STUCK_MAX as u64);
    }

    #[test]
    fn a_stop_ends_every_wait() {
        let (patience, events) = patience();
        let mut patience = patience.with_answer_max(LONG);
        let (_hold, held) = mpsc::channel::<()>();
        let stopper = thread::spawn(move || events.send(Event::Stop).unwrap());
        let called = patience.call(read("/stuck"), &work(held));
        assert!(matches!(called, Called::Stopped), "{called:?}");
        stopper.join().unwrap();
    }
}
