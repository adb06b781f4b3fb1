"""What `driftline replay` does, and how it shows it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from console.cli.jobs import print_counters
from console.cli.long_runs import stop_on_signal
from console.cli.progress import Progressing
from console.cli.promote import promote_namespace
from console.cli.replay_options import Wanted
from console.settings import StackSettings
from driftline.errors import InputError
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from console.progress import Drained
    from console.replaying.looking import Plan
    from console.replaying.note import Replay
    from console.replaying.run import ReplayRun
    from console.replaying.watching import Seen
    from sink_connectors.replay_notes import ReplayNotes
    from sink_connectors.score_store import RedisScoreStore

_INTERRUPTED = 130  # as a shell counts SIGINT
_RETRY_S = 5.0


def begin_replay(wanted: Wanted) -> None:
    """Begin a replay, and stay with it.

    Raises:
        InputError: the namespace is not free, or what is wanted is not there.
        StackError: there is no room, or the job does not start.
        ServiceUnavailable: a service does not answer.
    """
    stack = StackSettings.load()
    with _opened(stack, wanted.namespace) as (store, notes):
        _require_free(stack, wanted.namespace, store)
        with Console(stderr=True).status("") as status:
            planned = _planned(stack, wanted, status.update)
            _require_whole(wanted, planned)
            run = _run(stack, wanted.namespace, _replay(stack, wanted, planned), notes, wanted.settings)
            run.report = status.update
            run.begin(planned, store)
        _say(_beginning(run.replay, wanted.namespace))
        _stay(stack, wanted.namespace, run, as_json=wanted.as_json)


def resume_replay(namespace: str, settings: Mapping[str, str], *, promote: bool, as_json: bool) -> None:
    """Go on with a replay whose command, job or cluster has ended.

    Args:
        namespace: of the replay.
        settings: of the job, beside those that the replay began with.
        promote: whether it is to become the live namespace, if that was not asked for at first.
        as_json: how the counters are printed.

    Raises:
        InputError: there is no replay into the namespace.
    """
    from console.replaying.assignments import without_secrets
    from console.replaying.note import Phase, Replay

    stack = StackSettings.load()
    with _opened(stack, namespace) as (store, notes):
        found = Replay.decode(notes.get())
        if found is None:
            message = f"no replay into namespace {namespace} is known; `driftline namespaces` lists what there is"
            raise InputError(message)
        found = replace(found, settings={**found.settings, **without_secrets(settings)})
        if promote and not found.then_live:
            message = f"--promote: the replay into {namespace} ends, and leaves no job to go on"
            raise InputError(message)
        if promote and not found.promote:
            found = replace(found, promote=True)
        notes.put(found.encode())
        with Console(stderr=True).status("") as status:
            run = _run(stack, namespace, found, notes, settings)
            run.report = status.update
            if found.phase is not Phase.DONE:
                run.take_up(store)
        _stay(stack, namespace, run, as_json=as_json)


@contextmanager
def _opened(stack: StackSettings, namespace: str) -> Iterator[tuple[RedisScoreStore, ReplayNotes]]:
    from sink_connectors.replay_notes import ReplayNotes
    from sink_connectors.score_store import RedisScoreStore

    with (
        closing(RedisScoreStore.connect(stack.redis_address, namespace=namespace, retry_s=_RETRY_S)) as store,
        closing(ReplayNotes.connect(stack.redis_address, namespace=namespace, retry_s=_RETRY_S)) as notes,
    ):
        yield store, notes


def _require_free(stack: StackSettings, namespace: str, store: RedisScoreStore) -> None:
    """Raise InputError where somebody reads or writes the namespace, or it holds anything."""
    from console.flink_rest import FlinkRest
    from console.namespaces import writers

    if store.live_namespace() == namespace:
        message = f"namespace {namespace} is the live one: name another, which the replay is to fill"
        raise InputError(message)
    if running := writers(FlinkRest(stack.flink_address).jobs(), namespace):
        message = (
            f"job {running[0].job_id} writes namespace {namespace}: name another, or, if it is a replay, "
            f"`driftline replay {namespace} --resume` watches it"
        )
        raise InputError(message)
    if store.holds_anything():
        message = (
            f"namespace {namespace} holds scores already: `driftline namespaces drop {namespace} --yes` empties it; if "
            f"they are of a replay that was cut short, `driftline replay {namespace} --resume` goes on with it"
        )
        raise InputError(message)


def _planned(stack: StackSettings, wanted: Wanted, report: Callable[[str], object]) -> Plan:
    from console.replaying.looking import plan
    from console.replaying.note import LakePart

    since, until = wanted.dates
    chunks = f"{wanted.namespace}.chunks.{wall_clock_ms():x}"  # another one each time: a deleted topic lingers
    lake = LakePart(
        url=wanted.lake_url or stack.lake_address,
        s3_endpoint=stack.s3_endpoint,
        since=since,
        until=until,
        chunks_topic=chunks,
    )
    return plan(stack, wanted.asked, lake, report)


def _require_whole(wanted: Wanted, planned: Plan) -> None:
    """Raise InputError where there is nothing to read, or offsets are in neither the lake nor the topic."""
    from console.replaying.planning import spans_text

    if planned.gaps and wanted.settings.get("deleted_offsets") != "skip":
        message = (
            f"neither the lake nor the topic has {spans_text(planned.gaps)}: Kafka has deleted them before they were "
            "archived; --set deleted_offsets=skip goes on without them"
        )
        raise InputError(message)
    if not wanted.asked.then_live and all(part.until == part.start for part in planned.parts.values()):
        message = "there is no event to replay"
        raise InputError(message)


def _replay(stack: StackSettings, wanted: Wanted, planned: Plan) -> Replay:
    from console.replaying.assignments import without_secrets
    from console.replaying.note import Phase, Replay

    return Replay(
        topic=stack.events_topic,
        parts=planned.parts,
        phase=Phase.TOPIC if planned.lake is None else Phase.LAKE,
        lake=planned.lake,
        settings=without_secrets(wanted.settings),
        parallelism=wanted.parallelism,
        events_a_s_max=wanted.events_a_s_max,
        only_users=_users_file(stack, wanted),
        then_live=wanted.asked.then_live,
        promote=wanted.promote,
        began_ms=wall_clock_ms(),
    )


def _users_file(stack: StackSettings, wanted: Wanted) -> str:
    """Keep whose events are read, for later submissions of the same replay; empty: everybody's."""
    from jobs.replay_settings import users_in

    if not wanted.users and wanted.users_file is None:
        return ""
    users = users_in(wanted.users_file) if wanted.users_file is not None else wanted.users
    folder = stack.home.absolute() / "replays"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{wanted.namespace}.users"
    file.write_text("".join(f"{user}\n" for user in users), encoding="utf-8")
    return str(file)


