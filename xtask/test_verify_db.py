"""Tests of verify_db.py: a database that is right passes, and each way of being wrong is found."""

import contextlib
import hashlib
import io
import json
import pathlib
import sqlite3
import tempfile
import unittest

import verify_db

SCHEMA = pathlib.Path(__file__).parent.parent / "crates/store/migrations/sqlite/0001.sql"
M = ("doex", "BTC/USDT")


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Case(unittest.TestCase):
    def setUp(self):
        self.db = sqlite3.connect(":memory:")
        self.db.executescript(SCHEMA.read_text())
        self.truth = []
        # Two epochs of one market, with a gap between them; books written out by hand.
        self.book(0, 10, "b,100,1.5\na,101,2\n")
        self.book(0, 11, "b,100.5,3\nb,100,1.5\na,101,2\n")
        self.book(0, 13, "b,100.5,3\na,101,2\na,102,0.25\n")
        self.book(0, 20, "b,99,1\n")
        self.change(1, 10, 10, 1, [["100", "1.5"]], [["101", "2"]], 1_000)
        self.change(1, 11, 11, 0, [["100.5", "3"]], [], 1_010)
        self.change(1, 12, 13, 0, [["100", "0"], ["77", "0"]], [["102", "0.25"]], 1_020)
        self.gap("book", 1_030, 1_090)
        self.change(2, 20, 20, 1, [["99", "1"]], [], 1_080)
        # Trades 1 to 4, of which 3 is missing with a gap.
        for trade_id in range(1, 5):
            self.trade_truth(trade_id)
        for trade_id, arrived in ((1, 1_000), (2, 1_010), (4, 1_080)):
            self.trade(trade_id, arrived)
        self.gap("trades", 1_031, 1_091)

    def book(self, generation, seq, text, market=M):
        row = {"t": "book", "run": "r", "venue": market[0], "symbol": market[1], "generation": generation}
        self.truth.append({**row, "seq": seq, "sha256": digest(text)})

    def trade_truth(self, trade_id):
        row = {"t": "trade", "run": "r", "venue": M[0], "symbol": M[1], "generation": 0}
        self.truth.append({**row, "id": trade_id, "price": "100.50", "qty": "1", "side": "buy", "ts": trade_id * 10})

    def change(self, epoch, first, last, is_snapshot, bids, asks, arrived, market=M):
        self.db.execute(
            "INSERT INTO book_change (venue, symbol, epoch, first_seq, last_seq, is_snapshot, bids, asks, ts_local)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*market, epoch, first, last, is_snapshot, json.dumps(bids), json.dumps(asks), arrived),
        )

    def trade(self, trade_id, arrived, price="100.5"):
        self.db.execute(
            "INSERT INTO trade (venue, symbol, trade_id, price, qty, side, ts_venue, ts_local)"
            " VALUES (?, ?, ?, ?, '1', 'buy', ?, ?)",
            (*M, str(trade_id), price, trade_id * 10, arrived),
        )

    def gap(self, channel, detected, healed):
        self.db.execute(
            "INSERT INTO gap (venue, symbol, channel, cause, detected_at, healed_at) VALUES (?, ?, ?, 'test', ?, ?)",
            (*M, channel, detected, healed),
        )

    def run_check(self, **options):
        truth = verify_db.Truth().read(json.dumps(row) for row in self.truth)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            differences = verify_db.verify(self.db, truth, **options)
        return differences, out.getvalue(), err.getvalue()

    def assert_equal(self, **options):
        differences, _, err = self.run_check(**options)
        self.assertEqual((differences, err), (0, ""))

    def assert_found(self, words, count=1, **options):
        differences, _, err = self.run_check(**options)
        self.assertIn(words, err)
        self.assertEqual(differences, count, err)


class Right(Case):
    def test_a_right_database_is_equal(self):
        self.assert_equal()

    def test_the_summary_has_a_line_per_market_and_a_total(self):
        _, out, _ = self.run_check()
        self.assertEqual(
            out.splitlines(),
            [
                "doex BTC/USDT: 2 epochs, 4 book rows, 4 compared; "
                "3 trades, 1 missing with a gap; 2 gaps, 0 open: equal",
                "total: 1 markets, 7 rows, 0 differences",
            ],
        )

    def test_a_planned_reconnect_needs_no_gap(self):
        self.db.execute("DELETE FROM gap WHERE channel = 'book'")
        self.db.execute("DELETE FROM book_change WHERE epoch = 2")
        self.change(2, 13, 13, 1, [["100.5", "3"]], [["101", "2"], ["102", "0.25"]], 1_080)
        self.assert_equal()

    def test_numbers_that_begin_again_belong_to_another_generation(self):
        self.book(1, 10, "b,50,1\n")
        self.book(1, 11, "b,51,1\nb,50,1\n")
        self.change(3, 10, 10, 1, [["50", "1"]], [], 1_200)
        self.change(3, 11, 11, 0, [["51", "1"]], [], 1_210)
        self.gap("book", 1_100, 1_199)
        self.assert_equal()


