"""Candidates that turn bad behind a real gateway: one member goes back, one is halted at once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from flows.evaluate_canaries import evaluate_canaries
from flows.rollout import rollout
from sluiceway.journal import check_chain
from sluiceway.ports import Window
from sluiceway.releases import Release
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import CandidateHalted, WayBackPlanned, happening
from sluiceway.routing import RoutingTable
from sluiceway.stamping import feature_tag
from sluiceway.steps import requests
from sluiceway.steps.world import differing, wanted_projection
from sluiceway.system.file import read_system
from sluiceway.wiring import prediction_log
from tests.adapters.mlflow_worlds import QUIET, log_estimator
from tests.driver import variant
from tests.end_to_end.chains import chained
from tests.end_to_end.gateway_process import Customers, GatewayProcess, Load, probes
from tests.end_to_end.lookups import LookedUp
from tests.end_to_end.prefect_server import PrefectServer, flows_through
from tests.end_to_end.shop import JOINT, LIVE, LONGEST, Shop
from tests.end_to_end.test_gateway import NOW, QUICK, followed
from tests.orders.data import day, table
from tests.serving.test_keeping import LIVE as ASKED
from tests.serving.test_keeping import POSTED

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

DAY = timedelta(days=1)
FROZEN = 1990.0
"""What the new vendor says of every order since it is live, in km; in range and never missing."""
SYSTEM = (
    ASKED,
    POSTED,
    (
        "  outcomes:\n    owner: shop-data\n",
        "  routes:\n    owner: logistics\n    description: Distances by another vendor.\n"
        "    loader: python:tests.orders.feeds:routes\n    live_loader: 'requests:'\n"
        "    event_time: placed_at\n  outcomes:\n    owner: shop-data\n",
    ),
    (
        "range: [0, 5000], version: 1.0.0, reads: [orders.distance]}",
        "range: [0, 5000], version: 1.0.0, reads: [orders.distance], "
        "other_versions: {2.0.0: {reads: [routes.distance]}}}",
    ),
    *QUICK,
    (
        "[{weight: 10, bake: 2d}, {weight: 50, bake: 2d}]",
        "[{weight: 10, bake: 1d}, {weight: 50, bake: 1d}]",
    ),
)


@dataclass(slots=True, kw_only=True)
class Story:
    """What was seen while the shop's history was played once.

    Attributes:
        whole: The release that was asked for.
        part: What was left of it.
        narrowed: The routing table when it had been left.
        aliases: The registry's at that time, by model.
        answers: What customers were answered, by day.
        load: What others were answered while the gateway moved to the part.
    """

    shop: Shop
    gateway: GatewayProcess
    customers: Customers
    rollout_id: str = ""
    whole: Release | None = None
    part: Release | None = None
    narrowed: RoutingTable | None = None
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)
    answers: list[pd.DataFrame] = field(default_factory=list)
    load: Load | None = None
    now: datetime = NOW
    narrowed_at: datetime = NOW


@pytest.fixture(scope="module")
def story(
    shop_registry: Path, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("harm")
    shop = Shop.opened(shop_registry, folder / "home", variant(folder, *SYSTEM))
    _register(shop)
    with pytest.MonkeyPatch.context() as patch, flows_through(prefect_server):
        for name, value in {**shop.environment, **prefect_server.environment}.items():
            patch.setenv(name, value)
        with shop.site() as site:
            requests.adopt(site, LIVE, now=NOW, actor="ada")
        evaluate_canaries(as_of=NOW)
        with GatewayProcess(shop) as gateway:
            feeds = {"routes.distance": lambda rows: np.full(len(rows), FROZEN)}
            customers = Customers(url=gateway.url, feeds=feeds)
            told = Story(shop=shop, gateway=gateway, customers=customers)
            _play(told)
            yield told
            customers.close()


def _register(shop: Shop) -> None:
    """handling@2 reads the new vendor's distance, handling@3 looks something up."""
    rows = table(Window(start=day(-60), end=day(0)))
    columns = pd.DataFrame({"distance": rows["distance"], "fraud.probability": 0.3})
    fitted = LinearRegression().fit(columns, rows["days"])
    uri = shop.settings.registry_uri
    assert log_estimator(uri, "handling", fitted, columns=columns) == "2"
    tag = feature_tag(read_system(shop.system), "handling", {"distance": "2.0.0"})
    client = mlflow.MlflowClient(uri)
    for name, value in tag.items():
        client.set_model_version_tag("handling", "2", name, value)
    lookup = shop.home / "lookup.csv"
    lookup.touch()
    looked_up = LookedUp(fitted, str(lookup))
    assert log_estimator(uri, "handling", looked_up, columns=columns) == "3"


