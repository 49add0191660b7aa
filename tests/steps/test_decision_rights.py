"""Nothing live is touched, and nothing is taken away, before those it concerns have said so."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.cli.release_rendering import plan_json, plan_lines
from sluiceway.contracts.change_kinds import ChangeKind
from sluiceway.contracts.clearing import Standing
from sluiceway.contracts.values import Contract, Deprecation
from sluiceway.errors import BadInput
from sluiceway.outcomes import Outcome
from sluiceway.releasing import Answer
from sluiceway.reports import explain
from sluiceway.rights import RemovalCode
from sluiceway.rollouts.actions import Wait
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ApprovalRequested, ContractsChecked, DeprecationAnnounced
from sluiceway.steps import deciding, ownership, requests
from sluiceway.steps.members import member_of
from sluiceway.steps.release_plans import ask as ask_release
from sluiceway.steps.release_plans import plan_release
from sluiceway.steps.reviewing import review_site
from sluiceway.steps.site import Site
from tests.driver import (
    FRAUD,
    LIVE,
    QUICK,
    Line,
    add,
    adopt_live,
    advance,
    live_days,
    memory_site,
    shrunken,
    variant,
)
from tests.orders.data import day
from tests.rights.shops import Case

from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud, told

PEOPLE = (
    ("{contact: finance@shop.example}", "{contact: finance@shop.example, people: [fay]}"),
    ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [kim, ben]}"),
)
SEVERAL = ("approvals: []", "approvals: [risk, finance]")


def say(site: Site, rollout: str, actor: str, owner: str | None = None) -> None:
    requests.approve(site, rollout, reason="fits", now=NOW, actor=actor, owner=owner)


def refused(site: Site, rollout: str, actor: str, owner: str | None = None) -> str:
    with pytest.raises(BadInput) as error:
        say(site, rollout, actor, owner)
    return str(error.value)


def waits(site: Site, rollout: str) -> str:
    action = advance(site, rollout, NOW)
    assert isinstance(action, Wait), action
    assert site.state(rollout).first_step_at is None
    return action.reason


# Approvals


def test_every_owner_is_waited_for_and_each_counts_once(tmp_path: Path) -> None:
    site = quick_site(tmp_path, SEVERAL, *PEOPLE)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    assert waits(site, rollout) == "waits for the approval of risk, finance"
    say(site, rollout, "kim")
    assert waits(site, rollout) == "waits for the approval of finance"
    finance = "finance (the policy always asks for it)"
    assert refused(site, rollout, "ben", "risk") == (
        f"{rollout}: risk has answered; it waits for {finance}"
    )
    assert refused(site, rollout, "kim", "finance") == (
        f"{rollout}: kim does not speak for finance (its people: fay)"
    )
    assert refused(site, rollout, "dee", "desk") == (
        f"{rollout}: desk is not asked; it waits for {finance}"
    )
    assert kinds(site, rollout).count("approved") == 1
    say(site, rollout, "fay", "finance")
    advance(site, rollout, NOW)
    assert site.state(rollout).step == 0


def test_nobody_approves_their_own_rollout_where_the_policy_forbids_it(tmp_path: Path) -> None:
    rules = ("approvals: []", "approvals: {always: [risk], proof: none}")
    ada = ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [ada, ben]}")
    site = quick_site(tmp_path, rules, ada)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    waits(site, rollout)
    assert refused(site, rollout, "ada") == (
        f"{rollout}: ada asked for it, and policies.approvals.own forbids to approve one's own"
    )
    say(site, rollout, "ben")
    advance(site, rollout, NOW)
    assert site.state(rollout).step == 0


def test_who_asked_may_still_refuse(tmp_path: Path) -> None:
    site = quick_site(tmp_path, ("approvals: []", "approvals: {always: [risk], proof: none}"))
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    waits(site, rollout)
    with pytest.raises(BadInput, match="desk is not asked"):
        requests.refuse(site, rollout, reason="no", now=NOW, actor="dee", owner="desk")
    requests.refuse(site, rollout, reason="too soon", now=NOW, actor="ada", owner="risk")
    advance(site, rollout, NOW)
    assert ended(site, rollout).code is ReasonCode.APPROVAL_REFUSED


def test_a_rule_asks_for_the_risk_of_what_is_reached(tmp_path: Path) -> None:
    rules = (
        "approvals: []",
        "approvals: {proof: none, rules: "
        "[{risk: high, ask: [desk]}, {change: minor, ask: [risk]}]}",
    )
    site = quick_site(tmp_path, rules)
    same_fraud(site)
    add(site, "cost", "2", LIVE["cost"])
    assert waits(site, ask(site, "fraud@2")) == "waits for the approval of desk"
    (tmp_path / "alone").mkdir()
    alone = quick_site(tmp_path / "alone", rules)
    add(alone, "cost", "2", LIVE["cost"])
    rollout = ask(alone, "cost@2")
    advance(alone, rollout, NOW)
    assert alone.state(rollout).step == 0, "cost reaches no model of high risk"


def wider_site(tmp_path: Path, *changes: tuple[str, str]) -> Site:
    """Version 2 of fraud promises a wider range, and those of its readers take it."""
    site = quick_site(tmp_path, *changes)
    models = site.systems.current().models
    (field,) = models["fraud"].contract.output
    wider = replace(models["fraud"].contract, version="2.0.0", output=(replace(field, high=2.0),))
    same_fraud(site, contract=wider)
    for name in ("handling", "cost"):
        demands = tuple(
            replace(one, high=2.0) if one.name == "fraud.probability" else one
            for one in models[name].contract.inputs
        )
        contract = replace(models[name].contract, version="1.1.0", inputs=demands)
        add(site, name, "2", LIVE[name], contract=contract)
    return site


def test_a_breaking_change_needs_the_word_of_each_edges_owner_before_its_canary(
    tmp_path: Path,
) -> None:
    """Though the readers move along in the same release, and nobody is asked otherwise."""
    site = wider_site(tmp_path)
    rollout = ask(site, "fraud@2", "cost@2", "handling@2")
    assert waits(site, rollout) == "waits for the approval of logistics, finance"
    (request,) = told(site, rollout, ApprovalRequested)
    assert isinstance(request, ApprovalRequested)
    assert {need.name: [why.edge for why in need.why] for need in request.needed} == {
        "logistics": ["fraud.probability → handling"],
        "finance": ["fraud.probability → cost"],
    }
    say(site, rollout, "fay", "finance")
    assert waits(site, rollout) == "waits for the approval of logistics"
    say(site, rollout, "lou", "logistics")
    advance(site, rollout, NOW)
    assert site.state(rollout).step == 0


def test_to_a_wrong_range_nobody_can_agree_beforehand(tmp_path: Path) -> None:
    site = wider_site(tmp_path)
    for edge, owner, actor in (("handling", "logistics", "lou"), ("cost", "finance", "fay")):
        ownership.acknowledge(
            site,
            f"fraud.probability -> {edge}",
            owner=owner,
            version="fraud@2",
            now=NOW,
            actor=actor,
        )
    rollout = ask(site, "fraud@2", "cost@2", "handling@2")
    assert waits(site, rollout) == "waits for the approval of logistics, finance"


def test_a_plan_names_whom_the_rollout_will_ask_and_why(tmp_path: Path) -> None:
    site = wider_site(tmp_path)
    names = ["fraud@2", "cost@2", "handling@2"]
    found = plan_release(site, names, now=NOW)
    rollout = ask(site, *names)
    waits(site, rollout)
    assert found.approvals == site.state(rollout).needed
    assert plan_json(found)["stages"]["approvals"][1] == {
        "name": "finance",
        "owners": ["finance"],
        "people": 1,
        "why": [
            "breaking change range_widened on fraud.probability → cost: its owner must acknowledge"
        ],
    }
    assert (
        "  logistics (logistics@shop.example): breaking change range_widened on "
        "fraud.probability → handling: its owner must acknowledge"
    ) in plan_lines(found)


def in_percent(site: Site) -> Contract:
    """The contract of priority, whose score is another unit now."""
    contract = site.systems.current().models["priority"].contract
    (field,) = contract.output
    return replace(contract, version="2.0.0", output=(replace(field, unit="percent"),))


def refusing(site: Site) -> list[str | None]:
    """Edges of priority 2 on which `can-promote` says no."""
    answer = ask_release(site, ["priority@2"], now=NOW).answer
    return [one.edge for one in answer.reasons if one.answer is Answer.NO]


def test_an_outside_application_agrees_beforehand_or_the_contract_is_refused(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    add(site, "priority", "2", LIVE["priority"], contract=in_percent(site))
    rollout = ask(site, "priority@2")
    advance(site, rollout, NOW)
    assert ended(site, rollout).code is ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS
    assert "priority.score → worklist" in refusing(site)
    edge = "priority.score -> worklist"
    ownership.acknowledge(site, edge, owner="desk", version="priority@2", now=NOW, actor="dee")
    assert refusing(site) == [], "who asks before is told the same as the rollout"
    rollout = ask(site, "priority@2")
    advance(site, rollout, NOW)
    (checked,) = told(site, rollout, ContractsChecked)
    assert isinstance(checked, ContractsChecked)
    assert (checked.outcome, checked.approvals) == (Outcome.PASSED, ())
    assert checked.checks[0].agreed_edges == ("priority.score → worklist",)
    assert site.state(rollout).step == 0, "who agreed is not asked a second time"


def test_agreeing_to_another_version_or_no_longer_agreeing_is_not_agreeing(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    other = in_percent(site)
    add(site, "priority", "2", LIVE["priority"], contract=other)
    add(site, "priority", "3", LIVE["priority"], contract=other)
    words = {"owner": "desk", "now": NOW, "actor": "dee"}
    edge = "priority.score -> worklist"
    ownership.acknowledge(site, edge, version="priority@3", **words)  # type: ignore[arg-type]
    ownership.acknowledge(site, edge, version="priority@2", until=NOW.date(), **words)  # type: ignore[arg-type]
    rollout = requests.request_rollout(site, ["priority@2"], now=day(42), actor="ada")
    advance(site, rollout, day(42))
    assert ended(site, rollout).code is ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS


def test_who_agreed_to_a_version_agreed_to_its_contract_and_its_files(tmp_path: Path) -> None:
    """Not to its number: both are looked up when they agree, and again when it is checked."""
    site = quick_site(tmp_path)
    contract = in_percent(site)
    add(site, "priority", "2", LIVE["priority"], contract=contract)
    given = ownership.acknowledge(
        site,
        "priority.score -> worklist",
        owner="desk",
        version="priority@2",
        now=NOW,
        actor="dee",
    )
    system = site.systems.current()
    member = member_of(site, system, "priority", "2")
    assert (given.contract_hash, given.artifact_sha256) == (
        member.contract_hash,
        member.artifact_sha256,
    )
    assert ownership.agreed_edges(site, system, member, now=NOW) == {given.edge}
    edited = replace(contract, output=(replace(contract.output[0], low=0.0, high=1.0),))
    add(site, "priority", "2", LIVE["priority"], contract=edited)
    found = member_of(site, system, "priority", "2")
    assert (found.contract_version, found.name) == (member.contract_version, member.name)
    assert ownership.agreed_edges(site, system, found, now=NOW) == frozenset()
    other_files = replace(member, artifact_sha256="0" * 64)
    assert ownership.agreed_edges(site, system, other_files, now=NOW) == frozenset()


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("priority@9", "priority@9: there is no such version"),
        (
            "2.0.0",
            "acknowledge priority.score -> worklist: '2.0.0' names no version; write "
            "MODEL@VERSION, like priority@2",
        ),
        (
            "fraud@1",
            "acknowledge priority.score -> worklist: fraud@1 is no version of priority, which the "
            "edge reads",
        ),
    ],
)
def test_nobody_agrees_to_what_there_is_not(tmp_path: Path, version: str, told: str) -> None:
    site = quick_site(tmp_path)
    with pytest.raises(BadInput) as refused:
        ownership.acknowledge(
            site, "priority.score -> worklist", owner="desk", version=version, now=NOW, actor="dee"
        )
    assert str(refused.value) == told
    assert ownership.answers(site).acknowledgements == ()


# Taking a field away

TOLD = day(40).date()
GONE = Deprecation(
    field="safe",
    since=TOLD,
    remove_after=TOLD + timedelta(days=10),
    use_instead="probability",
    because="it is 1 − probability",
)
EDGE = "fraud.safe → handling"
READS_SAFE = Line({"distance": 1 / 500, "fraud.safe": 0.0}, offset=2.0)
LATE = day(51)


def two_fields_site(tmp_path: Path) -> Site:
    """The fraud contract also promises `safe`, which handling alone reads; 10 days are notice."""
    folder = tmp_path / "system"
    folder.mkdir(parents=True)
    file = variant(
        folder,
        *QUICK,
        (
            "      - {reads: fraud.probability, relies_on: [numeric]}\n",
            "      - {reads: fraud.probability, relies_on: [numeric]}\n"
            "      - {reads: fraud.safe, relies_on: [numeric]}\n",
        ),
        ("  approvals: []", "  approvals: []\n  deprecation: {notice: 10d}"),
    )
    contract = folder / "contracts" / "fraud.yaml"
    text = contract.read_text(encoding="utf-8")
    text = text.replace(
        "output:\n", "output:\n  safe: {position: 0, unit: probability, range: [0, 1]}\n"
    ).replace("fallback: {", "fallback: {safe: 0.7, ")
    contract.write_text(text, encoding="utf-8")
    site = memory_site(tmp_path, file=file)
    add(site, "handling", "1", READS_SAFE)
    return site


def deprecating(site: Site) -> Contract:
    contract = site.systems.current().models["fraud"].contract
    return replace(contract, version="1.1.0", deprecations=(GONE,))


def without_safe(site: Site) -> Contract:
    contract = site.systems.current().models["fraud"].contract
    (kept,) = (field for field in contract.output if field.name != "safe")
    return replace(
        contract,
        version="2.0.0",
        output=(kept,),
        fallback={"probability": 0.3},
        reserved=("safe",),
    )


def deprecated_site(tmp_path: Path) -> Site:
    """What serves deprecates `safe`, its readers' owner was told today, version 2 is without."""
    site = two_fields_site(tmp_path)
    add(site, "fraud", "1", LIVE["fraud"], contract=deprecating(site))
    adopt_live(site, NOW)
    ownership.announce(site, site.systems.current(), now=NOW)
    add(site, "fraud", "2", LIVE["fraud"], contract=without_safe(site))
    add(site, "handling", "2", LIVE["handling"])
    return site


