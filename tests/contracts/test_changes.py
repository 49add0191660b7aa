"""A change of a contract is named, has a direction, and breaks whoever relied on it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from sluiceway.contracts.change_kinds import (
    RULES,
    Bump,
    ChangeKind,
    Direction,
    Evidence,
    Side,
    alternatives_in_words,
    sentence,
)
from sluiceway.contracts.change_names import MEMBER_KINDS
from sluiceway.contracts.changes import broken_edges, diff
from sluiceway.contracts.values import (
    BehaviouralPromise,
    Contract,
    Deprecation,
    Embedding,
    FallbackKind,
    FallbackRule,
    InputDemand,
    OutputField,
    QuantilePromise,
    ScalePromise,
    Trigger,
)
from sluiceway.contracts.versions import VersionCode, check_version, version_sentence
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


def labelled(categories: tuple[str, ...] | None, dtype: str = "string") -> Contract:
    free = replace(FIELD, low=None, high=None, promise=None)
    place = categories.index("on") if categories and "on" in categories else 0
    return replace(
        OLD,
        output=(replace(free, dtype=dtype, categories=categories),),
        fallback={"minutes": float(place)},
    )


def probable(positive: str | None, categories: tuple[str, ...] | None = ("yes", "no")) -> Contract:
    return with_field(unit="probability", categories=categories, positive=positive)


def embedded(dimension: int, space: str) -> Contract:
    return with_field(promise=None, embedding=Embedding(dimension=dimension, space=space))


def demanding(**changes: Any) -> Contract:
    free = replace(DEMAND, unit=None, low=None, high=None)
    return replace(OLD, inputs=(replace(free, **changes),))


def ruled(kind: FallbackKind, **changes: Any) -> Contract:
    return replace(OLD, fallback_rules={"minutes": FallbackRule(kind=kind, **changes)})


def deprecated(day: int = 1, because: str = "it is old") -> Contract:
    notice = Deprecation(
        field="minutes",
        since=date(2026, 1, 1),
        remove_after=date(2026, 6, day),
        use_instead=None,
        because=because,
    )
    return replace(OLD, deprecations=(notice,))


SECOND = replace(FIELD, name="risk", position=1, promise=None)
TWO_FIELDS = replace(OLD, output=(FIELD, SECOND), fallback={"minutes": 12.0, "risk": 0.0})
ORIGIN = InputDemand(name="origin", unit=None, low=None, high=None, nullable=False)

# What was promised, what is promised, the one change, and how it is told.
PAIRS = [
    (labelled(None), labelled(("on", "late")), K.CATEGORIES_LISTED,
     "dep_delay.minutes: lists its categories: on, late"),
    (labelled(("on", "late")), labelled(("on", "late", "off")), K.CATEGORIES_ADDED,
     "dep_delay.minutes: may be one of on, late, off, was one of on, late"),
    (labelled(("on", "late")), labelled(("on", "off")), K.CATEGORIES_REPLACED,
     "dep_delay.minutes: is one of on, off, was one of on, late"),
    (labelled(("on", "late")), labelled(("late", "on")), K.CATEGORIES_REORDERED,
     "dep_delay.minutes: puts its categories in another order: late, on, was on, late"),
    (probable(None), probable("yes"), K.POSITIVE_STATED,
     "dep_delay.minutes: is said to be the probability of yes"),
    (probable("yes"), probable("no"), K.POSITIVE_FLIPPED,
     "dep_delay.minutes: is the probability of no, was that of yes"),
    (OLD, with_field(calibration="platt"), K.CALIBRATION_STATED,
     "dep_delay.minutes: is calibrated as platt"),
    (with_field(calibration="platt"), with_field(calibration="isotonic"), K.RECALIBRATED,
     "dep_delay.minutes: is calibrated as isotonic, was as platt"),
    (OLD, with_field(semantics="at the gate"), K.SEMANTICS_STATED,
     "dep_delay.minutes: is said to mean at the gate"),
    (with_field(semantics="at the gate"), with_field(semantics="in the air"), K.SEMANTICS_CHANGED,
     "dep_delay.minutes: means in the air, meant at the gate"),
    (embedded(8, "s"), embedded(16, "s"), K.DIMENSION_CHANGED,
     "dep_delay.minutes: is a vector of 16, was a vector of 8"),
    (with_field(promise=None), embedded(8, "s"), K.DIMENSION_CHANGED,
     "dep_delay.minutes: is a vector of 8, was a single value"),
    (embedded(8, "s"), embedded(8, "t"), K.SPACE_CHANGED,
     "dep_delay.minutes: lies in the space t, lay in s"),
    (OLD, replace(OLD, deterministic=True), K.DETERMINISM_PROMISED,
     "dep_delay: gives equal answers to equal inputs from now on"),
    (replace(OLD, latency_p99=timedelta(milliseconds=80)),
     replace(OLD, latency_p99=timedelta(milliseconds=200)), K.LATENCY_LONGER,
     "dep_delay: answers 99 of 100 requests within 200ms, was 80ms"),
    (replace(OLD, latency_p99=timedelta(milliseconds=80)), OLD, K.LATENCY_LONGER,
     "dep_delay: answers 99 of 100 requests within any time, was 80ms"),
    (replace(OLD, freshness=timedelta(hours=6)), replace(OLD, freshness=timedelta(hours=9)),
     K.FRESHNESS_OLDER, "dep_delay: may rest on inputs 9h old, was 6h"),
    (OLD, replace(OLD, max_batch=100), K.BATCH_SMALLER,
     "dep_delay: takes 100 rows in a request, was any number of"),
    (OLD, ruled(FallbackKind.COLUMN, column="air_time.minutes"), K.FALLBACK_SOURCE_CHANGED,
     "dep_delay.minutes: falls back first to air_time.minutes, was the safe default"),
    (ruled(FallbackKind.LAST_KNOWN_GOOD, max_age=timedelta(hours=1)),
     ruled(FallbackKind.LAST_KNOWN_GOOD, max_age=timedelta(hours=2)), K.FALLBACK_OLDER,
     "dep_delay.minutes: may fall back to an answer 2h old, was 1h"),
    (OLD, ruled(FallbackKind.CONSTANT, triggers=(Trigger.TIMEOUT, Trigger.ERROR)),
     K.FALLBACK_TRIGGER_CHANGED,
     "dep_delay.minutes: falls back upon error, timeout, was anything"),
    (OLD, deprecated(), K.DEPRECATION_SET, "dep_delay.minutes: may be removed from 2026-06-01 on"),
    (deprecated(1), deprecated(30), K.DEPRECATION_LATER,
     "dep_delay.minutes: may be removed from 2026-06-30 on, was 2026-06-01"),
    (deprecated(), deprecated(because="it is wrong"), K.WORDING_CHANGED,
     "dep_delay: says the same in other words"),
    (OLD, replace(OLD, description="when it leaves"), K.WORDING_CHANGED,
     "dep_delay: says the same in other words"),
    (OLD, replace(OLD, deterministic=False), K.WORDING_CHANGED,
     "dep_delay: says the same in other words"),
    (OLD, ruled(FallbackKind.CONSTANT), K.WORDING_CHANGED,
     "dep_delay: says the same in other words"),
    (OLD, replace(OLD, reserved=("hours",)), K.NAME_RESERVED,
     "dep_delay.hours: is a name that nothing may take again"),
    (demanding(), demanding(dtype="long"), K.INPUT_DTYPE_STATED,
     "dep_delay, input distance: must be a long, its type was not said before"),
    (demanding(dtype="long"), demanding(dtype="double"), K.INPUT_DTYPE_WIDENED,
     "dep_delay, input distance: may be a double, was a long"),
    (demanding(dtype="long"), demanding(dtype="string"), K.INPUT_DTYPE_REPLACED,
     "dep_delay, input distance: must be a string, was a long"),
    (demanding(), demanding(categories=("a", "b")), K.INPUT_CATEGORIES_LISTED,
     "dep_delay, input distance: must be one of a, b"),
    (demanding(categories=("a", "b")), demanding(categories=("a", "b", "c")),
     K.INPUT_CATEGORIES_ADDED,
     "dep_delay, input distance: may be one of a, b, c, was one of a, b"),
    (demanding(categories=("a", "b")), demanding(categories=("a", "c")),
     K.INPUT_CATEGORIES_REPLACED,
     "dep_delay, input distance: must be one of a, c, was one of a, b"),
    (demanding(categories=("a", "b")), demanding(categories=("b", "a")),
     K.INPUT_CATEGORIES_REORDERED,
     "dep_delay, input distance: takes its categories in another order: b, a, was a, b"),
    (demanding(), demanding(semantics="as the crow flies"), K.INPUT_SEMANTICS_STATED,
     "dep_delay, input distance: must mean as the crow flies, that was not said before"),
    (demanding(semantics="by road"), demanding(semantics="by rail"), K.INPUT_SEMANTICS_CHANGED,
     "dep_delay, input distance: must mean by rail, meant by road"),
    (demanding(), demanding(embedding=Embedding(dimension=4, space="s")),
     K.INPUT_DIMENSION_CHANGED,
     "dep_delay, input distance: must be a vector of 4, was a single value"),
    (demanding(embedding=Embedding(dimension=4, space="s")),
     demanding(embedding=Embedding(dimension=4, space="t")), K.INPUT_SPACE_CHANGED,
     "dep_delay, input distance: must lie in the space t, lay in s"),
]  # fmt: skip
SINGLE = [
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
CASES = PAIRS + [(OLD, new, kind, said) for new, kind, said in SINGLE]
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
    K.CATEGORIES_LISTED: K.CATEGORIES_UNLISTED,
    K.CATEGORIES_ADDED: K.CATEGORIES_REMOVED,
    K.POSITIVE_STATED: K.POSITIVE_DROPPED,
    K.CALIBRATION_STATED: K.CALIBRATION_DROPPED,
    K.SEMANTICS_STATED: K.SEMANTICS_DROPPED,
    K.DETERMINISM_PROMISED: K.DETERMINISM_LOST,
    K.LATENCY_LONGER: K.LATENCY_SHORTER,
    K.FRESHNESS_OLDER: K.FRESHNESS_YOUNGER,
    K.BATCH_SMALLER: K.BATCH_LARGER,
    K.FALLBACK_OLDER: K.FALLBACK_YOUNGER,
    K.DEPRECATION_SET: K.DEPRECATION_WITHDRAWN,
    K.DEPRECATION_LATER: K.DEPRECATION_EARLIER,
    K.NAME_RESERVED: K.NAME_RELEASED,
    K.INPUT_DTYPE_STATED: K.INPUT_DTYPE_DROPPED,
    K.INPUT_DTYPE_WIDENED: K.INPUT_DTYPE_NARROWED,
    K.INPUT_CATEGORIES_LISTED: K.INPUT_CATEGORIES_UNLISTED,
    K.INPUT_CATEGORIES_ADDED: K.INPUT_CATEGORIES_REMOVED,
    K.INPUT_SEMANTICS_STATED: K.INPUT_SEMANTICS_DROPPED,
}


@pytest.mark.parametrize(("old", "new", "kind", "said"), CASES)
def test_each_change_is_named_alone_and_in_words(
    old: Contract, new: Contract, kind: ChangeKind, said: str
) -> None:
    (change,) = diff(old, new)
    assert change.kind is kind
    assert sentence(change) == said


@pytest.mark.parametrize(("old", "new", "kind"), [case[:3] for case in CASES])
def test_the_way_back_is_the_opposite_change(
    old: Contract, new: Contract, kind: ChangeKind
) -> None:
    both_ways = OPPOSITE | {after: before for before, after in OPPOSITE.items()}
    (change,) = diff(new, old)
    assert change.kind is both_ways.get(kind, kind)
    assert change.aspect is RULES[kind].aspect
    assert change.direction is RULES[kind].direction.reverse


def test_every_kind_is_covered_above() -> None:
    covered = {kind for _, _, kind, _ in CASES}
    covered |= {OPPOSITE[kind] for kind in covered if kind in OPPOSITE}
    assert covered | MEMBER_KINDS | {K.FIELD_RENAMED} == set(ChangeKind)
    assert set(RULES) == set(ChangeKind)


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


@pytest.mark.parametrize("kind", ChangeKind)
def test_what_breaks_somebody_says_what_would_clear_it(kind: ChangeKind) -> None:
    rule = RULES[kind]
    assert bool(rule.cleared_by) == bool(rule.breaks)
    assert rule.is_cleared(()) == (not rule.breaks)
    for way in rule.cleared_by:
        assert rule.is_cleared(way)
        assert not rule.is_cleared(list(way)[1:])
    assert rule.is_cleared(Evidence)


def test_ways_out_are_told_in_words() -> None:
    assert alternatives_in_words(RULES[K.SCALE_LOOSENED].cleared_by) == (
        "retrained consumer, or consumer acknowledgement and shadow replay"
    )
    assert alternatives_in_words(RULES[K.FIELD_ADDED].cleared_by) == "nothing needed"


RENAMED = replace(FIELD, name="delay")


def renamed(field: OutputField = RENAMED) -> Contract:
    return replace(OLD, output=(field,), fallback={field.name: 12.0})


def test_a_field_of_the_same_meaning_in_the_same_place_is_renamed() -> None:
    old = with_field(semantics="at the gate")
    new = renamed(replace(RENAMED, semantics="at the gate"))
    (change,) = diff(old, new)
    assert (change.kind, change.field) == (K.FIELD_RENAMED, "minutes")
    assert sentence(change) == "dep_delay.minutes: is called delay from now on"
    by_name = Edge(
        producer="dep_delay", field="minutes", consumer="a", relies_on=(Reliance.COLUMNAR,)
    )
    # An edge names what it reads, so it relies on the name, whatever else it declares.
    by_value = replace(by_name, consumer="b", relies_on=(Reliance.NUMERIC,))
    broken = broken_edges((change,), (by_name, by_value))
    assert [(b.edge, b.relied_on) for b in broken] == [
        (by_name, (Reliance.COLUMNAR,)), (by_value, (Reliance.COLUMNAR,)),
    ]  # fmt: skip


def test_a_renaming_is_declared_by_the_deprecation_and_more_may_change_with_it() -> None:
    (notice,) = deprecated().deprecations
    old = replace(OLD, deprecations=(replace(notice, use_instead="delay"),))
    changes = diff(old, renamed(replace(RENAMED, unit="hours", position=1)))
    assert [(c.kind, c.field) for c in changes] == [
        (K.FIELD_RENAMED, "minutes"), (K.POSITION_MOVED, "minutes"), (K.UNIT_CHANGED, "minutes"),
    ]  # fmt: skip


def test_without_a_meaning_in_common_a_field_is_removed_and_another_one_added() -> None:
    for field in (RENAMED, replace(RENAMED, semantics="at the gate", position=1)):
        changes = diff(with_field(semantics="at the gate"), renamed(field))
        assert [(c.kind, c.field) for c in changes] == [
            (K.FIELD_ADDED, "delay"), (K.FIELD_REMOVED, "minutes"),
        ]  # fmt: skip


def test_codes_that_come_to_stand_for_others_are_another_order() -> None:
    old = labelled(("low", "high"), dtype="long")
    at_the_end = labelled(("low", "high", "extreme"), dtype="long")
    between = labelled(("low", "mid", "high"), dtype="long")
    assert [c.kind for c in diff(old, at_the_end)] == [K.CATEGORIES_ADDED]
    kinds = [c.kind for c in diff(old, between) if c.kind is not K.FALLBACK_CHANGED]
    assert kinds == [K.CATEGORIES_ADDED, K.CATEGORIES_REORDERED]
    # A name does not depend on its place.
    named = diff(labelled(("low", "high")), labelled(("low", "mid", "high")))
    assert [c.kind for c in named] == [K.CATEGORIES_ADDED]


def test_a_safe_default_is_compared_by_the_category_it_stands_for() -> None:
    old = replace(labelled(("low", "high")), fallback={"minutes": 0.0})
    new = replace(labelled(("high", "low")), fallback={"minutes": 1.0})
    assert [c.kind for c in diff(old, new)] == [K.CATEGORIES_REORDERED]
    changed = diff(old, replace(new, fallback={"minutes": 0.0}))
    assert [sentence(c) for c in changed][1:] == [
        "dep_delay.minutes: falls back to high instead of low"
    ]


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
        (with_promise(measured_on="August"), "1.2.3", VersionCode.SAME_VERSION),
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


def test_a_bump_that_is_too_small_is_told_with_the_changes_that_need_more() -> None:
    new = replace(with_field(unit="hours", high=500.0), version="1.3.0", deterministic=True)
    (finding,) = check_version(OLD, new)
    assert [change.kind for change in finding.changes] == [K.UNIT_CHANGED]
    assert version_sentence(finding) == (
        "dep_delay: version 1.2.3 → 1.3.0 is less than the major bump that the changes require: "
        "dep_delay.minutes: changes its unit from minutes to hours"
    )
    (finding,) = check_version(OLD, replace(new, version="1.2.4"))
    assert [change.kind for change in finding.changes] == [
        K.UNIT_CHANGED, K.RANGE_NARROWED, K.DETERMINISM_PROMISED,
    ]  # fmt: skip


def test_a_version_that_goes_back_or_stands_for_two_contents_is_told() -> None:
    (finding,) = check_version(OLD, replace(OLD, version="1.0.0"))
    assert version_sentence(finding) == "dep_delay: version 1.2.3 → 1.0.0 goes back"
    (finding,) = check_version(OLD, with_field(unit="hours"))
    assert version_sentence(finding) == (
        "dep_delay: two contracts bear the version 1.2.3; a major bump is needed for what changed: "
        "dep_delay.minutes: changes its unit from minutes to hours"
    )
    # Nobody but a person reads what stands after the plus.
    assert check_version(OLD, replace(OLD, version="1.2.3+again")) == ()


def test_a_removed_name_stays_reserved() -> None:
    old = replace(TWO_FIELDS, reserved=("seconds",))
    new = replace(OLD, version="2.0.0")
    (finding,) = check_version(old, new)
    assert finding.code is VersionCode.NAME_NOT_RESERVED
    assert version_sentence(finding) == (
        "dep_delay: risk, seconds is promised no longer and its name is not kept; "
        "put it under reserved"
    )
    assert check_version(old, replace(new, reserved=("risk", "seconds"))) == ()


def test_a_reserved_name_is_not_taken_again() -> None:
    old = replace(OLD, reserved=("risk",))
    (finding,) = check_version(old, replace(TWO_FIELDS, version="2.0.0"))
    assert finding.code is VersionCode.NAME_TAKEN_AGAIN
    assert version_sentence(finding) == (
        "dep_delay: risk was the name of a removed field; whoever reads the old one would get "
        "something else: take another name"
    )


def test_contracts_of_different_models_have_no_difference() -> None:
    with pytest.raises(ValueError, match="a contract of dep_delay is no earlier contract of x"):
        diff(OLD, replace(OLD, model="x"))
