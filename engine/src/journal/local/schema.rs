//! The tables of `journal.db`. A step that was released is never changed: what comes later is a further step.

use crate::journal::store::Format;

/// Name of the database in the data directory.
pub(in crate::journal) const FILE: &str = "journal.db";

pub(in crate::journal) const FORMAT: Format = Format { application: 0x5453_4a31, steps: &[VERSION_1, VERSION_2] };

/// Times are milliseconds since the epoch, but for `event_time`, `started` and `ended`: seconds, as in the record.
const VERSION_1: &str = "
CREATE TABLE meta(
    key TEXT PRIMARY KEY NOT NULL,      -- created, identity, partitions, committed, dropped
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE entries(
    seq INTEGER PRIMARY KEY,
    taken_at INTEGER NOT NULL,
    bytes BLOB NOT NULL                 -- sealed
);

CREATE TABLE marks(
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY(source, key)
) WITHOUT ROWID;

CREATE TABLE totals(
    source TEXT PRIMARY KEY NOT NULL,
    counted INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    not_analysed INTEGER NOT NULL,
    dead_letter INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE incidents(                 -- one row a sharedEventID: what lists are filtered and ordered by
    shared_event_id TEXT PRIMARY KEY NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    error_code TEXT,
    sensitivity TEXT,                   -- the strictest so far
    direction TEXT,
    recorded INTEGER NOT NULL           -- when the newest record of it was committed: what retention counts from
) WITHOUT ROWID;
CREATE INDEX incidents_newest ON incidents(started DESC, shared_event_id DESC);

CREATE TABLE insights(                  -- one row an eventID
    id INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    shared_event_id TEXT NOT NULL REFERENCES incidents ON DELETE CASCADE,
    state TEXT NOT NULL,
    event_time INTEGER NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    error_code TEXT,
    sensitivity TEXT,
    direction TEXT,
    test TEXT,
    detected_at INTEGER,
    revision INTEGER NOT NULL,
    muted_by TEXT,
    json TEXT NOT NULL                  -- the full form
);
CREATE INDEX insights_of ON insights(shared_event_id, id);

CREATE TABLE outbox(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    shared_event_id TEXT NOT NULL,
    event_id TEXT NOT NULL REFERENCES insights(event_id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    created INTEGER NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'pending' CHECK(status IN ('pending', 'delivered', 'dead')),
    closed INTEGER,
    last_error TEXT
);
CREATE INDEX outbox_pending ON outbox(sink, id) WHERE status = 'pending';
CREATE INDEX outbox_incident ON outbox(shared_event_id, sink, id);
CREATE INDEX outbox_record ON outbox(event_id);
CREATE INDEX outbox_closed ON outbox(closed) WHERE status <> 'pending';
";

/// Mutes made by hand, kept when they have ended: who kept what from people, when and why.
const VERSION_2: &str = "
CREATE TABLE mutes(
    key TEXT PRIMARY KEY NOT NULL,
    mute TEXT NOT NULL,                 -- JSON
    made INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    ended INTEGER,
    ended_by TEXT
) WITHOUT ROWID;
";
