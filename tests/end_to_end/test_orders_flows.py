"""The tiny system, through the same flows as the flights: nothing knows what it carries."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterName,
)

from flows.evaluate_canaries import evaluate_canaries
from flows.rollback import rollback
from flows.rollout import rollout
from sluiceway.journal import check_chain
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.routing import RoutingTable
from sluiceway.steps import requests
from sluiceway.steps.publishing import PLAN, PROFILES, REPORT
from tests.adapters.mlflow_worlds import QUIET
from tests.driver import variant
from tests.end_to_end.pages import read_self_contained
from tests.end_to_end.prefect_server import PrefectServer, flows_through
from tests.end_to_end.shop import CASCADE, JOINT, LIVE, LONGEST, NOW, Shop

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

Aliases = dict[str, dict[str, str]]


@dataclass(slots=True, kw_only=True)
class Moment:
    """How serving and registry looked at one time."""

    champion: tuple[int, dict[str, str]]
    routing: RoutingTable
    aliases: Aliases
    stages: dict[str, str | None]

    @classmethod
    def of(cls, shop: Shop) -> "Moment":
        with shop.site() as site:
            models = site.systems.current().models
            routing = site.router.observed()
            aliases = {model: dict(site.registry.aliases(model)) for model in models}
            versions = (*LIVE, *JOINT)
            stages = {
                name: site.registry.version(*name.split("@")).tags.get("sluiceway.stage")
                for name in versions
            }
        assert routing is not None
        return cls(champion=shop.champion(), routing=routing, aliases=aliases, stages=stages)


@dataclass(slots=True, kw_only=True)
class Story:
    """What was seen while the shop's history was played once."""

    shop: Shop
    server: PrefectServer
    began: datetime
    cascade: str = ""
    joint: str = ""
    rolled_back: str = ""
    weights: list[int] = field(default_factory=list)
    seen: dict[str, Moment] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(
    shop_registry: Path, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    shop = Shop.opened(shop_registry, tmp_path_factory.mktemp("orders") / "home")
    told = Story(shop=shop, server=prefect_server, began=datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch, flows_through(prefect_server):
        for name, value in shop.environment.items():
            patch.setenv(name, value)
        _play(told)
        yield told


def _play(told: Story) -> None:
    shop = told.shop
    with shop.site() as site:
        requests.adopt(site, LIVE, now=NOW, actor="ada")
    evaluate_canaries(as_of=NOW)
    told.seen["adopted"] = Moment.of(shop)
    told.cascade = rollout(list(CASCADE), as_of=NOW, actor="ada")
    told.seen["rejected"] = Moment.of(shop)
    told.joint = rollout(list(JOINT), as_of=NOW, actor="ada")
    told.seen["canary"] = Moment.of(shop)
    now = _live_days(told, NOW)
    told.seen["promoted"] = Moment.of(shop)
    told.rolled_back = rollback("the desk prefers the old list", as_of=now, actor="grace")
    told.seen["rolled back"] = Moment.of(shop)


def _live_days(told: Story, now: datetime) -> datetime:
    for _ in range(LONGEST):
        now = told.shop.answers(now)
        evaluate_canaries(as_of=now)
        state = told.shop.state(told.joint)
        told.weights.append(state.weight)
        if state.ended is not None:
            return now
    raise AssertionError(f"{told.joint} did not end in {LONGEST} days")


def test_adoption_makes_what_serves_generation_1(story: Story) -> None:
    seen = story.seen["adopted"]
    assert seen.champion == (1, {"cost": "1", "fraud": "1", "handling": "1", "priority": "1"})
    assert seen.aliases == {m: {"champion": "1"} for m in seen.aliases}
    assert seen.stages["fraud@1"] == "champion"
    assert (seen.routing.generation, seen.routing.canaries) == (1, ())


def test_a_better_model_whose_consumers_get_worse_is_rejected_in_shadow(story: Story) -> None:
    ended = story.shop.state(story.cascade).ended
    assert ended is not None
    assert (ended.ending, ended.phase) == (Ending.REJECTED, Phase.SHADOW)
    assert ended.code is ReasonCode.HARM_IN_SHADOW
    assert ended.origin is not None
    assert (ended.origin.kind, ended.origin.name) == ("model", "fraud")
    assert story.seen["rejected"].champion == story.seen["adopted"].champion
    assert story.seen["rejected"].stages["fraud@2"] == "rejected"
    assert story.seen["rejected"].aliases["fraud"] == {"champion": "1"}


def test_the_partners_are_those_of_this_system(story: Story) -> None:
    found = story.shop.state(story.cascade).shadows[-1].attribution
    assert found is not None
    assert found.must_not_go_alone
    assert "cost" in found.partners
    assert "handling" not in found.partners
    page = read_self_contained(story.shop.home / "production" / "rollouts" / story.cascade / REPORT)
    assert "cost" in page
    assert "arr_delay" not in page


def test_a_joint_release_goes_through_its_steps_and_is_promoted_as_one(story: Story) -> None:
    ended = story.shop.state(story.joint).ended
    assert ended is not None
    assert (ended.ending, ended.code) == (Ending.PROMOTED, ReasonCode.ALL_GATES_PASSED)
    steps = [weight for weight in dict.fromkeys(story.weights) if weight]
    assert steps == [10, 50]
    canary = story.seen["canary"]
    assert canary.aliases["fraud"] == {"champion": "1", "canary": "2"}
    assert canary.aliases["cost"] == {"champion": "1", "canary": "2"}
    assert [route.weight for route in canary.routing.canaries] == [10]
    promoted = story.seen["promoted"]
    assert promoted.champion == (
        2,
        {"cost": "2", "fraud": "2", "handling": "1", "priority": "1"},
    )
    assert promoted.aliases == {
        "fraud": {"champion": "2", "previous": "1"},
        "cost": {"champion": "2", "previous": "1"},
        "handling": {"champion": "1"},
        "priority": {"champion": "1"},
    }
    assert promoted.stages["fraud@2"] == "champion"
    assert promoted.stages["fraud@1"] == "retired"
    assert (promoted.routing.generation, promoted.routing.canaries) == (2, ())


def test_every_block_was_entered_once(story: Story) -> None:
    look = story.shop.state(story.joint).look
    assert look is not None
    looks = story.shop.kinds(story.joint).count("looked")
    for sequence in look.states.values():
        assert (sequence.n + sequence.unmeasured, sequence.last_block) == (looks, look.watermark)


def test_a_rollback_by_hand_brings_generation_1_back_everywhere(story: Story) -> None:
    seen = story.seen["rolled back"]
    assert seen.champion == story.seen["adopted"].champion
    assert {model: own["champion"] for model, own in seen.aliases.items()} == seen.champion[1]
    assert seen.routing.generation == 1
    assert seen.stages["fraud@1"] == "champion"
    assert seen.stages["fraud@2"] != "champion"
    assert story.shop.kinds(story.rolled_back)[:3] == [
        "rollback_decided",
        "champion_restored",
        "ended",
    ]


def test_mlflow_has_one_run_a_rollout_with_its_evidence(story: Story) -> None:
    client = mlflow.MlflowClient(story.shop.settings.registry_uri)
    experiment = client.get_experiment_by_name("sluiceway/orders")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {story.cascade, story.joint}
    joint = runs[story.joint]
    for name in ("canary.cost.mae.harm", "canary.cost.mae.margin", "shadow.fraud.brier.harm"):
        assert name in joint.data.metrics, sorted(joint.data.metrics)
    assert joint.data.tags["sluiceway.ending"] == "promoted"
    assert joint.data.params["members"] == "cost@2, fraud@2"
    assert {file.path for file in client.list_artifacts(joint.info.run_id)} == {
        REPORT,
        PLAN,
        PROFILES,
    }
    assert len(client.get_run(joint.info.run_id).inputs.model_inputs) == 2
    assert runs[story.cascade].data.tags["sluiceway.ending"] == "rejected"


def test_the_journal_is_intact_and_mlflow_has_kept_its_heads(story: Story) -> None:
    with story.shop.site() as site:
        kept = site.evidence.heads("orders", environment=site.environment)
        check = check_chain(site.journal.chain(site.environment), known_heads=kept)
    assert check.faults == ()
    assert len(kept) == 2


def test_prefect_finds_the_flow_runs_of_a_rollout_by_its_tag(story: Story) -> None:
    tags = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"rollout:{story.joint}"]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=tags, limit=200)
    # Other tests of this session have rollouts of the same number.
    own = [run for run in runs if run.start_time and run.start_time >= story.began]
    assert f"rollout {', '.join(JOINT)}" in {run.name for run in own}
    assert len(own) == 1 + len(story.weights)


