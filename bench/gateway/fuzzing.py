"""Requests of every kind of nonsense against a running gateway: all answered, none with a 500."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_TYPES = (
    *(b"", b"text/plain", b"application/octet-stream", b"application/json; charset=utf-16"),
    *(b"application/json; charset=utf-8", b"text/csv", b"application/json"),
)
_DATATYPES = ("FP64", "FP32", "FP16", "INT64", "UINT8", "BOOL", "BYTES", "FP128")
_HEADERS = (b"unit", b"event-time", b"consumer", b"arm")
_HEADER_VALUES = (
    *(b"unit-1", b"2026-01-01T00:00:00Z", b"1767225600000000", b"candidate", b"2999-01-01T00:00Z"),
    *("é".encode(), b"\xff\xfe", b"", b"x" * 300, b"0"),
)
_TEXTS = st.text(max_size=12)
_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | _TEXTS
    | st.sampled_from(["NaN", "2026-01-01T00:00:00Z", "9" * 40, "\u0000", "=1+1"])
)
_VALUES = st.recursive(
    _ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
"""Hypothesis draws the odd values; where they stand is drawn by an ordinary generator, since every
draw of Hypothesis costs as much as a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = field(repr=False)


def fuzz(
    base_url: str, requests: int, *, number: int = 0, token: str | None = None
) -> dict[str, int]:
    """Send so many requests, one after the other.

    Args:
        base_url: Of a gateway that serves something.
        requests: How many; the same ones every time for the same `number`.
        number: Seed.
        token: Bearer token, where one is needed.

    Returns:
        ``sent``, ``unanswered``, ``server_faults`` (status 500, or any answer of 400 and above
        without a code), ``alive`` (1 where the gateway still answers what it answered before), and
        how many had each status.
    """
    counts: Counter[str] = Counter()
    authorization = {} if token is None else {"authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=base_url, timeout=60, trust_env=False, headers=authorization
    ) as client:
        rows = examples_of(client.get("/openapi.json").json())

        @seed(number)
        @settings(
            max_examples=requests,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=False,
        )
        @given(st.integers(0, 2**63), st.lists(_VALUES, min_size=3, max_size=3))
        def send(seed: int, values: list[Any]) -> None:
            sent = request_of(random.Random(seed), values, rows)
            counts["sent"] += 1
            try:
                answer = client.request(
                    sent.method,
                    f"{base_url}{sent.path}",
                    headers=list(sent.headers),
                    content=sent.body,
                )
            except httpx.HTTPError:
                counts["unanswered"] += 1
                return
            counts[str(answer.status_code)] += 1
            if answer.status_code == 500 or not _clear(answer):
                counts["server_faults"] += 1

        send()
        model, row = next(iter(rows.items()))
        asked = client.post(f"/invocations/{model}", json={"dataframe_records": [row]})
        counts["alive"] = int(asked.status_code == 200)
    return {"unanswered": 0, "server_faults": 0, **counts}


