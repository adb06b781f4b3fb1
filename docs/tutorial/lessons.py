"""Prints the CSV file of docs/declarations.md: sixty days of a made-up language school. Always the same."""

# ruff: noqa: PLR2004, S311  (a made-up world)

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

LEARNERS: Final = 400
DAYS: Final = 60
FIRST_DAY: Final = datetime(2025, 3, 3, tzinfo=UTC)
COURSES: Final = ("spanish", "french", "japanese", "italian")
COLUMNS: Final = ("when", "learner", "what", "course", "minutes", "score", "plan", "paid")


def rows_of(learner: int, random: Random) -> list[tuple[Any, ...]]:
    """Return what a learner did: keen ones come on most days, and subscribe after some days in a row."""
    keenness = random.random()
    name, course = f"L{learner:03}", random.choice(COURSES)
    rows: list[tuple[Any, ...]] = []
    in_a_row, subscribed = 0, False
    for day in range(random.randrange(DAYS - 5), DAYS):
        if random.random() > keenness:
            in_a_row = 0
            continue
        in_a_row += 1
        when = FIRST_DAY + timedelta(days=day, hours=random.choice((7, 12, 19, 20, 21)), minutes=random.randrange(60))
        if random.random() < 0.1:
            course = random.choice(COURSES)
        for _ in range(random.randint(1, 3)):
            minutes = random.randint(3, 20)
            when += timedelta(minutes=minutes, seconds=random.randrange(60))
            rows.append((when, name, "lesson finished", course, minutes, "", "", ""))
            if random.random() < 0.5:
                when += timedelta(seconds=random.randint(40, 200))
                rows.append((when, name, "quiz answered", course, "", random.randint(30, 100), "", ""))
        if not subscribed and in_a_row >= 3 and random.random() < 0.25:
            when += timedelta(minutes=2)
            rows.append((when, name, "subscribed", "", "", "", random.choice(("month", "year")), "9.90"))
            subscribed = True
    return rows


def main() -> None:
    """Print all rows in order of time."""
    random = Random(20250303)
    rows = sorted(row for learner in range(LEARNERS) for row in rows_of(learner, random))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((f"{when:%Y-%m-%d %H:%M:%S}", *rest) for when, *rest in rows)


if __name__ == "__main__":
    main()
