//! Programs that print metrics, each on its own schedule.

use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use lfs_wrapper_model::metric::parse_exposition;
use lfs_wrapper_model::now_msec;
use rustix::event::{PollFd, PollFlags, poll};

use super::child::{self, Failure, Order};
use super::report::{ExecReport, GoodRun, POINTS_MAX, read_since_boot};
use super::settings::ExecSettings;
use super::turn::next_turn;

/// What a run gave is shown for so many intervals at most.
const GOOD_FOR_INTERVALS: u32 = 3;

/// One program, and what its runs have given.
pub(super) struct Runner {
    settings: ExecSettings,
    stop: Arc<OwnedFd>,
    failures: u64,
    good: Option<GoodRun>,
    /// A run that was killed and does not end.
    lingering: Option<Child>,
}

impl Runner {
    /// `stop` becomes readable when everything is to end.
    pub(super) fn new(settings: ExecSettings, stop: Arc<OwnedFd>) -> Self {
        Self {
            settings,
            stop,
            failures: 0,
            good: None,
            lingering: None,
        }
    }

    /// Until everything is to end.
    pub(super) fn repeat(&mut self, publish: impl Fn(ExecReport)) {
        let mut turn = Instant::now();
        while let Some(report) = self.run() {
            publish(report);
            turn = next_turn(turn, self.settings.interval, Instant::now());
            if self.wait(turn) {
                return;
            }
        }
    }

    /// Waits until then; true when everything is to end.
    fn wait(&self, end: Instant) -> bool {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut watched = [PollFd::new(&*self.stop, PollFlags::IN)];
            let ready = poll(&mut watched, left.try_into().ok().as_ref());
            match ready {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return true,
            }
        }
    }

    /// One run; `None` when everything is to end.
    pub(super) fn run(&mut self) -> Option<ExecReport> {
        let started = Instant::now();
        let trouble = match self.try_run() {
            Ok(good) => {
                self.good = Some(good);
                None
            }
            Err(Failure::Stopped) => return None,
            Err(Failure::Wrong(why)) => Some(why),
            Err(Failure::Lingers(why, child)) => {
                self.lingering = Some(child);
                Some(why)
            }
        };
        self.failures += u64::from(trouble.is_some());
        Some(ExecReport {
            duration: started.elapsed(),
            trouble,
            failures: self.failures,
            good: self.good.clone(),
        })
    }

    fn try_run(&mut self) -> Result<GoodRun, Failure> {
        if let Some(mut child) = self.lingering.take()
            && matches!(child.try_wait(), Ok(None))
        {
            let why = "an earlier run was killed and does not end".to_owned();
            return Err(Failure::Lingers(why, child));
        }
        let since_boot = read_since_boot();
        let mark = format!(
            "{}:{}:{}",
            std::process::id(),
            self.settings.name,
            since_boot.as_nanos()
        );
        let text = child::run(&Order {
            command: &self.settings.command,
            timeout: self.settings.timeout,
            mark: &mark,
            stop: self.stop.as_fd(),
        })?;
        let points = parse_exposition(&text, POINTS_MAX)
            .map_err(|error| Failure::Wrong(format!("its output, {error}")))?;
        Ok(GoodRun {
            time_msec: now_msec(),
            points: points.into(),
            expires: read_since_boot() + GOOD_FOR_INTERVALS * self.settings.interval,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::time::Duration;

    #[test]
    fn a_run_that_fails_leaves_what_the_last_good_one_gave() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("out");
        let settings = ExecSettings {
            name: "cat".to_owned(),
            command: vec!["/bin/cat".to_owned(), file.display().to_string()],
            interval: Duration::from_secs(1000),
            timeout: Duration::from_secs(60),
        };
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let mut runner = Runner::new(settings, stop);
        let mut run = |text: Option<&str>| {
            match text {
                Some(text) => std::fs::write(&file, text).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            runner.run().unwrap()
        };
        let before = read_since_boot();
        let first = run(Some("a 1\n"));
        assert!(first.trouble.is_none() && first.failures == 0);
        let good = first.good.unwrap();
        assert_eq!(good.points.len(), 1);
        let lasts = good.expires - before;
        assert!((3000..3060).contains(&lasts.as_secs()), "{lasts:?}");

        let second = run(Some("a\n"));
        let why = second.trouble.unwrap();
        assert!(why.starts_with("its output, line 1, column 2: "), "{why}");
        let third = run(None);
        let why = third.trouble.unwrap();
        assert!(
            why.starts_with("exit status: 1; it said: ") && why.contains("No such"),
            "{why}"
        );
        assert_eq!(third.failures, 2);
        assert_eq!(third.good.unwrap().expires, good.expires);
        let last = run(Some("a 1\nb 1\n"));
        assert_eq!(last.failures, 2);
        assert!(last.trouble.is_none() && last.good.unwrap().points.len() == 2);
    }
}
