#!/usr/bin/env python3
"""Compares a venuekit database with the truth that the simulator wrote.

It shares no code with the product: it reads the rows, rebuilds every book, and compares digests.

    verify_db.py venuekit.db truth.ndjson

Books: the rows of each (venue, symbol, epoch) begin with a snapshot and link without a hole; the book after every row
has the digest that the truth gives for its last sequence number. Where a message tells one level of several, the
book after the last of them is compared; where messages have no numbers, each book is the one that follows the one
before it. Between two epochs nothing is left out without a `gap` row. Trades: each stored one is a true one, to the digit, once; each true one between the first and the last
stored is there, or a `gap` row says that trades were missing then. Gaps: each is healed.

Exit: 0 equal, 1 unreadable input, 2 usage, 8 differences.
"""

import argparse
import bisect
import functools
import hashlib
import json
import pathlib
import sqlite3
import sys
from collections import defaultdict
from decimal import Decimal, InvalidOperation

DETAILS_MAX = 20
BOOK, TRADES = "book", "trades"


class Unreadable(Exception):
    """The input is not what it should be."""


@functools.lru_cache(maxsize=1 << 16)
def number(text):
    """Decimal text as a number, and as a plain decimal without trailing zeros."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unreadable(f"{text!r} is not a decimal") from None
    if not value.is_finite():
        raise Unreadable(f"{text!r} is not a finite decimal")
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return value, "0" if plain in ("-0", "") else plain


class Side:
    """One side of a book: lines of text, in the order of their prices."""

    def __init__(self, mark):
        self.mark = mark
        self.prices = []
        self.lines = {}

    def set(self, price_text, qty_text):
        price, plain_price = number(price_text)
        qty, plain_qty = number(qty_text)
        key = -price if self.mark == "b" else price
        if qty == 0:
            if self.lines.pop(key, None) is not None:
                del self.prices[bisect.bisect_left(self.prices, key)]
            return
        if key not in self.lines:
            bisect.insort(self.prices, key)
        self.lines[key] = f"{self.mark},{plain_price},{plain_qty}\n"

    def text(self):
        return "".join([self.lines[key] for key in self.prices])


class Book:
    """A whole book."""

    def __init__(self):
        self.bids = Side("b")
        self.asks = Side("a")

    def apply(self, bids, asks):
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, qty in json.loads(levels):
                side.set(price, qty)

    def sha256(self):
        return hashlib.sha256((self.bids.text() + self.asks.text()).encode()).hexdigest()


class Truth:
    """What the simulator wrote, by (venue, symbol)."""

    def __init__(self):
        # A sequence number means something within one generation of one run only.
        self.books = defaultdict(lambda: defaultdict(dict))
        # The first and the last number of what is one change, in parts.
        self.spans = defaultdict(list)
        # The places of each digest among the books of a market without numbers.
        self.places = defaultdict(lambda: defaultdict(list))
        self.counts = defaultdict(int)
        self.trades = defaultdict(dict)
        self.runs = set()

    def read(self, lines):
        for at, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                kind, run = row["t"], row.get("run")
                if run is not None:
                    self.runs.add(run)
                market = (row.get("venue"), row.get("symbol"))
                if kind == "book" and row["seq"] is None:
                    self.places[market][row["sha256"]].append(self.counts[market])
                    self.counts[market] += 1
                elif kind == "book":
                    if "first" in row:
                        self.spans[market].append((row["seq"], row["first"]))
                    self.books[market][row["seq"]][(run, row["generation"])] = row["sha256"]
                elif kind == "trade":
                    content = (number(row["price"])[0], number(row["qty"])[0], row["side"], row["ts"])
                    earlier = self.trades[market].setdefault(str(row["id"]), content)
                    if earlier != content:
                        raise Unreadable(f"two trades have id {row['id']}")
            except (ValueError, KeyError, TypeError, AttributeError, Unreadable) as error:
                raise Unreadable(f"truth line {at}: {error!r}") from None
        return self

    def markets(self):
        return set(self.books) | set(self.places) | set(self.trades)


class Market:
    """The check of one market, and what it found."""

    def __init__(self, db, truth, market, sampled, allow_open_gaps):
        self.db = db
        self.market = market
        self.name = " ".join(market)
        self.digests = truth.books.get(market, {})
        self.spans = sorted(truth.spans.get(market, []))
        self.places = truth.places.get(market)
        self.true_trades = truth.trades.get(market, {})
        self.sampled = sampled
        self.allow_open_gaps = allow_open_gaps
        self.differences = 0
        self.gaps = self.rows(
            "SELECT channel, detected_at, healed_at, cause FROM gap WHERE venue = ? AND symbol = ? ORDER BY id"
        )

    def rows(self, sql):
        return self.db.execute(sql, self.market).fetchall()

    def differs(self, what):
        self.differences += 1
        if self.differences <= DETAILS_MAX:
            print(f"{self.name}: {what}", file=sys.stderr)
        elif self.differences == DETAILS_MAX + 1:
            print(f"{self.name}: more differences are counted, not printed", file=sys.stderr)

    def told(self, channel, start, end):
        """Whether a gap of the channel overlaps the span between two arrivals."""
        return any(
            name == channel and detected <= end and (healed is None or healed >= start)
            for name, detected, healed, _ in self.gaps
        )

    def check(self):
        epochs, rows, compared = self.check_books()
        stored, excused = self.check_trades()
        open_gaps = self.check_gaps()
        verdict = "equal" if self.differences == 0 else f"{self.differences} DIFFERENCES"
        print(
            f"{self.name}: {epochs} epochs, {rows} book rows, {compared} compared; "
            f"{stored} trades, {excused} missing with a gap; {len(self.gaps)} gaps, {open_gaps} open: {verdict}"
        )
        return rows + stored

    def check_books(self):
        epochs = rows = compared = 0
        place = set()
        epoch = book = last = arrived = generations = before = furthest = None
        cursor = self.db.execute(
            "SELECT epoch, first_seq, last_seq, is_snapshot, bids, asks, ts_local FROM book_change "
            "WHERE venue = ? AND symbol = ? ORDER BY epoch, first_seq",
            self.market,
        )
        for row_epoch, first, seq, is_snapshot, bids, asks, ts_local in cursor:
            rows += 1
            where = f"epoch {row_epoch} seq {first}..{seq}"
            if row_epoch != epoch:
                epochs += 1
                if last is not None:
                    # Where several workers share the markets, an epoch may last beyond one that began after it.
                    if furthest is None or arrived >= furthest[1]:
                        furthest = (last, arrived, generations)
                    before = furthest
                epoch, book, last, generations = row_epoch, None, None, None
                if not is_snapshot:
                    self.differs(f"{where}: an epoch begins with a snapshot")
            if seq < first:
                self.differs(f"{where}: ends before it begins")
            if is_snapshot:
                book, generations = Book(), None
            elif book is None:
                continue  # Without its snapshot nothing of the epoch can be rebuilt; that is said above.
            elif first != last + 1:
                self.differs(f"{where}: does not link to {last}")
            book.apply(bids, asks)
            known = self.digests.get(seq, {})
            digest = book.sha256()
            if self.places is not None:
                compared += 1
                place = self.check_place(where, digest, place, is_snapshot)
            elif known or not (self.sampled or self.is_part(seq)):
                compared += 1
                matching = {generation for generation, sha256 in known.items() if sha256 == digest}
                if generations is not None:
                    matching &= generations
                if matching:
                    generations = matching
                else:
                    self.differs(f"{where}: the book is {digest}, the truth {sorted(known.values()) or 'unknown'}")
            if before is not None:
                self.check_boundary(where, before, seq, ts_local, generations)
                before = None
            last, arrived = seq, ts_local
        return epochs, rows, compared

    def is_part(self, seq):
        """Whether a number stands within a change that was told in parts, before its end."""
        at = bisect.bisect_left(self.spans, (seq, 0))
        return at < len(self.spans) and self.spans[at][1] <= seq < self.spans[at][0]

    def check_place(self, where, digest, before, is_snapshot):
        """Where a book without a number may stand: behind the one before it, a whole one anywhere from there on."""
        places = self.places.get(digest, [])
        first = min(before) if before else 0
        if is_snapshot or self.sampled:
            found = {place for place in places if place >= first}
        else:
            found = {place for place in places if place - 1 in before}
        if not found:
            self.differs(f"{where}: the book is {digest}, which does not follow book {first}")
        return found or before

    def check_boundary(self, where, before, seq, ts_local, generations):
        last, arrived, earlier = before
        same_count = not (earlier and generations) or bool(earlier & generations)
        if same_count and seq <= last:
            return  # A planned reconnect, or a shard that was handed over: the new epoch overlaps the old one.
        if not self.told(BOOK, arrived, ts_local):
            self.differs(f"{where}: begins after {last} of the epoch before, and no gap row says so")

    def check_trades(self):
        stored = {}
        for trade_id, price, qty, side, ts_venue, ts_local in self.rows(
            "SELECT trade_id, price, qty, side, ts_venue, ts_local FROM trade WHERE venue = ? AND symbol = ? ORDER BY id"
        ):
            if trade_id in stored:
                self.differs(f"trade {trade_id}: stored twice")
            stored[trade_id] = ts_local
            content = (number(price)[0], number(qty)[0], side, ts_venue)
            true = self.true_trades.get(trade_id)
            if true is None:
                self.differs(f"trade {trade_id}: never happened")
            elif true != content:
                self.differs(f"trade {trade_id}: is {content}, the truth {true}")
        # Missing ones, as runs between two that are stored, in the order in which they happened.
        excused, earlier, missing = 0, None, []
        for trade_id in self.true_trades:
            if trade_id not in stored:
                missing.append(trade_id)
                continue
            if missing and earlier is not None:
                start, end = sorted((earlier, stored[trade_id]))
                if self.told(TRADES, start, end):
                    excused += len(missing)
                else:
                    self.differs(f"trades {missing[0]} to {missing[-1]} ({len(missing)}): missing, and no gap row says so")
            earlier, missing = stored[trade_id], []
        return len(stored), excused

    def check_gaps(self):
        open_gaps = [gap for gap in self.gaps if gap[2] is None]
        if not self.allow_open_gaps:
            for channel, detected, _, cause in open_gaps:
                self.differs(f"gap of {channel} at {detected} ({cause}) is not healed")
        for channel, detected, healed, _ in self.gaps:
            if healed is not None and healed < detected:
                self.differs(f"gap of {channel} at {detected} healed before it was noticed")
        return len(open_gaps)


def check_world(db, truth):
    """A simulator's run id in the database is one that the truth is of. Returns the number of differences."""
    recorded = [identity for kind, identity in db.execute("SELECT kind, identity FROM world") if kind == "sim"]
    if recorded and truth.runs and not set(recorded) & truth.runs:
        print(f"the database holds run {recorded[0]}, the truth is of {sorted(truth.runs)}", file=sys.stderr)
        return 1
    return 0


