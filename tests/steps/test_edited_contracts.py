"""A contract is what was verified, whatever its file says later."""

from pathlib import Path

import pytest

from sluiceway.adapters.memory_journal import MemoryJournal
from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.contracts.values import Contract
from sluiceway.releasing import Answer
from sluiceway.releasing.promoting import ReasonCode as Why
from sluiceway.releasing.wording import clears
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.steps.release_plans import ask as can_promote
from sluiceway.steps.release_plans import plan_release
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from tests.driver import LIVE, advance, variant

from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud

BEFORE = "range: [0, 1]"


def edit(tmp_path: Path, site: Site, *changes: tuple[str, str]) -> None:
    """Change the file of fraud's contract in place, after generation 1 was adopted."""
    folder = tmp_path / "system"
    contract = folder / "contracts" / "fraud.yaml"
    text = contract.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    contract.write_text(text, encoding="utf-8")
    object.__setattr__(site.systems, "kept", lambda _rollout: read_system(folder / "system.yaml"))
    object.__setattr__(site.systems, "current", lambda: read_system(folder / "system.yaml"))


class Forgetful(MemoryJournal):
    """A journal that was written before contracts were kept."""

    def contract(self, content_hash: str) -> Contract | None:
        return None


def edited(tmp_path: Path, *, journal: MemoryJournal | None = None) -> Site:
    """Generation 1 serves, and then fraud's contract file says another thing of its range."""
    site = quick_site(tmp_path)
    if journal is not None:
        old = site.journal
        assert isinstance(old, MemoryJournal)
        journal.__dict__.update(old.__dict__)
        object.__setattr__(site, "journal", journal)
    edit(tmp_path, site, (BEFORE, "range: [0, 0.99]"))
    return site


def test_what_an_edited_file_changes_is_told_against_the_contract_that_was_verified(
    tmp_path: Path,
) -> None:
    site = edited(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    found = ended(site, rollout)
    assert (found.ending, found.phase) == (Ending.REJECTED, Phase.CONTRACTS)
    state = site.state(rollout)
    assert state.contracts is not None
    (check,) = state.contracts.checks
    assert {change.kind for change in check.changes} == {"range_narrowed"}
    assert [finding.code for finding in check.version_findings] == ["same_version"]


def test_can_promote_and_plan_know_what_serves_after_its_file_was_edited(tmp_path: Path) -> None:
    site = edited(tmp_path)
    same_fraud(site)
    answer = can_promote(site, ["fraud@2"], now=NOW).answer
    assert Why.CONTRACT_UNKNOWN not in {reason.code for reason in answer.reasons}
    plan = plan_release(site, ["fraud@2"], now=NOW)
    assert [(one.before, one.after, one.bump) for one in plan.contract_changes] == [
        ("1.0.0", "1.0.0", "minor")
    ]


def test_a_version_that_serves_may_be_rolled_out_again_under_another_contract(
    tmp_path: Path,
) -> None:
    """Its answers are the same, and what is promised of them is another thing."""
    site = quick_site(tmp_path)
    edit(tmp_path, site, (BEFORE, "range: [0, 0.99]"), ("version: 1.0.0", "version: 1.1.0"))
    rollout = ask(site, "fraud@1")
    advance(site, rollout, NOW)
    state = site.state(rollout)
    assert state.contracts is not None
    (check,) = state.contracts.checks
    assert {change.kind for change in check.changes} == {"range_narrowed"}
    assert check.version_findings == ()
    assert state.shadows


def test_where_no_text_was_kept_what_serves_is_unknown_and_no_pass(tmp_path: Path) -> None:
    site = edited(tmp_path, journal=Forgetful())
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    found = ended(site, rollout)
    assert (found.ending, found.phase) == (Ending.ERRORED, Phase.CONTRACTS)
    assert found.code is ReasonCode.CONTRACT_UNCHECKABLE
    assert found.reason == (
        "fraud@2: the contract 1.0.0 that fraud@1 was verified against is known no longer; to "
        "clear it: the text of that contract as it was: put the file back, or tag the version "
        "sluiceway.contract with it; the next rollout keeps it in the journal"
    )
    assert "shadow_measured" not in kinds(site, rollout)
    asked = can_promote(site, ["fraud@2"], now=NOW)
    assert asked.answer.answer is Answer.UNKNOWN
    unknown = [one for one in asked.answer.reasons if one.code is Why.CONTRACT_UNKNOWN]
    assert {one.said for one in unknown} == {
        ("the contract 1.0.0 that fraud@1 was verified against is known no longer",)
    }
    assert {clears(one) for one in unknown} == {
        "the text of that contract as it was: put the file back, or tag the version "
        "sluiceway.contract with it; the next rollout keeps it in the journal"
    }


@pytest.mark.parametrize("by", ["file", "tag"])
def test_what_is_given_as_the_remedy_helps(tmp_path: Path, by: str) -> None:
    """The file put back, or the tag, and a journal that keeps it again from there on."""
    site = edited(tmp_path, journal=Forgetful())
    assert isinstance(site.registry, MemoryRegistry)
    same_fraud(site)
    if by == "file":
        edit(tmp_path, site, ("range: [0, 0.99]", BEFORE))
    else:
        live = LIVE["fraud"]
        site.registry.add("fraud", "1", live, live.inputs, contract=before(tmp_path))
    asked = can_promote(site, ["fraud@2"], now=NOW)
    assert Why.CONTRACT_UNKNOWN not in {reason.code for reason in asked.answer.reasons}
    kept = MemoryJournal()
    kept.__dict__.update(site.journal.__dict__)
    kept._contracts = {}
    object.__setattr__(site, "journal", kept)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    assert kept.contract(before(tmp_path).content_hash) == before(tmp_path)
    state = site.state(rollout)
    assert state.contracts is not None
    assert state.contracts.checks[0].fault is None


def before(tmp_path: Path) -> Contract:
    """What fraud's contract was before it was edited."""
    folder = tmp_path / "before"
    if not folder.exists():
        folder.mkdir()
        variant(folder)
    return read_system(folder / "system.yaml").models["fraud"].contract
