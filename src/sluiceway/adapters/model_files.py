"""The files of an MLflow model: their digest, their signature, and a predictor made of them.

Nothing here asks a registry, and mlflow itself is imported only for models that need it, so that
a process which meets a candidate for the first time starts fast.
"""

import hashlib
import json
import os
import pickle
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sluiceway.adapters.predictors import (
    ArrayPredictor,
    Column,
    FramePredictor,
    LoadedPredictor,
    forget_names,
)
from sluiceway.errors import SluicewayError

MODEL_FILE: Final = "MLmodel"
_PICKLES: Final = frozenset({"pickle", "cloudpickle"})
_NOTE: Final = "registered_model_meta"
"""What MLflow's own loading leaves beside the files, in the store itself where that is a folder."""
_CHUNK: Final = 1 << 20
"""Bytes read at once."""


class ModelFilesError(SluicewayError):
    """The files cannot be read, are not those that were verified, or make no predictor."""


class FilesChanged(ModelFilesError):
    """The files are not those that were verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What the ``MLmodel`` file says.

    Attributes:
        inputs: Columns of the signature in order; None without a signature of named columns.
        outputs: Names of the answer's columns in order, ``answer`` for those without one; empty
            where the signature says nothing of them.
        predict_function: Name of the function that answers, such as ``predict_proba``.
        pickled: Relative path of the pickled estimator; None where only MLflow can load the model.
    """

    inputs: tuple[Column, ...] | None
    predict_function: str
    pickled: str | None
    outputs: tuple[str, ...] = ()


def digest_of(folder: Path) -> str:
    """Digest over all files of a folder.

    SHA-256 over, for each file in the order of the relative POSIX names, the name, a NUL, and the
    SHA-256 of its bytes. MLflow's note of who loaded the files last is none of them.

    Raises:
        ModelFilesError: The folder is missing or empty, or a link in it leads to another folder.
    """
    return _digest_and_bytes(folder, keep=frozenset())[0]


def copy_files(folder: Path, copy: Path) -> None:
    """Copy all that the digest covers, and nothing else.

    Raises:
        OSError: Something cannot be copied.
    """

    def left_out(parent: str, names: list[str]) -> list[str]:
        return [_NOTE] if _NOTE in names and Path(parent) == folder else []

    shutil.copytree(folder, copy, ignore=left_out)


def describe(folder: Path) -> ModelDescription:
    """Read what the model says of itself.

    Raises:
        ModelFilesError: There is no readable ``MLmodel``.
    """
    try:
        return _description((folder / MODEL_FILE).read_bytes())
    except OSError as error:
        raise ModelFilesError(f"{MODEL_FILE} cannot be read: {error.strerror}") from error


def load_verified(folder: Path, artifact_sha256: str) -> LoadedPredictor:
    """Load a model out of the very bytes that have the expected digest.

    A pickled estimator is made of the bytes that were hashed; any other model is copied to a
    private folder first, which is hashed and then loaded, and lives as long as the predictor.

    Raises:
        FilesChanged: The digest is another one.
        ModelFilesError: There is no signature, or loading raised.
    """
    description = describe(folder)
    wanted = frozenset({MODEL_FILE, description.pickled or MODEL_FILE})
    digest, kept = _digest_and_bytes(folder, keep=wanted)
    _compare(digest, artifact_sha256)
    description = _description(kept[MODEL_FILE])
    if description.inputs is None:
        raise ModelFilesError(
            "has no signature with named columns, so nobody can say what it reads"
        )
    try:
        if description.pickled is not None and description.pickled in kept:
            return _from_pickle(description, kept[description.pickled])
        return _from_mlflow(description.inputs, folder, artifact_sha256)
    except ModelFilesError:
        raise
    except Exception as error:  # any code may run while a model is loaded
        raise ModelFilesError(f"cannot be loaded: {type(error).__name__}: {error}") from error


def _compare(digest: str, verified: str) -> None:
    if digest != verified:
        raise FilesChanged(f"files have digest {digest}, verified was {verified}")


