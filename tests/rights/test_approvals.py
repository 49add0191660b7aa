"""Exactly those are asked whom a rollout concerns, each with the reason."""

from datetime import date

import pytest

from sluiceway.contracts.change_kinds import Bump, Change, ChangeKind
from sluiceway.graph import blast_radius
from sluiceway.rights import (
    GivenApproval,
    NeededApproval,
    NotTheirs,
    answers_for,
    approvals_needed,
    listed_approvals,
    still_open,
    waits_for,
)
from sluiceway.system.rights import Among, ApprovalRule, ChangeClass, Risk
from sluiceway.system.values import Owner, System

from .shops import member, orders

UNIT = Change(
    kind=ChangeKind.UNIT_CHANGED,
    model="fraud",
    field="probability",
    before="probability",
    after="percent",
)
ADDED = Change(kind=ChangeKind.FIELD_ADDED, model="fraud", field="more")
DEMANDS = Change(
    kind=ChangeKind.INPUT_UNIT_CHANGED,
    model="cost",
    field="fraud.probability",
    before="probability",
    after="percent",
)


def asked(system: System, *changes: Change, models: tuple[str, ...] = ("fraud",), **more: object):  # type: ignore[no-untyped-def]
    radius = blast_radius(system, models)
    members = tuple(member(model) for model in models)
    return approvals_needed(system, radius, changes, members, **more)  # type: ignore[arg-type]


def names(needed: tuple[NeededApproval, ...]) -> list[str]:
    return [need.name for need in needed]


def test_a_change_class_is_a_bump() -> None:
    assert [one.value for one in ChangeClass] == [one.value for one in Bump]


def test_a_flat_list_is_asked_whatever_it_is() -> None:
    system = orders(approvals=("desk", "risk"))
    assert names(asked(system)) == ["desk", "risk"]
    assert waits_for(asked(system)) == (
        "desk (the policy always asks for it), risk (the policy always asks for it)"
    )


def test_nothing_that_concerns_nobody_asks_nobody() -> None:
    assert asked(orders()) == ()
    assert asked(orders(), ADDED) == ()


def test_a_breaking_change_asks_the_owner_of_every_edge_it_breaks_and_nobody_else() -> None:
    needed = asked(orders(), UNIT)
    assert names(needed) == ["logistics", "finance"]
    assert waits_for(needed) == (
        "logistics (breaking change unit_changed on fraud.probability → handling: its owner must "
        "acknowledge), finance (breaking change unit_changed on fraud.probability → cost: its "
        "owner must acknowledge)"
    )


def test_a_demand_that_breaks_asks_the_owner_of_what_feeds_it() -> None:
    assert names(asked(orders(), DEMANDS, models=("cost",))) == ["risk"]


def test_an_edge_that_was_acknowledged_beforehand_is_not_asked_again() -> None:
    known = ("fraud.probability → cost",)
    assert names(asked(orders(), UNIT, acknowledged=known)) == ["logistics"]
    demanded = asked(orders(), DEMANDS, models=("cost",), acknowledged=known)
    assert names(demanded) == ["risk"], "who reads has not agreed for who feeds"


@pytest.mark.parametrize(
    ("rule", "model", "asks"),
    [
        # fraud is high and reaches all others; priority is low and reaches nothing.
        (ApprovalRule(risk=Risk.HIGH, ask=("desk",)), "fraud", True),
        (ApprovalRule(risk=Risk.HIGH, ask=("desk",)), "priority", False),
        (ApprovalRule(risk=Risk.LOW, ask=("desk",)), "priority", True),
        (ApprovalRule(risk=Risk.MEDIUM, ask=("desk",)), "fraud", True),
        (ApprovalRule(risk=Risk.MEDIUM, ask=("desk",)), "cost", True),
        (ApprovalRule(risk=Risk.HIGH, ask=("desk",)), "cost", False),
    ],
)
def test_a_rule_of_risk_asks_for_that_risk_and_above(
    rule: ApprovalRule, model: str, asks: bool
) -> None:
    assert bool(asked(orders(rules=(rule,)), models=(model,))) is asks


