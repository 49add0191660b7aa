"""Nobody may ask more than their share, and nobody waits behind too many."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.gateway.http.limits import REMEMBERED, Limits, TokenBuckets
from sluiceway.serving.values import Question, Reply
from tests.gateway.http.shopfront import ONE, ShopEngine, open_shop, served_shop

RECORDS = {"dataframe_records": [ONE]}


@given(
    st.lists(st.floats(0, 0.4), max_size=200), st.integers(1, 20), st.sampled_from([1.0, 5.0, 50.0])
)
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(
    gaps: list[float], burst: int, rate: float
) -> None:
    buckets = TokenBuckets(rate=rate, burst=burst)
    now, given_away = 0.0, 0
    for gap in gaps:
        now += gap
        given_away += buckets.take("a", now) == 0.0
        assert given_away <= burst + rate * now + 1e-6


def test_whoever_waits_as_long_as_told_is_let_in() -> None:
    buckets = TokenBuckets(rate=3.0, burst=2)
    now = 100.0
    for _ in range(20):
        wait = buckets.take("a", now)
        if wait:
            now += wait + 1e-9
            assert buckets.take("a", now) == 0.0
    assert buckets.take("another", now) == 0.0


def test_callers_are_forgotten_before_they_fill_the_memory() -> None:
    buckets = TokenBuckets(rate=0.001, burst=1)
    for n in range(REMEMBERED + 1_000):
        buckets.take(str(n), 0.0)
    assert len(buckets._levels) == REMEMBERED


def test_too_many_requests_are_told_when_to_come_back() -> None:
    limits = Limits(rate=0.01, burst=3)
    with open_shop(served=served_shop(), limits=limits) as front:
        asked = [front.client.post("/invocations/fraud", json=RECORDS) for _ in range(4)]
        assert [answer.status_code for answer in asked] == [200, 200, 200, 429]
        assert asked[-1].json()["code"] == "too_many_requests"
        assert 90 <= int(asked[-1].headers["retry-after"]) <= 100
        assert front.client.get("/ping").status_code == 200, "probes cost nothing"


class Slow(ShopEngine):
    """Answers once it is told to."""

    def __init__(self) -> None:
        super().__init__(served_shop())
        self.asked = threading.Event()
        self.go_on = threading.Event()

    async def answer(self, question: Question) -> Reply:
        self.asked.set()
        while not self.go_on.is_set():
            await asyncio.sleep(0.005)
        return await super().answer(question)


def test_more_than_can_be_answered_is_refused_and_the_rest_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Slow()
    monkeypatch.setattr("tests.gateway.http.shopfront.ShopEngine", lambda _: slow)
    with open_shop(served=None, limits=Limits(concurrent=1)) as front:
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(front.client.post("/invocations/fraud", json=RECORDS).status_code)

        first = threading.Thread(target=ask)
        first.start()
        assert slow.asked.wait(10)
        refused = front.client.post("/invocations/fraud", json=RECORDS)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        slow.go_on.set()
        first.join(10)
        assert statuses == [200]
        assert front.client.post("/invocations/fraud", json=RECORDS).status_code == 200
