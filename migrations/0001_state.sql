-- The owner's state: keys, grabs and what arrs attach to them. Times are Unix seconds, sizes bytes.
-- Downgrade: an older jackdaw refuses this file by its user_version; the copy made before
-- migrating (jackdaw.db.before-N) is what to go back to.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Keys that we made: for an arr that we registered at, or for a friend. Only digests.
CREATE TABLE key (
    id         INTEGER PRIMARY KEY,
    role       TEXT    NOT NULL CHECK (role IN ('arr', 'friend')),
    name       TEXT    NOT NULL,
    sha256     BLOB    NOT NULL UNIQUE CHECK (length(sha256) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
);

-- One release accepted from one arr.
CREATE TABLE grab (
    id             INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: it names the part file
    arr            TEXT    NOT NULL,              -- login that added it
    infohash       TEXT    NOT NULL,              -- of the stub it was given; 40 lower-case hex
    base_hash      TEXT    NOT NULL,              -- of generation 0: names (title, size)
    generation     INTEGER NOT NULL,
    stub           BLOB    NOT NULL,              -- the torrent as it was added
    title          TEXT    NOT NULL,              -- info.name of the stub
    size           INTEGER NOT NULL CHECK (size > 0),
    peer_id        TEXT    NOT NULL,              -- origin it is fetched from now
    item_id        TEXT    NOT NULL,
    category       TEXT    NOT NULL DEFAULT '',
    tags           TEXT    NOT NULL DEFAULT '',   -- joined with ', ', sorted
    state          TEXT    NOT NULL CHECK (state IN
        ('queued', 'downloading', 'waiting', 'paused', 'completed', 'imported', 'failed')),
    reason         TEXT,                          -- why it waits or failed, in the owner's words
    folder         TEXT    NOT NULL,              -- one component below completed_path
    filename       TEXT,                          -- known once the friend has named it
    etag           TEXT,                          -- validator of the bytes in the part file
    attempts       INTEGER NOT NULL DEFAULT 0,
    retry_at       INTEGER,
    position       INTEGER NOT NULL,              -- place in the queue, lowest first
    force_start    INTEGER NOT NULL DEFAULT 0,
    download_limit INTEGER NOT NULL DEFAULT 0,    -- bytes per second, 0 = none
    upload_limit   INTEGER NOT NULL DEFAULT 0,
    ratio_limit    REAL    NOT NULL DEFAULT -2,   -- what the arr asked for, not what is shown
    seeding_time_limit          INTEGER NOT NULL DEFAULT -2,
    inactive_seeding_time_limit INTEGER NOT NULL DEFAULT -2,
    added_at       INTEGER NOT NULL,
    completed_at   INTEGER,
    imported_at    INTEGER,
    failure_reported INTEGER NOT NULL DEFAULT 0,
    UNIQUE (arr, infohash)
);
CREATE INDEX grab_by_category ON grab (category, arr);
CREATE INDEX grab_by_state ON grab (state, position);
CREATE INDEX grab_by_infohash ON grab (infohash);
CREATE INDEX grab_by_base_hash ON grab (base_hash, arr, state, generation);

-- What the next stub's generation is, once a grab of (title, size) has ended for an arr.
CREATE TABLE generation (
    arr       TEXT    NOT NULL,
    base_hash TEXT    NOT NULL,
    next      INTEGER NOT NULL,
    PRIMARY KEY (arr, base_hash)
) WITHOUT ROWID;
CREATE INDEX generation_by_base_hash ON generation (base_hash);

CREATE TABLE category (
    arr       TEXT NOT NULL,
    name      TEXT NOT NULL,
    save_path TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (arr, name)
) WITHOUT ROWID;

CREATE TABLE tag (
    arr  TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (arr, name)
) WITHOUT ROWID;
