"""Where units are declared independent, live evidence counts pairs instead of days."""

from dataclasses import replace
from pathlib import Path

import pytest

from sluiceway.gates import render
from sluiceway.statistics.sequential import (
    BettingHarm,
    DiscordantPairs,
    Evidence,
    Method,
    SequentialHarm,
)
from tests.driver import LIVE, QUICK, add, adopt_live, advance, live_days, memory_site, variant
from tests.steps.worlds import NOW, ask

BECAUSE = "        because: Below this the desk sees no difference in its daily list.\n"
COUNTED = """\
      - {metric: accuracy, field: probability, label: outcomes.fraud, margin: 0.05, unit: "",
         role: guard, because: Each mistake is looked at by hand.}
      - {metric: error_rate, margin: 0.05, unit: "", role: guard, because: Errors are calls.}
"""


def test_a_declaration_in_the_system_file_chooses_the_sharper_method(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    declared = ("  approvals: []", "  independent_units: true\n  approvals: []")
    gates = (BECAUSE, BECAUSE + COUNTED)
    site = memory_site(tmp_path, file=variant(tmp_path / "system", *QUICK, declared, gates))
    adopt_live(site, NOW)
    add(site, "fraud", "2", replace(LIVE["fraud"], offset=LIVE["fraud"].offset + 0.05))
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    methods = {gate.name: gate.evidence.method for gate in site.plan(rollout).gates}
    assert methods["fraud.brier"] is Method.BETTING
    assert methods["cost.mae"] is Method.T_MIXTURE  # its losses have no bound to bet against
    live_days(site, rollout, NOW, 4)
    look = site.state(rollout).look
    assert look is not None
    assert look.fault is None
    brier, cost = look.states["fraud.brier"], look.states["cost.mae"]
    assert isinstance(brier, BettingHarm)
    assert isinstance(cost, SequentialHarm)
    assert brier.pairs == brier.rows > 0
    # Fixed by the canary's plan: what shadow's differences come to at the planned sample.
    power = site.state(rollout).power
    assert power is not None
    assert power.units_needed is not None
    seen = brier.square_sum / brier.pairs
    assert brier.expected == pytest.approx(power.units_needed * seen, rel=0.5)
    assert brier.expected != Evidence().expected
    for name in ("fraud.accuracy", "fraud.error_rate"):
        counted = look.states[name]
        assert isinstance(counted, DiscordantPairs)
        assert counted.pairs == counted.rows > 0
    said = next(render(one) for one in look.verdicts if one.gate.name == "fraud.brier")
    assert "betting e-process on pairs" in said
