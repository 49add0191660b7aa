"""Whatever is sent, a clear refusal comes back, and the worker goes on."""

import json
import logging
import socket
from typing import Any

import httpx
import pytest

from sluiceway.gateway.http.limits import Limits
from tests.gateway.http.shopfront import ONE, Shopfront, open_shop, served_shop

JSON = {"content-type": "application/json"}
RECORDS = {"dataframe_records": [ONE]}
FAULT = {"field", "rule", "rows", "count", "what"}


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, whose shape is the same everywhere."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error", "code", "request_id", "faults"}
    assert body["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["error"]
    assert all(set(fault) == FAULT for fault in body["faults"])
    for leak in ("Traceback", 'File "', "Error("):
        assert leak not in answer.text
    return body


def raw(port: int, text: bytes, *, seconds: float = 10.0) -> bytes:
    """Everything that a server says to some bytes until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(text)
        said = b""
        try:
            while chunk := connection.recv(65536):
                said += chunk
        except TimeoutError:
            pass
        return said


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "malformed"),
    "half of it": (b'{"dataframe_records": [', 400, "malformed"),
    "NaN": (b'{"inputs": {"order_id": ["a"], "amount": [NaN]}}', 400, "malformed"),
    "Infinity": (b'{"inputs": {"order_id": ["a"], "amount": [Infinity]}}', 400, "malformed"),
    "no double": (b'{"inputs": {"order_id": ["a"], "amount": [1e999]}}', 400, "malformed"),
    "a huge number": (
        b'{"inputs": {"order_id": ["a"], "amount": [1e300]}}',
        422,
        "out_of_contract",
    ),
    "a huge whole number": (
        b'{"inputs": {"order_id": ["a"], "amount": [9007199254740993]}}',
        413,
        "too_large",
    ),
    "a number of a thousand digits": (
        b'{"inputs": {"order_id": ["a"], "amount": [' + b"9" * 1000 + b"]}}",
        400,
        "malformed",
    ),
    "3 MB of nesting": (b"[" * 3_000_000, 413, "too_large"),
    "10 MB of nesting": (b"[" * 10_000_000, 413, "too_large"),
    "10 MB of objects": (b'{"a":' * 2_000_000, 413, "too_large"),
    "3 MB of quotes": (b'{"' + b'\\"' * 1_500_000, 400, "malformed"),
    "bytes that are no UTF-8": (b'{"inputs": {"\xff": [1]}}', 400, "malformed"),
    "a null byte": (b'{"inputs": {"order_id": ["a"]}}\x00', 400, "malformed"),
    "no unit": (b'{"inputs": {"amount": [1]}}', 422, "unit_missing"),
    "an empty unit": (b'{"inputs": {"order_id": [""], "amount": [1]}}', 422, "unit_missing"),
    "a unit that is a list": (b'{"inputs": {"order_id": [[1, 2]]}}', 422, "unit_missing"),
    "a unit that is a truth value": (b'{"inputs": {"order_id": [true]}}', 422, "unit_missing"),
    "a unit with a fraction": (b'{"inputs": {"order_id": [1.5]}}', 422, "unit_missing"),
    "a clock that is ahead": (
        b'{"inputs": {"order_id": ["a"], "event_time": ["2999-01-01T00:00:00Z"]}}',
        422,
        "out_of_contract",
    ),
    "a time without offset": (
        b'{"inputs": {"order_id": ["a"], "event_time": ["2026-01-01T00:00:00"]}}',
        422,
        "out_of_contract",
    ),
    "a column twice as long": (
        b'{"inputs": {"order_id": ["a"], "amount": [1, 2]}}',
        422,
        "out_of_contract",
    ),
    "a column missing": (b'{"inputs": {"order_id": ["a"]}}', 422, "out_of_contract"),
    "a text for a number": (
        b'{"inputs": {"order_id": ["a"], "amount": ["x"], "signal": [0]}}',
        422,
        "out_of_contract",
    ),
    "too many rows": (
        json.dumps({"inputs": {"order_id": ["a"] * 10_001}}).encode(),
        413,
        "too_large",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused(shop: Shopfront, name: str) -> None:
    body, status, code = BODIES[name]
    answer = shop.client.post("/invocations/fraud", content=body, headers=JSON)
    refusal(answer, status, code)
    assert shop.client.post("/invocations/fraud", json=RECORDS).status_code == 200


TENSORS: dict[str, tuple[Any, int, str]] = {
    "no inputs": ({}, 400, "malformed"),
    "a wrong name": (
        [
            {"name": "order_id", "shape": [1], "datatype": "BYTES", "data": ["a"]},
            {"name": "amonut", "shape": [1], "datatype": "FP64", "data": [1.0]},
        ],
        422,
        "out_of_contract",
    ),
    "an unknown datatype": (
        [{"name": "amount", "shape": [1], "datatype": "FP128", "data": [1.0]}],
        400,
        "malformed",
    ),
    "a shape that lies": (
        [{"name": "amount", "shape": [10**18], "datatype": "FP64", "data": [1.0]}],
        413,
        "too_large",
    ),
    "a shape that is too small": (
        [{"name": "amount", "shape": [1], "datatype": "FP64", "data": [1.0, 2.0]}],
        422,
        "out_of_contract",
    ),
}


@pytest.mark.parametrize("name", TENSORS)
def test_bad_tensors_are_refused(shop: Shopfront, name: str) -> None:
    inputs, status, code = TENSORS[name]
    answer = shop.client.post("/v2/models/fraud/infer", json={"inputs": inputs})
    refusal(answer, status, code)


def test_an_output_that_a_model_does_not_have_is_refused_before_it_is_asked(
    shop: Shopfront,
) -> None:
    column = {"name": "order_id", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    asked = len(shop.engine.questions)
    body = {"inputs": [column], "outputs": [{"name": "nope"}]}
    said = refusal(shop.client.post("/v2/models/fraud/infer", json=body), 422, "out_of_contract")
    assert said["faults"][0]["field"] == "nope"
    assert len(shop.engine.questions) == asked


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/octet-stream"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/x-www-form-urlencoded"},
    ],
)
@pytest.mark.parametrize("path", ["/invocations/fraud", "/v2/models/fraud/infer"])
def test_another_content_type_is_refused(
    shop: Shopfront, path: str, headers: dict[str, str]
) -> None:
    answer = shop.client.post(path, content=b"{}", headers=headers)
    refusal(answer, 415, "unsupported_media_type")


def test_the_binary_extension_is_refused(shop: Shopfront) -> None:
    headers = JSON | {"inference-header-content-length": "2"}
    answer = shop.client.post("/v2/models/fraud/infer", content=b"{}\x00\x01", headers=headers)
    refusal(answer, 415, "unsupported_media_type")
    csv = {"content-type": "text/csv"}
    answer = shop.client.post("/v2/models/fraud/infer", content=b"a\n1\n", headers=csv)
    refusal(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/invocations/nope", "unknown_model"),
        ("/invocations/" + "x" * 5000, "unknown_model"),
        ("/invocations/fraud/versions/9", "unknown_version"),
        ("/v2/models/nope/infer", "unknown_model"),
        ("/v2/models/fraud/versions/0/infer", "unknown_version"),
        ("/v2/models/%00/infer", "unknown_model"),
        ("/v2/models/%ff%fe/infer", "unknown_model"),
        ("/invocations", "unknown_path"),
        ("/invocations/fraud/", "unknown_path"),
        ("/", "unknown_path"),
    ],
)
def test_unknown_models_versions_and_paths_are_refused(
    shop: Shopfront, path: str, code: str
) -> None:
    refusal(shop.client.post(path, json=RECORDS), 404, code)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_refused(shop: Shopfront, method: str) -> None:
    answer = shop.client.request(method, "/invocations/fraud")
    refusal(answer, 405, "wrong_method")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-sluiceway-arm": "both"},
        {"x-sluiceway-consumer": ""},
        {"x-sluiceway-consumer": "x" * 129},
        {"x-sluiceway-consumer": b"\xff"},
        {"x-sluiceway-unit": b"\xff\xfe"},
        {"x-sluiceway-event-time": b"\xff"},
    ],
)
def test_headers_that_make_no_sense_are_refused(shop: Shopfront, headers: Any) -> None:
    answer = shop.client.post("/invocations/fraud", json=RECORDS, headers=headers)
    refusal(answer, 400, "malformed")


def test_all_faults_of_the_rows_are_told(shop: Shopfront) -> None:
    rows = [{**ONE, "amount": -1}, {**ONE, "signal": 99}, ONE]
    answer = shop.client.post("/invocations/fraud", json={"dataframe_records": rows})
    said = refusal(answer, 422, "out_of_contract")
    assert [(f["field"], f["rule"], f["rows"], f["count"]) for f in said["faults"]] == [
        ("amount", "range", [0], 1),
        ("signal", "range", [1], 1),
    ]


def test_what_nobody_expected_is_a_500_without_a_word_of_it(
    shop: Shopfront, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {"dataframe_records": [{**ONE, "order_id": "broken"}]}
    with caplog.at_level(logging.ERROR, logger="sluiceway.gateway"):
        answer = shop.client.post("/invocations/fraud", json=broken)
    said = refusal(answer, 500, "internal")
    assert "secret" not in answer.text
    (record,) = caplog.records
    assert vars(record)["request_id"] == said["request_id"]
    assert record.exc_info is not None
    assert shop.client.post("/invocations/fraud", json=RECORDS).status_code == 200


def test_a_body_beyond_the_limit_is_answered_and_the_connection_goes_on(shop: Shopfront) -> None:
    for content in (b"x" * 5_000_000, (b"x" * 100_000 for _ in range(50))):
        answer = shop.client.post("/invocations/fraud", content=content, headers=JSON)
        refusal(answer, 413, "too_large")
        assert "connection" not in answer.headers


def test_a_body_that_is_announced_and_absurd_is_refused_at_once(shop: Shopfront) -> None:
    head = b"POST /invocations/fraud HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    said = raw(shop.port, head + b"content-length: 99999999999\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in said.lower()
    waiting = head + b"expect: 100-continue\r\ncontent-length: 9999999\r\n\r\n"
    assert raw(shop.port, waiting).startswith(b"HTTP/1.1 413 ")


HTTP_NOISE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET \xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST /invocations/fraud HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    b"POST /invocations/fraud HTTP/1.1\r\nhost: x\r\ncontent-length: 1e3\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\nabcd",
    b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nx" + b"y" * 400_000,
]


@pytest.mark.parametrize("noise", HTTP_NOISE, ids=lambda noise: repr(noise[:40]))
def test_what_is_no_http_is_answered_and_closed(shop: Shopfront, noise: bytes) -> None:
    said = raw(shop.port, noise)
    assert said.split(b" ")[1] in (b"400", b"404", b"413", b"431"), said[:200]
    assert b"Traceback" not in said
    assert shop.client.get("/ping").status_code == 200


def test_the_slow_and_the_silent_are_let_go() -> None:
    limits = Limits(body_seconds=0.3, header_seconds=0.3)
    head = b"POST /invocations/fraud HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with open_shop(served=served_shop(), limits=limits) as front:
        late = raw(front.port, head + b"content-length: 100\r\n\r\n{")
        assert late.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"too_slow"' in late
        assert raw(front.port, head).startswith(b"HTTP/1.1 408 ")
        assert raw(front.port, b"").startswith(b"HTTP/1.1 408 ")
        assert front.client.post("/invocations/fraud", json=RECORDS).status_code == 200


def test_clients_that_hang_up_leave_nothing_behind(
    shop: Shopfront, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /invocations/fraud HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with caplog.at_level(logging.ERROR):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", shop.port)) as connection:
                connection.sendall(head + b"content-length: 100\r\n\r\n{")
        assert shop.client.post("/invocations/fraud", json=RECORDS).status_code == 200
    assert not caplog.records
