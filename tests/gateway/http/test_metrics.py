"""What is counted is what happened, in Prometheus' own format."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluiceway.gateway.watching import HardRule
from sluiceway.serving.breaker import BreakerState
from tests.gateway.http.shopfront import ONE, ROLLOUT, Shopfront, open_shop, served_shop


@pytest.fixture
def front() -> Iterator[Shopfront]:
    with open_shop(served=served_shop(weight=50)) as front:
        yield front


def counted(front: Shopfront) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values, labels in the order of their names."""
    answer = front.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_answers_fallbacks_and_refusals_are_counted(front: Shopfront) -> None:
    post = front.client.post
    arms = {}
    for unit in ("o-1", "o-7"):
        order = {**ONE, "order_id": unit}
        said = post("/invocations/priority", json={"dataframe_records": [order]}).json()
        arms[unit] = said["sluiceway"]["rows"][0]["arm"]
    assert arms == {"o-1": "baseline", "o-7": "candidate"}
    both = [{**ONE, "order_id": unit} for unit in ("o-1", "o-7", "o-1")]
    post("/invocations/priority", json={"dataframe_records": both})
    down = [{**ONE, "order_id": "down-7"}]
    post("/invocations/handling", json={"dataframe_records": down})
    post("/invocations/fraud/versions/2", json={"dataframe_records": [ONE]})
    post("/invocations/fraud", json={"nonsense": 1})
    post("/invocations/nope", json={"dataframe_records": [ONE]})
    seen = counted(front)
    # arm, code, model, version
    assert seen["sluiceway_requests_total", "baseline", "ok", "priority", "1"] == 1
    assert seen["sluiceway_requests_total", "candidate", "ok", "priority", "1"] == 1
    assert seen["sluiceway_requests_total", "mixed", "ok", "priority", ""] == 1
    assert seen["sluiceway_requests_total", "", "malformed", "fraud", ""] == 1
    assert seen["sluiceway_requests_total", "baseline", "ok", "fraud", "2"] == 1
    assert seen["sluiceway_rows_total", "baseline", "priority", "1"] == 3
    assert seen["sluiceway_rows_total", "candidate", "priority", "1"] == 2
    assert seen["sluiceway_refused_total", "malformed"] == 1
    assert seen["sluiceway_refused_total", "unknown_model"] == 1
    assert not any("nope" in key for key in seen), "no label comes from a client"
    fallbacks = {key: n for key, n in seen.items() if key[0] == "sluiceway_fallbacks_total"}
    assert list(fallbacks.values()) == [1.0]
    assert next(iter(fallbacks))[2:] == ("handling", "error", "1")
    assert seen["sluiceway_request_seconds_count", "mixed", "priority"] == 1
    # fraud is asked on the way by every arm of every request
    asked = [n for key, n in seen.items() if key[0] == "sluiceway_model_seconds_count"]
    assert sum(asked) == 4 * 4 + 2 + 1
    assert seen["sluiceway_model_seconds_count", "candidate", "fraud", "2"] >= 2


def test_what_serves_and_what_happens_behind_the_answers_is_counted(front: Shopfront) -> None:
    front.client.post("/invocations/fraud", json={"dataframe_records": [ONE]})
    metrics = front.metrics
    metrics.mirror_dropped(5)
    metrics.log_queue(17)
    metrics.log_lost(2)
    metrics.flags_broken(lambda: True)
    metrics.breaker_moved(("fraud", "2"), BreakerState.OPEN)
    metrics.breaker_moved(("fraud", "1"), BreakerState.CLOSED)
    rule = HardRule(
        rollout_id=ROLLOUT,
        revision=7,
        model="fraud",
        version="2",
        code="breaker_open",
        broken=9,
        rows=10,
        what="NaN",
    )
    metrics.halted(rule)
    seen = counted(front)
    assert seen["sluiceway_loaded_generation",] == 3
    assert seen["sluiceway_routing_revision",] == 7
    assert seen["sluiceway_mirror_dropped_total",] == 5
    assert seen["sluiceway_log_queue",] == 17
    assert seen["sluiceway_log_lost_total",] == 2
    assert seen["sluiceway_flags_broken",] == 1
    assert seen["sluiceway_breaker_state", "fraud", "2"] == 2
    assert seen["sluiceway_breaker_state", "fraud", "1"] == 0
    assert seen["sluiceway_halted_total", "fraud", "breaker_open", "2"] == 1
