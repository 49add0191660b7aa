"""What is taken back is read from the table of counterfactuals, and from nothing else."""

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest

from sluiceway.attribution import Interaction, Undecided, attribute
from sluiceway.attribution.deciding import is_brought_back
from sluiceway.attribution.estimates import Contrasts, Replicates, difference
from sluiceway.attribution.values import Effect
from sluiceway.gates import Gate, Levels, Role, judge_replay
from sluiceway.graph import blast_radius
from sluiceway.replay.freezing import freeze_test
from sluiceway.statistics.jackknife import paired_harm
from sluiceway.statistics.metrics import METRICS
from tests.replay import diamond

BLOCKS, ROWS = 20, 1000
NAMES = tuple(str(n).zfill(2) for n in range(BLOCKS))
CODES = np.sort(np.arange(ROWS) % BLOCKS)
CHANGED = ("demand", "price", "stock")


def gate(model="refund", margin=0.5):
    return Gate(
        model=model,
        metric="bias",
        field="units",
        label="truth",
        role=Role.REQUIRED,
        margin=margin,
        unit="units",
    )


def sums_of(error, seed=0, codes=CODES, names=NAMES):
    """An arm whose mean error is nearly as given."""
    noise = np.random.default_rng(seed).normal(0, 0.3, len(codes))
    return METRICS["bias"].block_sums(np.zeros(len(codes)), 1 + error + noise, codes, names)


def table(tmp_path, harm, *, changed=CHANGED, gates=None, without=(), **more):
    """Attribute where `harm` says what the changes made, a frozenset of names, do to each gate."""
    system = diamond.shop(tmp_path)
    candidate = diamond.release(**dict.fromkeys(changed, "2"))
    test = freeze_test(
        system, diamond.release(), candidate, blast_radius(system, changed or ["demand"])
    )
    gates = gates or [gate()]
    made = {test.baseline.name: frozenset(), test.candidate.name: frozenset(changed)}
    made |= {arm.name: frozenset(changed) - set(back) for back, arm in test.reverted.items()}
    named = {arm.name for arm in test.arms} - set(made)
    made |= dict.fromkeys(named, frozenset(changed))
    sums = {
        arm: {one.name: sums_of(harm(some, one.model), seed=len(some)) for one in gates}
        for arm, some in made.items()
        if arm not in {test.reverted[back].name for back in without}
    }
    verdicts = [
        judge_replay(
            one, sums["baseline"][one.name], sums["candidate"][one.name], Levels(), len(gates)
        )
        for one in gates
    ]
    return attribute(system, test, verdicts, sums, **more)


def one_harms(made, _model):
    return 3.0 * ("stock" in made)


def test_one_harmful_change_among_three_is_taken_back_alone(tmp_path):
    found = table(tmp_path, one_harms)
    assert (found.revert, found.undecided) == (("stock",), None)
    assert (found.interaction, found.alternatives) == (Interaction.NONE, ())


def test_two_changes_harmful_only_together_are_said_to_be(tmp_path):
    found = table(tmp_path, lambda made, _: 3.0 * ({"price", "stock"} <= made))
    assert len(found.revert) == 1
    assert {found.revert, *found.alternatives} == {("price",), ("stock",)}
    assert found.interaction is Interaction.HARMFUL_TOGETHER
    assert "price and stock are harmless alone and harmful together" in found.sentence


def test_of_two_that_would_do_the_one_that_leaves_least_is_taken_back(tmp_path):
    def harm(made, _model):
        return 3.0 * ({"price", "stock"} <= made) + 0.3 * ("price" in made)

    assert table(tmp_path, harm).revert == ("price",)


def test_two_changes_that_each_harm_go_back_together(tmp_path):
    found = table(tmp_path, lambda made, _: 3.0 * ("price" in made) + 2.0 * ("stock" in made))
    assert found.revert == ("price", "stock")
    assert found.interaction is Interaction.EACH_HARMS
    assert found.origin.name == "price"


def test_of_a_fitted_pair_neither_is_taken_back_alone(tmp_path):
    """Without the other each is worse; together they still harm a third model."""

    def harm(made, _model):
        pair = {"demand", "price"} & made
        return {0: 0.0, 1: 6.0, 2: 3.0}[len(pair)]

    found = table(tmp_path, harm)
    assert found.revert == ("demand", "price")
    assert found.interaction is Interaction.FITTED
    assert "fitted to each other" in found.sentence


def test_harm_that_a_reversion_brings_to_another_gate_counts_against_it(tmp_path):
    def harm(made, model):
        fitted = ("demand" in made) != ("price" in made)
        return 3.0 * fitted if model == "price" else 3.0 * ("demand" in made)

    found = table(tmp_path, harm, gates=[gate("refund"), gate("price")])
    assert found.revert == ("demand", "price")


def test_only_compatible_sets_are_named(tmp_path):
    found = table(tmp_path, one_harms, compatible=lambda names: "price" in names)
    assert found.revert == ("price", "stock")
    assert not next(one for one in found.reversions if one.reverted == ("stock",)).compatible
    none = table(tmp_path, one_harms, compatible=lambda _: False)
    assert (none.revert, none.origin) == ((), None)
    assert none.undecided is Undecided.NOT_COMPATIBLE


