"""Worlds that several claims play in."""

from pathlib import Path

from sluiceway.rollouts.events import Ended, happening
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from tests.driver import LIVE, QUICK, TRAINED, add, adopt_live, advance, memory_site, variant
from tests.orders.data import day

NOW = day(40)


def quick_site(tmp_path: Path, *changes: tuple[str, str]) -> Site:
    """The orders system with quick policies and these changes; generation 1 is adopted."""
    (tmp_path / "system").mkdir()
    site = memory_site(tmp_path, file=variant(tmp_path / "system", *QUICK, *changes))
    adopt_live(site, NOW)
    return site


def second_feed(live: str) -> tuple[tuple[str, str], ...]:
    """A source whose live loader may differ from its backfill, read by signal 3.0.0."""
    return (
        (
            "  outcomes:\n    owner: shop-data\n",
            "  scores:\n    owner: risk\n    description: The signal again, by a new feed.\n"
            "    loader: python:tests.orders.feeds:scores\n"
            f"    live_loader: python:tests.orders.feeds:{live}\n"
            "    event_time: placed_at\n"
            "  outcomes:\n    owner: shop-data\n",
        ),
        (
            "    other_versions:\n",
            "    other_versions:\n      3.0.0: {reads: [scores.signal]}\n",
        ),
    )


def ask(site: Site, *names: str) -> str:
    return requests.request_rollout(site, names, now=NOW, actor="ada")


def to_canary(site: Site, *names: str) -> str:
    rollout = ask(site, *names)
    advance(site, rollout, NOW)
    state = site.state(rollout)
    assert state.step == 0, state.ended
    return rollout


def same_fraud(site: Site, version: str = "2", **more: object) -> None:
    """A version of fraud that answers as the live one."""
    add(site, "fraud", version, LIVE["fraud"], **more)


def better_fraud(site: Site) -> None:
    add(site, "fraud", "2", TRAINED)


def ended(site: Site, rollout: str) -> Ended:
    found = site.state(rollout).ended
    assert found is not None, site.state(rollout)
    return found


def kinds(site: Site, rollout: str) -> list[str]:
    return [event.kind for event in site.journal.events(site.environment, rollout)]


def told(site: Site, rollout: str, kind: type) -> list[object]:
    events = site.journal.events(site.environment, rollout)
    return [one for one in map(happening, events) if isinstance(one, kind)]
