"""What is required of replays, from the figures of their runs."""

from __future__ import annotations

from typing import Any

from benchmarks.replay import LAKE, LIVE, LOCAL, TOPIC, WIDE, checks, text


def run(rate: float, memory_mib: tuple[float, ...] = (900, 1_000, 1_000, 1_000), accepted: int = 100) -> dict[str, Any]:
    return {"rate": rate, "cpu_s": 20.0, "memory_mib": list(memory_mib), "totals": [accepted, 0, 0, 0]}


def result(**runs: dict[str, Any]) -> dict[str, Any]:
    """The live job at 100 events/s, and replays; what is not given meets what is required."""
    kinds = {"live": LIVE, "wide": WIDE, "topic": TOPIC, "lake": LAKE, "local": LOCAL}
    found = {kind: [runs.get(name, run(100 if kind in {LIVE, WIDE} else 150))] for name, kind in kinds.items()}
    return {"machine": "m", "events": 100, "users": 5, "runs": found}


def missed(found: dict[str, Any]) -> list[str]:
    return [check.what for check in checks(found) if not check.met]


def test_replays_are_required_to_be_fast_flat_and_right() -> None:
    assert missed(result()) == []
    assert missed(result(topic=run(149))) == [f"{TOPIC} by the live job, events/s"]
    assert missed(result(lake=run(150, (900, 1_000, 1_000, 1_200)))) == [f"{LAKE}: memory at its end by that before"]
    assert missed(result(local=run(150, accepted=99))) == ["counters of all runs"]


def test_the_text_has_every_kind_and_every_verdict() -> None:
    shown = text(result(topic=run(149)))
    assert all(kind in shown for kind in (LIVE, WIDE, TOPIC, LAKE, LOCAL))
    assert "1.49" in shown
    assert "NOT MET" in shown
