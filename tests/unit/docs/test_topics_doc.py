"""docs/architecture.md lists the topics of driftline/topics.py, as they are."""

from __future__ import annotations

from pathlib import Path

from console.settings import StackSettings
from driftline.topics import Topic
from jobs.register import JOBS, all_topics

DOC = Path(__file__).parents[3] / "docs" / "architecture.md"


def _kept(topic: Topic) -> str:
    """How long a topic keeps a record by default, in words."""
    if topic.compacted:
        return "compacted"
    days = StackSettings.model_fields[topic.retention_setting].default if topic.retention_setting else -1
    return "for ever" if days < 0 else f"{days:g} days"


def test_the_topics_are_those_of_the_code() -> None:
    section = DOC.read_text().partition("\n## Topics\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]
    assert sorted(rows) == sorted(
        [f"`{topic.name}`", f"`{topic.role}`", topic.key, topic.value, topic.written_by, _kept(topic)]
        for topic in all_topics()
    )


def test_every_topic_has_its_setting_in_the_job() -> None:
    for spec in JOBS.values():
        for topic in (*spec.reads, *spec.writes()):
            assert spec.settings.model_fields[f"{topic.role}_topic"].default == topic.name
