"""The Flink operator that reads the lake in front of `ScoreBlocks`: a chunk in, one packed block a shard out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pyflink.common import Row, Types
from pyflink.datastream import ProcessFunction, RuntimeContext

from history.lake.chunks import Chunk
from history.lake.location import locate
from history.lake.packing import packed_blocks
from history.lake.reading import Lake
from history.lake.shards import COLUMNS
from jobs.code_version import code_version, require
from jobs.settings import ScoreEventsSettings

PACKED_TYPE = Types.PRIMITIVE_ARRAY(Types.BYTE())
SHARDED_TYPE = Types.ROW([Types.INT(), PACKED_TYPE])  # a shard's key, and its block (udfs/packed_block.py)
CODE_VERSION = code_version(__name__)


class ChunkReader:
    """Reads chunks of a lake as packed blocks.

    Args:
        settings: of the job.

    Raises:
        InputError: there is no lake where the settings say.
    """

    def __init__(self, settings: ScoreEventsSettings) -> None:
        location = locate(settings.lake_url, settings.s3_endpoint).below(settings.events_topic)
        self._lake = Lake(location, *settings.dates)
        self._settings = settings

    def blocks(self, chunk: Chunk) -> Iterator[tuple[int, bytes]]:
        """Yield the chunk's records, by shard, in the order of their offsets; large ones in several blocks a shard."""
        settings = self._settings
        for begin, end in self._lake.pieces(*chunk, settings.block_bytes_max):
            records = self._lake.read(chunk.partition, begin, end, COLUMNS)
            yield from packed_blocks(
                records, chunk.partition, shards=settings.shards, event_bytes_max=settings.event_bytes_max
            )


class ReadLake(ProcessFunction):  # type: ignore[misc]  # pyflink has no types
    """Reads the records of one chunk in each call.

    The lake is read on a thread that Python has started: native libraries are not to be first run on one of the JVM's.

    Args:
        settings: of the job.
    """

    def __init__(self, settings: ScoreEventsSettings) -> None:
        self._settings = settings
        self._code_version = CODE_VERSION

    def open(self, _: RuntimeContext) -> None:
        """Open the lake. Raises InputError where this machine sees none, and OtherCodeError."""
        require(self._code_version, CODE_VERSION)
        self._thread = ThreadPoolExecutor(1, "read-lake")
        self._reader = self._thread.submit(ChunkReader, self._settings).result()

    def process_element(self, value: str, _: ProcessFunction.Context) -> Iterator[Row]:
        """Yield a row of a shard's key and its packed block, a piece of the chunk at a time."""
        blocks = self._reader.blocks(Chunk.parse(value))
        while (block := self._thread.submit(next, blocks, None).result()) is not None:
            yield Row(*block)

    def close(self) -> None:
        """End the thread; Flink calls this at the end of a bounded stream alone."""
        self._thread.shutdown()
