-- Times are milliseconds since 1970-01-01T00:00:00Z. A process identity is
-- "boot:pid:start", the boot id, the pid, and the start time in clock ticks
-- since boot, so that a reused pid is never taken for the process that had it.

-- One execution of a plan.
CREATE TABLE run (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL,
    plan            TEXT NOT NULL,      -- the plan as it was started, JSON
    options         TEXT NOT NULL,      -- root, sources, jobs, …; JSON
    state           TEXT NOT NULL,      -- RUNNING COMPLETED FAILED CANCELLED LOST
    reason          TEXT,
    started_msec    INTEGER NOT NULL,
    ended_msec      INTEGER,
    supervisor      TEXT                -- identity; NULL when nobody works on it
) STRICT;

-- One step of a run, with its newest state.
CREATE TABLE step (
    run             INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    ordinal         INTEGER NOT NULL,   -- place in the plan, from 0
    id              TEXT NOT NULL,
    title           TEXT NOT NULL,
    package         TEXT NOT NULL,
    version         TEXT NOT NULL,
    sbu             REAL,
    needs           TEXT NOT NULL,      -- ordinals, JSON array
    state           TEXT NOT NULL,      -- PENDING RUNNING COMPLETED FAILED CANCELLED LOST SKIPPED
    PRIMARY KEY (run, ordinal),
    UNIQUE (run, id)
) STRICT, WITHOUT ROWID;

-- One execution of one step.
CREATE TABLE attempt (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    run             INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    step            TEXT NOT NULL,
    number          INTEGER NOT NULL,   -- from 1 within the run and step
    state           TEXT NOT NULL,      -- RUNNING COMPLETED FAILED CANCELLED LOST
    phase           TEXT,
    started_msec    INTEGER NOT NULL,
    ended_msec      INTEGER,
    keeper          TEXT,               -- identity
    leader          TEXT,               -- identity
    cgroup          TEXT,               -- folder, while it exists
    log             TEXT NOT NULL,      -- file
    exit_code       INTEGER,
    signal          INTEGER,
    reason          TEXT,               -- why it ended as it did, where the exit code does not say
    first_error     TEXT,               -- the first line of the log that looks like the cause
    wall_usec       INTEGER,
    user_usec       INTEGER,
    system_usec     INTEGER,
    cpu_source      TEXT,               -- cgroup wait4
    reaped_cpu_usec INTEGER,            -- user and system by wait4, beside the group's figure
    memory_peak_bytes INTEGER,
    memory_source   TEXT,               -- cgroup wait4
    read_bytes      INTEGER,
    write_bytes     INTEGER,
    io_source       TEXT,               -- cgroup wait4
    strays          INTEGER,            -- processes that outlived the script and were ended
    log_dropped_bytes INTEGER,          -- output beyond the limit of the log
    noticed         INTEGER NOT NULL DEFAULT 0, -- 1: its end went through the alert rules
    UNIQUE (run, step, number)
) STRICT;

CREATE INDEX attempt_by_step ON attempt (step, state);
CREATE INDEX attempt_unnoticed ON attempt (id) WHERE noticed = 0;

-- One thing found by a rule, over its life. At most one that is not resolved
-- exists for each rule and labels.
CREATE TABLE alert (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    rule            TEXT NOT NULL,
    labels          TEXT NOT NULL,      -- JSON object, keys sorted
    state           TEXT NOT NULL,      -- firing nodata resolved
    severity        TEXT NOT NULL,      -- the level it is at, or was at last
    value           REAL,
    threshold       REAL,
    since_msec      INTEGER NOT NULL,
    changed_msec    INTEGER NOT NULL,
    message         TEXT NOT NULL,
    runbook         TEXT
) STRICT;

CREATE UNIQUE INDEX alert_live ON alert (rule, labels) WHERE state <> 'resolved';

-- Every change of an alert, kept.
CREATE TABLE alert_transition (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    alert           INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    time_msec       INTEGER NOT NULL,
    kind            TEXT NOT NULL,      -- raised repeated escalated deescalated nodata returned resolved
    severity        TEXT NOT NULL,
    value           REAL,
    threshold       REAL,
    message         TEXT NOT NULL
) STRICT;

-- The memory of the alert engine, so that a restart neither forgets nor
-- repeats: one row for each rule and labels that is not plainly inactive.
CREATE TABLE alert_memory (
    rule            TEXT NOT NULL,
    labels          TEXT NOT NULL,
    memory          TEXT NOT NULL,      -- JSON
    PRIMARY KEY (rule, labels)
) STRICT, WITHOUT ROWID;

-- Messages that a channel has not taken yet. A row goes when it did. A channel
-- gets its messages in the order of their ids.
CREATE TABLE outbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    channel         TEXT NOT NULL,
    notification    TEXT NOT NULL,      -- JSON
    created_msec    INTEGER NOT NULL,
    tries           INTEGER NOT NULL DEFAULT 0,
    next_msec       INTEGER NOT NULL DEFAULT 0, -- not tried again before; 0: at once
    last_error      TEXT
) STRICT;

CREATE INDEX outbox_by_channel ON outbox (channel);

-- How many messages of a channel were dropped instead of delivered.
CREATE TABLE outbox_drop (
    channel         TEXT PRIMARY KEY,
    dropped         INTEGER NOT NULL,   -- ever
    is_full         INTEGER NOT NULL    -- 1: dropped since it last took one, and that is in the audit log
) STRICT, WITHOUT ROWID;

-- The audit log: each record's hash covers the record and the hash before it.
CREATE TABLE audit (
    seq             INTEGER PRIMARY KEY,    -- from 1, without gaps
    time_msec       INTEGER NOT NULL,
    who             TEXT NOT NULL,
    unit            TEXT NOT NULL,          -- monitor build alert config …
    level           TEXT NOT NULL,          -- a severity
    what            TEXT NOT NULL,
    outcome         TEXT NOT NULL,
    hash            BLOB NOT NULL
) STRICT;
