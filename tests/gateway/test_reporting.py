"""Broken rules reach the journal behind the answers, for as long as it is away."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sluiceway.adapters.flag_file import FlagFileRouter
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.gateway.reporting import HaltReporter
from sluiceway.gateway.watching import HardRule
from sluiceway.rollouts.events import CandidateHalted, happening
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from tests.driver import LIVE, advance
from tests.steps.worlds import NOW, quick_site, same_fraud, to_canary


def rule(rollout: str, revision: int = 10_000) -> HardRule:
    return HardRule(
        rollout_id=rollout,
        model="fraud",
        version="2",
        code="breaker_open",
        broken=20,
        rows=20,
        what="raised RuntimeError",
        revision=revision,
    )


class Kept:
    """A site whose journal is a real database and whose routing is a real file."""

    def __init__(self, tmp_path: Path) -> None:
        self.database = tmp_path / "journal.db"
        self.router = FlagFileRouter(tmp_path / "routing.json")
        self.memory = quick_site(tmp_path)
        same_fraud(self.memory)
        self.rounds = 0
        with self.opened() as site:
            requests.adopt(site, [f"{model}@1" for model in LIVE], now=NOW, actor="ada")
            advance(site, "adoption", NOW)
            self.rollout = to_canary(site, "fraud@2")

    @contextmanager
    def opened(self) -> Iterator[Site]:
        self.rounds += 1
        journal = SqlJournal(f"sqlite:///{self.database}")
        try:
            yield replace(self.memory, journal=journal, router=self.router)
        finally:
            journal.close()

    def halts(self) -> list[CandidateHalted]:
        with self.opened() as site:
            events = site.journal.events(site.environment, self.rollout)
            return [one for e in events if isinstance(one := happening(e), CandidateHalted)]

    @property
    def weight(self) -> int:
        return self.router.observed().canaries[0].weight  # type: ignore[union-attr]


def test_a_broken_rule_is_in_the_journal_and_the_file_without_a_flow(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert kept.weight == 10
    reporter = HaltReporter(kept.opened, instance="gw-1")
    reporter.report(rule(kept.rollout))
    reporter.close(patience=60)
    (halted,) = kept.halts()
    assert (halted.instance, halted.model, halted.broken, halted.rows) == ("gw-1", "fraud", 20, 20)
    (route,) = kept.router.observed().canaries  # type: ignore[union-attr]
    assert route.weight == 0
    assert route.halted == halted.reason, "a gateway that starts sees it too"
    assert reporter.alarm is None


def test_gateways_that_report_at_once_write_it_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    reporters = [HaltReporter(kept.opened, instance=f"gw-{n}") for n in range(4)]
    for reporter in reporters:
        reporter.report(rule(kept.rollout))
        reporter.report(rule(kept.rollout))
    for reporter in reporters:
        reporter.close(patience=60)
    assert len(kept.halts()) == 1
    assert kept.weight == 0


def test_what_the_journal_did_not_take_is_written_when_it_is_back(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    failed = threading.Event()

    @contextmanager
    def away() -> Iterator[Site]:
        if not failed.is_set():
            failed.set()
            raise sqlite3.OperationalError("database is locked")
        with kept.opened() as site:
            yield site

    reporter = HaltReporter(away, instance="gw-1")
    reporter.report(rule(kept.rollout))
    assert failed.wait(60)
    reporter.close(patience=60)
    assert len(kept.halts()) == 1
    assert reporter.alarm is None


def test_a_journal_that_stays_away_is_an_alarm_and_never_an_error(tmp_path: Path) -> None:
    kept = Kept(tmp_path)

    @contextmanager
    def away() -> Iterator[Site]:
        raise sqlite3.OperationalError("no such file")
        yield  # pragma: no cover

    reporter = HaltReporter(away, instance="gw-1")
    reporter.report(rule(kept.rollout))
    reporter.close(patience=60)
    assert reporter.alarm == (f"the halt of {kept.rollout} is not in the journal yet: no such file")
    assert kept.halts() == []


def test_a_halt_that_cannot_be_written_down_holds_up_no_other(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    reporter = HaltReporter(Failing(kept).opened, instance="gw-1")
    reporter.report(rule("r0666-broken"))
    reporter.report(rule(kept.rollout))
    reporter.close(patience=60)
    assert len(kept.halts()) == 1
    assert kept.weight == 0
    assert reporter.alarm == (
        "the halt of r0666-broken is not in the journal yet: nobody can read r0666-broken"
    )


class Failing:
    """A site whose journal cannot read one rollout."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    @contextmanager
    def opened(self) -> Iterator[Site]:
        with self._kept.opened() as site:
            journal = site.journal
            read = journal.events

            def events(environment: str, rollout: str) -> object:
                if rollout == "r0666-broken":
                    raise RuntimeError(f"nobody can read {rollout}")
                return read(environment, rollout)

            journal.events = events  # type: ignore[method-assign,assignment]
            yield site
