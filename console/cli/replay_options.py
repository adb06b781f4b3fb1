"""What the options of `driftline replay` mean, and which go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from console.cli.dead_letter_options import moment_ms
from console.cli.replay_local import dates_of
from driftline.errors import SettingError
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from console.replaying.planning import Asked

SOURCES: Final = ("auto", "topic", "lake")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options as they were given; `settings` are those of the job."""

    namespace: str
    source: str
    since: str | None
    from_offsets: str | None
    until: str
    dates: str
    lake_url: str
    users: tuple[str, ...]
    users_file: Path | None
    settings: Mapping[str, str]
    rate: float | None
    parallelism: int
    then_live: bool
    promote: bool
    as_json: bool


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the options ask for.

    Attributes:
        namespace: to fill.
        asked: which events, from where.
        dates: of the lake: the first and the last; empty: all.
        lake_url: empty: that of the settings.
        users, users_file: whose events; neither: all.
        settings: of the job.
        events_a_s_max: 0: no bound.
        parallelism: slots.
        promote: whether it becomes the live namespace.
        as_json: how the counters are printed.
    """

    namespace: str
    asked: Asked
    dates: tuple[str, str]
    lake_url: str
    users: tuple[str, ...]
    users_file: Path | None
    settings: Mapping[str, str]
    events_a_s_max: float
    parallelism: int
    promote: bool
    as_json: bool


def require_for_local(options: Options, *, resume: bool) -> None:
    """Raise SettingError, naming the option, where one does not go with --local."""
    refused = {
        "--from": options.source == "topic",
        "--since": options.since is not None,
        "--from-offsets": options.from_offsets is not None,
        "--until": options.until != "now",
        "--rate": options.rate is not None,
        "--parallelism": options.parallelism != 1,
        "--then-live": options.then_live,
        "--promote": options.promote,
        "--resume": resume,
    }
    if wrong := [name for name, given in refused.items() if given]:
        message = f"{wrong[0]} does not go with --local, which reads the lake on this machine; --dates chooses days"
        raise SettingError(message)


def require_for_flink(options: Options, *, local_only: tuple[object, ...], resume: bool) -> None:
    """Raise SettingError where an option is for --local alone, or does not go with --resume, or is the command's."""
    from console.replaying.assignments import OWN

    for name, given in zip(("--processes", "--out", "--replace"), local_only, strict=True):
        if given:
            message = f"{name} needs --local"
            raise SettingError(message)
    for name in options.settings:
        if name in OWN:
            message = f"--set {name}: a replay has {OWN[name]} for that"
            raise SettingError(message)
    others = (options.since, options.from_offsets, options.dates, options.lake_url, options.users, options.users_file)
    changed = options.source != "auto" or options.until != "now" or options.then_live or options.rate is not None
    if resume and (any(others) or changed):
        message = "--resume goes on with what was asked for: beside it there may be --set, --promote and --json alone"
        raise SettingError(message)


def wanted_of(options: Options) -> Wanted:
    """Return what the options ask for. Raises SettingError, naming the option and what it accepts."""
    wanted = Wanted(
        namespace=options.namespace,
        asked=_asked(options),
        dates=dates_of(options.dates),
        lake_url=options.lake_url,
        users=options.users,
        users_file=options.users_file,
        settings=options.settings,
        events_a_s_max=options.rate or 0.0,
        parallelism=options.parallelism,
        promote=options.promote,
        as_json=options.as_json,
    )
    _require_consistent(wanted)
    return wanted


def _asked(options: Options) -> Asked:
    from console.replaying.planning import Asked, Source

    if options.source not in SOURCES:
        message = f"--from must be one of {', '.join(SOURCES)}, not {options.source!r}"
        raise SettingError(message)
    now_ms = wall_clock_ms()
    asked = Asked(
        source=Source.LAKE if options.dates and options.source == "auto" else Source(options.source),
        since_ms=None if options.since is None else moment_ms("--since", options.since, now_ms),
        from_offsets=_offsets(options.from_offsets),
        until_ms=None if options.until == "now" else moment_ms("--until", options.until, now_ms),
        then_live=options.then_live,
    )
    if asked.source is Source.LAKE and (asked.since_ms or asked.until_ms or asked.from_offsets):
        message = "--since, --from-offsets and --until are for the topic: --dates says what of the lake is read"
        raise SettingError(message)
    if options.dates and asked.source is not Source.LAKE:
        message = "--dates needs --from lake"
        raise SettingError(message)
    if asked.since_ms is not None and asked.from_offsets:
        message = "choose one of --since and --from-offsets"
        raise SettingError(message)
    if asked.since_ms is not None and asked.until_ms is not None and asked.since_ms >= asked.until_ms:
        message = f"--since {options.since} must be before --until {options.until}"
        raise SettingError(message)
    return asked


def _require_consistent(wanted: Wanted) -> None:
    """Raise SettingError where options do not go with --then-live, or with each other."""
    if wanted.promote and not wanted.asked.then_live:
        message = "--promote needs --then-live: a replay that ends has no job to go on"
        raise SettingError(message)
    if wanted.users and wanted.users_file:
        message = "choose one of --user and --users"
        raise SettingError(message)
    if not wanted.asked.then_live:
        return
    if wanted.users or wanted.users_file:
        message = "--then-live is for all users: leave out --user and --users"
        raise SettingError(message)
    if wanted.asked.until_ms is not None or wanted.dates[1]:
        message = "--then-live has no end: leave out --until, and give --dates a beginning alone, like 2026-01-05.."
        raise SettingError(message)


def _offsets(text: str | None) -> dict[int, int]:
    from jobs.replay_settings import offsets_in

    try:
        return offsets_in(text or "")
    except ValueError as error:
        message = f"--from-offsets {error}, not {text!r}"
        raise SettingError(message) from None
