//! Timelines of alerts and of what is queued for whom, as text.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::notification::Reason;
use lfs_wrapper_alert::route::{
    Flap, FlapChange, GroupSent, Life, Living, LocalTime, Plan, Routing, Silence, Told, ToldChange,
    World, plan,
};
use lfs_wrapper_model::Severity;

/// 2024-01-01T00:00:00Z, a Monday.
pub(crate) const MONDAY_MSEC: i64 = 1_704_067_200_000;

/// All that there is, without a database.
pub(crate) struct Sim {
    pub(crate) routing: Routing,
    pub(crate) zone: TimeZone,
    pub(crate) start_msec: i64,
    pub(crate) alerts: Vec<Living>,
    pub(crate) told: Vec<Told>,
    pub(crate) silences: Vec<Silence>,
    groups: Vec<GroupSent>,
    flaps: Vec<Flap>,
    raised: BTreeMap<String, Vec<i64>>,
    changed: BTreeMap<String, i64>,
    events: i64,
}

impl Sim {
    pub(crate) fn new(routing: Routing) -> Self {
        Self {
            routing,
            zone: TimeZone::UTC,
            start_msec: MONDAY_MSEC,
            alerts: Vec::new(),
            told: Vec::new(),
            silences: Vec::new(),
            groups: Vec::new(),
            flaps: Vec::new(),
            raised: BTreeMap::new(),
            changed: BTreeMap::new(),
            events: 0,
        }
    }

    /// Plays `TIME EVENT, EVENT -> MESSAGE, MESSAGE ~ WHY` lines, and looks once
    /// every `tick_msec` between them, when nothing may be told.
    pub(crate) fn play(&mut self, tick_msec: i64, timeline: &str) {
        let mut now = 0;
        for line in timeline
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (line, why) = split(line, "~");
            let (what, expected) = split(line, "->");
            let (time, events) = split(what, " ");
            let at = parse_time(time);
            while now < at {
                let rows = render_rows(&self.look(now), self.start_msec + now);
                assert_eq!(rows, "", "told between the lines, at {} s", now / 1000);
                now += tick_msec;
            }
            now = at;
            let mut found = Vec::new();
            let mut last = Plan::default();
            for event in events.split(',').map(str::trim) {
                self.happen(event, now);
                last = self.look(now);
                found.extend(
                    Some(render_rows(&last, self.start_msec + now)).filter(|it| !it.is_empty()),
                );
            }
            assert_eq!(found.join(", "), expected, "in the line '{line}'");
            if !why.is_empty() {
                assert_eq!(self.render_why(&last), why, "in the line '{line}'");
            }
            now += tick_msec;
        }
    }

    /// One event and a look at it.
    pub(crate) fn happen_and_look(&mut self, event: &str, now: i64) -> Plan {
        self.happen(event, now);
        self.look(now)
    }

    /// One look; what it says is written down.
    pub(crate) fn look(&mut self, now: i64) -> Plan {
        let now_msec = self.start_msec + now;
        for alert in &mut self.alerts {
            let raised = self.raised.get(&name(alert)).into_iter().flatten();
            let from = now_msec - self.routing.flapping.window_msec;
            alert.raises = u32::try_from(raised.filter(|time| **time > from).count()).unwrap();
        }
        for flap in &mut self.flaps {
            flap.changed_msec = self.changed[&format!("{}{}", flap.rule, labels(&flap.labels))];
        }
        let world = World {
            alerts: &self.alerts,
            told: &self.told,
            silences: &self.silences,
            groups: &self.groups,
            flaps: &self.flaps,
        };
        let local = LocalTime::derive(now_msec, &self.zone);
        let plan = plan(&self.routing, now_msec, local, &world);
        self.apply(&plan);
        plan
    }

    fn apply(&mut self, plan: &Plan) {
        for change in &plan.told {
            let (alert, channel) = match change {
                ToldChange::Set(told) => (told.alert, &told.channel),
                ToldChange::Forget { alert, channel } => (*alert, channel),
            };
            self.told
                .retain(|told| told.alert != alert || told.channel != *channel);
            if let ToldChange::Set(told) = change {
                self.told.push(told.clone());
            }
        }
        for group in &plan.groups {
            self.groups
                .retain(|one| one.channel != group.channel || one.key != group.key);
            self.groups.push(group.clone());
        }
        for change in &plan.flaps {
            let (FlapChange::Set(flap) | FlapChange::End(flap)) = change;
            self.flaps.retain(|one| {
                (&one.rule, &one.labels, &one.channel) != (&flap.rule, &flap.labels, &flap.channel)
            });
            if let FlapChange::Set(flap) = change {
                self.flaps.push(flap.clone());
            }
        }
        let told = &self.told;
        self.alerts
            .retain(|alert| alert.is_live() || told.iter().any(|told| told.alert == alert.id));
    }

    fn happen(&mut self, event: &str, now: i64) {
        let now_msec = self.start_msec + now;
        let words: Vec<&str> = event.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["raise", name, severity] => self.raise(name, severity.parse().unwrap(), now_msec),
            ["silence", matcher, "until", until] => self.silences.push(Silence {
                id: i64::try_from(self.silences.len()).unwrap() + 1,
                matchers: vec![matcher.parse().unwrap()],
                author: "me".to_owned(),
                reason: "work".to_owned(),
                starts_msec: now_msec,
                ends_msec: self.start_msec + parse_time(until),
            }),
            ["acknowledge", name] => {
                let alert = self.find(name);
                alert.acknowledged = Some(alert.severity);
            }
            ["clock-back", msec] => self.start_msec -= msec.parse::<i64>().unwrap() * 1000,
            [kind, name] => self.change(kind, name, None, now_msec),
            [kind, name, severity] => self.change(kind, name, Some(severity), now_msec),
            _ => panic!("no event: {event}"),
        }
    }

    fn raise(&mut self, name: &str, severity: Severity, now_msec: i64) {
        self.events += 1;
        let mut parts = name.split('/');
        let rule = parts.next().unwrap().to_owned();
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        self.raised
            .entry(name.to_owned())
            .or_default()
            .push(now_msec);
        self.changed.insert(name.to_owned(), now_msec);
        self.alerts.push(Living {
            id: self.events,
            rule,
            labels: parts.map(pair).collect(),
            severity,
            state: Life::Firing,
            kind: Kind::Raised,
            event: self.events,
            value: None,
            threshold: None,
            message: "m".to_owned(),
            runbook: String::new(),
            annotations: [].into(),
            since_msec: now_msec,
            changed_msec: now_msec,
            acknowledged: None,
            raises: 1,
        });
    }

    fn find(&mut self, wanted: &str) -> &mut Living {
        let mut alerts = self.alerts.iter_mut();
        alerts
            .rfind(|alert| alert.is_live() && name(alert) == wanted)
            .unwrap()
    }

    fn change(&mut self, kind: &str, name: &str, severity: Option<&str>, now_msec: i64) {
        self.events += 1;
        let event = self.events;
        self.changed.insert(name.to_owned(), now_msec);
        let (kind, state) = match kind {
            "escalate" => (Kind::Escalated, Life::Firing),
            "deescalate" => (Kind::Deescalated, Life::Firing),
            "nodata" => (Kind::Nodata, Life::Nodata),
            "return" => (Kind::Returned, Life::Firing),
            "again" => (Kind::Repeated, Life::Firing),
            "resolve" => (Kind::Resolved, Life::Resolved),
            _ => panic!("no event: {kind}"),
        };
        let alert = self.find(name);
        if let Some(severity) = severity {
            alert.severity = severity.parse().unwrap();
        }
        (alert.kind, alert.state, alert.event) = (kind, state, event);
        alert.changed_msec = now_msec;
        alert.acknowledged = alert.acknowledged.filter(|known| *known >= alert.severity);
    }

    fn render_why(&self, plan: &Plan) -> String {
        let line = |one: &lfs_wrapper_alert::route::Suppressed| {
            let mut alerts = self.alerts.iter();
            let alert = alerts.find(|alert| alert.id == one.alert).unwrap();
            let channel = one
                .channel
                .as_ref()
                .map_or_else(String::new, |it| format!(" {it}"));
            format!("{}{channel} {:?}", name(alert), one.why)
        };
        plan.suppressed
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    labels
        .iter()
        .map(|(key, value)| format!("/{key}={value}"))
        .collect()
}

