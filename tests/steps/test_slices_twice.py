"""Slices that two ways of cutting have in common are guarded once."""

from pathlib import Path

from sluiceway.outcomes import Outcome
from tests.driver import live_days

from .worlds import NOW, quick_site, same_fraud, to_canary

TWICE = (
    "  amount: {reads: orders.amount, edges: [50, 150]}\n",
    "  amount: {reads: orders.amount, edges: [50, 150]}\n"
    "  price: {reads: orders.amount, edges: [50, 100]}\n",
)


def test_two_variables_that_cut_alike_stop_no_canary(tmp_path: Path) -> None:
    """Both say "orders.amount < 50"; two gates of one name cannot be judged together."""
    site = quick_site(tmp_path, TWICE)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    names = [gate.name for gate in site.state(rollout).slice_gates]
    assert len(set(names)) == len(names)
    assert sum("orders.amount < 50]" in name for name in names) == len(
        {name.partition(" ")[0] for name in names}
    )
    live_days(site, rollout, NOW, 3)
    look = site.state(rollout).look
    assert look is not None
    assert look.outcome is Outcome.INCONCLUSIVE
    assert len(look.slices) == len(names)
