"""A system file is parsed once and refused whole."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.drift import DriftPolicy
from sluiceway.errors import BadInput
from sluiceway.system.file import read_system
from sluiceway.system.values import DriftWatch, NodeKind, System
from tests.driver import variant

ORDERS = Path(__file__).parent / "orders"


def faults(tmp_path: Path, *edits: tuple[str, str], file: str = "system.yaml") -> list[str]:
    """The faults of the orders system after replacing text in one of its files."""
    folder = tmp_path / "orders"
    shutil.copytree(ORDERS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / file).read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / file).write_text(text)
    with pytest.raises(BadInput) as refused:
        read_system(folder / "system.yaml")
    return [str(fault) for fault in refused.value.faults]


def test_producers_come_before_their_consumers() -> None:
    system = read_system(ORDERS / "system.yaml")
    order = list(system.models)
    assert order.index("fraud") < order.index("cost") < order.index("priority")
    assert system.kind("signal") is NodeKind.FEATURE
    assert system.owner_of("worklist").contact == "desk@shop.example"


def test_the_digest_covers_the_contracts(tmp_path: Path) -> None:
    shutil.copytree(ORDERS, tmp_path / "orders", ignore=shutil.ignore_patterns("__pycache__"))
    before = read_system(tmp_path / "orders" / "system.yaml").digest
    contract = tmp_path / "orders" / "contracts" / "cost.yaml"
    contract.write_text(contract.read_text() + "# a word more\n")
    assert read_system(tmp_path / "orders" / "system.yaml").digest != before


def test_every_fault_is_told_with_its_path(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        ("owner: risk\n    unit", "owner: nobody\n    unit"),
        ("reads: fraud.probability, relies_on: [numeric]}", "reads: fraud.score}"),
        ("metric: brier", "metric: brie"),
        ("weight: 50", "weight: 150"),
    )
    owners = "(there are: shop-data, risk, logistics, finance, desk)"
    promised = "which fraud 1.0.0 does not promise (it has: probability)"
    assert f"system.yaml: features.signal.owner: nobody is not among the owners {owners}" in found
    assert f"system.yaml: models.handling.inputs[1]: reads fraud.score, {promised}" in found
    assert any(f.startswith("system.yaml: models.fraud.metrics[0].metric: brie is") for f in found)
    assert any(f.startswith("system.yaml: policies.canary.steps[1].weight:") for f in found)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("timezone: UTC", "timezone: Mars", "timezone: Mars is no IANA timezone"),
        ("risk: high", "risk: enormous", "models.fraud.risk: input should be 'low', 'medium'"),
        ("    unit: days\n", "    unit: hours\n", ".unit: is hours, handling.days is in days"),
        ("reads: [orders.hour]", "reads: [order.hour]", "order is no source (there are: orders"),
        ("reads: [orders.hour]", "reads: [outcomes.days]", "holds labels, known only afterwards"),
        ("loader: python:", "loader: ftp:", "sources.orders.loader: string should match pattern"),
        ("unit: order_id", "unti: order_id", "unit: is missing"),
        ("bake: 2d", "bake: two days", "'two days' is no duration"),
        ("metric: brier", "metric: positive_flips", "can only get better; it is no required gate"),
        ("bake: 2d", "bake: 99999999999d", "is longer than any duration can be"),
        ("block: 1d", "block: 0d", "policies.canary.block: is no time at all"),
        ("block: 1d", "block: 7h", "policies.canary.block: a block of 7:00:00 neither divides"),
        ("block: 1d", "block: 30s", "policies.canary.block: a block of 0:00:30 is no whole"),
        ("contracts/cost.yaml", '"contracts/\\0.yaml"', "models.cost.contract: string should"),
        ("edges: [50, 150]", "edges: [150, 50]", "slices.amount.edges: do not grow: [150.0, 50.0]"),
        ("reads: orders.amount, ", "reads: outcomes.days, ", "slices.amount.reads: outcomes holds"),
        ("reads: orders.amount, ", "reads: ordres.amount, ", "ordres is no source (there are: ord"),
        ("deadline: 25d", "deadline: 3d", "is earlier than the steps' bake times together"),
        (
            "deadline: 25d",
            "deadline: 25d\n    max_deadline: 24d",
            "policies.canary.max_deadline: is earlier than the deadline",
        ),
        ("window: 20d", "window: 9d", "holds 9 blocks, 10 are needed"),
        ("approvals: []", "approvals: [ceo]", "policies.approvals[0]: ceo is not among the owners"),
        ("settled_at, maturity: 1d", "settled_at", "sources.outcomes.labels.maturity: is missing"),
        ("  amount: {owner", "  fraud: {owner", "is also the name of one of the features"),
        ("contracts/cost.yaml", "contracts/nope.yaml", "cannot be read: No such file"),
        ("contracts/cost.yaml", "contracts/fraud.yaml", "is the contract of fraud, not of cost"),
        (
            "system: orders",
            "system: orders\nsystem: shop",
            "is not YAML: line 2, column 1: found",
        ),
        ("margin: 0.05", "margin: -1", "margin: input should be greater than or equal to 0"),
        ("margin: 0.05", "margin: .nan", "margin: input should be greater than or equal to 0"),
        (
            'reads: [orders.signal, orders.hour], transformation: "tests.orders.data:signal_2"',
            "reads: [orders.signal, orders.hour]",
            "names several columns and no transformation",
        ),
        (
            "metric: brier",
            "role: guard\n        metric: brier",
            "has no required metric; nothing could ever pass",
        ),
        (
            "known_at: settled_at,",
            "label_depends_on_answer: true, known_at: settled_at,",
            "labels depend on the answer given: it cannot be paired",
        ),
    ],
)
def test_a_contradiction_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert any(told in fault for fault in faults(tmp_path, (old, new)))


PEOPLE = ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [kim]}")
ROLES = ("{contact: risk@shop.example}", "{contact: risk@shop.example, roles: [model-risk]}")
OWNERS = "(there are: shop-data, risk, logistics, finance, desk)"


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ([("risk: {contact: risk@shop.example}", "risk: {}")], "owners.risk.contact: is missing"),
        ([("risk: {contact: risk@shop.example}", "risk:")], "owners.risk.contact: is missing"),
        (
            [("risk@shop.example", '"  "')],
            "owners.risk.contact: reaches nobody; write an address or a channel (found '  ')",
        ),
        (
            [("{contact: risk@shop.example}", "{contact: r@x.example, people: [kim, kim]}")],
            "owners.risk.people: names kim twice",
        ),
        (
            [("{contact: risk@shop.example}", "{contact: r@x.example, roles: [desk]}")],
            "owners.risk.roles: desk is the name of an owner, so it is no role",
        ),
        (
            [("{contact: risk@shop.example}", "{contact: r@x.example, left: soon}")],
            "owners.risk.left: input should be a valid date or datetime, input is too short (found "
            "'soon')",
        ),
        (
            [ROLES, ("approvals: []", "approvals: [model-risk, ceo]")],
            f"policies.approvals[1]: ceo is not among the owners {OWNERS[:-1]}; roles: model-risk)",
        ),
        (
            [("approvals: []", "approvals: {always: [ceo]}")],
            f"policies.approvals.always[0]: ceo is not among the owners {OWNERS}",
        ),
        (
            [("approvals: []", "approvals: {rules: [{risk: high, ask: [risk, ceo]}]}")],
            f"policies.approvals.rules[0].ask[1]: ceo is not among the owners {OWNERS}",
        ),
        (
            [("approvals: []", "approvals: {rules: [{ask: [risk]}]}")],
            "policies.approvals.rules[0]: says neither risk nor change; who is asked in any case "
            "stands in always",
        ),
        (
            [
                PEOPLE,
                ("approvals: []", "approvals: {rules: [{risk: low, ask: [risk], people: 2}]}"),
            ],
            "policies.approvals.rules[0].ask[0]: 2 people of risk are asked, it has kim",
        ),
        (
            [("approvals: []", "approvals: [1]")],
            "policies.approvals: is no list of names of owners and roles (found [1])",
        ),
        (
            [("approvals: []", "approvals: {own: maybe}")],
            "policies.approvals.own: input should be 'allow' or 'forbid' (found 'maybe')",
        ),
        (
            [("approvals: []", "approvals: []\n  deprecation: {notice: a month}")],
            "policies.deprecation.notice: 'a month' is no duration; write a number with ms, s, m, "
            "h or d, like 3d (found 'a month')",
        ),
    ],
)
def test_owners_and_rules_that_nobody_could_meet_are_refused(
    tmp_path: Path, edits: list[tuple[str, str]], told: str
) -> None:
    assert faults(tmp_path, *edits) == [f"system.yaml: {told}"]


def test_a_flat_list_of_approvals_allows_ones_own_and_rules_do_not(tmp_path: Path) -> None:
    def rights(name: str, approvals: str) -> tuple[tuple[str, ...], bool]:
        folder = tmp_path / name
        shutil.copytree(ORDERS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        text = (folder / "system.yaml").read_text()
        text = text.replace("approvals: []", f"approvals: {approvals}")
        (folder / "system.yaml").write_text(text)
        policies = read_system(folder / "system.yaml").policies
        return policies.approvals, policies.rights.own

    assert rights("list", "[risk]") == (("risk",), True)
    assert rights("rules", "{always: [risk]}") == (("risk",), False)
    assert rights("own", "{always: [risk], own: allow}") == (("risk",), True)


def test_a_flat_list_takes_people_at_their_word_and_rules_ask_for_proof(tmp_path: Path) -> None:
    def rights(name: str, approvals: str) -> tuple[str, timedelta | None]:
        change = ("approvals: []", f"approvals: {approvals}")
        found = read_system(variant(tmp_path / name, change)).policies.rights
        return found.proof, found.expires

    assert rights("list", "[risk]") == ("none", None)
    assert rights("rules", "{always: [risk]}") == ("totp", timedelta(days=14))
    said = "{always: [risk], proof: none, expires: never}"
    assert rights("said", said) == ("none", None)
    assert rights("soon", "{always: [risk], expires: 6h}") == ("totp", timedelta(hours=6))
    slip = ("approvals: []", "approvals: {always: [risk], expires: }")
    assert faults(tmp_path, slip) == [
        "system.yaml: policies.approvals.expires: is neither never nor a time such as 14d "
        "(found None)"
    ]


READS = "inputs: [amount, hour, signal]"
"""What fraud reads."""
READS_LATER = "inputs: [amount, hour, signal, {reads: priority.score, delayed: 1d}]"
WORKLIST = "relies_on: [numeric, behavioural], operating_threshold: 12"


def test_a_cycle_is_told_all_round_and_how_to_say_that_an_answer_is_an_earlier_one(
    tmp_path: Path,
) -> None:
    assert faults(tmp_path, (READS, "inputs: [amount, hour, priority.score]")) == [
        "system.yaml: models.fraud.inputs[2]: closes a cycle: fraud → handling → priority → fraud; "
        "where fraud reads what priority answered earlier, it must say so: "
        "{reads: priority.score, delayed: 1d}"
    ]


def test_a_model_that_reads_itself_and_a_cycle_apart_are_both_told(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        (READS, "inputs: [amount, fraud.probability]"),
        ("- distance\n", "- distance\n      - priority.score\n"),
    )
    assert [fault.split(";")[0] for fault in found] == [
        "system.yaml: models.fraud.inputs[1]: closes a cycle: fraud → fraud",
        "system.yaml: models.handling.inputs[1]: closes a cycle: handling → priority → handling",
    ]


def edited(tmp_path: Path, *edits: tuple[str, str]) -> System:
    """The orders system after replacing text in its file."""
    folder = tmp_path / "orders"
    shutil.copytree(ORDERS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "system.yaml").read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "system.yaml").write_text(text)
    return read_system(folder / "system.yaml")


def test_a_model_may_read_what_its_own_consumer_answered_earlier(tmp_path: Path) -> None:
    system = edited(tmp_path, (READS, READS_LATER))
    assert next(iter(system.models)) == "fraud"
    assert system.models["fraud"].inputs[-1].delayed == timedelta(days=1)
    assert system.models["fraud"].inputs[-1].column == "priority.score"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            READS,
            "inputs: [hour, signal, {reads: amount, delayed: 1d}]",
            "models.fraud.inputs[2].delayed: amount is a feature; only models give answers that "
            "can be read later",
        ),
        (
            READS,
            "inputs: [hour, signal, {reads: amount, needs: {freshness: 1d}}]",
            "models.fraud.inputs[2].needs.freshness: amount is a feature; contracts promise times "
            "of models' answers",
        ),
        (READS, READS_LATER.replace("1d", "0d"), "fraud.inputs[3].delayed: is no time at all"),
        (
            READS,
            READS_LATER.replace("1d}", "1d, needs: {latency_p99: 1s}}"),
            "models.fraud.inputs[3].needs.latency_p99: an earlier answer is there already",
        ),
        (
            WORKLIST,
            f"{WORKLIST}, needs: {{latency_p99: 300ms}}",
            "consumers.worklist.reads[0].needs: latency_p99 300ms is not kept: the answer may take "
            "1m: fraud 20s (its deadline: it promises no p99) + handling 20s (its deadline: it "
            "promises no p99) + priority 20s (its deadline: it promises no p99) "
            "(priority.score → worklist)",
        ),
        (
            "    description: The desk's list of orders.",
            "    needs: {freshness: 2h}",
            "consumers.worklist.needs: freshness 2h cannot be known to be kept: no freshness is "
            "promised by cost, fraud, handling and 1 more (priority.score → worklist)",
        ),
        ("reads: priority.score, ", "needs: {age: 1h}, reads: priority.score, ", "is not known"),
    ],
)
def test_a_fault_of_time_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    found = faults(tmp_path, (old, new))
    assert len(found) == 1
    assert told in found[0]


def test_what_a_consumer_needs_holds_for_each_edge_that_does_not_say_otherwise(
    tmp_path: Path,
) -> None:
    system = edited(
        tmp_path,
        ("    description: The desk's list of orders.", "    needs: {latency_p99: 1h}"),
        (WORKLIST, f"{WORKLIST}, needs: {{latency_p99: 1m}}"),
        ("    reads:\n", "    reads:\n      - fraud.probability\n"),
    )
    needs = [edge.needs.latency_p99 for edge in system.consumers["worklist"].reads]
    assert needs == [timedelta(hours=1), timedelta(minutes=1)]


COST = "expected_cost(miss=5, false_alarm=1)"
"""What a missed fraud costs against an order held up for nothing."""
READS_IN_COST = "- {reads: fraud.probability, relies_on: [numeric, behavioural]"
READS_IN_HANDLING = "- {reads: fraud.probability, relies_on: [numeric]"


def metrics_of_fraud(tmp_path: Path, *edits: tuple[str, str]) -> list[str]:
    """What the orders system judges its fraud model by, after replacing text in its file."""
    folder = tmp_path / "orders"
    shutil.copytree(ORDERS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "system.yaml").read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "system.yaml").write_text(text)
    return [target.metric for target in read_system(folder / "system.yaml").models["fraud"].metrics]


@pytest.mark.parametrize(
    ("written", "cost_acts_at", "handling_acts_at", "judged"),
    [
        ("brier", None, None, "brier"),
        ("brier", 0.3, None, "brier"),
        (COST, None, None, COST),
        (COST, 0.3, None, COST[:-1] + ", threshold=0.3)"),
        (COST, 0.3, 0.3, COST[:-1] + ", threshold=0.3)"),
        (COST, 0.0, None, COST[:-1] + ", threshold=0)"),
        (COST[:-1] + ", threshold=0.6)", 0.3, 0.7, COST[:-1] + ", threshold=0.6)"),
        ("accuracy", 0.3, None, "accuracy(threshold=0.3)"),
        ("f1( threshold = .30 )", None, None, "f1(threshold=0.3)"),
        ("disagreement(tolerance=0.05)", 0.3, None, "disagreement(tolerance=0.05)"),
        ("scorer(function=f1_score, worse=lower, threshold=0.5)", 0.3, None,
         "scorer(function=f1_score, worse=lower, threshold=0.5)"),
    ],
)  # fmt: skip
def test_a_metric_takes_the_threshold_at_which_its_field_is_read(
    tmp_path: Path,
    written: str,
    cost_acts_at: float | None,
    handling_acts_at: float | None,
    judged: str,
) -> None:
    edits = [("metric: brier", f'metric: "{written}"')]
    for reads, at in ((READS_IN_COST, cost_acts_at), (READS_IN_HANDLING, handling_acts_at)):
        if at is not None:
            edits.append((reads, f"{reads}, operating_threshold: {at}"))
    assert metrics_of_fraud(tmp_path, *edits) == [judged]


def test_a_consumer_outside_says_where_it_acts_too(tmp_path: Path) -> None:
    outside = (
        "- {reads: priority.score, relies_on: [numeric, behavioural], operating_threshold: 12}"
    )
    also = "\n      - {reads: fraud.probability, operating_threshold: 0.2}"
    edits = (("metric: brier", "metric: recall"), (outside, outside + also))
    assert metrics_of_fraud(tmp_path, *edits) == ["recall(threshold=0.2)"]


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("brier(classes=3)", "brier(classes=3) needs 3 columns an answer; a field has one"),
        ("quantile_loss", "quantile_loss needs quantile: quantile_loss(quantile=…)"),
        ("quantile_loss(quantile=2)", "quantile_loss(quantile=2) quantile 2 must lie between 0 "
         "and 1"),
        ("mae(classes=3)", "mae(classes=3) 'classes=3' is no parameter of mae (it takes: no "
         "parameter)"),
    ],
)  # fmt: skip
def test_a_metric_that_cannot_judge_a_field_is_refused_with_its_path(
    tmp_path: Path, metric: str, told: str
) -> None:
    found = faults(tmp_path, ("metric: brier", f'metric: "{metric}"'))
    assert found == [f"system.yaml: models.fraud.metrics[0].metric: {told}"]


def test_one_metric_written_in_two_ways_is_named_twice(tmp_path: Path) -> None:
    """Gates are called by model and metric: two of one name would be one."""
    second = """metric: accuracy
        field: probability
        label: outcomes.fraud
        margin: 0.005
        unit: ""
        because: Below this the desk sees no difference in its daily list.
      - metric: accuracy(threshold=0.5)"""
    assert faults(tmp_path, ("metric: brier", second)) == [
        "system.yaml: models.fraud.metrics[1]: names accuracy a second time"
    ]


LABEL_OF_FRAUD = "        label: outcomes.fraud\n"


@pytest.mark.parametrize("metric", ["decision_flips", "disagreement(tolerance=0.1)"])
def test_what_compares_answers_with_answers_needs_no_label(tmp_path: Path, metric: str) -> None:
    edits = (("metric: brier", f'metric: "{metric}"'), (LABEL_OF_FRAUD, ""))
    assert metrics_of_fraud(tmp_path, *edits) == [metric]


@pytest.mark.parametrize("metric", ["brier", "negative_flips", "roc_auc", COST])
def test_what_compares_answers_with_the_truth_needs_a_label(tmp_path: Path, metric: str) -> None:
    found = faults(tmp_path, ("metric: brier", f'metric: "{metric}"'), (LABEL_OF_FRAUD, ""))
    assert found == ["system.yaml: models.fraud.metrics[0].label: is missing"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1.0.0", "version: one", "contracts/cost.yaml: version: is no semantic version"),
        ("range: [-500, 1000]", "range: [1000, -500]", "output.euros.range: goes from 1000"),
        (
            "{deadline: 20s}",
            "{deadline: 0s}",
            "contracts/cost.yaml: latency.deadline: is no time at all",
        ),
        ("fallback: {euros: 30}", "fallback: {}", "fallback: has no safe default for euros"),
        ("fallback: {euros: 30}", "fallback: {euros: 3000}", "lies outside the promised range"),
        ("unit: probability, range", "unit: percent, range", "is demanded in percent, fraud gives"),
        ("range: [0, 1]}", "range: [0, 0.5]}", "demands at most 0.5, fraud may give 1"),
        ("fraud.probability:", "fraud.odds:", "contract inputs.fraud.odds: is no input"),
    ],
)
def test_a_contradicting_contract_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    found = faults(tmp_path, (old, new), file="contracts/cost.yaml")
    assert any(told in fault for fault in found)


def test_readers_that_act_at_different_thresholds_are_not_guessed_about(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        ("metric: brier", "metric: accuracy"),
        (
            "reads: fraud.probability, relies_on: [numeric]}",
            "reads: fraud.probability, relies_on: [numeric], operating_threshold: 0.3}",
        ),
        (
            "reads: fraud.probability, relies_on: [numeric, behavioural]}",
            "reads: fraud.probability, relies_on: [numeric], operating_threshold: 0.6}",
        ),
    )
    assert found == [
        "system.yaml: models.fraud.metrics[0].metric: at which threshold? readers act at 0.3 and "
        "0.6; say it in the name, like threshold=0.3"
    ]


def test_drift_has_defaults_and_is_off_only_where_that_is_spelled_out(tmp_path: Path) -> None:
    assert read_system(ORDERS / "system.yaml").policies.drift == DriftWatch()
    (tmp_path / "off").mkdir()
    off = variant(tmp_path / "off", ("  approvals: []", "  approvals: []\n  drift: off"))
    assert read_system(off).policies.drift is None
    (tmp_path / "own").mkdir()
    said = "{alpha: 0.1, floor: 0.08, psi_limit: 0.2, history: 60d, replays: 1}"
    own = f"  approvals: []\n  drift: {said}"
    found = read_system(variant(tmp_path / "own", ("  approvals: []", own))).policies.drift
    policy = DriftPolicy(alpha=0.1, floor=0.08, psi_limit=0.2)
    assert found == DriftWatch(policy=policy, replays=1, history=timedelta(days=60))


@pytest.mark.parametrize("slip", ["", "false", "no", "[]", "0"])
def test_a_slip_does_not_turn_drift_off(tmp_path: Path, slip: str) -> None:
    (found,) = faults(tmp_path, ("  approvals: []", f"  approvals: []\n  drift: {slip}"))
    said = "is neither off nor a mapping; leave drift out for its defaults"
    assert found.startswith(f"system.yaml: policies.drift: {said}")


def test_every_fault_of_the_drift_policy_is_told(tmp_path: Path) -> None:
    bad = "drift: {alpha: 0.7, floor: -1, replays: 1.5, psi_limit: .inf, limit: 3}"
    found = faults(tmp_path, ("  approvals: []", f"  approvals: []\n  {bad}"))
    named = {one.split(": ")[1] for one in found}
    assert named == {
        f"policies.drift.{name}" for name in ("alpha", "floor", "replays", "psi_limit", "limit")
    }


SERVED = """metric: {metric}
        {field}margin: 5
        unit: {unit}
        role: guard
        because: The desk waits for the list and sees every tenth of a second.
      - metric: brier"""


@pytest.mark.parametrize(
    ("metric", "field", "unit"),
    [
        ("latency_mean", "", "ms"),
        ("latency_p95", "", "ms"),
        ("error_rate", "", "share"),
        ("fallback_rate", "", "share"),
        ("null_rate", "field: probability\n        ", "share"),
    ],
)
def test_how_a_model_is_served_can_be_a_gate(
    tmp_path: Path, metric: str, field: str, unit: str
) -> None:
    edit = SERVED.format(metric=metric, field=field, unit=unit)
    assert metrics_of_fraud(tmp_path, ("metric: brier", edit)) == [metric, "brier"]


@pytest.mark.parametrize(
    ("metric", "more", "unit", "told"),
    [
        ("latency_p95", "field: probability\n        ", "ms",
         "field: is too much: latency_p95 is measured of requests"),
        ("error_rate", "label: outcomes.fraud\n        ", "share",
         "label: is too much: error_rate is compared with no truth"),
        ("null_rate", "", "share", "field: is missing"),
        ("latency_mean", "", "s", "unit: is s; latency_mean is in ms"),
    ],
)  # fmt: skip
def test_a_gate_on_serving_that_says_too_much_or_too_little_is_refused(
    tmp_path: Path, metric: str, more: str, unit: str, told: str
) -> None:
    edit = SERVED.format(metric=metric, field=more, unit=unit)
    assert faults(tmp_path, ("metric: brier", edit)) == [
        f"system.yaml: models.fraud.metrics[0].{told}"
    ]


def test_a_model_whose_only_required_metric_is_of_its_serving_could_never_pass(
    tmp_path: Path,
) -> None:
    edit = SERVED.format(metric="latency_p95", field="", unit="ms").replace("guard", "required")
    found = faults(
        tmp_path,
        ("metric: brier", edit.replace("metric: brier", "role: guard\n        metric: brier")),
    )
    assert found == [
        "system.yaml: models.fraud.metrics: has no required metric that is compared in pairs, as "
        "a shadow replay does; nothing could ever pass"
    ]
