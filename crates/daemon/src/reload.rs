//! Other rules, channels and routes while the monitor runs.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError, RwLock};

use lfs_wrapper_alert::channel::Channel;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_alert::rule::Rule;
use lfs_wrapper_alert::store::Keep;

/// What is looked for, and who is told.
#[derive(Debug)]
pub struct Alerting {
    /// What is looked for.
    pub rules: Vec<Rule>,
    /// How alerts reach people.
    pub channels: Vec<Channel>,
    /// Who is told what.
    pub routing: Routing,
    /// How long the history of alerts is kept.
    pub keep: Keep,
}

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Reload {
    /// These hold from now on.
    Take(Box<Alerting>),
    /// What was to hold is wrong, in this way: what held before still does.
    Refused(String),
}

/// The channels there are, for the thread that delivers.
#[derive(Debug, Default)]
pub(crate) struct SharedChannels(RwLock<Arc<Vec<Channel>>>);

impl SharedChannels {
    pub(crate) fn new(channels: Vec<Channel>) -> Self {
        Self(RwLock::new(Arc::new(channels)))
    }

    pub(crate) fn get(&self) -> Arc<Vec<Channel>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, channels: Vec<Channel>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(channels);
    }
}

/// Asks a running monitor to take other rules, channels and routes.
#[derive(Clone, Debug)]
pub struct Reloader(pub(crate) SyncSender<Reload>);

impl Reloader {
    /// These hold from now on; an alert says so where one of the rules cannot be
    /// looked at, and those from before stay.
    pub fn take(&self, alerting: Alerting) {
        // A monitor that ends needs no rules.
        let _ = self.0.send(Reload::Take(Box::new(alerting)));
    }

    /// The configuration or the rules are wrong, in this way: an alert says so,
    /// and what held before still does.
    pub fn refuse(&self, why: String) {
        let _ = self.0.send(Reload::Refused(why));
    }
}
