"""Servers that exist answer as versions, and nothing that they say can do harm."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sluiceway.errors import BadInput
from sluiceway.gateway.backends.http import HttpBackend, Protocol, ServedAt
from sluiceway.serving.ports import BackendFailed, BackendTimeout
from tests.gateway.backends.models import saved
from tests.gateway.backends.servers import free_port, serving

pytestmark = pytest.mark.anyio

LONG = 60.0
ROWS = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([0.5, -1.0, 4.0])}


@pytest.fixture(scope="module")
def mlflow_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A line fitted to a - 2 b, behind MLflow's own server."""
    folder = tmp_path_factory.mktemp("served")
    given = pd.DataFrame(np.random.default_rng(7).normal(size=(50, 2)), columns=["a", "b"])
    fitted = LinearRegression().fit(given, given["a"] - 2 * given["b"])
    saved(folder / "model", fitted, given=given)
    port = free_port()
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local",
                "-m", str(folder / "model"), "-h", "127.0.0.1", "-p", str(port), "-w", "1",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )  # fmt: skip
    try:
        ends = time.monotonic() + 120
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < ends and running.poll() is None:
                try:
                    client.get(f"http://127.0.0.1:{port}/ping")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


async def infer(request: Request) -> Response:
    """A model of its own that speaks v2 to the letter, or not, by its name."""
    content = await request.json()
    tensors = {tensor["name"]: tensor for tensor in content["inputs"]}
    for tensor in tensors.values():
        assert set(tensor) == {"name", "shape", "datatype", "data"}
        assert tensor["shape"] == [len(tensor["data"]), 1]
    a = tensors["a"]
    rows = len(a["data"])
    match request.path_params["name"]:
        case "sum":
            assert a["datatype"] == tensors["b"]["datatype"] == "FP64"
            data = [x + y for x, y in zip(a["data"], tensors["b"]["data"], strict=True)]
            outputs = [{"name": "s", "shape": [rows, 1], "datatype": "FP64", "data": data}]
        case "two":
            outputs = [
                {"name": "x", "shape": [rows], "datatype": "FP64", "data": a["data"]},
                {"name": "y", "shape": [rows], "datatype": "FP64", "data": [9.0] * rows},
            ]
        case "texts":
            assert a["datatype"] == "BYTES"
            outputs = [{"name": "s", "shape": [rows], "datatype": "BYTES", "data": a["data"]}]
        case "lies":
            outputs = [{"name": "s", "shape": [rows + 1], "datatype": "FP64", "data": a["data"]}]
        case "ragged":
            return JSONResponse({"outputs": [{"shape": [2], "data": [[1], [1, 2]]}]})
        case "deep":
            return Response(b"[" * 100_000)
        case "moved":
            return Response(status_code=302, headers={"location": "http://127.0.0.1:1/"})
        case "refuses":
            return JSONResponse({"error": "no such\nthing"}, status_code=400)
        case _:
            while not await request.is_disconnected():
                await asyncio.sleep(0.01)
            outputs = []
    return JSONResponse({"model_name": "m", "outputs": outputs})


@pytest.fixture(scope="module")
def v2_served() -> Iterator[str]:
    with serving(
        Starlette(routes=[Route("/v2/models/{name}/infer", infer, methods=["POST"])])
    ) as at:
        yield at


def v2(at: str, name: str) -> HttpBackend:
    where = ServedAt(protocol=Protocol.V2, url=f"{at}/v2/models/{name}")
    return HttpBackend(f"{name}@1", where, ("a", "b"))


async def test_mlflows_own_server_answers_as_the_model_does(mlflow_served: str) -> None:
    where = ServedAt.parse(f"mlflow+{mlflow_served}", where="here")
    one = HttpBackend("line@1", where, ("a", "b"))
    answers = await one.predict({**ROWS, "c": np.zeros(3)}, deadline=LONG)
    np.testing.assert_allclose(answers, ROWS["a"] - 2 * ROWS["b"], atol=1e-9)
    assert one.inputs == ("a", "b")
    assert one.local is None
    texts = np.array(["x"], dtype=object)
    with pytest.raises(BackendFailed, match="line@1 answers 400: "):
        await one.predict({"a": texts, "b": texts}, deadline=LONG)
    await one.close()


async def test_a_v2_server_answers_as_the_model_does(v2_served: str) -> None:
    one, two = v2(v2_served, "sum"), v2(v2_served, "two")
    np.testing.assert_array_equal(await one.predict(ROWS, deadline=LONG), ROWS["a"] + ROWS["b"])
    missing = {"a": np.array([1.0, np.nan, 3.0]), "b": np.zeros(3)}
    both = await two.predict(missing, deadline=LONG)
    np.testing.assert_array_equal(both, [[1.0, 9.0], [np.nan, 9.0], [3.0, 9.0]])
    texts = v2(v2_served, "texts")
    said = np.array(["EWR", None, "LGA"], dtype=object)
    answers = await texts.predict({"a": said, "b": np.zeros(3)}, deadline=LONG)
    assert answers.tolist() == ["EWR", None, "LGA"]
    for backend in (one, two, texts):
        await backend.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lies", r"lies@1 answers with what is no array: cannot reshape"),
        ("ragged", r"ragged@1 answers with what is no array: holds list values"),
        ("deep", r"deep@1 answers with what is no array: "),
        ("moved", r"moved@1 answers 302: "),
        ("refuses", r'refuses@1 answers 400: \{"error":"no such\\nthing"\}'),
    ],
)
async def test_what_is_no_answer_is_a_failure(v2_served: str, name: str, said: str) -> None:
    one = v2(v2_served, name)
    with pytest.raises(BackendFailed, match=said):
        await one.predict(ROWS, deadline=LONG)
    await one.close()


async def test_a_server_that_hangs_is_late(v2_served: str) -> None:
    one = v2(v2_served, "hangs")
    with pytest.raises(BackendTimeout, match=r"hangs@1 does not answer within 0\.05 seconds"):
        await one.predict(ROWS, deadline=0.05)
    await one.close()


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    one = v2(f"http://127.0.0.1:{free_port()}", "sum")
    with pytest.raises(BackendFailed, match="sum@1 cannot be asked: ConnectError"):
        await one.predict(ROWS, deadline=LONG)
    with pytest.raises(BackendFailed, match="sum@1 reads b, which is missing"):
        await one.predict({"a": np.zeros(1)}, deadline=LONG)
    await one.close()


@pytest.mark.parametrize(
    "text",
    [
        "http://models:1",
        "grpc+http://models:1",
        "v2+file:///etc/passwd",
        "v2+http://",
        "mlflow+http://ada:secret@models:1",
        "mlflow+http://models:1?a=b",
    ],
)
def test_what_is_no_servers_address_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        ServedAt.parse(text, where="dep_delay@2")
    assert str(caught.value).startswith("dep_delay@2: ")
    assert "secret" not in str(caught.value)
