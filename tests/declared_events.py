"""Events of declared types, as JSON, folded by the code of the job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from driftline.mapping.spec import Mapping as FileMapping
from history.reading import EventReader
from jobs.pipeline import bounds_of, decoder_of
from jobs.plans import plan_for
from jobs.settings import ScoreEventsSettings
from tests.builders import NOW
from training.examples import read_history
from udfs.plan.plan import Plan
from udfs.profile import LAST_MS, Profile
from udfs.segments import memberships


class Folded(NamedTuple):
    """What a file of events gives.

    Attributes:
        profiles: by user.
        left_out: what the job would refuse, in words; empty if nothing.
        types: the number of events by the number of their type.
        touched: what had another value than its default after some event, or at some age after a user's last one:
            numbers, served texts and maps, scores by formula, and segments that somebody was in.
    """

    plan: Plan
    profiles: dict[str, Profile]
    left_out: str
    types: dict[int, int]
    touched: set[str]

    def features(self, user: str) -> dict[str, Any]:
        """A user's numbers, texts and maps by name; of maps the largest entries with their shares."""
        profile = self.profiles[user]
        found: dict[str, Any] = dict(self.plan.numbers(profile))
        reading = self.plan.reading(profile)
        return found | dict(reading.traits) | {name: dict(entries) for name, entries in reading.tops if entries}


def fold_lines(project: Path, events: Sequence[Mapping[str, Any]], folder: Path) -> Folded:
    """Fold events that are given as JSON; ids are made where there are none.

    Args:
        project: a folder of declarations, which no test has compiled before with other files.
        events: in the order of their time.
        folder: where a file may be written.
    """
    file = folder / "events.jsonl"
    lines = (json.dumps({"eventId": f"e-{at}", "userId": "u", **event}) for at, event in enumerate(events))
    file.write_text("\n".join(lines) + "\n")
    return fold_file(project, file, None)


def fold_file(project: Path, file: Path, mapping: Path | None) -> Folded:
    """Fold a file, each user's events in the order of their time."""
    settings: ScoreEventsSettings = ScoreEventsSettings.load(declarations=project)
    plan = plan_for(settings)
    reader = EventReader([file], mapping=None if mapping is None else FileMapping.load(mapping), skip_bad=True)
    bounds = bounds_of(settings).profile
    users, left_out = read_history(reader, decoder_of(settings), NOW)
    folded = Folded(plan, {}, str(left_out), {}, set())
    for user, found in users.items():
        profile = plan.blank()
        for event in sorted(found):
            profile.fold(event, bounds)
            folded.touched.update(_touched(plan, profile))
            folded.types[event.type] = folded.types.get(event.type, 0) + 1
        for age_s in plan.ages_s:
            folded.touched.update(_touched(plan, plan.aged(profile, age_s), profile.values[LAST_MS] + age_s * 1_000))
        folded.profiles[user] = profile
    return folded


def _touched(plan: Plan, profile: Profile, as_of_ms: float = 0.0) -> list[str]:
    defaults = {feature["name"]: feature["default"] for feature in plan.data["features"]}
    names = [name for name, value in plan.numbers(profile, as_of_ms).items() if value != defaults[name]]
    reading = plan.reading(profile, as_of_ms)
    names += [name for name, _ in reading.traits]
    names += [name for name, entries in reading.tops if entries]
    names += [plan.data["affinities"]] if reading.affinities else []
    names += [name for (name, _), score in zip(plan.formulas, reading.scores, strict=True) if score]
    return names + [one.name for one in memberships(plan.segments, plan.scope_of(profile, as_of_ms), {})]
