"""The Open Inference Protocol, version 2, over REST with JSON tensors.

The specification: https://github.com/kserve/open-inference-protocol. Two things go beyond it: a
missing value of an ``FP*`` or ``BYTES`` tensor is ``null``, and errors carry a code beside their
words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from sluiceway.contracts.values import Contract
from sluiceway.serving.protocols.json_text import read_json
from sluiceway.serving.protocols.provenance import field_names, plain, provenance_of
from sluiceway.serving.protocols.tables import (
    MAX_ROWS,
    Table,
    counted,
    fault_at,
    named_once,
    refuse,
)
from sluiceway.serving.refusals import InputFault, RefusalCode, Refused
from sluiceway.serving.values import Reply

EXTENSIONS: Final = ("null_elements", "sluiceway_provenance")
PLATFORM: Final = "sluiceway"

DATATYPES: Final[Mapping[str, str]] = {
    "double": "FP64",
    "long": "INT64",
    "boolean": "BOOL",
    "string": "BYTES",
}
"""Datatype of a tensor by the type that a contract or a feature declares."""

_WHOLE: Final[Mapping[str, tuple[int, int]]] = {
    f"{sign}INT{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}
_NARROW: Final = {"FP16": np.float16, "FP32": np.float32}
_KNOWN: Final = frozenset({*_WHOLE, *_NARROW, "FP64", "BOOL", "BYTES"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InferenceRequest:
    """What an inference request holds.

    Attributes:
        id: What the client calls it; None where it said nothing.
        outputs: Names of the outputs that are wanted; None for all.
    """

    id: str | None
    table: Table
    outputs: tuple[str, ...] | None


def read_inference(body: bytes, *, max_rows: int = MAX_ROWS) -> InferenceRequest:
    """Read the JSON body of an inference request.

    Raises:
        Refused: It is none; tensors are not of one length, not of one column each, of an unknown
            datatype, or hold what their datatype does not.
    """
    content = read_json(body)
    if type(content) is not dict:
        raise _malformed("the body is no object")
    strange = sorted(content.keys() - {"id", "parameters", "inputs", "outputs"})
    if strange:
        raise _malformed(f"the body has {', '.join(strange)}")
    name = content.get("id")
    if name is not None and type(name) is not str:
        raise _malformed("id is no text")
    _check_parameters(content.get("parameters"), "parameters")
    tensors = content.get("inputs")
    if type(tensors) is not list or not tensors:
        raise _malformed("inputs is no list of tensors")
    shapes = [_shape(tensor, place) for place, tensor in enumerate(tensors)]
    names = [tensor["name"] for tensor in tensors]
    named_once(names, "tensors")
    rows = counted(max(shapes), len(names), max_rows=max_rows)
    faults: list[InputFault] = []
    columns = {t["name"]: _values(t, n, rows, faults) for t, n in zip(tensors, shapes, strict=True)}
    refuse(faults)
    return InferenceRequest(
        id=name,
        table=Table(columns=columns, rows=rows),
        outputs=_outputs(content.get("outputs")),
    )


def check_outputs(request: InferenceRequest, model: str, known: Sequence[str]) -> None:
    """Refuse outputs that a model does not have.

    Raises:
        Refused: One is asked for.
    """
    what = f"{model} has no such output; it has {', '.join(known)}"
    strange = [name for name in request.outputs or () if name not in known]
    refuse([InputFault(field=name, rule="unknown_output", what=what) for name in strange])


def body_of(
    reply: Reply,
    request: InferenceRequest,
    *,
    dtypes: Mapping[str, str],
    version: str | None,
    sticky: bool,
) -> bytes:
    """The inference response.

    Args:
        dtypes: Promised type by output field.
        version: The version that answered every row; None where several did.

    Raises:
        Refused: An output is asked for that the model does not have.
    """
    asked = reply.question
    known = field_names(reply)
    check_outputs(request, asked.model, known)
    wanted = known if request.outputs is None else request.outputs
    said = provenance_of(reply, sticky=sticky)
    # The protocol's parameters are flat, so what is nested travels as JSON in a text.
    said["rows"] = orjson.dumps(said["rows"]).decode()
    response: dict[str, Any] = {
        "model_name": asked.model,
        "id": asked.request_id if request.id is None else request.id,
        "parameters": said,
        "outputs": [_tensor(reply, name, dtypes.get(name, "double")) for name in wanted],
    }
    if version is not None:
        response["model_version"] = version
    return orjson.dumps(response)


def model_metadata(
    contract: Contract, *, inputs: Mapping[str, str], versions: Sequence[str]
) -> dict[str, Any]:
    """What a model takes and gives.

    Args:
        inputs: Declared type by name of each column that a question to it needs.
        versions: What may be asked for by its number.
    """
    return {
        "name": contract.model,
        "versions": list(versions),
        "platform": PLATFORM,
        "inputs": [_described(name, dtype, [-1]) for name, dtype in inputs.items()],
        "outputs": [
            _described(
                one.name,
                one.dtype,
                [-1] if one.embedding is None else [-1, one.embedding.dimension],
            )
            for one in contract.output
        ],
    }


def _described(name: str, dtype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": DATATYPES.get(dtype, "FP64"), "shape": shape}


def _tensor(reply: Reply, name: str, dtype: str) -> dict[str, Any]:
    values = reply.values(f"{reply.question.model}.{name}")
    return {
        "name": name,
        "shape": list(values.shape),
        "datatype": "BYTES" if values.dtype.kind in "OM" else DATATYPES.get(dtype, "FP64"),
        "data": plain(values, dtype),
    }


def _outputs(held: Any) -> tuple[str, ...] | None:
    if held is None:
        return None
    if type(held) is not list:
        raise _malformed("outputs is no list")
    names = []
    for place, output in enumerate(held):
        if type(output) is not dict or type(output.get("name")) is not str:
            raise _malformed(f"outputs[{place}] has no name")
        strange = sorted(output.keys() - {"name", "parameters"})
        if strange:
            raise _malformed(f"outputs[{place}] has {', '.join(strange)}")
        _check_parameters(output.get("parameters"), f"outputs[{place}].parameters")
        names.append(output["name"])
    return tuple(dict.fromkeys(names)) or None


def _shape(tensor: Any, place: int) -> int:
    """The rows that a tensor says it has."""
    where = f"inputs[{place}]"
    if type(tensor) is not dict or type(tensor.get("name")) is not str:
        raise _malformed(f"{where} has no name")
    strange = sorted(tensor.keys() - {"name", "shape", "datatype", "parameters", "data"})
    if strange:
        raise _malformed(f"{where} has {', '.join(strange)}")
    _check_parameters(tensor.get("parameters"), f"{where}.parameters")
    datatype = tensor.get("datatype")
    if type(datatype) is not str or datatype not in _KNOWN:
        raise _malformed(f"{where}.datatype is none of {', '.join(sorted(_KNOWN))}")
    if type(tensor.get("data")) is not list:
        raise _malformed(f"{where}.data is no list")
    shape = tensor.get("shape")
    if type(shape) is not list or not all(type(one) is int and one >= 0 for one in shape):
        raise _malformed(f"{where}.shape is no list of whole numbers")
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        what = f"is of shape {shape[:4]}; one column, [rows] or [rows, 1], is right"
        refuse([InputFault(field=tensor["name"], rule="shape", what=what)])
    return int(shape[0])


def _values(
    tensor: Mapping[str, Any], shape: int, rows: int, faults: list[InputFault]
) -> Sequence[Any]:
    name, datatype, values = tensor["name"], tensor["datatype"], tensor["data"]
    if len(tensor["shape"]) == 2 and any(type(value) is list for value in values):
        if not all(type(value) is list and len(value) == 1 for value in values):
            faults.append(
                InputFault(field=name, rule="shape", what="its rows are not of one value")
            )
            return []
        values = [value[0] for value in values]
    if len(values) != shape or shape != rows:
        what = f"has {len(values)} values and says {shape}, for {rows} rows"
        faults.append(InputFault(field=name, rule="shape", what=what))
        return []
    strange = _strange(datatype, values)
    if strange:
        what = f"holds values that are not {datatype}"
        faults.append(fault_at(name, "dtype", strange, what))
        return []
    if datatype in _NARROW:
        return _narrowed(name, datatype, values, faults)
    return list(map(float, values)) if datatype == "FP64" and None not in values else values


def _strange(datatype: str, values: Sequence[Any]) -> list[int]:
    """Rows whose value is not of the datatype."""
    kinds = set(map(type, values))
    if datatype in _WHOLE:
        low, high = _WHOLE[datatype]
        if kinds == {int} and low <= min(values) and max(values) <= high:
            return []
        return [n for n, one in enumerate(values) if type(one) is not int or not low <= one <= high]
    right: set[type] = {bool}
    if datatype == "BYTES":
        right = {str, type(None)}
    elif datatype != "BOOL":
        right = {float, int, type(None)}
    return [] if kinds <= right else [n for n, one in enumerate(values) if type(one) not in right]


def _narrowed(
    name: str, datatype: str, values: Sequence[Any], faults: list[InputFault]
) -> Sequence[Any]:
    """Values as the narrower type holds them, so that any spelling of one is one number."""
    wide = np.array(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        narrow = wide.astype(_NARROW[datatype]).astype(np.float64)
    lost = np.flatnonzero(np.isinf(narrow))
    if len(lost):
        what = f"holds values beyond {datatype}"
        faults.append(fault_at(name, "too_large", lost.tolist(), what))
    listed: list[float] = narrow.tolist()
    return [None if value is None else one for value, one in zip(values, listed, strict=True)]


def _check_parameters(held: Any, where: str) -> None:
    if held is None:
        return
    if type(held) is not dict:
        raise _malformed(f"{where} is no object")
    binary = sorted(name for name in held if name.startswith("binary_data"))
    if any(held[name] for name in binary):
        what = f"{where}.{binary[0]} asks for binary tensors, which are not spoken here; send JSON"
        raise Refused(RefusalCode.UNSUPPORTED_MEDIA_TYPE, what)


def _malformed(found: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, f"{found}; see the Open Inference Protocol, version 2")
