"""Reckons accounts from scratch and prints every number: the account crate is compared with it, digit by digit.

It shares nothing with the crate: dictionaries instead of types, bisection over ticks instead of formulas, tiers
summed slice by slice. Reads the file named on the command line, writes one JSON array to stdout.
"""

import json
import sys
from decimal import Decimal, ROUND_DOWN, ROUND_HALF_EVEN, getcontext

getcontext().prec = 160
ZERO = Decimal(0)
FINAL = {"filled", "canceled", "rejected", "expired"}


def text(number):
    """Plain digits, no trailing zeros, no negative zero."""
    if number == 0:
        return "0"
    return format(number.normalize(), "f")


def cut(number, places, rounding=ROUND_DOWN):
    return number.quantize(Decimal(1).scaleb(-places), rounding=rounding)


def number(row, field):
    value = row.get(field)
    return None if value is None else Decimal(value)


class Account:
    def __init__(self):
        self.live = set()
        self.ledgers = {}
        self.positions = {}
        self.orders = {}
        self.fills = {}
        self.log = []

    # ---- merging -------------------------------------------------------------------------------------------

    def feed(self, op):
        feed = (op["part"], op["scope"])
        snapshot = op["op"] == "snapshot"
        if not snapshot and feed not in self.live:
            self.log.append("refused")
            return
        self.live.discard(feed)
        table = {"balances": self.ledgers, "positions": self.positions, "orders": self.orders}[op["part"]]
        if snapshot:
            for row in table.values():
                if row["scope"] == op["scope"]:
                    row["told"] = False
        old = 0
        for row in op["rows"]:
            verdict = getattr(self, "merge_" + op["part"])(table, op["scope"], row)
            if verdict == "refused":
                self.log.append("refused")
                return
            old += verdict == "old"
        left_out = []
        if snapshot:
            for key in sorted(table):
                row = table[key]
                if row["scope"] != op["scope"] or row["told"]:
                    continue
                if op["part"] == "orders":
                    if row["status"] not in FINAL:
                        left_out.append(key)
                elif self.is_nothing(op["part"], row):
                    del table[key]
        self.live.add(feed)
        self.log.append([old, [list(key) for key in left_out]])

    def is_nothing(self, part, row):
        if part == "balances":
            return all(amount == 0 for amount in self.amounts(row))
        return row["qty"] == 0

    def merge_fields(self, table, key, scope, row, fields, needed):
        known = table.get(key)
        if known is None or not known["told"]:
            if row.get(needed) is None:
                return "refused"
            known = {field: None for field in fields}
            known["scope"] = scope
            table[key] = known
        for field in fields:
            if row.get(field) is not None:
                known[field] = row[field] if field == "mode" else Decimal(row[field])
        known["told"] = True
        return "taken"

    def merge_balances(self, table, scope, row):
        fields = ["free", "locked", "order_margin", "position_margin", "borrowed", "interest"]
        return self.merge_fields(table, (scope, row["asset"]), scope, row, fields, "free")

    def merge_positions(self, table, scope, row):
        fields = ["qty", "entry", "leverage", "margin", "mode"]
        return self.merge_fields(table, row["symbol"], scope, row, fields, "qty")

    def merge_orders(self, table, scope, row):
        key = (row["symbol"], row["id"])
        complete = all(row.get(field) is not None for field in ["side", "qty", "status"])
        known = table.get(key)
        if known is None or not known["told"]:
            if not complete:
                return "refused"
        if known is None:
            table[key] = {
                "scope": scope, "told": True, "side": row["side"], "qty": Decimal(row["qty"]),
                "status": row["status"], "cum": number(row, "cum") or ZERO, "updated": row.get("updated"),
            }
            return "taken"
        if row.get("side") not in (None, known["side"]):
            return "refused"
        known["told"] = True
        updated, cum, status = row.get("updated"), number(row, "cum"), row.get("status")
        if updated is not None and known["updated"] is not None and updated < known["updated"]:
            return "old"
        if cum is not None and cum < known["cum"]:
            return "old"
        if known["status"] in FINAL and status is not None and status not in FINAL:
            return "old"
        if row.get("qty") is not None:
            known["qty"] = Decimal(row["qty"])
        known["cum"] = known["cum"] if cum is None else cum
        known["status"] = status or known["status"]
        known["updated"] = known["updated"] if updated is None else updated
        return "taken"

    def fill(self, op):
        key = (op["symbol"], op["id"])
        what = (op["order"], op["side"], Decimal(op["price"]), Decimal(op["qty"]))
        order = self.orders.get((op["symbol"], op["order"]))
        if key in self.fills:
            self.log.append("repeated" if self.fills[key] == what else "conflicting")
            return
        if order is not None and order["side"] != op["side"]:
            self.log.append("conflicting")
            return
        self.fills[key] = what
        over = order is not None and self.filled(op["symbol"], op["order"]) > order["qty"]
        self.log.append(["counted", order is None, over])

    def filled(self, symbol, order_id):
        return sum((w[3] for (s, _), w in self.fills.items() if s == symbol and w[0] == order_id), ZERO)

    # ---- readings ------------------------------------------------------------------------------------------

    @staticmethod
    def amounts(row):
        held = [row[field] for field in ["locked", "order_margin", "position_margin"] if row[field] is not None]
        return [row["free"], sum(held, ZERO), row["borrowed"] or ZERO, row["interest"] or ZERO]

    def reads(self, part, row):
        return row["told"] and (part, row["scope"]) in self.live

    def cells(self):
        for key in sorted(self.ledgers):
            row = self.ledgers[key]
            yield key, self.amounts(row) if self.reads("balances", row) else None

    def holdings(self):
        for symbol in sorted(self.positions):
            row = self.positions[symbol]
            if not self.reads("positions", row):
                yield symbol, "unreported", None
            else:
                yield symbol, "flat" if row["qty"] == 0 else "open", row


