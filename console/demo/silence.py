"""Shoppers who fall silent: the same visits, ended so many days ago, and how the churn risk has risen since.

A demo lasts a minute and v1's half-lives are weeks. So one shopper's visits are published several times, under a name
each, with the last visit today, yesterday, and up to a month ago: side by side they show what a month of silence does
to one shopper. The job looks at all of them as soon as nothing has come for the first age of the demo's project.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from console.demo.traffic import Kind, Record, encode
from console.simulator import SimulatedEvent
from console.simulator.spec import id_prefix
from declarations.compile import SHIPPED
from declarations.value_types import duration_text
from driftline.serving.v1.scores_pb2 import UserScores
from driftline.settings import Format
from driftline.units import DAY_MS, MINUTE_MS

PROJECT_FILE = Path(__file__).with_name("project.yaml")
FIRST_AGE_S = 10  # of project.yaml
LOOKED_AT_S_MAX = 30.0  # after the last event: the first age, and time for a busy machine
AWAY_DAYS = (0, 1, 3, 7, 14, 30)  # 0: silent from now on; the others are ages of project.yaml
CHURN = "churn_risk"
_VISITS = 9
_BETWEEN_VISITS_MS = 7 * DAY_MS // 2
_BETWEEN_EVENTS_MS = 40_000
_VISIT = ("SEARCH", "VIEW", "VIEW", "CLICK", "VIEW", "ADD_TO_CART", "PURCHASE")
_REACHED_MS = MINUTE_MS  # beyond the age, so that it is reached however long the rest takes


@dataclass(frozen=True)
class Away:
    """A shopper whose last visit ended `days` ago."""

    user_id: str
    days: int


@dataclass(frozen=True, kw_only=True)
class AwayRow:
    """A silent shopper as shown.

    Attributes:
        last_ms: time of the newest event.
        age_s: what is served is as of so many seconds later; 0: the job has not looked yet.
        churn_then: as of the newest event.
        churn_now: as served.
        segments: as served.
    """

    user_id: str
    last_ms: int
    age_s: int
    churn_then: float
    churn_now: float
    segments: tuple[str, ...] = ()

    @property
    def age(self) -> str:
        """The age as it is declared: 7d."""
        return duration_text(self.age_s * 1_000)


def write_demo_project(folder: Path) -> Path:
    """Write the declarations that the demo runs into a folder below this one, and return it."""
    project = folder / "personalization"
    shutil.copytree(SHIPPED, project)
    shutil.copyfile(PROJECT_FILE, project / PROJECT_FILE.name)  # in place of that of the shipped set
    return project


def who_stays_away(now_ms: int) -> tuple[Away, ...]:
    """The shoppers, with ids that no earlier demo on the same topic has used."""
    run = id_prefix("away", now_ms)[:4]
    return tuple(Away(f"away-{days}d-{run}", days) for days in AWAY_DAYS)


def last_visits(shoppers: Sequence[Away], now_ms: int, encoding: Format) -> Iterator[Record]:
    """Everything that the shoppers have done, as records of now: in order for each of them."""
    events = chain.from_iterable(visits(one.user_id, _last_ms(one, now_ms)) for one in shoppers)
    for event in events:
        yield Record(Kind.SILENT, event.user_id, encode(event, encoding), now_ms, event.event_time_ms)


def visits(user_id: str, last_ms: int) -> Iterator[SimulatedEvent]:
    """A month of visits at a steady pace, in order; the last event is at `last_ms`. A purchase at every third visit."""
    for number in reversed(range(_VISITS)):
        end_ms = last_ms - number * _BETWEEN_VISITS_MS
        steps = _VISIT if number % 3 == 0 else _VISIT[:-1]
        for step, kind in enumerate(steps):
            time_ms = end_ms - (len(steps) - 1 - step) * _BETWEEN_EVENTS_MS
            value, currency = (49.0, "EUR") if kind == "PURCHASE" else (None, "")
            event_id = f"{user_id}-{_VISITS - number}-{step}"
            yield SimulatedEvent(event_id, user_id, kind, time_ms, "item-1", "shoes", value, currency, "WEB", "", ())


def away_row(scores: UserScores) -> AwayRow:
    """The row of scores that were read with `as_of_event`."""
    then = scores.as_of_event if scores.age_s else scores
    return AwayRow(
        user_id=scores.user_id,
        last_ms=scores.as_of_event_time_ms,
        age_s=scores.age_s,
        churn_then=then.scores.get(CHURN, 0.0),
        churn_now=scores.scores.get(CHURN, 0.0),
        segments=tuple(one.name for one in scores.segments),
    )


def all_looked_at(rows: Sequence[AwayRow], shoppers: Sequence[Away]) -> bool:
    """Whether each of the shoppers has scores as of an age, and those who are long away as of that of their days."""
    ages_s = {row.user_id: row.age_s for row in rows}
    return all(ages_s.get(one.user_id, 0) >= (one.days * DAY_MS // 1_000 or 1) for one in shoppers)


def silent_line(rows: Sequence[AwayRow]) -> str:
    """How churn risk rises with silence, in one line; empty where nobody falls silent."""
    if not rows:
        return ""
    days = [row for row in rows if row.age_s >= DAY_MS // 1_000]
    if not days:
        return f"{len(rows)} shoppers stay away; looked at after {FIRST_AGE_S} s without an event"
    rises = ", ".join(f"{row.age_s * 1_000 // DAY_MS} d {row.churn_now:.2f}" for row in days)
    return f"churn {days[-1].churn_then:.2f}, after {rises}"


def silent_table(rows: Sequence[AwayRow], now_ms: int) -> list[str]:
    """The lines of the summary about silence; none where nobody fell silent."""
    if not rows:
        return []
    titles = ("shopper", "last event", "scores as of", "churn_risk then", "now", "segments")
    cells = [titles, *(_cells(row, now_ms) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(titles))]
    return [
        f"  silence    {len(rows)} shoppers with the same visits, who then stay away: their churn risk rises",
        f"    looked at after {FIRST_AGE_S} s of silence, and as of the largest of the project's ages that has passed",
        *("    " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in cells),
    ]


def silence_problems(rows: Sequence[AwayRow], shoppers: Sequence[Away]) -> Iterator[str]:
    """What silence should have done and has not."""
    if not shoppers:
        return
    if missing := [one.user_id for one in shoppers if one.user_id not in {row.user_id for row in rows}]:
        yield f"no scores for {', '.join(missing)}"
    elif not all_looked_at(rows, shoppers):
        yield f"not everybody who fell silent was looked at within {LOOKED_AT_S_MAX:g} s"
    elif fallen := [row.user_id for row in rows if row.churn_now < row.churn_then]:
        yield f"the churn risk of {', '.join(fallen)} fell while they were silent"
    elif rows[-1].churn_now == rows[-1].churn_then:
        yield f"the churn risk of {rows[-1].user_id} did not rise while they were silent"


def _last_ms(shopper: Away, now_ms: int) -> int:
    return now_ms - shopper.days * DAY_MS - (_REACHED_MS if shopper.days else 0)


def _cells(row: AwayRow, now_ms: int) -> tuple[str, ...]:
    as_of = f"last event + {row.age}" if row.age_s else "last event"
    then, now = f"{row.churn_then:.3f}", f"{row.churn_now:.3f}"
    return row.user_id, f"{_ago(now_ms - row.last_ms)} ago", as_of, then, now, ", ".join(row.segments)


def _ago(span_ms: int) -> str:
    return f"{span_ms // DAY_MS} d" if span_ms >= DAY_MS else f"{max(span_ms, 0) // 1_000} s"
