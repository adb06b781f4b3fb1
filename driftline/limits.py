"""Bounds that more than one part of Driftline, or a caller, has to know. Each is written here and nowhere else."""

from __future__ import annotations

from typing import Final

ID_BYTES_MAX: Final = 128  # of a user's or an event's id, in UTF-8
CATEGORY_BYTES_MAX: Final = 256  # of an event's category, in UTF-8
FIELD_BYTES_MAX: Final = 256  # of a declared field's text, in UTF-8
VALUE_MAX: Final = 1e12  # of an event's value, either way: keeps sums finite and exact enough
TIME_MS_MAX: Final = 253_402_300_799_999  # the end of the year 9999, the last that a calendar here knows
NAMESPACE_CHARACTER: Final = "[A-Za-z0-9_.-]"  # safe within keys, and within the patterns of SCAN
NAMESPACE_CHARACTERS_MAX: Final = 64
NAMESPACE: Final = NAMESPACE_CHARACTER + f"{{1,{NAMESPACE_CHARACTERS_MAX}}}"  # a regular expression
DECLARED_NAME: Final = "[a-z][a-z0-9_]{0,63}"  # of a feature, a score or a segment; a regular expression
USER_TTL_DAYS: Final = 90  # without an event, after which a user is forgotten by default
BATCH_IDS_MAX: Final = 1_000  # users of one BatchGetScores or WatchScores
MASK_PATHS_MAX: Final = 64  # of one read mask
FIRST_DECLARED_TYPE: Final = 11  # the number of a plan's first declared event type; those before are of event.proto
EVENT_TYPES_MAX: Final = 250  # a byte in the state
AFFINITIES_MAX: Final = 10  # entries of a dimension that are served
SEGMENTS_MAX: Final = 200  # of one set of declarations: each has a list of members a shard
LISTED_MEMBERS_MAX: Final = 1_000  # members of a segment in one page, or in a sample
