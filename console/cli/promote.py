"""`driftline promote`: which namespace servers read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from console.settings import StackSettings
from driftline.errors import InputError

if TYPE_CHECKING:
    from console.flink_rest import Job

_HOLD_S, _HOLD_S_MAX = 10.0, 30.0  # as in console/promoting.py, which takes Kafka's client


def promote(
    namespace: Annotated[
        str, typer.Argument(metavar="NAMESPACE", help="The namespace that servers are to read.", show_default=False)
    ] = "",
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the namespace that was live before the last promotion.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="At once: also without scores, without a running job, or behind the live one."),
    ] = False,
    hold: Annotated[
        float, typer.Option(min=0.5, max=_HOLD_S_MAX, help="Seconds that the live namespace's job may have to wait.")
    ] = _HOLD_S,
) -> None:
    """Make a namespace the live one: every server reads it within a second, unless it is pinned to one.

    Where jobs write both the live namespace and this one, the switch is made when this one has processed every event
    that the live one has, so that no reader sees an older score after a newer one. The live one's job waits meanwhile,
    as it does for a busy Redis; nothing fails. If that takes longer than --hold, nothing is switched, and the command
    exits 1.

    The one that was live before is remembered; --rollback switches back to it, and once more forward again. Without a
    running job the scores there are as old as its last write. `driftline diff` compares the two beforehand.

    For example: driftline promote rebuild
    """
    if bool(namespace) == rollback:
        message = "give either a namespace or --rollback"
        raise typer.BadParameter(message)
    stack = StackSettings.load()
    if rollback:
        _roll_back(stack, force=force)
    else:
        promote_namespace(stack, namespace, force=force, hold_s=hold)


def promote_namespace(stack: StackSettings, namespace: str, *, force: bool, hold_s: float = _HOLD_S) -> None:
    """Promote, and print what servers read now, and how to go back.

    Raises:
        InputError: the namespace has no scores, no job, those of some users alone, or is behind; not with `force`.
    """
    from console.flink_rest import FlinkRest
    from console.namespaces import require_scores
    from sink_connectors.score_store import RedisScoreStore

    with closing(RedisScoreStore.connect(stack.redis_address, namespace=namespace, retry_s=5.0)) as store:
        before = store.live_namespace()
        if force:
            store.promote(namespace)
        else:
            require_scores(store, namespace)
            _promote(stack, store.promote, FlinkRest(stack.flink_address).jobs(), (before, namespace), hold_s)
        back = store.previous_namespace()
    typer.echo(f"servers read namespace {namespace} now; before: {before}")
    if back:
        typer.echo(f"to go back to {back}: driftline promote --rollback", err=True)


def _promote(
    stack: StackSettings,
    switch: Callable[[str], None],
    jobs: Sequence[Job],
    names: tuple[str, str],
    hold_s: float,
) -> None:
    """Promote the second of the names in place of the first."""
    from console.namespaces import writers

    before, namespace = names
    if not writers(jobs, namespace):
        message = f"no job writes namespace {namespace} now; --force promotes it nevertheless"
        raise InputError(message)
    from console.promoting import promote_in_step, replay_of, topic_of

    if (replay := replay_of(stack, namespace)) is not None and replay.only_users:
        message = f"namespace {namespace} is a replay of some users alone; --force promotes it nevertheless"
        raise InputError(message)
    if before == namespace or not writers(jobs, before):
        switch(namespace)
        return
    topic = topic_of(stack, namespace)
    if topic != topic_of(stack, before):
        switch(namespace)
        typer.echo(f"{before} and {namespace} read different topics: not compared", err=True)
        return
    with Console(stderr=True).status("") as status:
        promoted = promote_in_step(stack, topic, names, hold_s=hold_s, report=status.update)
    typer.echo(f"the job of {before} waited for {promoted.held_s:.1f} s before the switch", err=True)


def _roll_back(stack: StackSettings, *, force: bool) -> None:
    from console.flink_rest import FlinkRest
    from console.namespaces import jobs_of, roll_back, writers

    namespace, before = roll_back(stack.redis_address, force=force)
    typer.echo(f"servers read namespace {namespace} now; before: {before}")
    jobs = jobs_of(FlinkRest(stack.flink_address))
    if jobs is None:
        typer.echo(f"Flink does not answer: whether a job writes {namespace} is not known", err=True)
    elif not writers(jobs, namespace):
        typer.echo(f"no job writes namespace {namespace} now: its scores stay as they are until one does", err=True)
    typer.echo(f"to go to {before} again: driftline promote --rollback", err=True)
