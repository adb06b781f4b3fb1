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
from udfs.profile import Profile


class Folded(NamedTuple):
    """What a file of events gives.

    Attributes:
        profiles: by user.
        left_out: what the job would refuse, in words; empty if nothing.
        types: the number of events by the number of their type.
    """

    plan: Plan
    profiles: dict[str, Profile]
    left_out: str
    types: dict[int, int]

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
    users, left_out = read_history(reader, decoder_of(settings), NOW)
    folded = Folded(plan, {}, str(left_out), {})
    for user, found in users.items():
        profile = plan.blank()
        for event in sorted(found):
            profile.fold(event, bounds_of(settings).profile)
            folded.types[event.type] = folded.types.get(event.type, 0) + 1
        folded.profiles[user] = profile
    return folded
