use std::collections::HashMap;

use lfs_wrapper_model::{Severity, TimeMsec};

use super::group::{Groups, QUIET_KEY, URGENT, derive_group, render_key};
use super::news::{News, derive_news, derive_notification};
use super::restraint::{find_inhibition, find_silence, is_quiet};
use super::settings::{LocalTime, Route, Routing};
use super::world::{
    Flap, FlapChange, GroupSent, Life, Living, Plan, Row, Suppressed, Told, ToldChange, ToldState,
    Why, World,
};
use crate::engine::Kind;
use crate::notification::Reason;

/// The rule whose alerts name in their label `channel` a channel that fails;
/// that channel is not told of them.
const FAILING_RULE: &str = "channel-failing";

/// What to tell now, and why the rest is not told. It is the same whether it is
/// asked at each change or once a second, and nothing where channels know all.
pub fn plan(routing: &Routing, now_msec: TimeMsec, local: LocalTime, world: &World<'_>) -> Plan {
    if world.alerts.is_empty() && world.flaps.is_empty() {
        return Plan::default();
    }
    let routes = routing.effective();
    let mut look = Look {
        routing,
        routes: &routes,
        now_msec,
        local,
        world,
        told: HashMap::new(),
        groups: Groups::new(world.groups),
        plan: Plan::default(),
    };
    for told in world.told {
        look.told.entry(told.alert).or_default().push(told);
    }
    let steady = world.flaps.iter().filter(|flap| look.is_steady(flap));
    look.plan.flaps = steady.cloned().map(FlapChange::End).collect();
    let mut alerts: Vec<&Living> = world.alerts.iter().collect();
    alerts.sort_by_key(|alert| alert.event);
    for alert in alerts {
        look.look_at(alert);
    }
    look.plan
}

struct Look<'a> {
    routing: &'a Routing,
    routes: &'a [Route],
    now_msec: TimeMsec,
    local: LocalTime,
    world: &'a World<'a>,
    told: HashMap<i64, Vec<&'a Told>>,
    groups: Groups,
    plan: Plan,
}

impl<'a> Look<'a> {
    fn look_at(&mut self, alert: &Living) {
        if alert.is_live() {
            let why = self
                .find_silence(alert)
                .or_else(|| find_inhibition(&self.routing.inhibitions, self.world.alerts, alert));
            if let Some(why) = why {
                return self.suppress(alert, None, why);
            }
            if is_acknowledged(alert) {
                self.suppress(alert, None, Why::Acknowledged);
            }
        }
        let told = self.told.remove(&alert.id).unwrap_or_default();
        let targets = self.find_targets(alert, alert.severity);
        if alert.is_live() {
            if targets.is_empty() {
                self.suppress(alert, None, Why::NoRoute);
            }
            for (channel, route) in &targets {
                let known = told.iter().find(|told| told.channel == *channel);
                self.tell(alert, channel, route, known.copied(), false);
            }
        }
        for told in told {
            let target = targets.iter().find(|(name, _)| *name == told.channel);
            if !alert.is_live() || target.is_none() {
                self.follow(alert, told, target.map(|(_, route)| *route));
            }
        }
    }

    /// Who was told of an alert hears how it goes on and ends, even where it got
    /// so much better that its route no longer takes it.
    fn follow(&mut self, alert: &Living, told: &Told, route: Option<&'a Route>) {
        let former = || {
            let targets = self.find_targets(alert, told.worst);
            let mut targets = targets.into_iter();
            let target = targets.find(|(name, _)| *name == told.channel);
            target.map(|(_, route)| route)
        };
        let is_there = self.routing.channels.contains(&told.channel);
        let Some(route) = route.or_else(former).filter(|_| is_there) else {
            if !alert.is_live() || !is_there {
                self.forget(alert, &told.channel);
            }
            return;
        };
        if !alert.is_live() || told.state != ToldState::Nothing {
            self.tell(alert, &told.channel, route, Some(told), alert.is_live());
        }
    }

    /// The channels that an alert of this severity goes to, each once, by the
    /// first route that names it.
    fn find_targets(&self, alert: &Living, severity: Severity) -> Vec<(&'a str, &'a Route)> {
        let mut targets: Vec<(&str, &Route)> = Vec::new();
        for route in self.routes {
            if !alert.matches(&route.matchers, severity) {
                continue;
            }
            for channel in &route.channels {
                let is_new = targets.iter().all(|(name, _)| name != channel);
                let fails =
                    alert.rule == FAILING_RULE && alert.labels.get("channel") == Some(channel);
                if is_new && !fails && self.routing.channels.contains(channel) {
                    targets.push((channel, route));
                }
            }
            if !route.is_continued {
                break;
            }
        }
        targets
    }

