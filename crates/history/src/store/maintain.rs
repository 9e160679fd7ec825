//! Rolling up what is complete, and deleting what is too old.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use lfs_wrapper_model::{TimeMsec, now_msec};
use lfs_wrapper_state::sqlite;

use super::history::{History, MAKE_ROOM_TIMES, Writer};
use super::tier::{TIERS, Tier};
use super::{HistoryError, block, retain, rollup};

/// How often what is too old is looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

/// How far the roll-up of a window has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rolled {
    tier: u8,
    start_msec: TimeMsec,
    /// The last cluster that was done.
    cluster: u32,
}

/// Whether there is more to do.
enum Progress {
    More,
    Done,
}

impl History {
    /// Rolls up what is complete, and deletes what is too old. Takes long at times;
    /// who flushes waits meanwhile.
    pub fn maintain(&self) -> Result<(), HistoryError> {
        self.maintain_until(None).map(|_| ())
    }

    /// The same for about this long, and never less than a step of it; `false`: there
    /// is more to do.
    pub fn maintain_for(&self, time: Duration) -> Result<bool, HistoryError> {
        self.maintain_until(Instant::now().checked_add(time))
    }

    fn maintain_until(&self, deadline: Option<Instant>) -> Result<bool, HistoryError> {
        let mut writer = self.writer();
        let mut times = 0;
        loop {
            if !self.may_write(&mut writer)? {
                return Ok(true);
            }
            let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
            match self.try_maintain(&mut writer) {
                Ok(Progress::Done) => return Ok(true),
                Ok(Progress::More) if is_over() => return Ok(false),
                Ok(Progress::More) => {}
                // A roll-up may be larger than what is kept free.
                Err(error) if sqlite::is_full(&error) && times < MAKE_ROOM_TIMES => {
                    times += 1;
                    self.make_room(&mut writer, retain::room(&self.shared.limits) / 8)?;
                }
                Err(error) if sqlite::is_full(&error) => return Ok(true),
                Err(error) => return Err(self.fail(&mut writer, error)),
            }
        }
    }

    /// One step: a cluster of a window that is rolled up, or what is too old.
    fn try_maintain(&self, writer: &mut Writer) -> rusqlite::Result<Progress> {
        for (tier, start_msec) in self.shared.take_holes() {
            rollup::mark_hole(&writer.connection, tier, start_msec)?;
        }
        for pair in TIERS.windows(2) {
            let [finer, tier] = [pair[0], pair[1]];
            if let Some(start) = rollup::next(&writer.connection, finer, tier)? {
                self.roll_up(writer, tier, start)?;
                return Ok(Progress::More);
            }
        }
        let is_due = writer
            .expired
            .is_none_or(|last| last.elapsed() >= EXPIRE_EVERY);
        let is_steady = self
            .clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_steady();
        if is_due && is_steady {
            retain::expire(&writer.connection, &self.shared.limits, now_msec())?;
            writer.expired = Some(Instant::now());
            writer.reload()?;
        }
        Ok(Progress::Done)
    }

    /// Rolls up the next cluster of a window.
    fn roll_up(
        &self,
        writer: &mut Writer,
        tier: Tier,
        start_msec: TimeMsec,
    ) -> rusqlite::Result<()> {
        let is_of_it =
            |rolled: &Rolled| (rolled.tier, rolled.start_msec) == (tier.number, start_msec);
        let last = writer.rolled.filter(is_of_it).map(|rolled| rolled.cluster);
        let mut clusters = writer.dictionary.rolled_up().into_iter();
        let Some(cluster) = clusters.find(|cluster| last.is_none_or(|last| *cluster > last)) else {
            writer.rolled = None;
            return rollup::done(&writer.connection, tier, start_msec);
        };
        let transaction = writer.connection.unchecked_transaction()?;
        let mut damaged = 0;
        if tier.number == 1 {
            let window = (start_msec, tier.window_msec);
            damaged += block::merge_window(&transaction, TIERS[0], cluster, window)?;
        }
        damaged += rollup::make(&transaction, tier, start_msec, cluster)?;
        transaction.commit()?;
        self.shared.counts.damaged.add(damaged);
        writer.rolled = Some(Rolled {
            tier: tier.number,
            start_msec,
            cluster,
        });
        Ok(())
    }
}
