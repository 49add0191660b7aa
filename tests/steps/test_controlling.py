"""People cut edges and set flags: written down with who and why, and in force at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from sluiceway.contracts.values import InputDemand
from sluiceway.errors import BadInput
from sluiceway.rollouts.controls import STREAM
from sluiceway.rollouts.events import EdgesIsolated, FlagsDeclared
from sluiceway.routing import FlagRoute
from sluiceway.steps import controlling, deciding
from sluiceway.steps.site import Site
from sluiceway.steps.world import bring_routing, differing, wanted_projection
from sluiceway.system.cutting import cuttable
from tests.driver import LIVE, Wild, add, adopt_live, advance, live_days, memory_site, variant
from tests.orders.data import day

from .test_way_back import CONTRACTS, demanding_percent
from .worlds import NOW, quick_site, same_fraud, to_canary, told

SAFE_AMOUNT = (
    "  amount: {owner: shop-data, unit: EUR,",
    "  amount: {owner: shop-data, safe_default: 80, unit: EUR,",
)
FLAGS = (
    "policies:\n",
    """flags:
  cheap-cost:
    owner: finance
    description: The cost model before the last one.
    variants:
      declared: {}
      before: {versions: {cost: "1"}}
      no-fraud: {cut: ["fraud.probability → cost"]}
    default: declared
