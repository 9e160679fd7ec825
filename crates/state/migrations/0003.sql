-- From alert to person: what each channel was told, and what waits for it.

ALTER TABLE alert ADD COLUMN annotations TEXT NOT NULL DEFAULT '{}'; -- JSON object
-- Who took note of it, why, and at which severity; NULL where nobody did, and
-- again once it gets worse.
ALTER TABLE alert ADD COLUMN acknowledged_msec INTEGER;
ALTER TABLE alert ADD COLUMN acknowledged_by TEXT;
ALTER TABLE alert ADD COLUMN acknowledge_reason TEXT;
ALTER TABLE alert ADD COLUMN acknowledged_severity TEXT;

CREATE INDEX alert_by_name ON alert (rule, labels, since_msec);
CREATE INDEX alert_transition_by_alert ON alert_transition (alert);

-- What a channel was told of an alert. A row goes when the channel was told
-- that the alert is over.
CREATE TABLE alert_told (
    alert           INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    channel         TEXT NOT NULL,
    event           INTEGER NOT NULL,   -- the transition that it knows; 0: none
    kind            TEXT NOT NULL,      -- as in alert_transition
    severity        TEXT NOT NULL,
    worst           TEXT NOT NULL,      -- the worst severity that it was told
    state           TEXT NOT NULL,      -- nothing firing nodata
    time_msec       INTEGER NOT NULL,   -- when the message was put in the outbox
    held_msec       INTEGER,            -- since when quiet hours hold news back
    PRIMARY KEY (alert, channel)
) STRICT, WITHOUT ROWID;

-- Until now every change went to the two channels there were.
INSERT INTO alert_told (alert, channel, event, kind, severity, worst, state, time_msec)
    SELECT a.id, c.channel, t.id, t.kind, a.severity, a.severity, a.state, a.changed_msec
    FROM alert a
    JOIN alert_transition t ON t.id = (SELECT max(id) FROM alert_transition WHERE alert = a.id)
    CROSS JOIN (SELECT 'console' AS channel UNION SELECT 'syslog') c
    WHERE a.state IN ('firing', 'nodata');

-- When the last message of a group is or was due.
CREATE TABLE alert_group (
    channel         TEXT NOT NULL,
    group_key       TEXT NOT NULL,
    last_msec       INTEGER NOT NULL,
    PRIMARY KEY (channel, group_key)
) STRICT, WITHOUT ROWID;

-- An alert that comes and goes, of which a channel was told so.
CREATE TABLE alert_flap (
    rule            TEXT NOT NULL,
    labels          TEXT NOT NULL,
    channel         TEXT NOT NULL,
    severity        TEXT NOT NULL,      -- the worst that it was told since
    since_msec      INTEGER NOT NULL,
    PRIMARY KEY (rule, labels, channel)
) STRICT, WITHOUT ROWID;

-- Alerts that match are not told from starts_msec until ends_msec.
CREATE TABLE silence (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    matchers        TEXT NOT NULL,      -- JSON array of texts like "rule=disk"
    author          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    created_msec    INTEGER NOT NULL,
    starts_msec     INTEGER NOT NULL,
    ends_msec       INTEGER NOT NULL
) STRICT;

CREATE INDEX silence_by_end ON silence (ends_msec);

-- The alert engine's clock: the time in which somebody looked. One row.
CREATE TABLE alert_clock (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    msec            INTEGER NOT NULL
) STRICT;

-- What was deleted from the history, so that totals never go back. One row.
CREATE TABLE alert_pruned (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    raised          INTEGER NOT NULL    -- transitions that raised or worsened an alert
) STRICT;

-- How the delivery to a channel goes. A channel is tried as a whole: what
-- waits behind a message that failed waits with it.
CREATE TABLE channel_state (
    channel         TEXT PRIMARY KEY,
    tries           INTEGER NOT NULL DEFAULT 0, -- failed ones since it last took something
    refusals        INTEGER NOT NULL DEFAULT 0, -- final ones in a row
    next_msec       INTEGER NOT NULL DEFAULT 0, -- not tried again before
    failing_since_msec INTEGER,
    last_error      TEXT,
    last_sent_msec  INTEGER,
    sent_total      INTEGER NOT NULL DEFAULT 0, -- messages about one alert that it took
    failed_total    INTEGER NOT NULL DEFAULT 0, -- tries that failed
    dropped_total   INTEGER NOT NULL DEFAULT 0, -- since too many waited, or it was not configured
    refused_total   INTEGER NOT NULL DEFAULT 0, -- since it refused them
    bad_total       INTEGER NOT NULL DEFAULT 0, -- moved to outbox_bad
    dropped_now     INTEGER NOT NULL DEFAULT 0  -- since it last took something, too many waited
) STRICT, WITHOUT ROWID;

INSERT INTO channel_state (channel, dropped_total, dropped_now)
    SELECT channel, dropped, is_full FROM outbox_drop;
INSERT INTO channel_state (channel, tries, next_msec, last_error)
    SELECT channel, max(tries), next_msec, last_error FROM outbox WHERE tries > 0 GROUP BY channel
    ON CONFLICT (channel) DO UPDATE SET tries = excluded.tries, next_msec = excluded.next_msec,
    last_error = excluded.last_error;

DROP TABLE outbox_drop;

-- Messages that a channel has not taken yet. A row goes when it did. What is
-- told of one alert keeps the order of the ids.
CREATE TABLE outbox_new (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    channel         TEXT NOT NULL,
    alert           INTEGER NOT NULL,   -- 0: written by a version that did not know
    group_key       TEXT NOT NULL,      -- rows of a group that are due are one message
    group_labels    TEXT NOT NULL,      -- JSON object
    reason          TEXT NOT NULL,      -- group quiet
    notification    TEXT NOT NULL,      -- JSON
    created_msec    INTEGER NOT NULL,
    due_msec        INTEGER NOT NULL,
    is_alone        INTEGER NOT NULL DEFAULT 0  -- 1: its message was refused; it is sent by itself
) STRICT;

INSERT INTO outbox_new (id, channel, alert, group_key, group_labels, reason, notification,
    created_msec, due_msec)
    SELECT id, channel, 0, '', '{}', 'group', notification, created_msec, created_msec FROM outbox;

DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;

CREATE INDEX outbox_by_channel ON outbox (channel, id);
CREATE INDEX outbox_by_due ON outbox (channel, due_msec);

-- Rows of the outbox that this version cannot read, kept for whoever looks.
CREATE TABLE outbox_bad (
    id              INTEGER PRIMARY KEY,
    channel         TEXT NOT NULL,
    notification    TEXT NOT NULL,
    why             TEXT NOT NULL
) STRICT;
