"""A version behind a server that exists: MLflow's own, or any of the Open Inference Protocol v2.

What such a server has loaded cannot be seen from here: the digest of its files is not compared, so
whoever runs it answers for what it serves.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import numpy as np
import orjson

from sluiceway.errors import BadInput, Fault
from sluiceway.gateway.backends.frames import MOST_BYTES, unboxed
from sluiceway.ports import Predictor
from sluiceway.releases import parse_member_name
from sluiceway.serving.ports import BackendFailed, BackendTimeout
from sluiceway.serving.served import Version
from sluiceway.serving.values import Values

_MOST_SAID: Final = 300
"""Characters of a server's own words that are passed on."""
_JSON: Final = {"content-type": "application/json"}
_DATATYPES: Final = {"f": "FP64", "i": "INT64", "u": "UINT64", "b": "BOOL"}


class Protocol(StrEnum):
    """How a server is asked."""

    MLFLOW = "mlflow"
    """``mlflow models serve``: rows as ``dataframe_split`` to ``/invocations``."""
    V2 = "v2"
    """Open Inference Protocol (KServe, MLServer, Triton): a tensor of shape (rows, 1) for each
    column to ``/v2/models/NAME[/versions/VERSION]/infer``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAt:
    """Where a version is served already.

    Attributes:
        url: For MLflow the server's address; for v2 that of the model, such as
            ``http://127.0.0.1:8080/v2/models/dep_delay/versions/2``.
    """

    protocol: Protocol
    url: str

    @property
    def asked_at(self) -> str:
        """Where rows go."""
        last = "invocations" if self.protocol is Protocol.MLFLOW else "infer"
        return f"{self.url.rstrip('/')}/{last}"

    @classmethod
    def parse(cls, text: str, *, where: str) -> "ServedAt":
        """Read ``mlflow+http://127.0.0.1:5001`` or ``v2+https://models/v2/models/dep_delay``.

        Args:
            where: Where that stands, for people.

        Raises:
            BadInput: It is not written so.
        """
        protocol, _, url = text.partition("+")
        parts = urlsplit(url)
        known = protocol in set(Protocol)
        if not known or parts.scheme not in ("http", "https") or not parts.hostname:
            what = (
                f"{text!r} is no server; write mlflow+http://HOST:PORT or "
                "v2+http://HOST:PORT/v2/models/NAME"
            )
            raise BadInput([Fault(where=where, what=what)])
        if parts.username or parts.password or parts.query or parts.fragment:
            what = f"{parts.hostname}: a server's address has no user, password, query or fragment"
            raise BadInput([Fault(where=where, what=what)])
        return cls(protocol=Protocol(protocol), url=url)


def served_elsewhere(declared: Mapping[str, str]) -> dict[Version, ServedAt]:
    """Read which servers answer for which versions.

    Args:
        declared: Address as :meth:`ServedAt.parse` reads it, by ``model@version``.

    Raises:
        BadInput: With all that is not written so.
    """
    found: dict[Version, ServedAt] = {}
    faults: list[Fault] = []
    for name, address in declared.items():
        where = f"served_at: {name}"
        try:
            found[parse_member_name(name)] = ServedAt.parse(address, where=where)
        except BadInput as error:
            faults += error.faults
        except ValueError as error:
            faults.append(Fault(where=where, what=str(error)))
    if faults:
        raise BadInput(faults)
    return found


class HttpBackend:
    """Implements :class:`sluiceway.serving.ports.Backend` by a server that exists.

    Args:
        name: How people call the version, such as ``dep_delay@2``.
        inputs: Columns of its signature, in order.
        most_connections: Most questions that are under way at once.
    """

    def __init__(
        self,
        name: str,
        served_at: ServedAt,
        inputs: tuple[str, ...],
        *,
        most_connections: int = 16,
    ) -> None:
        self._name = name
        self._served_at = served_at
        self._inputs = inputs
        # Of the environment nothing is read: a proxy that it names would see every row.
        self._client = httpx.AsyncClient(
            trust_env=False,
            timeout=None,  # the whole has a deadline
            limits=httpx.Limits(
                max_connections=most_connections, max_keepalive_connections=most_connections
            ),
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in the order of its signature."""
        return self._inputs

    @property
    def local(self) -> Predictor | None:
        """None: it lives elsewhere."""
        return None

    async def predict(self, columns: Mapping[str, Values], *, deadline: float) -> np.ndarray:
        """Answer rows; see :meth:`sluiceway.serving.ports.Backend.predict`.

        Raises:
            BackendTimeout: It gave no answer in time.
            BackendFailed: It cannot be reached, refused, or said what is no answer.
        """
        missing = [name for name in self._inputs if name not in columns]
        if missing:
            raise BackendFailed(f"{self._name} reads {missing[0]}, which is missing")
        given = [columns[name] for name in self._inputs]
        ask = _frame if self._served_at.protocol is Protocol.MLFLOW else _tensors
        try:
            async with asyncio.timeout(deadline):
                status, said = await self._posted(ask(self._inputs, given))
        except TimeoutError:
            said_late = f"does not answer within {deadline:g} seconds"
            raise BackendTimeout(f"{self._name} {said_late}") from None
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise BackendFailed(f"{self._name} cannot be asked: {kind}: {error}") from error
        if status != httpx.codes.OK:
            words = " ".join(said[: 4 * _MOST_SAID].decode(errors="replace").split())
            raise BackendFailed(f"{self._name} answers {status}: {words[:_MOST_SAID]}")
        try:
            content = json.loads(said)
            read = _predictions if self._served_at.protocol is Protocol.MLFLOW else _outputs
            return read(content)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            raise BackendFailed(f"{self._name} answers with what is no array: {error}") from error

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _posted(self, content: bytes) -> tuple[int, bytes]:
        url = self._served_at.asked_at
        async with self._client.stream("POST", url, content=content, headers=_JSON) as reply:
            said = bytearray()
            async for chunk in reply.aiter_bytes():
                said += chunk
                if len(said) > MOST_BYTES:
                    raise httpx.DecodingError(f"it says more than {MOST_BYTES:,} bytes")
            return reply.status_code, bytes(said)


