"""Loaded model versions: estimators on a bare matrix, anything else on a frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

Answers = np.ndarray[Any, np.dtype[Any]]

_FRAME_DTYPES: Final = {
    "double": "float64",
    "float": "float32",
    "long": "int64",
    "integer": "int32",
    "boolean": "bool",
}
_WHOLE: Final = frozenset({"long", "integer", "boolean"})
_KNOWN_PACKAGES: Final = frozenset({"builtins", "numpy", "scipy", "sklearn"})
_NAMED_COLUMNS: Final = frozenset({"ColumnTransformer", "FunctionTransformer"})
"""Estimators that may pick columns by name, or run code of their own on what they get."""


class LoadedPredictor(Protocol):
    """What loading gives; the same as :class:`sluiceway.ports.Predictor`."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in order."""

    def predict(self, columns: Mapping[str, Answers]) -> Answers:
        """Answer rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One input of a signature.

    Attributes:
        type: MLflow's name of the type: ``double``, ``float``, ``long``, ``string`` ...
    """

    name: str
    type: str

    @property
    def is_exact_in_double(self) -> bool:
        """Whether a float64 matrix gives an estimator what a frame of this type gives it.

        float32 columns do not: estimators compute in float32 on a frame of them.
        """
        return self.type in ("double", "long", "integer", "boolean")

    def checked(self, values: Answers) -> Answers:
        """The values, where they are what the type says.

        Raises:
            ValueError: They are not numbers, or have fractions or gaps where the type has none.
        """
        if self.type not in _FRAME_DTYPES:
            return values
        if values.dtype.kind not in "fiub":
            raise ValueError(f"{self.name}: {values.dtype} values where {self.type} is read")
        if (
            self.type in _WHOLE
            and values.dtype.kind == "f"
            and not np.array_equal(values, np.trunc(values))
        ):
            raise ValueError(f"{self.name}: missing or fractional values where {self.type} is read")
        return values


class ArrayPredictor:
    """An estimator that reads a float64 matrix in the order of its signature.

    Args:
        columns: Its inputs in order.
        answer: The estimator's function over a C-contiguous matrix (rows, columns).
    """

    def __init__(self, columns: tuple[Column, ...], answer: Callable[[Answers], Any]) -> None:
        self._columns = columns
        self._answer = answer

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in order."""
        return tuple(column.name for column in self._columns)

    def predict(self, columns: Mapping[str, Answers]) -> Answers:
        """Answer rows.

        Raises:
            ValueError: A column is missing, or is not of its type.
        """
        given = [column.checked(_taken(columns, column.name)) for column in self._columns]
        matrix = np.empty((len(given[0]), len(given)), dtype=np.float64)
        for position, values in enumerate(given):
            matrix[:, position] = values
        return _as_array(self._answer(matrix))


class FramePredictor:
    """Any model that reads a frame whose columns have the dtypes of its signature.

    The columns are cast here, so that MLflow's coercion, which depends on the values, has nothing
    left to decide.

    Args:
        columns: Its inputs in order.
        answer: The model's function over a frame.
    """

    def __init__(self, columns: tuple[Column, ...], answer: Callable[[Any], Any]) -> None:
        self._columns = columns
        self._answer = answer

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in order."""
        return tuple(column.name for column in self._columns)

    def predict(self, columns: Mapping[str, Answers]) -> Answers:
        """Answer rows.

        Raises:
            ValueError: A column is missing, or is not of its type.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {column.name: _cast(column, _taken(columns, column.name)) for column in self._columns}
        )
        return _as_array(self._answer(frame))


def forget_names(estimator: object, names: tuple[str, ...]) -> bool:
    """Make an estimator that was fitted on a frame take a bare matrix, where that is the same.

    scikit-learn compares `feature_names_in_` with the names of what it gets, and warns where a
    matrix has none. The matrix is stacked in the order of `names`, so once the names are compared
    here, the attribute has done its work and is taken away, from every estimator inside too.

    Returns:
        False, with nothing changed, where the fitted names differ, or something inside may pick
        columns by their names or is not scikit-learn's own: such a model needs a frame.
    """
    found = list(_parts(estimator))
    if any(_may_use_names(part) for part in found):
        return False
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is not None and tuple(fitted) != names:
        return False
    for part in found:
        vars(part).pop("feature_names_in_", None)
    return True


def _parts(root: object) -> list[object]:
    """Every object with attributes that can be reached from the root, which comes first."""
    parts: list[object] = []
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, (str, bytes, int, float, type(None), type)):
            continue
        seen.add(id(part))
        if isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple, set)):
            waiting.extend(part)
        elif isinstance(part, np.ndarray):
            if part.dtype == object:
                waiting.extend(part.ravel().tolist())
        elif hasattr(part, "__dict__"):
            parts.append(part)
            waiting.extend(vars(part).values())
    return parts


def _may_use_names(part: object) -> bool:
    package = type(part).__module__.split(".", 1)[0]
    return (
        package not in _KNOWN_PACKAGES
        or type(part).__name__ in _NAMED_COLUMNS
        or hasattr(part, "_sklearn_output_config")
    )


def _taken(columns: Mapping[str, Answers], name: str) -> Answers:
    if name not in columns:
        raise ValueError(f"{name}: no such column; there are: {', '.join(sorted(columns))}")
    return np.asarray(columns[name])


def _cast(column: Column, values: Answers) -> Answers:
    dtype = _FRAME_DTYPES.get(column.type)
    checked = column.checked(values)
    return checked if dtype is None else checked.astype(dtype, copy=False)


def _as_array(answers: Any) -> Answers:
    to_numpy = getattr(answers, "to_numpy", None)
    return np.asarray(to_numpy() if to_numpy is not None else answers)