def test_risk_counts_among_all_that_is_reached_unless_only_members_are_meant() -> None:
    """signal is read by fraud alone, which is the only model of high risk."""
    system = orders(rules=(ApprovalRule(risk=Risk.HIGH, ask=("desk",)),))
    radius = blast_radius(system, ["cost", "fraud"])
    assert approvals_needed(system, radius, (), (member("cost"),))
    rule = ApprovalRule(risk=Risk.HIGH, among=Among.MEMBERS, ask=("desk",))
    system = orders(rules=(rule,))
    assert not approvals_needed(system, radius, (), (member("cost"),))
    assert approvals_needed(system, radius, (), (member("fraud"),))


@pytest.mark.parametrize(
    ("least", "changes", "asks"),
    [
        (ChangeClass.PATCH, (), True),
        (ChangeClass.MINOR, (), False),
        (ChangeClass.MINOR, (ADDED,), True),
        (ChangeClass.MAJOR, (ADDED,), False),
        (ChangeClass.MINOR, (UNIT,), True),
        (ChangeClass.MAJOR, (ADDED, UNIT), True),
    ],
)
def test_a_rule_of_change_asks_for_that_class_and_above(
    least: ChangeClass, changes: tuple[Change, ...], asks: bool
) -> None:
    system = orders(rules=(ApprovalRule(change=least, ask=("shop-data",)),))
    assert ("shop-data" in names(asked(system, *changes))) is asks


def test_among_members_one_model_must_meet_both_conditions() -> None:
    """fraud is of high risk and changes nothing; cost changes much and is of medium risk."""
    both = {"risk": Risk.HIGH, "change": ChangeClass.MAJOR, "ask": ("shop-data",)}
    narrow = orders(rules=(ApprovalRule(among=Among.MEMBERS, **both),))  # type: ignore[arg-type]
    wide = orders(rules=(ApprovalRule(**both),))  # type: ignore[arg-type]
    models = ("fraud", "cost")
    assert "shop-data" not in names(asked(narrow, DEMANDS, models=models))
    assert "shop-data" in names(asked(wide, DEMANDS, models=models))
    assert "shop-data" in names(asked(narrow, UNIT, models=models))


def test_whoever_is_asked_for_several_reasons_is_asked_once_with_all_of_them() -> None:
    rules = (
        ApprovalRule(risk=Risk.HIGH, ask=("finance",)),
        ApprovalRule(change=ChangeClass.MAJOR, ask=("finance",), people=2),
    )
    system = orders(approvals=("finance",), rules=rules)
    finance, logistics = asked(system, UNIT)
    assert (finance.name, finance.people, logistics.name) == ("finance", 2, "logistics")
    assert waits_for([finance]) == (
        "finance (the policy always asks for it; fraud is high risk; fraud changes by major; "
        "breaking change unit_changed on fraud.probability → cost: its owner must acknowledge)"
    )
    medium = orders(rules=(ApprovalRule(risk=Risk.MEDIUM, ask=("finance",)),))
    assert waits_for(asked(medium)) == "finance (fraud, handling and cost are up to high risk)"


# Who may answer

KIM = Owner(name="risk", contact="risk@shop.example", people=("kim", "ben"), roles=("model-risk",))
DEE = Owner(name="desk", contact="desk@shop.example", people=("dee", "kim"), roles=("model-risk",))
TODAY = date(2026, 2, 10)


def answer(
    system: System, needed: tuple[NeededApproval, ...], actor: str, owner: str | None,
    *given: GivenApproval,
) -> tuple[str, ...]:  # fmt: skip
    return answers_for(needed, given, system.owners, actor=actor, owner=owner, today=TODAY)


def refusal(*arguments: object) -> str:
    with pytest.raises(NotTheirs) as refused:
        answer(*arguments)  # type: ignore[arg-type]
    return str(refused.value)


