"""A model that is no version yet, as MLflow's files or as a function, and rows of a local file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from sluiceway.adapters.conversation import (
    Conversation,
    ModelFolder,
    PythonFunction,
    conversation,
)
from sluiceway.adapters.model_files import MODEL_FILE, ModelFilesError, describe, digest_of
from sluiceway.adapters.trial_values import TrialCode
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault

Column = np.ndarray[Any, np.dtype[Any]]

LOAD_DEADLINE: Final = timedelta(minutes=2)
"""Longest time in which the model's process may load it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model on this machine.

    Attributes:
        name: How people call it here: the folder, or ``module:function``.
        types: MLflow's type of each input, in order.
        outputs: Names of the answer's columns, where its signature says them.
        source: What its process loads.
    """

    name: str
    types: Mapping[str, str]
    outputs: tuple[str, ...]
    source: ModelFolder | PythonFunction


def local_model(
    text: str, *, contract: Contract | None, rows: Mapping[str, Column], search: Path
) -> LocalModel:
    """Find a model by what a person typed.

    Args:
        text: Folder with an ``MLmodel`` file, or ``module:function``, a function over a frame.
        contract: Says what a function reads, and of which type.
        rows: Values by column: what a function reads where the contract does not say.
        search: Folder in which a function's module is looked for first.

    Raises:
        BadInput: It is neither, or has no signature.
    """
    folder = Path(text)
    if folder.is_dir():
        try:
            described = describe(folder)
            source = ModelFolder(folder=folder.absolute(), artifact_sha256=digest_of(folder))
        except ModelFilesError as error:
            raise BadInput([Fault(where=text, what=str(error))]) from error
        if described.inputs is None:
            what = "has no signature; log it with signature=infer_signature(inputs, answers)"
            raise BadInput([Fault(where=text, what=what)])
        return LocalModel(
            name=text,
            types={column.name: column.type for column in described.inputs},
            outputs=described.outputs,
            source=source,
        )
    module, colon, function = text.partition(":")
    if not (colon and function.isidentifier() and all(p.isidentifier() for p in module.split("."))):
        what = f"is neither a folder with an {MODEL_FILE} nor written like module:function"
        raise BadInput([Fault(where=text, what=what)])
    demanded = {d.name: d.dtype or "double" for d in contract.inputs} if contract else {}
    seen = {name: "double" if v.dtype.kind == "f" else "string" for name, v in rows.items()}
    types = demanded or seen
    if not types:
        what = "nobody says what it reads: neither the contract's inputs nor --data"
        raise BadInput([Fault(where=text, what=what)])
    python = PythonFunction(name=text, columns=tuple(types.items()), search=search)
    return LocalModel(name=text, types=types, outputs=(), source=python)


@contextmanager
def met(model: LocalModel) -> Iterator[Conversation]:
    """A process that loads it and answers as often as it is asked.

    Raises:
        BadInput: There is no such module, or no such function in it.
    """
    with conversation(model.name, model.source, load_deadline=LOAD_DEADLINE) as ask:
        not_loaded = ask.load()
        fault = not_loaded.fault if not_loaded else None
        if fault is not None and fault.code is TrialCode.NOT_THERE:
            what = fault.sentence.removeprefix(f"{model.name} ")
            raise BadInput([Fault(where=model.name, what=what)])
        yield ask


def local_rows(path: Path) -> dict[str, Column]:
    """Rows of a Parquet or CSV file, as a replay gives them: numbers as floats, texts as objects.

    Raises:
        BadInput: The file cannot be read, or is neither.
    """
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv"):
        what = f"is neither a .parquet nor a .csv file, but {path.suffix or 'without an ending'}"
        raise BadInput([Fault(where=str(path), what=what)])
    try:
        frame: pd.DataFrame = pd.read_parquet(path) if kind == ".parquet" else pd.read_csv(path)
    except Exception as error:  # pandas and pyarrow raise whatever their parsers meet
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise BadInput([Fault(where=str(path), what=f"cannot be read: {said}")]) from error
    return {str(name): _column(frame[name]) for name in frame.columns}


def _column(values: "pd.Series[Any]") -> Column:
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = values.isna().to_numpy()
    texts = values.astype(str).to_numpy(dtype=object)
    texts[missing] = None
    return np.asarray(texts)