def test_a_mixture_nobody_can_serve_is_not_named(tmp_path):
    found = table(tmp_path, one_harms, without=[("stock",)])
    assert len(found.revert) == 2
    assert "stock" in found.revert
    assert found.origin is None
    nothing = [some for size in (1, 2, 3) for some in combinations(CHANGED, size)]
    lost = table(tmp_path, one_harms, without=nothing)
    assert (lost.revert, lost.undecided) == ((), Undecided.NOT_ANSWERED)


def test_without_changes_without_harm_or_with_one_block_nothing_is_named(tmp_path):
    calm = table(tmp_path, lambda *_: 0.0)
    assert (calm.revert, calm.origin, calm.undecided) == ((), None, Undecided.NO_HARM)
    same = table(tmp_path, one_harms, changed=())
    assert (same.revert, same.shapley) == ((), ())


def test_a_gate_undefined_in_a_smaller_set_makes_it_undecidable(tmp_path):
    """An AUC over rows of one class is undefined: nobody knows what that set would do."""
    system = diamond.shop(tmp_path)
    candidate = diamond.release(price="2", stock="2")
    test = freeze_test(system, diamond.release(), candidate, blast_radius(system, ["price"]))
    good, bad = sums_of(0.0), sums_of(3.0)
    unknown = replace(bad, sums=np.full_like(bad.sums, np.nan))
    sums = {arm.name: {"refund.bias": bad} for arm in test.arms} | {
        "baseline": {"refund.bias": good}
    }
    sums[test.reverted["price", "stock"].name] = {"refund.bias": good}
    sums[test.reverted["stock",].name] = {"refund.bias": unknown}
    verdict = judge_replay(gate(), good, bad, Levels(), 1)
    found = attribute(system, test, [verdict], sums)
    assert (found.revert, found.undecided) == ((), Undecided.NOT_MEASURED)


def test_one_block_is_cannot_tell(tmp_path):
    system = diamond.shop(tmp_path)
    test = freeze_test(
        system, diamond.release(), diamond.release(stock="2"), blast_radius(system, ["stock"])
    )
    codes, names = np.zeros(50, dtype=np.intp), ("01",)
    good, bad = (sums_of(error, codes=codes, names=names) for error in (0.0, 3.0))
    sums = {arm.name: {"refund.bias": bad} for arm in test.arms}
    sums["baseline"] = sums[test.reverted["stock",].name] = {"refund.bias": good}
    verdict = judge_replay(gate(), sums_of(0.0), sums_of(3.0), Levels(), 1)
    found = attribute(system, test, [verdict], sums)
    assert (found.revert, found.origin) == ((), None)
    assert found.undecided is Undecided.TOO_FEW_BLOCKS


@pytest.mark.parametrize(
    ("left", "low", "back"),
    [(0.4, 0.3, True), (0.6, 0.4, True), (0.6, 0.55, False), (2.0, 0.1, False)],
    ids=["within", "a little that may be within", "surely beyond", "much that may be within"],
)
def test_what_brings_a_gate_back(left, low, back):
    before, after = Effect(harm=4.0, low=3.0, high=5.0), Effect(harm=left, low=low, high=2 * left)
    assert is_brought_back(0.5, before, after) is back


def test_shapley_shares_are_means_over_all_orders_and_add_up(tmp_path):
    def harm(made, _model):
        return 3.0 * ({"price", "stock"} <= made) + 1.0 * ("demand" in made)

    found = table(tmp_path, harm)
    shares = {one.node: one.share.harm for one in found.shapley}
    worth = {frozenset(): 0.0, frozenset(CHANGED): found.harmed[0].harm.harm}
    for one in found.reversions:
        worth[frozenset(CHANGED) - set(one.reverted)] = one.harms["refund.bias"].harm
    for name in CHANGED:
        steps = []
        for order in permutations(CHANGED):
            before = frozenset(order[: order.index(name)])
            steps.append(worth[before | {name}] - worth[before])
        assert shares[name] == pytest.approx(np.mean(steps))
    assert sum(shares.values()) == pytest.approx(found.harmed[0].harm.harm)
    assert all(one.orders is None and one.sampling_error is None for one in found.shapley)


def test_a_pair_is_estimated_as_by_the_jackknife_of_gates():
    first, second = sums_of(0.0), sums_of(1.0, seed=3)
    expected = paired_harm(first, second)
    contrast = Contrasts({"a": {"g": first}, "b": {"g": second}}, 0.05).between("a", "b", "g")
    assert contrast.harm == pytest.approx(expected.harm)
    assert contrast.low == pytest.approx(expected.lower(0.05))
    assert contrast.high == pytest.approx(expected.upper(0.05))


def test_windows_of_different_rows_add_their_variances():
    first, second = Replicates.of(sums_of(0.0)), Replicates.of(sums_of(1.0, seed=3))
    found = difference(second, first, 0.05)
    plain = np.sqrt(first.variance + second.variance)
    # Two samples of 20 blocks with like variances: nearly 38 degrees of freedom, t = 1.686.
    assert found.high - found.harm == pytest.approx(1.686 * plain, rel=0.01)
