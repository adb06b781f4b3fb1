"""What `driftline train` and `driftline training-set` learn from: files, or the lake, read as the job would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from console.settings import StackSettings
from driftline.errors import SettingError
from driftline.event.v1.event_pb2 import UserEvent
from driftline.mapping.spec import Mapping as EventMapping
from driftline.model_scores import model_entry
from driftline.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from history.lake.location import locate
from history.lake.reading import Lake
from history.reading import EventReader
from jobs.code_version import code_version
from jobs.pipeline import bounds_of, decoder_of, refused_ids_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from training.examples import Examples
from training.histories import Histories, read_files, read_lake
from training.learned_score import LearnedScore
from training.lineage import files_source, lake_source
from training.run import examples_of, require_features
from training.sampling import Sampling

# What features depend on, beside the declarations and the events.
_SETTINGS: Final = ("session_gap_ms", "user_ttl_ms", "categories_max", "currency", "currency_rates", "disorder_ms")
_CODE: Final = "training.run"  # with all that it imports: what makes the rows and the model of them
_DATES: Final = re.compile(r"(\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?|(\d{4}-\d\d-\d\d)")
_UNITS: Final = ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s"))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where the events are, as the options say it; files, or the lake.

    Attributes:
        files: of events.
        lake: whether to read the lake instead.
        dates: event dates of the lake, like 2026-01-05..2026-01-31; empty: all.
        mapping, skip_bad: of files, as `driftline publish` has them.
    """

    files: tuple[Path, ...] = ()
    lake: bool = False
    dates: str = ""
    mapping: Path | None = None
    skip_bad: bool = False

    def require_one(self, others: str = "--training-set FOLDER", *, other: bool = False) -> None:
        """Raise SettingError unless exactly one origin is named; `other`: whether it is one that is none of these."""
        given = [bool(self.files), self.lake, other]
        if sum(given) != 1:
            choices = "--events FILE, --lake" + (f" or {others}" if others else "")
            message = f"say what to learn from, by one of: {choices}"
            raise SettingError(message)
        if self.dates and not self.lake:
            message = "--dates are of the lake: give --lake, too"
            raise SettingError(message)
        if (self.mapping or self.skip_bad) and not self.files:
            message = "--mapping and --skip-bad are of files: give --events, too"
            raise SettingError(message)


@dataclass(frozen=True, kw_only=True)
class Data:
    """What was read.

    Attributes:
        examples: of the score.
        source: where they are from.
        events: how many there were.
        user_ids: the users by the hash of their ids.
        remarks: lines about what was not understood.
    """

    examples: Examples
    source: Mapping[str, Any]
    events: int
    user_ids: Mapping[int, str]
    remarks: list[str]


def read_data(
    wanted: Wanted,
    settings: ScoreEventsSettings,
    learned: LearnedScore,
    now_ms: int,
    note: Callable[[str], object],
    *,
    sampling: Sampling,
) -> Data:
    """Read the events, and fold them into examples.

    Raises:
        InputError: files or the lake cannot be read, or hold nothing.
        SettingError: a date is none.
    """
    from udfs.hashing import hash64

    bounds = bounds_of(settings)
    require_features(bounds, learned)
    histories, source, remarks = (_lake if wanted.lake else _files)(wanted, settings, now_ms, note, sampling)
    note("folding it into examples")
    examples = examples_of(histories, bounds, learned, sampling)
    user_ids = {hash64(user_id): user_id for user_id in histories.users}
    return Data(examples=examples, source=source, events=histories.events, user_ids=user_ids, remarks=remarks)


def feature_settings(settings: ScoreEventsSettings) -> dict[str, Any]:
    """Return the settings of the job that features depend on."""
    return {name: getattr(settings, name) for name in _SETTINGS}


def code_of_training() -> str:
    """Return the version of the code that makes rows and models, a hash of its files."""
    return code_version(_CODE)


def label_text(plan: Mapping[str, Any], score: str) -> dict[str, Any]:
    """Return the label of a score in words: what it looks for, and how far."""
    label = model_entry(plan, score)["label"]
    told = {name: value for name, value in label.items() if name not in {"types", "within_ms", "where", "value"}}
    names = {one["number"]: one.get("custom") or one["name"] for one in plan["events"]}
    types = [names.get(number) or _type_name(number) for number in label["types"]]
    told |= {"of": ", ".join(types) or "any event", "within": _duration(label["within_ms"])}
    return told | {name: label[name] for name in ("where", "value") if label.get(name) is not None}


def _type_name(number: int) -> str:
    return UserEvent.Type.Name(number) if number in UserEvent.Type.values() else str(number)  # type: ignore[arg-type]


def _duration(span_ms: int) -> str:
    unit_ms, unit = next((one for one in _UNITS if not span_ms % one[0]), (1, "ms"))
    return f"{span_ms // unit_ms}{unit}"


def _files(
    wanted: Wanted, settings: ScoreEventsSettings, now_ms: int, note: Callable[[str], object], sampling: Sampling
) -> tuple[Histories, dict[str, Any], list[str]]:
    from console.cli.models import declared_names

    reader = EventReader(
        list(wanted.files),
        mapping=None if wanted.mapping is None else EventMapping.load(wanted.mapping),
        skip_bad=wanted.skip_bad,
        refused=refused_ids_of(settings),
        declared=declared_names(settings),
    )
    note("hashing the files")
    source = files_source(wanted.files)
    histories = read_files(reader, decoder_of(settings), now_ms, note, sampling)
    return histories, source, reader.summary()


def _lake(
    wanted: Wanted, settings: ScoreEventsSettings, now_ms: int, note: Callable[[str], object], sampling: Sampling
) -> tuple[Histories, dict[str, Any], list[str]]:
    stack: StackSettings = StackSettings.load()
    url = f"{stack.lake_address.rstrip('/')}/{settings.events_topic}"
    since, until = dates_of(wanted.dates)
    lake = Lake(locate(url, stack.s3_endpoint), since, until)
    histories = read_lake(lake, decoder_of(settings), now_ms, shards=settings.shards, note=note, sampling=sampling)
    return histories, lake_source(lake, url, (since, until)), []


def dates_of(text: str) -> tuple[str, str]:
    """Return the first and the last date of A..B, of which either may be missing, or of a single day; empty: all.

    Raises:
        SettingError: it is none of these.
    """
    if not text:
        return "", ""
    found = _DATES.fullmatch(text)
    message = f"--dates {text!r} should be like 2026-01-05..2026-01-31, 2026-01-05.., ..2026-01-31 or 2026-01-05"
    if not found or text == "..":
        raise SettingError(message)
    first, last, day = found.groups()
    try:
        for one in (first, last, day):
            if one:
                date.fromisoformat(one)
    except ValueError:
        raise SettingError(message) from None
    return (day, day) if day else (first or "", last or "")


def plan_and_score(settings: ScoreEventsSettings, score: str) -> tuple[dict[str, Any], LearnedScore]:
    """Return the job's plan, and the score that is to be learned.

    Raises:
        InputError: there is no such score, or more than one where none is named.
    """
    plan = plan_for(settings).data
    return plan, LearnedScore.of_plan(plan, score)
