"""What of live requests may be kept is said in the system file, and nothing else is."""

from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.errors import BadInput
from sluiceway.serving.keeping import Keeping, columns_with
from sluiceway.system.file import read_system
from tests.driver import variant
from tests.test_system_file import faults

KEY = b"0123456789abcdef"
LIVE = (
    "  outcomes:\n    owner: shop-data\n",
    "    live_loader: 'requests:'\n  outcomes:\n    owner: shop-data\n",
)
POSTED = ("labels: {known_at", "live_loader: 'labels:'\n    labels: {known_at")


def logging(said: str) -> tuple[str, str]:
    return "policies:\n", f"logging: {said}\npolicies:\n"


def test_without_a_word_everything_is_kept_for_a_year_and_more(tmp_path: Path) -> None:
    policy = read_system(variant(tmp_path)).logging
    assert (policy.inputs, policy.excluded, policy.hashed) == (100, frozenset(), frozenset())
    assert policy.retention == timedelta(days=400)


def test_the_policy_is_read(tmp_path: Path) -> None:
    said = "{retention: 90d, inputs: {share: 10}, exclude: [orders.hour], hash: [amount]}"
    policy = read_system(variant(tmp_path / "a", logging(said))).logging
    assert policy.retention == timedelta(days=90)
    assert policy.inputs == 10
    assert (policy.excluded, policy.hashed) == ({"orders.hour"}, {"amount"})
    none = read_system(variant(tmp_path / "b", logging("{inputs: none}"))).logging
    assert none.inputs == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{retention: 5d}", "logging.retention: 5d is shorter than a rollout may need its rows: "
         "50d of canary, 1d of watch and 1d until labels are mature"),
        ("{retention: long}", "logging.retention: 'long' is no duration"),
        ("{inputs: some}", "logging.inputs: is neither all, none nor {share: PERCENT}"),
        ("{inputs: {share: 0}}", "logging.inputs.share: input should be greater than or equal"),
        ("{keep: all}", "logging.keep: is not known here"),
        ("[all]", "logging: input should be"),
        ("{exclude: [mood]}", "logging.exclude[0]: mood is neither a feature nor a source.column"),
        ("{hash: [fraud.probability]}", "fraud.probability is an answer"),
        ("{exclude: [order_id]}", "order_id is the unit; without it no row is evidence"),
        ("{exclude: [hour], hash: [hour]}", "logging.hash: hour is excluded too; choose one"),
        ("{hash: [order_id]}", "sources.orders.live_loader: python:tests.orders.data:orders names "
         "units in the clear and the log keeps hashes"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(tmp_path: Path, said: str, told: str) -> None:
    assert any(told in fault for fault in faults(tmp_path, logging(said)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((LIVE, logging("{inputs: none}")), "logging.inputs: orders read what was asked"),
        ((LIVE, logging("{exclude: [hour]}")), "orders.hour is read from what was asked"),
        ((LIVE, logging("{hash: [orders.hour]}")), "orders.hour is read from what was asked"),
        (
            (("labels: {known_at", "live_loader: 'requests:'\n    labels: {known_at"),),
            "sources.outcomes.live_loader: requests: holds what was asked, no labels",
        ),
        (
            ((LIVE[0], LIVE[1].replace("requests", "labels")),),
            "sources.orders.live_loader: labels: is for sources of labels",
        ),
        (
            (("loader: python:tests.orders.data:orders", "loader: 'requests:'"),),
            "sources.orders.loader: string should match pattern",
        ),
    ],
)
def test_live_rows_that_are_asked_or_posted_have_to_be_kept(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], told: str
) -> None:
    assert any(told in fault for fault in faults(tmp_path, *changes))


def test_units_may_be_hashed_where_everything_live_is_the_gateways_own(tmp_path: Path) -> None:
    changes = (LIVE, POSTED, logging("{hash: [order_id]}"))
    system = read_system(variant(tmp_path, *changes))
    keeping = Keeping.of(system, KEY)
    assert keeping.hash_units
    assert keeping.hashed == frozenset()
    assert keeping.unit("4711") == keeping.unit("4711") != "4711"


@pytest.mark.parametrize(("key", "told"), [(None, "is not set"), (b"short", "has 5 bytes")])
def test_without_a_key_nothing_is_hashed_and_nobody_begins(
    tmp_path: Path, key: bytes | None, told: str
) -> None:
    system = read_system(variant(tmp_path, logging("{hash: [hour]}")))
    with pytest.raises(BadInput, match=told):
        Keeping.of(system, key)
    assert Keeping.of(read_system(variant(tmp_path / "plain")), None).key == b""


def test_a_value_is_hidden_under_every_name_and_in_all_that_is_made_of_it(tmp_path: Path) -> None:
    system = read_system(variant(tmp_path))
    # signal 1.0.0 is orders.signal as it stands; signal 2.0.0 is made of orders.hour too.
    assert columns_with(system, ["orders.hour"]) == {
        "orders.hour",
        "hour",
        "signal",
        "orders.signal",
    }
    assert columns_with(system, ["amount"]) == {"amount", "orders.amount"}
    keeping = Keeping(excluded=columns_with(system, ["amount"]))
    assert not any(map(keeping.keeps, ("amount", "amount@1.0.0", "orders.amount")))
    assert keeping.keeps("distance")
