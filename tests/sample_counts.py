"""What becomes of the events of a sample file, counted a second time: a script that shares no code with the product.

It reads the cells by hand and keeps, for each user, the newest time and the ids with their times: no state that is
encoded, no tail, no blocks, no Kafka. What it counts is what the job is compared with.

    python tests/sample_counts.py FORMAT FILE...
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

DISORDER_MS, HORIZON_MS, SKEW_MS = 60_000, 24 * 3_600_000, 5 * 60_000
EARLIEST_MS, LATEST_MS = 946_684_800_000, 4_102_444_800_000
ID_BYTES = 128
Row = dict[str, Any]


class Fact(NamedTuple):
    """An event as the cells say it; `kind` is empty where the sample's words are not looked up."""

    user: str
    id: str
    kind: str
    time_ms: int
    value: Decimal = Decimal(0)


class Counts(NamedTuple):
    """A sample's events by what becomes of them, the first two in `driftline publish`, the others in the job."""

    rows: int
    left_out: int
    refused: int
    accepted: int
    duplicate: int
    late: int
    dead_letter: int


def moment(text: str, zone: str = "UTC") -> int:
    """Milliseconds of a text like 2019-10-01 00:00:00.5, with or without a zone."""
    clock = datetime.fromisoformat(text.removesuffix(" UTC")[:19]).replace(tzinfo=ZoneInfo(zone))
    fraction = text[20:].rstrip("Z") if text[19:20] == "." else ""
    return int(clock.timestamp()) * 1_000 + int((fraction or "0").ljust(3, "0")[:3])


def kind(word: str) -> str:
    """A type as the sample files write it, by hand."""
    known = {
        **dict.fromkeys(("view", "view_item", "page_view", "Page View", "product_view"), "VIEW"),
        **dict.fromkeys(("page", "item.viewed", "look"), "VIEW"),
        **dict.fromkeys(("cart", "addtocart", "add_to_cart", "addToCart", "Product Added"), "ADD_TO_CART"),
        **dict.fromkeys(("purchase", "Purchase", "transaction", "Order Completed"), "PURCHASE"),
        **dict.fromkeys(("order.placed", "paid", "purchased item"), "PURCHASE"),
        "link_click": "CLICK",
        "search": "SEARCH",
        "refunded": "REFUND",
    }
    return known.get(word, "CUSTOM")


def whole(row: Row) -> str:
    """The id of a row that has none: all that it says."""
    return "\x1f".join(str(cell) for cell in row.values())


def segment(row: Row) -> Fact | None:
    """A call of Segment's."""
    if row["type"] in {"alias", "group"}:
        return None
    said = row.get("properties") or {}
    paid = next((said[name] for name in ("revenue", "total", "value", "price") if said.get(name) is not None), 0)
    word = row["event"] if row["type"] == "track" else row["type"]
    user = row["userId"] or row["anonymousId"] or ""
    return Fact(user, row["messageId"], kind(word), moment(row["timestamp"]), Decimal(str(paid)))


def cloudevents(row: Row) -> Fact:
    """A CloudEvent of a shop."""
    data, zone = row["data"], row.get("time", "")[-6:]
    shift_ms = int(zone[:3]) * 3_600_000 if zone[0:1] in {"+", "-"} else 0
    time_ms = moment(row["time"].removesuffix(zone) if shift_ms else row["time"]) - shift_ms if "time" in row else 0
    user = data.get("customer_id") or row.get("partitionkey", "")
    word = row["type"].removeprefix("com.example.shop.")
    return Fact(user, f"{row['source']}-{row['id']}", kind(word), time_ms, Decimal(str(data.get("amount", 0))))


