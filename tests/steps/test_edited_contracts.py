"""A contract that was edited in place is never compared with itself."""

from pathlib import Path

from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from tests.driver import LIVE, advance, variant

from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud


def edited(tmp_path: Path) -> Site:
    """Generation 1 serves, and then fraud's contract file says another thing of its unit."""
    site = quick_site(tmp_path)
    folder = tmp_path / "system"
    contract = folder / "contracts" / "fraud.yaml"
    text = contract.read_text(encoding="utf-8")
    assert "range: [0, 1]" in text
    contract.write_text(text.replace("range: [0, 1]", "range: [0, 0.99]"), encoding="utf-8")
    object.__setattr__(site.systems, "kept", lambda _rollout: read_system(folder / "system.yaml"))
    return site


def test_an_edited_contract_of_what_serves_is_unknown_and_no_pass(tmp_path: Path) -> None:
    site = edited(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    found = ended(site, rollout)
    assert (found.ending, found.phase) == (Ending.ERRORED, Phase.CONTRACTS)
    assert found.code is ReasonCode.CONTRACT_UNCHECKABLE
    assert found.reason == (
        "fraud@2: the contract 1.0.0 that fraud@1 was verified against is known no longer, the "
        "file says another 1.0.0; tag fraud@1 with what it was (sluiceway.stamping.contract_tag)"
    )
    assert "shadow_measured" not in kinds(site, rollout)


def test_a_version_that_carries_its_contract_is_compared_with_it(tmp_path: Path) -> None:
    site = edited(tmp_path)
    assert isinstance(site.registry, MemoryRegistry)
    system = read_system(tmp_path / "system" / "system.yaml")
    before = quick_site_contract(tmp_path)
    assert before.content_hash != system.models["fraud"].contract.content_hash
    live = LIVE["fraud"]
    site.registry.add("fraud", "1", live, live.inputs, contract=before)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    state = site.state(rollout)
    assert state.contracts is not None
    assert "range_narrowed" in {change.kind for change in state.contracts.checks[0].changes}


def quick_site_contract(tmp_path: Path):  # type: ignore[no-untyped-def]
    """What fraud's contract was before it was edited."""
    folder = tmp_path / "before"
    folder.mkdir()
    file = variant(folder)
    return read_system(file).models["fraud"].contract
