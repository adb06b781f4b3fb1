"""Stacks and threads of a profile, folded into the stages that an event passes.

A frame is known by the last part of its module's name and its qualified name, whether py-spy saw it in the interpreter
(`Timeline.offer (udfs/timeline.py:127)`) or a profiler of native code saw what mypyc made of it
(`CPyDef_timeline___Timeline___offer`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Stage(NamedTuple):
    """A stage of the operator's call.

    Attributes:
        name: for people.
        functions: of it, as a module and the beginning of a name; the empty beginning is all of the module.
        native: what only compiled code shows of it, as a regular expression.
    """

    name: str
    functions: tuple[tuple[str, str], ...]
    native: str = "(?!)"


CROSSING = "crossing from and to the JVM"
# A stack belongs to the first stage of which it holds a frame, so what is inside another stage comes before it.
STAGES = (
    Stage(
        "encoding and writing states, while Redis works",
        (
            ("users", "Timelines.put_all"),
            ("user_state", "encode_user"),
            ("state_impl", "MapStateImpl.put"),
            ("state_impl", "ValueStateImpl.update"),
        ),
    ),
    Stage(
        "reading and decoding states",
        (
            ("users", "Timelines.get"),
            ("user_state", "decode_user"),
            ("state_impl", "MapStateImpl.get"),
            ("state_impl", "ValueStateImpl.value"),
        ),
    ),
    Stage("Redis, beyond that", (("score_store", ""),), "hiredis|^sock_"),
    Stage("model", (("models", ""), ("onnxruntime_inference_collection", "")), "onnxruntime"),
    Stage("decoding events", (("decode", ""),)),
    Stage(
        "timelines: repeats, order, fold of what is settled",
        (("timeline", "Timeline.offer"), ("timeline", "Timeline.begin"), ("seen_ids", "")),
    ),
    Stage(
        "features and scores: fold of the tail, vectors, messages",
        (
            ("scores", "Scores"),
            ("timeline", "Timeline.profile"),
            ("scoring", ""),
            ("features", ""),
            ("score_bytes", ""),
        ),
    ),
    Stage(CROSSING, (("converters", ""),), "^Jcp"),
    Stage(
        "sessions, outputs, counters",
        (
            ("sessions", "Sessions"),
            ("overflows", ""),
            ("published", ""),
            ("score_blocks", "ScoreBlocks._flush"),
            ("score_blocks", "ScoreBlocks.on_timer"),
            ("rows", ""),
        ),
    ),
    Stage("the walk over a block's events", (("block", ""),)),
)
# The operator calls all of them, and PyFlink the operator.
OPERATOR, ENTRY = ("score_blocks", "ScoreBlocks.process_element"), "OneInputFunctionOperation.process_element"
OWN = "the operator's own, and what the profiler cannot tell"

# Threads by the beginning of their name, of which Linux keeps 15 characters.
THREADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Kafka source", ("Source", "kafka-coordinat", "kafka-consumer")),
    ("block window", ("WindowAggregate", "GroupWindow", "LocalWindow", "GlobalWindow")),
    ("operator", ("score blocks",)),
    ("Kafka producers of the results", ("kafka-producer-",)),
    ("network and its flushers", ("Flink Netty", "OutputFlusher", "flink-netty")),
    ("timers", ("Time Trigger", "System Time Tri")),
    ("RocksDB in the background", ("rocksdb:", "Flink-RocksDBSt")),
    ("checkpoints", ("AsyncOperations", "IOManager", "flink-checkpoin")),
    ("garbage collection", ("VM Thread", "GC Thread", "VM Periodic")),
    ("JIT compilers", ("C1 Compiler", "C2 Compiler", "Sweeper thread")),
    ("heartbeats and metrics", ("flink-pekko", "flink-metrics", "Flink-Metric", "flink-scheduler")),
)
OTHER_THREADS = "other threads"

# Where the operator's thread is, by what the native profiler finds nearest to the processor.
IN_PYTHON = "Python and what it calls: protobuf, ONNX Runtime, sockets"
IN_CONVERSION = "values between Java and Python"
IN_ROCKSDB = "RocksDB, asked for states"
IN_STATE = "Flink's and PyFlink's Java between Python and RocksDB"
IN_JAVA = "Flink around it: taking blocks, sending results"
PLACES = (IN_PYTHON, IN_CONVERSION, IN_ROCKSDB, IN_STATE, IN_JAVA)

_PYTHON_FRAME = re.compile(r"^(?P<function>.+?) \((?P<path>[^()]+?)(?::\d+)?\)$")
_COMPILED_FRAME = re.compile(r"^CPy(?:Def|Py|Gen)_(?P<name>\w+)")
_JAVA_FRAME = re.compile(r"^[\w$]+(?:/[\w$+.<>]+)+$")
_INTERPRETER = re.compile(r"^_?Py[A-Z_]|^CPy|^\w*(?:vectorcall|cfunction)\w*$")
_ROCKSDB = re.compile(r"rocksdb::|^org/rocksdb/|org_rocksdb|rocksdbjni")
_CONVERSION = "Jcp"  # how the functions of PEMJA's C code begin
_BRIDGE = "pemja/"  # its Java classes
_COUNTED = "ModelWatcher._run"  # a thread of the job that always waits: it is in every look of py-spy


class Frame(NamedTuple):
    """A function."""

    module: str
    function: str


class Sampled(NamedTuple):
    """A stack, from its root to its leaf, its thread's name, and how often it was seen."""

    thread: str
    frames: list[str]
    seen: int