def in_place(site: Site) -> None:
    ownership.acknowledge(site, EDGE, owner="logistics", now=day(41), actor="lou")
    was_run(site, "handling@2")


def was_run(site: Site, asked: str) -> None:
    cases = [Case(asked=asked, edge="fraud.probability → handling", outcome=Outcome.PASSED)]
    system = site.systems.current()
    ownership.keep_replacement_tests(site, system, cases, ran="contract test", now=day(41))


def remove(site: Site, *names: str, now: object = LATE) -> tuple[list[RemovalCode], str]:
    """Ask for it; what the contract check found, and the rollout."""
    rollout = requests.request_rollout(site, names, now=now, actor="ada")  # type: ignore[arg-type]
    advance(site, rollout, now)  # type: ignore[arg-type]
    (checked,) = told(site, rollout, ContractsChecked)
    assert isinstance(checked, ContractsChecked)
    return [found.code for check in checked.checks for found in check.removals], rollout


def test_a_field_goes_after_its_window_with_everything_in_place(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    in_place(site)
    codes, rollout = remove(site, "fraud@2", "handling@2")
    assert codes == []
    (checked,) = told(site, rollout, ContractsChecked)
    assert isinstance(checked, ContractsChecked)
    touched = [one for check in checked.checks for one in check.touched]
    gone = [one.standing for one in touched if one.change.kind is ChangeKind.FIELD_REMOVED]
    assert gone == [Standing.CLEARED]
    assert site.state(rollout).needed == (), "who agreed is not asked a second time"
    live_days(site, rollout, LATE, 20)
    assert ended(site, rollout).ending is Ending.PROMOTED


def test_a_field_that_goes_too_early_is_refused(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    in_place(site)
    codes, rollout = remove(site, "fraud@2", "handling@2", now=day(49))
    assert codes == [RemovalCode.TOO_EARLY]
    over = ended(site, rollout)
    assert (over.ending, over.phase, over.code) == (
        Ending.REJECTED, Phase.CONTRACTS, ReasonCode.REMOVAL_REFUSED
    )  # fmt: skip
    assert "fraud.safe cannot be removed: it may be removed from 2026-02-20 on, it is " in (
        over.reason
    )
    events = site.journal.events(site.environment, rollout)
    said = explain(events, site.systems.current())
    assert "see who is waited for with: sluiceway deprecations" in said
    assert "so that it keeps its promise" not in said


def test_a_field_that_what_serves_still_reads_is_refused(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    in_place(site)
    was_run(site, "handling@1")
    codes, rollout = remove(site, "fraud@2")
    assert codes == [RemovalCode.STILL_READ]
    assert "the signature of handling@1 names fraud.safe" in ended(site, rollout).reason


def test_a_field_whose_reader_has_not_agreed_is_refused(tmp_path: Path) -> None:
    codes, _ = remove(deprecated_site(tmp_path), "fraud@2", "handling@2")
    assert codes == [RemovalCode.NOT_ACKNOWLEDGED, RemovalCode.REPLACEMENT_UNTESTED]


def test_a_field_whose_replacement_nobody_tested_is_not_a_yes(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    ownership.acknowledge(site, EDGE, owner="logistics", now=day(41), actor="lou")
    codes, rollout = remove(site, "fraud@2", "handling@2")
    assert codes == [RemovalCode.REPLACEMENT_UNTESTED]
    over = ended(site, rollout)
    assert (over.ending, over.code) == (Ending.INCONCLUSIVE, ReasonCode.CONTRACT_UNDECIDED)


def test_a_test_of_another_version_is_no_test_of_this_one(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    ownership.acknowledge(site, EDGE, owner="logistics", now=day(41), actor="lou")
    was_run(site, "handling@3")
    codes, _ = remove(site, "fraud@2", "handling@2")
    assert codes == [RemovalCode.REPLACEMENT_UNTESTED]


def test_a_field_that_somebody_undeclared_may_read_is_not_a_yes(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    in_place(site)
    add(site, "elsewhere", "4", Line({"fraud.safe": 1.0}))
    add(site, "unconcerned", "1", Line({"fraud.probability": 1.0}))
    codes, rollout = remove(site, "fraud@2", "handling@2")
    assert codes == [RemovalCode.READERS_UNKNOWN]
    over = ended(site, rollout)
    assert over.ending is Ending.INCONCLUSIVE
    assert (
        "fraud.safe cannot be removed: elsewhere (version 4) may read it and has no declared edge: "
        "signature" in over.reason
    )


def test_a_field_that_was_never_deprecated_is_refused(tmp_path: Path) -> None:
    site = two_fields_site(tmp_path)
    adopt_live(site, NOW)
    add(site, "fraud", "2", LIVE["fraud"], contract=without_safe(site))
    add(site, "handling", "2", LIVE["handling"])
    codes, rollout = remove(site, "fraud@2", "handling@2")
    assert codes == [RemovalCode.NOT_DEPRECATED]
    assert ended(site, rollout).code is ReasonCode.REMOVAL_REFUSED


def test_a_new_name_takes_the_old_one_away(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    in_place(site)
    safe = deprecating(site).field("safe")
    contract = without_safe(site)
    renamed = replace(
        contract,
        output=(replace(safe, name="harmless"), *contract.output),
        fallback={**contract.fallback, "harmless": 0.7},
    )
    add(site, "fraud", "2", LIVE["fraud"], contract=renamed)
    was_run(site, "handling@1")
    codes, rollout = remove(site, "fraud@2", now=day(49))
    assert codes == [RemovalCode.TOO_EARLY, RemovalCode.STILL_READ]
    assert ended(site, rollout).code is ReasonCode.REMOVAL_REFUSED
    codes, rollout = remove(site, "fraud@2", "handling@2")
    assert codes == []
    assert site.state(rollout).step == 0


@pytest.mark.parametrize(
    ("broken", "clears"),
    [({"high": 2.0}, False), ({"promise": None}, True)],
    ids=["another range", "another distribution"],
)
def test_a_model_that_stays_is_cleared_by_its_owners_word_only_where_a_replay_can_tell(
    tmp_path: Path, broken: dict[str, object], clears: bool
) -> None:
    site = quick_site(tmp_path)
    contract = site.systems.current().models["fraud"].contract
    changed = replace(contract.output[0], **broken)  # type: ignore[arg-type]
    same_fraud(site, contract=replace(contract, version="2.0.0", output=(changed,)))
    for said in (False, True):
        if said:
            for edge, owner in (("handling", "logistics"), ("cost", "finance")):
                name = f"fraud.probability -> {edge}"
                ownership.acknowledge(
                    site, name, owner=owner, version="fraud@2", now=NOW, actor="lou"
                )
        rollout = ask(site, "fraud@2")
        advance(site, rollout, NOW)
        (checked,) = told(site, rollout, ContractsChecked)
        assert isinstance(checked, ContractsChecked)
        assert (checked.outcome is Outcome.PASSED) is (said and clears), checked


def test_a_promotion_tells_the_owners_of_live_edges_once_and_nobody_else(tmp_path: Path) -> None:
    site = two_fields_site(tmp_path)
    adopt_live(site, NOW)
    model = Line(FRAUD, offset=-1.0, link=shrunken, fields=2)
    add(site, "fraud", "2", model, contract=deprecating(site))
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    assert ownership.answers(site).told == (), "what does not serve deprecates nothing"
    live_days(site, rollout, NOW, 20)
    assert ended(site, rollout).ending is Ending.PROMOTED
    said = told(site, ownership.STREAM, DeprecationAnnounced)
    assert [(one.announcement.owner, one.announcement.edges) for one in said] == [  # type: ignore[attr-defined]
        ("logistics", (EDGE,))
    ]
    assert ownership.announce(site, site.systems.current(), now=day(60)) == ()
    assert ownership.STREAM not in deciding.unfinished(site)
    (status,) = ownership.statuses(site, site.systems.current(), now=day(60))
    assert (status.word, status.waits_for) == ("announced", "logistics")


# Acknowledging


def test_who_may_not_acknowledge_writes_nothing(tmp_path: Path) -> None:
    site = deprecated_site(tmp_path)
    before = site.journal.head(site.environment)
    for edge, more, fault in (
        (EDGE, {"owner": "risk"}, "risk does not own handling; logistics does"),
        (
            "fraud.probability -> cost",
            {"owner": "finance"},
            "fraud.probability is not deprecated; for a breaking contract name its version",
        ),
        (EDGE, {"owner": "logistics", "until": date(2026, 1, 1)}, "ends on 2026-01-01, which has "
         "passed"),
        (EDGE, {"owner": "logistics", "tested": "all"}, "tested is for deprecations of what "
         "outside applications read"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as refused:
            ownership.acknowledge(site, edge, now=NOW, actor="lou", **more)  # type: ignore[arg-type]
        assert str(refused.value) == f"acknowledge {edge}: {fault}"
    assert site.journal.head(site.environment) == before


# Reviewing


def test_a_review_says_what_it_could_not_look_at(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    system = site.systems.current()
    missing = "stale contracts, deprecations and edges without evidence"
    nothing = review_site(site, system, now=NOW)
    assert nothing.not_looked_at == (f"{missing}: nothing serves yet",)
    adopt_live(site, NOW)
    assert isinstance(site.registry, MemoryRegistry)
    site.registry.available = False
    (said,) = review_site(site, system, now=NOW).not_looked_at
    assert said.startswith(f"{missing}: ")


def test_an_edge_has_evidence_from_the_replay_that_saw_both_ends_on(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    system = site.systems.current()

    def unseen(now: int = 60) -> list[str]:
        found = review_site(site, system, now=day(now)).findings
        return [one.detail for one in found if one.code == "edge_without_evidence"]

    assert len(unseen()) == 5, "what was adopted serves, and was never replayed"
    assert "no passed replay of fraud@1 with cost@1 is known" in unseen()
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    live_days(site, rollout, NOW, 20)
    assert ended(site, rollout).ending is Ending.PROMOTED
    assert unseen() == []
    assert f"the shadow replay of priority@1 in {rollout} on 2026-02-10 is too long ago" in (
        unseen(40 + 91)
    )