def _run(
    stack: StackSettings,
    namespace: str,
    replay: Replay,
    notes: ReplayNotes,
    settings: Mapping[str, str],
) -> ReplayRun:
    from console.replaying.assignments import without_secrets
    from console.replaying.run import ReplayRun

    kept = without_secrets(settings)
    secrets = {name: value for name, value in settings.items() if name not in kept}
    there = stack.model_copy(update={"events_topic": replay.topic})
    return ReplayRun(there, namespace, replay, notes, secrets=secrets, say=_say)


def _stay(stack: StackSettings, namespace: str, run: ReplayRun, *, as_json: bool) -> None:
    """Watch the replay to its end, and print what came of it."""
    from console.progress import TopicProgress
    from console.replaying.note import Phase

    run.report = _steps(namespace)
    with stop_on_signal() as stop, Progressing() as progress:

        def show(seen: Seen) -> None:
            trouble = f"; {seen.trouble}" if seen.trouble else ""
            note = f"from the {seen.phase}, {seen.checkpoints} checkpoints{trouble}"
            progress.show(seen.records, seen.all_records, note)

        run.go_on(show, stop)
        waits = run.replay.promote and run.replay.phase is Phase.LIVE
        promotable = waits and run.catch_up(show, stop)
    if not run.replay.is_over or waits != promotable:
        _say(f"the job goes on; `driftline replay {namespace} --resume` watches it again")
        raise typer.Exit(_INTERRUPTED)
    with closing(TopicProgress(stack, namespace)) as progressed:
        _print(progressed.look(), namespace, run, as_json=as_json)
    if run.replay.phase is Phase.DONE:
        _say(f"the replay is done; its last savepoint: {run.savepoint}" if run.savepoint else "the replay is done")
        return
    _say(f"the job goes on as a live one in namespace {namespace}; later submissions of it: {run.later()}")
    if promotable:
        _promote(stack, namespace)


def _print(found: Drained, namespace: str, run: ReplayRun, *, as_json: bool) -> None:
    if not as_json:
        print_counters(found)
        return
    document = {"namespace": namespace, **found.totals._asdict(), "left_out": found.records - found.totals.events}
    typer.echo(json.dumps(document | {"phase": run.replay.phase, "savepoint": run.savepoint}))


def _steps(namespace: str) -> Callable[[str], None]:
    """Return what says each step once; one that goes on for seconds is said again and again, with them."""
    said: list[str] = []

    def say(line: str) -> None:
        what = line.partition(" for ")[0]
        if [what] != said[-1:]:
            said.append(what)
            _say(f"{namespace}: {line}")

    return say


def _promote(stack: StackSettings, namespace: str) -> None:
    from sink_connectors.score_store import read_live_namespace

    before = read_live_namespace(stack.redis_address, retry_s=_RETRY_S)
    if before == namespace:
        _say(f"servers read namespace {namespace} already")
        return
    promote_namespace(stack, namespace, force=False)
    _say(f"once you are sure, the job of {before} is not needed: driftline stop score-events --namespace {before}")


def _beginning(replay: Replay, namespace: str) -> str:
    from console.replaying.note import describe

    until = "until now and on" if replay.then_live else "up to an end that is fixed"
    return f"{describe(replay)} {replay.topic} into namespace {namespace}, {until}; topics {namespace}.*"


def _say(line: str) -> None:
    typer.echo(line, err=True)
    sys.stderr.flush()
