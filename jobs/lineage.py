"""Checks that the state of a restored job fits its settings, and its claim to the namespace.

Flink hands a restored job its state and checks nothing about it. With other settings users would be looked up in the
wrong shard, other events would be late, and scores would go to another namespace, all without an error. So every shard
stores the settings that shape its state, and a subtask compares all of them before its first block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from driftline.errors import SettingError
from driftline.state.v1.state_pb2 import ShardState
from jobs.bundle import Bound
from jobs.settings import BY_CONTENT, REMEMBERED, ScoreEventsSettings
from sink_connectors.score_store import Claim, Progress, Recorded, ShardReport
from udfs.plan.layout import BASE, CORE_KEYS, first_layout
from udfs.plan.order import evaluation_order, references
from udfs.plan.plan import Plan
from udfs.shards import KEY_GROUPS, require_same_shards, shard_keys


class Submission(NamedTuple):  # pickled with the operator, which a compiled class could not be
    """How a job was submitted; a restart by Flink is no submission."""

    generation: int  # milliseconds since the epoch when it was submitted
    restored: bool  # it began from a savepoint or a retained checkpoint


def made_with(settings: ScoreEventsSettings, bound: Bound) -> dict[str, str]:
    """Return what shapes the state, the scores and their destinations, as each shard's state keeps it."""
    by_content = dict(zip(BY_CONTENT, (bound.mapping_hash, bound.plan.name), strict=True))
    return {name: str(getattr(settings, name)) for name in REMEMBERED} | by_content


def own_shards(settings: ScoreEventsSettings, keys: Iterable[int]) -> list[int]:
    """Return those of the keys that are shards of the job."""
    shards = set(shard_keys(settings.shards))
    return [key for key in keys if key in shards]


def resume(
    found: Mapping[int, ShardState],
    own: Iterable[int],
    settings: ScoreEventsSettings,
    submission: Submission,
    bound: Bound,
) -> dict[int, ShardState]:
    """Return the states that a subtask's shards continue with.

    Args:
        found: every shard's state that exists in the subtask's key groups, also of keys that are no shards by the
            settings; updated in place.
        own: the subtask's shards by the settings.
        settings: of the job.
        submission: how it was submitted.
        bound: the job's declarations and mapping.

    Raises:
        SettingError: the state was made with other settings, and `adopt` does not name them; or a feature has another
            meaning than in the state.
    """
    for state in found.values():
        require_same_shards(state.shards, settings.shards)
        _require_same_origin(state.made_with, settings, bound)
        _require_same_meanings(state.features, bound.plan)
    states: dict[int, ShardState] = {}
    for key in own:
        state = found.get(key) or ShardState(generation=submission.generation)
        if settings.new_generation:
            state.generation = max(state.generation, submission.generation)
        state.shards = settings.shards
        state.made_with.update(made_with(settings, bound))
        _add_features(state, bound.plan, 0 if key not in found else submission.generation)
        states[key] = state
    return states


def _require_same_origin(stored: Mapping[str, str], settings: ScoreEventsSettings, bound: Bound) -> None:
    adopted = set(settings.adopted)
    now = made_with(settings, bound)
    # Older releases stored fewer names, newer ones may store more: only names that both know are compared.
    other = {name: value for name, value in stored.items() if now.get(name, value) != value}
    refused = {name: value for name, value in other.items() if name not in adopted}
    if refused:
        made = ", ".join(f"{name}={value}, not {now[name]}" for name, value in refused.items())
        ways = [f"--set {name}={value}" for name, value in refused.items() if name not in BY_CONTENT]
        kept = f"submit with {' '.join(ways)}, or with" if len(ways) == len(refused) else "submit with"
        adopt = ",".join(sorted(adopted | refused.keys()))
        message = f"the restored state was made with {made}; {kept} --set adopt={adopt} to go on with the new"
        raise SettingError(message)
    ttl_ms = int(stored.get("user_ttl_ms", 0))
    if settings.user_ttl_ms < ttl_ms and not settings.new_generation:
        message = (
            f"user_ttl_ms={settings.user_ttl_ms} is less than the {ttl_ms} that scores were written with: users who "
            "return would keep their old scores until those expire; add --new-generation (--set new_generation=true)"
        )
        raise SettingError(message)


def _require_same_meanings(stored: Mapping[str, str], plan: Plan) -> None:
    """Refuse a plan in which a feature of the state has another definition: its values would mean both."""
    changed = [name for name, definition in plan.definitions.items() if stored.get(name, definition) != definition]
    if changed:
        message = (
            f"the definition of {', '.join(changed)} is not that of the restored state: give a changed feature a new "
            "name, or replay into another namespace (docs/declarations.md#changing-declarations)"
        )
        raise SettingError(message)


