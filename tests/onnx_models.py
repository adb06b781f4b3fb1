"""Models of a few bytes: good ones, bad ones, and one that breaks in use."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from driftline.catalogue import V1


def graph(*nodes: onnx.NodeProto, columns: int = len(V1), initializers: tuple[onnx.TensorProto, ...] = ()) -> bytes:
    made = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, columns])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)],
        initializer=list(initializers),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return bytes(model.SerializeToString())


def constant(*values: float) -> bytes:
    """A model that gives every row these columns, whatever it holds."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [len(V1), len(values)], np.zeros(len(V1) * len(values)))
    bias = helper.make_tensor("b", TensorProto.FLOAT, [len(values)], values)
    nodes = (
        helper.make_node("MatMul", ["features", "w"], ["zeros"]),
        helper.make_node("Add", ["zeros", "b"], ["probabilities"]),
    )
    return graph(*nodes, initializers=(weights, bias))


def breaks_in_use() -> bytes:
    """A model that is fine with the rows it is tried with, and gives -1 where the first feature is negative."""
    weights = np.zeros((len(V1), 2), dtype=np.float32)
    weights[0, 1] = 1
    held = helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.flatten())
    return graph(helper.make_node("MatMul", ["features", "w"], ["probabilities"]), initializers=(held,))
