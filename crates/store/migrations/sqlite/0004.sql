-- Rows of one account: `account` is its name in the config, `wallet` is kept where one is known. The first columns are
-- the key. A second telling may know less or more; what both tell must agree.

-- Own orders, a row a state: `ts_venue` is when it came to stand so, 0 where the venue does not say.
CREATE TABLE order_state (
  id              INTEGER PRIMARY KEY,
  venue           TEXT    NOT NULL,
  account         TEXT    NOT NULL,
  product         TEXT    NOT NULL,
  symbol          TEXT    NOT NULL,
  venue_order_id  TEXT    NOT NULL,
  ts_venue        INTEGER NOT NULL,
  status          TEXT    NOT NULL,
  cum_qty         TEXT    NOT NULL,
  wallet          TEXT,
  client_order_id TEXT,
  side            TEXT    NOT NULL,
  order_type      TEXT,
  time_in_force   TEXT,
  price           TEXT,
  stop_price      TEXT,
  qty             TEXT    NOT NULL,
  avg_px          TEXT,
  fee             TEXT,
  fee_asset       TEXT,
  post_only       INTEGER,
  reduce_only     INTEGER,
  created_at      INTEGER,
  ts_local        INTEGER NOT NULL,
  UNIQUE (venue, account, product, symbol, venue_order_id, ts_venue, status, cum_qty)
) STRICT;

-- Own fills. One that is `derived` was told by no venue, but inferred from its order's own sums.
CREATE TABLE fill (
  id              INTEGER PRIMARY KEY,
  venue           TEXT    NOT NULL,
  account         TEXT    NOT NULL,
  product         TEXT    NOT NULL,
  symbol          TEXT    NOT NULL,
  fill_id         TEXT    NOT NULL,
  wallet          TEXT,
  venue_order_id  TEXT    NOT NULL,
  client_order_id TEXT,
  side            TEXT    NOT NULL,
  last_px         TEXT    NOT NULL,
  last_qty        TEXT    NOT NULL,
  fee             TEXT    NOT NULL,
  fee_asset       TEXT,
  realized_pnl    TEXT,
  liquidity       TEXT,
  derived         INTEGER NOT NULL,
  ts_venue        INTEGER NOT NULL,
  ts_local        INTEGER NOT NULL,
  UNIQUE (venue, account, product, symbol, fill_id)
) STRICT;

-- Money that came, went, or moved between wallets, a row a state.
CREATE TABLE movement (
  id          INTEGER PRIMARY KEY,
  venue       TEXT    NOT NULL,
  account     TEXT    NOT NULL,
  kind        TEXT    NOT NULL,
  movement_id TEXT    NOT NULL,
  status      TEXT    NOT NULL,
  asset       TEXT    NOT NULL,
  amount      TEXT    NOT NULL,
  fee         TEXT,
  network     TEXT,
  address     TEXT,
  tx_id       TEXT,
  from_wallet TEXT,
  to_wallet   TEXT,
  ts_venue    INTEGER NOT NULL,
  ts_local    INTEGER NOT NULL,
  UNIQUE (venue, account, kind, movement_id, status)
) STRICT;

-- How far a bus has been told of the batches. It holds nothing up: rows that go before it has been told of them go.
CREATE TABLE fanout (
  sink     TEXT    NOT NULL PRIMARY KEY,
  batch    INTEGER NOT NULL,
  checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An account's own rows that a bus has not been told of yet: written with the row, whose own checksum is `sum`, and taken
-- away when the bus has acknowledged it.
CREATE TABLE outbox (
  id       INTEGER PRIMARY KEY,
  sink     TEXT    NOT NULL,
  log      TEXT    NOT NULL,
  row      INTEGER NOT NULL,
  sum      INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  UNIQUE (sink, log, row)
) STRICT;
