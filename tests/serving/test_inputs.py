"""Rows are checked once, whole: every fault says which column, which rule, which rows."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from sluiceway.contracts.values import InputDemand
from sluiceway.serving.inputs import Reader
from sluiceway.serving.layout import lay_out
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.values import Question
from tests.gateway.diner import served
from tests.replay import diamond

SYSTEM = diamond.SYSTEM.replace(
    "inputs: [clicks, weight, hour]", "inputs: [clicks, channel, weight, hour]"
)


def reader(folder, *, candidate=None, reads=("clicks", "weight", "hour", "channel")):
    system = diamond.shop(folder, system=SYSTEM)
    models = diamond.predictors()
    models["demand", "1"].weights = dict.fromkeys(reads, 1.0)
    all_served = served(system, {("demand", "1"): _As(models["demand", "1"])})
    champion = lay_out(all_served, "demand", diamond.release())
    wished = [lay_out(all_served, "demand", candidate)] if candidate else []
    return Reader(system, champion, wished, diamond.TRANSFORMATIONS)


class _As:
    def __init__(self, local):
        self.local = local
        self.inputs = local.inputs


def asked(rows=2, **columns):
    whole = {
        "clicks": np.array([1.0, 2.0]),
        "weight": np.array([3.0, np.nan]),
        "hour": np.array([9.0, 10.0]),
        "channel": np.array(["shop", "web"], dtype=object),
        **columns,
    }
    return Question(
        model="demand",
        columns={name: values for name, values in whole.items() if values is not None},
        units=tuple(f"o{n}" for n in range(rows)),
        request_id="q1",
        received=datetime.now(UTC),
    )


def faults(reading, question):
    with pytest.raises(Refused) as refused:
        reading.read(question)
    assert refused.value.code is RefusalCode.OUT_OF_CONTRACT
    return {(f.field, f.rule): f for f in refused.value.faults}


def test_features_come_under_their_own_names(tmp_path):
    features = reader(tmp_path).read(asked())
    np.testing.assert_array_equal(features["clicks", "1.0.0"], [1.0, 2.0])
    np.testing.assert_array_equal(features["weight", "1.0.0"], [3.0, np.nan])
    assert features["channel", "1.0.0"].tolist() == ["shop", "web"]


def test_features_are_made_of_source_columns_by_the_code_that_training_used(tmp_path):
    times = np.array(["2024-07-01T08:30:00Z", "2024-01-01T08:30:00+00:00"], dtype=object)
    features = reader(tmp_path).read(asked(hour=None, **{"visits.at": times}))
    assert features["hour", "1.0.0"].tolist() == [10.0, 9.0]  # Berlin, in summer and in winter


def test_a_named_version_of_a_feature_wins_over_the_plain_name(tmp_path):
    features = reader(tmp_path).read(asked(**{"weight@1.0.0": np.array([7.0, 8.0])}))
    assert features["weight", "1.0.0"].tolist() == [7.0, 8.0]


def test_what_only_a_candidate_reads_may_be_absent(tmp_path):
    moved = diamond.release({"demand": {"weight": "2.0.0"}})
    reading = reader(tmp_path, candidate=moved)
    assert ("weight", "2.0.0") not in reading.read(asked())
    given = reading.read(asked(**{"goods_2.weight": np.array([5.0, 6.0])}))
    assert given["weight", "2.0.0"].tolist() == [5.0, 6.0]


def test_what_only_a_candidate_reads_counts_as_absent_where_it_has_the_wrong_type(tmp_path):
    """Its rows are asked together with those of others, whose column it would turn into texts."""
    moved = diamond.release({"demand": {"weight": "2.0.0"}})
    texts = np.array(["heavy", "light"], dtype=object)
    given = reader(tmp_path, candidate=moved).read(asked(**{"goods_2.weight": texts}))
    assert ("weight", "2.0.0") not in given


@pytest.mark.parametrize(
    ("columns", "field", "rule", "rows"),
    [
        ({"clicks": None}, "clicks", "missing_column", ()),
        ({"clicks": np.array([1.0, 101.0])}, "clicks", "range", (1,)),
        ({"clicks": np.array([-1.0, 2.0])}, "clicks", "range", (0,)),
        ({"clicks": np.array([np.nan, 2.0])}, "clicks", "null", (0,)),
        ({"clicks": np.array([np.inf, 2.0])}, "clicks", "finite", (0,)),
        ({"clicks": np.array(["a", "b"], dtype=object)}, "clicks", "dtype", (0,)),
        ({"clicks": np.array([1.0])}, "clicks", "shape", ()),
        ({"clicks": np.ones((2, 3))}, "clicks", "shape", ()),
        ({"channel": np.array(["shop", "mail"], dtype=object)}, "channel", "category", (1,)),
        ({"channel": np.array([None, "web"], dtype=object)}, "channel", "null", (0,)),
        ({"channel": np.array([7, "web"], dtype=object)}, "channel", "dtype", (0,)),
    ],
)
def test_each_rule_is_told_with_its_column_and_rows(tmp_path, columns, field, rule, rows):
    found = faults(reader(tmp_path), asked(**columns))
    assert found.keys() == {(field, rule)}
    assert found[field, rule].rows == rows


def test_all_faults_are_told_together(tmp_path):
    bad = asked(
        clicks=np.array([500.0, np.nan]),
        channel=np.array(["mail", None], dtype=object),
        hour=None,
    )
    assert faults(reader(tmp_path), bad).keys() == {
        ("clicks", "range"),
        ("clicks", "null"),
        ("channel", "category"),
        ("channel", "null"),
        ("hour", "missing_column"),
    }


def test_a_fault_says_what_would_be_right(tmp_path):
    reading = reader(tmp_path)
    found = faults(reading, asked(clicks=np.array([1.0, 101.0]), hour=None))
    assert found["clicks", "range"].what == "101 is outside; 0 to 100 is right"
    what = "there is no column hour, nor visits.at to make it of"
    assert found["hour", "missing_column"].what == what


def test_a_transformation_that_raises_is_that_columns_fault(tmp_path):
    found = faults(reader(tmp_path), asked(hour=None, **{"visits.at": np.array([1.0, 2.0])}))
    assert "raised" in found["hour", "transformation"].what


def test_what_no_version_reads_is_not_asked_for(tmp_path):
    reading = reader(tmp_path, reads=("clicks",))
    assert reading.read(asked(weight=None, hour=None, channel=None)).keys() == {("clicks", "1.0.0")}


def test_a_versions_own_narrower_demand_is_held_too(tmp_path):
    system = diamond.shop(tmp_path, system=SYSTEM)
    demand = InputDemand(name="clicks", unit=None, low=0.0, high=10.0, nullable=False)
    narrow = replace(system.models["demand"].contract, inputs=(demand,))
    models = diamond.predictors()
    everything = served(system, {("demand", "1"): _As(models["demand", "1"])})
    contracts = {**everything.contracts, ("demand", "1"): narrow}
    layout = lay_out(replace(everything, contracts=contracts), "demand", diamond.release())
    reading = Reader(system, layout, [], diamond.TRANSFORMATIONS)
    found = faults(reading, asked(clicks=np.array([9.0, 11.0])))
    assert found["clicks", "range"].rows == (1,)
