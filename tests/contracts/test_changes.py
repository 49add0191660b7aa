"""A change of a contract is named, has a direction, and breaks whoever relied on it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.contracts.change_kinds import (
    RULES,
    Bump,
    Change,
    ChangeKind,
    Direction,
    Side,
    sentence,
)
from sluiceway.contracts.changes import (
    VersionCode,
    broken_edges,
    check_version,
    diff,
    required_bump,
    version_sentence,
)
from sluiceway.contracts.values import (
    BehaviouralPromise,
    Contract,
    InputDemand,
    OutputField,
    QuantilePromise,
    ScalePromise,
)
from sluiceway.system.values import Edge, Reliance

K = ChangeKind
PROMISE = BehaviouralPromise(
    measured_on="July",
    scale=ScalePromise(reference=10.0, low=0.5, high=2.0),
    quantiles=QuantilePromise(reference={0.5: 3.0}, tolerance=1.0),
)
FIELD = OutputField(
    name="minutes",
    position=0,
    dtype="double",
    unit="minutes",
    low=-60.0,
    high=600.0,
    nullable=False,
    promise=PROMISE,
)
DEMAND = InputDemand(name="distance", unit="miles", low=0.0, high=5000.0, nullable=False)
OLD = Contract(
    model="dep_delay",
    version="1.2.3",
    output=(FIELD,),
    inputs=(DEMAND,),
    deadline=timedelta(seconds=5),
    fallback={"minutes": 12.0},
)


def with_field(**changes: Any) -> Contract:
    return replace(OLD, output=(replace(FIELD, **changes),))


def with_promise(**changes: Any) -> Contract:
    return with_field(promise=replace(PROMISE, **changes))


def with_scale(**changes: float) -> Contract:
    return with_promise(scale=replace(PROMISE.scale, **changes))


def with_quantiles(reference: Mapping[float, float], tolerance: float) -> Contract:
    return with_promise(quantiles=QuantilePromise(reference=reference, tolerance=tolerance))


def with_demand(**changes: Any) -> Contract:
    return replace(OLD, inputs=(replace(DEMAND, **changes),))


SECOND = replace(FIELD, name="risk", position=1, promise=None)
TWO_FIELDS = replace(OLD, output=(FIELD, SECOND), fallback={"minutes": 12.0, "risk": 0.0})
ORIGIN = InputDemand(name="origin", unit=None, low=None, high=None, nullable=False)

CASES = [
    (TWO_FIELDS, K.FIELD_ADDED, "dep_delay.risk: is promised anew"),
    (with_field(position=1), K.POSITION_MOVED,
     "dep_delay.minutes: moves from answer column 0 to 1"),
    (with_field(dtype="long"), K.DTYPE_NARROWED,
     "dep_delay.minutes: changes its type from double to long"),
    (with_field(dtype="string"), K.DTYPE_REPLACED,
     "dep_delay.minutes: changes its type from double to string"),
    (with_field(unit="hours"), K.UNIT_CHANGED,
     "dep_delay.minutes: changes its unit from minutes to hours"),
    (with_field(high=700.0), K.RANGE_WIDENED,
     "dep_delay.minutes: widens its range from [-60, 600] to [-60, 700]"),
    (with_field(low=None), K.RANGE_WIDENED,
     "dep_delay.minutes: widens its range from [-60, 600] to [-inf, 600]"),
    (with_field(high=500.0), K.RANGE_NARROWED,
     "dep_delay.minutes: narrows its range from [-60, 600] to [-60, 500]"),
    (with_field(low=-30.0, high=700.0), K.RANGE_MOVED,
     "dep_delay.minutes: moves its range from [-60, 600] to [-30, 700]"),
    (with_field(nullable=True), K.NULL_ALLOWED, "dep_delay.minutes: may be missing from now on"),
    (with_promise(scale=None), K.SCALE_REMOVED,
     "dep_delay.minutes: no longer promises an interquartile range of 5 to 20 minutes"),
    (with_scale(high=3.0), K.SCALE_LOOSENED,
     "dep_delay.minutes: loosens its interquartile range from 5 to 20 minutes to 5 to 30 minutes"),
    (with_scale(high=1.5), K.SCALE_TIGHTENED,
     "dep_delay.minutes: tightens its interquartile range from 5 to 20 minutes "
     "to 5 to 15 minutes"),
    (with_scale(reference=20.0), K.SCALE_MOVED,
     "dep_delay.minutes: moves its interquartile range from 5 to 20 minutes to 10 to 40 minutes"),
    (with_quantiles({0.5: 3.0}, 2.0), K.QUANTILES_LOOSENED,
     "dep_delay.minutes: loosens its quantiles from 50 % 2 to 4 minutes to 50 % 1 to 5 minutes"),
    (with_quantiles({0.5: 3.0, 0.9: 9.0}, 1.0), K.QUANTILES_TIGHTENED,
     "dep_delay.minutes: tightens its quantiles from 50 % 2 to 4 minutes "
     "to 50 % 2 to 4 minutes, 90 % 8 to 10 minutes"),
    (with_quantiles({0.5: 4.0}, 1.0), K.QUANTILES_MOVED,
     "dep_delay.minutes: moves its quantiles from 50 % 2 to 4 minutes to 50 % 3 to 5 minutes"),
    (with_promise(quantiles=None), K.QUANTILES_REMOVED,
     "dep_delay.minutes: no longer promises quantiles: 50 % 2 to 4 minutes"),
    (with_promise(measured_on="August"), K.WORDING_CHANGED,
     "dep_delay.minutes: says the same in other words"),
    (replace(OLD, deadline=timedelta(seconds=9)), K.DEADLINE_LONGER,
     "dep_delay: may take 9s instead of 5s"),
    (replace(OLD, fallback={"minutes": 0.0}), K.FALLBACK_CHANGED,
     "dep_delay.minutes: falls back to 0 instead of 12"),
    (replace(OLD, inputs=(DEMAND, ORIGIN)), K.INPUT_ADDED,
     "dep_delay, input origin: is demanded anew"),
    (replace(OLD, inputs=(DEMAND, replace(ORIGIN, nullable=True))), K.OPTIONAL_INPUT_ADDED,
     "dep_delay, input origin: is read where it is there"),
    (with_demand(high=4000.0), K.INPUT_RANGE_TIGHTENED,
     "dep_delay, input distance: must lie in [0, 4000], was [0, 5000]"),
    (with_demand(high=None), K.INPUT_RANGE_LOOSENED,
     "dep_delay, input distance: may lie in [0, inf], was [0, 5000]"),
    (with_demand(low=-1.0, high=4000.0), K.INPUT_RANGE_MOVED,
     "dep_delay, input distance: must lie in [-1, 4000], was [0, 5000]"),
    (with_demand(nullable=True), K.INPUT_NULL_ACCEPTED,
     "dep_delay, input distance: may be missing"),
    (with_demand(unit="km"), K.INPUT_UNIT_CHANGED,
     "dep_delay, input distance: is demanded in km, was miles"),
    (with_demand(unit=None), K.INPUT_UNIT_DROPPED,
     "dep_delay, input distance: is demanded in no unit any more, was miles"),
]  # fmt: skip
OPPOSITE = {
    K.FIELD_ADDED: K.FIELD_REMOVED,
    K.DTYPE_NARROWED: K.DTYPE_WIDENED,
    K.RANGE_WIDENED: K.RANGE_NARROWED,
    K.NULL_ALLOWED: K.NULL_FORBIDDEN,
    K.SCALE_REMOVED: K.SCALE_ADDED,
    K.SCALE_LOOSENED: K.SCALE_TIGHTENED,
    K.QUANTILES_REMOVED: K.QUANTILES_ADDED,
    K.QUANTILES_LOOSENED: K.QUANTILES_TIGHTENED,
    K.DEADLINE_LONGER: K.DEADLINE_SHORTER,
    K.INPUT_ADDED: K.INPUT_REMOVED,
    K.OPTIONAL_INPUT_ADDED: K.OPTIONAL_INPUT_REMOVED,
    K.INPUT_RANGE_TIGHTENED: K.INPUT_RANGE_LOOSENED,
    K.INPUT_NULL_ACCEPTED: K.INPUT_NULL_REFUSED,
    K.INPUT_UNIT_DROPPED: K.INPUT_UNIT_STATED,
}


@pytest.mark.parametrize(("new", "kind", "said"), CASES)
def test_each_change_is_named_alone_and_in_words(
    new: Contract, kind: ChangeKind, said: str
) -> None:
    (change,) = diff(OLD, new)
    assert change.kind is kind
    assert sentence(change) == said


@pytest.mark.parametrize(("new", "kind"), [(new, kind) for new, kind, _ in CASES])
def test_the_way_back_is_the_opposite_change(new: Contract, kind: ChangeKind) -> None:
    both_ways = OPPOSITE | {after: before for before, after in OPPOSITE.items()}
    (change,) = diff(new, OLD)
    assert change.kind is both_ways.get(kind, kind)


def test_every_kind_is_covered_above() -> None:
    covered = {kind for _, kind, _ in CASES}
    assert covered | {OPPOSITE[kind] for kind in covered if kind in OPPOSITE} == set(ChangeKind)


@pytest.mark.parametrize("kind", ChangeKind)
def test_the_table_follows_the_algebra_of_directions(kind: ChangeKind) -> None:
    """Outputs break by loosening, inputs by tightening; who breaks somebody is major."""
    rule = RULES[kind]
    harmful = Direction.LOOSENS if rule.side is Side.OUTPUT else Direction.TIGHTENS
    if rule.direction in (harmful, Direction.BOTH):
        assert rule.breaks
    # A narrowed dtype is the one tightening that costs its readers something: precision.
    elif kind is not K.DTYPE_NARROWED:
        assert not rule.breaks
    assert (rule.bump is Bump.MAJOR) == bool(rule.breaks)


def test_honestly_declared_hours_break_whoever_relies_on_numbers() -> None:
    """The second test of unit_slip: a declared change of unit is stopped by the diff."""

    def edge(consumer: str, *relies_on: Reliance) -> Edge:
        return Edge(producer="dep_delay", field="minutes", consumer=consumer, relies_on=relies_on)

    names_only = edge("archive", Reliance.COLUMNAR)
    numbers = edge("arr_delay", Reliance.NUMERIC, Reliance.BEHAVIOURAL, Reliance.OPERATIONAL)
    elsewhere = replace(numbers, producer="air_time")
    (broken,) = broken_edges(diff(OLD, with_field(unit="hours")), (names_only, numbers, elsewhere))
    assert broken.edge is numbers
    assert broken.relied_on == (Reliance.NUMERIC, Reliance.BEHAVIOURAL)
    assert broken.change.kind is K.UNIT_CHANGED


def test_a_longer_deadline_breaks_every_field_of_those_who_rely_on_time() -> None:
    edges = tuple(
        Edge(producer="dep_delay", field=field, consumer="app", relies_on=(Reliance.OPERATIONAL,))
        for field in ("minutes", "risk")
    )
    changes = diff(OLD, replace(OLD, deadline=timedelta(seconds=9)))
    assert [broken.edge for broken in broken_edges(changes, edges)] == list(edges)


def test_a_tighter_demand_breaks_those_who_feed_it_whatever_they_declare() -> None:
    feature = Edge(
        producer="distance", field=None, consumer="dep_delay", relies_on=(Reliance.COLUMNAR,)
    )
    other = replace(feature, consumer="air_time")
    (broken,) = broken_edges(diff(OLD, with_demand(high=10.0)), (feature, other))
    assert broken.edge is feature
    assert broken.relied_on == (Reliance.NUMERIC,)
    assert broken_edges(diff(OLD, with_demand(high=None)), (feature, other)) == ()


def test_a_demand_on_a_models_field_breaks_that_edge() -> None:
    demand = replace(DEMAND, name="air_time.minutes")
    fed = Edge(
        producer="air_time", field="minutes", consumer="dep_delay", relies_on=(Reliance.NUMERIC,)
    )
    changes = diff(
        replace(OLD, inputs=(demand,)), replace(OLD, inputs=(replace(demand, unit="km"),))
    )
    assert [broken.edge for broken in broken_edges(changes, (fed,))] == [fed]


@pytest.mark.parametrize(
    ("new", "version", "code"),
    [
        (OLD, "1.2.3", None),
        (OLD, "1.3.0", None),
        (OLD, "1.2.2", VersionCode.VERSION_WENT_BACK),
        (OLD, "1.2.3-rc.1", VersionCode.VERSION_WENT_BACK),
        (with_promise(measured_on="August"), "1.2.3", VersionCode.BUMP_TOO_SMALL),
        (with_promise(measured_on="August"), "1.2.4", None),
        (with_field(high=500.0), "1.2.4", VersionCode.BUMP_TOO_SMALL),
        (with_field(high=500.0), "1.3.0", None),
        (with_field(unit="hours"), "1.3.0", VersionCode.BUMP_TOO_SMALL),
        (with_field(unit="hours"), "2.0.0", None),
        (with_field(unit="hours"), "0.9.0", VersionCode.VERSION_WENT_BACK),
    ],
)
def test_a_version_rises_as_far_as_its_changes(
    new: Contract, version: str, code: VersionCode | None
) -> None:
    found = check_version(OLD, replace(new, version=version))
    assert [finding.code for finding in found] == ([] if code is None else [code])


def test_a_bump_that_is_too_small_is_told_with_the_one_needed() -> None:
    (finding,) = check_version(OLD, replace(with_field(unit="hours"), version="1.3.0"))
    assert version_sentence(finding) == (
        "dep_delay: version 1.2.3 → 1.3.0 is less than the major bump that the changes require"
    )
    (finding,) = check_version(OLD, replace(OLD, version="1.0.0"))
    assert version_sentence(finding) == "dep_delay: version 1.2.3 → 1.0.0 goes back"


def test_contracts_of_different_models_have_no_difference() -> None:
    with pytest.raises(ValueError, match="a contract of dep_delay is no earlier contract of x"):
        diff(OLD, replace(OLD, model="x"))


numbers = st.sampled_from([-1.0, 0.0, 1.0, 2.0])
bounds = st.tuples(st.none() | numbers, st.none() | numbers).filter(
    lambda pair: None in pair or pair[0] <= pair[1]  # type: ignore[operator]
)
promises = st.builds(
    BehaviouralPromise,
    measured_on=st.sampled_from(["July", "August"]),
    scale=st.none()
    | st.builds(
        ScalePromise,
        reference=st.sampled_from([1.0, 2.0]),
        low=st.sampled_from([0.25, 0.5]),
        high=st.sampled_from([1.0, 2.0]),
    ),
    quantiles=st.none()
    | st.builds(
        QuantilePromise,
        reference=st.dictionaries(st.sampled_from([0.0, 0.5, 0.9]), numbers, min_size=1),
        tolerance=st.sampled_from([1.0, 2.0]),
    ),
)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    fields = []
    for name in draw(st.lists(st.sampled_from(["a", "b"]), unique=True, min_size=1)):
        low, high = draw(bounds)
        fields.append(
            OutputField(
                name=name,
                position=draw(st.integers(0, 2)),
                dtype=draw(st.sampled_from(["double", "long", "boolean", "string"])),
                unit=draw(st.sampled_from(["m", "h"])),
                low=low,
                high=high,
                nullable=draw(st.booleans()),
                promise=draw(st.none() | promises),
            )
        )
    demands = []
    for name in draw(st.lists(st.sampled_from(["x", "y"]), unique=True)):
        low, high = draw(bounds)
        demands.append(
            InputDemand(
                name=name,
                unit=draw(st.sampled_from([None, "m", "h"])),
                low=low,
                high=high,
                nullable=draw(st.booleans()),
            )
        )
    return Contract(
        model="m",
        version="1.0.0",
        output=tuple(sorted(fields, key=lambda field: field.name)),
        inputs=tuple(sorted(demands, key=lambda demand: demand.name)),
        deadline=timedelta(seconds=draw(st.integers(1, 2))),
        fallback={field.name: draw(numbers) for field in fields},
    )


@given(contracts(), contracts())
def test_nothing_changes_exactly_where_contracts_are_equal(old: Contract, new: Contract) -> None:
    assert diff(old, old) == ()
    assert (diff(old, new) == ()) == (old == new)
    assert (required_bump(diff(old, new)) is None) == (old == new)


@given(contracts(), contracts())
def test_the_way_back_reverses_every_direction(old: Contract, new: Contract) -> None:
    def directions(changes: tuple[Change, ...]) -> list[tuple[str, str]]:
        return sorted((str(change.field), change.direction) for change in changes)

    there, back = diff(old, new), diff(new, old)
    reversed_ = sorted((str(change.field), change.direction.reverse) for change in there)
    assert directions(back) == reversed_
