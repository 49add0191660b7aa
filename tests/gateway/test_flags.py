"""Flags choose other inference paths: asked through OpenFeature, as flagd answers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from openfeature import api
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from sluiceway.adapters.flag_file import FlagFileRouter, RoutingFile, flags_of
from sluiceway.gateway.flags import DOMAIN, Flags
from sluiceway.routing import FlagRoute, RoutingTable, in_canary
from sluiceway.serving.served import Detour
from sluiceway.serving.values import Question
from sluiceway.system.flags import Flag, FlagVariant

SIMPLE = FlagVariant(versions={"cost": "1"})
NO_SIGNAL = FlagVariant(cut=("signal → fraud",))
UNITS = tuple(f"o-{n}" for n in range(500))


@pytest.fixture
def flags() -> Iterator[Flags]:
    yield Flags()
    api.clear_providers()


def flag(name: str = "cheap-cost", default: str = "declared", **more: object) -> Flag:
    variants = {"declared": FlagVariant(), "simple": SIMPLE, "blind": NO_SIGNAL}
    found = {
        "name": name,
        "owner": "desk",
        "description": "",
        "variants": variants,
        "default": default,
        **more,
    }
    return Flag(**found)  # type: ignore[arg-type]


def table(*routes: FlagRoute, revision: int = 7) -> RoutingTable:
    return RoutingTable(revision=revision, generation=1, release="b" * 64, flags=routes)


def question(*units: str, consumer: str | None = None, model: str = "priority") -> Question:
    return Question(
        model=model,
        columns={},
        units=units,
        request_id="1",
        received=datetime.now(UTC),
        consumer=consumer,
    )


RESIDENT = {("cost", "1"), ("cost", "2")}


def test_flags_that_lead_nowhere_else_cost_nothing(flags: Flags) -> None:
    assert flags.detours(table(), resident=RESIDENT) is None
    assert flags.detours(table(FlagRoute(flag=flag())), resident=RESIDENT) is None
    neutral = FlagRoute(flag=flag(default="simple"), chosen="declared")
    assert flags.detours(table(neutral), resident=RESIDENT) is None


def test_a_default_leads_every_row_along_its_path(flags: Flags) -> None:
    detours = flags.detours(table(FlagRoute(flag=flag(default="simple"))), resident=RESIDENT)
    assert detours is not None
    ((rows, detour),) = detours(question("a", "b"))
    assert rows.tolist() == [0, 1]
    assert detour == Detour(versions={"cost": "1"})


def test_rules_by_who_asks_are_asked_once_a_question(flags: Flags) -> None:
    rule = {"if": [{"==": [{"var": "consumer"}, "worklist"]}, "blind"]}
    detours = flags.detours(table(FlagRoute(flag=flag(targeting=rule))), resident=RESIDENT)
    assert detours is not None
    ((rows, detour),) = detours(question("a", "b", consumer="worklist"))
    assert rows.tolist() == [0, 1]
    assert detour == Detour(cut=frozenset(["signal → fraud"]))
    assert detours(question("a", "b", consumer="other")) == []
    assert detours(question("a", "b")) == []


def test_rules_by_unit_share_rows_out_as_flagd_does(flags: Flags) -> None:
    rule = {
        "fractional": [
            {"cat": ["salt", {"var": "targetingKey"}]},
            ["simple", 30],
            ["blind", 20],
            ["declared", 50],
        ]
    }
    routed = table(FlagRoute(flag=flag(targeting=rule)))
    detours = flags.detours(routed, resident=RESIDENT)
    assert detours is not None
    found = dict.fromkeys(range(len(UNITS)), Detour())
    for rows, detour in detours(question(*UNITS)):
        found.update(dict.fromkeys(rows.tolist(), detour))
    flagd = FlagdCore()
    flagd.set_flags(json.dumps(flags_of(routed)))
    paths = {
        "simple": Detour(versions={"cost": "1"}),
        "blind": Detour(cut=frozenset(["signal → fraud"])),
        "declared": Detour(),
    }
    for row, unit in enumerate(UNITS):
        context = EvaluationContext(targeting_key=unit)
        variant = flagd.resolve_string_value("cheap-cost", "declared", context).value
        assert found[row] == paths[variant]
    simple = [found[row] == paths["simple"] for row in range(len(UNITS))]
    assert simple == in_canary("salt", UNITS, 30).tolist()


def test_two_flags_lead_one_row_along_both_paths(flags: Flags) -> None:
    other = flag("blind", variants={"no": FlagVariant(), "yes": NO_SIGNAL}, default="yes")
    routed = table(FlagRoute(flag=other), FlagRoute(flag=flag(default="simple")))
    detours = flags.detours(routed, resident=RESIDENT)
    assert detours is not None
    ((_, detour),) = detours(question("a"))
    assert detour == Detour(versions={"cost": "1"}, cut=frozenset(["signal → fraud"]))


def test_what_a_person_chose_holds_for_everybody(flags: Flags) -> None:
    rule = {"if": [{"==": [{"var": "consumer"}, "worklist"]}, "blind"]}
    chosen = FlagRoute(flag=flag(targeting=rule), chosen="simple")
    detours = flags.detours(table(chosen), resident=RESIDENT)
    assert detours is not None
    ((_, detour),) = detours(question("a", consumer="worklist"))
    assert detour == Detour(versions={"cost": "1"})


def test_a_version_that_is_not_loaded_is_told_and_not_asked(flags: Flags) -> None:
    routed = table(FlagRoute(flag=flag(default="simple")))
    detours = flags.detours(routed, resident={("cost", "2")})
    assert detours is not None
    assert detours(question("a")) == []
    assert flags.alarms == ("flag cheap-cost: simple is not taken, as cost@1 is not to be had",)
    flags.detours(routed, resident=RESIDENT)
    assert flags.alarms == ()


def test_another_provider_may_choose_between_the_declared_paths(flags: Flags) -> None:
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

    detours = flags.detours(table(FlagRoute(flag=flag(default="simple"))), resident=RESIDENT)
    assert detours is not None
    own = {"cheap-cost": InMemoryFlag("b", {"b": "blind"})}
    api.set_provider_and_wait(InMemoryProvider(own), DOMAIN)
    ((_, detour),) = detours(question("a"))
    assert detour == Detour(cut=frozenset(["signal → fraud"]))
    api.set_provider_and_wait(
        InMemoryProvider({"cheap-cost": InMemoryFlag("x", {"x": "?"})}), DOMAIN
    )
    ((_, detour),) = detours(question("a"))
    assert detour == Detour(versions={"cost": "1"}), "what is no variant is the default"


def test_a_server_keeps_the_last_good_table_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "routing.json"
    router, file = FlagFileRouter(path), RoutingFile(path)
    assert not file.look()
    assert (file.table, file.alarm) == (None, None)
    router.apply(table())
    assert file.look()
    assert not file.look()
    assert (file.table, file.alarm) == (table(), None)
    path.write_text("{")
    assert not file.look()
    assert file.table == table()
    assert file.alarm is not None
    assert "is not a routing table" in file.alarm
    path.unlink()
    assert not file.look()
    assert file.alarm == "routing.json is gone; the last good one stays"
    router.apply(table(revision=8))
    assert file.look()
    assert (file.table, file.alarm) == (table(revision=8), None)


def test_an_older_table_that_was_copied_back_is_told_and_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "routing.json"
    router, file = FlagFileRouter(path), RoutingFile(path)
    router.apply(table(revision=5))
    older = path.read_text()
    router.apply(table(revision=7))
    file.look()
    path.write_text(older)
    assert not file.look()
    assert file.table == table(revision=7)
    assert file.alarm is not None
    assert "is of revision 5, 7 was followed already" in file.alarm


@pytest.mark.parametrize("what", ["unknown", "missing", "changed"])
def test_flags_edited_by_hand_are_told_and_not_obeyed(
    tmp_path: Path, what: str, flags: Flags
) -> None:
    path = tmp_path / "routing.json"
    router, file = FlagFileRouter(path), RoutingFile(path)
    routed = table(FlagRoute(flag=flag()))
    router.apply(routed)
    content = json.loads(path.read_text())
    if what == "unknown":
        content["flags"]["mine"] = content["flags"]["cheap-cost"]
    elif what == "missing":
        del content["flags"]["cheap-cost"]
    else:
        content["flags"]["cheap-cost"]["defaultVariant"] = "simple"
    path.write_text(json.dumps(content))
    assert file.look(), "a server that begins has to follow something"
    assert file.table == routed
    named = "mine" if what == "unknown" else "cheap-cost"
    assert file.alarm == f"routing.json was edited by hand: {what} {named}; not obeyed"
    assert flags.detours(file.table, resident=RESIDENT) is None


def test_every_row_has_one_path(flags: Flags) -> None:
    rule = {"fractional": [["simple", 1], ["declared", 1]]}
    routed = table(FlagRoute(flag=flag(targeting=rule)))
    detours = flags.detours(routed, resident=RESIDENT)
    assert detours is not None
    again = (*UNITS, *UNITS)
    rows = np.concatenate([rows for rows, _ in detours(question(*again))])
    assert len(set(rows.tolist())) == len(rows)
    half = len(UNITS)
    assert {row % half for row in rows.tolist()} == {row for row in rows.tolist() if row < half}
