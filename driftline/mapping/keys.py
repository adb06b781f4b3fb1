"""The keys of a mapping, and which of them a section below `when` may have."""

from __future__ import annotations

from typing import Final

from driftline.event.v1.event_pb2 import UserEvent

FIRST: Final = "first"  # of several columns, that which is not empty
OTHERS: Final = "*"  # in a table of values: all words that it does not name
PROPERTY: Final = "properties."
FIELDS: Final = frozenset(field.json_name for field in UserEvent.DESCRIPTOR.fields) - {"properties", "typeWord"}
LISTS: Final = ("properties", "properties_of", "whole_numbers", "leave_out_where_empty")
TABLES: Final = ("columns", "constants", "types", "values", "leave_out", "device_clock")
_TEXTS: Final = ("time_unit", "time_zone")
_WHOLE_ONLY: Final = ("delimiter", "root", "events", "by")  # of the whole mapping, not of a section
KINDS: Final[dict[str, type]] = {
    **dict.fromkeys(TABLES, dict),
    **dict.fromkeys(LISTS, list),
    **dict.fromkeys((*_TEXTS, *_WHOLE_ONLY), str),
    "when": dict,
}
OF_SECTIONS: Final = frozenset((*TABLES, *LISTS, *_TEXTS))
