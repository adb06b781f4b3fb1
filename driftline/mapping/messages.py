"""Values of a topic by a mapping: one JSON document, one event, as `driftline publish` would read it from a file."""

from __future__ import annotations

from typing import Any

from driftline.event.v1.event_pb2 import UserEvent
from driftline.jsonlines import TOO_DEEP, event_of
from driftline.mapping.documents import DocumentMaker
from driftline.mapping.json_rows import rows_of_document
from driftline.mapping.spec import Mapping


class MessageMapper:
    """Reads values by a mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._names = mapping.names()
        self._maker = DocumentMaker(mapping)

    def event_in(self, document: dict[str, Any]) -> UserEvent:
        """Return the event of a document, with an id made of its content where it has none.

        Raises:
            ValueError: why it is none, with nothing of the value. A record has one key, so it is one event.
        """
        try:
            return self._event(document)
        except RecursionError:
            raise ValueError(TOO_DEEP) from None

    def _event(self, document: dict[str, Any]) -> UserEvent:
        rows = list(rows_of_document(document, self._mapping, self._names))
        if len(rows) != 1:
            message = f"holds {len(rows)} events; a record is one"
            raise ValueError(message)
        (found,) = rows
        if isinstance(found, ValueError):
            raise found
        made = self._maker.document(found.row, found.identity)
        if made is None:
            message = "the mapping leaves it out"
            raise ValueError(message)
        return event_of(made)
