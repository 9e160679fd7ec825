//! Workers that read what may block: the memory map of a process can be locked
//! for as long as a dead network share likes.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use crate::process::cold::{Answer, Request};
use crate::process::stat::ProcessIdentity;

/// Questions that wait at one worker.
const QUEUE_MAX: usize = 256;

/// How many workers may hang: the one that met a process that does not answer,
/// and the one that took its place. Then nobody is asked until one comes back.
const STUCK_MAX: usize = 2;

/// A worker that says nothing for so long hangs.
const STUCK_AFTER_USEC: u64 = 5_000_000;

/// Answers one question; it may block for ever.
pub(crate) type AnswerFn = Box<dyn FnMut(Request) -> Answer + Send>;

/// Makes what a new worker answers with.
#[derive(Clone)]
pub(crate) struct AnswerFactory(Arc<dyn Fn() -> io::Result<AnswerFn> + Send + Sync>);

impl AnswerFactory {
    pub(crate) fn new(make: impl Fn() -> io::Result<AnswerFn> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl fmt::Debug for AnswerFactory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AnswerFactory")
    }
}

/// A thread that answers questions in their order.
#[derive(Debug)]
struct Worker {
    requests: SyncSender<Request>,
    answers: Receiver<Answer>,
    /// What was asked and not answered.
    pending: VecDeque<Request>,
    /// When it last answered, or was asked while it had nothing to do.
    heard_usec: u64,
}

