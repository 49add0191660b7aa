"""What two contracts do not show: other files, other features, other feeders, other readers."""

from dataclasses import replace
from typing import Any

import pytest

from sluiceway.contracts.change_kinds import Change, ChangeKind, Direction, Evidence, sentence
from sluiceway.contracts.change_names import MEMBER_KINDS
from sluiceway.contracts.changes import broken_edges, diff
from sluiceway.contracts.clearing import Standing, touched, touched_sentence
from sluiceway.contracts.member_changes import MemberFacts, Readers, member_changes
from sluiceway.contracts.promises import Finding, PromiseCode
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Edge, Reliance
from tests.contracts.test_changes import FIELD, OLD, TWO_FIELDS

K = ChangeKind
READS = Edge(
    producer="dep_delay", field="minutes", consumer="arr_delay", relies_on=(Reliance.BEHAVIOURAL,)
)
BY_NAME = replace(READS, consumer="archive", relies_on=(Reliance.COLUMNAR,))
FEEDS = Edge(producer="weather", field="wind", consumer="dep_delay", relies_on=(Reliance.NUMERIC,))
FEATURE = Edge(
    producer="distance", field=None, consumer="dep_delay", relies_on=(Reliance.COLUMNAR,)
)
EDGES = (READS, BY_NAME, FEEDS, FEATURE)
NOW = MemberFacts(
    contract=OLD,
    artifact_sha256="a" * 64,
    features={"distance": "1.0.0"},
    definitions={"distance": "abc"},
    made_for={"distance": "1.0.0"},
    upstream={"weather": "3"},
    trained_on={"weather": "3"},
    owner="ops",
)
RETRAINED = replace(NOW, artifact_sha256="b" * 64)
SHIFTED = Finding(
    code=PromiseCode.SCALE_BROKEN,
    model="dep_delay",
    field="minutes",
    reliance=Reliance.BEHAVIOURAL,
    outcome=Outcome.FAILED,
    observed=40.0,
    promised_low=5.0,
    promised_high=20.0,
    unit="minutes",
    reference=10.0,
)


def changes(new: MemberFacts, old: MemberFacts = NOW, **more: Any) -> tuple[Change, ...]:
    more = {"findings": (), "readers": Readers(edges=EDGES)} | more
    return member_changes(old, new, **more)


def said(found: tuple[Change, ...]) -> list[str]:
    return [sentence(change) for change in found]


def kinds(found: tuple[Change, ...]) -> list[ChangeKind]:
    return [change.kind for change in found]


def test_the_same_version_has_not_changed() -> None:
    assert changes(NOW) == ()
    assert changes(NOW, findings=None) == ()


def test_what_the_contracts_show_comes_first() -> None:
    new = replace(RETRAINED, contract=replace(OLD, version="1.3.0", deterministic=True))
    assert changes(new)[:1] == diff(OLD, new.contract)
    assert kinds(changes(new))[1:] == [K.RETRAINED]


def test_another_model_that_keeps_its_promises_needs_no_evidence() -> None:
    (change,) = changes(RETRAINED)
    assert (change.kind, change.direction) == (K.RETRAINED, Direction.NONE)
    assert broken_edges((change,), EDGES) == ()


def test_without_a_promise_nobody_knows_how_another_model_behaves() -> None:
    silent = replace(OLD, output=(replace(FIELD, promise=None),))
    found = changes(replace(RETRAINED, contract=silent), replace(NOW, contract=silent))
    assert said(found) == [
        "dep_delay.minutes: comes from another model, and nothing promises how its answers behave"
    ]
    (broken,) = broken_edges(found, EDGES)
    assert broken.edge is READS
    # Who relies on no behaviour is not asked.
    only_names = Readers(edges=(BY_NAME, FEEDS))
    quiet = changes(
        replace(RETRAINED, contract=silent), replace(NOW, contract=silent), readers=only_names
    )
    assert kinds(quiet) == [K.RETRAINED]


@pytest.mark.parametrize(
    "findings",
    [
        None,
        (
            replace(
                SHIFTED, code=PromiseCode.TOO_FEW_ROWS, field=None, outcome=Outcome.INCONCLUSIVE
            ),
        ),
        (replace(SHIFTED, code=PromiseCode.REFERENCE_UNUSABLE, outcome=Outcome.ERROR),),
    ],
)
def test_answers_that_nobody_could_judge_are_undetermined(
    findings: tuple[Finding, ...] | None,
) -> None:
    assert said(changes(RETRAINED, findings=findings)) == [
        "dep_delay.minutes: comes from another model, and its answers could not be held against "
        "its promise"
    ]


def test_a_shift_that_no_contract_declares_is_told_with_its_numbers() -> None:
    (change,) = changes(RETRAINED, findings=(SHIFTED,))
    assert change.kind is K.DISTRIBUTION_SHIFTED
    assert sentence(change) == (
        "dep_delay.minutes: behaves as no contract says: interquartile range 40 minutes is 4 × the "
        "reference 10 minutes, promised 0.5 to 2 ×"
    )
    assert [b.edge for b in broken_edges((change,), EDGES)] == [READS]


