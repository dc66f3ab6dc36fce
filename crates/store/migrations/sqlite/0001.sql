-- Rows of one venue's market data. Decimals are text, times are integer nanoseconds UTC.
-- `id` rises in the order of commit: what reads on from a cursor reads by it. `ts_venue` is the venue's own
-- stamp, `ts_local` the arrival here.

-- Which world the rows come from: one row per venue for live hosts, one row '*' for a simulator's run.
CREATE TABLE world (
  venue    TEXT NOT NULL PRIMARY KEY,
  kind     TEXT NOT NULL CHECK (kind IN ('live', 'sim')),
  identity TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last book generation handed out.
CREATE TABLE epoch (
  venue  TEXT    NOT NULL,
  symbol TEXT    NOT NULL,
  last   INTEGER NOT NULL,
  PRIMARY KEY (venue, symbol)
) STRICT, WITHOUT ROWID;

-- How far each stream is stored.
CREATE TABLE stream (
  venue    TEXT    NOT NULL,
  symbol   TEXT    NOT NULL,
  channel  TEXT    NOT NULL,
  epoch    INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  ts_local INTEGER NOT NULL,
  PRIMARY KEY (venue, symbol, channel)
) STRICT, WITHOUT ROWID;

-- The terms of an instrument; a change of terms is a new version.
CREATE TABLE instrument (
  id            INTEGER PRIMARY KEY,
  venue         TEXT    NOT NULL,
  symbol        TEXT    NOT NULL,
  version       INTEGER NOT NULL,
  venue_symbol  TEXT    NOT NULL,
  kind          TEXT    NOT NULL,
  status        TEXT    NOT NULL,
  price_scale   INTEGER NOT NULL,
  qty_scale     INTEGER NOT NULL,
  tick          TEXT    NOT NULL,
  step          TEXT    NOT NULL,
  min_qty       TEXT,
  max_qty       TEXT,
  min_notional  TEXT,
  contract_size TEXT,
  inverse       INTEGER NOT NULL,
  maker_fee     TEXT,
  taker_fee     TEXT,
  ts_local      INTEGER NOT NULL,
  UNIQUE (venue, symbol, version),
  UNIQUE (venue, symbol, ts_local)
) STRICT;

-- Public trades; `side` is the aggressor's.
CREATE TABLE trade (
  id       INTEGER PRIMARY KEY,
  venue    TEXT    NOT NULL,
  symbol   TEXT    NOT NULL,
  trade_id TEXT    NOT NULL,
  price    TEXT    NOT NULL,
  qty      TEXT    NOT NULL,
  side     TEXT    NOT NULL,
  ts_venue INTEGER NOT NULL,
  ts_local INTEGER NOT NULL,
  UNIQUE (venue, symbol, trade_id)
) STRICT;

-- Order books as changes: [["price","qty"],…], absolute quantities, "0" removes; a snapshot replaces the book.
-- `first_seq` follows the `last_seq` of the row before it in the same epoch.
CREATE TABLE book_change (
  id          INTEGER PRIMARY KEY,
  venue       TEXT    NOT NULL,
  symbol      TEXT    NOT NULL,
  epoch       INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  last_seq    INTEGER NOT NULL,
  is_snapshot INTEGER NOT NULL,
  bids        TEXT    NOT NULL,
  asks        TEXT    NOT NULL,
  ts_venue    INTEGER,
  ts_local    INTEGER NOT NULL,
  UNIQUE (venue, symbol, epoch, first_seq)
) STRICT;

-- Statistics as the venue states them; absent means not stated.
CREATE TABLE ticker (
  id              INTEGER PRIMARY KEY,
  venue           TEXT    NOT NULL,
  symbol          TEXT    NOT NULL,
  epoch           INTEGER NOT NULL,
  seq             INTEGER NOT NULL,
  bid             TEXT,
  bid_qty         TEXT,
  ask             TEXT,
  ask_qty         TEXT,
  last            TEXT,
  mark            TEXT,
  index_price     TEXT,
  funding_rate    TEXT,
  next_funding_at INTEGER,
  open_interest   TEXT,
  volume          TEXT,
  quote_volume    TEXT,
  ts_venue        INTEGER,
  ts_local        INTEGER NOT NULL,
  UNIQUE (venue, symbol, epoch, seq)
) STRICT;

-- Closed candles.
CREATE TABLE candle (
  id       INTEGER PRIMARY KEY,
  venue    TEXT    NOT NULL,
  symbol   TEXT    NOT NULL,
  interval TEXT    NOT NULL,
  open_at  INTEGER NOT NULL,
  open     TEXT    NOT NULL,
  high     TEXT    NOT NULL,
  low      TEXT    NOT NULL,
  close    TEXT    NOT NULL,
  volume   TEXT    NOT NULL,
  ts_local INTEGER NOT NULL,
  UNIQUE (venue, symbol, interval, open_at)
) STRICT;

-- What is missing, and why. `from_seq` to `to_seq` are the missing numbers, where they are known.
CREATE TABLE gap (
  id          INTEGER PRIMARY KEY,
  venue       TEXT    NOT NULL,
  symbol      TEXT    NOT NULL,
  channel     TEXT    NOT NULL,
  epoch       INTEGER,
  from_seq    INTEGER,
  to_seq      INTEGER,
  cause       TEXT    NOT NULL,
  detected_at INTEGER NOT NULL,
  healed_at   INTEGER,
  UNIQUE (venue, symbol, channel, detected_at)
) STRICT;
