from __future__ import annotations

import pytest

from benchmarks import stages
from benchmarks.stages import (
    Frame,
    Sampled,
    by_native_stage,
    by_place,
    by_stage,
    frame,
    looks,
    parse,
    place,
    stage,
    thread_group,
)

CALL = [
    "OneInputFunctionOperation.process_element (pyflink/fn_execution/embedded/operations.py:93)",
    "FunctionOperation._output_elements (pyflink/fn_execution/embedded/operations.py:57)",
    "extract_process_function.<locals>.process_element_func (pyflink/datastream/embedded/operations.py:149)",
    "ScoreBlocks.process_element (jobs/operators/score_blocks.py:98)",
]
PROCESS = [*CALL, "BlockProcessor.process (udfs/block.py:110)"]
FOLD = [*PROCESS, "BlockProcessor._fold (udfs/block.py:153)"]
WRITE = [
    *CALL,
    "ScoreBlocks._flush (jobs/operators/score_blocks.py:135)",
    "RedisScoreStore.write (sink_connectors/score_store.py:232)",
]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Timeline.offer (udfs/timeline.py:127)", Frame("timeline", "Timeline.offer")),
        ("run.<locals>.<lambda> (sink_connectors/score_store.py:302)", Frame("score_store", "run.<locals>.<lambda>")),
        ("id_hash (hashing.py)", Frame("hashing", "id_hash")),
        ("CPyDef_timeline___Timeline___offer", Frame("timeline", "Timeline.offer")),
        ("CPyDef_block___BlockProcessor____fold", Frame("block", "BlockProcessor._fold")),
        ("CPyDef_udfs___block___BlockProcessor____fold", Frame("block", "BlockProcessor._fold")),
        ("CPyPy_decode___validate (udfs/decode.cpython-311-x86_64-linux-gnu.so)", Frame("decode", "validate")),
        ("CPyDef_seen_ids___SeenIds___add (build/__native.c:91)", Frame("seen_ids", "SeenIds.add")),
        ("org/apache/flink/streaming/runtime/tasks/StreamTask.invoke", None),
        ("rocksdb::DBImpl::Get (librocksdbjni-linux64.so)", None),
        ("_PyEval_EvalFrameDefault (libpython3.11.so.1.0)", None),
        ("__libc_recv (libc.so.6)", None),
    ],
)
def test_a_function_is_known_by_its_module_and_name_interpreted_or_compiled(text: str, known: Frame | None) -> None:
    assert frame(text) == known


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        ([*FOLD, "Decoder.decode (udfs/decode.py:49)", "validate (udfs/decode.py:80)"], "decoding events"),
        ([*FOLD, "Timeline.offer (udfs/timeline.py:129)", "Profile.fold (udfs/profile.py:174)"], "timelines"),
        ([*PROCESS, "Scores.run (udfs/stages/scores.py:30)", "Profile.fold (udfs/profile.py:174)"], "features"),
        (
            [*FOLD, "Timelines.get (state_schemas/users.py:48)", "MapStateImpl.get (pyflink/x/state_impl.py:208)"],
            "reading",
        ),
        ([*PROCESS, "score (udfs/scoring.py:51)", "OnnxModel.predict (driftline/models.py:79)"], "model"),
        ([*WRITE, "read_response (redis/connection.py:613)"], "Redis"),
        ([*WRITE, "Timelines.put_all (state_schemas/users.py:51)", "encode (state_schemas/codec.py:24)"], "encoding"),
        ([*FOLD], "the walk"),
        ([*CALL, "ScoreBlocks._flush (jobs/operators/score_blocks.py:135)"], "sessions"),
        ([*CALL], "the operator's own"),
        ([CALL[0], "RowDataConverter.to_internal (pyflink/fn_execution/embedded/converters.py:105)"], "crossing"),
        (CALL[:1], "crossing"),
        ([CALL[0], "CPyDef_block___BlockProcessor____fold", "CPyDef_decode___Decoder___decode"], "decoding events"),
    ],
)
def test_a_stack_belongs_to_its_innermost_stage(frames: list[str], name: str) -> None:
    assert stage(frames).startswith(name)


def test_only_calls_of_the_operator_are_counted() -> None:
    samples = parse(
        [
            f"thread (7): Dummy-1;{';'.join(FOLD)} 3",
            f"thread (7): Dummy-1;{';'.join(CALL)} 2",
            "thread (8): onnx;Thread._bootstrap (threading.py:1002) 5",
            "thread (9) 4",
            "a line cut off",
        ]
    )
    assert sorted(by_stage(samples).values()) == [2, 3]


