"""The live view fits its terminal and says what it should."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from console.demo.display import LiveDisplay, PlainDisplay
from console.demo.freshness import Freshness
from console.demo.monitor import Snapshot
from console.demo.view import Addresses, plain_line, render
from tests.unit.demo.builders import away_rows, row, snapshot

ADDRESSES = Addresses(flink="http://127.0.0.1:8081", grpc="127.0.0.1:50051")


def lines(shown: Snapshot, width: int = 120, height: int = 40) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), record=True, color_system=None)
    console.print(render(shown, ADDRESSES, width=width, height=height))
    return console.export_text().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (60, 20), (40, 16), (20, 10)])
def test_it_fits(width: int, height: int) -> None:
    shown = lines(snapshot(trouble="Redis is unavailable " * 20), width, height)
    assert max(map(len, shown)) <= width
    assert len(shown) <= max(height, 16)


def test_a_usual_terminal_shows_all_eight_shoppers_and_whole_counters() -> None:
    text = "\n".join(lines(snapshot(), 80, 24))
    for number in range(8):
        assert f"u{number} " in text
    assert "58,213 read" in text
    assert "= 57,020 accepted + 1,100 duplicate + 80 late + 13 dead letters" in text
    assert "…" not in text


def test_it_says_where_to_look_further() -> None:
    text = "\n".join(lines(snapshot()))
    for wanted in ("http://127.0.0.1:8081", "127.0.0.1:50051", "driftline scores u0", "20260105T101500-3f9c0d1a"):
        assert wanted in text


def test_it_says_what_is_mixed_in() -> None:
    text = "\n".join(lines(snapshot()))
    assert "444 out of order, 160 repeats, 40 late by a day, 13 malformed" in text


def test_it_says_how_churn_risk_rises_with_silence() -> None:
    shown = lines(snapshot(), 80, 24)
    assert "silent     churn 0.30, after 1 d 0.31, 3 d 0.33, 7 d 0.37, 14 d 0.44, 30 d 0.60" in shown
    waiting = "\n".join(lines(snapshot(away=away_rows(age_s=0)), 80, 24))
    assert "6 shoppers stay away; looked at after 10 s without an event" in waiting
    assert "silent" not in "\n".join(lines(snapshot(away=())))


def test_before_the_first_event_it_is_a_view_too() -> None:
    text = "\n".join(lines(Snapshot()))
    assert "measuring" in text
    assert "none yet" in text


def test_trouble_is_shown() -> None:
    assert lines(snapshot(trouble="Redis is unavailable"))[-1] == "Redis is unavailable"


@pytest.mark.parametrize(("left_s", "shown"), [(None, "Ctrl-C ends it"), (20.0, "ends in 20 s")])
def test_it_says_when_it_ends(left_s: float | None, shown: str) -> None:
    assert shown in lines(snapshot(left_s=left_s))[0]


def test_a_shopper_without_a_model_has_no_number() -> None:
    text = "\n".join(lines(Snapshot(rows=[row(purchase=None, trend=())])))
    assert "u1" in text
    assert "0.123" not in text


def test_without_a_terminal_it_is_a_line() -> None:
    assert plain_line(snapshot()) == (
        "    65 s  200 events/s in, 200/s processed; 58,213 read = 57,020 accepted + 1,100 duplicate + 80 late"
        " + 13 dead letters; freshness p50 61 ms, p99 95 ms"
    )
    assert "no freshness yet" in plain_line(snapshot(freshness=Freshness()))
    assert plain_line(snapshot(trouble="Redis is unavailable")).endswith("; Redis is unavailable")


def test_plain_lines_come_every_five_seconds() -> None:
    written = io.StringIO()
    with PlainDisplay(Console(file=written, width=500)) as display:
        for quarter in range(0, 49):
            display.show(snapshot(running_s=quarter / 4, away=()))
    assert [line.split()[0] for line in written.getvalue().splitlines()] == ["5", "10"]


def test_silence_has_a_plain_line_when_there_is_news() -> None:
    written = io.StringIO()
    with PlainDisplay(Console(file=written, width=500)) as display:
        for running_s, age_s in ((5.0, 0), (10.0, 0), (15.0, 86_400), (20.0, 86_400)):
            display.show(snapshot(running_s=running_s, away=away_rows(age_s=age_s)[:1]))
    assert [line.strip() for line in written.getvalue().splitlines() if "events/s" not in line] == [
        "1 shoppers stay away; looked at after 10 s without an event",
        "churn 0.30, after 1 d 0.30",
    ]


def test_the_live_display_leaves_the_terminal_as_it_was() -> None:
    written = io.StringIO()
    with LiveDisplay(Console(file=written, width=80, height=24, force_terminal=True), ADDRESSES) as display:
        display.show(snapshot())
    text = written.getvalue()
    assert text.index("\x1b[?1049h") < text.index("Driftline demo") < text.index("\x1b[?1049l")
