//! One round of what takes longer: what was answered is put into the rows, and
//! what is due is asked.

use std::io;

use crate::process::cold::{Answer, Subject};
use crate::process::entry::Entry;
use crate::process::plan::{PssBudget, choose_measured, is_due};
use crate::process::stat::ProcessIdentity;
use crate::process::worker::{AnswerFactory, ColdWorkers};

/// The workers, and how far round the table they are.
#[derive(Debug)]
pub(crate) struct ColdRounds {
    workers: ColdWorkers,
    budget: PssBudget,
    /// The pid asked last; the next round begins after it, so that everybody's
    /// turn comes.
    cursor: u32,
}

impl ColdRounds {
    pub(crate) const fn new(factory: AnswerFactory) -> Self {
        Self {
            workers: ColdWorkers::new(factory),
            budget: PssBudget::new(),
            cursor: 0,
        }
    }

    /// Goes round `entries`, which are sorted; never waits.
    pub(crate) fn run(&mut self, entries: &mut [Entry], now_usec: u64) -> io::Result<()> {
        let budget = &mut self.budget;
        self.workers.collect(now_usec, |answer| {
            if answer.request.subject == Subject::Pss {
                budget.spend(answer.cost_usec);
            }
            take_answer(entries, answer, now_usec);
        });
        if budget.refill(now_usec) {
            self.ask_pss(entries, now_usec)?;
        }
        self.ask_fields(entries, now_usec)
    }

    /// The processes that do not answer.
    pub(crate) fn stuck(&self) -> impl Iterator<Item = ProcessIdentity> {
        self.workers.stuck()
    }

    fn ask_pss(&mut self, entries: &mut [Entry], now_usec: u64) -> io::Result<()> {
        let chosen = choose_measured(entries, now_usec, |request| {
            self.workers.is_pending(request)
        });
        for index in chosen.into_iter().flatten() {
            let Some(entry) = entries.get_mut(index) else {
                continue;
            };
            if !self.workers.ask(entry.request(Subject::Pss), now_usec)? {
                break;
            }
            entry.progress.pss_usec = Some(now_usec);
        }
        Ok(())
    }

    fn ask_fields(&mut self, entries: &mut [Entry], now_usec: u64) -> io::Result<()> {
        let middle = entries.partition_point(|entry| entry.pid() <= self.cursor);
        let (before, after) = entries.split_at_mut(middle);
        for entry in after.iter_mut().chain(before) {
            let request = entry.request(Subject::Fields);
            let due = is_due(&entry.progress, &entry.row.counts, now_usec);
            if !due || self.workers.is_pending(request) {
                continue;
            }
            if !self.workers.ask(request, now_usec)? {
                break;
            }
            entry.progress.has_changed = false;
            self.cursor = entry.pid();
        }
        Ok(())
    }
}

/// Puts an answer into the row it is about, if that is still there.
pub(crate) fn take_answer(entries: &mut [Entry], answer: Answer, now_usec: u64) {
    let identity = answer.request.identity;
    let found = entries.binary_search_by_key(&identity, |entry| entry.row.identity);
    if let Some(entry) = found.ok().and_then(|index| entries.get_mut(index)) {
        entry.take(answer, now_usec);
    }
}
