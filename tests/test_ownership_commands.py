"""What owners type, what they read, and what it returns."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluiceway.cli import commands, ownership_commands, status_look
from sluiceway.errors import BadInput
from sluiceway.steps.site import Site
from tests.driver import advance, memory_site
from tests.orders.data import day
from tests.steps.test_decision_rights import EDGE, deprecated_site
from tests.steps.worlds import NOW, ask, quick_site, same_fraud

AS_OF = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%S}")
LATER = ("--as-of", f"{day(45):%Y-%m-%dT%H:%M:%S}")


@dataclass
class Typed:
    """A command line over a site in memory."""

    monkeypatch: pytest.MonkeyPatch

    def over(self, site: Site, file: Path) -> None:
        for module in (commands, ownership_commands, status_look):
            self.monkeypatch.setattr(module, "opened", lambda _settings: nullcontext(site))
        self.monkeypatch.setenv("SLUICEWAY_SYSTEM", str(file))
        self.monkeypatch.setenv("SLUICEWAY_DATABASE_URL", "sqlite://")
        self.monkeypatch.setenv("SLUICEWAY_ACTOR", "lou")

    def __call__(self, *words: str) -> tuple[int, str]:
        result = CliRunner().invoke(commands.app, words)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    def json(self, *words: str) -> tuple[int, dict[str, object]]:
        code, out = self(*words, "--json")
        return code, json.loads(out)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    return Typed(monkeypatch)


@pytest.fixture
def deprecated(typed: Typed, tmp_path: Path) -> Typed:
    """The shop whose fraud model deprecates a field, and whose owners have been told."""
    typed.over(deprecated_site(tmp_path), tmp_path / "system" / "system.yaml")
    return typed


def test_a_deprecation_is_told_acknowledged_and_shown(deprecated: Typed) -> None:
    code, value = deprecated.json("deprecations", *LATER)
    (status,) = value["deprecations"]  # type: ignore[misc]
    assert (code, value["announced"]) == (0, [])
    assert (status["status"], status["waits_for"], status["days_left"]) == (
        "announced", "logistics", 5
    )  # fmt: skip
    code, said = deprecated("acknowledge", EDGE, "--as", "logistics", *LATER)
    assert (code, said) == (
        0,
        "logistics acknowledged for fraud.safe → handling: safe goes from 2026-02-20 on\n",
    )
    code, shown = deprecated("deprecations", *LATER)
    assert code == 0
    assert "acknowledged 2026-02-15" in shown
    assert "waits for" not in shown


def test_owners_are_told_once(deprecated: Typed) -> None:
    assert deprecated.json("deprecations", "--announce", *LATER)[1]["announced"] == []


def test_what_may_not_be_acknowledged_is_bad_input(deprecated: Typed) -> None:
    with pytest.raises(BadInput, match="risk does not own handling; logistics does"):
        deprecated("acknowledge", EDGE, "--as", "risk", *LATER)


def test_a_reader_is_run_on_what_replaces_the_field(deprecated: Typed) -> None:
    code, said = deprecated("deprecations", "--test", "handling@2", *LATER)
    assert code == 0, said
    assert f"handling@2 on probability, for {EDGE}: passed" in said
    with pytest.raises(BadInput, match="cost reads no deprecated field that something replaces"):
        deprecated("deprecations", "--test", "cost@1", *LATER)


def test_a_shop_that_deprecates_nothing_says_so(typed: Typed, tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    typed.over(site, tmp_path / "system" / "system.yaml")
    assert typed("deprecations", *AS_OF) == (0, "nothing that serves deprecates a field\n")
    assert typed.json("deprecations", "--announce", *AS_OF) == (
        0, {"announced": [], "tested": [], "deprecations": []}
    )  # fmt: skip


def test_a_review_returns_1_where_there_is_something(deprecated: Typed) -> None:
    code, value = deprecated.json("review", *LATER)
    assert code == 1
    assert value["not_looked_at"] == []
    found = [(one["owner"], one["code"], one["subject"]) for one in value["findings"]]  # type: ignore[attr-defined]
    assert ("logistics", "unacknowledged", EDGE) in found
    code, shown = deprecated("review", *LATER)
    assert code == 1
    assert "goes from 2026-02-20 on, in 5d; told on 2026-02-10" in shown


def test_a_review_that_could_not_look_is_neither_yes_nor_no(typed: Typed, tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    typed.over(site, Path(__file__).parent / "orders" / "system.yaml")
    code, said = typed("review", *AS_OF)
    assert code == 3
    assert said == (
        "not looked at: stale contracts, deprecations and edges without evidence: nothing serves "
        "yet\n"
    )
    assert typed.json("review", *AS_OF) == (
        3, {"findings": [], "not_looked_at": [said.removeprefix("not looked at: ").strip()]}
    )  # fmt: skip


def test_an_approval_says_who_is_still_waited_for(typed: Typed, tmp_path: Path) -> None:
    site = quick_site(tmp_path, ("approvals: []", "approvals: [risk, desk]"))
    typed.over(site, tmp_path / "system" / "system.yaml")
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    with pytest.raises(BadInput) as refused:
        typed("approve", rollout)
    assert str(refused.value) == f"{rollout}: in whose name? say --as, with one of risk, desk"
    code, said = typed("approve", rollout, "--as", "risk")
    assert code == 0
    assert said == (
        f"{rollout} still waits for the approval of desk (the policy always asks for it)\n"
    )
    code, value = typed.json("approve", rollout, "--as", "desk")
    assert (code, value["waits_for_approval_of"]) == (0, [])
    approved = [e for e in site.journal.events(site.environment, rollout) if e.kind == "approved"]
    assert [(e.actor, e.payload["owners"]) for e in approved] == [
        ("lou", ["risk"]), ("lou", ["desk"])
    ]  # fmt: skip
