"""Values of a topic by a mapping: one JSON document, one event, as `driftline publish` would read it from a file."""

from __future__ import annotations

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import event_of
from driftline.mapping.documents import DocumentMaker
from driftline.mapping.json_rows import json_rows_of
from driftline.mapping.spec import Mapping


class MessageMapper:
    """Reads values by a mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._names = mapping.names()
        self._maker = DocumentMaker(mapping)

    def event(self, value: bytes) -> UserEvent:
        """Return the event of a value, with an id made of its content where it has none.

        Raises:
            ValueError: why it is none, with nothing of the value. A record has one key, so it is one event.
        """
        try:
            return self._event(value)
        except RecursionError:
            message = "is not JSON that can be read: nested too deeply"
            raise ValueError(message) from None

    def _event(self, value: bytes) -> UserEvent:
        rows = list(json_rows_of(value, self._mapping, self._names))
        if len(rows) != 1:
            message = f"holds {len(rows)} events; a record is one"
            raise ValueError(message)
        (found,) = rows
        if isinstance(found, ValueError):
            raise found
        document = self._maker.document(found.row, found.identity)
        if document is None:
            message = "the mapping leaves it out"
            raise ValueError(message)
        return event_of(document)
