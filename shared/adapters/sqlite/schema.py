"""What the file holds, and how a file of an older release is brought up to it.

`PRAGMA user_version` counts the scripts that a file has seen. A script that has been released is never
changed. Instants and durations are whole microseconds; sets and objects are JSON text.
"""

import sqlite3
from pathlib import Path

from shared.adapters.sqlite.errors import CannotOpen, NewerSchema

APPLICATION_ID = 0x48454C49
"""Marks the file as ours; `file` and SQLite's own tools show it."""

_FIRST = """
-- An organization that has set nothing for itself has no row; NULL follows the process.
CREATE TABLE organization (
    org_id TEXT PRIMARY KEY, retry_schedule TEXT, disable_after INTEGER, signature_type TEXT,
    signature_headers TEXT, endpoint_https_only INTEGER, operational_webhooks INTEGER,
    endpoint_probation INTEGER
) WITHOUT ROWID;

CREATE TABLE application (
    org_id TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, uid TEXT, throttle_rate INTEGER,
    metadata TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    token_ends TEXT NOT NULL, throttled_since INTEGER, removed_at INTEGER,
    PRIMARY KEY (org_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX application_uid ON application (org_id, uid) WHERE uid IS NOT NULL;

CREATE TABLE event_type (
    org_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, archived INTEGER NOT NULL,
    deprecated INTEGER NOT NULL, schemas TEXT, group_name TEXT, feature_flags TEXT,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, retry_schedule TEXT,
    PRIMARY KEY (org_id, name)
) WITHOUT ROWID;
CREATE INDEX event_type_schedule ON event_type (org_id, name) WHERE retry_schedule IS NOT NULL;

CREATE TABLE endpoint (
    app_id TEXT NOT NULL, id TEXT NOT NULL, org_id TEXT NOT NULL, url TEXT NOT NULL,
    description TEXT NOT NULL, version INTEGER NOT NULL, disabled INTEGER NOT NULL,
    uid TEXT, throttle_rate INTEGER, event_types TEXT, channels TEXT,
    metadata TEXT NOT NULL, headers TEXT NOT NULL, keys TEXT NOT NULL,
    failing_since INTEGER, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    throttled_since INTEGER, switched_off_at INTEGER, removed_at INTEGER,
    PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX endpoint_uid ON endpoint (app_id, uid) WHERE uid IS NOT NULL;
-- To count those that are not well, and to find an organization's, without a look at the others.
CREATE INDEX endpoint_disabled ON endpoint (disabled) WHERE disabled AND removed_at IS NULL;
CREATE INDEX endpoint_failing ON endpoint (org_id, failing_since, app_id)
    WHERE failing_since IS NOT NULL AND NOT disabled AND removed_at IS NULL;
CREATE INDEX endpoint_switched_off ON endpoint (org_id, switched_off_at)
    WHERE switched_off_at IS NOT NULL AND removed_at IS NULL;
CREATE INDEX endpoint_rated ON endpoint (org_id, app_id)
    WHERE throttle_rate IS NOT NULL AND removed_at IS NULL;

-- Payloads lie apart and in order of arrival, so that a list of messages reads none of them. The number of
-- one that was erased is never given again: messages and queued work still name it.
CREATE TABLE content (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL, content_type TEXT,
    expires_at INTEGER NOT NULL
);
CREATE INDEX content_expiry ON content (expires_at);

CREATE TABLE message (
    app_id TEXT NOT NULL, id TEXT NOT NULL, org_id TEXT NOT NULL, event_type TEXT NOT NULL, event_id TEXT,
    channels TEXT, tags TEXT, content INTEGER, payload_expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, deliver_at INTEGER, trace TEXT,
    PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX message_event_id ON message (app_id, event_id) WHERE event_id IS NOT NULL;
-- Lists by type are a merge of ranges of this, and lists by channel, by tag or by both of the other. It has a
-- row for each channel, each tag and each pair of the two that a message has; '' stands for any.
-- Most messages have none.
CREATE INDEX message_type ON message (app_id, event_type, id);
CREATE TABLE message_label (
    app_id TEXT NOT NULL, channel TEXT NOT NULL, tag TEXT NOT NULL, event_type TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (app_id, channel, tag, event_type, id)
) WITHOUT ROWID;

-- standing is how the message stands at the endpoint; only the newest attempt of the two says it.
CREATE TABLE attempt (
    message_id TEXT NOT NULL, id TEXT NOT NULL, endpoint_id TEXT NOT NULL, app_id TEXT NOT NULL,
    org_id TEXT NOT NULL, event_type TEXT NOT NULL, channels TEXT, tags TEXT, number INTEGER NOT NULL,
    url TEXT NOT NULL, status INTEGER NOT NULL, code_class INTEGER NOT NULL,
    response_status_code INTEGER NOT NULL, response TEXT NOT NULL, duration INTEGER NOT NULL,
    trigger_type INTEGER NOT NULL, made_at INTEGER NOT NULL, next_attempt_at INTEGER, standing INTEGER,
    ended_why INTEGER, ended_at INTEGER,
    PRIMARY KEY (message_id, id)
) WITHOUT ROWID;
-- Whatever a list of attempts is filtered by, it is a merge of ranges of this …
CREATE INDEX attempt_endpoint ON attempt (endpoint_id, event_type, status, code_class, id);
-- … and a list of the messages of an endpoint a merge of ranges of this.
CREATE INDEX attempt_standing ON attempt (endpoint_id, event_type, standing, message_id)
    WHERE standing IS NOT NULL;
-- The same two for what has channels or tags.
CREATE TABLE attempt_label (
    endpoint_id TEXT NOT NULL, channel TEXT NOT NULL, tag TEXT NOT NULL, event_type TEXT NOT NULL,
    status INTEGER NOT NULL, code_class INTEGER NOT NULL, id TEXT NOT NULL, message_id TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, channel, tag, event_type, status, code_class, id)
) WITHOUT ROWID;
CREATE TABLE standing_label (
    endpoint_id TEXT NOT NULL, channel TEXT NOT NULL, tag TEXT NOT NULL, event_type TEXT NOT NULL,
    standing INTEGER NOT NULL, message_id TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, channel, tag, event_type, standing, message_id)
) WITHOUT ROWID;

-- In order of arrival: keys come in none, and a table in their order would rewrite a page for each answer.
-- status is NULL while somebody works on the answer.
CREATE TABLE answer (
    seq INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, status INTEGER, headers TEXT, body BLOB,
    ends_at INTEGER NOT NULL
);
CREATE INDEX answer_end ON answer (ends_at);

-- What waits for its time or for room, in the order in which it is handed over; a payload that travels along
-- is left in its place …
CREATE TABLE work_waiting (
    queue TEXT NOT NULL, due_at INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
    content INTEGER, delivery_count INTEGER NOT NULL, enqueued_at INTEGER NOT NULL,
    PRIMARY KEY (queue, due_at, seq)
) WITHOUT ROWID;
-- … and what this process has in hand. The latter stays small, whatever waits.
CREATE TABLE work_held (
    seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, due_at INTEGER NOT NULL, body BLOB NOT NULL,
    content INTEGER, delivery_count INTEGER NOT NULL, enqueued_at INTEGER NOT NULL
);
CREATE VIEW work AS
    SELECT queue, due_at, seq, body, delivery_count, enqueued_at FROM work_waiting UNION ALL
    SELECT queue, due_at, seq, body, delivery_count, enqueued_at FROM work_held;

CREATE TABLE dead_letter (
    place INTEGER PRIMARY KEY, queue TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
    reason TEXT NOT NULL, died_at INTEGER NOT NULL
);
CREATE INDEX dead_letter_queue ON dead_letter (queue, place);

-- Until when the turns of a line are taken.
CREATE TABLE throttle (line TEXT PRIMARY KEY, free_at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE background_task (
    org_id TEXT NOT NULL, id TEXT NOT NULL, app_id TEXT NOT NULL, name TEXT NOT NULL, arguments TEXT NOT NULL,
    asked_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, status TEXT NOT NULL, step INTEGER NOT NULL,
    page TEXT NOT NULL, done INTEGER NOT NULL, failed INTEGER NOT NULL, total INTEGER, why TEXT,
    finished_at INTEGER, scanned TEXT, due_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) WITHOUT ROWID;
-- What each step has found out, a JSON text.
CREATE TABLE background_task_findings (
    task_id TEXT NOT NULL, step INTEGER NOT NULL, org_id TEXT NOT NULL, findings TEXT NOT NULL,
    PRIMARY KEY (task_id, step)
);
CREATE INDEX background_task_running ON background_task (due_at) WHERE status = 'running';
CREATE INDEX background_task_ended ON background_task (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE pulse (one INTEGER PRIMARY KEY CHECK (one = 1), beats INTEGER NOT NULL);
INSERT INTO pulse VALUES (1, 0);

-- Durable orchestrations of the embedded host; events are JSON texts that only the host understands.
CREATE TABLE orchestration (
    id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    status TEXT NOT NULL, parent_id TEXT, parent_execution TEXT, parent_task INTEGER, step INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, custom_status TEXT, output TEXT, input TEXT
);
CREATE INDEX orchestration_created ON orchestration (created_at, id);
CREATE TABLE orchestration_history (
    instance_id TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (instance_id, number)
) WITHOUT ROWID;
-- What waits for an instance's next step; task is what it is the outcome of, if of anything.
CREATE TABLE orchestration_arrival (
    place INTEGER PRIMARY KEY, instance_id TEXT NOT NULL, due_at INTEGER NOT NULL,
    task INTEGER, event TEXT NOT NULL
);
CREATE INDEX orchestration_arrival_due ON orchestration_arrival (instance_id, due_at, place);
CREATE INDEX orchestration_arrival_task ON orchestration_arrival (instance_id, task) WHERE task IS NOT NULL;
-- Activities that have no outcome yet.
CREATE TABLE orchestration_call (
    instance_id TEXT NOT NULL, execution TEXT NOT NULL, task INTEGER NOT NULL, name TEXT NOT NULL, input TEXT,
    PRIMARY KEY (instance_id, execution, task)
) WITHOUT ROWID;
"""

MIGRATIONS = (_FIRST,)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file up to this release: each missing script in a transaction of its own.

    Raises:
        NewerSchema: The file has seen more scripts than this release has.
        CannotOpen: The file holds something else.
        sqlite3.Error: A script could not be written.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and mark != APPLICATION_ID:
        raise CannotOpen(path, "it is the database of another program")
    if version > len(MIGRATIONS):
        raise NewerSchema(path, "it is newer", found=version, known=len(MIGRATIONS))
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {number}; COMMIT"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