def frame(text: str) -> Frame | None:
    """The Python function of a line of a stack; nothing for any other code."""
    if compiled := _COMPILED_FRAME.match(text):
        module, _, function = compiled["name"].partition("___")
        parts = function.split("___")
        if len(parts) > 1 and parts[0].islower():  # a package is named, too
            module, parts = parts[0], parts[1:]
        return Frame(module, ".".join(parts))
    if python := _PYTHON_FRAME.match(text):
        file = python["path"].rsplit("/", 1)[-1]
        return Frame(file.removesuffix(".py"), python["function"]) if file.endswith(".py") else None
    return None


def parse(lines: Iterable[str]) -> Iterator[Sampled]:
    """Read collapsed stacks: `thread;root;...;leaf count` a line."""
    for line in lines:
        stack, _, count = line.rstrip("\n").rpartition(" ")
        thread, *frames = stack.split(";")
        if count.isdigit():
            yield Sampled(thread, frames, int(count))


def stage(frames: list[str]) -> str:
    """The stage that a stack of the operator's call belongs to."""
    found = [known for text in frames if (known := frame(text))]
    for candidate in STAGES:
        if any(_begins(known, beginning) for known in found for beginning in candidate.functions):
            return candidate.name
        if any(re.search(candidate.native, text) for text in frames):
            return candidate.name
    called = any(_begins(known, OPERATOR) for known in found)
    return CROSSING if any(ENTRY in text for text in frames) and not called else OWN


def by_stage(samples: Iterable[Sampled]) -> Counter[str]:
    """How often each stage of the operator's call was seen in the interpreter."""
    seen: Counter[str] = Counter()
    for sample in samples:
        if any(ENTRY in text or "ScoreBlocks.on_timer" in text for text in sample.frames):
            seen[stage(sample.frames)] += sample.seen
    return seen


def by_native_stage(samples: Iterable[Sampled], thread: str) -> Counter[str]:
    """The same of native stacks of the threads whose name begins so, which name compiled functions alone."""
    seen: Counter[str] = Counter()
    for sample in samples:
        if sample.thread.lstrip("[").startswith(thread) and place(sample.frames) != IN_JAVA:
            seen[stage(sample.frames)] += sample.seen
    return seen


def thread_group(name: str) -> str:
    """The group of a thread."""
    return next((group for group, heads in THREADS if name.startswith(heads)), OTHER_THREADS)


def looks(samples: Iterable[Sampled]) -> int:
    """How often py-spy looked; fewer times than it was asked to where that takes too long."""
    return sum(sample.seen for sample in samples if any(text.startswith(_COUNTED) for text in sample.frames))


def place(frames: list[str]) -> str:
    """Where the operator's thread is, of its native and Java frames."""
    for at in range(len(frames) - 1, -1, -1):
        text = frames[at]
        if _ROCKSDB.search(text):
            return IN_ROCKSDB
        if text.startswith(_CONVERSION):
            return IN_CONVERSION
        if _INTERPRETER.search(text):
            return IN_PYTHON
        if _JAVA_FRAME.match(text):
            if text.startswith(_BRIDGE):  # what is called from here is Python, also where the stack has a gap
                return IN_CONVERSION if at == len(frames) - 1 else IN_PYTHON
            return IN_STATE if any(_INTERPRETER.search(below) for below in frames[:at]) else IN_JAVA
    return IN_JAVA


def by_place(samples: Iterable[Sampled], thread: str) -> Counter[str]:
    """How often the threads whose name begins so were seen in each place."""
    seen: Counter[str] = Counter()
    for sample in samples:
        if sample.thread.lstrip("[").startswith(thread):
            seen[place(sample.frames)] += sample.seen
    return seen


def _begins(called: Frame, beginning: tuple[str, str]) -> bool:
    return called.module == beginning[0] and called.function.startswith(beginning[1])
