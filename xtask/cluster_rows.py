#!/usr/bin/env python3
"""Compares what a cluster stored with what one worker stored of the same simulator, whatever the epochs.

It shares no code with the product.

    cluster_rows.py load OUT.db TABLE=FILE.csv…     makes a database that verify_db.py reads
    cluster_rows.py compare CLUSTER.db LONE.db      compares trades and book changes

Every trade and every book change of the cluster is one of the lone worker's, to the digit. Every one of the lone
worker's between the cluster's first and last is the cluster's too, or a `gap` row of the cluster says so.

Exit: 0 equal, 1 unreadable input, 2 usage, 8 differences.
"""

import csv
import pathlib
import sqlite3
import sys

INTEGERS = {
    "epoch", "first_seq", "last_seq", "from_seq", "to_seq", "is_snapshot", "ts_venue", "ts_local", "detected_at",
    "healed_at",
}
KINDS = {
    "trades": "SELECT trade_id, price || ' ' || qty || ' ' || side || ' ' || ts_venue, min(ts_local) FROM trade "
    "WHERE venue = ? AND symbol = ? GROUP BY 1, 2",
    "book": "SELECT last_seq, bids || ' ' || asks, min(ts_local) FROM book_change "
    "WHERE venue = ? AND symbol = ? AND NOT is_snapshot GROUP BY 1, 2",
}
DETAILS_MAX = 20


def load(path, tables):
    csv.field_size_limit(1 << 30)
    db = sqlite3.connect(path)
    for table, file in tables:
        with open(file, newline="", encoding="utf-8") as lines:
            rows = csv.reader(lines)
            names = next(rows)
            columns = ", ".join(f"{name} {'INTEGER' if name in INTEGERS else 'TEXT'}" for name in names)
            db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {columns})")
            marks = ", ".join("?" * len(names))
            values = ([None if value == "" else value for value in row] for row in rows)
            db.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", values)
    db.commit()


class Comparison:
    def __init__(self, ours, lone):
        self.ours, self.lone = ours, lone
        self.rows = self.excused = self.differences = 0

    def differs(self, what):
        self.differences += 1
        if self.differences <= DETAILS_MAX:
            print(what, file=sys.stderr)

    def told(self, market, channel, start, end):
        gaps = self.ours.execute(
            "SELECT count(*) FROM gap WHERE venue = ? AND symbol = ? AND channel = ? AND detected_at <= ? "
            "AND (healed_at IS NULL OR healed_at >= ?)",
            (*market, channel, end, start),
        )
        return gaps.fetchone()[0] > 0

    def market(self, market, channel):
        ours, lone = ({(key, content): at for key, content, at in db.execute(KINDS[channel], market)}
                      for db in (self.ours, self.lone))
        self.rows += len(ours)
        where = f"{' '.join(market)} {channel}"
        if not ours or not lone:
            return self.differs(f"{where}: {len(ours)} rows of the cluster, {len(lone)} of the lone worker")
        first = min(lone.values())
        for row, at in ours.items():
            if row not in lone and at > first:
                self.differs(f"{where}: {row[0]} is the cluster's alone")
        earlier, missing = None, []
        for row in sorted(lone, key=lambda row: int(row[0])):
            if row not in ours:
                missing.append(row)
                continue
            if missing and earlier is not None:
                start, end = sorted((earlier, ours[row]))
                if self.told(market, channel, start, end):
                    self.excused += len(missing)
                else:
                    self.differs(f"{where}: {missing[0][0]} to {missing[-1][0]} ({len(missing)}) are missing, "
                                 "and no gap row says so")
            earlier, missing = ours[row], []


def compare(ours, lone):
    open_one = lambda path: sqlite3.connect(f"{pathlib.Path(path).resolve(strict=True).as_uri()}?mode=ro", uri=True)
    comparison = Comparison(open_one(ours), open_one(lone))
    markets = sorted(comparison.lone.execute("SELECT DISTINCT venue, symbol FROM book_change"))
    for market in markets:
        for channel in KINDS:
            comparison.market(market, channel)
    print(f"beside a lone worker: {len(markets)} markets, {comparison.rows} rows, {comparison.excused} missing with a "
          f"gap, {comparison.differences} differences")
    return 8 if comparison.differences or comparison.rows == 0 else 0


def main(arguments):
    try:
        match arguments:
            case ["load", path, *tables] if tables:
                load(path, [table.split("=", 1) for table in tables])
                return 0
            case ["compare", ours, lone]:
                return compare(ours, lone)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (OSError, ValueError, sqlite3.Error) as error:
        print(f"cannot compare: {error!r}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