def _play(told: Story) -> None:
    told.rollout_id = rollout([*JOINT, "handling@2"], as_of=NOW, actor="ada")
    with told.shop.site() as site:
        told.whole = site.champion().release.with_members(site.plan(told.rollout_id).members)
    followed(told)
    while told.part is None:
        with Load(told.customers, f"load-{len(told.answers)}").running(threads=2) as load:
            _day(told)
            load.wait_for(10)
        if "canary_narrowed" in told.shop.kinds(told.rollout_id):
            _note_the_part(told, load)
    while told.shop.state(told.rollout_id).ended is None:
        _day(told)


def _day(told: Story) -> None:
    assert len(told.answers) < LONGEST, told.shop.kinds(told.rollout_id)
    assert told.shop.state(told.rollout_id).ended is None, told.shop.state(told.rollout_id).ended
    window = Window(start=told.now, end=told.now + DAY)
    told.answers.append(told.customers.place(window))
    told.now = window.end
    told.customers.settle(told.now, since=NOW)
    evaluate_canaries(as_of=told.now)
    followed(told)


def _note_the_part(told: Story, load: Load) -> None:
    told.load, told.narrowed_at = load, told.now
    with told.shop.site() as site:
        plan = site.plan(told.rollout_id)
        told.part = site.champion().release.with_members(plan.members)
        told.narrowed = site.router.observed()
        models = site.systems.current().models
        told.aliases = {model: dict(site.registry.aliases(model)) for model in models}


# -- of a joint release the bad member goes back alone ---------------------------------------------


def test_the_member_whose_feed_is_frozen_goes_back_and_the_others_go_on(story: Story) -> None:
    with story.shop.site() as site:
        events = site.journal.events(site.environment, story.rollout_id)
    (planned,) = [one for one in map(happening, events) if isinstance(one, WayBackPlanned)]
    assert planned.back == ("handling",)
    assert [member.name for member in planned.stays] == ["cost@2", "fraud@2"]
    assert story.part is not None
    assert planned.release == story.part.content_hash
    assert story.part.versions == {"cost": "2", "fraud": "2", "handling": "1", "priority": "1"}


def test_routing_and_registry_name_the_part_as_soon_as_the_gateway_follows(story: Story) -> None:
    assert story.narrowed is not None
    assert story.part is not None
    (route,) = story.narrowed.canaries
    assert (route.release, route.weight, route.halted) == (story.part.content_hash, 10, None)
    assert story.aliases == {
        "fraud": {"champion": "1", "canary": "2"},
        "cost": {"champion": "1", "canary": "2"},
        "handling": {"champion": "1"},
        "priority": {"champion": "1"},
    }


def test_customers_of_the_canary_are_answered_by_the_part_from_the_next_day_on(
    story: Story,
) -> None:
    assert story.whole is not None
    assert story.part is not None
    number = (story.narrowed_at - NOW).days
    before = pd.concat(story.answers[:number])
    after = pd.concat(story.answers[number:])
    whole, part = (one.content_hash[:12] for one in (story.whole, story.part))
    assert set(before.query("arm == 'candidate'")["release"]) == {whole}
    assert whole not in set(after["release"])
    assert part in set(after["release"])


