"""When a catalogue is read, and when what is kept of it is enough."""

from __future__ import annotations

import asyncio

import pytest

from driftline.catalogue_message import ServedSet, catalogue_of
from serving.catalogues import AGE_S_MAX, NAMESPACES_MAX, Catalogues
from serving.guard import StoreUnavailable


class Told:
    """What jobs have told, by namespace, and which were read."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.reads: list[str] = []
        self.down = False
        self.now_s = 0.0
        self.catalogues = Catalogues(self.read, lambda: self.now_s)

    async def read(self, namespace: str) -> bytes | None:
        self.reads.append(namespace)
        if self.down:
            raise StoreUnavailable
        return self.documents.get(namespace)

    def tell(self, namespace: str, declaration: str, since_ms: int = 0) -> None:
        plan = {"name": "media", "hash": declaration, "features": [{"name": "a", "vector": True}], "scores": []}
        self.documents[namespace] = catalogue_of(plan, {"a": since_ms})

    def find(self, namespace: str, declaration: str, feature_set: str = "media") -> ServedSet | None:
        return asyncio.run(self.catalogues.find(namespace, feature_set, declaration))


@pytest.fixture
def told() -> Told:
    return Told()


def test_one_read_until_another_declaration_is_met(told: Told) -> None:
    told.tell("main", "d1")
    assert told.find("main", "d1") == told.find("main", "d1") is not None
    assert told.reads == ["main"]
    assert told.find("main", "d2") is None
    told.tell("main", "d2")
    assert told.find("main", "d2") == told.find("main", "d2") is not None
    assert told.reads == ["main"] * 3


def test_what_is_shipped_needs_no_read(told: Told) -> None:
    assert told.find("main", "", "v1") is not None
    assert told.reads == []


def test_namespaces_are_kept_apart(told: Told) -> None:
    told.tell("main", "d1", 5)
    told.tell("next", "d1", 0)
    since = [found.complete_since_ms for name in ("main", "next") if (found := told.find(name, "d1"))]
    assert since == [(5,), (0,)]


def test_it_is_read_again_after_a_while(told: Told) -> None:
    told.tell("main", "d1", 5)
    told.find("main", "d1")
    told.tell("main", "d1", 0)
    told.now_s = AGE_S_MAX + 1
    found = told.find("main", "d1")
    assert found is not None and found.complete_since_ms == (0,)


def test_what_is_kept_outlives_an_outage_and_nothing_else_does(told: Told) -> None:
    told.tell("main", "d1")
    told.find("main", "d1")
    told.down = True
    assert told.find("main", "d1") is not None
    with pytest.raises(StoreUnavailable):
        told.find("main", "d2")


def test_what_is_kept_is_bounded(told: Told) -> None:
    for number in range(2 * NAMESPACES_MAX):
        told.find(f"n{number}", "d1")
    assert len(told.catalogues._known) == NAMESPACES_MAX
