-- The tables of the embedded sink, under the same keys. Decimals are text, times are integer nanoseconds UTC.
-- Market data is partitioned by the day of the venue's own stamp, which ends each key because every unique key must
-- hold what partitions are cut by. A row that the venue did not stamp has 0 there, and lies in `…_unstamped`; one
-- whose stamp is far from its arrival lies in `…_other`.

CREATE TABLE world (
  venue    text NOT NULL PRIMARY KEY,
  kind     text NOT NULL CHECK (kind IN ('live', 'sim')),
  identity text NOT NULL
);

CREATE TABLE epoch (
  venue  text   NOT NULL,
  symbol text   NOT NULL,
  last   bigint NOT NULL,
  PRIMARY KEY (venue, symbol)
);

CREATE TABLE stream (
  venue    text   NOT NULL,
  symbol   text   NOT NULL,
  channel  text   NOT NULL,
  epoch    bigint NOT NULL,
  last_seq bigint NOT NULL,
  ts_local bigint NOT NULL,
  PRIMARY KEY (venue, symbol, channel)
);

CREATE TABLE instrument (
  venue         text    NOT NULL,
  symbol        text    NOT NULL,
  version       bigint  NOT NULL,
  venue_symbol  text    NOT NULL,
  kind          text    NOT NULL,
  status        text    NOT NULL,
  price_scale   bigint  NOT NULL,
  qty_scale     bigint  NOT NULL,
  tick          text    NOT NULL,
  step          text    NOT NULL,
  min_qty       text,
  max_qty       text,
  min_notional  text,
  contract_size text,
  inverse       boolean NOT NULL,
  maker_fee     text,
  taker_fee     text,
  ts_local      bigint  NOT NULL,
  PRIMARY KEY (venue, symbol, version),
  UNIQUE (venue, symbol, ts_local)
);

CREATE TABLE gap (
  venue       text   NOT NULL,
  symbol      text   NOT NULL,
  channel     text   NOT NULL,
  epoch       bigint,
  from_seq    bigint,
  to_seq      bigint,
  cause       text   NOT NULL,
  detected_at bigint NOT NULL,
  healed_at   bigint,
  PRIMARY KEY (venue, symbol, channel, detected_at)
);

CREATE TABLE trade (
  venue    text   NOT NULL,
  symbol   text   NOT NULL,
  trade_id text   NOT NULL,
  price    text   NOT NULL,
  qty      text   NOT NULL,
  side     text   NOT NULL,
  ts_venue bigint NOT NULL,
  ts_local bigint NOT NULL,
  PRIMARY KEY (venue, symbol, trade_id, ts_venue)
) PARTITION BY RANGE (ts_venue);

CREATE TABLE book_change (
  venue       text    NOT NULL,
  symbol      text    NOT NULL,
  epoch       bigint  NOT NULL,
  first_seq   bigint  NOT NULL,
  last_seq    bigint  NOT NULL,
  is_snapshot boolean NOT NULL,
  bids        text    NOT NULL,
  asks        text    NOT NULL,
  ts_venue    bigint  NOT NULL,
  ts_local    bigint  NOT NULL,
  PRIMARY KEY (venue, symbol, epoch, first_seq, ts_venue)
) PARTITION BY RANGE (ts_venue);

CREATE TABLE ticker (
  venue           text   NOT NULL,
  symbol          text   NOT NULL,
  epoch           bigint NOT NULL,
  seq             bigint NOT NULL,
  bid             text,
  bid_qty         text,
  ask             text,
  ask_qty         text,
  last            text,
  mark            text,
  index_price     text,
  funding_rate    text,
  next_funding_at bigint,
  open_interest   text,
  volume          text,
  quote_volume    text,
  ts_venue        bigint NOT NULL,
  ts_local        bigint NOT NULL,
  PRIMARY KEY (venue, symbol, epoch, seq, ts_venue)
) PARTITION BY RANGE (ts_venue);

CREATE TABLE candle (
  venue    text   NOT NULL,
  symbol   text   NOT NULL,
  interval text   NOT NULL,
  open_at  bigint NOT NULL,
  open     text   NOT NULL,
  high     text   NOT NULL,
  low      text   NOT NULL,
  close    text   NOT NULL,
  volume   text   NOT NULL,
  ts_local bigint NOT NULL,
  PRIMARY KEY (venue, symbol, interval, open_at)
) PARTITION BY RANGE (open_at);

CREATE TABLE trade_unstamped       PARTITION OF trade       FOR VALUES FROM (0) TO (86400000000000);
CREATE TABLE book_change_unstamped PARTITION OF book_change FOR VALUES FROM (0) TO (86400000000000);
CREATE TABLE ticker_unstamped      PARTITION OF ticker      FOR VALUES FROM (0) TO (86400000000000);
CREATE TABLE candle_unstamped      PARTITION OF candle      FOR VALUES FROM (0) TO (86400000000000);
CREATE TABLE trade_other       PARTITION OF trade       DEFAULT;
CREATE TABLE book_change_other PARTITION OF book_change DEFAULT;
CREATE TABLE ticker_other      PARTITION OF ticker      DEFAULT;
CREATE TABLE candle_other      PARTITION OF candle      DEFAULT;

-- Rows arrive almost in order of time, which is what a block range index wants.
CREATE INDEX trade_time       ON trade       USING brin (ts_local, ts_venue);
CREATE INDEX book_change_time ON book_change USING brin (ts_local, ts_venue);
CREATE INDEX ticker_time      ON ticker      USING brin (ts_local, ts_venue);
CREATE INDEX candle_time      ON candle      USING brin (ts_local, open_at);

-- Who may write what. `fence` only grows; a row enters only under the fence that stands here.
CREATE TABLE shard (
  shard   text        NOT NULL PRIMARY KEY,
  owner   text        NOT NULL,
  fence   bigint      NOT NULL,
  expires timestamptz NOT NULL
);

-- Who is there to do it.
CREATE TABLE worker (
  worker text        NOT NULL PRIMARY KEY,
  seen   timestamptz NOT NULL
);
