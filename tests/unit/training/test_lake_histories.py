"""Examples from a lake are those of the job that reads the topic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from driftline.event.v1.event_pb2 import UserEvent
from history.lake.layout import RAW, TYPED, folder_of, schema_of
from history.lake.location import locate
from history.lake.reading import Lake
from history.lake.writing import write_file
from jobs.pipeline import bounds_of, decoder_of
from tests.builders import DAY, HOUR, MINUTE, NOW, T0, job_settings, message
from training.examples import Examples, make_examples
from training.histories import Histories, read_lake
from training.labels import PURCHASE_WITHIN_30_MIN
from training.learned_score import PROPENSITY
from training.lineage import lake_source
from training.run import examples_of
from training.sampling import Sampling
from udfs.event import FORGET, PURCHASE

Record = tuple[int, int, UserEvent | bytes]  # partition, record time and what it holds


def lake_of(folder: Path, records: Sequence[Record]) -> Lake:
    """A lake with these records, offsets counted by partition in their order."""
    rows, offsets = [], dict[int, int]()
    for partition, time_ms, held in records:
        offset = offsets[partition] = offsets.get(partition, -1) + 1
        key, payload = (b"?", held) if isinstance(held, bytes) else (held.user_id.encode(), held.SerializeToString())
        raw = {"partition": partition, "offset": offset, "record_time_ms": time_ms, "key": key, "payload": payload}
        rows.append(dict.fromkeys([*RAW.names, *TYPED.names]) | raw)
    for number in range(0, len(rows), 7):  # files that are cut anywhere
        part = rows[number : number + 7]
        place = folder_of(part[0]["record_time_ms"])  # type: ignore[arg-type]
        write_file(pa.Table.from_pylist(part, schema=schema_of()), locate(str(folder)).below(*place.split("/")))
    return Lake(locate(str(folder)))


def read(lake: Lake, sampling: Sampling | None = None) -> Histories:
    job = job_settings()
    return read_lake(lake, decoder_of(job), NOW, shards=job.shards, sampling=sampling or Sampling())


def examples(found: Histories) -> Examples:
    return examples_of(found, bounds_of(job_settings()), PROPENSITY)


def plain(user_id: str, at_ms: int, partition: int = 0, **fields: object) -> Record:
    return partition, T0 + at_ms, message(user_id, at_ms, **fields)


END = plain("end", 9 * HOUR)


def test_a_lake_gives_the_examples_of_its_events(tmp_path: Path) -> None:
    records = [
        *[plain(f"u{n % 5}", n * MINUTE, type=PURCHASE if n % 4 == 0 else 1, event_id=str(n)) for n in range(100)],
        (0, T0, b"\xff\xff"),
        plain("u1", 21 * MINUTE, event_id="21"),  # again
        plain("u2", 0, event_id="long ago"),
        plain("u3", 90 * MINUTE, type=FORGET, event_id="f"),
        END,
    ]
    found = read(lake_of(tmp_path / "lake", records))
    assert found.events == 104 and found.records == 105
    made = examples(found)
    users: dict[str, list[UserEvent]] = {}
    for _, _, held in records:
        if not isinstance(held, bytes):
            users.setdefault(held.user_id, []).append(held)
    decoder = decoder_of(job_settings())
    told = {
        user_id: [decoder.event_of(one, one.event_time_ms, NOW) for one in events] for user_id, events in users.items()
    }
    same = make_examples(told, bounds_of(job_settings()), label=PURCHASE_WITHIN_30_MIN)
    for name in ("vectors", "labels", "times_ms", "user_hashes", "ages_s"):
        assert np.array_equal(getattr(made, name), getattr(same, name))
    assert made.left_out.counts == {"UNDECODABLE": 1} | same.left_out.counts
    assert made.left_out.counts["DUPLICATE"] == made.left_out.counts["LATE"] == made.left_out.counts["FORGET"] == 1


def test_a_user_in_two_partitions_is_not_late_in_the_one_that_is_read_later(tmp_path: Path) -> None:
    """Partition 1 is behind partition 0 by hours: the job decides by the partition's own clock, and so does this."""
    ahead = [plain("u", n * HOUR, 0, event_id=f"a{n}") for n in range(4)]
    behind = [plain("u", n * HOUR + MINUTE, 1, event_id=f"b{n}") for n in range(4)]
    late = [plain("u", 2 * HOUR, 1, event_id="late")]
    found = read(lake_of(tmp_path / "lake", [*ahead, *behind, *late, END]))
    made = examples(found)
    assert made.left_out.counts.get("LATE") == 1
    assert int((made.ages_s == 0).sum()) == 8


def test_a_sample_knows_how_far_the_whole_history_goes(tmp_path: Path) -> None:
    records = [plain(f"u{n}", n * HOUR, event_id=str(n)) for n in range(40)]
    lake = lake_of(tmp_path / "lake", records)
    sampling = Sampling(0.2)
    found = read(lake, sampling)
    assert 0 < len(found.users) < 20
    assert found.newest_ms == T0 + 39 * HOUR and found.events == 40
    made = examples_of(found, bounds_of(job_settings()), PROPENSITY, sampling)
    assert int((made.ages_s == 0).sum()) == len([user for user in found.users if user != "u39"])


def test_dates_are_those_of_the_folders_and_the_source_is_told(tmp_path: Path) -> None:
    lake_of(tmp_path / "lake", [plain("u", n * DAY, n % 2, event_id=str(n)) for n in range(3)])
    day = Lake(locate(str(tmp_path / "lake")), "2026-01-01", "2026-01-01")
    assert read(day).events == 3  # all three records are in one file
    source = lake_source(day, "somewhere", ("2026-01-01", ""))
    assert source["offsets"] == {"0": [0, 1], "1": [0, 0]}
    assert [one["rows"] for one in source["files"]] == [3]