def _names_of(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        for name in folders:
            if (Path(parent) / name).is_symlink():
                raise ModelFilesError(
                    f"{name} links to another folder; a digest would not cover it"
                )
        names = ((Path(parent) / name).relative_to(folder).as_posix() for name in files)
        yield from (name for name in names if name != _NOTE)


def _digest_and_bytes(folder: Path, *, keep: frozenset[str]) -> tuple[str, dict[str, bytes]]:
    """Digest of all files, and the bytes of those to keep exactly as they were hashed."""
    whole = hashlib.sha256()
    kept: dict[str, bytes] = {}
    names = sorted(_names_of(folder))
    if not names:
        raise ModelFilesError("its files are missing")
    for name in names:
        one = hashlib.sha256()
        chunks = []
        try:
            with (folder / name).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    one.update(chunk)
                    if name in keep:
                        chunks.append(chunk)
        except OSError as error:
            raise ModelFilesError(f"{name} cannot be read: {error.strerror}") from error
        if name in keep:
            kept[name] = b"".join(chunks)
        whole.update(name.encode() + b"\0" + one.digest())
    return whole.hexdigest(), kept


def _description(content: bytes) -> ModelDescription:
    try:
        said = YAML(typ="safe").load(content)
        flavors: dict[str, Any] = said.get("flavors") or {}
        signature = said.get("signature") or {}
        specs = json.loads(signature.get("inputs") or "[]")
        named = bool(specs) and all(spec.get("name") is not None for spec in specs)
        answers = json.loads(signature.get("outputs") or "[]")
        columns = tuple(Column(name=spec["name"], type=_type_of(spec)) for spec in specs if named)
        general: dict[str, Any] = flavors.get("python_function") or {}
        estimator: dict[str, Any] = flavors.get("sklearn") or {}
    except (YAMLError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise ModelFilesError(f"{MODEL_FILE} is not what MLflow writes: {error}") from error
    # Own code beside the model, other formats and a policy against pickle are MLflow's business.
    plain = (
        estimator.get("serialization_format") in _PICKLES
        and not estimator.get("code")
        and os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true").lower() in ("true", "1")
    )
    return ModelDescription(
        inputs=columns or None,
        predict_function=general.get("predict_fn", "predict"),
        pickled=estimator.get("pickled_model") if plain else None,
        outputs=tuple(name for spec in answers for name in _answer_columns(spec)),
    )


def _answer_columns(spec: dict[str, Any]) -> list[str]:
    """A named column as it is; of a tensor without a name one for each of its columns."""
    if spec.get("name") is not None:
        return [str(spec["name"])]
    shape = (spec.get("tensor-spec") or {}).get("shape") or [-1]
    columns = shape[1] if len(shape) > 1 and shape[1] > 0 else 1
    return ["answer"] if columns == 1 else [f"answer_{place}" for place in range(columns)]


def _type_of(spec: dict[str, Any]) -> str:
    # A named tensor has no column type of its own; MLflow alone knows how to feed it.
    kind = spec.get("type")
    return kind if isinstance(kind, str) else "object"


def _from_pickle(description: ModelDescription, pickled: bytes) -> LoadedPredictor:
    estimator = pickle.loads(pickled)
    answer = getattr(estimator, description.predict_function, None)
    if answer is None:
        raise ModelFilesError(f"{type(estimator).__name__} has no {description.predict_function}")
    columns = description.inputs or ()
    if all(column.is_exact_in_double for column in columns) and forget_names(
        estimator, tuple(column.name for column in columns)
    ):
        return ArrayPredictor(columns, answer)
    return FramePredictor(columns, answer)


def _from_mlflow(
    columns: tuple[Column, ...], folder: Path, artifact_sha256: str
) -> LoadedPredictor:
    import mlflow.pyfunc

    private = tempfile.mkdtemp(prefix="sluiceway-model-")
    try:
        copy = Path(private) / "model"
        copy_files(folder, copy)
        _compare(digest_of(copy), artifact_sha256)
        predictor = FramePredictor(columns, mlflow.pyfunc.load_model(str(copy)).predict)
    except BaseException:
        shutil.rmtree(private, ignore_errors=True)
        raise
    # A model may read its files as late as in predict.
    weakref.finalize(predictor, shutil.rmtree, private, ignore_errors=True)
    return predictor
