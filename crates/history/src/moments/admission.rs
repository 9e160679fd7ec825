//! Which processes are kept when a build starts thousands of them: those that
//! live on, and those that use much.

use std::cmp::Reverse;

use crate::moments::block::PROCESSES_MAX;
use crate::moments::frame::{ProcessKey, ProcessRow};

/// So many processes of a window are kept whatever they are.
const UNCHOSEN_MAX: usize = PROCESSES_MAX / 2;

/// What counts as much.
const BIG_CPU_USEC: u64 = 500_000;
const BIG_RSS_BYTES: u64 = 256 << 20;

/// Which processes of the open window were let in.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Those of the frame before, sorted.
    admitted: Vec<ProcessKey>,
    refused: Vec<ProcessKey>,
    spare: Vec<ProcessKey>,
    /// How many the window has.
    rows: usize,
}

impl Admission {
    pub(super) fn begin_window(&mut self) {
        self.admitted.clear();
        self.rows = 0;
    }

    /// Chooses among the processes of a frame, sorted by their keys; the others
    /// are counted.
    pub(super) fn choose(&mut self, rows: &[ProcessRow]) -> u64 {
        let is_known = |key: &ProcessKey| self.admitted.binary_search(key).is_ok();
        let mut new: Vec<&ProcessRow> = Vec::new();
        self.spare.clear();
        for row in rows {
            let key = row.key();
            if is_known(&key) {
                self.spare.push(key);
            } else {
                new.push(row);
            }
        }
        let let_in = self.let_in(&mut new);
        let refused = new.split_off(let_in);
        self.rows += new.len();
        self.refused.clear();
        self.refused.extend(refused.iter().map(|row| row.key()));
        self.refused.sort_unstable();
        let is_unsorted = !new.is_empty();
        self.spare.extend(new.iter().map(|row| row.key()));
        if is_unsorted {
            self.spare.sort_unstable();
        }
        std::mem::swap(&mut self.admitted, &mut self.spare);
        self.refused.len() as u64
    }

    /// Sorts the new ones, the best first, and says how many of them are let in.
    fn let_in(&self, new: &mut [&ProcessRow]) -> usize {
        let free = UNCHOSEN_MAX.saturating_sub(self.rows);
        if new.len() <= free {
            return new.len();
        }
        let is_seen = |row: &ProcessRow| self.refused.binary_search(&row.key()).is_ok();
        let is_big =
            |row: &ProcessRow| row.cpu_usec >= BIG_CPU_USEC || row.rss_bytes >= BIG_RSS_BYTES;
        let is_good = |row: &ProcessRow| is_seen(row) || is_big(row);
        new.sort_by_key(|row| Reverse((is_good(row), row.cpu_usec, row.rss_bytes)));
        let good = new.iter().filter(|row| is_good(row)).count();
        let room = PROCESSES_MAX.saturating_sub(self.rows);
        good.max(free).min(room).min(new.len())
    }

    /// Those that were let in of the frame that was chosen from last.
    pub(super) fn kept<'a>(
        &'a self,
        rows: &'a [ProcessRow],
    ) -> impl Iterator<Item = &'a ProcessRow> {
        let mut admitted = self.admitted.iter().peekable();
        rows.iter()
            .filter(move |row| admitted.next_if(|key| **key == row.key()).is_some())
    }
}
