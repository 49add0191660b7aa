"""Where no pairs exist, what each arm's own consumers received is compared, if the file says so."""

from pathlib import Path

import pandas as pd
import pytest

from sluiceway.gates import Comparison, Role, render
from sluiceway.outcomes import Outcome
from sluiceway.planning import render_power
from sluiceway.ports import Window
from sluiceway.reports import in_one_line
from sluiceway.rollouts.endings import ReasonCode
from sluiceway.rollouts.events import RollbackDecided
from sluiceway.statistics.metrics import METRICS
from sluiceway.statistics.sequential import Method
from sluiceway.statistics.unpaired import unpaired_rows
from tests.orders.data import outcomes
from tests.steps.changed_log import DAY, looked_at
from tests.steps.worlds import NOW, told

PERMITTED = ("    mirror: 100\n", "    mirror: 100\n    without_pairs: unpaired\n")
EVEN = (
    "[{weight: 10, bake: 1d}, {weight: 50, bake: 1d}]",
    "[{weight: 50, bake: 1d}]",
)
REVIEWS = (
    (
        "  outcomes:\n    owner: shop-data\n",
        "  reviews:\n    owner: risk\n    description: What the desk found in what it was shown.\n"
        "    loader: python:tests.orders.data:outcomes\n    event_time: placed_at\n"
        "    labels: {known_at: settled_at, maturity: 1d, label_depends_on_answer: true}\n"
        "  outcomes:\n    owner: shop-data\n",
    ),
    (
        "        because: Below this the desk sees no difference in its daily list.\n",
        "        because: Below this the desk sees no difference in its daily list.\n"
        "      - {metric: accuracy, field: probability, label: reviews.fraud, margin: 0.05,\n"
        "         unit: '', compare: unpaired, because: What the desk confirms is its own word.}\n",
    ),
)


def only_answers(log: pd.DataFrame) -> pd.DataFrame:
    """The log of a server whose mirror answers nothing."""
    return log if log.empty else log[log["path"] == "primary"].assign(paired=False)


def test_without_pairs_nothing_is_compared_unless_the_file_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rollout, look = looked_at(tmp_path, monkeypatch, only_answers)
    assert look.outcome is Outcome.ERROR
    assert "no pair of answers was logged" in str(look.fault)
    assert {gate.comparison for gate in site.plan(rollout).gates} == {Comparison.PAIRED}


def test_where_the_file_permits_it_the_arms_own_units_are_compared_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, _, look = looked_at(tmp_path, monkeypatch, only_answers, PERMITTED, days=3)
    assert look.fault is None
    assert look.outcome is Outcome.INCONCLUSIVE
    assert [note for note in look.notes if "no pair of fraud's answers" in note]
    log = site.predictions.read(Window(start=NOW, end=NOW + 3 * DAY))
    truth = outcomes(Window(start=NOW, end=NOW + 3 * DAY)).set_index("order_id")
    rows = log.join(truth["fraud"], on="unit")
    independently = unpaired_rows(
        METRICS["brier"],
        rows["fraud"],
        rows["fraud.probability"],
        rows["event_time"].dt.strftime("%Y-%m-%d"),
        rows["routing_revision"],
        rows["arm"] == "candidate",
    )
    harms = [one.harm for one in independently if one.harm is not None]
    assert look.states["fraud.brier"].n == len(harms) == 3
    assert look.states["fraud.brier"].mean == pytest.approx(sum(harms) / 3)


def test_a_block_with_pairs_is_read_by_its_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_day(log: pd.DataFrame) -> pd.DataFrame:
        if log.empty:
            return log
        early = log["event_time"] < NOW + DAY
        return pd.concat([log[early], only_answers(log[~early])])

    _, _, look = looked_at(tmp_path, monkeypatch, second_day, PERMITTED)
    state = look.states["fraud.brier"]
    assert state.n == 2
    (note,) = [note for note in look.notes if "fraud's" in note]
    assert note.startswith(f"{NOW + DAY:%Y-%m-%d}: ")
    # The first day's pairs are alike, so all that differs comes from the second's own units.
    assert state.mean != 0