def test_every_stage_and_group_has_one_name() -> None:
    names = [stage.name for stage in stages.STAGES]
    groups = [name for name, _ in stages.THREADS]
    assert len({*names, stages.OWN}) == len(names) + 1
    assert len(set(groups)) == len(groups)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("score blocks ->", "operator"),
        ("Source Data Fet", "Kafka source"),
        ("WindowAggregate", "block window"),
        ("VM Thread", "garbage collection"),
        ("C2 CompilerThre", "JIT compilers"),
        ("rocksdb:low", "RocksDB in the background"),
        ("somebody else's", stages.OTHER_THREADS),
    ],
)
def test_threads_are_grouped_by_the_beginning_of_their_name(name: str, group: str) -> None:
    assert thread_group(name) == group


JAVA = ["java/lang/Thread.run", "org/apache/flink/streaming/runtime/tasks/StreamTask.invoke"]
BRIDGE = [*JAVA, "org/apache/flink/streaming/EmbeddedPythonIterator.hasNext", "pemja/core/object/PyIterator.next"]
PYTHON = [*BRIDGE, "gen_iternext", "_PyEval_EvalFrameDefault"]
STATE = [*PYTHON, "JcpPyJMethod_Call", "org/apache/flink/state/rocksdb/RocksDBMapState.get"]


@pytest.mark.parametrize(
    ("frames", "where"),
    [
        (JAVA, stages.IN_JAVA),
        ([*JAVA, "java/lang/String.<init>", "__memcpy_avx512_unaligned_erms"], stages.IN_JAVA),
        (PYTHON, stages.IN_PYTHON),
        ([*PYTHON, "PyUpb_Message_MergeFromString", "_upb_Decoder_DecodeMessage"], stages.IN_PYTHON),
        ([*PYTHON, "cfunction_call", "sock_recv", "__libc_recv", "do_syscall_64_[k]"], stages.IN_PYTHON),
        ([*BRIDGE, "[unknown]", "_upb_Decoder_DecodeMessage"], stages.IN_PYTHON),
        ([*BRIDGE, "CPyDef_block___BlockProcessor____fold", "CPyDict_GetItem"], stages.IN_PYTHON),
        ([*JAVA, "pemja/core/PythonInterpreter.invokeMethod", "JcpPyBytes_FromJByteArray"], stages.IN_CONVERSION),
        (BRIDGE, stages.IN_CONVERSION),
        (STATE, stages.IN_STATE),
        ([*STATE, "org/rocksdb/RocksDB.get", "rocksdb::DBImpl::Get", "__memcpy"], stages.IN_ROCKSDB),
    ],
)
def test_a_stack_is_where_its_nearest_known_frame_is(frames: list[str], where: str) -> None:
    assert place(frames) == where


def test_looks_are_counted_by_the_thread_that_is_in_each() -> None:
    waiting = ["Thread._bootstrap (threading.py:1002)", "ModelWatcher._run (jobs/model_watch.py:125)"]
    samples = [Sampled("models", waiting, 7), Sampled("Dummy-1", CALL, 5), Sampled("Dummy-1", [], 9)]
    assert looks(samples) == 7


def test_only_the_named_threads_are_placed() -> None:
    samples = [Sampled("[score blocks -> x tid=7]", PYTHON, 2), Sampled("[VM Thread tid=8]", JAVA, 9)]
    assert by_place(samples, "score blocks") == {stages.IN_PYTHON: 2}


def test_native_stacks_of_a_compiled_core_have_stages_too() -> None:
    fold = [*PYTHON, "CPyDef_block___BlockProcessor____fold"]
    stacks = {
        "decoding events": [*fold, "CPyDef_decode___Decoder___decode", "PyUpb_Message_MergeFromString"],
        "reading and decoding states": [*fold, "CPyDef_users___Timelines___get", "org/rocksdb/RocksDB.get"],
        "model": [*PYTHON, "CPyDef_scoring___score", "onnxruntime::InferenceSession::Run"],
        "Redis, beyond that": [*PYTHON, "cfunction_call", "sock_recv", "__libc_recv"],
        "crossing from and to the JVM": [*BRIDGE, "JcpPyBytes_FromJByteArray"],
        stages.OWN: PYTHON,
    }
    samples = [Sampled("[score blocks -> x tid=7]", frames, 1) for frames in (*stacks.values(), JAVA)]
    assert by_native_stage(samples, "score blocks") == dict.fromkeys(stacks, 1)
