"""What is taken for a probability or an estimate, of models that others have made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from driftline.errors import ModelError
from driftline.onnx_model import OnnxModel, depends_on_neighbours

ROWS = np.array([[0.25, 3.0], [0.75, 4.0]], dtype=np.float32)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    outputs: Sequence[onnx.ValueInfoProto],
    inputs: Sequence[onnx.ValueInfoProto] = (),
    initializers: Sequence[onnx.TensorProto] = (),
) -> bytes:
    given = list(inputs) or [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])]
    made = helper.make_graph(list(nodes), "g", given, list(outputs), initializer=list(initializers))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(made, opset_imports=opsets)
    model.ir_version = 9
    return bytes(model.SerializeToString())


def floats(name: str, *shape: int | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


FIRST = (
    helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [1.0, 0.0]),
    helper.make_tensor("both", TensorProto.FLOAT, [2, 2], [-1.0, 1.0, 0.0, 0.0]),
    helper.make_tensor("one", TensorProto.FLOAT, [2], [1.0, 0.0]),
    helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
)


def one_column(name: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", ["x", "w"], [name])


def two_columns(name: str) -> tuple[onnx.NodeProto, ...]:
    return helper.make_node("MatMul", ["x", "both"], ["raw"]), helper.make_node("Add", ["raw", "one"], [name])


LABEL = (
    helper.make_node("Cast", ["x"], ["label"], to=TensorProto.INT64),
    floats("label", None, None, kind=TensorProto.INT64),
)


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        ([one_column("sigmoid")], [floats("sigmoid", None, 1)]),
        ([one_column("column"), helper.make_node("Reshape", ["column", "flat"], ["p"])], [floats("p", None)]),
        ([*two_columns("output_probability")], [floats("output_probability", None, 2)]),
        ([LABEL[0], *two_columns("probabilities")], [LABEL[1], floats("probabilities", None, 2)]),
        ([LABEL[0], one_column("other")], [LABEL[1], floats("other", None, 1)]),
        (
            [*two_columns("probabilities"), one_column("margin")],
            [floats("margin", None, 1), floats("probabilities", None, 2)],
        ),
    ],
    ids=["one column", "no column", "similar name", "beside labels", "beside labels, any name", "beside other floats"],
)
def test_probabilities_are_found_whatever_their_name(
    nodes: list[onnx.NodeProto], outputs: list[onnx.ValueInfoProto]
) -> None:
    model = OnnxModel(model_of(nodes, outputs, initializers=FIRST), "v", width=2)
    assert model.predict(ROWS) == [0.25, 0.75]
    assert model.predict([row.tobytes() for row in ROWS]) == [0.25, 0.75]


@pytest.mark.parametrize("classes", [{"classlabels_int64s": [0, 1]}, {"classlabels_strings": ["no", "yes"]}])
def test_probabilities_in_a_map_a_row(classes: dict[str, list[int] | list[str]]) -> None:
    zipped = helper.make_node("ZipMap", ["p"], ["maps"], domain="ai.onnx.ml", **classes)  # type: ignore[arg-type]
    key = TensorProto.INT64 if "classlabels_int64s" in classes else TensorProto.STRING
    maps = helper.make_map_type_proto(key, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    output = helper.make_value_info("maps", helper.make_sequence_type_proto(maps))
    model = OnnxModel(model_of([*two_columns("p"), zipped], [output], initializers=FIRST), "v", width=2)
    assert model.predict(ROWS) == [0.25, 0.75]


def test_estimates_of_a_regression() -> None:
    graph = model_of([one_column("variable")], [floats("variable", None, 1)], initializers=FIRST)
    model = OnnxModel(graph, "v", task="regression", columns=(2, 0), width=3)
    rows = np.array([[9.0, 0.0, -7.5], [9.0, 0.0, 1e6]], dtype=np.float32)
    assert model.predict(rows) == [-7.5, 1e6]
    rows[1, 2] = np.inf
    with pytest.raises(ModelError, match="not all finite"):
        model.predict(rows)


def test_doubles_go_in_where_they_are_asked_for() -> None:
    inputs = [floats("x", None, 2, kind=TensorProto.DOUBLE)]
    nodes = [
        helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["y", "w"], ["p"]),
    ]
    model = OnnxModel(model_of(nodes, [floats("p", None, 1)], inputs, FIRST), "v", width=2)
    assert model.predict(ROWS) == [0.25, 0.75]


@pytest.mark.parametrize(
    ("task", "nodes", "outputs", "why"),
    [
        ("classification", [LABEL[0]], [LABEL[1]], "one output of floats"),
        (
            "classification",
            [one_column("a"), one_column("b")],
            [floats("a", None, 1), floats("b", None, 1)],
            "one output of floats named probabilities, .* not: a tensor",
        ),
        ("regression", [*two_columns("y")], [floats("y", None, 2)], r"floats of shape \(2, 1\), not float32 \(2, 2\)"),
    ],
)
def test_what_is_no_such_model_is_refused(
    task: str, nodes: list[onnx.NodeProto], outputs: list[onnx.ValueInfoProto], why: str
) -> None:
    with pytest.raises(ModelError, match=why):
        OnnxModel(model_of(nodes, outputs, initializers=FIRST), "v", task=task, width=2)


def test_a_second_input_is_refused() -> None:
    inputs = [floats("x", None, 2), floats("y", None, 1)]
    nodes = [one_column("p"), helper.make_node("Add", ["p", "y"], ["q"])]
    with pytest.raises(ModelError, match="one input, floats"):
        OnnxModel(model_of(nodes, [floats("q", None, 1)], inputs, FIRST), "v", width=2)


def test_rows_that_depend_on_their_neighbours_are_told_and_can_be_run_alone() -> None:
    """A model that divides by the largest of the rows beside."""
    nodes = [
        one_column("p"),
        helper.make_node("ReduceMax", ["p"], ["most"], keepdims=1),
        helper.make_node("Max", ["most", "small"], ["above"]),
        helper.make_node("Div", ["p", "above"], ["q"]),
    ]
    small = helper.make_tensor("small", TensorProto.FLOAT, [1], [0.1])
    graph = model_of(nodes, [floats("q", None, 1)], initializers=(*FIRST, small))
    rows = np.random.default_rng(0).random((300, 2), dtype=np.float32)
    assert depends_on_neighbours(OnnxModel(graph, "v", width=2), rows)
    alone = OnnxModel(graph, "v", width=2, row_by_row=True)
    assert not depends_on_neighbours(alone, rows)
    assert alone.predict(rows[:3]) == [alone.predict(rows[index : index + 1])[0] for index in range(3)]


@pytest.mark.parametrize(("value", "shown"), [(1 + 5e-7, 1.0), (-5e-7, 0.0), (1.001, None), (-0.001, None)])
def test_a_certainty_may_be_rounded_beyond_1(value: float, shown: float | None) -> None:
    model = OnnxModel(model_of([one_column("p")], [floats("p", None, 1)], initializers=FIRST), "v", width=2)
    rows = np.array([[value, 0.0], [0.5, 0.0]], dtype=np.float32)
    if shown is not None:
        assert model.predict(rows) == [shown, 0.5]
        return
    with pytest.raises(ModelError, match="are not all within"):
        model.predict(rows)