def test_prefect_calls_the_tasks_of_a_rollout_by_its_id(story: Story) -> None:
    named = TaskRunFilter(name=TaskRunFilterName(any_=[f"promote {story.joint}"]))
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(task_run_filter=named)
    # Other tests of this session have rollouts of the same number.
    assert [run for run in runs if run.start_time and run.start_time >= story.began]


def test_prefect_shows_a_page_for_each_rollout(story: Story) -> None:
    key = f"rollout-{story.joint}"
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        pages = client.read_artifacts(artifact_filter=wanted)
    assert len(pages) > 1, "the page has versions"
    newest = max(pages, key=lambda page: page.created)
    assert str(newest.data).startswith(f"# {story.joint}: promoted")


def test_the_report_of_a_promotion_needs_no_network(story: Story) -> None:
    page = read_self_contained(story.shop.home / "production" / "rollouts" / story.joint / REPORT)
    assert "promoted" in page
    for word in ("fraud", "handling", "cost", "priority", "worklist"):
        assert word in page


def test_aliases_moved_in_mlflow_stay_where_the_policy_accepts_them(
    shop: Shop, prefect_flows: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "system").mkdir()
    accepts = ("approvals: []", "approvals: []\n  registrations: {by_hand: accept}")
    system = variant(tmp_path / "system", accepts)
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(system))
    shop = replace(shop, system=system)
    with shop.site() as site:
        requests.adopt(site, LIVE, now=NOW, actor="ada")
    evaluate_canaries(as_of=NOW)
    client = mlflow.MlflowClient(shop.settings.registry_uri, shop.settings.registry_uri)
    client.set_registered_model_alias("fraud", "champion", "2")
    for _ in range(2):
        evaluate_canaries(as_of=NOW)
        assert str(client.get_registered_model("fraud").aliases["champion"]) == "2"
    assert shop.kinds("registry") == ["aliases_moved"], "it is written down once"
    generation, serves = shop.champion()
    assert (generation, serves["fraud"]) == (1, "1"), "what serves is the journal's champion"
