"""What the commands of `driftline dead-letters` have in common: which topic, which letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from console.settings import StackSettings
from driftline.errors import SettingError
from driftline.settings import unknown
from driftline.times import FORMS, parse_time_ms
from driftline.topics import DEAD_LETTER
from driftline.topics import LATE as LATE_TOPIC
from driftline.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, wall_clock_ms
from jobs.settings import ScoreEventsSettings

if TYPE_CHECKING:
    from console.dead_letters.records import Selection
    from console.dead_letters.topic import LetterTopic

_UNITS_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_SPAN = r"([0-9]{1,6})([smhd])"
_MOMENTS = "A time with its zone, or an age like 30m, 2h or 7d."

Late = Annotated[bool, typer.Option("--late", help="Read the topic of late events instead.")]
Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="REASON", help="Only of this reason; may be repeated.", show_default="all"),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help=f"Rejected then or later. {_MOMENTS}", show_default="all")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help=f"Rejected before then. {_MOMENTS}", show_default="all")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="The first so many alone.", show_default="all")]


def topic_name(*, late: bool) -> str:
    """The topic that is meant, as the settings of the job name it. Raises SettingError."""
    job: ScoreEventsSettings = ScoreEventsSettings.load()
    return job.topic(LATE_TOPIC if late else DEAD_LETTER)


@contextmanager
def opened_topic(*, late: bool, selection: Selection | None = None) -> Iterator[LetterTopic]:
    """The topic that is meant, as far as it may hold what is selected.

    Raises:
        SettingError: a setting is bad.
        ServiceUnavailable: Kafka does not answer.
        InputError: there is no such topic.
    """
    from console.dead_letters.topic import LetterTopic

    name = topic_name(late=late)
    since_ms, until_ms = (None, None) if selection is None else (selection.since_ms, selection.until_ms)
    with closing(LetterTopic(StackSettings.load(), name, since_ms=since_ms, until_ms=until_ms)) as topic:
        yield topic


def selection_of(reasons: list[str] | None, since: str | None, until: str | None) -> Selection:
    """Which dead letters the options mean.

    Raises:
        SettingError: naming the option and what it accepts.
    """
    from console.dead_letters.records import Selection
    from udfs.rejects import Reason

    wanted = [reason.upper() for reason in reasons or ()]
    for reason in wanted:
        if reason not in list(Reason):
            message = f"--reason: {unknown('reason', reason, list(Reason))}"
            raise SettingError(message)
    now_ms = wall_clock_ms()
    since_ms = None if since is None else moment_ms("--since", since, now_ms)
    until_ms = None if until is None else moment_ms("--until", until, now_ms)
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        message = f"--since {since} must be before --until {until}"
        raise SettingError(message)
    return Selection(reasons=frozenset(wanted), since_ms=since_ms, until_ms=until_ms)


def span_ms(option: str, text: str) -> int:
    """The milliseconds of 30s, 30m, 2h or 7d. Raises SettingError naming the option."""
    span = re.fullmatch(_SPAN, text, re.ASCII)
    if span is None or not int(span[1]):
        message = f"{option} must be a time like 30s, 30m, 2h or 7d, not {text!r}"
        raise SettingError(message)
    return int(span[1]) * _UNITS_MS[span[2]]


def moment_ms(option: str, text: str, now_ms: int) -> int:
    """The time of a moment or an age before `now_ms`. Raises SettingError naming the option."""
    if re.fullmatch(_SPAN, text, re.ASCII):
        return now_ms - int(text[:-1]) * _UNITS_MS[text[-1]]
    try:
        return parse_time_ms(text)
    except ValueError:
        message = f"{option} must be a time like {FORMS}, or an age like 30s, 30m, 2h or 7d, not {text!r}"
        raise SettingError(message) from None