impl Worker {
    fn start(factory: &AnswerFactory) -> io::Result<Self> {
        let mut answer = (factory.0)()?;
        let (requests, asked) = sync_channel::<Request>(QUEUE_MAX);
        let (answered, answers) = sync_channel(QUEUE_MAX);
        thread::Builder::new()
            .name("processes".to_owned())
            .spawn(move || {
                // Ends when nobody asks or listens any more.
                while let Ok(request) = asked.recv() {
                    if answered.send(answer(request)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            requests,
            answers,
            pending: VecDeque::with_capacity(QUEUE_MAX),
            heard_usec: 0,
        })
    }

    /// Neither channel can be full: each has room for all that is pending.
    fn ask(&mut self, request: Request, now_usec: u64) -> bool {
        if self.pending.len() >= QUEUE_MAX || self.requests.try_send(request).is_err() {
            return false;
        }
        if self.pending.is_empty() {
            self.heard_usec = now_usec;
        }
        self.pending.push_back(request);
        true
    }

    /// False when its thread ended.
    fn collect(&mut self, now_usec: u64, take: &mut impl FnMut(Answer)) -> bool {
        loop {
            match self.answers.try_recv() {
                Ok(answer) => {
                    self.heard_usec = now_usec;
                    self.pending.pop_front();
                    take(answer);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn is_stuck(&self, now_usec: u64) -> bool {
        !self.pending.is_empty() && now_usec.saturating_sub(self.heard_usec) > STUCK_AFTER_USEC
    }
}

/// One worker, and those that were lost to a process.
#[derive(Debug)]
pub(crate) struct ColdWorkers {
    factory: AnswerFactory,
    current: Option<Worker>,
    stuck: Vec<Worker>,
}

impl ColdWorkers {
    pub(crate) const fn new(factory: AnswerFactory) -> Self {
        Self {
            factory,
            current: None,
            stuck: Vec::new(),
        }
    }

    /// Hands over what was answered since; never waits.
    pub(crate) fn collect(&mut self, now_usec: u64, mut take: impl FnMut(Answer)) {
        // A worker that hung and came back has been replaced: what it still has
        // to do is asked of another.
        self.stuck.retain_mut(|worker| {
            let waiting = worker.pending.len();
            worker.collect(now_usec, &mut take) && worker.pending.len() == waiting
        });
        let Some(mut worker) = self.current.take() else {
            return;
        };
        let lives = worker.collect(now_usec, &mut take);
        if worker.is_stuck(now_usec) {
            self.stuck.push(worker);
        } else if lives {
            self.current = Some(worker);
        }
    }

    /// Passes a question on; false where it has to be asked again later.
    pub(crate) fn ask(&mut self, request: Request, now_usec: u64) -> io::Result<bool> {
        if self.stuck.len() >= STUCK_MAX {
            return Ok(false);
        }
        let worker = match self.current.take() {
            Some(worker) => worker,
            None => Worker::start(&self.factory)?,
        };
        Ok(self.current.insert(worker).ask(request, now_usec))
    }

    /// Whether the question waits for its answer, or for good.
    pub(crate) fn is_pending(&self, request: Request) -> bool {
        let current = self.current.iter().flat_map(|worker| &worker.pending);
        current
            .chain(self.stuck_on())
            .any(|pending| *pending == request)
    }

    /// The processes that do not answer.
    pub(crate) fn stuck(&self) -> impl Iterator<Item = ProcessIdentity> {
        self.stuck_on().map(|request| request.identity)
    }

    /// What waits behind them can be asked of another worker.
    fn stuck_on(&self) -> impl Iterator<Item = &Request> {
        self.stuck
            .iter()
            .filter_map(|worker| worker.pending.front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use crate::process::cold::Subject;
    use crate::process::row::ColdFields;

    const fn request(pid: u32) -> Request {
        let identity = ProcessIdentity {
            pid,
            start_ticks: 1,
        };
        Request {
            identity,
            program: 0,
            subject: Subject::Fields,
        }
    }

    /// Workers of which those asked for an odd pid wait for a word.
    fn workers() -> (ColdWorkers, Sender<()>) {
        let (go_on, wait) = channel();
        let wait = Arc::new(Mutex::new(wait));
        let factory = AnswerFactory::new(move || {
            let wait = Arc::clone(&wait);
            Ok(Box::new(move |request: Request| {
                if request.identity.pid % 2 == 1 {
                    wait.lock().unwrap().recv().ok();
                }
                Answer {
                    request,
                    fields: ColdFields::default(),
                    pss_bytes: None,
                    cost_usec: 0,
                }
            }))
        });
        (ColdWorkers::new(factory), go_on)
    }

    /// The next answer's pid; waits for it at one moment of the clock. Those
    /// that come with it are dropped.
    fn next_pid(workers: &mut ColdWorkers, now_usec: u64) -> u32 {
        let mut pid = None;
        loop {
            workers.collect(now_usec, |answer| {
                pid.get_or_insert(answer.request.identity.pid);
            });
            match pid {
                Some(pid) => return pid,
                None => thread::yield_now(),
            }
        }
    }

    #[test]
    fn questions_are_answered_in_their_order_and_once() {
        let (mut workers, _go_on) = workers();
        assert!(workers.ask(request(2), 0).unwrap());
        assert!(workers.is_pending(request(2)));
        assert_eq!(next_pid(&mut workers, 1), 2);
        assert!(!workers.is_pending(request(2)));
        workers.collect(2, |answer| panic!("{answer:?}"));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_fits_later() {
        let (mut workers, go_on) = workers();
        assert!(workers.ask(request(1), 0).unwrap());
        for _ in 1..QUEUE_MAX {
            assert!(workers.ask(request(2), 0).unwrap());
        }
        assert!(!workers.ask(request(4), 0).unwrap());
        go_on.send(()).unwrap();
        assert_eq!(next_pid(&mut workers, 1), 1);
        assert!(workers.ask(request(4), 1).unwrap());
    }

    #[test]
    fn a_process_that_does_not_answer_stops_nobody_else() {
        let (mut workers, go_on) = workers();
        assert!(workers.ask(request(1), 0).unwrap());
        assert!(workers.ask(request(2), 0).unwrap());
        workers.collect(STUCK_AFTER_USEC, |answer| panic!("{answer:?}"));
        assert_eq!(workers.stuck().count(), 0);
        let late = STUCK_AFTER_USEC + 1;
        workers.collect(late, |answer| panic!("{answer:?}"));
        assert_eq!(workers.stuck().map(|one| one.pid).collect::<Vec<_>>(), [1]);
        // It is not asked again, but what waited behind it is.
        assert!(workers.is_pending(request(1)));
        assert!(!workers.is_pending(request(2)));
        assert!(workers.ask(request(2), late).unwrap());
        assert_eq!(next_pid(&mut workers, late), 2);

        go_on.send(()).unwrap();
        assert_eq!(next_pid(&mut workers, late), 1);
        assert_eq!(workers.stuck().count(), 0);
        assert!(!workers.is_pending(request(1)));
    }

    #[test]
    fn workers_do_not_pile_up() {
        let (mut workers, _go_on) = workers();
        let mut now_usec = 0;
        for pid in [1, 3] {
            assert!(workers.ask(request(pid), now_usec).unwrap());
            now_usec += STUCK_AFTER_USEC + 1;
            workers.collect(now_usec, |answer| panic!("{answer:?}"));
        }
        assert_eq!(workers.stuck().count(), STUCK_MAX);
        assert!(!workers.ask(request(2), now_usec).unwrap());
    }
}
