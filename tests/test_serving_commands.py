"""What people type to cut and switch live paths, what they read, and what it returns."""

from dataclasses import replace
from pathlib import Path

import pytest

from sluiceway.adapters.flag_file import FlagFileRouter
from sluiceway.adapters.observed_routing import Gateways, ObservedRouter
from sluiceway.cli import serving_commands
from sluiceway.errors import BadInput
from sluiceway.ports import Window
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.adapters.test_observed_routing import says
from tests.orders.data import day
from tests.steps.test_controlling import FLAGS
from tests.steps.worlds import NOW, quick_site, same_fraud, to_canary
from tests.test_ownership_commands import Typed


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A shop whose gateways read a file and write heartbeats below its home."""
    folder = tmp_path / "home" / "test"
    router = FlagFileRouter(folder / "routing.json")
    gateways = Gateways(folder / "serving" / "gateways")
    found = quick_site(tmp_path, FLAGS)
    return replace(found, router=ObservedRouter(router, gateways))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Site) -> Typed:
    found = Typed(monkeypatch)
    found.over(site, tmp_path / "system" / "system.yaml")
    monkeypatch.setattr(serving_commands, "opened", _same(site))
    monkeypatch.setattr(serving_commands, "PATIENCE", serving_commands.PATIENCE / 20)
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLUICEWAY_ENVIRONMENT", "test")
    return found


def _same(site: Site):  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return lambda _settings: nullcontext(site)


def test_an_edge_is_isolated_shown_and_restored(typed: Typed, site: Site) -> None:
    code, out = typed("isolate", "fraud:cost", "--reason", "the feed is stuck")
    assert (code, out) == (0, "isolated fraud.probability → cost\n")
    assert site.router.observed().cut == ("fraud.probability → cost",)  # type: ignore[union-attr]
    _, shown = typed("status")
    assert "fraud.probability → cost  lou, 20" in shown
    assert "UTC: the feed is stuck" in shown
    _, value = typed.json("status")
    (isolation,) = value["isolations"]  # type: ignore[misc]
    assert (isolation["edge"], isolation["actor"], isolation["reason"]) == (
        "fraud.probability → cost",
        "lou",
        "the feed is stuck",
    )
    code, out = typed("isolate", "fraud:cost", "--reason", "again")
    assert (code, out) == (0, "nothing to do: it is isolated already\n")
    code, out = typed("restore", "fraud -> cost")
    assert (code, out) == (0, "restored fraud.probability → cost\n")
    _, value = typed.json("status")
    assert value["isolations"] == []


def test_what_may_not_be_cut_is_bad_input(typed: Typed) -> None:
    with pytest.raises(BadInput, match=r"may mean fraud\.probability → handling; fraud"):
        typed("isolate", "fraud", "--reason", "x")
    code, _ = typed("isolate", "fraud -> cost")
    assert code == 2, "a reason is asked for"


def test_a_flag_is_listed_set_and_unset(typed: Typed, site: Site) -> None:
    code, out = typed("flag", "list")
    assert (code, out) == (0, "the system file declares no flag\n"), "nobody has looked yet"
    code, out = typed("flag", "set", "cheap-cost", "before", "--reason", "slow")
    assert (code, out) == (0, "everybody takes before of cheap-cost\n")
    _, value = typed.json("flag", "list")
    (flag,) = value["flags"]  # type: ignore[misc]
    assert (flag["flag"], flag["set"]["variant"], flag["set"]["actor"]) == (
        "cheap-cost",
        "before",
        "lou",
    )
    assert "cheap-cost" in typed("status")[1]
    code, out = typed("flag", "unset", "cheap-cost")
    assert (code, out) == (0, "the rules of cheap-cost hold again\n")
    assert "declared, before, no-fraud" in typed("flag", "list")[1]


def test_a_gateway_that_does_not_follow_makes_it_unsure(
    typed: Typed, site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "test" / "serving" / "gateways"
    says(folder, 1)
    code, out = typed("isolate", "fraud:cost", "--reason", "stuck")
    assert code == 3
    assert "not in force everywhere yet: gateway gw-1 follows revision 1" in out
    code, out = typed("gateways")
    assert code == 1
    assert "gw-1     alive  1         1           follows an older table" in out
    says(folder, 100)
    code, value = typed.json("gateways")
    assert code == 0
    (one,) = value["gateways"]  # type: ignore[misc]
    assert (one["gateway"], one["alive"], one["revision"], one["late"]) == (
        "gw-1",
        True,
        100,
        False,
    )
    assert "gw-1" in typed("status")[1]
    says(folder, 100, ago=60)
    assert "dead" in typed("gateways")[1]
    assert "gw-1" not in typed("status")[1]


def test_no_gateway_is_nothing_to_worry_about(typed: Typed) -> None:
    assert typed("gateways") == (0, "no gateway has said anything yet\n")


def test_the_status_shows_how_units_were_really_shared_out(typed: Typed, site: Site) -> None:
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    BatchServer(site).answer(Window(start=NOW, end=day(42)), now=day(42))
    (shown,) = [one for one in typed("status")[1].splitlines() if " of 240 rows" in one]
    assert shown.startswith(rollout)
    assert " 10 % " in shown
    _, value = typed.json("status")
    (one,) = value["rollouts"][0]["observed"]  # type: ignore[index]
    assert (one["weight"], one["rows"]) == (10, 240)
    assert 0 < one["candidate"] < 120


def test_an_abort_takes_the_traffic_away_before_any_flow(typed: Typed, site: Site) -> None:
    from sluiceway.steps import requests

    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    requests.abort(site, rollout, reason="enough", now=NOW, actor="ada")
    assert site.router.observed().canaries == ()  # type: ignore[union-attr]
