"""What the difference of two contracts is, whatever they are."""

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway.contracts.admitting import accepts, admits, takes
from sluiceway.contracts.change_kinds import (
    RULES,
    Aspect,
    Change,
    ChangeKind,
    Direction,
    Side,
)
from sluiceway.contracts.change_names import MEMBER_KINDS
from sluiceway.contracts.changes import broken_edges, diff, required_bump
from sluiceway.contracts.output_changes import renamed_fields
from sluiceway.contracts.values import Contract
from sluiceway.system.values import Edge, Reliance
from tests.contracts.contracts_made_up import contracts, extreme_samples, later
from tests.contracts.test_changes import CASES, FIELD, OLD, labelled

many = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
reliances = st.lists(st.sampled_from(list(Reliance)), min_size=1, unique=True).map(tuple)
Where = tuple[Side, str | None, Aspect]


@st.composite
def successions(draw: st.DrawFn, length: int = 2) -> list[Contract]:
    """Contracts that follow each other, or have little to do with each other."""
    found = [draw(contracts())]
    for _ in range(length - 1):
        close = draw(st.integers(0, 4))
        found.append(draw(later(found[-1]) if close else contracts()))
    return found


@many
@given(successions())
def test_nothing_changes_exactly_where_contracts_are_equal(pair: list[Contract]) -> None:
    old, new = pair
    assert diff(old, old) == ()
    assert (diff(old, new) == ()) == (old == new)
    assert (required_bump(diff(old, new)) is None) == (old == new)
    assert diff(old, replace(old, version="7.0.0")) == ()


@many
@given(successions())
def test_the_way_back_reverses_every_direction(pair: list[Contract]) -> None:
    old, new = pair
    there, back = diff(old, new), diff(new, old)
    names = {now: name for name, now in renamed_fields(old, new).items()}

    def named(change: Change) -> str | None:
        """The field as the old contract calls it."""
        return names.get(str(change.field), change.field)

    def directions(changes: tuple[Change, ...]) -> Counter[tuple[Where, Direction]]:
        return Counter(((c.side, named(c), c.aspect), c.direction) for c in changes)

    assert directions(back) == Counter(
        ((c.side, c.field, c.aspect), c.direction.reverse) for c in there
    )


def by_place(changes: tuple[Change, ...]) -> dict[Where, Direction]:
    found = {(c.side, c.field, c.aspect): c.direction for c in changes}
    assert len(found) == len(changes), "one change for each aspect of each field"
    return found


@many
@given(successions(3))
def test_looser_after_looser_is_looser(three: list[Contract]) -> None:
    """And tighter after tighter is tighter: nothing is lost or turned on the way."""
    first, second, third = three
    one, two = by_place(diff(first, second)), by_place(diff(second, third))
    whole = by_place(diff(first, third))
    for direction in (Direction.LOOSENS, Direction.TIGHTENS):
        for place, way in one.items():
            if way is direction is two.get(place):
                assert whole[place] is direction


@many
@given(successions(3))
def test_what_only_loosens_step_by_step_only_loosens(three: list[Contract]) -> None:
    first, second, third = three
    same_names = {(tuple(f.name for f in c.output), tuple(d.name for d in c.inputs)) for c in three}
    for direction in (Direction.LOOSENS, Direction.TIGHTENS):
        allowed = {Direction.NONE, direction}
        steps = (*diff(first, second), *diff(second, third))
        if len(same_names) == 1 and {c.direction for c in steps} <= allowed:
            assert {c.direction for c in diff(first, third)} <= allowed


@many
@given(successions(), reliances)
def test_a_sample_of_the_new_promise_is_accepted_by_every_reader_that_is_not_broken(
    pair: list[Contract], relied_on: tuple[Reliance, ...]
) -> None:
    old, new = pair
    changes = diff(old, new)
    names = renamed_fields(old, new)
    for field in old.output:
        edge = Edge(producer="m", field=field.name, consumer="reader", relies_on=relied_on)
        broken = broken_edges(changes, (edge,))
        now = names.get(field.name, field.name)
        if now not in {one.name for one in new.output}:
            assert broken, "what is gone breaks whoever reads it"
        elif not broken:
            for sample in extreme_samples(new, now):
                assert accepts(old, field.name, relied_on, sample)


