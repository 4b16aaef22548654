-- The catalogue: releases of ours and of friends. All of it can be had again by asking the sources
-- and the friends, except the numbers of the origins and the time when an item was first seen.
-- Times are Unix seconds, sizes bytes. There are no foreign keys here: one writer
-- (src/store/releases.rs) keeps the tables in step, and checks would double its lookups.
-- Downgrade: see 0001_state.sql.

-- Where releases come from.
CREATE TABLE origin (
    n         INTEGER PRIMARY KEY,          -- friends 1..62: bit in item.friends, and category
                                            -- 100000 + n in feeds; sources from 1000 up
    kind      TEXT    NOT NULL CHECK (kind IN ('friend', 'source')),
    key       TEXT    NOT NULL,             -- peer id, or CONNECTOR part of our release ids
    etag      TEXT,                         -- of the friend's whole list as we have it
    filled_at INTEGER,                      -- first time that the whole list was read
    seen_at   INTEGER,                      -- last answer, at most an hour behind
    mark      INTEGER NOT NULL DEFAULT 0,   -- source: sum of the digests of its releases
    UNIQUE (kind, key)
);

-- One release (title and size), however many friends and episodes it stands for. Rows are narrow:
-- the feed and its deep pages walk them.
CREATE TABLE item (
    id      INTEGER PRIMARY KEY,            -- place in the feed, ascending: published << 30 | the
                                            -- first 30 bits of guid, inverted; so the primary key,
                                            -- and FTS rowids, are the order of every answer
    guid    BLOB    NOT NULL CHECK (length(guid) = 20),
    size    INTEGER NOT NULL CHECK (size > 0),
    friends INTEGER NOT NULL,               -- bit n: origin n offers it
    cats    INTEGER NOT NULL,               -- bits as in src/catalogue/categories.rs
    gone_at INTEGER,                        -- nobody offers it any more; kept for a while, so that
                                            -- it keeps its place if it comes back
    series  TEXT                            -- series titles as indexed for words, line by line
);
CREATE UNIQUE INDEX item_guid ON item (guid);
CREATE INDEX item_gone ON item (gone_at) WHERE gone_at IS NOT NULL;

-- What a friend offers.
CREATE TABLE offer (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: a refresh deletes up to the
                                                -- highest one that was there when it began
    origin   INTEGER NOT NULL,
    their_id TEXT    NOT NULL,
    item     INTEGER NOT NULL,
    season   INTEGER NOT NULL,              -- -1 = none
    episode  INTEGER NOT NULL,              -- -1 = none
    air      INTEGER NOT NULL,              -- yyyymmdd, 0 = none
    cats     INTEGER NOT NULL,
    imdb     INTEGER,
    tmdb     INTEGER,
    tvdb     INTEGER,
    digest   INTEGER NOT NULL,              -- of all that the friend said: equal = no write
    record   BLOB    NOT NULL               -- the release, src/catalogue/record.rs
);
-- One row for each of these; the digest makes the comparison of a refresh a walk over this index.
CREATE INDEX offer_key ON offer (origin, their_id, season, episode, digest);
CREATE INDEX offer_item ON offer (item, origin, season, episode, air, cats);
CREATE INDEX offer_imdb ON offer (imdb, item) WHERE imdb IS NOT NULL;
CREATE INDEX offer_tmdb ON offer (tmdb, item) WHERE tmdb IS NOT NULL;
CREATE INDEX offer_tvdb ON offer (tvdb, season, episode, item) WHERE tvdb IS NOT NULL;

-- Words of title and series title; rowid = item.id. Only items that somebody offers.
CREATE VIRTUAL TABLE words USING fts5 (
    title, series,
    content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 2"
);

-- How many items there are of each kind, so that the length of the whole feed is known without
-- walking it.
CREATE TABLE tally (
    friends INTEGER NOT NULL,
    cats    INTEGER NOT NULL,
    items   INTEGER NOT NULL,
    PRIMARY KEY (friends, cats)
) WITHOUT ROWID;
CREATE TRIGGER item_added AFTER INSERT ON item BEGIN
    INSERT INTO tally VALUES (new.friends, new.cats, 1)
        ON CONFLICT DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER item_removed AFTER DELETE ON item BEGIN
    UPDATE tally SET items = items - 1 WHERE friends = old.friends AND cats = old.cats;
END;
CREATE TRIGGER item_changed AFTER UPDATE OF friends, cats ON item
WHEN old.friends <> new.friends OR old.cats <> new.cats BEGIN
    UPDATE tally SET items = items - 1 WHERE friends = old.friends AND cats = old.cats;
    INSERT INTO tally VALUES (new.friends, new.cats, 1)
        ON CONFLICT DO UPDATE SET items = items + 1;
END;

-- What we share ourselves.
CREATE TABLE shared (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    source   INTEGER NOT NULL,
    their_id TEXT    NOT NULL,              -- the release's id
    season   INTEGER NOT NULL,
    episode  INTEGER NOT NULL,
    imdb     INTEGER,
    tmdb     INTEGER,
    tvdb     INTEGER,
    digest   INTEGER NOT NULL,
    path     BLOB    NOT NULL,              -- as bytes: a file name need not be UTF-8
    record   BLOB    NOT NULL
);
CREATE INDEX shared_key ON shared (source, their_id, digest);
CREATE INDEX shared_imdb ON shared (imdb) WHERE imdb IS NOT NULL;
CREATE INDEX shared_tmdb ON shared (tmdb) WHERE tmdb IS NOT NULL;
CREATE INDEX shared_tvdb ON shared (tvdb, season, episode) WHERE tvdb IS NOT NULL;
