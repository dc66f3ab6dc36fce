-- What venues let through: bans and drawn budgets, so that a restart does not begin anew.
CREATE TABLE request_limit (
  origin   TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  amount   INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  PRIMARY KEY (origin, name)
) STRICT, WITHOUT ROWID;