@many
@given(successions(), contracts(names=st.just(["z"])))
def test_what_met_the_old_demand_meets_the_new_one_where_its_feeder_is_not_broken(
    pair: list[Contract], feeding: Contract
) -> None:
    old, new = pair
    changes = diff(old, new)
    wanted = {demand.name: demand for demand in new.inputs}
    for demand in old.inputs:
        producer, _, field = demand.name.rpartition(".")
        edge = Edge(
            producer=producer or field,
            field=field if producer else None,
            consumer="m",
            relies_on=(Reliance.COLUMNAR,),
        )
        if demand.name not in wanted or broken_edges(changes, (edge,)):
            continue
        for sample in extreme_samples(feeding, "z"):
            assert takes(wanted[demand.name], sample) or not takes(demand, sample)


@settings(max_examples=40, deadline=None)
@given(contracts())
def test_a_contract_admits_its_own_samples_and_any_reader_of_it_accepts_them(
    contract: Contract,
) -> None:
    for field in contract.output:
        for sample in extreme_samples(contract, field.name):
            assert admits(contract, field.name, sample)
            assert accepts(contract, field.name, tuple(Reliance), sample)
            assert not admits(contract, field.name, replace(sample, unit="another"))


NOT_SEEN_IN_AN_ANSWER = {
    # What is not there any more gives no answer; what is announced does not change one.
    *((ChangeKind.FIELD_REMOVED, reliance) for reliance in Reliance),
    *((ChangeKind.DEPRECATION_EARLIER, reliance) for reliance in Reliance),
    # A narrower type has fewer values; what is lost is precision. Texts are no numbers at all.
    (ChangeKind.DTYPE_NARROWED, Reliance.COLUMNAR),
    (ChangeKind.DTYPE_NARROWED, Reliance.NUMERIC),
    (ChangeKind.DTYPE_REPLACED, Reliance.NUMERIC),
    (ChangeKind.DTYPE_REPLACED, Reliance.BEHAVIOURAL),
    # A stand-in is compared by its last resort only.
    (ChangeKind.FALLBACK_SOURCE_CHANGED, Reliance.OPERATIONAL),
    (ChangeKind.FALLBACK_OLDER, Reliance.OPERATIONAL),
    (ChangeKind.FALLBACK_TRIGGER_CHANGED, Reliance.OPERATIONAL),
}


def refused(old: Contract, new: Contract) -> set[tuple[ChangeKind, Reliance]]:
    """The one kind of change of an output field, with each reliance that refuses some answer."""
    changes = diff(old, new)
    field = changes[0].field or "minutes"
    now = renamed_fields(old, new).get(field, field)
    kept = field in {f.name for f in old.output} and now in {f.name for f in new.output}
    if len(changes) > 1 or changes[0].side is Side.INPUT or not kept:
        return set()
    return {
        (changes[0].kind, reliance)
        for reliance in changes[0].breaks
        for sample in extreme_samples(new, now)
        if not accepts(old, field, (reliance,), sample)
    }


def test_each_rule_is_needed_for_some_answer_that_a_reader_refuses() -> None:
    """So that the property above is about something: no rule could break less."""
    same = replace(FIELD, semantics="at the gate")
    renamed = [
        replace(OLD, output=(field,), fallback={field.name: 12.0})
        for field in (same, replace(same, name="delay"))
    ]
    codes = [labelled(names, dtype="long") for names in (("on", "late"), ("late", "on"))]
    pairs = [*(case[:2] for case in CASES), renamed, codes]
    needed = set().union(*(refused(one, two) | refused(two, one) for one, two in pairs))
    every = {
        (kind, reliance)
        for kind, rule in RULES.items()
        if rule.side is Side.OUTPUT and kind not in MEMBER_KINDS
        for reliance in rule.breaks
    }
    assert every - needed == NOT_SEEN_IN_AN_ANSWER