class Marks:
    def __init__(self, case):
        self.max = case["age_max_ms"]
        self.contracts = {(v, s): (Decimal(p), age) for v, s, p, age in case["contracts"]}
        self.rates = {(a, q): (Decimal(p), age) for a, q, p, age in case["rates"]}

    def read(self, table, key):
        price, age = table.get(key, (ZERO, 0))
        return price if price > 0 and age <= self.max else None

    def rate(self, asset, quote):
        if asset == quote:
            return Decimal(1)
        direct = self.read(self.rates, (asset, quote))
        if direct is not None:
            return direct
        for first, link in sorted(self.rates):
            if first == asset:
                legs = self.read(self.rates, (asset, link)), self.read(self.rates, (link, quote))
                if None not in legs:
                    return legs[0] * legs[1]
        return None


def notional(terms, qty, price):
    units = abs(qty) * Decimal(terms["size"])
    return cut(units / price if terms["inverse"] else units * price, terms["places"])


def profit(terms, qty, entry, exit):
    gain = notional(terms, qty, exit) - notional(terms, qty, entry)
    if terms["inverse"]:
        gain = -gain
    return gain if qty > 0 else -gain


def maintenance(terms, amount, unit=Decimal(1)):
    """Slice by slice; all sizes may be stretched by a common unit."""
    tiers = [(Decimal(start) * unit, Decimal(rate)) for start, rate in terms["tiers"]]
    due = ZERO
    for index, (start, rate) in enumerate(tiers):
        end = tiers[index + 1][0] if index + 1 < len(tiers) else amount
        if amount > start:
            due += (min(amount, end) - start) * rate
    return due


def surplus(terms, qty, entry, backing, price):
    """Equity less maintenance at a price, times a positive number that clears the fractions."""
    units = abs(qty) * Decimal(terms["size"])
    sign = 1 if qty > 0 else -1
    if not terms["inverse"]:
        at = entry if terms["basis"] == "entry" else price
        return backing + sign * units * (price - entry) - maintenance(terms, units * at)
    # Times price * entry: units / price becomes units * entry.
    equity = backing * price * entry + sign * units * (price - entry)
    if terms["basis"] == "entry":
        return equity - maintenance(terms, units, entry) * price
    return equity - maintenance(terms, units, price) * entry


def liquidation(terms, qty, entry, backing):
    tick = Decimal(1).scaleb(-terms["price_places"])
    units = abs(qty) * Decimal(terms["size"])
    at = lambda count: surplus(terms, qty, entry, backing, tick * count)
    if qty > 0:
        if terms["inverse"]:
            # At an infinite price the contract is worth nothing.
            limit = backing * entry + units
            if terms["basis"] == "entry":
                limit -= maintenance(terms, units, entry)
            if limit <= 0:
                return "always"
        elif surplus(terms, qty, entry, backing, ZERO) >= 0:
            return "never"
        safe = lambda count: at(count) >= 0
    else:
        if terms["inverse"]:
            limit = backing * entry - units
            if terms["basis"] == "entry":
                limit -= maintenance(terms, units, entry)
            if limit >= 0:
                return "never"
        elif surplus(terms, qty, entry, backing, ZERO) <= 0:
            return "always"
        safe = lambda count: at(count) < 0
    # The first tick that is `safe`: of a long, where it is whole again; of a short, where it is so no more.
    high = 1
    while not safe(high):
        high *= 2
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if safe(middle) else (middle, high)
    count = high if qty > 0 else high - 1
    return tick * count if count > 0 else "always"


def distance(found, qty, mark):
    if isinstance(found, str):
        return {"never": "endless", "always": "due"}[found]
    room = mark - found if qty > 0 else found - mark
    return "due" if room <= 0 else text(cut(room / mark, 6))


def mode_of(row):
    if row["mode"] is not None:
        return row["mode"]
    return "cross" if row["leverage"] == 0 else None


def entry_of(row):
    return row["entry"] or None