def test_a_feature_that_changes_under_a_model_breaks_what_feeds_it() -> None:
    (change,) = changes(replace(NOW, features={"distance": "2.0.0"}, definitions={}))
    assert sentence(change) == (
        "dep_delay, input distance: becomes 2.0.0, and the model was made for 1.0.0 (abc)"
    )
    assert [b.edge for b in broken_edges((change,), EDGES)] == [FEATURE]
    (same_number,) = changes(replace(NOW, definitions={"distance": "def"}))
    assert same_number.kind is K.FEATURE_CHANGED


def test_a_feature_that_a_model_was_made_for_breaks_nothing() -> None:
    new = replace(
        RETRAINED,
        features={"distance": "2.0.0"},
        definitions={},
        made_for={"distance": "2.0.0"},
    )
    assert said(changes(new))[1:] == [
        "dep_delay, input distance: is read as 2.0.0, was 1.0.0 (abc), by a model that was made "
        "for it"
    ]
    assert broken_edges(changes(new), EDGES) == ()
    unknown = changes(replace(new, made_for={}))
    assert said(unknown)[1:] == [
        "dep_delay, input distance: becomes 2.0.0, and the model was made for nobody knows which"
    ]


def test_a_feeder_that_changes_under_who_was_trained_on_it_breaks_the_edge() -> None:
    found = changes(replace(NOW, upstream={"weather": "4"}))
    assert said(found) == [
        "dep_delay, input weather.wind: comes from version 4, and the model was trained on 3"
    ]
    assert [b.edge for b in broken_edges(found, EDGES)] == [FEEDS]


def test_a_feeder_that_the_model_was_trained_on_or_that_stays_changes_nothing() -> None:
    moved = replace(RETRAINED, upstream={"weather": "4"}, trained_on={"weather": "4"})
    assert kinds(changes(moved)) == [K.RETRAINED]
    # What was trained on another version all along is no change of this release.
    other = replace(NOW, trained_on={"weather": "2"})
    assert changes(other, other) == ()


def test_a_feeder_of_whom_nobody_wrote_down_the_version_is_undetermined() -> None:
    (change,) = changes(replace(NOW, upstream={"weather": "4"}, trained_on={}))
    assert (change.kind, change.before) == (K.UPSTREAM_CHANGED, "nobody knows which")


def test_a_removal_says_who_reads_it_or_where_one_looked() -> None:
    old = replace(NOW, contract=TWO_FIELDS)
    reader = replace(READS, field="risk")
    in_use = changes(NOW, old, readers=Readers(edges=(reader,), observed={"risk": ("a notebook",)}))
    assert said(in_use) == [
        "dep_delay.risk: is promised no longer, and read by arr_delay, a notebook"
    ]
    unused = changes(
        NOW, old, readers=Readers(edges=(READS,), looked_at="the system file and 30 days of log")
    )
    assert said(unused) == [
        "dep_delay.risk: is promised no longer; nobody reads it, says the system file and 30 days "
        "of log"
    ]


def test_another_owner_is_told_and_breaks_nobody() -> None:
    (change,) = changes(replace(NOW, owner="science"))
    assert sentence(change) == "dep_delay: is answered for by science, was ops"
    assert not change.breaks


def test_every_kind_that_contracts_do_not_show_is_met_above() -> None:
    assert {
        K.RETRAINED, K.RETRAINED_UNPROMISED, K.DISTRIBUTION_SHIFTED, K.FEATURE_ADOPTED,
        K.FEATURE_CHANGED, K.UPSTREAM_CHANGED, K.REMOVED_IN_USE, K.REMOVED_UNUSED, K.OWNER_CHANGED,
    } == MEMBER_KINDS  # fmt: skip


def test_an_edge_stands_as_its_evidence_says() -> None:
    (edge,) = broken_edges(changes(replace(NOW, upstream={"weather": "4"})), EDGES)
    shadow = {Evidence.SHADOW_REPLAY}
    assert touched(edge, shown=()).standing is Standing.BROKEN
    awaits = touched(edge, shown=(), coming=shadow)
    assert awaits.standing is Standing.AWAITS
    told = (
        "weather.wind → dep_delay: dep_delay, input weather.wind: comes from version 4, and the "
        "model was trained on 3; "
    )
    assert touched_sentence(awaits) == f"{told}waits for shadow replay, or retrained consumer"
    cleared = touched(edge, shown=shadow)
    assert cleared.standing is Standing.CLEARED
    assert touched_sentence(cleared) == f"{told}cleared by shadow replay"
    (by_unit,) = broken_edges(diff(OLD, replace(OLD, output=(replace(FIELD, unit="h"),))), (READS,))
    assert touched_sentence(touched(by_unit, shown=shadow)).endswith(
        "from minutes to h; it would take retrained consumer"
    )
