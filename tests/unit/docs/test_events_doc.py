"""docs/events.md lists the words that are known, all of them."""

from __future__ import annotations

from pathlib import Path

from driftline.words import CHANNEL_SPELLINGS, TYPE_SPELLINGS

DOC = Path(__file__).parents[3] / "docs" / "events.md"


def test_the_words_are_those_of_the_code() -> None:
    rows = dict(line.strip("|").split("|")[:2] for line in DOC.read_text().splitlines() if line.startswith("| "))
    documented = {name.strip(): words.strip() for name, words in rows.items()}
    for name, words in (TYPE_SPELLINGS | CHANNEL_SPELLINGS).items():
        assert documented[name] == (", ".join(words) or "its own name only")
