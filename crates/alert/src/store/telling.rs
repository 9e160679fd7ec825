//! What channels were told: reading what the plan needs, and writing what it
//! says.

use jiff::tz::TimeZone;
use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_state::Database;
use rusqlite::{Connection, Result, Row, params};

use super::silence::read_silences;
use super::{from_json, from_word, outbox, to_json};
use crate::engine::Kind;
use crate::route::{
    Flap, FlapChange, GroupSent, Life, Living, LocalTime, Plan, Routing, Silence, Told, ToldChange,
    ToldState, World, plan,
};

/// Plans from what is written down, and writes what the plan says. It is called
/// in the transaction that writes a change, after each change: so no moment lies
/// between an alert and the message about it. Returns the plan, for display.
pub fn tell(
    connection: &Connection,
    routing: &Routing,
    now_msec: TimeMsec,
    zone: &TimeZone,
) -> Result<Plan> {
    let known = Known::read(connection, routing, now_msec)?;
    let plan = known.plan(routing, now_msec, zone);
    apply_plan(connection, &plan, now_msec)?;
    Ok(plan)
}

/// Tells what time alone makes due: a silence ends, a repeat comes. It writes
/// nothing, and waits for nobody, where there is nothing to tell.
pub fn tell_due(
    database: &Database,
    routing: &Routing,
    now_msec: TimeMsec,
    zone: &TimeZone,
) -> Result<Plan> {
    let known = Known::read(database.connection(), routing, now_msec)?;
    let plan = known.plan(routing, now_msec, zone);
    if plan.is_empty() {
        return Ok(plan);
    }
    let transaction = database.begin()?;
    let plan = tell(&transaction, routing, now_msec, zone)?;
    transaction.commit()?;
    Ok(plan)
}

#[derive(Default)]
struct Known {
    alerts: Vec<Living>,
    told: Vec<Told>,
    silences: Vec<Silence>,
    groups: Vec<GroupSent>,
    flaps: Vec<Flap>,
}

impl Known {
    fn read(connection: &Connection, routing: &Routing, now_msec: TimeMsec) -> Result<Self> {
        let alerts = read_alerts(connection, now_msec - routing.flapping.window_msec)?;
        let flaps = read_flaps(connection)?;
        if alerts.is_empty() {
            return Ok(Self {
                flaps,
                ..Self::default()
            });
        }
        Ok(Self {
            alerts,
            told: read_told(connection)?,
            silences: read_silences(connection, now_msec, now_msec)?,
            groups: read_groups(connection)?,
            flaps,
        })
    }

    fn plan(&self, routing: &Routing, now_msec: TimeMsec, zone: &TimeZone) -> Plan {
        let world = World {
            alerts: &self.alerts,
            told: &self.told,
            silences: &self.silences,
            groups: &self.groups,
            flaps: &self.flaps,
        };
        plan(routing, now_msec, LocalTime::derive(now_msec, zone), &world)
    }
}

/// What is live, and what is over while a channel does not know it.
fn read_alerts(connection: &Connection, from_msec: TimeMsec) -> Result<Vec<Living>> {
    connection
        .prepare_cached(
            "WITH wanted AS (SELECT id FROM alert WHERE state <> 'resolved' \
             UNION SELECT alert FROM alert_told) \
             SELECT a.id, a.rule, a.labels, a.severity, a.state, coalesce(t.kind, 'raised'), \
             coalesce(t.id, 0), a.value, a.threshold, a.message, coalesce(a.runbook, ''), \
             a.annotations, a.since_msec, a.changed_msec, a.acknowledged_severity, \
             (SELECT count(*) FROM alert b WHERE b.rule = a.rule AND b.labels = a.labels \
              AND b.since_msec > ?1) \
             FROM wanted JOIN alert a USING (id) LEFT JOIN alert_transition t \
             ON t.id = (SELECT max(id) FROM alert_transition WHERE alert = a.id)",
        )?
        .query_map([from_msec], read_living)?
        .collect()
}

fn read_living(row: &Row<'_>) -> Result<Living> {
    let state: String = row.get(4)?;
    let acknowledged: Option<String> = row.get(14)?;
    Ok(Living {
        id: row.get(0)?,
        rule: row.get(1)?,
        labels: from_json(row, 2)?,
        severity: from_word(row, 3)?,
        state: match state.as_str() {
            "resolved" => Life::Resolved,
            "nodata" => Life::Nodata,
            _ => Life::Firing,
        },
        kind: from_word::<Kind>(row, 5)?,
        event: row.get(6)?,
        value: row.get(7)?,
        threshold: row.get(8)?,
        message: row.get(9)?,
        runbook: row.get(10)?,
        annotations: from_json(row, 11)?,
        since_msec: row.get(12)?,
        changed_msec: row.get(13)?,
        acknowledged: match acknowledged {
            Some(_) => Some(from_word(row, 14)?),
            None => None,
        },
        raises: row.get(15)?,
    })
}

