//! Figures of an endpoint, which others may read at any time.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use lfs_wrapper_model::TimeMsec;

/// What an endpoint has done since the program started.
#[derive(Debug, Default)]
pub struct Statistics {
    sent_samples: AtomicU64,
    retried_samples: AtomicU64,
    refused_samples: AtomicU64,
    refused_again_samples: AtomicU64,
    merged_samples: AtomicU64,
    requests: AtomicU64,
    failed_requests: AtomicU64,
    lost_gaps: AtomicU64,
    lost_msec: AtomicU64,
    lag_msec: AtomicU64,
    sent_until_msec: AtomicI64,
    last_error: Mutex<String>,
    last_refusal: Mutex<String>,
}

/// [`Statistics`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatisticsNow {
    /// Samples that were acknowledged.
    pub sent_samples: u64,
    /// Samples in requests that failed and were or will be sent again.
    pub retried_samples: u64,
    /// Samples in requests that the endpoint refused when they were new. They
    /// are not sent again.
    pub refused_samples: u64,
    /// Samples in requests that it refused when they were sent once more: it
    /// had them, or would have refused them the first time.
    pub refused_again_samples: u64,
    /// Samples that fell together with others when external labels were added.
    pub merged_samples: u64,
    /// Requests with samples, each attempt by itself.
    pub requests: u64,
    /// Those that failed and were or will be sent again, and reads of the history
    /// that failed.
    pub failed_requests: u64,
    /// How often samples had become too old before they were sent.
    pub lost_gaps: u64,
    /// The time that they span.
    pub lost_msec: u64,
    /// How much time there is between the newest sample that could be sent and
    /// the newest that is settled.
    pub lag_msec: u64,
    /// Everything up to here is settled; `None` before anything is.
    pub sent_until_msec: Option<TimeMsec>,
    /// What went wrong last and is tried again; empty once the endpoint has settled
    /// a request.
    pub last_error: String,
    /// What the endpoint said when it refused samples last; empty if it never did.
    pub last_refusal: String,
}

/// A figure that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Sent,
    Retried,
    Refused,
    RefusedAgain,
    Merged,
    Requests,
    Failed,
    LostGaps,
    LostMsec,
}

impl Statistics {
    /// All figures as they are now.
    pub fn now(&self) -> StatisticsNow {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let sent_until_msec = self.sent_until_msec.load(Ordering::Relaxed);
        let text = |text: &Mutex<String>| {
            let text = text.lock().unwrap_or_else(PoisonError::into_inner);
            text.clone()
        };
        StatisticsNow {
            sent_samples: read(&self.sent_samples),
            retried_samples: read(&self.retried_samples),
            refused_samples: read(&self.refused_samples),
            refused_again_samples: read(&self.refused_again_samples),
            merged_samples: read(&self.merged_samples),
            requests: read(&self.requests),
            failed_requests: read(&self.failed_requests),
            lost_gaps: read(&self.lost_gaps),
            lost_msec: read(&self.lost_msec),
            lag_msec: read(&self.lag_msec),
            sent_until_msec: Some(sent_until_msec).filter(|time_msec| *time_msec > 0),
            last_error: text(&self.last_error),
            last_refusal: text(&self.last_refusal),
        }
    }

    pub(super) fn add(&self, which: Count, amount: u64) {
        let figure = match which {
            Count::Sent => &self.sent_samples,
            Count::Retried => &self.retried_samples,
            Count::Refused => &self.refused_samples,
            Count::RefusedAgain => &self.refused_again_samples,
            Count::Merged => &self.merged_samples,
            Count::Requests => &self.requests,
            Count::Failed => &self.failed_requests,
            Count::LostGaps => &self.lost_gaps,
            Count::LostMsec => &self.lost_msec,
        };
        figure.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn set_place(&self, sent_until_msec: TimeMsec, lag_msec: u64) {
        self.sent_until_msec
            .store(sent_until_msec, Ordering::Relaxed);
        self.lag_msec.store(lag_msec, Ordering::Relaxed);
    }

    pub(super) fn set_error(&self, message: &str) {
        set_text(&self.last_error, message);
    }

    pub(super) fn set_refusal(&self, message: &str) {
        set_text(&self.last_refusal, message);
    }
}

fn set_text(which: &Mutex<String>, message: &str) {
    let mut text = which.lock().unwrap_or_else(PoisonError::into_inner);
    message.clone_into(&mut text);
}
