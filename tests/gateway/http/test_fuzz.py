"""Nonsense of every kind is answered, never with a 500, and the worker lives."""

from bench.gateway.fuzzing import fuzz
from tests.gateway.http.shopfront import shop_process

REQUESTS = 600
"""A fraction of the ten thousand that the bench sends."""


def test_none_is_unanswered_none_is_a_server_fault() -> None:
    with shop_process() as (url, process):
        counts = fuzz(url, REQUESTS)
        assert process.poll() is None, "the worker was lost"
    assert counts["sent"] == REQUESTS
    assert counts["unanswered"] == 0
    assert counts["server_faults"] == 0
    assert counts["alive"] == 1
    assert counts["200"] > 0, "some of it is good"
    for status in ("400", "404", "405", "413", "415", "422"):
        assert counts[status] > 0, f"nothing of it is a {status}"
