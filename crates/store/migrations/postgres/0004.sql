-- What retention took away, by the day on which it went.
CREATE TABLE removal (
  day    bigint NOT NULL,
  log    text   NOT NULL,
  venue  text   NOT NULL,
  rows   bigint NOT NULL,
  oldest bigint NOT NULL,
  newest bigint NOT NULL,
  PRIMARY KEY (day, log, venue)
);