def examples_of(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A good row by model, from the OpenAPI document's examples."""
    rows = {}
    for path, item in document["paths"].items():
        name = path.removeprefix("/invocations/")
        if name == path or "/" in name:
            continue
        examples = item["post"]["requestBody"]["content"]["application/json"]["examples"]
        rows[name] = examples["records"]["value"]["dataframe_records"][0]
    return rows


def _clear(answer: httpx.Response) -> bool:
    """Whether a refusal says its code to a machine."""
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return True
    try:
        body = answer.json()
    except ValueError:
        return False
    return isinstance(body.get("code"), str) and isinstance(body.get("error"), str)


def request_of(
    chance: random.Random, values: Sequence[Any], rows: Mapping[str, Mapping[str, Any]]
) -> Sent:
    """A request that is wrong in some way, or in none.

    Args:
        chance: Decides what is wrong.
        values: Odd values to put somewhere.
        rows: A good row by model.
    """
    model = chance.choice(sorted(rows))
    kind = chance.choices(("mlflow", "inference", "csv", "noise"), (5, 4, 1, 2))[0]
    version = chance.choices(("", "/versions/1", "/versions/999"), (8, 2, 1))[0]
    path = f"/invocations/{model}{version}"
    if kind == "inference" or (kind == "noise" and chance.random() < 0.5):
        path = f"/v2/models/{model}{version}/infer"
    if chance.random() < 0.05:
        odd = quote("".join(chance.choices("abc12/%._-é ", k=chance.randint(0, 20))), safe="/%")
        roots = ("/invocations/", "/v2/", "/", f"/v2/models/{model}/versions/")
        path = chance.choice(roots) + odd
    headers = [(b"content-type", b"text/csv" if kind == "csv" else b"application/json")]
    if chance.random() < 0.08:
        headers = [(b"content-type", chance.choice(_TYPES))]
    for name in _HEADERS:
        if chance.random() < 0.05:
            headers.append((b"x-sluiceway-" + name, chance.choice(_HEADER_VALUES)))
    if chance.random() < 0.05:
        headers.append((b"x-request-id", chance.choice(_HEADER_VALUES)))
    methods = ("POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
    return Sent(
        method=chance.choices(methods, (60, 1, 1, 1, 1, 1, 1))[0],
        path=path,
        headers=tuple(headers),
        body=_BODIES[kind](chance, values, rows[model]),
    )


def _rows(
    chance: random.Random, values: Sequence[Any], row: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A few rows like the good one, with odd values in the place of some of its own."""
    made = []
    for _ in range(chance.choice((1, 1, 2, 4))):
        changed = dict(row)
        for value in values[: chance.choice((0, 0, 1, 1, 2, 3))]:
            name = chance.choice(sorted(row))
            if chance.random() < 0.2:
                changed.pop(name, None)
            else:
                changed[name if chance.random() < 0.9 else str(value)[:20]] = value
        made.append(changed)
    return made


def _mlflow(chance: random.Random, values: Sequence[Any], row: Mapping[str, Any]) -> bytes:
    rows = _rows(chance, values, row)
    names = list(dict.fromkeys(name for one in rows for name in one))
    columns = {name: [one.get(name) for one in rows] for name in names}
    data = [[one.get(name) for name in names] for one in rows]
    forms = ("dataframe_records", "dataframe_split", "instances", "inputs")
    held: dict[str, Any] = {
        "dataframe_records": rows,
        "dataframe_split": {"columns": names, "data": data},
        "instances": rows,
        "inputs": columns,
    }
    form = chance.choice(forms)
    body = {form: held[form if chance.random() < 0.9 else chance.choice(forms)]}
    if chance.random() < 0.1:
        body[chance.choice(("params", "x", *forms))] = values[0]
    return _written(body)


def _inference(chance: random.Random, values: Sequence[Any], row: Mapping[str, Any]) -> bytes:
    rows = _rows(chance, values, row)
    names = list(dict.fromkeys(name for one in rows for name in one))
    tensors = []
    for name in names:
        held = [one.get(name) for one in rows]
        right = "BYTES" if isinstance(row.get(name), str) else "FP64"
        shapes = ([len(held)], [len(held), 1], [3, 2], [2**60], [], values[0])
        tensors.append(
            {
                "name": name,
                "shape": chance.choices(shapes, (80, 10, 1, 1, 1, 1))[0],
                "datatype": right if chance.random() < 0.95 else chance.choice(_DATATYPES),
                "data": held,
            }
        )
    body: dict[str, Any] = {"inputs": tensors}
    for name in ("id", "outputs", "parameters", "x"):
        if chance.random() < 0.05:
            body[name] = chance.choice(values)
    return _written(body)


def _csv(chance: random.Random, _values: Sequence[Any], row: Mapping[str, Any]) -> bytes:
    cells = ("1", "x", "", '"', "NaN", "1e999", "=1", "\x00", "é", "9" * 30)
    line = [str(value) for value in row.values()]
    for _ in range(chance.choice((0, 1, 2))):
        line[chance.randrange(len(line))] = chance.choice(cells)
    if chance.random() < 0.1:
        line.pop()
    return "\n".join([",".join(row), ",".join(line)]).encode()


def _noise(chance: random.Random, values: Sequence[Any], row: Mapping[str, Any]) -> bytes:
    """Bytes that are no body at all, or one that was hurt on the way."""
    good = json.dumps({"dataframe_records": [dict(row)]}).encode()
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 200))
    if kind == 1:
        return good[: chance.randint(0, len(good))]
    if kind == 2:
        hurt = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            hurt[chance.randrange(len(hurt))] = chance.randrange(256)
        return bytes(hurt)
    if kind == 3:
        opening = chance.choice((b"[", b'{"a":', b'"\\', b"[[{"))
        return opening * chance.choices((10, 1_000, 100_000, 2_000_000), (10, 10, 5, 1))[0]
    return _written(values[0])


def _written(body: Any) -> bytes:
    # Python writes NaN, Infinity and lone surrogates, which are no JSON: nonsense that is wanted.
    return json.dumps(body).encode("utf-8", "surrogatepass")


_BODIES = {"mlflow": _mlflow, "inference": _inference, "csv": _csv, "noise": _noise}
