"""What a topic of chunks says is what was planned."""

from __future__ import annotations

import pytest

from driftline.errors import InputError
from history.lake.chunks import Chunk, records_of
from history.lake.reading import Stretch
from history.lake.sequence import in_sequence


def test_each_turn_is_a_record_whose_timestamp_is_the_watermark() -> None:
    stretches = [Stretch(0, 0, 5, 5, 100, 200), Stretch(0, 5, 9, 4, 200, 300), Stretch(1, 0, 3, 3, 150, 160)]
    records = list(records_of(in_sequence(stretches)))
    assert [Chunk.parse(value) for value, _ in records] == [Chunk(0, 0, 5), Chunk(1, 0, 3), Chunk(0, 5, 9)]
    assert [timestamp_ms for _, timestamp_ms in records] == [1, 1, 200]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"partition": 0, "begin": 1}', '{"partition": 0, "begin": 1, "end": null}']
)
def test_what_is_no_chunk_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="the topic of chunks has"):
        Chunk.parse(text)
