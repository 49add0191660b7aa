"""A review lists what somebody should look after, by owner, and nothing else."""

from dataclasses import replace
from datetime import date, timedelta

from sluiceway.contracts.values import Contract
from sluiceway.releases import Member
from sluiceway.rights import Acknowledgement, announcements, deprecation_statuses
from sluiceway.rights.announcing import Told
from sluiceway.rights.reviewing import ReviewCode, Serving, review
from sluiceway.system.inputs import FeatureVersion
from sluiceway.system.rights import UNSAID
from sluiceway.system.values import Ignore, Owner, System

from .shops import GONE, member, orders

TODAY = date(2026, 2, 1)
SYSTEM = orders()
C = ReviewCode


def dated(contract: Contract, day: date | None) -> Contract:
    """The contract with its promises measured on a day."""
    fields = tuple(
        field
        if field.promise is None
        else replace(field, promise=replace(field.promise, measured_at=day))
        for field in contract.output
    )
    return replace(contract, output=fields)


def serving(day: date | None = TODAY, **more: object) -> Serving:
    """Everything serves as it was verified, was seen together and was measured on a day."""
    contracts = {name: dated(model.contract, day) for name, model in SYSTEM.models.items()}
    contracts |= more.pop("contracts", {})  # type: ignore[arg-type]
    members: dict[str, Member] = {
        name: replace(member(name), contract_hash=one.content_hash, contract_version=one.version)
        for name, one in contracts.items()
    }
    given: dict[str, object] = {
        "members": members,
        "contracts": contracts,
        "statuses": (),
        "acknowledgements": (),
        "unseen_edges": {},
        **more,
    }
    return Serving(**given)  # type: ignore[arg-type]


def found(
    served: Serving | None, system: System = SYSTEM
) -> list[tuple[str, ReviewCode, str, str]]:
    told = review(system, served, today=TODAY)
    return [(one.owner, one.code, one.subject, one.detail) for one in told]


def test_where_nothing_is_amiss_nothing_is_listed() -> None:
    assert found(serving()) == []
    assert found(None) == []


def test_a_contract_that_what_serves_was_not_verified_against_is_stale() -> None:
    good = serving()
    older = replace(good.members["cost"], contract_hash="f" * 64, contract_version="2.0.0")
    assert found(replace(good, members={**good.members, "cost": older})) == [
        (
            "finance",
            C.STALE_CONTRACT,
            "cost",
            "1.0.0 is in force, older: cost@2 was verified against 2.0.0",
        )
    ]
    same = replace(older, contract_version="1.0.0")
    assert found(replace(good, members={**good.members, "cost": same}))[0][3] == (
        "1.0.0 is in force, another of that number: cost@2 was verified against 1.0.0"
    )


def test_a_reference_is_stale_by_its_date_and_one_without_a_date_says_so() -> None:
    limit = UNSAID.stale_after
    assert found(serving(TODAY - limit)) == []
    (stale,) = found(serving(TODAY - limit - timedelta(days=1)))
    assert stale == (
        "risk",
        C.STALE_REFERENCE,
        "fraud.probability",
        "its reference was measured on 2025-08-04, 181d ago; 180d are the limit",
    )
    (undated,) = found(serving(None))
    assert undated[:3] == ("risk", C.UNDATED_REFERENCE, "fraud.probability")


def test_what_runs_out_is_told_before_and_after() -> None:
    def ignore(days: int, version: str | None) -> Ignore:
        return Ignore(
            producer="fraud",
            producer_version=version,
            consumer="cost",
            consumer_version=None,
            owner="desk",
            reason="retrained next week",
            expires=TODAY + timedelta(days=days),
        )

    ignores = (ignore(-1, "7"), ignore(0, "8"), ignore(14, None), ignore(15, "9"))
    assert found(serving(), replace(SYSTEM, ignores=ignores)) == [
        ("desk", C.EXPIRING, "ignore of fraud → cost", "expires on 2026-02-15, in 14d"),
        ("desk", C.EXPIRING, "ignore of fraud@8 → cost", "expires on 2026-02-01, in 0d"),
        ("desk", C.EXPIRED, "ignore of fraud@7 → cost", "expired on 2026-01-31"),
    ]


def test_an_acknowledgement_that_was_renewed_does_not_expire() -> None:
    old = Acknowledgement(
        edge="cost.euros → priority", owner="desk", on=TODAY, version="cost@2", until=TODAY
    )
    (told,) = found(serving(acknowledgements=(old,)))
    assert told[:3] == (
        "desk", C.EXPIRING, "acknowledgement of cost@2, cost.euros → priority"
    )  # fmt: skip
    assert found(serving(acknowledgements=(old, replace(old, until=None)))) == []


def test_a_deprecation_is_listed_for_each_owner_who_has_not_answered() -> None:
    fraud = replace(dated(SYSTEM.models["fraud"].contract, TODAY), deprecations=(GONE,))
    edge = "fraud.probability → cost"
    agreed = Acknowledgement(edge=edge, owner="finance", on=TODAY, deprecation=GONE)
    told = [Told(announcement=one, on=TODAY) for one in announcements(SYSTEM, fraud)]
    for acknowledged, owners in (((), ["logistics", "finance"]), ((agreed,), ["logistics"])):
        statuses = deprecation_statuses(SYSTEM, [fraud], told, acknowledged, today=TODAY)
        listed = found(serving(contracts={"fraud": fraud}, statuses=statuses))
        assert [one[0] for one in listed] == owners
        assert {one[1] for one in listed} == {C.UNACKNOWLEDGED}
        assert listed[0][3] == "goes from 2026-03-01 on, in 28d; told on 2026-02-01"


def test_an_edge_whose_versions_no_replay_has_seen_together_is_listed() -> None:
    said = "no passed replay of cost@2 with priority@2 is known"
    assert found(serving(unseen_edges={"cost.euros → priority": said})) == [
        ("desk", C.EDGE_WITHOUT_EVIDENCE, "cost.euros → priority", said)
    ]


def test_one_definition_under_two_names_is_told_to_both_owners_once() -> None:
    signal = SYSTEM.features["signal"]
    twin = replace(
        signal,
        name="score",
        owner="desk",
        versions={
            "3.0.0": FeatureVersion(
                version="3.0.0",
                reads=("orders.signal", "orders.hour"),
                transformation="tests.orders.data:signal_2",
            ),
            "4.0.0": signal.versions["1.0.0"],
        },
    )
    system = replace(SYSTEM, features={**SYSTEM.features, "score": twin})
    detail = (
        "3.0.0 is made as signal 2.0.0: orders.signal, orders.hour through "
        "tests.orders.data:signal_2"
    )
    assert found(serving(), system) == [
        ("risk", C.DUPLICATED_FEATURE, "score", detail),
        ("desk", C.DUPLICATED_FEATURE, "score", detail),
    ]


def test_an_owner_who_left_is_listed_with_what_waits_for_a_successor() -> None:
    gone = Owner(name="finance", contact="f@shop.example", left=TODAY)
    system = orders(approvals=("finance",), owners=(gone,))
    assert found(serving(), system) == [
        (
            "finance",
            C.OWNER_LEFT,
            "finance",
            "left on 2026-02-01 and still answers for cost, approvals",
        )
    ]
    leaves = replace(gone, left=TODAY + timedelta(days=1))
    assert found(serving(), orders(owners=(leaves,))) == []
    idle = Owner(name="former", contact="f@shop.example", left=TODAY)
    assert found(serving(), orders(owners=(idle,))) == [], "nothing waits for a successor"