def test_no_answer_ever_mixes_the_releases(story: Story) -> None:
    """Nobody is answered by a cost model that was fitted to another fraud model than it is fed by.

    Orders of all days, and of those who asked while the gateway moved from one table to the next.
    """
    assert story.load is not None
    assert {one.status for one in story.load.seen} == {200}
    log = prediction_log(story.shop.settings).read(
        Window(start=NOW, end=datetime.now(NOW.tzinfo) + timedelta(minutes=1))
    )
    with story.shop.site() as site:
        releases = {one: site.release_by_hash(one) for one in log["release"].unique()}
    asked = log[log["path"] == "primary"].set_index(["request_id", "unit"]).filter(regex="^input:")
    log = log.drop(columns=asked.columns).join(asked, on=["request_id", "unit"])
    seen = {tuple(release.versions.items()) for release in releases.values()}
    assert len(seen) == 3, "the champion, the whole release, and the part"
    for name, release in releases.items():
        own = log[log["release"] == name].reset_index(drop=True)
        second = release.versions["handling"] == "2"
        given = pd.DataFrame(
            {
                "amount": own["input:amount"],
                "signal": own["input:orders.signal"],
                "distance": own["input:routes.distance" if second else "input:distance"],
            }
        )
        expected = chained(story.shop.settings.registry_uri, release.versions, given)
        for column in expected:
            np.testing.assert_allclose(own[column].to_numpy(), expected[column].to_numpy())
        assert not own["fallback"].any()


def test_the_part_is_promoted_on_evidence_of_its_own(story: Story) -> None:
    ended = story.shop.state(story.rollout_id).ended
    assert ended is not None
    assert (ended.ending, ended.code) == (Ending.PROMOTED, ReasonCode.ALL_GATES_PASSED)
    assert story.part is not None
    assert story.shop.champion() == (2, dict(story.part.versions))
    answers = story.customers.ask(probes(20))
    assert set(answers["release"]) == {story.part.content_hash[:12]}
    with story.shop.site() as site:
        assert differing(site, wanted_projection(site)) == []
        kept = site.evidence.heads("orders", environment=site.environment)
        assert check_chain(site.journal.chain(site.environment), known_heads=kept).faults == ()


# -- a candidate that breaks a hard rule -----------------------------------------------------------


def test_a_candidate_that_raises_loses_its_traffic_before_any_flow_runs(story: Story) -> None:
    rollout_id = rollout(["handling@3"], as_of=story.now, actor="ada")
    state = story.shop.state(rollout_id)
    assert state.weight == 10, state.ended and state.ended.reason
    followed(story)
    with Load(story.customers, "halted").running(threads=2, pause=0) as load:
        _until(lambda: any(one.row.get("arm") == "candidate" for one in load.seen))
        (story.shop.home / "lookup.csv").unlink()
        broke = time.monotonic()
        _until(lambda: "candidate_halted" in story.shop.kinds(rollout_id))
        told = time.monotonic()
        load.wait_for(200)
    assert {one.status for one in load.seen} == {200}, "its customers were answered all the same"
    bad = [one for one in load.seen if one.row["stand_ins"]]
    assert bad
    assert {one.row["stand_ins"].get("handling") for one in bad} == {"error"}
    of_candidate = [one for one in load.seen if one.row["arm"] == "candidate"]
    assert min(one.answered for one in bad) > broke
    assert max(one.began for one in of_candidate) < told, "it acts first, and then tells"

    story.gateway.restart()
    after = story.customers.ask(probes(200, "restarted"))
    assert set(after["arm"]) == {"baseline"}, "whoever starts again knows that it is halted"
    assert not any(after["stand_ins"])

    with story.shop.site() as site:
        events = site.journal.events(site.environment, rollout_id)
        (route,) = site.router.observed().canaries
    assert route.weight == 0
    (halted,) = [one for one in map(happening, events) if isinstance(one, CandidateHalted)]
    assert halted.code is ReasonCode.BREAKER_OPEN
    evaluate_canaries(as_of=story.now)
    ended = story.shop.state(rollout_id).ended
    assert ended is not None
    assert (ended.ending, ended.code) == (Ending.ROLLED_BACK, ReasonCode.BREAKER_OPEN)
    assert "handling@3 gave no usable answer" in ended.reason
    assert story.shop.champion()[0] == 2


def _until(happened: Callable[[], bool], *, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)
