"""A whole canary on what the gateway alone knows, and what its operators and customers see of it.

The recorded past comes from tables; what is live is asked over HTTP, and labels are posted.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from flows.evaluate_canaries import evaluate_canaries
from flows.rollout import rollout
from sluiceway.journal import check_chain
from sluiceway.ports import Window
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import Looked, happening
from sluiceway.routing import in_canary
from sluiceway.steps import requests
from sluiceway.steps.world import differing, wanted_projection
from sluiceway.wiring import prediction_log
from tests.adapters.mlflow_worlds import QUIET
from tests.driver import variant
from tests.end_to_end.chains import chained
from tests.end_to_end.gateway_process import (
    Customers,
    GatewayProcess,
    Load,
    probes,
    sluiceway,
)
from tests.end_to_end.prefect_server import PrefectServer, flows_through
from tests.end_to_end.shop import JOINT, LIVE, LONGEST, Shop
from tests.orders.data import day, orders, table
from tests.serving.test_keeping import LIVE as ASKED
from tests.serving.test_keeping import POSTED
from tests.steps.test_controlling import FLAGS, SAFE_AMOUNT

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

NOW = day(-100)
"""When the rollout begins: what is asked must not lie in the future of anybody's clock."""
DAY = timedelta(days=1)
QUICK = (
    ("alpha: 0.05", "alpha: 0.2"),
    ("{window: 20d, extension: 10d}", "{window: 12d, extension: 4d}"),
    ("margin: 0.005", "margin: 0.03"),
    ("margin: 0.05\n", "margin: 0.2\n"),
    ("margin: 0.5", "margin: 2"),
    ("margin: 0.2\n        unit: points", "margin: 0.6\n        unit: points"),
)
"""A shop that bears so much needs few days to see that it is not harmed."""
SYSTEM = (
    ASKED,
    POSTED,
    SAFE_AMOUNT,
    FLAGS,
    *QUICK,
    (
        "[{weight: 10, bake: 2d}, {weight: 50, bake: 2d}]",
        "[{weight: 5, bake: 1d}, {weight: 50, bake: 1d}]",
    ),
)
PROBES = probes(300)


@dataclass(slots=True, kw_only=True)
class Story:
    """What was seen while the shop's history was played once.

    Attributes:
        days: What the customers were answered, by day, and the canary's weight of that day.
        probed: What the probes were answered, by occasion.
        scored: What ``sluiceway score`` answered to the orders of one of the days.
        orphans: Processes that outlived a killed gateway.
    """

    shop: Shop
    gateway: GatewayProcess
    customers: Customers
    rollout_id: str = ""
    days: list[tuple[int, pd.DataFrame]] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    probed: dict[str, pd.DataFrame] = field(default_factory=dict)
    scored: pd.DataFrame = field(default_factory=pd.DataFrame)
    scored_day: int = -1
    orphans: list[psutil.Process] = field(default_factory=list)
    now: datetime = NOW


