"""A rollout is judged by the system file it began with, whatever becomes of the file meanwhile."""

from dataclasses import replace
from pathlib import Path

import pytest

from sluiceway.errors import BadInput
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.settings import Settings
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from sluiceway.wiring import keep, systems
from tests.driver import adopt_live, advance, memory_site, variant

from .worlds import NOW, ask, better_fraud, ended, same_fraud


def kept_site(tmp_path: Path) -> tuple[Site, Path]:
    """Memory all around, and the system file kept as the wiring keeps it."""
    (tmp_path / "system").mkdir()
    file = variant(tmp_path / "system")
    settings = Settings(system=file, home=tmp_path / "home", data=tmp_path)
    site = replace(
        memory_site(tmp_path, file=file),
        systems=systems(settings),
        folder=settings.rollout_folder,
    )
    adopt_live(site, NOW)
    return site, file


def rewritten(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_margin_that_grows_meanwhile_saves_nobody(tmp_path: Path) -> None:
    site, file = kept_site(tmp_path)
    better_fraud(site)
    rollout = ask(site, "fraud@2")
    for margin in ("0.2", "0.5", "0.05"):
        rewritten(file, f"margin: {margin}\n", f"margin: 9{margin}\n")
    advance(site, rollout, NOW)
    assert ended(site, rollout).code is ReasonCode.HARM_IN_SHADOW
    assert {gate.margin for gate in site.plan(rollout).gates} == {0.005, 0.05, 0.5, 0.2}
    assert site.systems.kept(rollout).digest != site.systems.current().digest


def test_a_contract_that_changes_meanwhile_changes_nothing(tmp_path: Path) -> None:
    site, file = kept_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    rewritten(file.parent / "contracts" / "fraud.yaml", "{probability: 0.3}", "{probability: 0.9}")
    kept = site.systems.kept(rollout)
    assert kept.models["fraud"].contract.fallback == {"probability": 0.3}
    assert site.systems.current().models["fraud"].contract.fallback == {"probability": 0.9}


def test_a_file_that_is_broken_meanwhile_does_not_stop_what_has_begun(tmp_path: Path) -> None:
    site, file = kept_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    file.write_text("system: [", encoding="utf-8")
    advance(site, rollout, NOW)
    assert site.state(rollout).step == 0
    with pytest.raises(BadInput):
        ask(site, "fraud@3")


def test_a_request_killed_before_its_copy_is_not_judged_by_another_file(tmp_path: Path) -> None:
    """Its reservation was worked out from the file as it was; nobody can have that any more."""
    site, file = kept_site(tmp_path)
    same_fraud(site)

    def killed(_rollout: str) -> None:
        raise KeyboardInterrupt

    dying = replace(site, systems=replace(site.systems, kept=killed))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        requests.request_rollout(dying, ["fraud@2"], now=NOW, actor="ada")
    rollout = site.journal.rollouts(site.environment)[-1]
    rewritten(file, "margin: 0.2\n", "margin: 0.3\n")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.PLAN)
    assert end.reason == (
        "the system file has changed since the request; ask for the rollout again"
    )
    again = ask(site, "fraud@2")
    assert again != rollout
    advance(site, again, NOW)
    assert site.state(again).step == 0


def test_a_copy_cut_short_is_made_again(tmp_path: Path) -> None:
    site, _file = kept_site(tmp_path)
    same_fraud(site)
    folder = site.folder("r0001-fraud2") / "system"
    partial = folder.with_name("system.partial")
    partial.mkdir(parents=True)
    (partial / "system.yaml").write_text("system: or", encoding="utf-8")
    rollout = ask(site, "fraud@2")
    assert site.folder(rollout) / "system" == folder
    assert site.systems.kept(rollout).digest == site.systems.current().digest
    assert site.systems.kept(rollout).models.keys() == site.systems.current().models.keys()


def test_a_copy_is_the_file_with_all_its_contracts(tmp_path: Path) -> None:
    site, file = kept_site(tmp_path)
    system = site.systems.current()
    keep(file, system, tmp_path / "copy")
    copied = {path.relative_to(tmp_path / "copy").as_posix(): path.read_bytes()
              for path in (tmp_path / "copy").rglob("*.yaml")}  # fmt: skip
    assert copied.keys() == {"system.yaml", *system.contract_files}
    assert all((file.parent / name).read_bytes() == content for name, content in copied.items())