fn read_told(connection: &Connection) -> Result<Vec<Told>> {
    connection
        .prepare_cached(
            "SELECT alert, channel, event, kind, severity, worst, state, time_msec, held_msec \
             FROM alert_told",
        )?
        .query_map([], |row| {
            Ok(Told {
                alert: row.get(0)?,
                channel: row.get(1)?,
                event: row.get(2)?,
                kind: from_word(row, 3)?,
                severity: from_word(row, 4)?,
                worst: from_word(row, 5)?,
                state: from_word(row, 6)?,
                time_msec: row.get(7)?,
                held_msec: row.get(8)?,
            })
        })?
        .collect()
}

fn read_groups(connection: &Connection) -> Result<Vec<GroupSent>> {
    connection
        .prepare_cached("SELECT channel, group_key, last_msec FROM alert_group")?
        .query_map([], |row| {
            Ok(GroupSent {
                channel: row.get(0)?,
                key: row.get(1)?,
                last_msec: row.get(2)?,
            })
        })?
        .collect()
}

fn read_flaps(connection: &Connection) -> Result<Vec<Flap>> {
    connection
        .prepare_cached(
            "SELECT f.rule, f.labels, f.channel, f.severity, f.since_msec, \
             coalesce((SELECT max(changed_msec) FROM alert a \
                       WHERE a.rule = f.rule AND a.labels = f.labels), f.since_msec) \
             FROM alert_flap f",
        )?
        .query_map([], |row| {
            Ok(Flap {
                rule: row.get(0)?,
                labels: from_json(row, 1)?,
                channel: row.get(2)?,
                severity: from_word(row, 3)?,
                since_msec: row.get(4)?,
                changed_msec: row.get(5)?,
            })
        })?
        .collect()
}

/// Writes what a plan says, within the transaction in which it was made.
pub fn apply_plan(connection: &Connection, plan: &Plan, now_msec: TimeMsec) -> Result<()> {
    for row in &plan.rows {
        outbox::write(connection, row, now_msec)?;
    }
    for change in &plan.told {
        apply_told(connection, change)?;
    }
    for group in &plan.groups {
        connection.execute(
            "INSERT OR REPLACE INTO alert_group (channel, group_key, last_msec) VALUES (?1, ?2, ?3)",
            params![group.channel, group.key, group.last_msec],
        )?;
    }
    for change in &plan.flaps {
        apply_flap(connection, change)?;
    }
    Ok(())
}

fn apply_told(connection: &Connection, change: &ToldChange) -> Result<()> {
    match change {
        ToldChange::Forget { alert, channel } => connection.execute(
            "DELETE FROM alert_told WHERE alert = ?1 AND channel = ?2",
            params![alert, channel],
        )?,
        ToldChange::Set(told) => connection.execute(
            "INSERT OR REPLACE INTO alert_told (alert, channel, event, kind, severity, worst, \
             state, time_msec, held_msec) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                told.alert,
                told.channel,
                told.event,
                told.kind.as_str(),
                told.severity.as_str(),
                told.worst.as_str(),
                match told.state {
                    ToldState::Nothing => "nothing",
                    ToldState::Firing => "firing",
                    ToldState::Nodata => "nodata",
                },
                told.time_msec,
                told.held_msec
            ],
        )?,
    };
    Ok(())
}

fn apply_flap(connection: &Connection, change: &FlapChange) -> Result<()> {
    match change {
        FlapChange::End(flap) => connection.execute(
            "DELETE FROM alert_flap WHERE rule = ?1 AND labels = ?2 AND channel = ?3",
            params![flap.rule, to_json(&flap.labels)?, flap.channel],
        )?,
        FlapChange::Set(flap) => connection.execute(
            "INSERT OR REPLACE INTO alert_flap (rule, labels, channel, severity, since_msec) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                flap.rule,
                to_json(&flap.labels)?,
                flap.channel,
                flap.severity.as_str(),
                flap.since_msec
            ],
        )?,
    };
    Ok(())
}
