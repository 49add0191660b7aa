"""Sums along critical paths, against trying every way through random systems."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.contracts.values import Contract
from sluiceway.system.file import read_system
from sluiceway.system.timing import Basis, TimeNeed, Timing
from sluiceway.system.values import Edge, TimeNeeds

CONTRACT = read_system(Path(__file__).parent / "orders" / "system.yaml").models["cost"].contract
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
MODELS = "abcdef"

Reads = dict[str, tuple[Edge, ...]]


def edge(producer: str, consumer: str, *, delayed: int = 0, **needs: timedelta) -> Edge:
    return Edge(
        producer=producer,
        field="x",
        consumer=consumer,
        relies_on=(),
        delayed=delayed * HOUR if delayed else None,
        needs=TimeNeeds(**needs),
    )


def contract(name: str, *, p99: int | None, fresh: int | None, deadline: int = 60) -> Contract:
    return replace(
        CONTRACT,
        model=name,
        deadline=deadline * SECOND,
        latency_p99=None if p99 is None else p99 * SECOND,
        freshness=None if fresh is None else fresh * HOUR,
    )


times = st.none() | st.integers(1, 50)


@st.composite
def systems(draw: st.DrawFn) -> tuple[Reads, dict[str, Contract]]:
    """Models that read earlier ones now, and any of them, themselves too, later."""
    reads: dict[str, list[Edge]] = {name: [] for name in MODELS}
    for consumer in MODELS:
        for producer in MODELS:
            how = draw(st.sampled_from(["not", "not", "now", "later"]))
            if how == "now" and producer < consumer:
                reads[consumer].append(edge(producer, consumer))
            elif how == "later":
                reads[consumer].append(edge(producer, consumer, delayed=draw(st.integers(1, 30))))
    contracts = {
        name: contract(name, p99=draw(times), fresh=draw(times), deadline=draw(st.integers(1, 90)))
        for name in MODELS
    }
    return {name: tuple(edges) for name, edges in reads.items()}, contracts


def ways_now(reads: Reads, model: str) -> Iterator[list[str]]:
    """Every way by answers to the same request that ends at a model."""
    yield [model]
    for one in reads[model]:
        if one.delayed is None:
            yield from ([*way, model] for way in ways_now(reads, one.producer))


@given(given_system=systems())
def test_an_answer_takes_as_long_as_the_longest_way_to_it(
    given_system: tuple[Reads, dict[str, Contract]],
) -> None:
    reads, contracts = given_system
    timing = Timing(reads, contracts)

    def takes(name: str) -> timedelta:
        return contracts[name].latency_p99 or contracts[name].deadline

    for name in MODELS:
        summed = timing.latency(edge(name, "outside"))
        longest = max(sum(map(takes, way), timedelta(0)) for way in ways_now(reads, name))
        assert summed.total == longest
        assert [p.name for p in summed.parts] in list(ways_now(reads, name))
        for part in summed.parts:
            assert part.time == takes(part.name)
            promised = contracts[part.name].latency_p99 is not None
            assert part.basis is (Basis.LATENCY_P99 if promised else Basis.DEADLINE)


def reach(reads: Reads) -> dict[str, set[str]]:
    """Who feeds a model, by any edges, itself where it goes round."""
    found = {name: {one.producer for one in reads[name]} for name in MODELS}
    for _ in MODELS:
        found = {n: f.union(*(found[p] for p in f)) for n, f in found.items()}
    return found


def ways_in_time(reads: Reads, model: str, *, again: bool) -> Iterator[list[Edge]]:
    """Every way that goes round through time at most once, and ends at a model."""
    feeders = reach(reads)
    yield []
    for one in reads[model]:
        closes = one.delayed is not None and one.consumer in feeders[one.producer]
        closes |= one.producer == one.consumer
        if closes and not again:
            continue
        before = ways_in_time(reads, one.producer, again=again and not closes)
        yield from ([*way, one] for way in before)


@given(given_system=systems())
def test_an_answer_rests_on_inputs_as_old_as_the_longest_way_through_time(
    given_system: tuple[Reads, dict[str, Contract]],
) -> None:
    reads, contracts = given_system
    timing = Timing(reads, contracts)
    zero = timedelta(0)
    for name in MODELS:
        totals, silent = [], set()
        for way in ways_in_time(reads, name, again=True):
            models = [*(one.producer for one in way), name]
            totals.append(
                sum((contracts[m].freshness or zero for m in models), zero)
                + sum((one.delayed or zero for one in way), zero)
            )
            silent |= {m for m in models if contracts[m].freshness is None}
        summed = timing.freshness(edge(name, "outside"))
        assert summed.total == max(totals)
        upstream = {m for m in (*reach(reads)[name], name) if contracts[m].freshness is None}
        assert silent <= set(summed.unknown) <= upstream


def test_a_need_that_is_not_kept_is_told_with_every_part() -> None:
    reads = {
        "a": (),
        "b": (edge("a", "b"),),
        "c": (edge("b", "c"),),
        "outside": (edge("c", "outside", latency_p99=3 * SECOND),),
    }
    contracts = {
        "a": contract("a", p99=None, fresh=1, deadline=5),
        "b": contract("b", p99=1, fresh=1),
        "c": contract("c", p99=2, fresh=1),
    }
    (short,) = Timing(reads, contracts).shortfalls()
    assert (short.edge, short.need, short.certain) == ("c.x → outside", TimeNeed.LATENCY_P99, True)
    assert short.sentence == (
        "latency_p99 3s is not kept: the answer may take 8s: "
        "a 5s (its deadline: it promises no p99) + b 1s + c 2s"
    )
    contracts["a"] = contract("a", p99=None, fresh=1, deadline=0)
    assert Timing(reads, contracts).shortfalls() == ()  # 3 s is within 3 s


def test_an_age_that_is_not_promised_is_never_nothing() -> None:
    reads = {"a": (), "b": (edge("a", "b"),), "out": (edge("b", "out", freshness=3 * HOUR),)}
    contracts = {"a": contract("a", p99=1, fresh=None), "b": contract("b", p99=1, fresh=2)}
    (short,) = Timing(reads, contracts).shortfalls()
    assert not short.certain
    assert short.sentence == (
        "freshness 3h cannot be known to be kept: no freshness is promised by a; "
        "the rest comes to 2h: b 2h"
    )
    contracts["b"] = contract("b", p99=1, fresh=4)
    (short,) = Timing(reads, contracts).shortfalls()
    assert short.certain
    assert short.sentence == (
        "freshness 3h is not kept: inputs may be as old as 4h: b 4h, "
        "and more, for no freshness is promised by a"
    )


def test_an_earlier_answer_takes_no_time_and_adds_its_age() -> None:
    reads = {
        "a": (),
        "b": (edge("a", "b", delayed=24),),
        "out": (edge("b", "out", latency_p99=SECOND, freshness=HOUR),),
    }
    contracts = {"a": contract("a", p99=50, fresh=2), "b": contract("b", p99=1, fresh=3)}
    (short,) = Timing(reads, contracts).shortfalls()
    assert short.sentence == (
        "freshness 1h is not kept: inputs may be as old as 29h: a 2h + a.x → b 1d (delayed) + b 3h"
    )


def test_models_that_read_each_other_now_have_no_sums() -> None:
    reads = {"a": (edge("b", "a"),), "b": (edge("a", "b"),)}
    contracts = {name: contract(name, p99=1, fresh=1) for name in "ab"}
    with pytest.raises(ValueError, match="same request"):
        Timing(reads, contracts)
