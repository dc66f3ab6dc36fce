-- SQLite's pages carry no checksum, so the rows do. What is written here is checked by `verify` and by the relay.

-- One row per batch and table: the rows with ids from `first_id` to `last_id` entered together. `checksum` is the
-- wrapping sum of the checksums of those rows and of this row's other columns.
CREATE TABLE batch (
  batch    INTEGER NOT NULL,
  log      TEXT    NOT NULL,
  first_id INTEGER NOT NULL,
  last_id  INTEGER NOT NULL,
  rows     INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  PRIMARY KEY (batch, log)
) STRICT, WITHOUT ROWID;

-- Gaps that were closed after they were written; `gap.healed_at` says the same.
CREATE TABLE heal (
  id        INTEGER PRIMARY KEY,
  gap       INTEGER NOT NULL UNIQUE,
  healed_at INTEGER NOT NULL
) STRICT;

-- How far a remote sink has taken over the batches.
CREATE TABLE relay (
  sink     TEXT    NOT NULL PRIMARY KEY,
  batch    INTEGER NOT NULL,
  checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Tables that are updated in place carry a checksum per row.
ALTER TABLE world  ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE epoch  ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