    fn tell(
        &mut self,
        alert: &Living,
        channel: &str,
        route: &Route,
        told: Option<&Told>,
        is_former: bool,
    ) {
        let flap = self.find_flap(alert, channel);
        let is_steady_now = alert.is_live() && flap.is_some_and(|flap| self.is_steady(flap));
        let news = derive_news(alert, told, route, is_former, self.now_msec)
            .or(is_steady_now.then_some(News::Steady))
            .filter(|news| !news.is_repeat() || route.is_mirror || !is_acknowledged(alert));
        let Some(news) = news else {
            return self.tidy(alert, channel, told);
        };
        let is_silenced = news == News::Passed && self.find_silence(alert).is_some();
        if news == News::Over || is_silenced {
            return self.forget(alert, channel);
        }
        if let Some(flap) = flap {
            if !alert.is_live() && self.is_superseded(alert, flap) {
                return self.forget(alert, channel);
            }
            let is_worse = alert.is_live() && alert.severity > flap.severity;
            if !is_worse && !self.is_steady(flap) {
                return self.suppress(alert, Some(channel), Why::Flapping);
            }
        }
        let severity = derive_quiet_severity(alert, news, told);
        if is_quiet(&self.routing.quiet, alert, severity, channel, self.local) {
            self.suppress(alert, Some(channel), Why::Quiet);
            return self.hold(alert, channel, told);
        }
        self.queue(alert, channel, route, told, news);
    }

    /// Puts the message in the outbox, and writes down what the channel knows.
    fn queue(
        &mut self,
        alert: &Living,
        channel: &str,
        route: &Route,
        told: Option<&Told>,
        news: News,
    ) {
        let is_flapping = self.note_flap(alert, channel, told);
        let flaps = is_flapping.then_some(&self.routing.flapping);
        let notification = derive_notification(alert, news, flaps, self.now_msec);
        let kind = notification.kind;
        let was_held = told.is_some_and(|told| told.held_msec.is_some());
        let (group, key, due_msec, reason) = if was_held {
            let key = QUIET_KEY.to_owned();
            ([].into(), key, self.now_msec, Reason::Quiet)
        } else {
            let group = derive_group(&route.group_by, alert);
            let key = render_key(&group);
            let is_urgent = news.is_bad() && alert.severity >= URGENT;
            let id = (channel, key.as_str());
            let due_msec = self.groups.plan_due(id, route, is_urgent, self.now_msec);
            self.note_group(channel, &key, due_msec);
            (group, key, due_msec, Reason::Group)
        };
        self.plan.rows.push(Row {
            channel: channel.to_owned(),
            key,
            group,
            notification,
            due_msec,
            reason,
        });
        self.note_told(alert, channel, told, kind);
    }

    fn note_told(&mut self, alert: &Living, channel: &str, told: Option<&Told>, kind: Kind) {
        let state = match alert.state {
            Life::Firing => ToldState::Firing,
            Life::Nodata => ToldState::Nodata,
            Life::Resolved => return self.forget(alert, channel),
        };
        let worst = told.map_or(alert.severity, |told| told.worst.max(alert.severity));
        self.plan.told.push(ToldChange::Set(Told {
            alert: alert.id,
            channel: channel.to_owned(),
            event: alert.event,
            kind,
            severity: alert.severity,
            worst,
            state,
            time_msec: self.now_msec,
            held_msec: None,
        }));
    }

    fn note_group(&mut self, channel: &str, key: &str, last_msec: TimeMsec) {
        let groups = &mut self.plan.groups;
        groups.retain(|one| one.channel != channel || one.key != key);
        groups.push(GroupSent {
            channel: channel.to_owned(),
            key: key.to_owned(),
            last_msec,
        });
    }

    /// Quiet hours hold something back: it is told when they end. Of what flaps
    /// one is enough.
    fn hold(&mut self, alert: &Living, channel: &str, told: Option<&Told>) {
        if told.is_some_and(|told| told.held_msec.is_some()) {
            return;
        }
        if told.is_none() && self.flaps(alert) && self.holds_another(alert, channel) {
            return;
        }
        let held_msec = Some(self.now_msec);
        let nothing = || Told {
            alert: alert.id,
            channel: channel.to_owned(),
            event: 0,
            kind: alert.kind,
            severity: alert.severity,
            worst: alert.severity,
            state: ToldState::Nothing,
            time_msec: self.now_msec,
            held_msec,
        };
        let told = told.map_or_else(nothing, |told| Told {
            held_msec,
            ..told.clone()
        });
        self.plan.told.push(ToldChange::Set(told));
    }

