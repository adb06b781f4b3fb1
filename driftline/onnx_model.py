"""A trained model in ONNX Runtime: vectors of a plan's features in, a number for each out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.catalogue import V1
from driftline.errors import ModelError
from driftline.estimators import CLASSIFICATION, REGRESSION

INPUT, OUTPUT = "features", "probabilities"  # of the graphs of classifiers that training makes
_ESTIMATES = "variable"  # the output of its regressors
_PROBES = (0.0, 1.0)  # a row of each must give a usable number before a model is used
_INPUT_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
_MAPS = "seq(map("  # probabilities by class, as some converters write them
_CLASSES = 2
_ROUNDING = 1e-5  # a forest adds up shares in float32: a certainty of it may come out a little above 1


class OnnxModel:
    """A model of a score that runs in ONNX Runtime.

    To be made on a thread that Python started (jobs/model_watch.py says why); `predict` may be called on any.
    It runs on one thread: the core belongs to the operator. A tree ensemble adds up each row by itself, in float32 and
    tree order, so a row's result does not depend on the rows beside it (tests/unit/test_models.py). Where it does, by
    the last bits of a product of matrices, the manifest says that rows must be run one at a time.

    Args:
        onnx: the graph, with one input of n rows and as many columns as the model has features.
        version: its name.
        task: CLASSIFICATION or REGRESSION.
        columns: the positions of its features in a whole vector; None: all of them, in order.
        width: features of a whole vector.
        row_by_row: run one row at a time.

    Raises:
        ModelError: it has not the inputs and outputs of such a model, or gives unusable numbers.
    """

    def __init__(
        self,
        onnx: bytes,
        version: str,
        *,
        task: str = CLASSIFICATION,
        columns: Sequence[int] | None = None,
        width: int = len(V1),
        row_by_row: bool = False,
    ) -> None:
        self.version = version
        self._task = task
        self._row_by_row = row_by_row
        whole = columns is None or tuple(columns) == tuple(range(width))
        self._columns = None if columns is None or whole else np.array(columns, dtype=np.intp)
        self._session = _session(onnx)
        self._input, self._type = _input_of(self._session.get_inputs())
        self._output = _output_of(self._session.get_outputs(), task)
        probes = np.repeat(np.array(_PROBES, dtype=np.float32)[:, None], width, axis=1)
        self.predict(probes)  # also sets up what the first run needs

    def predict(self, vectors: Sequence[bytes] | NDArray[np.float32]) -> list[float]:
        """Return for each whole vector the probability that its label is 1, or an estimate of its label.

        Args:
            vectors: n rows of the features of the plan's whole vector; a row as bytes is float32, little-endian.

        Raises:
            ModelError: the model gives anything but a number in 0..1, or of a regression a finite one, for each row.
            Exception: what ONNX Runtime raises where it cannot be run.
        """
        rows = _rows(vectors)
        if self._columns is not None:
            rows = rows.take(self._columns, axis=1)
        if self._type is not np.float32:
            rows = rows.astype(self._type)
        if not self._row_by_row:
            return self._run(rows)
        return [value for index in range(len(rows)) for value in self._run(rows[index : index + 1])]

    def _run(self, rows: NDArray[Any]) -> list[float]:
        output = self._session.run([self._output], {self._input: rows})[0]
        if self._task == REGRESSION:
            return _estimates(output, len(rows))
        return _probabilities(output, len(rows))


def depends_on_neighbours(model: OnnxModel, vectors: NDArray[np.float32]) -> bool:
    """Whether a row's result differs, if only in the last bit, between being run alone and beside others.

    Args:
        model: one that runs rows together.
        vectors: whole vectors, some hundred.
    """
    alone = [value for index in range(len(vectors)) for value in model.predict(vectors[index : index + 1])]
    for size in (*range(2, 18), 31, 64, 100, len(vectors)):
        beside: list[float] = []
        for start in range(0, len(vectors), size):
            beside += model.predict(vectors[start : start + size])
        if beside != alone:
            return True
    return False


def _probabilities(output: Any, rows: int) -> list[float]:
    """The second of two columns, P(0) and P(1); the only column; or the second class of a map for each row."""
    if isinstance(output, list):
        output = np.array([_second(found) for found in output], dtype=np.float64)
    column = _column(output, rows, _CLASSES)
    if rows and not (np.minimum.reduce(column) >= 0 and np.maximum.reduce(column) <= 1):  # nor is NaN
        if not (np.minimum.reduce(column) >= -_ROUNDING and np.maximum.reduce(column) <= 1 + _ROUNDING):
            message = "its probabilities are not all within 0..1"
            raise ModelError(message)
        column = column.clip(0, 1)
    values: list[float] = column.tolist()
    return values


def _estimates(output: Any, rows: int) -> list[float]:
    column = _column(output, rows, 1)
    if not np.isfinite(column).all():
        message = "its estimates are not all finite numbers"
        raise ModelError(message)
    values: list[float] = column.tolist()
    return values


def _column(output: Any, rows: int, columns_max: int) -> NDArray[Any]:
    """The last column of an output of n values, or of n rows with up to so many columns."""
    if isinstance(output, np.ndarray) and output.dtype.kind == "f":
        if output.shape == (rows,):
            return output
        if output.ndim == 2 and len(output) == rows and 1 <= output.shape[1] <= columns_max:  # noqa: PLR2004
            column: NDArray[Any] = output[:, -1]
            return column
    found = f"{output.dtype} {output.shape}" if isinstance(output, np.ndarray) else type(output).__name__
    message = f"its output should be floats of shape {(rows, columns_max)}, not {found}"
    raise ModelError(message)


def _second(found: Mapping[Any, float]) -> float:
    if len(found) != _CLASSES:
        message = f"it has {len(found)} classes; a score is the probability of the second of two"
        raise ModelError(message)
    return float(found[max(found)])


def _rows(vectors: Sequence[bytes] | NDArray[np.float32]) -> NDArray[Any]:
    if isinstance(vectors, np.ndarray):
        return vectors.astype(np.float32, copy=False)
    # End to end: numpy's look at each row took twice the model's time in the job's profile.
    return np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1)


def _input_of(inputs: Sequence[Any]) -> tuple[str, type[np.floating[Any]]]:
    if len(inputs) != 1 or inputs[0].type not in _INPUT_TYPES:
        found = ", ".join(f"{one.name} {one.type}" for one in inputs)
        message = f"it should have one input, floats of n rows with a column a feature, not: {found}"
        raise ModelError(message)
    return inputs[0].name, _INPUT_TYPES[inputs[0].type]


def _output_of(outputs: Sequence[Any], task: str) -> str:
    """The name of the output with the probabilities or estimates: the usual name, a similar one, or the only one."""
    wanted = OUTPUT if task == CLASSIFICATION else _ESTIMATES
    fitting = [
        one.name
        for one in outputs
        if one.type in _INPUT_TYPES or (task == CLASSIFICATION and one.type.startswith(_MAPS))
    ]
    for candidates in ([wanted], [name for name in fitting if wanted[:4] in name.lower()], fitting):
        found = [name for name in candidates if name in fitting]
        if len(found) == 1:
            return str(found[0])
    shown = ", ".join(f"{one.name} {one.type}" for one in outputs)
    message = f"it should have one output of floats named {wanted}, or none but that one, not: {shown}"
    raise ModelError(message)


def _session(onnx: bytes) -> Any:
    import onnxruntime  # noqa: PLC0415  (slow, and not on every thread)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
