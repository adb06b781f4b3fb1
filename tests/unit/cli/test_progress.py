"""How far long work is, as it is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.cli.progress import Progressing, progress_text
from console.pace import Pace


def test_the_rate_is_that_of_the_last_while() -> None:
    pace = Pace(20.0, 0.5)
    for second in range(100):
        pace.note(float(second), 100 * second if second < 50 else 5_000 + 10 * (second - 50))
    assert pace.rate_s == 10
    assert pace.left_s(5_490 + 1_000) == 100


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1 << 40)), max_size=50))
def test_there_is_never_a_negative_time_left(samples: list[tuple[float, int]]) -> None:
    pace, done = Pace(20.0, 0.5), 0
    for at_s, more in sorted(samples):
        done += more
        pace.note(at_s, done)
    left_s = pace.left_s(done)
    assert left_s is None or left_s == 0


def test_nothing_is_said_of_a_rate_that_is_not_known() -> None:
    pace = Pace(20.0, 0.5)
    assert progress_text(0, 2_000_000, pace, "events") == "0 of 2,000,000 events (0 %)"
    pace.note(0.0, 0)
    pace.note(1.0, 1_000)
    assert progress_text(1_000, 2_000_000, pace, "events") == "1,000 of 2,000,000 events (0 %), 1,000/s, 33:19 left"
    assert progress_text(1_000, 8_000_000, pace, "events").endswith("2:13:19 left")


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    lines: list[str] = []
    now_s = 0.0
    with Progressing(terminal=False, clock=lambda: now_s, echo=lines.append) as progress:
        for second in range(25):
            now_s = float(second)
            progress.show(second * 10, 250, "all well")
    assert lines == [
        "100 of 250 events (40 %), 10/s, 0:15 left; all well",
        "200 of 250 events (80 %), 10/s, 0:05 left; all well",
    ]


def test_on_a_terminal_there_is_a_bar() -> None:
    with Progressing(terminal=True, echo=lambda _: None) as progress:
        progress.show(10, 100)
        progress.show(100, 100)
