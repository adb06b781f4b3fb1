"""The segments of a plan: what the ordered fold keeps of them, and how they are read."""

from __future__ import annotations

from typing import Any

from udfs.expressions.build import build
from udfs.expressions.node import Node
from udfs.plan.layout import Layout, segment_key
from udfs.segments import NO_SLOT, Segment, SegmentStep, scores_in


def segments_of(data: list[dict[str, Any]], layout: Layout, nodes: list[Node], zone: str) -> list[Segment]:
    """Return the segments of a plan's data, in their order."""
    return [
        Segment(
            each["name"], each["hash"], _slot(each, layout), build(each["enter"], nodes, zone), scores_in(each["enter"])
        )
        for each in data
    ]


def segment_steps_of(data: list[dict[str, Any]], layout: Layout, nodes: list[Node], zone: str) -> list[SegmentStep]:
    """Return the steps that keep memberships in the fold: of all segments but those over the scores of models."""
    return [
        SegmentStep(
            build(each["enter"], nodes, zone),
            None if each["leave"] is None else build(each["leave"], nodes, zone),
            float(each["min_stay_ms"]),
            _slot(each, layout),
        )
        for each in data
        if not each["on_models"]
    ]


def _slot(data: dict[str, Any], layout: Layout) -> int:
    return NO_SLOT if data["on_models"] else layout.places[segment_key(data)].slots.value
