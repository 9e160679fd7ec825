//! What people choose: who is told what, how often, and when not.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use lfs_wrapper_model::{Matcher, Severity, TimeMsec};

use crate::rule::Labels;

const MINUTE_MSEC: i64 = 60_000;

/// Who is told what. Without routes all alerts go to all channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// The names of the channels there are; a route's other names count for
    /// nothing.
    pub channels: Vec<String>,
    /// Looked at in this order; an alert takes the first that matches.
    pub routes: Vec<Route>,
    /// Alerts that others make superfluous.
    pub inhibitions: Vec<Inhibition>,
    /// When people want to be left alone.
    pub quiet: Vec<Quiet>,
    /// What comes and goes too often.
    pub flapping: Flapping,
}

impl Routing {
    /// All alerts to all of `channels`, at once.
    pub fn new(channels: Vec<String>) -> Self {
        Self {
            channels,
            routes: Vec::new(),
            inhibitions: Vec::new(),
            quiet: Vec::new(),
            flapping: Flapping::default(),
        }
    }

    /// The routes, or the one that takes all to all channels.
    pub(super) fn effective(&self) -> Vec<Route> {
        if !self.routes.is_empty() {
            return self.routes.clone();
        }
        vec![Route {
            channels: self.channels.clone(),
            ..Route::default()
        }]
    }
}

/// Where some alerts go.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// All must hold; none takes every alert.
    pub matchers: Vec<Matcher>,
    /// Names of channels.
    pub channels: Vec<String>,
    /// Which alerts come in one message.
    pub group_by: GroupBy,
    /// How long the first message of a group waits for others.
    pub wait_msec: i64,
    /// The least time between two messages of a group.
    pub interval_msec: i64,
    /// After this, what still fires is told again; `None` for never.
    pub repeat_msec: Option<i64>,
    /// Whether the end of an alert is told.
    pub send_resolved: bool,
    /// Whether the routes after this one are looked at too.
    pub is_continued: bool,
    /// The channels keep a copy of what is true, and no person reads it there:
    /// it is told again whatever the severity, and whoever took note of it.
    pub is_mirror: bool,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            matchers: Vec::new(),
            channels: Vec::new(),
            group_by: GroupBy::Rule,
            wait_msec: 0,
            interval_msec: 30_000,
            repeat_msec: Some(4 * 60 * MINUTE_MSEC),
            send_resolved: true,
            is_continued: false,
            is_mirror: false,
        }
    }
}

/// Which alerts of a route come in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Those of one rule.
    Rule,
    /// Each alone.
    Alert,
    /// Those with the same values of these labels, `rule` among them if it is
    /// named; all of the route where there are none.
    Labels(Vec<String>),
}

/// While a source fires, its targets are not told.
#[derive(Clone, Debug, PartialEq)]
pub struct Inhibition {
    /// What the source meets.
    pub source: Vec<Matcher>,
    /// What the target meets.
    pub target: Vec<Matcher>,
    /// Labels that must be the same in both; one that is not there is empty.
    pub equal: Vec<String>,
}

impl Inhibition {
    pub(super) fn is_equal(&self, source: &Labels, target: &Labels) -> bool {
        let mut names = self.equal.iter();
        names.all(|name| {
            source.get(name).map_or("", String::as_str)
                == target.get(name).map_or("", String::as_str)
        })
    }
}

/// When people want to be left alone, by the clock on the wall.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    /// The minute of the day at which it begins, 0 to 1439.
    pub from_minute: u16,
    /// The minute at which it ends; the next day's where it is not after
    /// `from_minute`.
    pub to_minute: u16,
    /// The days on which it begins; all where there are none.
    pub days: Vec<Weekday>,
    /// What is held back; everything where there are none.
    pub matchers: Vec<Matcher>,
    /// From this severity on, alerts are told all the same.
    pub except: Severity,
    /// For which channels it holds; for all where there are none.
    pub channels: Vec<String>,
}

impl Quiet {
    /// Whether it is quiet at this time.
    pub fn covers(&self, local: LocalTime) -> bool {
        let on = |day: Weekday| self.days.is_empty() || self.days.contains(&day);
        let (from, to, minute) = (self.from_minute, self.to_minute, local.minute);
        if from < to {
            return (from..to).contains(&minute) && on(local.weekday);
        }
        (minute >= from && on(local.weekday)) || (minute < to && on(local.weekday.previous()))
    }
}

/// When an alert comes and goes too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// Raised more often than this within the window, it flaps; 0 for never.
    pub count: u32,
    /// The window.
    pub window_msec: i64,
    /// Unchanged for this long, it is steady.
    pub steady_msec: i64,
}

impl Default for Flapping {
    fn default() -> Self {
        Self {
            count: 6,
            window_msec: 60 * MINUTE_MSEC,
            steady_msec: 15 * MINUTE_MSEC,
        }
    }
}

/// What the clock on the wall shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The day of the week.
    pub weekday: Weekday,
    /// The minute of the day, 0 to 1439.
    pub minute: u16,
}

impl LocalTime {
    /// What the clock shows in this zone; for a time out of range, at the epoch.
    pub fn derive(time_msec: TimeMsec, zone: &TimeZone) -> Self {
        let time = Timestamp::from_millisecond(time_msec).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = zone.to_datetime(time);
        Self {
            weekday: local.weekday(),
            minute: u16::from(local.hour().unsigned_abs()) * 60
                + u16::from(local.minute().unsigned_abs()),
        }
    }
}