class WithoutNumbers(Case):
    """Kraken: spot books have no numbers, and of contracts each message tells one level of several."""

    K = ("kraken", "BTC/USD")
    F = ("kraken", "BTC/USD:USD")
    TEXTS = ("b,1,1\n", "b,1,2\n", "b,1,1\n", "b,1,3\n")

    def setUp(self):
        super().setUp()
        for text in self.TEXTS:
            self.book(0, None, text, self.K)
        self.truth.append({**self.truth[-1], "symbol": self.F[1], "seq": 1, "first": 1, "sha256": digest("b,1,1\n")})
        self.truth.append({**self.truth[-1], "seq": 3, "first": 2, "sha256": digest("b,2,1\nb,1,5\n")})
        self.change(1, 1, 1, 1, [["1", "1"]], [], 1_000, self.F)
        self.change(1, 2, 2, 0, [["2", "1"]], [], 1_000, self.F)
        self.change(1, 3, 3, 0, [["1", "5"]], [], 1_000, self.F)

    def follow(self, *quantities):
        # The whole book looks like an earlier one, which it need not be.
        for at, quantity in enumerate(quantities, 1):
            self.change(1, at, at, int(at == 1), [["1", quantity]], [], 1_000 + at, self.K)

    def test_books_that_follow_each_other_are_equal(self):
        self.follow("1", "3")
        self.assert_equal()

    def test_a_book_that_never_was(self):
        self.follow("1", "4")
        self.assert_found("does not follow book 0")

    def test_a_book_that_was_left_out(self):
        self.follow("2", "3")
        self.assert_found("does not follow book 1")

    def test_a_part_is_compared_at_its_end(self):
        self.follow("1", "3")
        self.db.execute("UPDATE book_change SET bids = '[[\"2\", \"9\"]]' WHERE symbol = ? AND last_seq = 2", (self.F[1],))
        self.assert_found("seq 3..3: the book is")


class Wrong(Case):
    def test_a_wrong_quantity(self):
        self.db.execute("""UPDATE book_change SET bids = '[["100.5","4"]]' WHERE first_seq = 11""")
        self.assert_found("epoch 1 seq 11..11: the book is", count=2)

    def test_a_missing_row(self):
        self.db.execute("DELETE FROM book_change WHERE first_seq = 11")
        self.assert_found("epoch 1 seq 12..13: does not link to 10", count=2)

    def test_a_missing_snapshot(self):
        self.db.execute("DELETE FROM book_change WHERE first_seq = 10")
        self.assert_found("an epoch begins with a snapshot")

    def test_a_row_that_the_truth_does_not_know(self):
        self.change(2, 21, 21, 0, [], [], 1_100)
        self.assert_found("the truth unknown")
        self.assert_equal(sampled=True)

    def test_a_generation_does_not_change_within_an_epoch(self):
        self.book(1, 21, "b,99,1\n")
        self.change(2, 21, 21, 0, [], [], 1_100)
        self.assert_found("epoch 2 seq 21..21")

    def test_a_silent_hole_between_epochs(self):
        self.db.execute("DELETE FROM gap WHERE channel = 'book'")
        self.assert_found("begins after 13 of the epoch before, and no gap row says so")

    def test_a_gap_at_another_time_excuses_nothing(self):
        self.db.execute("UPDATE gap SET detected_at = 5, healed_at = 6")
        self.assert_found("no gap row says so", count=2)

    def test_a_trade_that_never_happened(self):
        self.trade(9, 1_100)
        self.assert_found("trade 9: never happened")

    def test_a_trade_with_another_price(self):
        self.db.execute("UPDATE trade SET price = '100.51' WHERE trade_id = '2'")
        self.assert_found("trade 2: is")

    def test_a_trade_that_is_missing_in_silence(self):
        self.db.execute("DELETE FROM gap WHERE channel = 'trades'")
        self.assert_found("trades 3 to 3 (1): missing, and no gap row says so")

    def test_an_open_gap(self):
        self.db.execute("UPDATE gap SET healed_at = NULL WHERE channel = 'book'")
        self.assert_found("is not healed")
        self.assert_equal(allow_open_gaps=True)

    def test_a_market_without_rows(self):
        self.book(0, 1, "", market=("duedex", "BTC/USDT:USDT"))
        self.assert_found("duedex BTC/USDT:USDT: nothing is stored")
        self.assert_equal(allow_absent=True)

    def test_an_empty_database(self):
        self.db.executescript("DELETE FROM book_change; DELETE FROM trade; DELETE FROM gap;")
        self.assert_found("no rows to compare", allow_absent=True)

    def test_another_run(self):
        self.db.execute("INSERT INTO world VALUES ('*', 'sim', 'other')")
        self.assert_found("the database holds run other, the truth is of ['r']")


class Parts(unittest.TestCase):
    def test_numbers_are_plain(self):
        cases = {"8804.50": "8804.5", "1E+3": "1000", "0.000": "0", "-0": "0", "100": "100", "5.1e-05": "0.000051"}
        self.assertEqual({text: verify_db.number(text)[1] for text in cases}, cases)
        for text in ("NaN", "1e", ""):
            with self.assertRaises(verify_db.Unreadable):
                verify_db.number(text)

    def test_best_levels_come_first(self):
        book = verify_db.Book()
        book.apply('[["9","1"],["10","2"],["9.5","0"]]', '[["12","1"],["11","1"],["12","3"]]')
        self.assertEqual(book.bids.text() + book.asks.text(), "b,10,2\nb,9,1\na,11,1\na,12,3\n")

    def test_exit_codes(self):
        with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(io.StringIO()) as err:
            path = pathlib.Path(scratch)
            (path / "truth").write_text('{"t":"book","seq":1}\n')
            self.assertEqual(verify_db.main([str(path / "none.db"), str(path / "truth")]), 1)
            self.assertIn("truth line 1", err.getvalue())
            (path / "truth").write_text("")
            self.assertEqual(verify_db.main([str(path / "none.db"), str(path / "truth")]), 1)
            self.assertFalse((path / "none.db").exists())
            with contextlib.closing(sqlite3.connect(path / "t.db")) as db, contextlib.redirect_stdout(io.StringIO()):
                db.executescript(SCHEMA.read_text())
                self.assertEqual(verify_db.main([str(path / "t.db"), str(path / "truth")]), 8)


if __name__ == "__main__":
    unittest.main()
