//! `[[route]]`, `[[inhibit]]`, `[[quiet]]` and `[alerts]`: who is told of which
//! alerts, and when not.

use std::collections::BTreeSet;

use lfs_wrapper_model::document::nearest;
use lfs_wrapper_model::{Matcher, MatcherError, Severity};
use serde::Deserialize;
use toml::Spanned;

use crate::place::{Wrong, unplaced};

/// Tables of each kind; each is looked at for each alert.
const TABLES_MAX: usize = 100;

/// No group waits longer.
const WAIT_MSEC_MAX: i64 = DAY_MSEC;

const DAY_MSEC: i64 = 24 * 60 * 60 * 1000;

/// Where some alerts go. An alert takes the first route that matches.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// All must hold; none takes every alert.
    #[serde(default, rename = "match")]
    pub matchers: Vec<Condition>,
    /// Names of channels.
    pub channels: Spanned<Vec<Spanned<String>>>,
    /// Labels that alerts of one message have in common; `["..."]` gives each
    /// alert a message of its own, and nothing those of one rule one.
    pub group_by: Option<Spanned<Vec<String>>>,
    /// How long the first message of a group waits for others.
    #[serde(default = "zero")]
    pub wait: Spanned<Period>,
    /// The least time between two messages of a group.
    #[serde(default = "half_a_minute")]
    pub interval: Spanned<Period>,
    /// After this, what still fires is told again.
    #[serde(default = "four_hours")]
    pub repeat: Spanned<Repeat>,
    /// Whether the end of an alert is told.
    #[serde(default = "yes")]
    pub resolved: bool,
    /// Whether the routes after this one are looked at too.
    #[serde(default, rename = "continue")]
    pub is_continued: bool,
}

/// While a source fires, its targets are not told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibit {
    /// What the source meets.
    pub source: Spanned<Vec<Condition>>,
    /// What the target meets.
    pub target: Spanned<Vec<Condition>>,
    /// Labels that must be the same in both.
    #[serde(default)]
    pub equal: Vec<String>,
}

/// When people want to be left alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends; on the next day where it is not after `from`.
    pub to: TimeOfDay,
    /// The days on which it begins; all where there are none.
    #[serde(default)]
    pub days: Vec<Day>,
    /// What is held back; everything where there are none.
    #[serde(default, rename = "match")]
    pub matchers: Vec<Condition>,
    /// From this severity on, alerts are told all the same.
    #[serde(default = "critical")]
    pub except: Severity,
    /// For which channels it holds; for all where there are none.
    #[serde(default)]
    pub channels: Vec<Spanned<String>>,
}

/// What holds for all alerts.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Days for which the history of alerts is kept, 1 to 3650.
    pub keep_days: Spanned<u32>,
    /// When an alert comes and goes too often.
    pub flapping: Flapping,
}

/// When an alert comes and goes too often.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flapping {
    /// Raised more often than this within the window; 0 for never.
    pub count: u32,
    /// The window, 1 minute to 1 day.
    pub window: Spanned<Period>,
    /// Unchanged for this long, it is steady again.
    pub steady: Period,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            keep_days: unplaced(365),
            flapping: Flapping::default(),
        }
    }
}

impl Default for Flapping {
    fn default() -> Self {
        Self {
            count: 6,
            window: unplaced(Period(DAY_MSEC / 24)),
            steady: Period(DAY_MSEC / 96),
        }
    }
}

fn zero() -> Spanned<Period> {
    unplaced(Period(0))
}

fn half_a_minute() -> Spanned<Period> {
    unplaced(Period(30_000))
}

fn four_hours() -> Spanned<Repeat> {
    unplaced(Repeat(Some(Period(DAY_MSEC / 6))))
}

fn yes() -> bool {
    true
}

fn critical() -> Severity {
    Severity::Critical
}

/// A condition on alerts, such as `severity>=error`, at its place in the document.
/// In a configuration that was read each one is a [`Matcher`].
pub type Condition = Spanned<String>;

/// What the conditions of one key say.
pub fn parse_conditions(conditions: &[Condition]) -> Result<Vec<Matcher>, MatcherError> {
    let texts = conditions.iter().map(Spanned::get_ref);
    texts.map(|text| text.parse()).collect()
}

fn check_conditions(conditions: &[Condition]) -> Result<(), Wrong> {
    conditions.iter().try_for_each(|condition| {
        let matcher: Result<Matcher, MatcherError> = condition.get_ref().parse();
        matcher.map(|_| ()).map_err(|error| {
            let help = "write it like \"resource=disk\", \"rule=~a|b\" or \"severity>=error\"";
            (condition.span(), error.to_string(), help)
        })
    })
}

/// A length of time in milliseconds, written like `90s`, `5m` or `1h30m`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub struct Period(pub i64);

/// A text that is no length of time.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no length of time; give one like \"90s\", \"5m\", \"1h30m\" or \"2d\"")]
pub struct PeriodError(String);

impl TryFrom<String> for Period {
    type Error = PeriodError;

    fn try_from(text: String) -> Result<Self, PeriodError> {
        parse_period(&text).map(Self).ok_or(PeriodError(text))
    }
}

