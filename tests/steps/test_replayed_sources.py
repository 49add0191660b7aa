"""The run of a rollout says which recorded rows its shadow replay rested on."""

from pathlib import Path

import pytest

from sluiceway.steps import publishing
from sluiceway.steps.replayed_sources import replayed_sources, without_credentials
from tests.driver import advance

from .worlds import NOW, ask, quick_site, same_fraud, to_canary


def test_sources_read_and_labels_are_told_with_the_window_replayed(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    same_fraud(site, "3")
    rollout = to_canary(site, "fraud@2")
    state = site.state(rollout)
    found = replayed_sources(site, rollout, state)
    assert {(one.name, one.loader) for one in found} == {
        ("orders", "python:tests.orders.data:orders"),
        ("outcomes", "python:tests.orders.data:outcomes"),
    }
    assert {one.window.end for one in found} == {state.shadows[0].end}
    assert len({one.digest for one in found}) == 2
    assert all(len(one.digest) <= 36 for one in found), "MLflow refuses longer ones"
    assert publishing.publish(site, rollout) is not None
    recorded = site.evidence.runs[site.plan(rollout).system, rollout]  # type: ignore[attr-defined]
    assert recorded["sources"] == found


def test_before_any_replay_there_is_none(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    rollout = ask(site, "fraud@9")
    advance(site, rollout, NOW)
    assert replayed_sources(site, rollout, site.state(rollout)) == []


@pytest.mark.parametrize(
    ("loader", "shown"),
    [
        ("sql:postgresql://me:s3cr3t@db:5432/shop#orders", "sql:postgresql://db:5432/shop#orders"),
        ("sql:postgresql://db/shop?password=s3cr3t#orders", "sql:postgresql://db/shop#orders"),
        ("sql:SHOP_URL#orders", "sql:SHOP_URL#orders"),
        ("parquet:{data}/a@b.parquet", "parquet:{data}/a@b.parquet"),
    ],
)
def test_a_loader_is_shown_without_credentials(loader: str, shown: str) -> None:
    assert without_credentials(loader) == shown
