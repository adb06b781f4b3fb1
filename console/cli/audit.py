"""`driftline audit`: a sample of users is computed again from their records, and compared with what is served."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from console.cli.dead_letter_options import span_ms
from console.cli.diff import comparison_json, print_comparison
from console.cli.long_runs import stop_on_signal
from console.cli.progress import Progressing
from console.settings import StackSettings
from driftline.errors import InputError, SettingError
from driftline.words import shown
from jobs.base_settings import parse_assignments
from jobs.settings import ScoreEventsSettings

if TYPE_CHECKING:
    import threading

    from console.auditing.audit import Audited, Wanted
    from console.auditing.log import RecordLog

_USERS = 1_000  # that are looked at where nobody says how many
_RETRY_S = 5.0
_ID_CHARS_MAX = 128


@dataclass(frozen=True)
class _Options:
    """What the options ask for, besides what the audit itself is told."""

    threshold: float
    every_s: float | None
    metrics_file: Path | None
    as_json: bool


def audit(  # noqa: PLR0917  (options, each by name)
    namespace: Annotated[str, typer.Option(help="Namespace to audit. [default: the live one]")] = "",
    users: Annotated[
        int | None, typer.Option(min=1, help="Look at so many users at most.", show_default=f"{_USERS:,}")
    ] = None,
    share: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Or at this share of all users.", show_default="no share")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed chooses the same users.")] = 0,
    user: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="This user alone; repeatable.", show_default="none")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Exit 1 if more than this share of the compared users differ.")
    ] = 0.0,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Numbers that differ by no more than this count as equal.")
    ] = 0.0,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="List so many users who differ.")] = 10,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting that the job was submitted with; repeatable."),
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="Go on, and begin a run so often: 30m, 1h.", show_default="once")
    ] = None,
    metrics_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write what a run has found for a node exporter: ....prom.", show_default="none"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on one line.")] = False,
) -> None:
    """Check what is served: compute a sample of users again from their records, and compare.

    The records are those that the job has processed by now: of the lake and, where that lags behind or is missing, of
    the events topic. They are folded by the same core, without Flink, and scored with the models that the served values
    name. Compared are scores, features, segments, affinities and the rest of a value, all as of the user's newest
    event: so it does not matter what the clock has written meanwhile. The running job is not disturbed.

    The settings have to be those of the job (--set, as for its submission). Exits 0 where no more users differ than
    --threshold allows, 1 otherwise. With --every it goes on until Ctrl-C, and exits with what the last run has found.

    For example: driftline audit --share 0.01 --every 1h --metrics-file /var/lib/node_exporter/driftline_audit.prom
    """
    if sum(bool(one) for one in (users, share is not None, user)) > 1:
        message = "choose one of --users, --share and --user"
        raise SettingError(message)
    from console.auditing.audit import Wanted

    stack, given = StackSettings.load(), parse_assignments(assignments or [])
    number = None if user or share is not None else users or _USERS
    wanted = Wanted(
        namespace=_namespace(stack, namespace or given.get("namespace", "")),
        users=number,
        share=share,
        seed=seed,
        named=tuple(dict.fromkeys(user or ())),
        tolerance=tolerance,
        limit=limit,
    )
    every_s = None if every is None else span_ms("--every", every) / 1000
    options = _Options(threshold, every_s, metrics_file, as_json)
    settings = _settings(stack, given | {"namespace": wanted.namespace})
    with stop_on_signal() as stop:
        while True:
            began_s = time.monotonic()
            found = _run(stack, settings, wanted, stop)
            if stop.is_set() and every_s is None:
                raise typer.Exit(130)
            _tell(found, wanted, options, time.monotonic() - began_s)
            if every_s is None or stop.wait(max(0.0, began_s + every_s - time.monotonic())):
                break
    if found.share > threshold:
        raise typer.Exit(1)


def _namespace(stack: StackSettings, named: str) -> str:
    from sink_connectors.score_store import read_live_namespace

    return named or stack.namespace or read_live_namespace(stack.redis_address, retry_s=_RETRY_S)


def _settings(stack: StackSettings, given: dict[str, str]) -> ScoreEventsSettings:
    from console.submission import job_settings

    return cast("ScoreEventsSettings", job_settings("score-events", stack, given))


def _run(stack: StackSettings, settings: ScoreEventsSettings, wanted: Wanted, stop: threading.Event) -> Audited:
    """Do one audit. Raises InputError where nobody could be compared."""
    from console.auditing.audit import Auditing
    from jobs.bundle import bind, bundle_of
    from sink_connectors.catalogue_store import CatalogueStore
    from sink_connectors.score_store import RedisScoreStore

    url, namespace = settings.redis_address, wanted.namespace
    bound = bind(bundle_of(settings), settings)
    with ExitStack() as opened:
        store = opened.enter_context(closing(RedisScoreStore.connect(url, namespace=namespace, retry_s=_RETRY_S)))
        told = opened.enter_context(closing(CatalogueStore.connect(url, namespace=namespace, retry_s=_RETRY_S)))
        progress = opened.enter_context(Progressing("records"))
        auditing = Auditing(
            wanted, settings, bound, store, told.get(), _log(stack, settings), report=progress.show, stop=stop
        )
        return auditing.run()


def _log(stack: StackSettings, settings: ScoreEventsSettings) -> RecordLog:
    """The lake, where there is one, and the topic."""
    from console.auditing.log import RecordLog, Topic
    from history.lake.location import locate
    from history.lake.reading import Lake

    lake: Lake | None = None
    try:
        lake = Lake(locate(settings.lake_url, settings.s3_endpoint).below(settings.events_topic))
    except InputError as error:
        typer.echo(f"{error}; the topic alone is read", err=True)
    return RecordLog(lake, lambda: Topic(stack, settings.events_topic))


def _tell(found: Audited, wanted: Wanted, options: _Options, took_s: float) -> None:
    from console.auditing.audit import RECOMPUTED, SERVED

    if options.metrics_file is not None:
        from console.auditing.metrics import metrics_text, write_metrics

        text = metrics_text(found, wanted.namespace, ended_s=time.time(), took_s=took_s)
        write_metrics(options.metrics_file, text)
    if options.as_json:
        typer.echo(json.dumps(_as_json(found, wanted, options, took_s)))
    else:
        print_comparison(found.found, SERVED, RECOMPUTED)
        for user_id, side in found.one_sided:
            typer.echo(f"only {side}: {shown(user_id, _ID_CHARS_MAX)}")
        typer.echo(_summary(found, wanted, took_s), err=options.as_json)
    for remark in found.remarks:
        typer.echo(remark, err=True)


def _summary(found: Audited, wanted: Wanted, took_s: float) -> str:
    """Say how many users were compared, and what there is to say of the others."""
    others = [
        (found.forgotten, "of them forgotten on both sides"),
        (found.aged, "of them served as of an age, and compared as of their newest event"),
        (found.expired, "not compared: their values have expired"),
        (found.moving, "not compared: their values move on too fast"),
        (found.behind, "not compared: their newest records are in neither lake nor topic"),
    ]
    lines = [
        f"namespace {wanted.namespace}: {found.compared:,} users compared, {found.differing:,} differ "
        f"({100 * found.share:.4g} %); {found.records:,} records read in {took_s:.1f} s"
    ]
    return "\n".join([*lines, *(f"{number:,} {what}" for number, what in others if number)])


def _as_json(found: Audited, wanted: Wanted, options: _Options, took_s: float) -> dict[str, Any]:
    from console.auditing.audit import RECOMPUTED, SERVED

    names = ("forgotten", "aged", "expired", "moving", "behind", "records", "compared", "differing", "share")
    return {
        "namespace": wanted.namespace,
        "threshold": options.threshold,
        **{name: getattr(found, name) for name in names},
        "seconds": round(took_s, 3),
        "comparison": comparison_json(found.found, SERVED, RECOMPUTED, wanted.tolerance),
        "one_sided": [{"user_id": user_id, "side": side} for user_id, side in found.one_sided],
        "remarks": found.remarks,
    }