def judge(account, venue, case, marks, asset):
    """Each position that settles in the asset: unrealised profit, liquidation price and distance."""
    wallet = account.ledgers.get(("futures", asset))
    backing = None
    if wallet is not None and account.reads("balances", wallet):
        free, locked, borrowed, interest = account.amounts(wallet)
        backing = free + locked - borrowed - interest
    held = [h for h in account.holdings() if h[0].split(":")[1] == asset and h[1] != "flat"]
    given = {}
    for symbol, state, row in held:
        terms, mark = case["terms"].get(symbol), marks.read(marks.contracts, (venue, symbol))
        given[symbol] = None
        if state == "unreported":
            continue
        if mode_of(row) == "isolated":
            given[symbol] = None if row["margin"] is None else -row["margin"]
        elif mode_of(row) == "cross" and terms and mark and entry_of(row):
            at = row["entry"] if terms["basis"] == "entry" else mark
            due = maintenance(terms, notional(terms, row["qty"], at))
            given[symbol] = profit(terms, row["qty"], row["entry"], mark) - due
    out = []
    for symbol, state, row in held:
        terms, mark = case["terms"].get(symbol), marks.read(marks.contracts, (venue, symbol))
        gain, where, far = None, "blind", "blind"
        if state == "open" and terms and entry_of(row):
            if mark:
                gain = profit(terms, row["qty"], row["entry"], mark)
            others = [given[other] for other in given if other != symbol]
            if mode_of(row) == "isolated":
                behind = row["margin"]
            elif mode_of(row) == "cross" and backing is not None and None not in others:
                behind = backing + sum(others, ZERO)
            else:
                behind = None
            if behind is not None:
                found = liquidation(terms, row["qty"], row["entry"], behind)
                where = found if isinstance(found, str) else text(found)
                if mark:
                    far = distance(found, row["qty"], mark)
        out.append({"symbol": symbol, "gain": gain, "liquidation": where, "distance": far})
    return out


def figure(values):
    return [None not in values, text(sum((v for v in values if v is not None), ZERO))]


def run(case):
    accounts = {}
    for op in case["ops"]:
        account = accounts.setdefault((op["venue"], op["account"]), Account())
        if op["op"] == "lost":
            account.live.discard((op["part"], op["scope"]))
        elif op["op"] == "fill":
            account.fill(op)
        else:
            account.feed(op)
    marks = Marks(case)
    cells = [
        ((venue, name, wallet, asset), amounts)
        for (venue, name) in sorted(accounts)
        for (wallet, asset), amounts in accounts[(venue, name)].cells()
    ]
    views = {}
    for policy, index in [("asset", None), ("wallet", 2), ("venue", 0)]:
        lines = {}
        for place, amounts in cells:
            group = "" if index is None else place[index]
            lines.setdefault((group, place[3]), []).append((place, amounts))
        views[policy] = [
            {
                "group": group,
                "asset": asset,
                "whole": all(amounts is not None for _, amounts in members),
                "sum": [text(sum((a[i] for _, a in members if a is not None), ZERO)) for i in range(4)],
                "cells": ["/".join(place) for place, _ in members],
            }
            for (group, asset), members in sorted(lines.items())
        ]
    worth = lambda amount, asset: (
        ZERO if amount == 0
        else None if marks.rate(asset, case["quote"]) is None
        else cut(amount * marks.rate(asset, case["quote"]), case["places"], ROUND_HALF_EVEN)
    )
    balances = [None if a is None else worth(a[0] + a[1] - a[2] - a[3], place[3]) for place, a in cells]
    positions, gains = [], []
    for (venue, name) in sorted(accounts):
        for asset in ["BTC", "USDT"]:
            for row in judge(accounts[(venue, name)], venue, case, marks, asset):
                gain = row["gain"]
                gains.append(None if gain is None else worth(gain, asset))
                row["gain"] = None if gain is None else text(gain)
                positions.append(row)
    return {
        "log": {"/".join(owner): accounts[owner].log for owner in sorted(accounts)},
        "cells": [["/".join(p), None if a is None else [text(x) for x in a]] for p, a in cells],
        "views": views,
        "holdings": [
            [symbol, state, text(row["qty"]) if state == "open" else None]
            for owner in sorted(accounts)
            for symbol, state, row in accounts[owner].holdings()
        ],
        "orders": [
            [symbol, order_id, row["status"], text(row["cum"]), text(accounts[owner].filled(symbol, order_id))]
            if row["status"] in FINAL or accounts[owner].reads("orders", row)
            else [symbol, order_id, None, None, text(accounts[owner].filled(symbol, order_id))]
            for owner in sorted(accounts)
            for (symbol, order_id), row in sorted(accounts[owner].orders.items())
        ],
        "positions": positions,
        "values": [None if v is None else text(v) for v in balances + gains],
        "balance": figure(balances),
        "unrealised": figure(gains),
        "equity": figure(balances + gains),
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    json.dump([run(case) for case in cases], sys.stdout)


main()
