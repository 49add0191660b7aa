"""Logs are lines of JSON with the request's id, written by nobody's request."""

import io
import json
import logging

import pytest

from sluiceway.gateway.http.logs import LOGGER, json_logs
from tests.gateway.http.shopfront import ONE, open_shop, served_shop


def test_requests_and_failures_are_lines_of_json() -> None:
    stream = io.StringIO()
    broken = {"dataframe_records": [{**ONE, "order_id": "broken"}]}
    with (
        open_shop(served=served_shop(), access_log_every=1) as front,
        json_logs(stream),
    ):
        headers = {"x-request-id": "q-7"}
        front.client.post("/invocations/fraud", json=broken, headers=headers)
        front.client.get("/ping")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    failed, request, ping = (
        line for line in lines if line["logger"] == "sluiceway.gateway.requests"
    )
    assert (failed["level"], failed["request_id"], failed["model"]) == ("error", "q-7", "fraud")
    assert "ZeroDivisionError" in failed["traceback"]
    assert (request["status"], request["path"]) == (500, "/invocations/fraud")
    assert request["caller"] == "127.0.0.1"
    assert request["ms"] >= 0
    assert (ping["status"], ping["method"]) == (200, "GET")
    assert all(line["at"].endswith("+00:00") for line in lines)


def test_one_request_in_so_many_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, logger=LOGGER),
        open_shop(served=served_shop(), access_log_every=10) as front,
    ):
        for _ in range(20):
            front.client.get("/ping")
    said = [one for one in caplog.records if one.getMessage() == "request"]
    assert len(said) == 2
    assert vars(said[0])["one_in"] == 10
