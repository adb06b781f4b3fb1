"""CPU time of the core an event, this checkout beside another, in turns of some thousand events.

    python -m benchmarks.core_turns OTHER [--users 50000] [--events 400000] [--turn 5000] [--declarations FOLDER]

A shared machine's speed drifts by a third within a minute; turns of a tenth of a second drift together, so that the
ratio of two cores is known to 2 % where two runs one after the other differ by 20 %. Each checkout folds the same
simulated history with its own interpreter (OTHER/.venv) and its own core, compiled if it was: blocks of 500 events of 8
shards, with a watermark that is two hours behind as in a backlog, and states in a dict. No Redis or model takes part.

With declarations, this checkout computes what they say and the other one v1. OTHER may be this checkout, too:

    python -m benchmarks.core_turns . --declarations benchmarks/many_features
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from jobs.pipeline import processor_of

if TYPE_CHECKING:
    from state_schemas.users import Timelines
    from udfs.block import BlockProcessor

SHARDS, BLOCK_EVENTS = 8, 500
WATERMARK_BEHIND_MS = 2 * 3_600_000
KEPT = 20_000  # users, as two operators keep
NOW_MS = 1_900_000_000_000
SKIPPED = 5  # turns at the beginning, of users that are all new


def main() -> None:
    """Measure and print."""
    options = _options()
    here = Path(__file__).resolve().parents[1]
    contenders = {"this": here, "other": options.other.resolve()}
    declared = {"this": options.declarations, "other": None}
    workers = {name: _start(folder, options, declared[name]) for name, folder in contenders.items()}
    spent: dict[str, list[float]] = {name: [] for name in workers}
    try:
        for turn in range(options.events // options.turn):
            for name in sorted(workers, reverse=bool(turn % 2)):
                spent[name].append(_turn(workers[name]))
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    counted = {name: values[SKIPPED:] for name, values in spent.items()}
    for name, values in counted.items():
        features = f" with {declared[name]}" if declared[name] else ""
        print(f"{name:<6} {median(values):.2f} us an event, of {contenders[name]}{features}")
    print(f"this / other: {sum(counted['this']) / sum(counted['other']):.3f}")


def _start(folder: Path, options: argparse.Namespace, declarations: Path | None) -> subprocess.Popen[str]:
    python = folder / ".venv" / "bin" / "python"
    # Its own program, where it has one: names move between checkouts. -P: this folder's profile.py is not Python's.
    own = folder / "benchmarks" / Path(__file__).name
    program = str(own if own.exists() else __file__)
    command = [str(python if python.exists() else sys.executable), "-P", program, ".", "--worker"]
    command += ["--users", str(options.users), "--events", str(options.events), "--turn", str(options.turn)]
    if declarations is not None:
        command += ["--declarations", str(declarations.resolve())]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    pipe = subprocess.PIPE
    worker = subprocess.Popen(command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True)
    _answer(worker)  # it is ready
    return worker


def _turn(worker: subprocess.Popen[str]) -> float:
    assert worker.stdin is not None  # noqa: S101  (a pipe)
    worker.stdin.write("\n")
    worker.stdin.flush()
    return float(_answer(worker))


def _answer(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None  # noqa: S101  (a pipe)
    if answer := worker.stdout.readline():
        return answer
    message = f"the worker {worker.args!r} ended; its error is above"
    raise RuntimeError(message)


def _core(declarations: Path | None) -> tuple[BlockProcessor, Timelines]:
    """Return a processor, and its users' timelines over states in a dict."""
    from jobs.plans import plan_for  # noqa: PLC0415  (of the checkout that PYTHONPATH names)
    from jobs.settings import ScoreEventsSettings  # noqa: PLC0415
    from state_schemas.layouts import StoredLayouts  # noqa: PLC0415
    from state_schemas.users import Timelines  # noqa: PLC0415

    class States(dict[str, bytes]):
        def put_all(self, states: dict[str, bytes]) -> None:
            self.update(states)

    settings: ScoreEventsSettings = ScoreEventsSettings.load(**{"declarations": declarations} if declarations else {})
    processor = processor_of(settings, {})
    layouts = StoredLayouts(plan_for(settings).layout)
    return processor, Timelines(States(), processor.bounds, KEPT, 2 * settings.users_kept_bytes_max, layouts)


def work(options: argparse.Namespace) -> None:
    """Fold a turn's events for each line of the standard input, and print the microseconds of CPU that one took."""
    from console.simulator import SimulationSpec, simulate, user_event  # noqa: PLC0415
    from driftline.state.v1.state_pb2 import ShardState  # noqa: PLC0415
    from jobs.operators.score_blocks import GC_THRESHOLD  # noqa: PLC0415
    from udfs.block import Block  # noqa: PLC0415

    processor, users = _core(options.declarations)
    shards = [ShardState(generation=1) for _ in range(SHARDS)]
    waiting: list[list[tuple[bytes, bytes, int, int, int]]] = [[] for _ in range(SHARDS)]
    events = [
        user_event(event) for event in simulate(SimulationSpec(users=options.users, events=options.events, seed=5))
    ]
    records = [(event.user_id.encode(), event.SerializeToString(), event.event_time_ms) for event in events]
    del events
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        began_s = time.process_time()
        for number in range(turn * options.turn, (turn + 1) * options.turn):
            key, value, time_ms = records[number]
            at = zlib.crc32(key) % SHARDS
            waiting[at].append((key, value, at % 4, number, time_ms))
            if len(waiting[at]) == BLOCK_EVENTS:
                block = Block(*[list(column) for column in zip(*waiting[at], strict=True)])
                watermark_ms = block.timestamps_ms[0] - WATERMARK_BEHIND_MS
                users.put_all(processor.process(block, shards[at], users, NOW_MS, watermark_ms).timelines)
                waiting[at] = []
        print((time.process_time() - began_s) / options.turn * 1e6, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="another checkout that was set up (make setup)")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--turn", type=int, default=5_000, help="events of a turn")
    parser.add_argument(
        "--declarations", type=Path, metavar="FOLDER", help="what this checkout computes; by default v1"
    )
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    work(options) if options.worker else main()
