"""The freeze test names where harm enters, how it travels, and who has to move with it."""

from itertools import combinations

import numpy as np
import pytest
from pydantic import TypeAdapter

from sluiceway.attribution import Attribution, HarmPath, attribute
from sluiceway.canonical import as_json, canonical_text
from sluiceway.gates import Gate, Levels, Role, judge_replay
from sluiceway.graph import blast_radius
from sluiceway.replay import Evaluator, measure
from sluiceway.replay.freezing import ALL_SUBSETS_UP_TO, SAMPLED_ORDERS, freeze_test
from sluiceway.replay.profiles import FeedFinding, FindingKind
from tests.replay import diamond


def gates(models=diamond.MODELS):
    return [
        Gate(
            model=model,
            metric="mae",
            field="units",
            label=f"truth.{model}",
            role=Role.REQUIRED,
            margin=0.5,
            unit="units",
        )
        for model in models
    ]


def history(seed=0):
    """Rows whose truth is near what the first versions answer."""
    part = diamond.partition(600, blocks=20, seed=seed)
    rng = np.random.default_rng(seed + 1)
    clicks, weight = part.columns["visits.clicks"], part.columns["goods.weight"]
    demand = clicks + weight
    truths = {
        "demand": demand,
        "price": demand + clicks / 2,
        "stock": 2 * demand,
        "refund": 3 * demand + clicks / 2,
    }
    for model, truth in truths.items():
        part.labels[f"truth.{model}"] = truth + rng.normal(0, 0.2, part.rows)
    return part


def attributed(
    tmp_path, candidate, loaded=None, *, suspects=None, part=None, models=diamond.MODELS
):
    system = diamond.shop(tmp_path)
    baseline = diamond.release()
    radius = blast_radius(system, candidate.changed_from(baseline))
    test = freeze_test(system, baseline, candidate, radius)
    evaluator = Evaluator(
        system,
        test.arms,
        baseline="baseline",
        predictors=loaded or diamond.predictors(),
        transformations=diamond.TRANSFORMATIONS,
        only=radius.models,
    )
    asked = [gate for gate in gates(models) if gate.model in radius.models]
    sums = measure(asked, evaluator, [part or history()])
    verdicts = [
        judge_replay(
            gate, sums["baseline"][gate.name], sums["candidate"][gate.name], Levels(), len(asked)
        )
        for gate in asked
    ]
    return attribute(system, test, verdicts, sums, suspect_sources=suspects)


def test_a_better_producer_that_harms_its_consumers_must_not_go_alone(tmp_path):
    """The consumers have learned to correct demand's bias; its own gate gets better."""
    part = history()
    part.labels["truth.demand"] += 5.0
    found = attributed(tmp_path, diamond.release(demand="2"), part=part)
    assert {one.gate: one.path for one in found.harmed} == {
        f"{model}.mae": HarmPath.CASCADING for model in ("price", "stock", "refund")
    }
    assert found.edges == (
        "demand.units → price",
        "demand.units → stock",
        "price.units → refund",
        "stock.units → refund",
    )
    assert (found.origin.kind, found.origin.name) == ("model", "demand")
    assert found.partners == ("price", "stock", "refund")
    assert found.must_not_go_alone
    assert "demand must not go alone: price, stock, refund need versions" in found.sentence


def test_each_edge_is_said_to_carry_its_share_with_an_interval(tmp_path):
    part = history()
    part.labels["truth.demand"] += 5.0
    found = attributed(tmp_path, diamond.release(demand="2"), part=part)
    (refund,) = [one for one in found.harmed if one.model == "refund"]
    shares = {edge.edge: edge for edge in refund.edges}
    # Five units more demand are five through price and ten through stock, of fifteen.
    assert shares["demand.units → price"].share == pytest.approx(1 / 3, abs=0.05)
    assert shares["stock.units → refund"].share == pytest.approx(2 / 3, abs=0.05)
    for edge in refund.edges:
        low, high = edge.taken_back.low, edge.taken_back.high
        assert low < edge.taken_back.harm < high
        assert edge.left.harm == pytest.approx(refund.harm.harm - edge.taken_back.harm)
    assert refund.own.harm == 0


def test_a_model_worse_by_itself_is_localised_and_has_no_partners(tmp_path):
    found = attributed(tmp_path, diamond.release(refund="2"))
    (harm,) = found.harmed
    assert harm.path is HarmPath.LOCALISED
    assert found.origin.name == "refund"
    assert (found.partners, found.edges, found.must_not_go_alone) == ((), (), False)


def test_of_several_changes_the_smallest_harmful_set_is_found(tmp_path):
    harmless = diamond.predictors()["price", "1"]
    loaded = {**diamond.predictors(), ("price", "2"): harmless}
    found = attributed(tmp_path, diamond.release(price="2", stock="2"), loaded)
    assert found.revert == ("stock",)
    assert found.origin.name == "stock"
    assert len(found.reversions) == 3


def test_changes_that_harm_only_together_are_taken_back_by_one_of_them(tmp_path):
    """demand + 5, and price − 5 which corrects it: without demand, price harms."""
    part = history()
    part.labels["truth.demand"] += 5.0
    both = diamond.release(demand="2", price="2", stock="2")
    found = attributed(tmp_path, both, part=part)
    assert found.harmed == ()
    assert (found.origin, found.revert) == (None, ())


