-- What retention took away, by the day on which it went: market data only ever goes by a rule of the config, and this
-- says how much of what.
CREATE TABLE removal (
  day    INTEGER NOT NULL,
  log    TEXT    NOT NULL,
  venue  TEXT    NOT NULL,
  rows   INTEGER NOT NULL,
  oldest INTEGER NOT NULL,
  newest INTEGER NOT NULL,
  PRIMARY KEY (day, log, venue)
) STRICT, WITHOUT ROWID;