def _add_features(state: ShardState, plan: Plan, since_ms: int) -> None:
    """Note the plan's features and layout in a shard's state.

    Args:
        state: of the shard; changed in place.
        plan: of the job.
        since_ms: since when what is new to the state is complete; 0 for a shard that begins.
    """
    found = _complete_since(state, plan, since_ms)
    state.features.clear()  # one that the plan no longer has is forgotten, and new if it returns
    state.features.update(plan.definitions)
    state.feature_since_ms.clear()
    state.feature_since_ms.update({name: at_ms for name, at_ms in found.items() if at_ms})
    layout = plan.layout.to_json()
    if plan.layout.id != BASE and layout not in state.layouts:
        state.layouts.append(layout)


def _complete_since(state: ShardState, plan: Plan, since_ms: int) -> dict[str, int]:
    """Return since when each of the plan's features is complete, by name; 0 where it is from the shard's beginning.

    A feature that the state has under another name is as complete as that, and what is computed from other features as
    complete as they are. The core keeps the sessions of every plan. A state from before there were declarations, which
    names neither features nor layouts, has what v1's slots hold.
    """
    features, reducers = plan.data["features"], plan.data["reducers"]
    kept = CORE_KEYS if state.features or state.layouts else first_layout().places
    known = _since_by_definition(state)
    found = [0] * len(features)
    for at in evaluation_order(features):
        feature = features[at]
        if feature["hash"] in known:
            found[at] = known[feature["hash"]]
        elif "expr" in feature:
            found[at] = max([found[part] for part in references(feature["expr"])], default=0)
        elif reducers[feature["reducer"]]["key"] not in kept:
            found[at] = since_ms
    return {feature["name"]: at_ms for feature, at_ms in zip(features, found, strict=True)}


def _since_by_definition(state: ShardState) -> dict[str, int]:
    known: dict[str, int] = {}
    for name, definition in state.features.items():
        at_ms = state.feature_since_ms.get(name, 0)
        known[definition] = min(at_ms, known.get(definition, at_ms))
    return known


def complete_since_ms(states: Iterable[ShardState]) -> dict[str, int]:
    """Return since when features are complete in all shards, by name, without those that always were."""
    since_ms: dict[str, int] = {}
    for state in states:
        for name, at_ms in state.feature_since_ms.items():
            since_ms[name] = max(at_ms, since_ms.get(name, 0))
    return since_ms


def claim(states: Mapping[int, ShardState], job_id: str, settings: ScoreEventsSettings, *, unproven: bool) -> Claim:
    """Return the claim that a subtask makes on the namespace before it writes scores."""
    return Claim(
        shards=settings.shards,
        generations={key: state.generation for key, state in states.items()},
        progress={key: report(state).totals for key, state in states.items()},
        job_id=job_id,
        unproven=unproven,
        offsets={key: state.offsets for key, state in states.items()},
        unknown_types={key: dict(state.unknown_types) for key, state in states.items()},
    )


def report(state: ShardState, *, with_types: bool = False) -> ShardReport:
    """Return a shard's totals and offsets for the score store, and its unknown event types if asked for."""
    totals = Progress(state.accepted, state.duplicate, state.late, state.dead_letter)
    unknown_types = dict(state.unknown_types) if with_types else None
    return ShardReport(totals, state.shards or KEY_GROUPS, state.offsets, unknown_types)


def require_claimed(recorded: Recorded | None, settings: ScoreEventsSettings, submission: Submission) -> None:
    """Refuse to run if a job of a later generation has the namespace: Redis would accept none of this job's scores.

    Raises:
        SettingError: the store refused the claim.
    """
    if recorded is None:
        return
    if submission.generation <= recorded.generation:
        message = (
            f"namespace {settings.namespace} was taken by a job of a later generation ({recorded.generation}; this one "
            f"was submitted at {submission.generation}): stop that one and submit this one again with "
            "--new-generation; if there is none, the clock of the machine that submitted this one is behind"
        )
    elif recorded.shards != settings.shards:
        message = (
            f"a job with shards={recorded.shards} wrote namespace {settings.namespace} last; submit with "
            f"--set shards={recorded.shards}, or, to take it back from a job that began by mistake, --new-generation"
        )
    else:
        message = (
            f"a job of a later generation ({recorded.generation}) wrote namespace {settings.namespace}, so Redis would "
            "refuse these scores; submit with --new-generation (--set new_generation=true) to take it back"
        )
    raise SettingError(message)