    /// There is nothing to tell: what quiet hours held back came to nothing, and
    /// a time after now was written before the clock was set back.
    fn tidy(&mut self, alert: &Living, channel: &str, told: Option<&Told>) {
        let Some(told) = told else { return };
        let quiet = &self.routing.quiet;
        let is_quiet = is_quiet(quiet, alert, alert.severity, channel, self.local);
        let tidied = Told {
            held_msec: told.held_msec.filter(|_| is_quiet),
            time_msec: told.time_msec.min(self.now_msec),
            ..told.clone()
        };
        if tidied != *told && told.state != ToldState::Nothing {
            self.plan.told.push(ToldChange::Set(tidied));
        }
    }

    fn forget(&mut self, alert: &Living, channel: &str) {
        self.plan.told.push(ToldChange::Forget {
            alert: alert.id,
            channel: channel.to_owned(),
        });
    }

    fn suppress(&mut self, alert: &Living, channel: Option<&str>, why: Why) {
        if !alert.is_live() {
            return;
        }
        self.plan.suppressed.push(Suppressed {
            alert: alert.id,
            channel: channel.map(ToOwned::to_owned),
            why,
        });
    }

    fn find_silence(&self, alert: &Living) -> Option<Why> {
        find_silence(self.world.silences, alert, self.now_msec)
    }
}

/// What comes and goes.
impl<'a> Look<'a> {
    fn find_flap(&self, alert: &Living, channel: &str) -> Option<&'a Flap> {
        self.world.flaps.iter().find(|flap| {
            flap.channel == channel && flap.rule == alert.rule && flap.labels == alert.labels
        })
    }

    fn is_steady(&self, flap: &Flap) -> bool {
        let unchanged_msec = self.now_msec - flap.changed_msec.max(flap.since_msec);
        unchanged_msec >= self.routing.flapping.steady_msec || unchanged_msec < 0
    }

    fn flaps(&self, alert: &Living) -> bool {
        let count = self.routing.flapping.count;
        alert.is_live() && count > 0 && alert.raises > count
    }

    /// Whether this message tells that the alert flaps.
    fn note_flap(&mut self, alert: &Living, channel: &str, told: Option<&Told>) -> bool {
        let known = self.find_flap(alert, channel);
        let is_first = told.is_none_or(|told| told.state == ToldState::Nothing);
        let begins = known.is_none() && is_first && self.flaps(alert);
        let goes_on = known.is_some_and(|flap| !self.is_steady(flap));
        if begins || goes_on {
            self.plan.flaps.push(FlapChange::Set(Flap {
                rule: alert.rule.clone(),
                labels: alert.labels.clone(),
                channel: channel.to_owned(),
                severity: alert.severity,
                since_msec: known.map_or(self.now_msec, |flap| flap.since_msec),
                changed_msec: alert.changed_msec,
            }));
        }
        begins
    }

    /// Whether the end of this alert is no news, since another one of its rule
    /// and labels goes on where it ended.
    fn is_superseded(&self, alert: &Living, flap: &Flap) -> bool {
        let mut others = self.world.alerts.iter();
        others.any(|other| {
            let is_told = || {
                let mut told = self.world.told.iter();
                told.any(|told| told.alert == other.id && told.channel == flap.channel)
            };
            other.id > alert.id
                && other.is_same_as(alert)
                && (is_told() || (other.is_live() && self.is_steady(flap)))
        })
    }

    fn holds_another(&self, alert: &Living, channel: &str) -> bool {
        let is_twin = |told: &Told| {
            let mut alerts = self.world.alerts.iter();
            alerts.any(|other| other.id == told.alert && other.is_same_as(alert))
        };
        let mut told = self.world.told.iter();
        told.any(|told| {
            told.alert != alert.id
                && told.channel == channel
                && told.held_msec.is_some()
                && is_twin(told)
        })
    }
}

fn is_acknowledged(alert: &Living) -> bool {
    alert
        .acknowledged
        .is_some_and(|severity| alert.severity <= severity)
}

/// Whoever was told in quiet hours how bad it is may hear that it gets better.
fn derive_quiet_severity(alert: &Living, news: News, told: Option<&Told>) -> Severity {
    let worst = told.map_or(alert.severity, |told| told.worst);
    if news.is_bad() || news.is_repeat() {
        alert.severity
    } else {
        alert.severity.max(worst)
    }
}
