"""Who reads a model is said together with what was looked at."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd

from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.cli.consumers_said import looked_at_sentences, undeclared_sentence
from sluiceway.lineage import READS_TAG, TRAINED_ON_TAG, Trace
from sluiceway.ports import Window
from sluiceway.steps.consuming import (
    ConsumersFound,
    declared_consumers,
    find_consumers,
)
from sluiceway.steps.site import Site
from tests.driver import LIVE, adopt_live, memory_site
from tests.orders.data import day

WINDOW = Window(start=day(40), end=day(50))


def found(site: Site, model: str) -> ConsumersFound:
    return find_consumers(site, site.systems.current(), model, WINDOW)


def register(site: Site, model: str, version: str, **tags: str) -> None:
    assert isinstance(site.registry, MemoryRegistry)
    inputs = LIVE[model].inputs if model in LIVE else ("amount",)
    site.registry.add(model, version, LIVE.get(model), inputs, tags=tags)


def test_each_declared_consumer_has_owner_environment_version_and_training(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    register(site, "cost", "1", **{TRAINED_ON_TAG: '{"fraud": "7"}'})
    adopt_live(site, day(40))
    handling, cost = found(site, "fraud").declared
    assert (handling.consumer, handling.owner, handling.contact) == (
        "handling",
        "logistics",
        "logistics@shop.example",
    )
    assert (handling.environment, handling.version, handling.trained_on) == ("test", "1", None)
    assert not handling.trained_on_another
    assert (cost.trained_on, cost.producer_version, cost.trained_on_another) == ("7", "1", True)
    (worklist,) = found(site, "priority").declared
    assert (worklist.environment, worklist.version) == ("test", None)


def test_every_environment_in_which_the_model_serves_is_listed(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    adopt_live(site, day(40))
    adopt_live(replace(site, environment="another"), day(41))
    environments = [one.environment for one in found(site, "priority").declared]
    assert environments == ["test", "another"]


def test_where_nothing_serves_the_edges_are_still_told(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    assert [one.environment for one in found(site, "fraud").declared] == [None, None]
    alone = declared_consumers(site.systems.current(), "fraud")
    assert alone.declared == found(site, "fraud").declared
    assert not alone.looked_at.everywhere


def test_what_the_registry_shows_without_a_declared_edge_is_listed(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    for version in ("1", "2"):
        register(site, "churn", version, **{READS_TAG: '["fraud.probability"]'})
    register(site, "cost", "2", **{TRAINED_ON_TAG: '{"fraud": "1"}'})  # declared
    register(site, "cost", "3", **{READS_TAG: '["fraud.reason"]'})  # another field is not
    register(site, "priority", "2", **{TRAINED_ON_TAG: '{"fraud": "1"}'})  # reads it indirectly
    told = [
        (one.consumer, one.versions, one.field, one.shown_by)
        for one in found(site, "fraud").undeclared
    ]
    assert told == [
        ("churn", ("1", "2"), "probability", Trace.READS),
        ("cost", ("3",), "reason", Trace.READS),
        ("priority", ("2",), None, Trace.TRAINED_ON),
    ]
    first = found(site, "fraud").undeclared[0]
    assert undeclared_sentence(first, "fraud") == (
        "churn@1, 2 reads fraud.probability, as its tag sluiceway.reads says"
    )


def logged(site: Site, **columns: list[str | None]) -> None:
    count = len(next(iter(columns.values())))
    times = pd.to_datetime([day(45) + timedelta(minutes=n) for n in range(count)], utc=True)
    units = [f"u{n}" for n in range(count)]
    site.predictions.write("b", pd.DataFrame({"unit": units, "event_time": times, **columns}))


def test_whoever_asks_without_a_declared_edge_is_listed(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    logged(
        site,
        consumer=["worklist", "mailing", "mailing", None],
        asked=["priority", "priority", "priority", "priority"],
    )
    (mailing,) = found(site, "priority").undeclared
    assert undeclared_sentence(mailing, "priority") == (
        "mailing reads priority, as requests in the prediction log say: 2 answers, the last of "
        "2026-02-15 00:02 UTC"
    )
    assert found(site, "fraud").undeclared == ()


def test_that_nothing_was_found_comes_with_what_was_looked_at(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    logged(site, consumer=[None, "worklist"], asked=[None, "priority"])
    nobody = found(site, "priority")
    assert nobody.undeclared == ()
    assert nobody.looked_at.everywhere
    assert looked_at_sentences(nobody.looked_at) == [
        "looked at: the edges of orders",
        "looked at: tags of 4 versions of 4 registered models; signature and run of the 4 that "
        "are newest or have an alias",
        "looked at: 2 answers received in test from 2026-02-10 00:00 to 2026-02-20 00:00 UTC, of "
        "which 1 name who asked",
    ]


def test_a_registry_that_is_away_is_no_registry_without_readers(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    adopt_live(site, day(40))
    assert isinstance(site.registry, MemoryRegistry)
    site.registry.available = False
    unsure = found(site, "fraud")
    assert not unsure.looked_at.everywhere
    assert unsure.looked_at.registry is None
    assert looked_at_sentences(unsure.looked_at)[-1] == (
        "not looked at: the registry was not searched: the registry does not answer"
    )
    assert unsure.declared[0].fault == "the registry does not answer"


def test_a_tag_nobody_can_read_is_said(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    register(site, "cost", "1", **{TRAINED_ON_TAG: "fraud 1"})
    said = looked_at_sentences(found(site, "fraud").looked_at)
    assert any(
        s.startswith("not readable: cost@1: tag sluiceway.trained_on is no JSON") for s in said
    )