def verify(db, truth, sampled=False, allow_open_gaps=False, allow_absent=False):
    """Checks every market; returns the number of differences."""
    differences = check_world(db, truth)
    stored = set(db.execute("SELECT venue, symbol FROM book_change UNION SELECT venue, symbol FROM trade"))
    rows = 0
    markets = sorted(stored | truth.markets())
    for market in markets:
        check = Market(db, truth, market, sampled, allow_open_gaps)
        if market not in stored and not allow_absent:
            check.differs("nothing is stored")
        rows += check.check()
        differences += check.differences
    if rows == 0:
        differences += 1
        print("the database holds no rows to compare", file=sys.stderr)
    print(f"total: {len(markets)} markets, {rows} rows, {differences} differences")
    return differences


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("database")
    parser.add_argument("truth", nargs="+", help="NDJSON that the simulator wrote")
    parser.add_argument("--sampled", action="store_true", help="the truth holds only every n-th book")
    parser.add_argument("--allow-open-gaps", action="store_true", help="the run was killed, or is going on")
    parser.add_argument("--allow-absent", action="store_true", help="the run took only some of the markets")
    options = parser.parse_args(arguments)
    try:
        truth = Truth()
        for name in options.truth:
            with open(name, encoding="utf-8") as lines:
                truth.read(lines)
        uri = pathlib.Path(options.database).resolve(strict=True).as_uri()
        db = sqlite3.connect(f"{uri}?mode=ro", uri=True)
        differences = verify(db, truth, options.sampled, options.allow_open_gaps, options.allow_absent)
    except (OSError, ValueError, sqlite3.Error, Unreadable) as error:
        print(f"cannot compare: {error}", file=sys.stderr)
        return 1
    return 8 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
