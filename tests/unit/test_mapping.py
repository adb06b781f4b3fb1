"""CSV files of public formats through the mappings of docs/mappings, against a count of the cells themselves."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from driftline.errors import InputError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.mapping import Mapping
from driftline.reading import EventReader, keyed
from tests.unit.test_reading import published

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "docs" / "mappings"
Row = dict[str, str]
Facts = tuple[str, str, int, Decimal]  # user, type, time, value


def utc(text: str, zone: str = "UTC") -> int:
    moment = datetime.fromisoformat(text[:19])
    ms = int((text.removesuffix(" UTC")[20:] or "0").ljust(3, "0")[:3])
    return int(moment.replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000 + ms


def kind(word: str) -> str:
    """A type as the sample files write it, by hand."""
    known = {
        **dict.fromkeys(("view", "view_item", "page_view", "Page View", "product_view"), "VIEW"),
        **dict.fromkeys(("cart", "addtocart", "add_to_cart", "addToCart"), "ADD_TO_CART"),
        **dict.fromkeys(("purchase", "Purchase", "transaction", "Order Completed"), "PURCHASE"),
    }
    return known.get(word, "CUSTOM")


# How each format reads, written a second time without the mapping's code.
FACTS: dict[str, Callable[[Row], Facts | None]] = {
    "rees46": lambda r: (r["user_id"], kind(r["event_type"]), utc(r["event_time"]), Decimal(r["price"])),
    "retailrocket": lambda r: (r["visitorid"], kind(r["event"]), int(r["timestamp"]), Decimal(0)),
    "ga4": lambda r: (
        (r["user_pseudo_id"], kind(r["name"]), utc(r["timestamp"]), Decimal(r["value_in_usd"] or 0))
        if r["user_pseudo_id"]
        else None
    ),
    "mixpanel": lambda r: (r["distinct_id"], kind(r["name"]), utc(r["time"]), Decimal(0)),
    "amplitude": lambda r: (
        (r["user_id"], kind(r["event_type"]), utc(r["event_time"]), Decimal(0)) if r["user_id"] else None
    ),
    "snowplow": lambda r: (
        (r["domain_userid"], kind(r["event"]), utc(r["derived_tstamp"]), Decimal(r["tr_total"] or 0))
        if r["domain_userid"]
        else None
    ),
    "online-retail": lambda r: (
        (
            str(int(float(r["CustomerID"]))),
            "PURCHASE",
            utc(r["InvoiceDate"], "Europe/London"),
            Decimal(r["Quantity"]) * Decimal(r["UnitPrice"]),
        )
        if r["CustomerID"]
        else None
    ),
}


def samples() -> list[tuple[str, Path]]:
    """The samples here, and the real files where SAMPLE_FILES names the folder that they are in."""
    found = [(path.stem, path) for path in sorted((ROOT / "tests" / "samples").glob("*.csv"))]
    folder = os.environ.get("SAMPLE_FILES")
    return found + [(path.parent.name, path) for path in sorted(Path(folder).glob("*/*.csv"))] if folder else found


@pytest.mark.parametrize(("name", "file"), samples())
def test_a_public_format_reads_as_its_cells_say(name: str, file: Path) -> None:
    with file.open(encoding="utf-8", newline="") as rows:
        facts = [FACTS[name](row) for row in csv.DictReader(rows)]
    reader = EventReader([file], mapping=Mapping.load(MAPPINGS / f"{name}.toml"), check=keyed)
    events = [event for event, _ in reader]
    read = [
        (e.user_id, UserEvent.Type.Name(e.type), e.event_time_ms, Decimal(str(e.value)).normalize()) for e in events
    ]
    assert read == [(*fact[:3], fact[3].normalize()) for fact in facts if fact]
    assert reader.left_out == sum(fact is None for fact in facts)
    assert all(event.event_id for event in events)


def test_every_mapping_has_a_sample() -> None:
    assert {path.stem for path in MAPPINGS.glob("*.toml")} == {name for name, _ in samples()} == set(FACTS)


def test_a_repeated_row_is_a_duplicate_and_every_other_row_is_not() -> None:
    file = ROOT / "tests" / "samples" / "rees46.csv"
    ids = Counter(e.event_id for e, _ in EventReader([file], mapping=Mapping.load(MAPPINGS / "rees46.toml")))
    assert sorted(ids.values()) == [1, 1, 1, 1, 2]


@pytest.fixture
def mapped(tmp_path: Path) -> Callable[[str, bytes], list[UserEvent]]:
    def read(toml: str, data: bytes) -> list[UserEvent]:
        (tmp_path / "m.toml").write_text(toml)
        (tmp_path / "f.csv").write_bytes(data)
        reader = EventReader([tmp_path / "f.csv"], mapping=Mapping.load(tmp_path / "m.toml"), check=keyed)
        published(reader)
        return [event for event, _ in reader]

    return read


BASE = '[columns]\nuserId = "u"\ntype = "t"\neventTimeMs = "at"\n'
DATA = b"u,t,at\nu1,view,1569888000\n"


@pytest.mark.parametrize(
    ("unit", "cell", "time_ms"),
    [
        ("s", "1569888000", 1_569_888_000_000),
        ("s", "1569888000.25", 1_569_888_000_250),
        ("ms", "1569888000000", 1_569_888_000_000),
        ("us", "1650950229000001", 1_650_950_229_000),
        ("ns", "1650950229000001999", 1_650_950_229_000),
        ("text", "2019-10-01T00:00:00Z", 1_569_888_000_000),
    ],
)
def test_times_are_converted_from_the_unit_that_is_named(
    mapped: Callable[[str, bytes], list[UserEvent]], unit: str, cell: str, time_ms: int
) -> None:
    (event,) = mapped(f'time_unit = "{unit}"\n' + BASE, f"u,t,at\nu1,view,{cell}\n".encode())
    assert event.event_time_ms == time_ms


@pytest.mark.parametrize(
    ("toml", "data", "reason"),
    [
        (BASE + 'itemId = "sku"\n', DATA, r"has no column 'sku', which the mapping names; it has: u, t, at"),
        (BASE, b"u,t,at,u\nu1,view,1,u2\n", "has the column 'u', which the mapping names, more than once"),
        (BASE + 'item = "u"\n', DATA, "unknown field in columns 'item'"),
        ("colums = {}\n" + BASE, DATA, "unknown key 'colums'"),
        ("time_unit = 's'\n[columns]\nuserId = 'u'\n", DATA, "must name type"),
        ("time_unit = 'minutes'\n" + BASE, DATA, "time_unit must be"),
        ("time_zone = 'Mars'\n" + BASE, DATA, "time_zone 'Mars' is not known"),
        ("columns = 7\n", DATA, "columns must be a dict"),
        (BASE + "[types]\nview = 'LOOK'\n", DATA, "'LOOK' in types is no event type"),
        ("nonsense", DATA, "is not TOML"),
        ("time_unit = 'text'\n" + BASE, DATA, "line 2: eventTimeMs must be a time like"),
        ("time_unit = 'text'\n" + BASE, b"u,t,at\nu,view,2019-10-01 00:00:00\n", "must be a time with its zone"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\nu1,view\n", "line 2: has 2 cells; the first line has 3"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\nu1,view,soon\n", "line 2: eventTimeMs must be a number of s"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\nu1,view,1e999\n", "line 2: eventTimeMs must be a number of s"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\n,view,1569888000\n", "line 2: has no userId"),
        ("time_unit = 's'\n" + BASE, b"u,t,at\n\xe9,view,1569888000\n", "is not UTF-8"),
        ("whole_numbers = ['u']\n" + BASE, b"u,t,at\n1.5,view,1\n", "column 'u' must hold whole numbers"),
        (BASE + "value = ['u', 't']\n", b"u,t,at\n1.5,view,1\n", "value must be a number"),
        (BASE, b"u,t,at\n", "held no events"),
    ],
)
def test_what_does_not_fit_is_named(
    mapped: Callable[[str, bytes], list[UserEvent]], toml: str, data: bytes, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        mapped(toml, data)