def test_a_frozen_feed_behind_a_new_feature_version_is_the_origin(tmp_path):
    candidate = diamond.release({"demand": {"weight": "2.0.0"}}, demand="3", refund="3")
    loaded = {
        **diamond.predictors(),
        ("demand", "3"): diamond.predictors()["demand", "1"],
        ("refund", "3"): diamond.predictors()["refund", "1"],
    }
    finding = FeedFinding(
        kind=FindingKind.STUCK,
        source="goods_2",
        column="weight",
        blocks=14,
        live_blocks=14,
        reference_blocks=62,
        reference_like_it=0,
        live=3.0,
        reference=400.0,
        what="goods_2.weight has not moved for 14 blocks",
    )
    unexplained = attributed(tmp_path, candidate, loaded)
    assert (unexplained.origin.kind, unexplained.origin.name) == ("feature", "weight")
    found = attributed(tmp_path, candidate, loaded, suspects={"goods_2": [finding]})
    assert found.revert == ("weight",)
    assert (found.origin.kind, found.origin.name) == ("source", "goods_2")
    assert found.findings == (finding,)
    assert not found.partners
    assert "has not moved for 14 blocks" in found.sentence


def test_a_model_that_first_reads_a_suspect_source_is_not_to_blame(tmp_path):
    """Only the model's version changes hands with the feed: the feed is still the origin."""
    candidate = diamond.release({"demand": {"weight": "2.0.0"}}, demand="2")
    suspects = {
        "goods_2": [
            FeedFinding(
                kind=FindingKind.STUCK,
                source="goods_2",
                column="weight",
                blocks=14,
                live_blocks=14,
                reference_blocks=62,
                reference_like_it=0,
                live=3.0,
                reference=400.0,
                what="stuck",
            )
        ]
    }
    found = attributed(tmp_path, candidate, suspects=suspects)
    assert set(found.revert) == {"weight", "demand"}
    assert (found.origin.kind, found.origin.name) == ("source", "goods_2")


def test_features_that_move_to_another_source_together_are_one_node(tmp_path):
    text = diamond.SYSTEM.replace(
        "  hour:\n",
        "  size:\n    owner: team\n    version: 1.0.0\n    reads: [goods.weight]\n"
        "    other_versions:\n      2.0.0: {reads: [goods_2.weight]}\n  hour:\n",
    ).replace("[clicks, weight, hour]", "[clicks, weight, hour, size]")
    system = diamond.shop(tmp_path, system=text)
    moved = {"weight": "2.0.0", "size": "2.0.0"}
    candidate = diamond.release({"demand": moved}, demand="2")
    radius = blast_radius(system, ["demand"])
    test = freeze_test(system, diamond.release(), candidate, radius)
    assert [(node.kind.value, node.name) for node in test.nodes] == [
        ("source", "goods_2"),
        ("model", "demand"),
    ]
    back = test.reverted["goods_2",].release.members["demand"]
    assert back.features == {"weight": "1.0.0", "size": "1.0.0"}
    assert back.version == "2"
    kept = test.reverted["demand",].release.members["demand"]
    assert (kept.version, dict(kept.features)) == ("1", moved)


def test_taking_every_change_back_is_the_baseline_again(tmp_path):
    system = diamond.shop(tmp_path)
    candidate = diamond.release({"demand": {"weight": "2.0.0"}}, demand="2", stock="2")
    test = freeze_test(system, diamond.release(), candidate, blast_radius(system, ["demand"]))
    everything = test.reverted["weight", "demand", "stock"].release
    assert everything.versions == diamond.release().versions
    assert everything.members["demand"].features == {"weight": "1.0.0"}


def wide_test(tmp_path):
    """Seven changes at once: three features and four models."""
    text = diamond.SYSTEM
    for feature, other in (("clicks", "goods_2.clicks"), ("shelves", "goods_2.shelves")):
        text = text.replace(
            f"  {feature}: {{owner: team, version: 1.0.0,",
            f"  {feature}: {{owner: team, other_versions: {{2.0.0: {{reads: [{other}]}}}}, "
            "version: 1.0.0,",
        )
    text = text.replace("inputs: [demand.units]", "inputs: [demand.units, shelves]")
    system = diamond.shop(tmp_path, system=text)
    new = {"weight": "2.0.0"}
    features = {"demand": new, "stock": {"shelves": "2.0.0"}}
    candidate = diamond.release(features, **dict.fromkeys(diamond.MODELS, "2"))
    return freeze_test(system, diamond.release(), candidate, blast_radius(system, ["demand"]))


def test_with_many_changes_subsets_are_sampled_and_the_sample_is_stated(tmp_path):
    test = wide_test(tmp_path)
    count = len(test.nodes)
    assert count > ALL_SUBSETS_UP_TO
    tried = set(test.reverted)
    assert len(tried) < 2**count - 1
    assert len(test.orders) == 2 * SAMPLED_ORDERS
    names = tuple(node.name for node in test.nodes)
    for order, back in zip(test.orders[::2], test.orders[1::2], strict=True):
        assert order == back[::-1]
        assert sorted(order) == sorted(names)
    needed = {
        tuple(n for n in names if n in order[k:]) for order in test.orders for k in range(count)
    }
    sizes = {some for size in (1, 2, count - 1, count) for some in combinations(names, size)}
    assert tried == needed | sizes
    assert wide_test(tmp_path) == test


def test_an_attribution_survives_the_journal(tmp_path):
    adapter = TypeAdapter(Attribution)
    found = attributed(tmp_path, diamond.release(demand="2"))
    text = canonical_text(as_json(adapter, found))
    assert canonical_text(as_json(adapter, adapter.validate_json(text))) == text


def test_no_harm_is_blamed_on_nobody(tmp_path):
    loaded = {**diamond.predictors(), ("stock", "2"): diamond.predictors()["stock", "1"]}
    found = attributed(tmp_path, diamond.release(stock="2"), loaded)
    assert (found.harmed, found.origin, found.partners) == ((), None, ())
