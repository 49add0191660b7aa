"""A gateway in a process of its own follows what people cut and switch, without a restart."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from bench.gateway.processes import Server, gateway
from sluiceway.adapters.observed_routing import followed_within
from sluiceway.settings import Settings
from sluiceway.steps import controlling, requests
from sluiceway.steps.site import Site
from sluiceway.steps.world import bring_routing
from sluiceway.wiring import opened
from tests.adapters.mlflow_worlds import QUIET
from tests.driver import advance, variant
from tests.end_to_end.shop import LIVE
from tests.steps.test_controlling import FLAGS

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

NOW = datetime(2026, 2, 10, tzinfo=UTC)
ROWS = [
    {"order_id": f"o-{n}", "amount": 50.0, "distance": 100.0, "hour": 3, "signal": float(n)}
    for n in range(-3, 4)
]
SAFE = ("{owner: shop-data, unit: EUR,", "{owner: shop-data, safe_default: 80, unit: EUR,")


@dataclass(frozen=True)
class Live:
    """A gateway, and the site of who gives orders."""

    server: Server
    site: Site
    settings: Settings

    def ask(self, model: str, consumer: str | None = None) -> list[float]:
        headers = {"X-Sluiceway-Consumer": consumer} if consumer else {}
        answer = httpx.post(
            f"{self.server.url}/invocations/{model}",
            json={"dataframe_records": ROWS},
            headers=headers,
            timeout=30,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return [float(one) for one in answer.json()["predictions"]]

    def follow(self) -> None:
        """Until the gateway does what was written down last."""
        bring_routing(self.site)
        assert followed_within(self.site.router, timedelta(seconds=60)) == ()


@pytest.fixture(scope="module")
def live(shop_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("controls")
    file = variant(folder, FLAGS, SAFE)
    home = folder / "home"
    home.mkdir()
    shutil.copyfile(shop_registry / "mlflow.db", home / "mlflow.db")
    settings = Settings(system=file, home=home, data=home, environment="production", progress=False)
    with opened(settings) as site:
        requests.adopt(site, LIVE, now=NOW, actor="ada")
        advance(site, "adoption", NOW)
        with gateway(settings) as server:
            yield Live(server, site, settings)


def test_an_edge_that_is_cut_gives_its_consumer_the_safe_default_until_restored(
    live: Live,
) -> None:
    before = live.ask("cost")
    assert len(set(before)) == len(ROWS), "the fraud model tells the orders apart"
    controlling.isolate(live.site, "fraud → cost", reason="stuck", now=NOW, actor="ada")
    live.follow()
    assert len(set(live.ask("cost"))) == 1, "all have the contract's 0.3 now"
    controlling.restore_edges(live.site, "fraud → cost", reason="", now=NOW, actor="ada")
    live.follow()
    assert live.ask("cost") == before


def test_a_feature_that_is_cut_is_received_as_its_safe_default(live: Live) -> None:
    before = live.ask("fraud")
    controlling.isolate(live.site, "orders.amount → amount", reason="x", now=NOW, actor="ada")
    live.follow()
    cut = live.ask("fraud")
    assert cut != before
    controlling.restore_edges(live.site, "orders → amount", reason="", now=NOW, actor="ada")
    live.follow()
    assert live.ask("fraud") == before


def test_a_flag_switches_a_path_off_and_on(live: Live) -> None:
    before = live.ask("cost")
    controlling.set_flag(
        live.site, "cheap-cost", "no-fraud", reason="a drill", now=NOW, actor="ada"
    )
    live.follow()
    assert len(set(live.ask("cost"))) == 1
    controlling.set_flag(live.site, "cheap-cost", "before", reason="a drill", now=NOW, actor="ada")
    live.follow()
    assert live.ask("cost") == before, "cost@1 is what serves"
    controlling.unset_flag(live.site, "cheap-cost", reason="", now=NOW, actor="ada")
    live.follow()
    assert live.ask("cost") == before


def test_a_file_edited_by_hand_is_told_by_the_gateway_and_not_obeyed(live: Live) -> None:
    before = live.ask("cost")
    controlling.declare_flags(live.site, now=NOW)
    live.follow()
    path = live.settings.routing_file
    good = path.read_text()
    path.write_text(good.replace('"defaultVariant": "declared"', '"defaultVariant": "no-fraud"'))
    assert live.site.router.edited_by_hand()
    assert live.ask("cost") == before
    path.write_text("{")
    assert live.ask("cost") == before
    bring_routing(live.site)
    assert path.read_text() == good
    assert live.ask("cost") == before