def test_a_wrong_share_is_seen_without_pairs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(log: pd.DataFrame) -> pd.DataFrame:
        if log.empty:
            return log
        turned = log["unit"].isin(sorted(log["unit"].unique())[::2])
        return only_answers(log).assign(arm=lambda rows: rows["arm"].mask(turned, "candidate"))

    site, rollout, look = looked_at(tmp_path, monkeypatch, greedy, PERMITTED)
    assert look.outcome is Outcome.ERROR
    assert "sample ratio broken" in str(look.fault)
    events = site.journal.events(site.environment, rollout)
    said = in_one_line(events, site.systems.kept(rollout))
    assert said.startswith("In canary, the last look in error: the candidate answers 0 % of the")
    assert "sample ratio broken: the candidate answered" in said


def test_harm_is_stopped_without_any_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def harmful(log: pd.DataFrame) -> pd.DataFrame:
        if log.empty:
            return log
        worse = 100.0 * (log["arm"] == "candidate")
        return only_answers(log.assign(**{"cost.euros": log["cost.euros"] + worse}))

    site, rollout, look = looked_at(tmp_path, monkeypatch, harmful, PERMITTED, EVEN, days=4)
    assert look.outcome is Outcome.FAILED
    (decided,) = told(site, rollout, RollbackDecided)
    assert isinstance(decided, RollbackDecided)
    assert decided.code is ReasonCode.HARM_IN_CANARY
    assert decided.reason.startswith("cost.mae: harm +")


def test_labels_that_depend_on_the_answer_are_judged_in_the_canary_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rollout, look = looked_at(tmp_path, monkeypatch, lambda log: log, *REVIEWS, EVEN, days=3)
    plan, state = site.plan(rollout), site.state(rollout)
    (gate,) = (one for one in plan.gates if one.metric == "accuracy")
    assert (gate.comparison, gate.in_shadow, gate.role) == (
        Comparison.UNPAIRED,
        False,
        Role.REQUIRED,
    )
    assert gate not in {verdict.gate for verdict in state.shadows[-1].verdicts}
    assert not [one for one in state.slice_gates if one.metric == "accuracy"]
    assert state.power is not None
    assert (
        "fraud.accuracy is not in it: neither record nor log shows how such harms scatter"
        in render_power(state.power)
    )
    (verdict,) = (one for one in look.verdicts if one.gate == gate)
    assert (verdict.outcome, verdict.blocks) == (Outcome.INCONCLUSIVE, 3)
    assert verdict.rows > 300
    assert "t-mixture e-process of each arm's own units" in render(verdict)


def test_what_only_live_answers_show_stops_a_canary_and_is_traced_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(log: pd.DataFrame) -> pd.DataFrame:
        """The candidate's own consumers receive the opposite; pairs are of the others' units."""
        if log.empty:
            return log
        own = (log["path"] == "primary") & (log["arm"] == "candidate")
        log = log[own | ~log["unit"].isin(log.loc[own, "unit"])]
        answer = log["fraud.probability"].mask(own, 1 - log["fraud.probability"])
        return log.assign(**{"fraud.probability": answer, "paired": log["paired"] & ~own})

    independent = ("policies:\n", "policies:\n  independent_units: true\n")
    site, rollout, look = looked_at(
        tmp_path, monkeypatch, turned, *REVIEWS, EVEN, independent, days=4
    )
    gate = next(one for one in site.plan(rollout).gates if one.metric == "accuracy")
    assert gate.evidence.method is Method.CONDITIONAL_EVENTS
    failed = [one.gate for one in look.verdicts if one.outcome is Outcome.FAILED]
    assert failed == [gate]
    state = site.state(rollout)
    assert state.rollback is not None
    assert state.diagnosed is not None
    assert state.diagnosed.fault is None
    assert state.diagnosed.attribution is not None
    assert state.diagnosed.attribution.harmed == ()