fn name(alert: &Living) -> String {
    format!("{}{}", alert.rule, labels(&alert.labels))
}

fn split<'a>(text: &'a str, at: &str) -> (&'a str, &'a str) {
    let (before, after) = text.split_once(at).unwrap_or((text, ""));
    (before.trim(), after.trim())
}

/// `D:hh:mm:ss`, and less of it from the left.
fn parse_time(text: &str) -> i64 {
    let units = [1000, 60_000, 3_600_000, 86_400_000];
    let parts = text.rsplit(':').zip(units);
    parts
        .map(|(part, unit)| part.parse::<i64>().unwrap() * unit)
        .sum()
}

fn render_rows(plan: &Plan, now_msec: i64) -> String {
    let row = |row: &lfs_wrapper_alert::route::Row| {
        let told = &row.notification;
        let mut text = format!(
            "{} {} {}{} {}",
            row.channel,
            if told.is_reminder {
                "reminder"
            } else {
                told.kind.as_str()
            },
            told.rule,
            labels(&told.labels),
            told.severity
        );
        if row.due_msec != now_msec {
            text += &format!(" in {} s", (row.due_msec - now_msec) / 1000);
        }
        if row.reason == Reason::Quiet {
            text += " (quiet)";
        }
        if let Some((why, _)) = told.message.split_once(':') {
            text += &format!(" ({why})");
        }
        text
    };
    plan.rows.iter().map(row).collect::<Vec<_>>().join(", ")
}
