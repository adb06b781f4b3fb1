from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import udfs.profile
from console.simulator import SimulationSpec, simulate, user_event
from driftline.state.v1.state_pb2 import ShardState
from jobs.pipeline import processor_of
from jobs.settings import ScoreEventsSettings
from state_schemas.users import Timelines
from udfs.block import Block
from udfs.compilation import StaleCoreError, record, require_current

ROOT = Path(__file__).resolve().parents[3]
COMPILED = not udfs.profile.__file__.endswith(".py")


class States(dict[str, bytes]):
    def put_all(self, states: dict[str, bytes]) -> None:
        self.update(states)


def fold_history() -> str:
    """All results of the core for a history with repeats, disorder and poison: scores, states, rejects."""
    settings = ScoreEventsSettings.load()
    processor = processor_of(settings, {})
    states, shard = States(), ShardState(generation=1, shards=8)
    users = Timelines(states, processor.bounds, cached_max=20, cached_bytes_max=2**26)
    spec = SimulationSpec(users=100, events=5_000, seed=9, disorder_ms=90_000, duplicates=0.1)
    events = [user_event(event) for event in simulate(spec)]
    out: list[object] = []
    for start in range(0, len(events), 70):
        part = events[start : start + 70]
        keys = [event.user_id.encode() for event in part]
        values = [event.SerializeToString() if event.event_time_ms % 50 else b"\xff" for event in part]
        times = [event.event_time_ms for event in part]
        block = Block(keys, values, [0] * len(part), list(range(start, start + len(part))), times)
        result = processor.process(block, shard, users, now_ms=times[-1])
        users.put_all(result.timelines)
        out += [result.scored, result.outputs, result.counts]
        out += [reject.headers for reject in (*result.dead_letters, *result.late)]
    return repr([out, sorted(states.items()), shard.SerializeToString()])


@pytest.mark.skipif(not COMPILED, reason="the core is interpreted: no C compiler, or DRIFTLINE_COMPILE=0")
def test_the_compiled_core_gives_the_bytes_that_its_sources_give(tmp_path: Path) -> None:
    for package in ("udfs", "state_schemas", "sink_connectors", "driftline", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    program = (
        "import udfs.profile; from tests.unit.udfs.test_compilation import fold_history;"
        "print(udfs.profile.__file__); print(fold_history())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    core, interpreted = done.stdout.splitlines()
    assert core == str(tmp_path / "udfs" / "profile.py")
    assert interpreted == fold_history()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Two sources, compiled as they are."""
    (tmp_path / "udfs").mkdir()
    (tmp_path / "udfs" / f"core__mypyc{EXTENSION_SUFFIXES[0]}").touch()
    for name in ("profile", "timeline"):
        (tmp_path / "udfs" / f"{name}.py").write_text(f"# {name}")
    record(tmp_path, ["udfs/profile.py", "udfs/timeline.py"])
    return tmp_path


@pytest.mark.parametrize("change", [lambda source: source.write_text("# other"), Path.unlink])
def test_a_source_changed_since_it_was_compiled_is_refused(checkout: Path, change: Callable[[Path], object]) -> None:
    change(checkout / "udfs" / "timeline.py")
    with pytest.raises(StaleCoreError, match=r"timeline\.py has changed since it was compiled; `make setup`"):
        require_current(checkout)


def test_a_copy_whose_files_have_other_times_is_fine(checkout: Path) -> None:
    os.utime(checkout / "udfs" / "timeline.py", (4_000_000_000, 4_000_000_000))
    require_current(checkout)


def test_without_a_compiled_core_sources_may_change(checkout: Path) -> None:
    (checkout / "udfs" / f"core__mypyc{EXTENSION_SUFFIXES[0]}").unlink()
    (checkout / "udfs" / "timeline.py").write_text("# other")
    require_current(checkout)


def test_an_installation_is_not_checked(checkout: Path) -> None:
    (checkout / "udfs" / "compiled_from.sha256").unlink()
    (checkout / "udfs" / "timeline.py").write_text("# other")
    require_current(checkout)


@pytest.mark.skipif(not COMPILED, reason="the core is interpreted: no C compiler, or DRIFTLINE_COMPILE=0")
def test_set_up_has_recorded_what_it_compiled() -> None:
    recorded = (ROOT / "udfs" / "compiled_from.sha256").read_text()
    assert {"udfs/profile.py", "udfs/timeline.py", "state_schemas/user_state.py"} <= set(recorded.split())
