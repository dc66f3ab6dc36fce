-- Rows of one account, under the same keys as in the embedded sink. They are few, so nothing is partitioned.

CREATE TABLE order_state (
  venue           text   NOT NULL,
  account         text   NOT NULL,
  product         text   NOT NULL,
  symbol          text   NOT NULL,
  venue_order_id  text   NOT NULL,
  ts_venue        bigint NOT NULL,
  status          text   NOT NULL,
  cum_qty         text   NOT NULL,
  wallet          text,
  client_order_id text,
  side            text   NOT NULL,
  order_type      text,
  time_in_force   text,
  price           text,
  stop_price      text,
  qty             text   NOT NULL,
  avg_px          text,
  fee             text,
  fee_asset       text,
  post_only       boolean,
  reduce_only     boolean,
  created_at      bigint,
  ts_local        bigint NOT NULL,
  PRIMARY KEY (venue, account, product, symbol, venue_order_id, ts_venue, status, cum_qty)
);

CREATE TABLE fill (
  venue           text    NOT NULL,
  account         text    NOT NULL,
  product         text    NOT NULL,
  symbol          text    NOT NULL,
  fill_id         text    NOT NULL,
  wallet          text,
  venue_order_id  text    NOT NULL,
  client_order_id text,
  side            text    NOT NULL,
  last_px         text    NOT NULL,
  last_qty        text    NOT NULL,
  fee             text    NOT NULL,
  fee_asset       text,
  realized_pnl    text,
  liquidity       text,
  derived         boolean NOT NULL,
  ts_venue        bigint  NOT NULL,
  ts_local        bigint  NOT NULL,
  PRIMARY KEY (venue, account, product, symbol, fill_id)
);

CREATE TABLE movement (
  venue       text   NOT NULL,
  account     text   NOT NULL,
  kind        text   NOT NULL,
  movement_id text   NOT NULL,
  status      text   NOT NULL,
  asset       text   NOT NULL,
  amount      text   NOT NULL,
  fee         text,
  network     text,
  address     text,
  tx_id       text,
  from_wallet text,
  to_wallet   text,
  ts_venue    bigint NOT NULL,
  ts_local    bigint NOT NULL,
  PRIMARY KEY (venue, account, kind, movement_id, status)
);

-- Read by time, as the market data is.
CREATE INDEX order_state_time ON order_state USING brin (ts_local, ts_venue);
CREATE INDEX fill_time        ON fill        USING brin (ts_local, ts_venue);
CREATE INDEX movement_time    ON movement    USING brin (ts_local, ts_venue);