@pytest.fixture(scope="module")
def story(
    shop_registry: Path, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("gateway")
    file = variant(folder, *SYSTEM)
    shop = Shop.opened(shop_registry, folder / "home", file)
    with pytest.MonkeyPatch.context() as patch, flows_through(prefect_server):
        for name, value in {**shop.environment, **prefect_server.environment}.items():
            patch.setenv(name, value)
        with shop.site() as site:
            requests.adopt(site, LIVE, now=NOW, actor="ada")
        evaluate_canaries(as_of=NOW)
        with GatewayProcess(shop) as gateway:
            told = Story(shop=shop, gateway=gateway, customers=Customers(url=gateway.url))
            _play(told)
            yield told
            told.customers.close()


def _play(told: Story) -> None:
    told.rollout_id = rollout(list(JOINT), as_of=NOW, actor="ada")
    followed(told)
    for _ in range(LONGEST):
        state = told.shop.state(told.rollout_id)
        if state.ended is not None:
            return
        weight = state.weight if state.promoted is None else 100
        if weight == 5 and "at 5 %" not in told.probed:
            told.probed["at 5 %"] = told.customers.ask(PROBES)
        if weight == 50 and "at 50 %" not in told.probed:
            _probe_everywhere(told)
        window = Window(start=told.now, end=told.now + DAY)
        answers = told.customers.place(window)
        if weight == 50 and told.scored.empty:
            told.scored, told.scored_day = _scored(told.shop, window), len(told.days)
        told.days.append((weight, answers))
        told.now = window.end
        told.customers.settle(told.now, since=NOW)
        evaluate_canaries(as_of=told.now)
        followed(told)
    raise AssertionError(f"{told.rollout_id} did not end in {LONGEST} days: {told.weights}")


def _probe_everywhere(told: Story) -> None:
    """The same units in one batch, alone, at another replica, and after a kill -9."""
    told.probed["at 50 %"] = told.customers.ask(PROBES)
    alone = [told.customers.ask(PROBES.iloc[[n]]) for n in range(30)]
    told.probed["alone"] = pd.concat(alone, ignore_index=True)
    with GatewayProcess(told.shop, "replica") as replica:
        told.probed["replica"] = told.customers.ask(PROBES, url=replica.url)
        children = told.gateway.children()
        told.gateway.restart()
        told.probed["restarted"] = told.customers.ask(PROBES)
        _, told.orphans = psutil.wait_procs(children, timeout=30)


def _scored(shop: Shop, window: Window) -> pd.DataFrame:
    rows = orders(window).rename(columns={"placed_at": "event_time", "signal": "orders.signal"})
    rows = rows.assign(**{"orders.hour": rows.pop("hour")})
    rows.to_parquet(shop.home / "rows.parquet")
    ran = sluiceway(
        shop, "score", "priority", str(shop.home / "rows.parquet"),
        str(shop.home / "answers.parquet"), "--here",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return pd.read_parquet(shop.home / "answers.parquet")


def followed(told: Story, *, seconds: float = 60.0) -> None:
    """Until the gateway answers by what was decided last."""
    with told.shop.site() as site:
        until = time.monotonic() + seconds
        while lagging := site.router.lagging():
            assert time.monotonic() < until, lagging
            time.sleep(0.05)


# -- the canary ------------------------------------------------------------------------------------


def test_a_joint_release_is_promoted_on_what_was_asked_and_posted_alone(story: Story) -> None:
    state = story.shop.state(story.rollout_id)
    assert state.ended is not None
    assert (state.ended.ending, state.ended.code) == (
        Ending.PROMOTED,
        ReasonCode.ALL_GATES_PASSED,
    ), state.ended.reason
    weights = [weight for weight, _ in story.days]
    assert list(dict.fromkeys(weights)) == [5, 50, 100]
    assert story.shop.champion() == (
        2,
        {"cost": "2", "fraud": "2", "handling": "1", "priority": "1"},
    )


def test_no_look_found_fault_with_the_gateways_evidence(story: Story) -> None:
    with story.shop.site() as site:
        events = site.journal.events(site.environment, story.rollout_id)
    looks = [one for one in map(happening, events) if isinstance(one, Looked)]
    assert [one.fault for one in looks] == [None] * len(looks)
    state = story.shop.state(story.rollout_id)
    assert state.measured >= 3


def test_answers_name_the_generation_and_the_arm_of_their_day(story: Story) -> None:
    for weight, answers in story.days:
        candidates = in_canary(story.rollout_id, answers["unit"].tolist(), weight % 100)
        assert set(answers["generation"]) == {2 if weight == 100 else 1}
        assert ((answers["arm"] == "candidate").to_numpy() == candidates).all() or weight == 100
        assert not any(answers["stand_ins"])
    after = story.customers.ask(PROBES)
    assert set(after["generation"]) == {2}
    assert set(after["arm"]) == {"baseline"}
    assert set(after["rollout"]) == {None}


def test_every_logged_row_is_of_one_release_through_the_whole_chain(story: Story) -> None:
    end = story.now
    log = prediction_log(story.shop.settings).read(Window(start=NOW, end=end))
    rows = table(Window(start=NOW, end=end)).set_index("order_id")
    assert log["release"].nunique() == 2
    with story.shop.site() as site:
        releases = {one: site.release_by_hash(one) for one in log["release"].unique()}
    for name, release in releases.items():
        own = log[log["release"] == name]
        given = rows.loc[own["unit"]].reset_index(drop=True)
        expected = chained(story.shop.settings.registry_uri, release.versions, given)
        for column in expected:
            np.testing.assert_allclose(own[column].to_numpy(), expected[column].to_numpy())


def test_every_answer_that_customers_received_is_in_the_log(story: Story) -> None:
    log = prediction_log(story.shop.settings).read(Window(start=NOW, end=story.now))
    primary = log[log["path"] == "primary"].set_index("unit")
    assert not prediction_log(story.shop.settings).gaps(Window(start=NOW, end=story.now))
    for _, answers in story.days:
        logged = primary.loc[answers["unit"]]
        logged = logged[~logged.index.duplicated(keep="first")]
        assert (logged["arm"].to_numpy() == answers["arm"].to_numpy()).all()
        np.testing.assert_allclose(logged["priority.score"], answers["score"])


def test_registry_routing_and_journal_agree_at_the_end(story: Story) -> None:
    with story.shop.site() as site:
        assert differing(site, wanted_projection(site)) == []
        kept = site.evidence.heads("orders", environment=site.environment)
        assert check_chain(site.journal.chain(site.environment), known_heads=kept).faults == ()
        assert site.registry.aliases("fraud") == {"champion": "2", "previous": "1"}
        assert site.registry.aliases("cost") == {"champion": "2", "previous": "1"}


# -- the same unit, the same arm -------------------------------------------------------------------


@pytest.mark.parametrize("occasion", ["alone", "replica", "restarted"])
def test_a_unit_has_the_same_arm_wherever_it_is_asked_about(story: Story, occasion: str) -> None:
    batch = story.probed["at 50 %"].set_index("unit")
    other = story.probed[occasion].set_index("unit")
    expected = in_canary(story.rollout_id, other.index.tolist(), 50)
    assert ((other["arm"] == "candidate").to_numpy() == expected).all()
    assert (other["arm"] == batch.loc[other.index, "arm"]).all()
    np.testing.assert_allclose(other["score"], batch.loc[other.index, "score"])


def test_who_is_in_a_canary_stays_in_it_as_it_grows(story: Story) -> None:
    small, large = (
        set(story.probed[name].query("arm == 'candidate'")["unit"])
        for name in ("at 5 %", "at 50 %")
    )
    assert small
    assert small < large
    assert 100 < len(large) < 200


def test_a_killed_gateway_leaves_no_process_behind(story: Story) -> None:
    assert story.orphans == []


def test_a_scored_table_has_the_arms_and_values_of_http(story: Story) -> None:
    _, asked = story.days[story.scored_day]
    asked = asked.set_index("unit")
    scored = story.scored.set_index("order_id").loc[asked.index]
    assert set(scored["arm"]) == {"baseline", "candidate"}
    assert (scored["arm"] == asked["arm"]).all()
    np.testing.assert_allclose(scored["score"], asked["score"])
    window = Window(start=NOW + story.scored_day * DAY, end=NOW + (story.scored_day + 1) * DAY)
    log = prediction_log(story.shop.settings).read(window)
    batch = log[log["request_id"].str.startswith("batch-", na=False)]
    assert set(batch.query("path == 'primary'")["unit"]) == set(asked.index)


# -- what operators cut and switch, while customers ask --------------------------------------------


CUT = "fraud.probability -> cost"


def command(story: Story, *arguments: str) -> float:
    """A command of an operator, which ends once the gateway does what it says.

    Gives when that was, by :func:`time.monotonic`.
    """
    ran = sluiceway(story.shop, *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return time.monotonic()


def asked_since(load: Load, ended: float) -> list[Mapping[str, str]]:
    """What stood in, for the customers who asked once a command had ended; answers come late."""
    load.wait_for(20)
    found = [one.row["stand_ins"] for one in load.seen if one.began > ended]
    assert found
    return found


def test_an_edge_is_isolated_and_restored_while_customers_ask(story: Story) -> None:
    with Load(story.customers, "isolated").running() as load:
        load.wait_for(20)
        ended = command(story, "isolate", CUT, "--reason", "fraud is stuck")
        assert all(one == {"fraud": "isolated"} for one in asked_since(load, ended))
        ended = command(story, "restore", CUT, "--reason", "it is well again")
        assert not any(asked_since(load, ended))
    assert {one.status for one in load.seen} == {200}


def test_a_flag_is_set_and_unset_while_customers_ask(story: Story) -> None:
    with Load(story.customers, "flagged").running() as load:
        load.wait_for(20)
        ended = command(story, "flag", "set", "cheap-cost", "no-fraud", "--reason", "a drill")
        assert all(asked_since(load, ended))
        command(story, "flag", "set", "cheap-cost", "before", "--reason", "another drill")
        orders = PROBES.head(20)
        answers = story.customers.ask(orders)
        champion = story.shop.champion()[1]
        expected = chained(story.shop.settings.registry_uri, {**champion, "cost": "1"}, orders)
        np.testing.assert_allclose(answers["score"], expected["priority.score"])
        command(story, "flag", "unset", "cheap-cost")
    answers = story.customers.ask(orders)
    expected = chained(story.shop.settings.registry_uri, champion, orders)
    np.testing.assert_allclose(answers["score"], expected["priority.score"])
    assert {one.status for one in load.seen} == {200}


def test_what_its_consumers_could_not_bear_is_not_cut(story: Story) -> None:
    before = story.customers.ask(PROBES.head(5))
    ran = sluiceway(story.shop, "isolate", "signal -> fraud", "--reason", "it drifts")
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "features.signal has no safe_default" in " ".join(ran.stderr.split())
    after = story.customers.ask(PROBES.head(5))
    assert not any(after["stand_ins"])
    np.testing.assert_allclose(after["score"], before["score"])


# -- the end of a gateway --------------------------------------------------------------------------


def test_a_gateway_that_is_told_to_end_under_load_owes_nobody_anything(story: Story) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    with Load(story.customers, "last").running(threads=6, pause=0) as load:
        load.wait_for(50)
        heartbeat = story.gateway.heartbeat
        assert heartbeat.exists()
        story.gateway.tell_to_end()
        code = story.gateway.ended()
    try:
        assert code == 0, story.gateway.said()[-2_000:]
        assert {one.status for one in load.seen} == {200, None}, "answered, or never let in"
        assert not heartbeat.exists()
        window = Window(start=began, end=datetime.now(UTC) + timedelta(minutes=1))
        log = prediction_log(story.shop.settings)
        rows = log.read(window)
        logged = set(rows.loc[rows["path"] == "primary", "unit"])
        answered = {one.unit for one in load.seen if one.status == 200}
        asked = {one.unit for one in load.seen}
        assert logged & asked == answered, "what was taken on was answered, and written down"
        assert log.gaps(window) == ()
    finally:
        story.gateway.start()