policies:
""",
)


def because(site: Site, text: str) -> tuple[str, ...]:
    return controlling.isolate(site, text, reason="it is on fire", now=NOW, actor="ada")


def cut(site: Site) -> tuple[str, ...]:
    bring_routing(site)
    table = site.router.observed()
    assert table is not None
    return table.cut


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("fraud.probability → cost", ["fraud.probability → cost"]),
        ("fraud.probability->cost", ["fraud.probability → cost"]),
        ("fraud:cost", ["fraud.probability → cost"]),
        ("fraud → *", ["fraud.probability → cost", "fraud.probability → handling"]),
        ("cost", ["cost.euros → priority"]),
        ("priority.score -> worklist", ["priority.score → worklist"]),
        ("amount → cost", ["amount → cost"]),
        ("orders.amount -> amount", ["orders.amount → amount"]),
        ("orders → amount", ["orders.amount → amount"]),
    ],
)
def test_an_edge_is_cut_however_it_is_written(tmp_path: Path, text: str, edges: list[str]) -> None:
    site = quick_site(tmp_path, SAFE_AMOUNT)
    assert list(because(site, text)) == edges
    assert list(cut(site)) == edges
    (event,) = site.journal.events(site.environment, STREAM)
    assert (event.actor, event.payload["reason"]) == ("ada", "it is on fire")
    assert because(site, text) == (), "twice is once"
    assert list(cut(site)) == edges


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "fraud",
            "may mean fraud.probability → handling; fraud.probability → cost; say which, or: "
            "fraud → *",
        ),
        ("fraud → priority", "is no edge (there are: fraud.probability → handling;"),
        ("fraud → cost → priority", "is no edge; write one like: amount → fraud"),
        ("", "is no edge; write one like: amount → fraud"),
        (
            "signal → fraud",
            "features.signal has no safe_default, and fraud (contract 1.0.0) does not take it "
            "missing (inputs.signal.nullable)",
        ),
        ("orders → *", "features.hour has no safe_default"),
    ],
)
def test_what_is_not_clear_or_cannot_be_borne_is_refused_whole(
    tmp_path: Path, text: str, said: str
) -> None:
    site = quick_site(tmp_path, SAFE_AMOUNT)
    with pytest.raises(BadInput) as refused:
        because(site, text)
    assert said in str(refused.value)
    assert site.journal.events(site.environment, STREAM) == ()


def test_a_feature_may_be_missing_where_every_version_that_answers_takes_it(
    tmp_path: Path,
) -> None:
    demand = InputDemand(name="signal", unit=None, low=None, high=None, nullable=True)
    takes = replace(CONTRACTS["fraud"], inputs=(demand,))
    # What the champion was verified against counts, not what the file declares for the next one.
    site = memory_site(tmp_path)
    site.registry.add(  # type: ignore[attr-defined]
        "fraud", "1", LIVE["fraud"], LIVE["fraud"].inputs, contract=takes
    )
    adopt_live(site, NOW)
    assert because(site, "signal → fraud") == ("signal → fraud",)
    controlling.restore_edges(site, "signal", reason="", now=NOW, actor="ada")
    # A candidate that answers too has to take it as well.
    edges = cuttable(site.systems.current())
    assert edges.unsafe("signal → fraud", [takes]) is None
    both = [takes, replace(CONTRACTS["fraud"], version="1.1.0")]
    assert edges.unsafe("signal → fraud", both) == (
        "signal → fraud: features.signal has no safe_default, and fraud (contract 1.1.0) does not "
        "take it missing (inputs.signal.nullable)"
    )


def test_an_isolation_ends_when_somebody_says_so(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    because(site, "fraud → *")
    back = controlling.restore_edges(site, "fraud → cost", reason="", now=NOW, actor="bob")
    assert back == ("fraud.probability → cost",)
    assert cut(site) == ("fraud.probability → handling",)
    with pytest.raises(BadInput, match=r"is none of these edges \(there are: fraud.probability"):
        controlling.restore_edges(site, "cost → priority", reason="", now=NOW, actor="bob")
    controlling.restore_edges(site, "fraud", reason="", now=NOW, actor="bob")
    assert cut(site) == ()


def test_isolations_do_not_keep_the_registry_from_being_away(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    site.registry.available = False  # type: ignore[attr-defined]
    because(site, "fraud → *")
    assert len(cut(site)) == 2


def test_nothing_is_cut_before_anything_serves(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nothing serves test yet"):
        because(memory_site(tmp_path), "fraud → cost")


def test_the_next_look_confirms_what_was_cut(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    because(site, "fraud → cost")
    assert deciding.unfinished(site) == (STREAM,)
    advance(site, STREAM, NOW)
    assert deciding.unfinished(site) == ()
    assert differing(site, wanted_projection(site)) == []
    assert [type(one) for one in told(site, STREAM, EdgesIsolated)] == [EdgesIsolated]


def test_an_isolation_outlives_rollouts_and_raises_the_revision(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    before = site.router.observed()
    because(site, "fraud → cost")
    after = bring_routing(site)
    assert before is not None
    assert after.revision > before.revision
    assert after.canaries == before.canaries
    live_days(site, rollout, NOW, 2)
    assert cut(site) == ("fraud.probability → cost",)


def flagged(tmp_path: Path) -> Site:
    return quick_site(tmp_path, FLAGS)


def routes(site: Site) -> dict[str, FlagRoute]:
    return {route.flag.name: route for route in bring_routing(site).flags}


def test_flags_of_the_system_file_are_taken_over_once(tmp_path: Path) -> None:
    site = flagged(tmp_path)
    assert routes(site) == {}, "whoever reads the file first, the journal has it before servers do"
    assert controlling.declare_flags(site, now=NOW)
    assert not controlling.declare_flags(site, now=NOW)
    assert list(routes(site)) == ["cheap-cost"]
    assert len(told(site, STREAM, FlagsDeclared)) == 1


def test_a_flag_is_set_and_unset_with_who_and_why(tmp_path: Path) -> None:
    site = flagged(tmp_path)
    controlling.set_flag(site, "cheap-cost", "before", reason="slow", now=NOW, actor="ada")
    assert routes(site)["cheap-cost"].chosen == "before"
    choice = controlling.controls_of(site).chosen["cheap-cost"]
    assert (choice.by.actor, choice.by.reason, choice.by.at) == ("ada", "slow", NOW)
    assert controlling.known_member(site, "cost", "1").name == "cost@1"
    controlling.unset_flag(site, "cheap-cost", reason="", now=NOW, actor="bob")
    assert routes(site)["cheap-cost"].chosen is None
    with pytest.raises(BadInput, match="is not set by anybody"):
        controlling.unset_flag(site, "cheap-cost", reason="", now=NOW, actor="bob")


@pytest.mark.parametrize(
    ("flag", "chosen", "said"),
    [
        ("cheap", "before", r"cheap: is no flag \(there are: cheap-cost\)"),
        ("cheap-cost", "x", r"has no variant x \(there are: declared, before, no-fraud\)"),
    ],
)
def test_flags_that_are_not_declared_are_refused(
    tmp_path: Path, flag: str, chosen: str, said: str
) -> None:
    site = flagged(tmp_path)
    with pytest.raises(BadInput, match=said):
        controlling.set_flag(site, flag, chosen, reason="slow", now=NOW, actor="ada")


def test_a_version_that_nobody_verified_is_never_switched_to(tmp_path: Path) -> None:
    unknown = (FLAGS[0], FLAGS[1].replace('{cost: "1"}', '{cost: "7"}'))
    site = quick_site(tmp_path, unknown)
    add(site, "cost", "7", LIVE["cost"])
    with pytest.raises(BadInput, match="cost@7 never served here, and was in no canary"):
        controlling.set_flag(site, "cheap-cost", "before", reason="slow", now=NOW, actor="ada")
    with pytest.raises(LookupError):
        controlling.known_member(site, "cost", "7")


def test_a_version_that_does_not_fit_what_serves_is_never_switched_to(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    pins = (FLAGS[0], FLAGS[1].replace('{cost: "1"}', '{cost: "3"}'))
    site = memory_site(tmp_path, file=variant(tmp_path / "system", pins))
    percent = Wild(LIVE["cost"].inputs, LIVE["cost"].predict)
    add(site, "cost", "3", percent, contract=demanding_percent(CONTRACTS["cost"]))
    adopt_live(site, NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controlling, "known_member", lambda site, model, version: _member(site, "3"))
        with pytest.raises(BadInput, match=r"does not fit what serves, by contract: fraud\.prob"):
            controlling.set_flag(site, "cheap-cost", "before", reason="slow", now=NOW, actor="ada")


def _member(site: Site, version: str):  # type: ignore[no-untyped-def]
    from sluiceway.steps.members import member_of

    return member_of(site, site.systems.current(), "cost", version)


def test_a_flag_that_is_declared_no_more_is_not_set_any_more(tmp_path: Path) -> None:
    site = flagged(tmp_path)
    controlling.set_flag(site, "cheap-cost", "before", reason="slow", now=NOW, actor="ada")
    file = tmp_path / "system" / "system.yaml"
    file.write_text(file.read_text().replace(FLAGS[1], FLAGS[0]))
    assert controlling.declare_flags(site, now=day(41))
    assert routes(site) == {}
    file.write_text(file.read_text().replace(*FLAGS))
    controlling.declare_flags(site, now=day(42))
    assert routes(site)["cheap-cost"].chosen is None