def test_a_role_is_answered_by_any_owner_who_holds_it() -> None:
    system = orders(approvals=("model-risk",), owners=(KIM, DEE))
    (need,) = needed = asked(system)
    assert (need.name, need.by) == ("model-risk", ("risk", "desk"))
    assert answer(system, needed, "dee", "desk") == ("desk",)
    assert still_open(needed, [GivenApproval(owners=("desk",), actor="dee")]) == ()
    assert answer(system, needed, "kim", None) == ("risk", "desk"), "kim speaks for both"
    assert refusal(system, needed, "kim", "model-risk") == (
        "model-risk is a role; say --as, with who holds it: risk, desk"
    )


def test_two_people_are_two_people() -> None:
    rule = ApprovalRule(risk=Risk.HIGH, ask=("model-risk",), people=2)
    system = orders(rules=(rule,), owners=(KIM, DEE))
    needed = asked(system)
    once = GivenApproval(owners=("risk",), actor="kim")
    as_other = GivenApproval(owners=("desk",), actor="kim")
    assert still_open(needed, [once]) == needed
    assert still_open(needed, [once, once, as_other]) == needed, "whoever says it twice counts once"
    assert still_open(needed, [once, GivenApproval(owners=("desk",), actor="dee")]) == ()
    why = "model-risk (fraud is high risk)"
    assert refusal(system, needed, "kim", "risk", once) == (
        f"kim has answered for risk; it waits for {why}"
    )
    ben = Owner(name="risk", contact="r", people=("kim", "ben"), roles=("model-risk",))
    alone = orders(rules=(rule,), owners=(ben,))
    assert refusal(alone, asked(alone), "kim", None, once) == (
        f"kim has answered; it waits for another person: {why}"
    )


def test_somebody_who_is_not_asked_is_refused_with_the_list_of_those_who_are() -> None:
    system = orders(approvals=("risk",), owners=(KIM,))
    needed = asked(system, UNIT)
    waited = waits_for(needed)
    assert refusal(system, needed, "sam", "shop-data") == (
        f"shop-data is not asked; it waits for {waited}"
    )
    assert refusal(system, needed, "sam", "ceo") == (
        "ceo is not among the owners (there are: shop-data, risk, logistics, finance, desk)"
    )
    assert refusal(system, needed, "sam", "risk") == (
        "sam does not speak for risk (its people: kim, ben)"
    )
    given = GivenApproval(owners=("risk",), actor="kim")
    assert refusal(system, needed, "ben", "risk", given) == (
        f"risk has answered; it waits for {waits_for(needed[1:])}"
    )


def test_without_a_name_one_answers_for_all_who_have_named_one() -> None:
    system = orders(approvals=("risk", "desk", "finance"), owners=(KIM, DEE))
    needed = asked(system)
    assert answer(system, needed, "kim", None) == ("risk", "desk")
    said = GivenApproval(owners=("risk", "desk"), actor="kim")
    assert answer(system, needed, "sam", None, said) == ("finance",), "who named nobody"
    several = orders(approvals=("finance", "logistics"))
    assert refusal(several, asked(several), "sam", None) == (
        "in whose name? say --as, with one of finance, logistics"
    )
    strict = orders(approvals=("risk",), owners=(KIM,))
    assert refusal(strict, asked(strict), "sam", None) == (
        "sam speaks for nobody it waits for: risk (the policy always asks for it)"
    )


def test_an_owner_who_left_answers_no_more() -> None:
    gone = Owner(name="risk", contact="risk@shop.example", left=date(2026, 2, 1))
    system = orders(approvals=("risk",), owners=(gone,))
    assert refusal(system, asked(system), "kim", "risk") == (
        "risk left on 2026-02-01; say in the system file who owns it now"
    )
    assert refusal(system, asked(system), "kim", None).startswith("kim speaks for nobody")


def test_an_approval_of_an_older_journal_answers_for_all_as_it_did_then() -> None:
    needed = listed_approvals(("ada", "bob"))
    assert still_open(needed, []) == needed
    assert still_open(needed, [GivenApproval(owners=(), actor="carl")]) == ()