fn parse_period(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    let mut last_unit = i64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let letters = rest[digits..]
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY_MSEC,
            "w" => 7 * DAY_MSEC,
            _ => return None,
        };
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        let count: i64 = rest[..digits].parse().ok()?;
        total = total.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[digits + letters..];
    }
    (last_unit != i64::MAX).then_some(total)
}

/// After what time something is done again: a length of time, or `never`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Repeat(pub Option<Period>);

impl TryFrom<String> for Repeat {
    type Error = PeriodError;

    fn try_from(text: String) -> Result<Self, PeriodError> {
        match text.as_str() {
            "never" => Ok(Self(None)),
            _ => Period::try_from(text).map(|period| Self(Some(period))),
        }
    }
}

/// A minute of the day, 0 to 1439, written like `22:00`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct TimeOfDay(pub u16);

/// A text that is no time of the day.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no time of the day; give one from \"00:00\" to \"23:59\"")]
pub struct TimeOfDayError(String);

impl TryFrom<String> for TimeOfDay {
    type Error = TimeOfDayError;

    fn try_from(text: String) -> Result<Self, TimeOfDayError> {
        let number = |part: &str, below: u16| -> Option<u16> {
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = part.parse().ok()?;
            (is_number && number < below).then_some(number)
        };
        text.split_once(':')
            .filter(|(_, minute)| minute.len() == 2)
            .and_then(|(hour, minute)| Some(number(hour, 24)? * 60 + number(minute, 60)?))
            .map(Self)
            .ok_or(TimeOfDayError(text))
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

pub(crate) fn check(routes: &[Route], inhibit: &[Inhibit], quiet: &[Quiet]) -> Result<(), Wrong> {
    let most = routes.len().max(inhibit.len()).max(quiet.len());
    if most > TABLES_MAX {
        let message = format!("{most} tables of one kind, and {TABLES_MAX} are the most");
        return Err((0..0, message, "let one table match more"));
    }
    routes.iter().try_for_each(check_route)?;
    inhibit.iter().try_for_each(check_inhibit)?;
    let mut quiet = quiet.iter();
    quiet.try_for_each(|quiet| check_conditions(&quiet.matchers))
}

fn check_route(route: &Route) -> Result<(), Wrong> {
    check_conditions(&route.matchers)?;
    if route.channels.get_ref().is_empty() {
        return Err((
            route.channels.span(),
            "a route to no channel".to_owned(),
            "name a channel, or leave the route out",
        ));
    }
    for period in [&route.wait, &route.interval] {
        if period.get_ref().0 > WAIT_MSEC_MAX {
            let message = "longer than a day".to_owned();
            return Err((period.span(), message, "give at most \"1d\""));
        }
    }
    let is_short = |period: Period| period.0 < 60_000;
    if route.repeat.get_ref().0.is_some_and(is_short) {
        return Err((
            route.repeat.span(),
            "an alert that is told again all the time".to_owned(),
            "give at least \"1m\", or \"never\"",
        ));
    }
    match &route.group_by {
        Some(names)
            if names.get_ref().len() > 1 && names.get_ref().iter().any(|it| it == "...") =>
        {
            Err((
                names.span(),
                "\"...\" beside other labels".to_owned(),
                "\"...\" stands alone: each alert has a message of its own",
            ))
        }
        _ => Ok(()),
    }
}

fn check_inhibit(inhibit: &Inhibit) -> Result<(), Wrong> {
    for side in [&inhibit.source, &inhibit.target] {
        if side.get_ref().is_empty() {
            return Err((
                side.span(),
                "no condition, which every alert meets".to_owned(),
                "say which alerts are meant, such as \"rule=disk\"",
            ));
        }
        check_conditions(side.get_ref())?;
    }
    Ok(())
}

impl Alerts {
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        if !(1..=3650).contains(self.keep_days.get_ref()) {
            return Err((
                self.keep_days.span(),
                format!("a history of {} days", self.keep_days.get_ref()),
                "give 1 to 3650 days",
            ));
        }
        let window = &self.flapping.window;
        if !(60_000..=DAY_MSEC).contains(&window.get_ref().0) {
            return Err((
                window.span(),
                "a window that is too short or too long".to_owned(),
                "give \"1m\" to \"1d\"",
            ));
        }
        Ok(())
    }
}

/// Refuses a channel that is none of `names`.
pub(crate) fn check_channels(
    routes: &[Route],
    quiet: &[Quiet],
    names: &BTreeSet<&str>,
) -> Result<(), Wrong> {
    let of_routes = routes.iter().flat_map(|route| route.channels.get_ref());
    let of_quiet = quiet.iter().flat_map(|quiet| &quiet.channels);
    for channel in of_routes.chain(of_quiet) {
        let name = channel.get_ref().as_str();
        if names.contains(name) {
            continue;
        }
        let message = match nearest(name, names.iter().copied()) {
            Some(near) => format!("no channel '{name}'; did you mean '{near}'?"),
            None => format!("no channel '{name}'"),
        };
        let help = "give the name of a channel that is configured";
        return Err((channel.span(), message, help));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