def debezium(row: Row) -> Fact | None:
    """A change of a shop's orders."""
    change = row.get("payload", row)
    order = change["after"]
    if change["op"] == "d" or order["status"] == "pending":
        return None
    paid = Decimal(order["quantity"]) * Decimal(order["price"])
    place = f"{order['id']}-{change['source']['lsn']}"
    return Fact(str(order["customer_id"] or ""), place, kind(order["status"]), order["updated_at"] // 1_000, paid)


def flat_json(row: Row) -> Fact:
    """A line in words of one's own."""
    user = "" if row["user"] is None else str(int(row["user"]))
    time_ms = int(Decimal(str(row["ts"])) * 1_000)
    return Fact(user, f"7-{row['id']}", kind(row["action"].lower()), time_ms, Decimal(row.get("price") or 0))


# How each format reads; None: not published, for it has no user.
FACTS: dict[str, Callable[[Row], Fact | None]] = {
    "rees46": lambda r: Fact(
        r["user_id"], whole(r), kind(r["event_type"]), moment(r["event_time"]), Decimal(r["price"])
    ),
    "retailrocket": lambda r: Fact(r["visitorid"], whole(r), kind(r["event"]), int(r["timestamp"])),
    "ga4": lambda r: (
        Fact(
            r["user_pseudo_id"],
            f"{r['user_pseudo_id']}-{r['bundle_sequence_id']}-{r['batch_event_index']}-{r['name']}",
            kind(r["name"]),
            moment(r["timestamp"]),
            Decimal(r["value_in_usd"] or 0),
        )
        if r["user_pseudo_id"]
        else None
    ),
    "mixpanel": lambda r: Fact(r["distinct_id"], r["insert_id"], kind(r["name"]), moment(r["time"])),
    "amplitude": lambda r: (
        Fact(r["user_id"], r["uuid"], kind(r["event_type"]), moment(r["event_time"])) if r["user_id"] else None
    ),
    "snowplow": lambda r: (
        Fact(
            r["domain_userid"],
            r["event_id"],
            kind(r["event_name"]),
            moment(r["derived_tstamp"]),
            Decimal(r["tr_total"] or 0),
        )
        if r["domain_userid"]
        else None
    ),
    "online-retail": lambda r: (
        Fact(
            str(int(float(r["CustomerID"]))),
            whole(r),
            "PURCHASE",
            moment(r["InvoiceDate"], "Europe/London"),
            Decimal(r["Quantity"]) * Decimal(r["UnitPrice"]),
        )
        if r["CustomerID"]
        else None
    ),
    "unomi": lambda r: Fact(
        r.get("profileId", ""),
        r.get("itemId") or whole(r),
        kind(r["eventType"]),
        moment(r["timeStamp"]) if "timeStamp" in r else 0,
    ),
    "segment": segment,
    "cloudevents": cloudevents,
    "debezium": debezium,
    "flat-json": flat_json,
}
ARRIVAL = {"snowplow": "collector_tstamp"}  # the column that says in which order the rows of a table arrived


def rows_of(file: Path) -> Iterator[Row]:
    """The rows of a CSV file, or the events of JSON documents with what their document has beside them."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".json":
        yield from csv.DictReader(text.splitlines(keepends=True))
        return
    while text := text.strip():
        document, end = json.JSONDecoder().raw_decode(text)
        text = text[end:]
        for one in document if isinstance(document, list) else [document]:
            around = {name: value for name, value in one.items() if name != "events"}
            yield from ({**around, **event} for event in one.get("events", [{}]))


def in_arrival_order(name: str, rows: Iterable[Row]) -> list[Row]:
    """The rows as they arrived, where the format has a column that says so."""
    column = ARRIVAL.get(name)
    return sorted(rows, key=lambda row: str(row[column])) if column else list(rows)


class Tally:
    """Counts the facts of a history, in the order in which they are published.

    Attributes:
        late: users and times of the late events.
        accepted: how many events of each user were accepted.
    """

    def __init__(self, now_ms: int) -> None:
        self.late: list[tuple[str, int]] = []
        self.dead: list[tuple[str, int]] = []
        self.accepted: Counter[str] = Counter()
        self._now_ms = now_ms
        self._newest: dict[str, int] = {}
        self._times: dict[tuple[str, str], list[int]] = {}

    def count(self, facts: Iterable[Fact | None]) -> Counts:
        """Count more facts; users go on where the facts before have left them."""
        found = Counter(self._outcome(fact) for fact in facts)
        return Counts(sum(found.values()), *(found[name] for name in Counts._fields[1:]))

    def _outcome(self, fact: Fact | None) -> str:
        if fact is None:
            return "left_out"
        user, at_ms = fact.user, fact.time_ms
        if not user or at_ms <= 0:
            return "refused"
        newest = self._newest.get(user, 0)
        seen = [ms for ms in self._times.get((user, fact.id), []) if ms >= newest - HORIZON_MS]
        used = any(0 < abs(at_ms - ms) <= HORIZON_MS for ms in seen)  # another event has had the id
        if at_ms in seen:
            return "duplicate"
        if used or not self._is_possible(fact):
            self.dead.append((user, at_ms))
            return "dead_letter"
        if at_ms < newest - DISORDER_MS:
            self.late.append((user, at_ms))
            return "late"
        self.accepted[user] += 1
        self._newest[user] = max(newest, at_ms)
        self._times[user, fact.id] = [*seen, at_ms]
        return "accepted"

    def _is_possible(self, fact: Fact) -> bool:
        short = len(fact.user.encode()) <= ID_BYTES
        return short and EARLIEST_MS <= fact.time_ms <= LATEST_MS and fact.time_ms <= self._now_ms + SKEW_MS


def facts_of(name: str, rows: Iterable[Row]) -> list[Fact | None]:
    """The facts of a format's rows."""
    return [FACTS[name](row) for row in rows]


def counted(name: str, files: Sequence[Path]) -> Counts:
    """The counts of a sample in one or more files, as they lie."""
    tally = Tally(time.time_ns() // 1_000_000)
    return tally.count(facts_of(name, (row for file in files for row in rows_of(file))))


if __name__ == "__main__":
    print(*(f"{name}={number}" for name, number in counted(sys.argv[1], [*map(Path, sys.argv[2:])])._asdict().items()))