def _frame(inputs: tuple[str, ...], given: list[Values]) -> bytes:
    rows = list(zip(*map(_plain, given), strict=True))
    return orjson.dumps({"dataframe_split": {"columns": inputs, "data": rows}})


def _tensors(inputs: tuple[str, ...], given: list[Values]) -> bytes:
    tensors = [
        {
            "name": name,
            "shape": [len(values), 1],
            "datatype": _DATATYPES.get(values.dtype.kind, "BYTES"),
            "data": _plain(values),
        }
        for name, values in zip(inputs, given, strict=True)
    ]
    return orjson.dumps({"inputs": tensors})


def _plain(values: Values) -> list[Any]:
    """Values as JSON takes them; missing ones are null."""
    if values.dtype.kind == "M":
        return [None if np.isnat(one) else str(one) for one in values]
    return values.tolist()  # type: ignore[no-any-return]


def _predictions(content: Any) -> np.ndarray:
    """MLflow's answer: a value, a list of values, or an object of columns for each row."""
    said = content["predictions"]
    if said and isinstance(said[0], dict):
        names = list(said[0])
        said = [[row[name] for name in names] for row in said]
    return unboxed(np.array(said, dtype=object))


def _outputs(content: Any) -> np.ndarray:
    """The tensors of a v2 answer; several of one value a row stand side by side."""
    tensors = [
        unboxed(np.array(tensor["data"], dtype=object)).reshape(tensor["shape"])
        for tensor in content["outputs"]
    ]
    if len(tensors) == 1:
        only = tensors[0]
        return only[:, 0] if only.ndim == 2 and only.shape[1] == 1 else only
    return np.column_stack(tensors)
